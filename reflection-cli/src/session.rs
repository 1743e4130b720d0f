// SPDX-License-Identifier: GPL-3.0-or-later
//! The data folder opened by this process itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reflection_doc::library::Library;
use reflection_node::NetworkConfig;
use reflection_node::identity::{AuthorKey, load_key_file, load_or_create_key_file};
use reflection_node::store::DataFolder;

use crate::commands::{CommandError, Global};

/// How long leaving the network may take at the end.
const CLOSE_DEADLINE: Duration = Duration::from_millis(1_200);

/// An open folder with a running node.
pub(crate) struct Session {
    pub(crate) library: Library,
}

impl Session {
    /// Opens a folder that this process holds, making an identity where there is none.
    pub(crate) async fn open(
        folder: DataFolder,
        network: NetworkConfig,
    ) -> Result<Self, CommandError> {
        let key = key(&folder)?;
        let library = Library::open(folder, key, network)
            .await
            .map_err(CommandError::failed)?;
        Ok(Self { library })
    }

    /// Ends the node; everything is stored already.
    pub(crate) async fn close(self) {
        self.library.close(CLOSE_DEADLINE).await;
    }
}

/// The key in the folder's key file. A new one is made only where there are no documents yet:
/// a folder with documents but no key file belongs to an identity that is kept elsewhere.
fn key(folder: &DataFolder) -> Result<AuthorKey, CommandError> {
    let path = folder.key_file();
    match load_key_file(&path).map_err(CommandError::failed)? {
        Some(key) => Ok(key),
        None if folder.database().exists() => Err(CommandError::Failed(format!(
            "the identity of {} is in no key file: the desktop's key store keeps it, or it is lost",
            folder.path().display()
        ))),
        None => load_or_create_key_file(&path).map_err(CommandError::failed),
    }
}

/// The folder that the options name.
pub(crate) fn folder(global: &Global) -> Result<PathBuf, CommandError> {
    if let Some(folder) = &global.data_dir {
        return std::path::absolute(folder).map_err(CommandError::failed);
    }
    let from_environment = |name: &str| std::env::var_os(name).map(PathBuf::from);
    from_environment("XDG_DATA_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| from_environment("HOME").map(|home| home.join(Path::new(".local/share"))))
        .map(|data| data.join("reflection"))
        .ok_or_else(|| CommandError::WrongUse("no data folder: set HOME or use --data-dir".into()))
}
