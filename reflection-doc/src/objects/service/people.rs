// SPDX-License-Identifier: GPL-3.0-or-later
//! What the person here is called, and whose changes are not announced here.

use reflection_node::identity::AuthorId;

use super::{Service, ServiceError};
use crate::library::Profile;

impl Service {
    /// The name and colour that the person here chose.
    pub async fn profile(&self) -> Result<Profile, ServiceError> {
        Ok(self.library()?.profile().await?)
    }

    /// Chooses a name and a colour. Others see them in each document from the next edit on.
    pub async fn set_profile(&self, profile: Profile) -> Result<(), ServiceError> {
        let library = self.library()?;
        library.set_profile(profile).await?;
        // As it is kept: a name may have been shortened.
        let profile = library.profile().await?;
        for document in self.documents().to_vec() {
            document.rename_own(&profile);
        }
        Ok(())
    }

    /// Announces an author's changes on this device no longer, or again.
    pub async fn mute(&self, author: &AuthorId, is_muted: bool) -> Result<(), ServiceError> {
        self.library()?.set_muted(author, is_muted).await?;
        for document in self.documents().to_vec() {
            document.refresh_people();
        }
        Ok(())
    }
}
