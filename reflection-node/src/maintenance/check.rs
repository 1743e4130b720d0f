// SPDX-License-Identifier: GPL-3.0-or-later
//! Reading everything and believing nothing: SQLite's own check, references, and every operation
//! from its bytes up.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{CheckReport, Cure, Finding, Problem};
use crate::access::{Access, BodyContext, DocumentKeys, TopicId, decrypt_body};
use crate::identity::AuthorId;
use crate::operation::Operation;
use crate::store::documents::{self, DocumentRow, StoredDocument};
use crate::store::{StoreError, open_connection};
use crate::sync::heights::Head;

/// Findings that one check reports; where there are more, the first ones tell enough.
const FINDINGS_MAX: usize = 1_000;
/// Lines of SQLite's own check that are reported.
const DATABASE_LINES_MAX: u32 = 20;
/// What lines name that are about an index over words.
const SEARCH_INDEX: &str = "fts5";

/// Checks all documents, or one. Changes nothing; what it sees is one moment.
pub(crate) fn check(
    connection: &Connection,
    only: Option<&TopicId>,
) -> Result<CheckReport, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    let mut report = CheckReport::default();
    if only.is_none() {
        check_database(&snapshot, &mut report)?;
        check_references(&snapshot, &mut report)?;
    }
    let is_meant = |topic: Option<TopicId>| only.is_none_or(|only| Some(*only) == topic);
    for document in documents::all(&snapshot)? {
        if is_meant(Some(document.keys.topic())) {
            report.documents += 1;
            check_document(&snapshot, &document, &mut report)?;
        }
    }
    for topic in documents::damaged(&snapshot)? {
        if is_meant(topic) {
            report.documents += 1;
            report.add(topic, None, Problem::Keys, Cure::None);
        }
    }
    Ok(report)
}

impl CheckReport {
    pub(crate) fn add(
        &mut self,
        topic: Option<TopicId>,
        author: Option<AuthorId>,
        problem: Problem,
        cure: Cure,
    ) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                topic,
                author,
                problem,
                is_repaired: false,
                cure,
            });
        }
    }
}

/// SQLite's own check, on a connection of its own: the full-text index goes by what the connection
/// remembers of it since the last check, and takes for damage what was written in between.
fn check_database(connection: &Connection, report: &mut CheckReport) -> Result<(), StoreError> {
    let fresh = match connection.path() {
        Some(path) if !path.is_empty() => Some(open_connection(Path::new(path), false)?),
        _ => None,
    };
    let connection = fresh.as_ref().unwrap_or(connection);
    let mut statement =
        connection.prepare(&format!("PRAGMA integrity_check({DATABASE_LINES_MAX})"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        if line == "ok" {
            continue;
        }
        let problem = if line.to_ascii_lowercase().contains(SEARCH_INDEX) {
            Problem::SearchIndex(line)
        } else {
            Problem::Database(line)
        };
        report.add(None, None, problem, Cure::Reindex);
    }
    Ok(())
}

fn check_references(connection: &Connection, report: &mut CheckReport) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "SELECT \"table\", count(*) FROM pragma_foreign_key_check GROUP BY \"table\"
         UNION ALL SELECT 'authors', count(*) FROM authors
             WHERE id NOT IN (SELECT author FROM logs)
             AND id NOT IN (SELECT author FROM operations) HAVING count(*) > 0",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let table: String = row.get(0)?;
        let rows = row.get::<_, i64>(1)?.unsigned_abs();
        let cure = Cure::RemoveOrphans {
            table: table.clone(),
        };
        report.add(None, None, Problem::Orphans { table, rows }, cure);
    }
    Ok(())
}

fn check_document(
    connection: &Connection,
    document: &StoredDocument,
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT authors.id, authors.key FROM authors WHERE id IN
             (SELECT author FROM logs WHERE document = ?1
              UNION SELECT author FROM operations WHERE document = ?1)",
    )?;
    let mut rows = statement.query([document.row.0])?;
    while let Some(row) = rows.next()? {
        let Ok(key) = <[u8; 32]>::try_from(row.get::<_, Vec<u8>>(1)?) else {
            continue;
        };
        let log = Log {
            document,
            author_row: row.get(0)?,
            author: AuthorId::from_bytes(key),
        };
        log.check(connection, report)?;
    }
    Ok(())
}

/// One author's log in one document.
struct Log<'a> {
    document: &'a StoredDocument,
    author_row: i64,
    author: AuthorId,
}

impl Log<'_> {
    fn check(&self, connection: &Connection, report: &mut CheckReport) -> Result<(), StoreError> {
        let said = said(connection, self.document.row, self.author_row)?;
        let mut base = said.as_ref().map(|said| said.base);
        let mut statement = connection.prepare_cached(
            "SELECT sequence, header, body FROM operations
             WHERE document = ?1 AND author = ?2 ORDER BY sequence",
        )?;
        let mut rows = statement.query(params![self.document.row.0, self.author_row])?;
        let mut sound: Option<Head> = None;
        let topic = Some(self.document.keys.topic());
        while let Some(row) = rows.next()? {
            let sequence = row.get::<_, i64>(0)?.unsigned_abs();
            let verified = Operation::decode(row.get(1)?, row.get(2)?)
                .map_err(|error| error.to_string())
                .and_then(|operation| {
                    // Where it is not noted at which operation the log begins, the first one has to
                    // be one that may open a log.
                    let opens = operation.header().opens_log();
                    let base = *base.get_or_insert(if opens { sequence } else { 0 });
                    self.verify(&operation, sequence, base, sound)
                });
            report.operations += 1;
            match verified {
                Ok(head) => sound = Some(head),
                Err(reason) => {
                    let mut following = 0;
                    while rows.next()?.is_some() {
                        following += 1;
                    }
                    let problem = Problem::Operation {
                        sequence,
                        reason: reason.clone(),
                        following,
                    };
                    report.add(topic, Some(self.author), problem, self.end(sound, reason));
                    return Ok(());
                }
            }
        }
        let is_as_said = match (&said, &sound) {
            (Some(said), Some(sound)) => {
                said.next == sound.next && said.head == sound.id.as_bytes()
            }
            (said, sound) => said.is_none() && sound.is_none(),
        };
        if !is_as_said {
            let problem = Problem::Head {
                said: said.map_or(0, |said| said.next),
                found: sound.map_or(0, |sound| sound.next),
            };
            let cure = self.end(sound, "the log ended before".into());
            report.add(topic, Some(self.author), problem, cure);
        }
        Ok(())
    }

    /// Everything that receiving it would have checked, and its place. Gives the log's end with it.
    fn verify(
        &self,
        operation: &Operation,
        sequence: u64,
        base: u64,
        before: Option<Head>,
    ) -> Result<Head, String> {
        let header = operation.header();
        let keys: &DocumentKeys = &self.document.keys;
        if header.author != self.author || header.sequence != sequence {
            return Err("it stands in the place of another one".into());
        }
        if sequence != before.map_or(base, |before| before.next) {
            return Err("the ones before it are missing".into());
        }
        operation.verify(keys).map_err(|error| error.to_string())?;
        if before.is_some_and(|before| header.backlink != Some(before.id)) {
            return Err("it does not follow the one before it".into());
        }
        let context = BodyContext {
            topic: header.topic,
            author: header.author,
            sequence,
        };
        if keys.access() >= Access::Read && decrypt_body(keys, &context, operation.body()).is_err()
        {
            return Err("its contents cannot be opened".into());
        }
        Ok(Head {
            next: sequence + 1,
            id: operation.id(),
            base,
        })
    }

    fn end(&self, head: Option<Head>, reason: String) -> Cure {
        Cure::EndLog {
            document: self.document.row,
            author_row: self.author_row,
            head,
            reason,
        }
    }
}

/// What is noted of a log.
struct Said {
    base: u64,
    next: u64,
    head: Vec<u8>,
}

fn said(
    connection: &Connection,
    document: DocumentRow,
    author_row: i64,
) -> Result<Option<Said>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT base, next, head FROM logs WHERE document = ?1 AND author = ?2")?;
    let mut rows = statement.query(params![document.0, author_row])?;
    Ok(match rows.next()? {
        Some(row) => Some(Said {
            base: row.get::<_, i64>(0)?.unsigned_abs(),
            next: row.get::<_, i64>(1)?.unsigned_abs(),
            head: row.get(2)?,
        }),
        None => None,
    })
}
