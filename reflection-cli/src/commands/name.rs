// SPDX-License-Identifier: GPL-3.0-or-later
//! `name`: how this person is called in documents.

use clap::Args;
use reflection_doc::engine::clean_name;
use reflection_doc::library::Library;
use reflection_doc::persona::{COLOURS, Persona};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, give};

#[derive(Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Name {
    /// The name that others see from the next edit on; an empty one takes it back
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// A colour by its number in the palette
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..i64::from(COLOURS)))]
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
        let mut profile = library.profile().await?;
        if let Some(name) = &self.name {
            profile.name = clean_name(name);
            // What is not shown as it was typed is not what was meant.
            let shown = |name: &str| {
                name.chars()
                    .filter(|letter| !letter.is_whitespace())
                    .count()
            };
            if shown(&profile.name) < shown(name) {
                return Err(CommandError::WrongUse(
                    "the name is too long or has letters that nobody sees".into(),
                ));
            }
        }
        profile.colour = self.colour.or(profile.colour);
        if self.name.is_some() || self.colour.is_some() {
            library.set_profile(profile.clone()).await?;
        }
        // Who has chosen none goes by the name that the key gives.
        let is_chosen = !profile.name.is_empty();
        if !is_chosen {
            profile.name = Persona::of(&library.node().id()).name();
        }
        give(
            results,
            json!({ "name": profile.name, "colour": profile.colour, "chosen": is_chosen }),
        )
        .await;
        Ok(())
    }
}
