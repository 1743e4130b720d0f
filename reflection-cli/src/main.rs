// SPDX-License-Identifier: GPL-3.0-or-later
//! Reflection without a screen.
//!
//! A command is a value ([`commands::Command`]) that is carried out either here, on the data
//! folder itself, or by the process that holds the folder and serves its socket. Both ways run
//! the same code ([`commands::execute`]) and give the same JSON, which [`output`] shows.

mod commands;
mod output;
mod rpc;
mod session;
mod trace;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::commands::{Arguments, CommandError};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error),
    };
    start_log(arguments.global.verbose);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&CommandError::failed(error)),
    };
    match runtime.block_on(commands::run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error),
    }
}

/// Help and version go to standard output and are no failure; the rest is wrong use, told in one
/// sentence.
fn explain(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(2)
        }
        _ => {
            let told = error.render().to_string();
            // What follows the first paragraph are hints, some of them wrong.
            let first = told.split("\n\n").next().unwrap_or_default();
            let words: Vec<&str> = first.split_whitespace().collect();
            let sentence = words.join(" ");
            let sentence = sentence.strip_prefix("error: ").unwrap_or(&sentence);
            output::fail(&CommandError::WrongUse(format!("{sentence} (see --help)")))
        }
    }
}

/// The log goes to standard error: warnings, or more with each `-v`, or what `RUST_LOG` says.
fn start_log(verbose: u8) {
    let level = match verbose {
        // The transport calls it an error when an endpoint is left while a dial is pending.
        0 => "error,iroh=off",
        1 => "reflection_node=info,reflection_doc=info,reflection_cli=info,error",
        2 => "reflection_node=debug,reflection_doc=debug,reflection_cli=debug,warn",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
}
