// SPDX-License-Identifier: GPL-3.0-or-later
//! The author's secret in a file that only its owner can read (mode 0600).
//!
//! Used by the command line, and by the application where no Secret Service answers and the
//! person agrees. The file holds 64 hexadecimal digits and a line end.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::AuthorKey;

/// Longest key file that is read; a well-formed one has 65 bytes.
const KEY_FILE_BYTES_MAX: u64 = 256;

/// Why the key file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("the key file {path} cannot be read: {source}")]
    Read {
        /// The file in question.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("the key file {path} cannot be written: {source}")]
    Write {
        /// The file in question.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content is not a key. The file is left as it is.
    #[error("the key file {path} does not hold a key")]
    Malformed {
        /// The file in question.
        path: PathBuf,
    },
}

/// Reads the key in `path`; `None` where there is no such file.
///
/// A file that others could read is made private again first.
pub fn load_key_file(path: &Path) -> Result<Option<AuthorKey>, KeyFileError> {
    let read_error = |source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read_error(error)),
    };
    let mode = file.metadata().map_err(read_error)?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .map_err(read_error)?;
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    (&file)
        .take(KEY_FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|_| KeyFileError::Malformed {
            path: path.to_owned(),
        })?;
    let bytes = crate::hex::decode_array(text.trim())
        .map(zeroize::Zeroizing::new)
        .ok_or_else(|| KeyFileError::Malformed {
            path: path.to_owned(),
        })?;
    Ok(Some(AuthorKey::from_bytes(&bytes)))
}

/// Reads the key in `path`, or makes one and keeps it there.
///
/// The file appears complete or not at all: it is written beside its place, flushed to the disk
/// and renamed.
pub fn load_or_create_key_file(path: &Path) -> Result<AuthorKey, KeyFileError> {
    if let Some(key) = load_key_file(path)? {
        return Ok(key);
    }
    let key = AuthorKey::generate();
    save_key_file(path, &key)?;
    Ok(key)
}

/// Writes a key into a file of its own, in place of what is there. As for
/// [`load_or_create_key_file`], it appears complete or not at all, and is its owner's alone.
pub fn save_key_file(path: &Path, key: &AuthorKey) -> Result<(), KeyFileError> {
    write_key_file(path, key).map_err(|source| KeyFileError::Write {
        path: path.to_owned(),
        source,
    })
}

fn write_key_file(path: &Path, key: &AuthorKey) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".partial");
    let partial = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    let text = zeroize::Zeroizing::new(crate::hex::encode(&*key.to_bytes()));
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_backup_is_private_and_touches_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let neighbour = folder.path().join("backup.partial");
        fs::write(&neighbour, "somebody's").unwrap();
        let path = folder.path().join("backup.key");
        fs::write(&path, "an older one").unwrap();
        let key = AuthorKey::generate();
        save_key_file(&path, &key).unwrap();
        assert_eq!(load_key_file(&path).unwrap().unwrap().id(), key.id());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_to_string(&neighbour).unwrap(), "somebody's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        assert!(load_key_file(&path).unwrap().is_none());
        let made = load_or_create_key_file(&path).unwrap();
        assert_eq!(load_or_create_key_file(&path).unwrap().id(), made.id());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_key_file_open_to_others_is_closed_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        load_or_create_key_file(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        load_key_file(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_damaged_key_file_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        fs::write(&path, "not a key").unwrap();
        assert!(matches!(
            load_or_create_key_file(&path),
            Err(KeyFileError::Malformed { .. })
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), "not a key");
    }
}
