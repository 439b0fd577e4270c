//! `sigtool`: signs software artifacts and proves later who signed them. A thin dispatcher: no cryptography, no network.

mod app;
mod args;
mod batch;
mod command_line;
mod commands;
mod completion;
mod config;
mod cosign;
mod custody;
mod error;
mod execution;
mod expand;
mod external;
#[cfg(test)]
mod generated;
mod host;
mod interrupt;
mod manual;
mod output;
mod pasted;
mod run;
mod seen;
mod sources;
mod suggest;
mod topics;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = command_line::shortened();
    if let Some(code) = host::child_host::run(&arguments) {
        return code;
    }
    if completion::answer(&arguments) {
        return ExitCode::SUCCESS;
    }
    host::child_host::no_core_files();
    run::report_panics();
    ExitCode::from(run::run(arguments))
}
