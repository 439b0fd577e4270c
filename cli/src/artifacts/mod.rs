//! From the words of a command line to artifacts, and several of them at once.

mod annotations;
pub(crate) mod batch;
pub(crate) mod destination;
pub(crate) mod expand;
pub(crate) mod item;
pub(crate) mod left_out;
mod list;
pub(crate) mod meaning;
mod pattern;
mod repeated;
pub(crate) mod sources;

pub(crate) use annotations::annotations;
pub(crate) use expand::Items;
pub(crate) use item::{Item, SourceOf};
pub(crate) use sources::Sources;
