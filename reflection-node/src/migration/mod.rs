// SPDX-License-Identifier: GPL-3.0-or-later
//! Data of older versions is brought to the present one when a folder is opened.
//!
//! ```text
//! nothing to do? ─yes─> done
//!      │ no
//! backup written and on the disk ─> version file raised ─> one transaction: all steps,
//! the database's own version ─> commit
//! ```
//!
//! Invariants: the database is wholly of the old or wholly of the new version, whenever the
//! process is killed, because the steps and the database's own version (`user_version`) are one
//! transaction. The version file never says less than the database is, so an older program leaves
//! alone what it does not know. What was killed in the middle goes on when the folder is opened
//! again. Data of a newer version is not written to.
//!
//! A step is a file of its own and makes one transition. The fixtures in `tests/fixtures/` are
//! databases that released programs have made; each has to come through for ever.

mod old;
mod step_1_to_2;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::store::{is_damaged, is_disk_full};

pub use old::{OldDatabase, OldDatabaseError, OldDocument, OldOperations};

/// The version of what is on the disk. A change of tables that exist already raises it.
pub(crate) const DATA_VERSION: u32 = 2;

/// The version of what peers say to each other and of operations. Raising it changes the name of
/// the network, so that versions which cannot understand each other never meet; documents of the
/// version before are then recovered into new ones ([`OldDatabase`]).
pub const PROTOCOL_VERSION: u8 = 1;

/// The transitions, in order. The first one starts from version 1.
const STEPS: [Step; 1] = [Step {
    from: 1,
    run: step_1_to_2::run,
}];

struct Step {
    from: u32,
    run: fn(&Connection) -> rusqlite::Result<()>,
}

/// What cannot be migrated, and why. The data is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// Written by a newer program.
    #[error("it was written by a newer version of Reflection")]
    Newer,
    /// The version file holds no version.
    #[error("its version file is damaged")]
    DamagedVersion,
    /// Older than the oldest version that there is a step for.
    #[error("its version {0} is not known")]
    Unknown(u32),
    /// The database cannot be read.
    #[error("its database cannot be read: {0}")]
    Unreadable(#[source] rusqlite::Error),
    /// No backup could be made, without which nothing is touched.
    #[error("no backup of the documents could be made: {0}")]
    Backup(#[source] io::Error),
    /// A step failed and was undone.
    #[error("the documents could not be brought to the present version and are as they were: {0}")]
    Step(#[source] rusqlite::Error),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl MigrationError {
    /// Whether the database is not what was once written there.
    pub fn is_damaged(&self) -> bool {
        match self {
            Self::Unreadable(error) | Self::Step(error) => is_damaged(error),
            _ => false,
        }
    }

    /// Whether there is no room on the disk.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Unreadable(error) | Self::Step(error) => is_disk_full(error),
            Self::Backup(error) | Self::Write(error) => error.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}

/// A point between two steps; tests end the process there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    BackupWritten,
    BackupInPlace,
    VersionRaised,
    StepDone(u32),
    Committed,
}

/// Brings a folder that this process holds to the present version.
pub(crate) fn bring_up(folder: &Path) -> Result<(), MigrationError> {
    bring_up_with(folder, &mut |_| Ok(()))
}

fn bring_up_with(
    folder: &Path,
    at: &mut dyn FnMut(Moment) -> Result<(), MigrationError>,
) -> Result<(), MigrationError> {
    let said = read_version(folder)?;
    if said.is_some_and(|said| said > DATA_VERSION) {
        return Err(MigrationError::Newer);
    }
    let found = database_version(&folder.join(DATABASE))?;
    match found {
        Some(found) if found > DATA_VERSION => return Err(MigrationError::Newer),
        Some(found) if found < DATA_VERSION => migrate(folder, found, at)?,
        // Current, or nothing there yet.
        _ => {}
    }
    if said == Some(DATA_VERSION) {
        return Ok(());
    }
    Ok(write_version(folder, DATA_VERSION)?)
}

pub(crate) const DATABASE: &str = "database.sqlite";
const VERSION: &str = "version";

/// The name of the backup of a version in its folder.
pub(crate) fn backup_of(folder: &Path, version: u32) -> PathBuf {
    folder.join(format!("backup-{version}.sqlite"))
}

/// Where backups of earlier versions may be.
pub(crate) fn backups(folder: &Path) -> impl Iterator<Item = PathBuf> {
    (1..DATA_VERSION).map(move |version| backup_of(folder, version))
}

/// Removes what backups there are: they hold every document that was there.
pub(crate) fn remove_backups(folder: &Path) -> io::Result<()> {
    for backup in backups(folder) {
        match fs::remove_file(backup) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn read_version(folder: &Path) -> Result<Option<u32>, MigrationError> {
    match fs::read_to_string(folder.join(VERSION)) {
        Ok(text) => match text.trim().parse() {
            Ok(version) if version > 0 => Ok(Some(version)),
            _ => Err(MigrationError::DamagedVersion),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(MigrationError::DamagedVersion)
        }
        Err(error) => Err(error.into()),
    }
}

/// Replaces the version file in one go.
fn write_version(folder: &Path, version: u32) -> io::Result<()> {
    let partial = folder.join("version.partial");
    let mut made = File::create(&partial)?;
    writeln!(made, "{version}")?;
    made.sync_all()?;
    fs::rename(&partial, folder.join(VERSION))?;
    File::open(folder)?.sync_all()
}

/// The version of a database; `None` where there is none, or one without tables.
pub(crate) fn database_version(database: &Path) -> Result<Option<u32>, MigrationError> {
    if !database.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(database, flags)
        .and_then(|connection| version_of(&connection))
        .map_err(MigrationError::Unreadable)
}

/// Programs of version 1 did not write the version into the database.
pub(crate) fn version_of(connection: &Connection) -> rusqlite::Result<Option<u32>> {
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > 0 {
        return Ok(Some(version));
    }
    let has_tables = connection
        .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'documents'")?
        .exists([])?;
    Ok(has_tables.then_some(1))
}

fn migrate(
    folder: &Path,
    found: u32,
    at: &mut dyn FnMut(Moment) -> Result<(), MigrationError>,
) -> Result<(), MigrationError> {
    let first = STEPS
        .iter()
        .position(|step| step.from == found)
        .ok_or(MigrationError::Unknown(found))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(folder.join(DATABASE), flags)
        .map_err(MigrationError::Unreadable)?;
    back_up(&connection, folder, found, at)?;
    write_version(folder, DATA_VERSION)?;
    at(Moment::VersionRaised)?;
    let stepped = step(&connection, &STEPS[first..], at);
    if matches!(stepped, Err(MigrationError::Step(_))) {
        // Undone as a whole; a program of that version may use the folder as before.
        write_version(folder, found)?;
    }
    stepped?;
    at(Moment::Committed)
}

/// All steps in one transaction, with the database's own version.
fn step(
    connection: &Connection,
    steps: &[Step],
    at: &mut dyn FnMut(Moment) -> Result<(), MigrationError>,
) -> Result<(), MigrationError> {
    let failed = MigrationError::Step;
    connection
        .pragma_update(None, "synchronous", "FULL")
        .map_err(failed)?;
    // Rolled back when dropped uncommitted.
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    for step in steps {
        (step.run)(&transaction).map_err(failed)?;
        at(Moment::StepDone(step.from))?;
    }
    transaction
        .pragma_update(None, "user_version", DATA_VERSION)
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Writes the whole database into a file beside it, which is on the disk afterwards.
fn back_up(
    connection: &Connection,
    folder: &Path,
    version: u32,
    at: &mut dyn FnMut(Moment) -> Result<(), MigrationError>,
) -> Result<(), MigrationError> {
    let backup = backup_of(folder, version);
    let partial = backup.with_extension("partial");
    let failed = MigrationError::Backup;
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let name = partial
        .to_str()
        .ok_or_else(|| failed(io::Error::other("the folder's name is not Unicode")))?;
    connection
        .execute("VACUUM INTO ?1", [name])
        .map_err(|error| {
            let _ = fs::remove_file(&partial);
            failed(io::Error::other(error))
        })?;
    let file = File::open(&partial).map_err(failed)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))
        .map_err(failed)?;
    file.sync_all().map_err(failed)?;
    at(Moment::BackupWritten)?;
    fs::rename(&partial, &backup).map_err(failed)?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    at(Moment::BackupInPlace)
}
