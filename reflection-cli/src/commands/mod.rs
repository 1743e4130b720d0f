// SPDX-License-Identifier: GPL-3.0-or-later
//! The commands, one file each.

mod blame;
mod cat;
mod check;
mod code;
mod compact;
mod completions;
mod delete;
mod diff;
mod document;
mod edit;
mod events;
mod export;
mod follow;
mod history;
mod id;
mod import;
mod join;
mod list;
mod mode;
mod name;
mod new;
mod peers;
mod play;
mod rebuild;
mod recover;
mod replay;
mod replica;
mod restore;
mod run;
mod search;
mod stats;
mod sync;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};
use reflection_doc::library::{Library, LibraryError};
use reflection_node::access::Hint;
use reflection_node::identity::AuthorId;
use reflection_node::store::{DataFolder, FolderError};
use reflection_node::{DocumentError, Mode, NetworkConfig};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::session::{self, Session};
use crate::{output, rpc};

/// How long another command may hold the data folder before that is an error.
const BUSY_PATIENCE: Duration = Duration::from_secs(3);
const BUSY_INTERVAL: Duration = Duration::from_millis(50);

/// Write together, from the command line.
#[derive(Debug, Parser)]
#[command(name = "reflection-cli", version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Action,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
// Each is a switch of its own.
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Global {
    /// Folder with identity and documents [default: $`XDG_DATA_HOME/reflection`]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How far to reach this time: offline, local or internet [default: what `mode` has chosen, at first
    /// internet]
    #[arg(long, global = true, value_name = "MODE")]
    pub(crate) mode: Option<Mode>,
    /// Address to listen at (repeatable)
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    pub(crate) bind: Vec<SocketAddr>,
    /// Peer to connect to (repeatable)
    #[arg(long, global = true, value_name = "ENDPOINT@ADDR:PORT", value_parser = parse_peer)]
    pub(crate) peer: Vec<Hint>,
    /// Relay to use in place of the public ones (repeatable)
    #[arg(long, global = true, value_name = "URL", value_parser = parse_relay)]
    pub(crate) relay: Vec<RelayUrl>,
    /// Node that introduces peers to each other (repeatable)
    #[arg(long, global = true, value_name = "ENDPOINT[@ADDR:PORT]", value_parser = parse_bootstrap)]
    pub(crate) bootstrap: Vec<Hint>,
    /// Use no public relay
    #[arg(long, global = true)]
    pub(crate) no_public_relays: bool,
    /// Neither ask nor tell the public address lookup
    #[arg(long, global = true)]
    pub(crate) no_public_lookup: bool,
    /// Neither announce nor look for peers on the local network
    #[arg(long, global = true)]
    pub(crate) no_mdns: bool,
    /// Give every result as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more in the log (repeatable)
    #[arg(short = 'v', long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

type RelayUrl = reflection_node::RelayUrl;

fn parse_peer(text: &str) -> Result<Hint, String> {
    let hint = parse_bootstrap(text)?;
    if hint.addresses.is_empty() {
        Err("expected ENDPOINT@ADDR:PORT".into())
    } else {
        Ok(hint)
    }
}

fn parse_bootstrap(text: &str) -> Result<Hint, String> {
    let (endpoint, address) = match text.split_once('@') {
        Some((endpoint, address)) => (endpoint, Some(address)),
        None => (text, None),
    };
    let endpoint = endpoint
        .parse::<AuthorId>()
        .map_err(|error| error.to_string())?;
    if !endpoint.is_key() {
        return Err(format!("{endpoint} is nobody's public key"));
    }
    let addresses = address
        .map(|address| {
            address
                .parse()
                .map_err(|_| format!("{address} is no address with a port"))
        })
        .transpose()?;
    Ok(Hint {
        endpoint,
        addresses: addresses.into_iter().collect(),
        relay: None,
    })
}

fn parse_relay(text: &str) -> Result<RelayUrl, String> {
    let relay: RelayUrl = text.parse().map_err(|_| format!("{text} is not a URL"))?;
    // Of these two a host is always part.
    if matches!(relay.scheme(), "http" | "https") {
        Ok(relay)
    } else {
        Err(format!("{text} begins with neither https:// nor http://"))
    }
}

impl Global {
    /// How the node is to reach others.
    pub(crate) fn network(&self) -> NetworkConfig {
        NetworkConfig {
            mode: self.mode,
            bind: self.bind.clone(),
            peers: self.peer.clone(),
            relays: self.relay.clone(),
            public_relays: !self.no_public_relays,
            public_lookup: !self.no_public_lookup,
            bootstrap: self.bootstrap.clone(),
            serves_bootstrap: false,
            serves_relay: None,
            mdns: !self.no_mdns,
            replica: None,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Stay online until SIGTERM, and serve the other commands
    Run(run::Run),
    /// Print what a shell needs to complete commands
    #[command(hide = true)]
    Completions(completions::Completions),
    /// Write the manual pages into a folder
    #[command(hide = true)]
    Manual(completions::Manual),
    #[command(flatten)]
    Command(Command),
}

/// Commands that no running process carries out for another one.
const NOT_ASKED_FOR: [&str; 3] = ["run", "completions", "manual"];

/// What a running process can be asked to do.
#[derive(Debug, Serialize, Deserialize, Subcommand)]
#[serde(tag = "method", content = "params", rename_all = "kebab-case")]
pub(crate) enum Command {
    /// Show this installation's author and endpoint id
    Id(id::Id),
    /// Make a document, from a file if one is given, and show its write code
    New(new::New),
    /// List the documents
    List(list::List),
    /// Show a code by which a document is shared
    Code(code::CodeCommand),
    /// Take part in a document by a code or a reflection: link; - reads it from standard input
    Join(join::Join),
    /// Print the exact text of a document
    Cat(cat::Cat),
    /// Make one edit, durable on return
    Edit(edit::Edit),
    /// Apply an editing trace to an empty document as if typed
    Play(play::Play),
    /// Exchange with the peers that can be reached until nothing is left
    Sync(sync::Sync),
    /// List the versions of a document, or give one a name
    History(history::History),
    /// Show what differs between two versions
    Diff(diff::Diff),
    /// Make the text what it was, as a new edit
    Restore(restore::Restore),
    /// Show who wrote which part of the text
    Blame(blame::Blame),
    /// Show or choose the name that others see in documents
    Name(name::Name),
    /// Search the titles and texts of all documents
    Search(search::Search),
    /// Make a document of each file; of a folder, of each text file in it
    Import(import::Import),
    /// Write documents, or all of them, into a folder as files
    Export(export::Export),
    /// Remove a document from this machine
    Delete(delete::Delete),
    /// Have documents kept by replicas, or keep them for others
    Replica(replica::ReplicaCommand),
    /// Show what documents take
    Stats(stats::Stats),
    /// Show known peers, how they are reached, and when that was the last time
    Peers(peers::Peers),
    /// Show or change how far the running process reaches, now and from now on
    Mode(mode::ModeCommand),
    /// Show the last events of the running process
    Events(events::EventsCommand),
    /// Check that everything that is stored is sound
    Check(check::Check),
    /// Pack this installation's own operations, and give back unused space
    Compact(compact::Compact),
    /// Make again from the operations what is kept beside them
    Rebuild(rebuild::Rebuild),
    /// Show a document's operations in the order in which they were accepted
    Replay(replay::Replay),
    /// Make new documents of those in another data folder or a backup
    Recover(recover::Recover),
}

/// Why a command failed, as one sentence. The exit code follows from the kind.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum CommandError {
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    WrongUse(String),
}

impl CommandError {
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<LibraryError> for CommandError {
    fn from(error: LibraryError) -> Self {
        Self::failed(error)
    }
}

impl From<DocumentError> for CommandError {
    fn from(error: DocumentError) -> Self {
        Self::failed(error)
    }
}

impl From<reflection_node::store::StoreError> for CommandError {
    fn from(error: reflection_node::store::StoreError) -> Self {
        Self::failed(error)
    }
}

/// Where results of a command go as they come.
pub(crate) type Results = async_channel::Sender<Value>;

/// Carries out what the command line asks for.
pub(crate) async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let Arguments { global, command } = arguments;
    let command = match command {
        Action::Run(run) => return run.run(&global).await,
        Action::Completions(completions) => {
            completions.run();
            return Ok(());
        }
        Action::Manual(manual) => return manual.run(),
        Action::Command(command) => command.prepare()?,
    };
    let folder = session::folder(&global)?;
    let (results, receiver) = async_channel::bounded(64);
    let show = output::show(&command, global.json, receiver);
    let (done, shown) = match reach(&folder).await? {
        Folder::Served(connection) => {
            futures_util::future::join(rpc::client::call(connection, &command, results), show).await
        }
        Folder::Held(folder) => {
            let carry_out = async {
                let session = Session::open(folder, command.network(&global)).await?;
                let done = execute(&command, &session.library, &results).await;
                drop(results);
                session.close().await;
                done
            };
            futures_util::future::join(carry_out, show).await
        }
    };
    done.and(shown)
}

/// How the data folder can be used.
enum Folder {
    /// By the process that holds it.
    Served(UnixStream),
    /// By this one.
    Held(DataFolder),
}

/// Finds out. A process that holds it and serves nobody may be another command that ends soon, or one
/// that is about to serve.
async fn reach(path: &Path) -> Result<Folder, CommandError> {
    let deadline = Instant::now() + BUSY_PATIENCE;
    loop {
        if let Some(connection) = rpc::client::connect(path).await? {
            return Ok(Folder::Served(connection));
        }
        match DataFolder::open(path) {
            Ok(folder) => return Ok(Folder::Held(folder)),
            Err(FolderError::InUse { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(BUSY_INTERVAL).await;
            }
            Err(error) => return Err(CommandError::failed(error)),
        }
    }
}

impl Command {
    /// Whether a running process can be asked for something by that name.
    pub(crate) fn is_known(name: &str) -> bool {
        Arguments::command()
            .find_subcommand(name)
            .is_some_and(|_| !NOT_ASKED_FOR.contains(&name))
    }

    /// The network that the command needs where it opens the folder itself: none, unless it
    /// exchanges, plays live, or tells in a code how this machine is reached.
    fn network(&self, global: &Global) -> NetworkConfig {
        let is_needed = match self {
            Self::New(_) | Self::Play(_) | Self::Sync(_) => true,
            Self::Code(code) => code.has_hints(),
            Self::Replica(replica) => replica.needs_network(),
            _ => false,
        };
        let mut network = global.network();
        if !is_needed {
            network.mode = Some(Mode::Offline);
        }
        network
    }

    /// Takes in what the process that carries the command out could not see: standard input,
    /// and files by relative names.
    fn prepare(self) -> Result<Self, CommandError> {
        match self {
            Self::New(new) => new.prepare().map(Self::New),
            Self::Join(join) => join.prepare().map(Self::Join),
            Self::Replica(replica) => replica.prepare().map(Self::Replica),
            Self::Play(play) => play.prepare().map(Self::Play),
            Self::Import(import) => import.prepare().map(Self::Import),
            Self::Export(export) => export.prepare().map(Self::Export),
            Self::Mode(mode) => Ok(Self::Mode(mode.prepare())),
            Self::Recover(recover) => recover.prepare().map(Self::Recover),
            other => Ok(other),
        }
    }
}

/// Carries out a command on an open library.
pub(crate) async fn execute(
    command: &Command,
    library: &Library,
    results: &Results,
) -> Result<(), CommandError> {
    match command {
        Command::Id(id) => id.execute(library, results).await,
        Command::New(new) => new.execute(library, results).await,
        Command::List(list) => list.execute(library, results).await,
        Command::Code(code) => code.execute(library, results).await,
        Command::Join(join) => join.execute(library, results).await,
        Command::Cat(cat) => cat.execute(library, results).await,
        Command::Edit(edit) => edit.execute(library, results).await,
        Command::Play(play) => play.execute(library, results).await,
        Command::Sync(sync) => sync.execute(library, results).await,
        Command::History(history) => history.execute(library, results).await,
        Command::Diff(diff) => diff.execute(library, results).await,
        Command::Restore(restore) => restore.execute(library, results).await,
        Command::Blame(blame) => blame.execute(library, results).await,
        Command::Name(name) => name.execute(library, results).await,
        Command::Search(search) => search.execute(library, results).await,
        Command::Import(import) => import.execute(library, results).await,
        Command::Export(export) => export.execute(library, results).await,
        Command::Delete(delete) => delete.execute(library, results).await,
        Command::Replica(replica) => replica.execute(library, results).await,
        Command::Stats(stats) => stats.execute(library, results).await,
        Command::Peers(peers) => peers.execute(library, results).await,
        Command::Mode(mode) => mode.execute(library, results).await,
        Command::Events(_) => Err(events::nothing_runs()),
        Command::Check(check) => check.execute(library, results).await,
        Command::Compact(compact) => compact.execute(library, results).await,
        Command::Rebuild(rebuild) => rebuild.execute(library, results).await,
        Command::Replay(replay) => replay.execute(library, results).await,
        Command::Recover(recover) => recover.execute(library, results).await,
    }
}

/// Hands on one result; whoever does not listen any more does not want it.
async fn give(results: &Results, value: Value) {
    let _ = results.send(value).await;
}
