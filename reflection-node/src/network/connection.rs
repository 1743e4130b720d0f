// SPDX-License-Identifier: GPL-3.0-or-later
//! One connection: hello, the talk about common documents, and a session for each of those.

mod documents;
mod hello;
mod quiet;
mod route;
mod streams;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use iroh::endpoint::{Connection, ConnectionError, RecvStream, SendStream};
use tokio::io::BufReader;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use self::documents::note_meeting;
use self::hello::greet;
pub(super) use self::route::route;
pub(crate) use self::route::seen_at;
use self::streams::{Opened, accept, read_control, say};
use super::control::Control;
use super::locality::is_local;
use super::peers::{Boot, Message, PeersHandle};
use crate::access::{DocumentKeys, TopicId};
use crate::events::{Event, Route};
use crate::identity::AuthorId;
use crate::replication::driver::{Link, Told};
use crate::shared::Shared;
use crate::sync::driver::{Driver, DriverError, Outcome, present_heights};
use crate::sync::heights::Heights;
use crate::sync::patience;
use crate::sync::proof::Salts;
use crate::sync::session::Session;
use crate::sync::stream::Streams;

/// How long the hello, and the first frame of a stream, may take.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest frame of the control stream.
const CONTROL_FRAME_BYTES_MAX: usize = 64 * 1024;
/// How long a connection stays on which nothing is in common.
const STRANGER_TIMEOUT: Duration = Duration::from_secs(10);
/// With this QUIC code a connection is closed on which nothing was in common.
const STRANGER_CODE: u32 = 3;
/// With this one by a node that ends, or that goes offline.
pub(super) const LEAVING_CODE: u32 = 5;
/// Control frames that wait to be handled.
const CONTROL_QUEUE_MAX: usize = 16;

/// A connection that was just made.
pub(super) struct Dialled {
    pub(super) connection: Connection,
    /// Ours.
    pub(super) boot: Boot,
    pub(super) is_dialer: bool,
    /// Whether it may not leave the local network.
    pub(super) is_local_only: bool,
}

/// Greets the peer and, if the connection is to be kept, serves it until it ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    peers: PeersHandle,
    dialled: Dialled,
    greeting: Option<OwnedSemaphorePermit>,
    cancel: CancellationToken,
) {
    let Dialled {
        connection,
        boot,
        is_dialer,
        is_local_only,
    } = dialled;
    let peer = AuthorId::from(connection.remote_id());
    let greet = tokio::time::timeout(patience(HELLO_TIMEOUT), greet(&connection, boot, is_dialer));
    let greeted = tokio::select! {
        () = cancel.cancelled() => return,
        greeted = greet => greeted,
    };
    drop(greeting);
    let Ok(Ok(greeted)) = greeted else {
        connection.close(2_u32.into(), b"no hello");
        if is_dialer {
            peers.send(Message::DialFailed { peer }).await;
        }
        return;
    };
    let (answer, kept) = oneshot::channel();
    peers
        .send(Message::Greeted {
            connection: connection.clone(),
            boot: greeted.boot,
            is_dialer,
            answer,
        })
        .await;
    let Ok(keep) = kept.await else {
        connection.close(1_u32.into(), b"another connection is kept");
        return;
    };
    let way = route(&connection);
    shared.events.emit(&Event::Connected {
        peer,
        route: way.0.clone(),
        rtt_ms: way.1,
    });
    let salts = if is_dialer {
        Salts {
            dialer: greeted.own_salt,
            listener: greeted.salt,
        }
    } else {
        Salts {
            dialer: greeted.salt,
            listener: greeted.own_salt,
        }
    };
    let mut served = Served {
        control: Control::new(shared.id, peer, salts, Instant::now()),
        shared: Arc::clone(&shared),
        connection: connection.clone(),
        peer,
        sessions: HashMap::new(),
        quiet: HashMap::new(),
        tasks: TaskTracker::new(),
        finished: mpsc::channel(CONTROL_QUEUE_MAX),
        replication: Link::new(&shared, &connection, salts, &peers),
        has_common: false,
        is_stranger: false,
        is_local_only,
        way,
    };
    let reason = tokio::select! {
        () = keep.cancelled() => "closed here".to_owned(),
        reason = served.serve(greeted.send, greeted.receive, is_dialer) => reason,
    };
    let is_stranger = served.is_stranger;
    let code = match () {
        () if is_stranger => STRANGER_CODE,
        () if cancel.is_cancelled() => LEAVING_CODE,
        () => 0,
    };
    connection.close(code.into(), b"closing");
    if has_left(&connection) {
        shared.note_gone(peer);
    }
    served.end_sessions().await;
    if served.has_common {
        note_meeting(&shared, peer);
    }
    let (route, rtt_ms) = served.way;
    shared.events.emit(&Event::Disconnected {
        peer,
        route,
        rtt_ms,
        reason,
    });
    peers
        .send(Message::Ended {
            peer,
            stable_id: connection.stable_id(),
            is_stranger,
        })
        .await;
}

/// Whether the peer closed the connection because its network ends.
fn has_left(connection: &Connection) -> bool {
    matches!(
        connection.close_reason(),
        Some(ConnectionError::ApplicationClosed(close)) if close.error_code == LEAVING_CODE.into()
    )
}

/// A session that ended, by its document and number.
type Finished = (TopicId, u64, Outcome);

/// A kept connection.
struct Served {
    shared: Arc<Shared>,
    connection: Connection,
    peer: AuthorId,
    /// Which documents are common, and which of those have a stream.
    control: Control,
    /// Documents with a living session on this connection.
    sessions: HashMap<TopicId, (u64, CancellationToken)>,
    /// By what number the status of a quiet document was reported.
    quiet: HashMap<TopicId, u64>,
    tasks: TaskTracker,
    /// Sessions that ended.
    finished: (mpsc::Sender<Finished>, mpsc::Receiver<Finished>),
    replication: Link,
    has_common: bool,
    /// Nothing was found in common in the time there is for that.
    is_stranger: bool,
    /// Whether the connection may not leave the local network.
    is_local_only: bool,
    /// How it runs, as it was told last.
    way: (Route, u64),
}

impl Served {
    /// Serves until something ends the connection; says what.
    async fn serve(
        &mut self,
        mut send: SendStream,
        receive: BufReader<RecvStream>,
        is_dialer: bool,
    ) -> String {
        let (control_sender, mut control) = mpsc::channel(CONTROL_QUEUE_MAX);
        let (opened_sender, mut opened) = mpsc::channel(CONTROL_QUEUE_MAX);
        let _control_reader =
            AbortOnDropHandle::new(tokio::spawn(read_control(receive, control_sender)));
        let _acceptor =
            AbortOnDropHandle::new(tokio::spawn(accept(self.connection.clone(), opened_sender)));
        let documents = self.shared.follow_documents();
        let grown = self.shared.commits.follow();
        let mut paths = self.connection.path_events();
        let mut deadline = Instant::now() + patience(STRANGER_TIMEOUT);
        let documents_here = self.shared.all_keys();
        let random = crate::random::array;
        let actions = self.control.begin(&documents_here, is_dialer, random);
        if self.carry_out(actions, &mut send).await.is_err() {
            return "the connection is lost".into();
        }
        loop {
            let result = tokio::select! {
                frame = control.recv() => match frame {
                    Some(Ok(frame)) => self.heard(frame, &mut send).await,
                    Some(Err(error)) => Err(self.lost(&error).await),
                    None => Err("the peer ended the connection".into()),
                },
                stream = opened.recv() => match stream {
                    Some(stream) => {
                        self.answer(stream).await;
                        Ok(())
                    }
                    None => Err(self.lost(&DriverError::Ended).await),
                },
                Some(finished) = self.finished.1.recv() => self.session_ended(finished),
                topics = grown.next() => {
                    self.grew(&topics);
                    Ok(())
                }
                () = sleep_until(self.control.due()) => Ok(()),
                told = self.replication.told() => match told {
                    Told::Acquainted => {
                        self.has_common = true;
                        Ok(())
                    }
                    Told::HasRoom => Err("there is room again".into()),
                },
                topics = documents.next() => {
                    deadline = Instant::now() + patience(STRANGER_TIMEOUT);
                    self.documents_changed(&topics, &mut send).await
                }
                Some(_) = paths.next() => self.rerouted(),
                () = tokio::time::sleep_until(deadline), if !self.has_common => {
                    self.is_stranger = true;
                    Err("nothing in common".into())
                }
            };
            let result = match result {
                Ok(()) => self.go_on(&mut send).await,
                failed => failed,
            };
            if let Err(reason) = result {
                return reason;
            }
        }
    }

    /// Tells of another way that the connection has taken.
    fn rerouted(&mut self) -> Result<(), String> {
        let way = route(&self.connection);
        if let Route::Direct(address) = &way.0
            && self.is_local_only
            && !is_local(address)
        {
            return Err("the connection would leave the local network".into());
        }
        if way.0 != self.way.0 && way.0 != Route::Unknown {
            self.way = way.clone();
            self.shared.events.emit(&Event::RouteChanged {
                peer: self.peer,
                route: way.0,
                rtt_ms: way.1,
            });
        }
        Ok(())
    }

    /// Why the connection is gone, in QUIC's words where it has some.
    async fn lost(&mut self, error: &DriverError) -> String {
        let closed = tokio::time::timeout(Duration::from_millis(50), self.connection.closed());
        let Ok(reason) = closed.await else {
            return error.to_string();
        };
        if let ConnectionError::ApplicationClosed(close) = &reason {
            self.is_stranger = close.error_code == STRANGER_CODE.into();
        }
        reason.to_string()
    }

    async fn open(&mut self, topic: TopicId) -> Option<()> {
        let token = self.control.token_of(&topic)?;
        let opening = tokio::time::timeout(patience(HELLO_TIMEOUT), self.connection.open_bi());
        let (send, receive) = opening.await.ok()?.ok()?;
        let streams = Streams {
            send,
            receive: BufReader::new(receive),
        };
        let (own, peer) = (self.shared.id, self.peer);
        self.start(topic, streams, |keys, ours| {
            Session::open(keys, own, peer, token, crate::random::array(), ours)
        })
        .await
    }

    async fn answer(&mut self, opened: Opened) {
        let (token, nonce, streams) = match opened {
            Opened::Document {
                token,
                nonce,
                streams,
            } => (token, nonce, streams),
            Opened::Assignments(streams) => return self.replication.host(streams),
        };
        let Some(topic) = self.control.topic_of(&token) else {
            // Not a word: the peer named something that is not here.
            return;
        };
        self.has_common = true;
        let (own, peer) = (self.shared.id, self.peer);
        self.start(topic, streams, |keys, ours| {
            Session::answer(keys, own, peer, nonce, crate::random::array(), ours)
        })
        .await;
    }

    async fn start(
        &mut self,
        topic: TopicId,
        streams: Streams,
        session: impl FnOnce(DocumentKeys, Arc<Heights>) -> Session,
    ) -> Option<()> {
        let document = self.shared.document(&topic)?;
        let commits = self.shared.watch_commits(topic, document.row).await.ok()?;
        let session = session(document.keys.clone(), present_heights(&commits));
        let cancel = CancellationToken::new();
        let driver = Driver::new(
            Arc::clone(&self.shared),
            self.peer,
            document,
            session,
            commits,
        );
        let number = driver.number();
        // A second stream for the same document replaces the first: its opener gave that one up.
        if let Some((_, replaced)) = self.sessions.insert(topic, (number, cancel.clone())) {
            replaced.cancel();
        }
        self.control.began(topic, number, Instant::now());
        let finished = self.finished.0.clone();
        self.tasks.spawn(async move {
            let outcome = driver.run(streams, cancel).await;
            let _ = finished.send((topic, number, outcome)).await;
        });
        Some(())
    }

    async fn end_sessions(&mut self) {
        for (_, session) in self.sessions.values() {
            session.cancel();
        }
        self.tasks.close();
        // Those that end tell so; they are not kept waiting for somebody to listen.
        while let Some((topic, number, _)) = tokio::select! {
            finished = self.finished.1.recv() => finished,
            () = self.tasks.wait() => self.finished.1.try_recv().ok(),
        } {
            self.quiet.insert(topic, number);
        }
        let statuses: Vec<(TopicId, u64)> = self.quiet.drain().collect();
        self.shared.set_statuses(self.peer, &statuses, None);
    }
}

/// Ends never where nothing is due.
async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
