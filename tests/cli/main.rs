//! sigtool as its users see it: one binary, a module a subject.

mod arrows;
mod backends;
mod batch;
mod completions;
mod config;
mod custody;
mod example;
mod external;
mod faults;
mod images;
mod init;
mod inspect;
mod install;
mod interop;
mod interrupt;
mod json;
mod keys;
mod lending;
mod manual;
mod offline;
mod rogues;
mod secrets;
mod sign;
mod verify;
mod versions;
