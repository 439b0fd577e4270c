//! Registries that fail: a stage with a proxy before a real registry, what can go wrong there, and the matrices of all of it.

mod matrix;
mod stage;
mod trouble;

pub use matrix::{Reading, Registries, Signed, Writing, try_all};
pub use stage::{BASIC, Machines, PASSWORD, Stage, is_indiscreet};
pub use trouble::{HUGE, Kind, Place, Trouble};
