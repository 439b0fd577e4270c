//! The chain of custody: what this run enters in the ledger, and by what names it is found again.

pub(crate) mod ledger;
pub(crate) mod names;
pub(crate) mod recorder;
