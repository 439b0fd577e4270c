//! sigtool as its users see it: one binary, a module a subject.

mod arrows;
mod backends;
mod batch;
mod config;
mod example;
mod external;
mod images;
mod init;
mod inspect;
mod install;
mod interop;
mod interrupt;
mod keys;
mod lending;
mod offline;
mod rogues;
mod secrets;
mod sign;
mod verify;
