// SPDX-License-Identifier: GPL-3.0-or-later
//! Asking the process that holds the folder.

use std::io::ErrorKind;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::{Answer, LINE_BYTES_MAX, VERSION, socket};
use crate::commands::{Command, CommandError, Results};

/// Connects to the running process; `None` where none serves the folder.
pub(crate) async fn connect(folder: &Path) -> Result<Option<UnixStream>, CommandError> {
    let Ok((path, _handle)) = socket(folder) else {
        return Ok(None);
    };
    match UnixStream::connect(&path).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(CommandError::Failed(format!(
            "the data folder {} cannot be used: {error}",
            folder.display()
        ))),
    }
}

/// Has a command carried out; hands on its results as they come.
pub(crate) async fn call(
    stream: UnixStream,
    command: &Command,
    results: Results,
) -> Result<(), CommandError> {
    let lost = |error: &dyn std::fmt::Display| {
        CommandError::Failed(format!("the running process ended: {error}"))
    };
    let (receive, mut send) = stream.into_split();
    let mut request = serde_json::to_value(command).map_err(CommandError::failed)?;
    if let Some(fields) = request.as_object_mut() {
        fields.insert("jsonrpc".into(), VERSION.into());
        fields.insert("stream".into(), true.into());
        fields.insert("id".into(), 1.into());
    }
    let line = format!("{request}\n");
    send.write_all(line.as_bytes())
        .await
        .map_err(|error| lost(&error))?;
    let mut receive = BufReader::new(receive);
    loop {
        let mut line = String::new();
        (&mut receive)
            .take(LINE_BYTES_MAX)
            .read_line(&mut line)
            .await
            .map_err(|error| lost(&error))?;
        if line.is_empty() {
            return Err(lost(&"it closed the connection"));
        }
        match serde_json::from_str(&line).map_err(|_| lost(&"it answered something else"))? {
            Answer::Result { params, .. } => {
                let _ = results.send(params.result).await;
            }
            Answer::Failed { error, .. } => return Err(error.into()),
            Answer::Done { .. } => return Ok(()),
        }
    }
}
