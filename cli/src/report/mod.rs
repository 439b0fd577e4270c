//! What is said: of each thing a row for programs and lines for people.

pub(crate) mod artifact;
pub(crate) mod backend;
pub(crate) mod check;
pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod image;
pub(crate) mod inspection;
pub(crate) mod key;
pub(crate) mod left_out;
pub(crate) mod overview;
pub(crate) mod profile;
mod sections;
pub(crate) mod setting;
pub(crate) mod signing;
pub(crate) mod summary;
pub(crate) mod verdict;

pub(crate) use error::{ErrorRow, Failed, fail, lossy};
