//! `sigtool help`, and the manual pages.
