// SPDX-License-Identifier: GPL-3.0-or-later
//! Where documents are in the library: pinned, put away, or on their way out of it.

use super::{Service, ServiceError};
use crate::objects::Document;
use reflection_node::access::TopicId;

impl Service {
    /// Keeps a document at the top of the list, or not any more.
    pub async fn pin_document(
        &self,
        document: &Document,
        is_pinned: bool,
    ) -> Result<(), ServiceError> {
        if let Some(topic) = document.topic() {
            self.library()?.set_pinned(&topic, is_pinned).await?;
            document.show_pinned(is_pinned);
        }
        Ok(())
    }

    /// Puts a document away, or takes it out again.
    pub async fn archive_document(
        &self,
        document: &Document,
        is_archived: bool,
    ) -> Result<(), ServiceError> {
        if let Some(topic) = document.topic() {
            self.library()?.set_archived(&topic, is_archived).await?;
            document.show_archived(is_archived);
        }
        Ok(())
    }

    /// Takes a document out of the list. [`Service::bring_back`] undoes that until
    /// [`Service::delete_for_good`], or the next start, removes all that is stored of it.
    pub async fn delete_document(&self, document: &Document) -> Result<(), ServiceError> {
        let library = self.library()?;
        let Some(topic) = document.topic() else {
            return Ok(());
        };
        // What cannot be saved now would be lost with the text in memory.
        if !document.flush().await {
            return Err(ServiceError::NotSaved);
        }
        library.delete_later(&topic).await?;
        self.forget(&topic);
        Ok(())
    }

    /// Puts a document back into the list from which it was deleted.
    pub async fn bring_back(&self, topic: &TopicId) -> Result<Document, ServiceError> {
        let library = self.library()?;
        library.undelete(topic).await?;
        self.shown(&library, topic).await
    }

    /// Removes a document that was made here and never written in, handed on or pinned, unless it
    /// is shown somewhere. Gives whether it is gone.
    pub async fn forget_untouched(&self, document: &Document) -> Result<bool, ServiceError> {
        let library = self.library()?;
        let Some(topic) = document.topic() else {
            return Ok(false);
        };
        let is_in_use = || document.is_shown() || document.chars() > 0;
        if is_in_use() || !document.flush().await || !library.is_untouched(&topic).await? {
            return Ok(false);
        }
        // It may have been opened while that was looked up.
        if is_in_use() {
            return Ok(false);
        }
        // Out of the list first, so that nobody opens what is about to go.
        self.forget(&topic);
        library.node().delete(&topic).await?;
        Ok(true)
    }

    /// Removes a deleted document from this device. Others keep theirs.
    pub async fn delete_for_good(&self, topic: &TopicId) -> Result<(), ServiceError> {
        self.library()?.node().delete(topic).await?;
        self.forget(topic);
        Ok(())
    }
}
