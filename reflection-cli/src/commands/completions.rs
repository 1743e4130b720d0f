// SPDX-License-Identifier: GPL-3.0-or-later
//! `completions` and `manual`: what a package installs beside the program.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, CommandError};

const NAME: &str = "reflection-cli";

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Prints the script that the shell reads.
    pub(super) fn run(&self) {
        let mut command = Arguments::command();
        clap_complete::generate(self.shell, &mut command, NAME, &mut std::io::stdout());
    }
}

#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// The folder, made if it is missing
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

impl Manual {
    /// Writes a page for the program and one for each command.
    pub(super) fn run(&self) -> Result<(), CommandError> {
        std::fs::create_dir_all(&self.to)
            .and_then(|()| clap_mangen::generate_to(Arguments::command(), &self.to))
            .map_err(|error| {
                CommandError::Failed(format!(
                    "the pages cannot be written to {}: {error}",
                    self.to.display()
                ))
            })
    }
}
