// SPDX-License-Identifier: GPL-3.0-or-later
//! `name`: how this person is called in documents.

use clap::Args;
use reflection_doc::library::{Library, Profile};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, give};

#[derive(Serialize, Deserialize, Args)]
pub(crate) struct Name {
    /// The name that others see from the next edit on; an empty one takes it back
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// A colour by its number in the palette
    #[arg(long, value_name = "N", requires = "name")]
    colour: Option<u32>,
}

impl std::fmt::Debug for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Name")
    }
}

impl Name {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        if let Some(name) = &self.name {
            library
                .set_profile(Profile {
                    name: name.clone(),
                    colour: self.colour,
                })
                .await?;
        }
        let profile = library.profile().await?;
        give(
            results,
            json!({ "name": profile.name, "colour": profile.colour }),
        )
        .await;
        Ok(())
    }
}
