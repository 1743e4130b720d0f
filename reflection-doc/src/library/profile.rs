// SPDX-License-Identifier: GPL-3.0-or-later
//! How the person here wants to be called. Documents learn it with the first edit that is made in
//! them, so that looking at a document tells nobody anything.

use reflection_node::rusqlite::{Connection, OptionalExtension, params};
use reflection_node::store::StoreError;

use super::{Library, LibraryError};
use crate::engine::clean_name;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS profile (
    -- There is one.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    colour INTEGER
) STRICT;
";

/// A name and a colour of one's own choice.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The name; empty for the one that follows from the key.
    pub name: String,
    /// The number of a colour in the palette, if one was chosen.
    pub colour: Option<u32>,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the name.
        formatter.write_str("Profile")
    }
}

/// `None` where nothing was ever chosen.
pub(super) fn read(connection: &Connection) -> Result<Option<Profile>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT name, colour FROM profile")?
        .query_row([], |row| {
            Ok(Profile {
                name: row.get(0)?,
                colour: row.get(1)?,
            })
        })
        .optional()?)
}

impl Library {
    /// How the person here wants to be called.
    pub async fn profile(&self) -> Result<Profile, LibraryError> {
        Ok(self.node.read(read).await?.unwrap_or_default())
    }

    /// Chooses a name and a colour. Others see them from the next edit on in each document that
    /// is opened after this.
    pub async fn set_profile(&self, profile: Profile) -> Result<(), LibraryError> {
        let name = clean_name(&profile.name);
        self.node
            .write(move |connection| {
                connection.execute(
                    "INSERT INTO profile (id, name, colour) VALUES (1, ?1, ?2)
                     ON CONFLICT (id) DO UPDATE SET name = ?1, colour = ?2",
                    params![name, profile.colour],
                )?;
                Ok(())
            })
            .await?;
        Ok(())
    }
}
