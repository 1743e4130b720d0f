// SPDX-License-Identifier: GPL-3.0-or-later
//! Files that become documents, chosen, dropped or handed over by the desktop, and documents that
//! become files.

use std::path::Path;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::{gettext, ngettext};
use glib::clone;
use gtk::{gdk, gio, glib};
use reflection_doc::library::files::{Format, ImportError, file_name};
use reflection_doc::objects::{Document, FileError};

use super::shelf::toast;
use super::{Window, imp};
use crate::components::file_chooser;

/// Actions that need an open library.
pub(super) const ACTIONS: [&str; 3] = ["win.import", "win.export-document", "win.export-all"];
/// Most files that are named when they were not taken.
const NAMED_MAX: usize = 8;

impl Window {
    pub(super) fn install_file_actions(klass: &mut <imp::Window as ObjectSubclass>::Class) {
        klass.install_action_async("win.import", None, |window: Self, _, _| async move {
            window.choose_and_import().await;
        });
        let id = glib::VariantTy::STRING;
        klass.install_action_async(
            "win.export-document",
            Some(id),
            |window: Self, _, id| async move {
                if let Some(document) = window.document_by_id(id.as_ref()) {
                    window.export_document(&document).await;
                }
            },
        );
        klass.install_action_async("win.export-all", None, |window: Self, _, _| async move {
            window.export_all().await;
        });
    }

    /// Takes files that are dropped anywhere on the window.
    pub(super) fn accept_files(&self) {
        let target = gtk::DropTarget::new(gdk::FileList::static_type(), gdk::DragAction::COPY);
        // Before the text takes the names of the files as words.
        target.set_propagation_phase(gtk::PropagationPhase::Capture);
        target.connect_drop(clone!(
            #[weak(rename_to = window)]
            self,
            #[upgrade_or]
            false,
            move |_, value, _, _| {
                let Ok(list) = value.get::<gdk::FileList>() else {
                    return false;
                };
                window.import_files(list.files());
                true
            }
        ));
        let toasts = &self.imp().toasts;
        toasts.add_css_class("drop-target");
        toasts.add_controller(target);
    }

    /// Makes a document of a text that is dropped onto the list.
    pub(super) fn accept_texts(&self) {
        let target = gtk::DropTarget::new(glib::Type::STRING, gdk::DragAction::COPY);
        target.connect_drop(clone!(
            #[weak(rename_to = window)]
            self,
            #[upgrade_or]
            false,
            move |_, value, _, _| {
                let text = value.get::<String>().unwrap_or_default();
                let is_text = !text.trim().is_empty();
                if is_text {
                    glib::spawn_future_local(async move { window.take_text(&text).await });
                }
                is_text
            }
        ));
        let page = &self.imp().library_page;
        page.add_css_class("drop-target");
        page.add_controller(target);
    }

    async fn take_text(&self, text: &str) {
        let Some(service) = self.service() else {
            return;
        };
        match service.create_document_of(text).await {
            Ok(document) => self.open_document(&document),
            Err(_) => self.show_toast(&gettext("The document could not be made")),
        }
    }

    async fn choose_and_import(&self) {
        let texts = gtk::FileFilter::new();
        texts.set_name(Some(&gettext("Texts")));
        texts.add_mime_type("text/*");
        let all = gtk::FileFilter::new();
        all.set_name(Some(&gettext("All Files")));
        all.add_pattern("*");
        let filters = gio::ListStore::from_iter([texts, all]);
        let dialog = gtk::FileDialog::builder()
            .title(gettext("Import"))
            .accept_label(gettext("_Import"))
            .filters(&filters)
            .build();
        self.import_files(file_chooser::open_several(&dialog, Some(self)).await);
    }

    /// Makes documents of files, now or once the library is open.
    pub fn import_files(&self, files: Vec<gio::File>) {
        self.imp().pending_files.borrow_mut().extend(files);
        if self.service().is_some() {
            self.import_pending();
        }
    }

    pub(super) fn import_pending(&self) {
        let files = self.imp().pending_files.take();
        if files.is_empty() {
            return;
        }
        let window = self.clone();
        glib::spawn_future_local(async move { window.import_all(&files).await });
    }

    async fn import_all(&self, files: &[gio::File]) {
        let Some(service) = self.service() else {
            return;
        };
        let mut imported = Vec::new();
        let mut refused = Vec::new();
        for file in files {
            let result = match file.path() {
                Some(path) => service.import(&path).await,
                None => Err(ImportError::NotAFile.into()),
            };
            match result {
                Ok(document) => imported.push(document),
                Err(error) => refused.push((name_of(file), sentence(&error))),
            }
        }
        match imported.as_slice() {
            [] => {}
            [document] => self.open_document(document),
            several => {
                let count = u32::try_from(several.len()).unwrap_or(u32::MAX);
                let words = ngettext("{count} file imported", "{count} files imported", count);
                self.show_toast(&words.replace("{count}", &several.len().to_string()));
            }
        }
        self.tell_refused(&refused);
    }

    fn tell_refused(&self, refused: &[(String, String)]) {
        if refused.is_empty() {
            return;
        }
        let mut lines: Vec<String> = refused
            .iter()
            .take(NAMED_MAX)
            .map(|(name, reason)| {
                // Translators: a file and why it was not imported.
                gettext("“{name}”: {reason}")
                    .replace("{name}", name)
                    .replace("{reason}", reason)
            })
            .collect();
        if refused.len() > NAMED_MAX {
            lines.push("…".to_owned());
        }
        let count = u32::try_from(refused.len()).unwrap_or(u32::MAX);
        let heading = ngettext(
            "The File Was Not Imported",
            "Some Files Were Not Imported",
            count,
        );
        let dialog = adw::AlertDialog::new(Some(&heading), Some(&lines.join("\n")));
        dialog.add_response("close", &gettext("_Close"));
        dialog.present(Some(self));
    }

    async fn export_document(&self, document: &Document) {
        let Some(service) = self.service() else {
            return;
        };
        let dialog = gtk::FileDialog::builder()
            .title(gettext("Export"))
            .accept_label(gettext("_Export"))
            .initial_name(file_name(&document.title(), 1, Format::Markdown.ending()))
            .build();
        let Some(file) = file_chooser::save(&dialog, Some(self)).await else {
            return;
        };
        let Ok(text) = service.text(document).await else {
            return self.show_toast(&gettext("The document could not be read"));
        };
        let contents = format_of(&file).contents(&text);
        let replaced = file.replace_contents_future(
            contents.into_bytes(),
            None,
            false,
            gio::FileCreateFlags::NONE,
        );
        match replaced.await {
            Ok(_) => self.show_exported(&file, &gettext("Document exported")),
            Err(_) => self.show_toast(&gettext("The file could not be written")),
        }
    }

    async fn export_all(&self) {
        let Some(service) = self.service() else {
            return;
        };
        let dialog = gtk::FileDialog::builder()
            .title(gettext("Export All Documents to a Folder"))
            .accept_label(gettext("_Export"))
            .build();
        let Some(folder) = file_chooser::folder(&dialog, Some(self)).await else {
            return;
        };
        let counts = match folder.path() {
            Some(path) => service.export_all(&path).await.ok(),
            None => None,
        };
        let Some(counts) = counts else {
            return self.show_toast(&gettext("The folder cannot be written to"));
        };
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let words = if counts.failed == 0 {
            ngettext(
                "{count} document exported",
                "{count} documents exported",
                number(counts.exported),
            )
        } else {
            ngettext(
                "{count} document exported, {failed} could not be written",
                "{count} documents exported, {failed} could not be written",
                number(counts.exported),
            )
        };
        let words = words
            .replace("{count}", &counts.exported.to_string())
            .replace("{failed}", &counts.failed.to_string());
        self.show_exported(&folder, &words);
    }

    /// Says that something was exported, with a way to see it.
    fn show_exported(&self, file: &gio::File, words: &str) {
        let toast = toast(words);
        toast.set_button_label(Some(&gettext("Show")));
        let file = file.clone();
        toast.connect_button_clicked(clone!(
            #[weak(rename_to = window)]
            self,
            move |_| {
                let launcher = gtk::FileLauncher::new(Some(&file));
                let window = window.clone();
                glib::spawn_future_local(async move {
                    if launcher
                        .open_containing_folder_future(Some(&window))
                        .await
                        .is_err()
                    {
                        window.show_toast(&gettext("The folder could not be shown"));
                    }
                });
            }
        ));
        self.imp().toasts.add_toast(toast);
    }
}

fn name_of(file: &gio::File) -> String {
    let name = file.basename().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The format that the end of a file's name asks for.
fn format_of(file: &gio::File) -> Format {
    let name = file.basename().unwrap_or_default();
    let ending = Path::new(&name)
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("html" | "htm") => Format::Html,
        Some("txt") => Format::Text,
        _ => Format::Markdown,
    }
}

/// Why a file was not imported.
fn sentence(error: &FileError) -> String {
    match error {
        FileError::Import(ImportError::TooLarge) => gettext("it is larger than 64 MB"),
        FileError::Import(ImportError::Binary) => gettext("it is not a text"),
        FileError::Import(ImportError::NotAFile) => gettext("it is not a file on this computer"),
        FileError::Import(ImportError::Read(_)) => gettext("it cannot be read"),
        _ => gettext("it could not be stored"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_decides_what_is_written() {
        let format = |name: &str| format_of(&gio::File::for_path(name));
        assert_eq!(format("/a/b.HTML"), Format::Html);
        assert_eq!(format("/a/b.txt"), Format::Text);
        assert_eq!(format("/a/b"), Format::Markdown);
        assert_eq!(format("/a/b.md"), Format::Markdown);
    }
}
