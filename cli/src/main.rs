//! `sigtool`: signs software artifacts and proves later who signed them. A thin dispatcher: no cryptography, no network.

mod alias;
mod app;
mod args;
mod artifacts;
mod ci;
mod commands;
mod config;
mod custody;
mod dispatch;
mod error;
#[cfg(test)]
mod generated;
mod host;
mod interrupt;
mod output;
mod pasted;
mod place;
mod report;
mod suggest;
mod topics;
mod typed;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = host::child_host::run(&arguments) {
        return code;
    }
    if dispatch::completion::answer(&arguments) {
        return ExitCode::SUCCESS;
    }
    // They may be a hundred thousand, and are parsed where the system keeps them.
    drop(arguments);
    host::child_host::keep_memory_private();
    dispatch::report_panics();
    ExitCode::from(output::lost::end(dispatch::run()))
}
