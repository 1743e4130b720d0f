// SPDX-License-Identifier: GPL-3.0-or-later
//! JSON-RPC 2.0 over a Unix socket in the data folder, one message a line.
//!
//! A request's method is the command's name and its parameters are the command's own, by name; what
//! the command line need not say may be left out. The response's result is the list of what the
//! command line prints with `--json`. Where a request has the member `"stream": true`, results come as
//! notifications `{"method":"result","params":{"id":…,"result":…}}` while the command runs, and the
//! response, whose result is an empty list, ends it; so it is for what has no end. The socket can be
//! reached by its owner alone (mode 0600).

mod callers;
pub(crate) mod client;
pub(crate) mod server;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use reflection_node::store::DataFolder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::commands::{Command, CommandError};

/// Longest line that is taken, in bytes: a new document's text fits.
const LINE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Longest path that fits a socket's address on every system.
const SOCKET_PATH_BYTES_MAX: usize = 100;

const VERSION: &str = "2.0";
/// What JSON-RPC calls what can go wrong.
const CODE_NO_JSON: i64 = -32700;
const CODE_NO_REQUEST: i64 = -32600;
const CODE_NO_METHOD: i64 = -32601;
const CODE_INVALID: i64 = -32602;
/// The first code that JSON-RPC leaves to programs: the command failed.
const CODE_FAILED: i64 = -32000;

/// What a caller wants.
#[derive(Debug)]
struct Request {
    /// `None` where no response is wanted.
    id: Option<Value>,
    command: Command,
    is_stream: bool,
}

impl Request {
    /// Reads one from a line.
    fn read(line: &[u8]) -> Result<Self, Refusal> {
        let refuse = |id: &Value, code, message: &str| Refusal {
            id: id.clone(),
            failure: Failure {
                code,
                message: message.to_owned(),
            },
        };
        let mut request: Value = serde_json::from_slice(line)
            .map_err(|_| refuse(&Value::Null, CODE_NO_JSON, "this is no line of JSON"))?;
        let Some(members) = request.as_object_mut() else {
            let message = "a request is an object, and one at a time";
            return Err(refuse(&Value::Null, CODE_NO_REQUEST, message));
        };
        let id = members.remove("id");
        let is_an_id = |id: &Value| id.is_null() || id.is_string() || id.is_number();
        if !id.as_ref().is_none_or(is_an_id) {
            let message = "the id of a request is a number or a string";
            return Err(refuse(&Value::Null, CODE_NO_REQUEST, message));
        }
        let answer_to = id.clone().unwrap_or(Value::Null);
        if members.remove("jsonrpc") != Some(VERSION.into()) {
            let message = "a request has the member \"jsonrpc\": \"2.0\"";
            return Err(refuse(&answer_to, CODE_NO_REQUEST, message));
        }
        let is_stream = members.remove("stream") == Some(true.into());
        let Some(Value::String(method)) = members.get("method") else {
            let message = "a request has a method";
            return Err(refuse(&answer_to, CODE_NO_REQUEST, message));
        };
        if !Command::is_known(method) {
            let message = "there is no such method";
            return Err(refuse(&answer_to, CODE_NO_METHOD, message));
        }
        if members.get("params").is_none_or(Value::is_null) {
            members.insert("params".into(), json!({}));
        }
        let command = serde_json::from_value(request)
            .map_err(|error| refuse(&answer_to, CODE_INVALID, &error.to_string()))?;
        Ok(Self {
            id,
            command,
            is_stream,
        })
    }
}

/// Why a line is no request.
#[derive(Debug)]
struct Refusal {
    id: Value,
    failure: Failure,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Answer {
    Result {
        jsonrpc: String,
        method: String,
        params: OneResult,
    },
    Failed {
        jsonrpc: String,
        id: Value,
        error: Failure,
    },
    Done {
        jsonrpc: String,
        id: Value,
        result: Vec<Value>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct OneResult {
    id: Value,
    result: Value,
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
        if failure.code == CODE_FAILED {
            Self::Failed(failure.message)
        } else {
            Self::WrongUse(failure.message)
        }
    }
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
