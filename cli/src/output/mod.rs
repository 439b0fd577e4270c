//! The only code that prints. Results go to stdout, all else to stderr.

pub(crate) mod lost;
pub(crate) mod person;
mod progress;
mod stops;
mod text;
mod ui;

pub(crate) use crate::config::{Color, Format};
pub(crate) use text::{Text, clean, plural};
pub(crate) use ui::{Ticker, Ui};
