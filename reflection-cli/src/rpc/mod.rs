// SPDX-License-Identifier: GPL-3.0-or-later
//! JSON-RPC 2.0 over a Unix socket in the data folder, one message a line.
//!
//! A request's method is the command's name and its parameters are the command's own. Results
//! come as notifications `{"method":"result","params":…}` while the command runs; the response
//! ends it. The socket can be reached by its owner alone (folder 0700, socket 0600).

pub(crate) mod client;
pub(crate) mod server;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use reflection_node::store::DataFolder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::commands::{Command, CommandError};

/// Longest line that is taken, in bytes: a new document's text fits.
const LINE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Longest path that fits a socket's address on every system.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// JSON-RPC's own code for parameters that are no good.
const CODE_INVALID: i64 = -32602;
/// The first code that JSON-RPC leaves to programs: the command failed.
const CODE_FAILED: i64 = -32000;

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    jsonrpc: String,
    id: Value,
    #[serde(flatten)]
    command: Command,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Answer {
    Result {
        jsonrpc: String,
        method: String,
        params: Value,
    },
    Failed {
        jsonrpc: String,
        id: Value,
        error: Failure,
    },
    Done {
        jsonrpc: String,
        id: Value,
        result: Value,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Failure {
    code: i64,
    message: String,
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Failed(message) => Self {
                code: CODE_FAILED,
                message,
            },
            CommandError::WrongUse(message) => Self {
                code: CODE_INVALID,
                message,
            },
        }
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        if failure.code == CODE_INVALID {
            Self::WrongUse(failure.message)
        } else {
            Self::Failed(failure.message)
        }
    }
}

fn version() -> String {
    "2.0".into()
}

/// The socket of a folder, by a name that fits an address; the handle keeps that name valid.
fn socket(folder: &Path) -> std::io::Result<(PathBuf, Option<File>)> {
    let path = DataFolder::socket_in(folder);
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return Ok((path, None));
    }
    let handle = File::open(folder)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
    Ok((DataFolder::socket_in(&short), Some(handle)))
}
