// SPDX-License-Identifier: GPL-3.0-or-later
//! Serving the other commands.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use reflection_doc::library::Library;
use reflection_node::store::DataFolder;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;

use super::{Answer, CODE_INVALID, Failure, LINE_BYTES_MAX, Request, socket, version};
use crate::commands::{self, Command};
use crate::output::event_log::EventLog;

/// Commands carried out at once; more callers wait.
const CALLERS_MAX: usize = 64;

/// The socket; removed when dropped.
pub(crate) struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Binds the socket of a folder that this process holds, so that one found there is dead.
    pub(crate) fn bind(folder: &Path) -> io::Result<Self> {
        let path = DataFolder::socket_in(folder);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (short, _handle) = socket(folder)?;
        let listener = UnixListener::bind(short)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Serves until dropped.
    pub(crate) async fn serve(&self, library: Library, events: Rc<EventLog>) {
        let callers = Arc::new(Semaphore::new(CALLERS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&callers).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (library, events) = (library.clone(), Rc::clone(&events));
                    spawn_local(async move {
                        if let Err(error) = answer(stream, &library, &events).await {
                            tracing::debug!(%error, "a caller went away");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a caller could not be accepted");
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Answers the requests of one caller, one after the other.
async fn answer(stream: UnixStream, library: &Library, events: &EventLog) -> io::Result<()> {
    let (receive, mut send) = stream.into_split();
    let mut receive = BufReader::new(receive);
    loop {
        let mut line = String::new();
        (&mut receive)
            .take(LINE_BYTES_MAX)
            .read_line(&mut line)
            .await?;
        if line.is_empty() {
            return Ok(());
        }
        let answer = match serde_json::from_str::<Request>(&line) {
            Ok(request) => carry_out(request, library, events, &mut send).await?,
            // The parser's own words could quote a text.
            Err(_) => Answer::Failed {
                jsonrpc: version(),
                id: Value::Null,
                error: Failure {
                    code: CODE_INVALID,
                    message: "not a known request".into(),
                },
            },
        };
        write(&mut send, &answer).await?;
    }
}

async fn carry_out(
    request: Request,
    library: &Library,
    events: &EventLog,
    send: &mut OwnedWriteHalf,
) -> io::Result<Answer> {
    let Request { id, command, .. } = request;
    let (results, receiver) = async_channel::bounded(64);
    let execute = async {
        let done = match &command {
            Command::Events(command) => {
                command.tell(events, &results).await;
                Ok(())
            }
            command => commands::execute(command, library, &results).await,
        };
        results.close();
        done
    };
    // Owns the receiver: when the caller has gone away, the command finds nobody to tell and ends.
    let forward = async move {
        let receiver = receiver;
        while let Ok(params) = receiver.recv().await {
            let notification = Answer::Result {
                jsonrpc: version(),
                method: "result".into(),
                params,
            };
            write(send, &notification).await?;
        }
        Ok::<(), io::Error>(())
    };
    let (done, forwarded) = futures_util::future::join(execute, forward).await;
    forwarded?;
    Ok(match done {
        Ok(()) => Answer::Done {
            jsonrpc: version(),
            id,
            result: Value::Null,
        },
        Err(error) => Answer::Failed {
            jsonrpc: version(),
            id,
            error: error.into(),
        },
    })
}

async fn write(send: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    send.write_all(&line).await
}
