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
    let keyring = unlocked().await?;
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
    write(&keyring, &attributes, &key).await?;
    Ok(key)
}

/// Keeps a key in place of the one of the installation whose folder is `data_dir`.
pub async fn replace_key(data_dir: &Path, key: &AuthorKey) -> Result<(), KeyringError> {
    let keyring = unlocked().await?;
    let folder = data_dir.to_string_lossy().into_owned();
    let attributes = HashMap::from([("xdg:schema", APP_ID), ("folder", folder.as_str())]);
    write(&keyring, &attributes, key).await
}

async fn write(
    keyring: &oo7::Keyring,
    attributes: &HashMap<&str, &str>,
    key: &AuthorKey,
) -> Result<(), KeyringError> {
    let bytes: Zeroizing<[u8; 32]> = key.to_bytes();
    let secret = oo7::Secret::blob(bytes.as_slice());
    let label = gettextrs::gettext("Reflection: key of this device");
    answer(Box::pin(
        keyring.create_item(&label, attributes, secret, true),
    ))
    .await
}

async fn unlocked() -> Result<oo7::Keyring, KeyringError> {
    let keyring = answer(Box::pin(oo7::Keyring::new())).await?;
    if answer(keyring.is_locked()).await? {
        match glib::future_with_timeout(UNLOCK_TIMEOUT, keyring.unlock()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(KeyringError::Locked),
        }
    }
    Ok(keyring)
}

async fn answer<T>(
    question: impl Future<Output = Result<T, oo7::Error>>,
) -> Result<T, KeyringError> {
    match glib::future_with_timeout(ANSWER_TIMEOUT, question).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(KeyringError::NoAnswer),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;
    use std::process::{Child, Command, Stdio};

    use super::*;

    const SERVICE: &str = "org.freedesktop.secrets";

    /// A keyring of its own on the session bus, unlocked.
    struct Daemon {
        child: Child,
        _home: tempfile::TempDir,
    }

    impl Daemon {
        fn start() -> Self {
            let home = tempfile::tempdir().unwrap();
            let mut child = Command::new("gnome-keyring-daemon")
                .args(["--foreground", "--unlock", "--components=secrets"])
                .env("XDG_DATA_HOME", home.path())
                .env("XDG_CACHE_HOME", home.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut password = child.stdin.take().unwrap();
            password.write_all(b"a password").unwrap();
            drop(password);
            wait_for_owner(true);
            Self { child, _home: home }
        }
    }

    impl Drop for Daemon {
        fn drop(&mut self) {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
            wait_for_owner(false);
        }
    }

    /// Waits until the service is on the bus, or gone from it.
    fn wait_for_owner(is_there: bool) {
        let (sender, receiver) = async_channel::bounded(16);
        let gone = sender.clone();
        let watch = gtk::gio::bus_watch_name(
            gtk::gio::BusType::Session,
            SERVICE,
            gtk::gio::BusNameWatcherFlags::NONE,
            move |_, _, _| sender.try_send(true).unwrap(),
            move |_, _| gone.try_send(false).unwrap(),
        );
        run(async {
            let changed = async { while receiver.recv().await.unwrap() != is_there {} };
            glib::future_with_timeout(Duration::from_secs(30), changed)
                .await
                .unwrap();
        });
        gtk::gio::bus_unwatch_name(watch);
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        glib::MainContext::ref_thread_default().block_on(future)
    }

    /// Plays a story on a main context of its own: the default one belongs to the tests of GTK.
    fn play(story: impl FnOnce()) {
        glib::MainContext::new().with_thread_default(story).unwrap();
    }

    #[test]
    fn a_key_is_made_once_for_each_folder_and_found_again() {
        play(make_and_find_keys);
    }

    fn make_and_find_keys() {
        let (one, other) = (Path::new("/data/one"), Path::new("/data/other"));
        assert!(
            matches!(
                run(load_or_create_key(one)),
                Err(KeyringError::Failed(_) | KeyringError::NoAnswer)
            ),
            "without a service there is no key"
        );
        let daemon = Daemon::start();
        let first = run(load_or_create_key(one)).unwrap();
        assert_eq!(run(load_or_create_key(one)).unwrap().id(), first.id());
        assert_ne!(run(load_or_create_key(other)).unwrap().id(), first.id());
        assert_eq!(run(load_or_create_key(one)).unwrap().id(), first.id());
        let restored = AuthorKey::generate();
        run(replace_key(one, &restored)).unwrap();
        assert_eq!(run(load_or_create_key(one)).unwrap().id(), restored.id());
        drop(daemon);
        assert!(run(load_or_create_key(one)).is_err());
    }

    #[test]
    fn what_is_no_key_is_left_alone() {
        play(find_no_key);
    }

    fn find_no_key() {
        let daemon = Daemon::start();
        let folder = Path::new("/data/damaged");
        let attributes = HashMap::from([("xdg:schema", APP_ID), ("folder", "/data/damaged")]);
        run(async {
            let keyring = oo7::Keyring::new().await.unwrap();
            let secret = oo7::Secret::blob(b"short");
            keyring
                .create_item("damaged", &attributes, secret, false)
                .await
                .unwrap();
        });
        assert!(matches!(
            run(load_or_create_key(folder)),
            Err(KeyringError::Malformed)
        ));
        run(async {
            let keyring = oo7::Keyring::new().await.unwrap();
            let items = keyring.search_items(&attributes).await.unwrap();
            let secret = items[0].secret().await.unwrap();
            assert_eq!((items.len(), secret.as_bytes()), (1, b"short".as_slice()));
        });
        drop(daemon);
    }
}
