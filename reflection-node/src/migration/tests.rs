// SPDX-License-Identifier: GPL-3.0-or-later
//! Data of version 1, as the program of that time left it, comes through whatever happens.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

use super::*;
use crate::store::{DataFolder, FolderError, open_connection, prepare};

/// A copy of a fixture to work on.
pub(crate) fn folder_of_version(version: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(format!("version-{version}"));
    for name in [DATABASE, VERSION, "identity.key"] {
        fs::copy(fixture.join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// All tables with all rows, apart from what a migration adds.
fn contents(database: &Path) -> BTreeMap<String, Vec<String>> {
    let connection = Connection::open(database).unwrap();
    let columns = [
        ("meta", "name, hex(value)"),
        ("documents", "*"),
        ("authors", "id, hex(key)"),
        (
            "operations",
            "position, document, author, sequence, state, hex(header), hex(body)",
        ),
        ("logs", "document, author, next, hex(head)"),
        ("refused", "hex(operation), document, reason"),
        (
            "peers",
            "hex(endpoint), hex(addresses), relay, last_seen_us",
        ),
        ("document_peers", "document, hex(endpoint), confirmed"),
        (
            "document_counters",
            "hex(topic), hex(author), incarnation, next",
        ),
        (
            "document_summaries",
            "hex(topic), version, title, chars, unread",
        ),
    ];
    columns
        .into_iter()
        .map(|(table, columns)| {
            let mut statement = connection
                .prepare(&format!("SELECT {columns} FROM {table} ORDER BY 1, 2"))
                .unwrap();
            let count = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            let mut all = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                let values: Vec<_> = (0..count)
                    .map(|index| format!("{:?}", row.get_ref(index).unwrap()))
                    .collect();
                all.push(values.join("|"));
            }
            (table.to_owned(), all)
        })
        .collect()
}

/// The tables and indexes as SQLite keeps them, without comments and spacing.
fn schema(connection: &Connection) -> BTreeMap<String, String> {
    let mut statement = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
        .unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
        .unwrap();
    rows.map(|row| {
        let (name, sql): (String, String) = row.unwrap();
        let code: String = sql
            .lines()
            .map(|line| line.split("--").next().unwrap_or_default())
            .flat_map(str::chars)
            .filter(|letter| !letter.is_whitespace())
            .collect();
        (name, code)
    })
    .collect()
}

fn version_in(folder: &Path) -> String {
    fs::read_to_string(folder.join(VERSION)).unwrap()
}

#[test]
fn what_was_there_is_there_afterwards_and_the_tables_are_those_of_a_new_folder() {
    let folder = folder_of_version(1);
    let database = folder.path().join(DATABASE);
    let before = contents(&database);
    assert_eq!(before["documents"].len(), 5);
    assert_eq!(before["operations"].len(), 9);
    bring_up(folder.path()).unwrap();
    assert_eq!(contents(&database), before);
    assert_eq!(version_in(folder.path()), "2\n");
    assert_eq!(database_version(&database).unwrap(), Some(DATA_VERSION));

    let migrated = open_connection(&database, true).unwrap();
    prepare(&migrated).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let fresh = open_connection(&fresh.path().join(DATABASE), true).unwrap();
    prepare(&fresh).unwrap();
    let mut migrated = schema(&migrated);
    // Tables of the application that was on top.
    migrated.retain(|name, _| !name.starts_with("document_") || name == "document_peers");
    assert_eq!(migrated, schema(&fresh));
}

#[test]
fn the_backup_is_the_database_as_it_was_and_can_be_put_back() {
    let folder = folder_of_version(1);
    let database = folder.path().join(DATABASE);
    let before = contents(&database);
    bring_up(folder.path()).unwrap();
    let backup = backup_of(folder.path(), 1);
    assert_eq!(database_version(&backup).unwrap(), Some(1));
    assert_eq!(contents(&backup), before);
    let mode = fs::metadata(&backup).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else may read it");
    // Put back by hand, without thinking of the version file.
    fs::copy(&backup, &database).unwrap();
    bring_up(folder.path()).unwrap();
    assert_eq!(database_version(&database).unwrap(), Some(DATA_VERSION));
    assert_eq!(contents(&database), before);
    remove_backups(folder.path()).unwrap();
    assert!(!backup.exists());
}

/// Moments at which the process ends in the tests below.
const MOMENTS: [Moment; 5] = [
    Moment::BackupWritten,
    Moment::BackupInPlace,
    Moment::VersionRaised,
    Moment::StepDone(1),
    Moment::Committed,
];

/// Not a test of its own: the process that dies in the next one.
#[test]
#[ignore = "run by the test that ends it"]
fn dies_in_a_migration() {
    let folder = std::env::var_os("DYING_FOLDER").unwrap();
    let moment: usize = std::env::var("DYING_MOMENT").unwrap().parse().unwrap();
    let _ = bring_up_with(Path::new(&folder), &mut |reached| {
        if reached == MOMENTS[moment] {
            std::process::abort();
        }
        Ok(())
    });
}

#[test]
fn a_process_that_dies_at_any_moment_leaves_the_old_or_the_new_and_the_next_one_goes_on() {
    for (index, moment) in MOMENTS.iter().enumerate() {
        let folder = folder_of_version(1);
        let database = folder.path().join(DATABASE);
        let before = contents(&database);
        let died = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "migration::tests::dies_in_a_migration",
                "--ignored",
            ])
            .env("DYING_FOLDER", folder.path())
            .env("DYING_MOMENT", index.to_string())
            .output()
            .unwrap();
        assert!(!died.status.success(), "{moment:?}: it was to die");

        // Read from a copy, so that looking does not mend anything.
        let looked = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), looked.path().join(entry.file_name())).unwrap();
        }
        let at = looked.path().join(DATABASE);
        let found = database_version(&at).unwrap();
        let expected = if *moment == Moment::Committed { 2 } else { 1 };
        assert_eq!(found, Some(expected), "{moment:?}");
        assert_eq!(contents(&at), before, "{moment:?}");
        let said: u32 = version_in(looked.path()).trim().parse().unwrap();
        assert!(said >= expected, "{moment:?}: never less than it is");

        bring_up(folder.path()).unwrap();
        assert_eq!(database_version(&database).unwrap(), Some(2), "{moment:?}");
        assert_eq!(contents(&database), before, "{moment:?}");
        assert_eq!(contents(&backup_of(folder.path(), 1)), before);
    }
}

#[test]
fn a_step_that_fails_leaves_everything_as_it_was() {
    let folder = folder_of_version(1);
    let database = folder.path().join(DATABASE);
    // A column that the step is about to add.
    Connection::open(&database)
        .and_then(|connection| {
            connection.execute_batch("ALTER TABLE refused ADD COLUMN sequence INTEGER")
        })
        .unwrap();
    let before = contents(&database);
    let error = bring_up(folder.path()).unwrap_err();
    assert!(matches!(error, MigrationError::Step(_)), "{error}");
    assert_eq!(version_in(folder.path()), "1\n");
    assert_eq!(database_version(&database).unwrap(), Some(1));
    assert_eq!(contents(&database), before);
    let opened = DataFolder::open(folder.path());
    assert!(matches!(opened, Err(FolderError::Migration { .. })));
}

#[test]
fn without_room_for_a_backup_nothing_is_touched() {
    let folder = folder_of_version(1);
    // A folder stands where the backup is to be written.
    fs::create_dir_all(backup_of(folder.path(), 1).with_extension("partial")).unwrap();
    let error = bring_up(folder.path()).unwrap_err();
    assert!(matches!(error, MigrationError::Backup(_)), "{error}");
    assert_eq!(version_in(folder.path()), "1\n");
    let database = folder.path().join(DATABASE);
    assert_eq!(database_version(&database).unwrap(), Some(1));
}

#[test]
fn a_database_that_is_newer_than_the_version_file_says_is_left_alone() {
    let folder = folder_of_version(1);
    let database = folder.path().join(DATABASE);
    Connection::open(&database)
        .and_then(|connection| connection.pragma_update(None, "user_version", 99))
        .unwrap();
    let before = fs::read(&database).unwrap();
    assert!(matches!(
        DataFolder::open(folder.path()),
        Err(FolderError::Newer { .. })
    ));
    assert_eq!(fs::read(&database).unwrap(), before);
    assert_eq!(version_in(folder.path()), "1\n");
}

#[test]
fn an_old_database_can_be_read_where_it_lies_and_from_its_backup() {
    let folder = folder_of_version(1);
    let before = OldDatabase::open(folder.path()).unwrap();
    let count = |old: &OldDatabase| {
        let documents = old.documents().unwrap();
        let readable = documents.iter().filter(|document| !document.is_sealed());
        let operations: usize = readable
            .map(|document| old.operations(document, 0).unwrap().delivered.len())
            .sum();
        (documents.len(), operations)
    };
    assert_eq!(count(&before), (5, 8));
    drop(before);
    bring_up(folder.path()).unwrap();
    let backup = OldDatabase::open(&backup_of(folder.path(), 1)).unwrap();
    assert_eq!(count(&backup), (5, 8));
    let nothing = tempfile::tempdir().unwrap();
    assert!(matches!(
        OldDatabase::open(nothing.path()),
        Err(OldDatabaseError::NotThere(_))
    ));
}
