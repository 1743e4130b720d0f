// SPDX-License-Identifier: GPL-3.0-or-later
//! What people and scripts see: results on standard output, one sentence on standard error.
#![allow(clippy::print_stdout, clippy::print_stderr)]

pub(crate) mod event;
pub(crate) mod event_log;
pub(crate) mod lines;

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use serde_json::Value;

use crate::commands::{Command, CommandError};

/// What terminals take as the beginning and the end of bold letters.
const BOLD_BEGINS: &str = "\u{1b}[1m";
const BOLD_ENDS: &str = "\u{1b}[0m";

/// Says why a command failed.
pub(crate) fn fail(error: &CommandError) -> ExitCode {
    // One line, whatever a name or a system message holds.
    let sentence: String = error
        .to_string()
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    eprintln!("reflection-cli: {sentence}");
    match error {
        CommandError::Failed(_) => ExitCode::from(1),
        CommandError::WrongUse(_) => ExitCode::from(2),
    }
}

/// Shows results as they come, until their sender is gone.
pub(crate) async fn show(
    command: &Command,
    is_json: bool,
    results: async_channel::Receiver<Value>,
) -> Result<(), CommandError> {
    while let Ok(value) = results.recv().await {
        if let Some(played) = value.get("played") {
            eprintln!("played {played} edits");
            continue;
        }
        let shown = if let Some(acked) = value.get("acked") {
            print(&format!("acked {acked}\n"))
        } else if is_json {
            print(&format!("{value}\n"))
        } else {
            print(&plain(command, &value))
        };
        match shown {
            Ok(()) => {}
            // A reader that went away wants no more, and knows.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => {
                return Err(CommandError::Failed(format!(
                    "the results could not be written: {error}"
                )));
            }
        }
    }
    Ok(())
}

fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A result in words.
fn plain(command: &Command, value: &Value) -> String {
    match command {
        Command::Id(_) => format!("{}\n", text(value, "id")),
        Command::New(_) | Command::Code(_) => format!("{}\n", text(value, "code")),
        Command::Join(_) => format!("{}\n", text(value, "document")),
        Command::Cat(_) => text(value, "text").to_owned(),
        Command::Edit(_) | Command::Restore(_) => format!("{}\n", text(value, "operation")),
        Command::Delete(_) => String::new(),
        Command::List(_) => list_line(value),
        Command::History(_) => history_line(value),
        Command::Diff(_) => difference(value),
        Command::Blame(_) => format!(
            "{:>8} {:>8}  {}\n",
            value["from"],
            value["to"],
            text(value, "author").get(..12).unwrap_or("unknown"),
        ),
        Command::Name(_) => format!("{}\n", text(value, "name")),
        Command::Search(_) => search_line(value),
        Command::Import(_) | Command::Export(_) => format!(
            "{}  {}\n",
            text(value, "document").get(..12).unwrap_or_default(),
            text(value, "path"),
        ),
        Command::Mode(_) => format!("{}\n", text(value, "mode")),
        Command::Peers(_) => peer_line(value),
        // An event is one line of JSON wherever it is shown.
        Command::Events(_) => format!("{value}\n"),
        Command::Replica(_) if value.get("ticket").is_some() => {
            format!("{}\n", text(value, "ticket"))
        }
        Command::Play(_)
        | Command::Sync(_)
        | Command::Stats(_)
        | Command::Check(_)
        | Command::Compact(_)
        | Command::Rebuild(_)
        | Command::Replay(_)
        | Command::Recover(_)
        | Command::Replica(_) => pairs(value),
    }
}

fn list_line(value: &Value) -> String {
    let mark = if value["unread"].as_bool().unwrap_or(false) {
        "*"
    } else {
        " "
    };
    let title = match text(value, "title") {
        "" => "(empty)",
        title => title,
    };
    format!(
        "{mark} {}  {:>8}  {:<7}  {}  {title}\n",
        text(value, "document").get(..12).unwrap_or_default(),
        value["chars"],
        text(value, "access"),
        text(value, "updated"),
    )
}

fn history_line(value: &Value) -> String {
    let names: Vec<&str> = value["names"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    format!(
        "{}  {}  {}  +{} -{}  {}\n",
        text(value, "version"),
        text(value, "time"),
        text(value, "author").get(..12).unwrap_or("unknown"),
        value["added"],
        value["deleted"],
        names.join(", "),
    )
}

/// A part of a difference, with the marks that word differences have elsewhere.
fn difference(value: &Value) -> String {
    let part = text(value, "text");
    match text(value, "change") {
        "added" => format!("{{+{part}+}}"),
        "removed" => format!("[-{part}-]"),
        _ => part.to_owned(),
    }
}

/// Title and snippet, with the hits in bold where a person reads it.
fn search_line(value: &Value) -> String {
    let title = match text(value, "title") {
        "" => "(empty)",
        title => title,
    };
    let is_for_people = std::io::stdout().is_terminal();
    let is_mark = |at: usize, end: usize| {
        let hits = value["hits"].as_array().into_iter().flatten();
        let at = at as u64;
        is_for_people && hits.into_iter().any(|hit| hit[end].as_u64() == Some(at))
    };
    let mut snippet = String::new();
    for (at, letter) in text(value, "snippet").chars().enumerate() {
        if is_mark(at, 1) {
            snippet.push_str(BOLD_ENDS);
        }
        if is_mark(at, 0) {
            snippet.push_str(BOLD_BEGINS);
        }
        snippet.push(letter);
    }
    if is_for_people {
        snippet.push_str(BOLD_ENDS);
    }
    format!(
        "{}  {title}\n    {snippet}\n",
        text(value, "document").get(..12).unwrap_or_default(),
    )
}

fn peer_line(value: &Value) -> String {
    let reached = match (text(value, "route"), text(value, "address")) {
        ("", _) => "not connected".to_owned(),
        (route, address) => format!("{route} {address} {} ms", value["rtt_ms"]),
    };
    let seen = match text(value, "last_seen") {
        "" => "never",
        time => time,
    };
    let sync = &value["last_sync"];
    let synced = if sync.is_null() {
        "nothing exchanged".to_owned()
    } else {
        format!(
            "{}: {} operations in, {} out, {} bytes in, {} out, {} ms",
            text(sync, "time"),
            sync["operations_in"],
            sync["operations_out"],
            sync["bytes_in"],
            sync["bytes_out"],
            sync["duration_ms"],
        )
    };
    format!(
        "{}  {reached}  last seen {seen}  {synced}\n",
        text(value, "peer").get(..12).unwrap_or_default(),
    )
}

/// `name value` pairs on one line.
fn pairs(value: &Value) -> String {
    let mut line = String::new();
    add_pairs(&mut line, "", value);
    line.push('\n');
    line
}

/// Adds pairs under a common first part of their names. Of what is not known nothing is said.
fn add_pairs(line: &mut String, prefix: &str, value: &Value) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let shown = match value {
            Value::Null => continue,
            Value::Object(_) => {
                add_pairs(line, &format!("{prefix}{name}."), value);
                continue;
            }
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let separator = if line.is_empty() { "" } else { "  " };
        let _ = write!(line, "{separator}{prefix}{name} {shown}");
    }
}

/// A time as RFC 3339 in UTC, from microseconds since 1970.
pub(crate) fn time(time_us: u64) -> String {
    let seconds = i64::try_from(time_us / 1_000_000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map(|time| time.to_string())
        .unwrap_or_default()
}
