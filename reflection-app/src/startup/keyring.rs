// SPDX-License-Identifier: GPL-3.0-or-later
//! The author's key in the Secret Service, the keyring of the desktop.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use gtk::glib;
use reflection_node::identity::AuthorKey;
use zeroize::Zeroizing;

use crate::config::APP_ID;

/// How long the service may take to answer. One that waits for something invisible never does.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long somebody may take to type the keyring's password.
const UNLOCK_TIMEOUT: Duration = Duration::from_mins(2);

/// Why the keyring gave no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Nothing answers, or not in time.
    #[error("no keyring answers")]
    NoAnswer,
    /// It is locked and was not unlocked.
    #[error("the keyring is locked")]
    Locked,
    /// It answered with an error.
    #[error("the keyring failed: {0}")]
    Failed(#[from] oo7::Error),
    /// What it keeps under our name is not a key. It is left as it is.
    #[error("the key in the keyring is damaged")]
    Malformed,
}

/// The key of the installation whose folder is `data_dir`, made now if there is none.
pub async fn load_or_create_key(data_dir: &Path) -> Result<AuthorKey, KeyringError> {
    let keyring = answer(Box::pin(oo7::Keyring::new())).await?;
    if answer(keyring.is_locked()).await? {
        match glib::future_with_timeout(UNLOCK_TIMEOUT, keyring.unlock()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(KeyringError::Locked),
        }
    }
    let folder = data_dir.to_string_lossy().into_owned();
    // One key per folder: two installations with the same key could not reach each other.
    let attributes = HashMap::from([("xdg:schema", APP_ID), ("folder", folder.as_str())]);
    let found = answer(keyring.search_items(&attributes)).await?;
    if let Some(item) = found.first() {
        let secret = answer(item.secret()).await?;
        let bytes: &[u8; 32] = secret
            .as_bytes()
            .try_into()
            .map_err(|_| KeyringError::Malformed)?;
        return Ok(AuthorKey::from_bytes(bytes));
    }
    let key = AuthorKey::generate();
    let bytes: Zeroizing<[u8; 32]> = key.to_bytes();
    let secret = oo7::Secret::blob(bytes.as_slice());
    let label = gettextrs::gettext("Reflection: key of this device");
    answer(Box::pin(keyring.create_item(
        &label,
        &attributes,
        secret,
        false,
    )))
    .await?;
    Ok(key)
}

async fn answer<T>(
    question: impl Future<Output = Result<T, oo7::Error>>,
) -> Result<T, KeyringError> {
    match glib::future_with_timeout(ANSWER_TIMEOUT, question).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(KeyringError::NoAnswer),
    }
}
