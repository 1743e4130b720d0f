// SPDX-License-Identifier: GPL-3.0-or-later
//! `id`: who this installation is.

use clap::Args;
use reflection_doc::library::Library;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, Results, give};

#[derive(Debug, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Id {}

impl Id {
    pub(super) async fn execute(
        &self,
        library: &Library,
        results: &Results,
    ) -> Result<(), CommandError> {
        give(results, json!({ "id": library.node().id().to_string() })).await;
        Ok(())
    }
}
