// SPDX-License-Identifier: GPL-3.0-or-later
//! Serving the other commands.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use reflection_doc::library::Library;
use reflection_node::store::DataFolder;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::spawn_local;

use super::callers::{Caller, Callers};
use super::{Answer, LINE_BYTES_MAX, OneResult, Request, VERSION, socket};
use crate::commands::{self, Command};
use crate::output::event_log::EventLog;

/// How often it is looked whether somebody who listens only is still there.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

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
        let callers = Rc::new(Callers::new());
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let Some(place) = callers.admit().await else {
                        return;
                    };
                    let (library, events) = (library.clone(), Rc::clone(&events));
                    spawn_local(async move {
                        if let Err(error) = answer(stream, &place.caller, &library, &events).await {
                            tracing::debug!(%error, "a caller went away");
                        }
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
async fn answer(
    stream: UnixStream,
    caller: &Caller,
    library: &Library,
    events: &EventLog,
) -> io::Result<()> {
    let (receive, mut send) = stream.into_split();
    let mut receive = BufReader::new(receive);
    loop {
        let Some(next) = caller.idle(receive.fill_buf()).await else {
            return Ok(());
        };
        if next?.is_empty() {
            return Ok(());
        }
        let mut line = Vec::new();
        let mut limited = (&mut receive).take(LINE_BYTES_MAX);
        let reading = limited.read_until(b'\n', &mut line);
        match caller.idle(reading).await {
            None => return Ok(()),
            Some(read) => read?,
        };
        let answer = match Request::read(&line) {
            Ok(request) => {
                let gone = gone(&mut receive);
                carry_out(request, library, events, &mut send, gone).await?
            }
            Err(refusal) => Some(Answer::Failed {
                jsonrpc: VERSION.into(),
                id: refusal.id,
                error: refusal.failure,
            }),
        };
        if let Some(answer) = answer {
            write(&mut send, &answer).await?;
        }
    }
}

/// Ends when the caller has gone altogether. One that only says no more may go on listening.
async fn gone(receive: &mut BufReader<OwnedReadHalf>) {
    // More requests may wait: who has sent them is there.
    while receive.fill_buf().await.is_ok_and(<[u8]>::is_empty) {
        let stream: &UnixStream = receive.get_ref().as_ref();
        let state = stream.ready(Interest::WRITABLE).await;
        if state.is_ok_and(|state| !state.is_write_closed()) {
            tokio::time::sleep(LOOK_INTERVAL).await;
        } else {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// Gives the response, where one is wanted.
async fn carry_out(
    request: Request,
    library: &Library,
    events: &EventLog,
    send: &mut OwnedWriteHalf,
    gone: impl Future<Output = ()>,
) -> io::Result<Option<Answer>> {
    let (results, receiver) = async_channel::bounded(64);
    let execute = async {
        let done = match &request.command {
            Command::Events(command) => {
                // The one that has no end of its own.
                tokio::select! {
                    () = command.tell(events, &results) => {}
                    () = gone => {}
                }
                Ok(())
            }
            command => commands::execute(command, library, &results).await,
        };
        results.close();
        done
    };
    let id = request.id.as_ref();
    let is_stream = request.is_stream;
    // Owns the receiver: when the caller has gone away, the command finds nobody to tell and ends.
    let forward = async move {
        let receiver = receiver;
        let mut all = Vec::new();
        while let Ok(result) = receiver.recv().await {
            match id {
                Some(id) if is_stream => {
                    let params = OneResult {
                        id: id.clone(),
                        result,
                    };
                    let notification = Answer::Result {
                        jsonrpc: VERSION.into(),
                        method: "result".into(),
                        params,
                    };
                    write(send, &notification).await?;
                }
                Some(_) => all.push(result),
                None => {}
            }
        }
        Ok::<_, io::Error>(all)
    };
    let (done, forwarded) = futures_util::future::join(execute, forward).await;
    let result = forwarded?;
    Ok(request.id.clone().map(|id| match done {
        Ok(()) => Answer::Done {
            jsonrpc: VERSION.into(),
            id,
            result,
        },
        Err(error) => Answer::Failed {
            jsonrpc: VERSION.into(),
            id,
            error: error.into(),
        },
    }))
}

async fn write(send: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    send.write_all(&line).await
}
