// SPDX-License-Identifier: GPL-3.0-or-later
//! The settings of the program, in `GSettings`.

use std::cell::OnceCell;
use std::path::Path;

use gtk::gio;

use crate::config::SETTINGS_ID;

thread_local! {
    static SETTINGS: OnceCell<gio::Settings> = const { OnceCell::new() };
}

/// The settings. Belongs to the main thread, as all of GTK does.
pub fn settings() -> gio::Settings {
    SETTINGS.with(|settings| settings.get_or_init(find).clone())
}

/// The installed schema, or the one that was built with the program.
fn find() -> gio::Settings {
    let installed =
        gio::SettingsSchemaSource::default().and_then(|source| source.lookup(SETTINGS_ID, true));
    let built = || {
        let folder = Path::new(env!("REFLECTION_SCHEMA_DIR"));
        let parent = gio::SettingsSchemaSource::default();
        gio::SettingsSchemaSource::from_directory(folder, parent.as_ref(), true)
            .ok()
            .and_then(|source| source.lookup(SETTINGS_ID, false))
    };
    match installed.or_else(built) {
        Some(schema) => {
            // In memory, a test leaves the settings of whoever runs it alone.
            let backend = cfg!(test).then(gio::memory_settings_backend_new);
            gio::Settings::new_full(&schema, backend.as_ref(), None)
        }
        // Ends the program with a sentence that names the schema, which packagers understand.
        None => gio::Settings::new(SETTINGS_ID),
    }
}
