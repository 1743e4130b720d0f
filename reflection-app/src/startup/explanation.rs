// SPDX-License-Identifier: GPL-3.0-or-later
//! What went wrong with starting, in words for the person before the screen.

use std::io;
use std::path::Path;

use gettextrs::gettext;
use gtk::glib;
use reflection_doc::objects::OpenError;
use reflection_node::identity::KeyFileError;
use reflection_node::migration::MigrationError;
use reflection_node::store::FolderError;

use super::StartError;
use super::keyring::KeyringError;

/// A page that says what happened and what can be done.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// A few words.
    pub title: String,
    /// Some sentences.
    pub description: String,
    /// The icon that goes with it.
    pub icon_name: &'static str,
    /// Whether keeping the key in a file would help.
    pub offers_key_file: bool,
    /// Whether documents in another folder could be opened instead.
    pub offers_folder: bool,
    /// Whether a key from a backup would help.
    pub offers_identity: bool,
}

const TROUBLE_ICON: &str = "reflection-trouble-symbolic";
const KEY_ICON: &str = "reflection-key-symbolic";

impl Explanation {
    fn trouble(title: String, description: String) -> Self {
        Self {
            title,
            description,
            icon_name: TROUBLE_ICON,
            offers_key_file: false,
            offers_folder: true,
            offers_identity: false,
        }
    }

    fn of_other_key() -> Self {
        Self {
            title: gettext("These Documents Belong to Another Key"),
            description: gettext(
                "What was written here was signed with a key that this device does not have any more. With the backup of that key the documents can be opened. Otherwise, begin in another folder and join them again.",
            ),
            icon_name: KEY_ICON,
            offers_key_file: false,
            offers_folder: true,
            offers_identity: true,
        }
    }

    /// For documents that are not what was once written.
    fn of_damage(folder: &Path) -> Self {
        let sentences = [
            gettext("The documents in {folder} are damaged. They are left as they are."),
            gettext(
                "Others with whom you share them still have them: open another folder and join them again. What can still be read is brought into it by the command",
            ),
        ];
        // Translators: stands for the path of a folder, in a command.
        let other = gettext("OTHER-FOLDER");
        let quoted = glib::shell_quote(folder);
        let quoted = quoted.to_string_lossy();
        let command = format!("reflection-cli --data-dir {other} recover {quoted}");
        let sentences = with_path(&sentences.join("\n\n"), folder);
        Self::trouble(
            gettext("The Documents Are Damaged"),
            format!("{sentences}\n{command}"),
        )
    }

    /// For a disk without room for what an open database needs.
    fn of_full_disk(folder: &Path) -> Self {
        Self::trouble(
            gettext("The Disk Is Full"),
            with_path(
                &gettext(
                    "The documents in {folder} cannot be opened without free space on the disk. Make some, then try again.",
                ),
                folder,
            ),
        )
    }

    /// Explains an error with the documents of a folder.
    pub fn of(error: &StartError, folder: &Path) -> Self {
        match error {
            StartError::Folder(error) => of_folder(error),
            StartError::KeyFile(error) => of_key_file(error),
            StartError::Keyring(error) => of_keyring(error),
            StartError::Open(OpenError::Start(reflection_node::StartError::OtherAuthor(_))) => {
                Self::of_other_key()
            }
            StartError::Open(error) if error.is_damaged() => Self::of_damage(folder),
            StartError::Open(error) if error.is_disk_full() => Self::of_full_disk(folder),
            StartError::Open(error) => Self::trouble(
                gettext("The Documents Cannot Be Opened"),
                // What a database says is no sentence for people, but it helps whoever they ask.
                format!(
                    "{}\n\n{}",
                    gettext("They are left as they are. Trying again may help."),
                    error
                ),
            ),
            StartError::BrokeOff => Self::trouble(
                gettext("Reflection Could Not Start"),
                gettext("Something broke off while starting. Trying again may help."),
            ),
        }
    }
}

/// What the system says of an error, without its number.
fn reason(error: &io::Error) -> String {
    let whole = error.to_string();
    whole
        .split_once(" (os error")
        .map_or_else(|| whole.clone(), |(words, _)| words.to_owned())
}

/// Whether there is a file where a folder should be.
fn is_in_the_way(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory
    )
}

fn with_path(sentence: &str, path: &Path) -> String {
    sentence.replace("{folder}", &path.display().to_string())
}

fn of_folder(error: &FolderError) -> Explanation {
    match error {
        FolderError::Unusable { path, source } if is_in_the_way(source) => Explanation::trouble(
            gettext("The Folder Cannot Be Used"),
            with_path(
                &gettext(
                    "Documents are kept in the folder {folder}, but a file is in its place. Move the file elsewhere, then try again.",
                ),
                path,
            ),
        ),
        FolderError::Unusable { path, source } => Explanation::trouble(
            gettext("The Folder Cannot Be Used"),
            with_path(
                &gettext("Documents are kept in {folder}, which cannot be written to: {reason}")
                    .replace("{reason}", &reason(source)),
                path,
            ),
        ),
        FolderError::InUse { path } => Explanation::trouble(
            gettext("Already Running"),
            with_path(
                &gettext(
                    "Another program is using the documents in {folder}. Close it, then try again.",
                ),
                path,
            ),
        ),
        FolderError::Newer { path } => Explanation::trouble(
            gettext("A Newer Version Is Needed"),
            with_path(
                &gettext(
                    "The documents in {folder} were written by a newer version of Reflection. They are left as they are.",
                ),
                path,
            ),
        ),
        FolderError::Migration { path, source } if source.is_damaged() => {
            Explanation::of_damage(path)
        }
        FolderError::Migration { path, source } if source.is_disk_full() => {
            Explanation::of_full_disk(path)
        }
        FolderError::Migration {
            path,
            source: source @ MigrationError::Unreadable(_),
        } => Explanation::trouble(
            gettext("The Documents Cannot Be Opened"),
            with_path(
                &gettext(
                    "The documents in {folder} cannot be read. They are left as they are: {reason}",
                )
                .replace("{reason}", &source.to_string()),
                path,
            ),
        ),
        FolderError::Migration { path, source } => Explanation::trouble(
            gettext("The Documents Cannot Be Opened"),
            with_path(
                &gettext(
                    "The documents in {folder} come from an earlier version and could not be taken over. They are left as they are: {reason}",
                )
                .replace("{reason}", &source.to_string()),
                path,
            ),
        ),
        FolderError::Damaged { path } => Explanation::trouble(
            gettext("The Folder Is Damaged"),
            with_path(
                &gettext(
                    "It cannot be told which version of Reflection wrote {folder}. It is left as it is.",
                ),
                path,
            ),
        ),
    }
}

fn of_key_file(error: &KeyFileError) -> Explanation {
    let (path, reason) = match error {
        KeyFileError::Read { path, source } | KeyFileError::Write { path, source } => {
            (path, reason(source))
        }
        KeyFileError::Malformed { path } => (path, gettext("it does not hold a key")),
    };
    Explanation {
        title: gettext("The Key Cannot Be Used"),
        description: gettext("The key of this device is in {file}. The problem: {reason}")
            .replace("{file}", &path.display().to_string())
            .replace("{reason}", &reason),
        icon_name: KEY_ICON,
        offers_key_file: false,
        offers_folder: true,
        offers_identity: true,
    }
}

fn of_keyring(error: &KeyringError) -> Explanation {
    let happened = match error {
        KeyringError::NoAnswer => gettext("The keyring of this desktop does not answer."),
        KeyringError::Locked => gettext("The keyring of this desktop is locked."),
        KeyringError::Failed(_) => gettext("The keyring of this desktop cannot be reached."),
        KeyringError::Malformed => {
            gettext("What the keyring of this desktop keeps for Reflection is not a key.")
        }
    };
    let title = if matches!(error, KeyringError::Locked) {
        gettext("The Keyring Is Locked")
    } else {
        gettext("No Place for the Key")
    };
    let possible = gettext(
        "Reflection signs what is written here with a key and keeps it in the keyring. It can also keep it in a file that only this user account may read.",
    );
    Explanation {
        title,
        description: format!("{happened} {possible}"),
        icon_name: KEY_ICON,
        offers_key_file: true,
        offers_folder: false,
        offers_identity: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reflection_node::identity::AuthorId;

    fn of(error: &StartError) -> Explanation {
        Explanation::of(error, Path::new("/some/where"))
    }

    #[test]
    fn documents_of_another_key_leave_the_choice_of_its_backup() {
        let other = reflection_node::StartError::OtherAuthor(AuthorId::from_bytes([1; 32]));
        let explanation = of(&OpenError::from(other).into());
        assert!(explanation.offers_identity && explanation.offers_folder);
    }

    #[test]
    fn a_disk_without_room_for_an_open_database_is_full() {
        use reflection_node::rusqlite::{Error, ffi};

        let of_code = |code| {
            let error = Error::SqliteFailure(ffi::Error::new(code), None);
            let folder = FolderError::Migration {
                path: "/some/where".into(),
                source: MigrationError::Unreadable(error),
            };
            of(&folder.into()).title
        };
        assert_eq!(of_code(ffi::SQLITE_IOERR_SHMSIZE), "The Disk Is Full");
        assert_eq!(of_code(ffi::SQLITE_FULL), "The Disk Is Full");
        assert_eq!(
            of_code(ffi::SQLITE_IOERR_READ),
            "The Documents Cannot Be Opened"
        );
    }

    #[test]
    fn a_keyring_that_is_silent_leaves_the_choice_of_a_file() {
        let explanation = of(&KeyringError::NoAnswer.into());
        assert!(explanation.offers_key_file);
        let locked = of(&KeyringError::Locked.into());
        assert!(locked.title.contains("Locked") && locked.offers_key_file);
        let folder = FolderError::InUse {
            path: "/some/where".into(),
        };
        let explanation = of(&folder.into());
        assert!(!explanation.offers_key_file && explanation.offers_folder);
        assert!(
            explanation.description.contains("/some/where"),
            "{}",
            explanation.description
        );
    }
}
