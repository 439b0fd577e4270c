//! `sigtool`: signs software artifacts and proves later who signed them. A thin dispatcher: no cryptography, no network.

mod app;
mod args;
mod batch;
mod commands;
mod config;
mod cosign;
mod error;
mod expand;
mod external;
mod host;
mod interrupt;
mod output;
mod pasted;
mod run;
mod sources;
mod suggest;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = host::child_host::run(&arguments) {
        return code;
    }
    host::child_host::no_core_files();
    run::report_panics();
    ExitCode::from(run::run(arguments))
}
