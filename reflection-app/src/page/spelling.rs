// SPDX-License-Identifier: GPL-3.0-or-later
//! Marks misspelt words and offers corrections, in the language of the settings.

use gtk::prelude::*;
use gtk::{gio, glib};

use super::text_buffer::TextBuffer;
use crate::preferences::settings;
use last_words::LastWords;

mod last_words;

/// The spell checker of one text.
#[derive(Debug)]
pub struct Spelling {
    adapter: spelling::TextBufferAdapter,
    /// Ends when what the settings say is followed for the first time.
    beginning: glib::JoinHandle<()>,
    handler: Option<glib::SignalHandlerId>,
    _last_words: LastWords,
}

impl Spelling {
    /// Checks the text of `buffer` from now on, as the settings say.
    pub fn new(buffer: &TextBuffer) -> Self {
        let checker = spelling::Checker::new(Some(&spelling::Provider::default()), None);
        let adapter = spelling::TextBufferAdapter::new(buffer, &checker);
        adapter.set_enabled(false);
        // Reading a dictionary takes longer than painting a text, and nobody waits for it.
        let weak = adapter.downgrade();
        let beginning = glib::MainContext::default().spawn_local_with_priority(
            glib::Priority::LOW,
            async move {
                if let Some(adapter) = weak.upgrade() {
                    follow(&adapter);
                }
            },
        );
        let handler = settings().connect_changed(None, {
            let adapter = adapter.downgrade();
            move |_, key| {
                if matches!(key, "check-spelling" | "spelling-language")
                    && let Some(adapter) = adapter.upgrade()
                {
                    follow(&adapter);
                }
            }
        });
        Self {
            _last_words: LastWords::follow(buffer, &adapter),
            adapter,
            beginning,
            handler: Some(handler),
        }
    }

    /// What the context menu offers for the word under the caret.
    pub fn menu(&self) -> gio::MenuModel {
        self.adapter.menu_model()
    }

    /// The actions behind the menu, to be put under the name `spelling`.
    pub fn actions(&self) -> gio::ActionGroup {
        self.adapter.clone().upcast()
    }

    /// Brings the corrections in the menu up to the word under the caret.
    pub fn update(&self) {
        self.adapter.update_corrections();
    }
}

impl Drop for Spelling {
    fn drop(&mut self) {
        self.beginning.abort();
        if let Some(handler) = self.handler.take() {
            settings().disconnect(handler);
        }
        self.adapter.set_enabled(false);
    }
}

fn follow(adapter: &spelling::TextBufferAdapter) {
    let settings = settings();
    let wanted = settings.string("spelling-language");
    let provider = spelling::Provider::default();
    let language = if !wanted.is_empty() && provider.supports_language(&wanted) {
        Some(wanted)
    } else {
        provider.default_code()
    };
    // Without a dictionary every word would be marked.
    match language {
        Some(language) => {
            adapter.set_language(&language);
            adapter.set_enabled(settings.boolean("check-spelling"));
        }
        None => adapter.set_enabled(false),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, Instant};

    use super::*;

    #[gtk::test]
    fn the_text_is_there_before_the_dictionary() {
        sourceview5::init();
        settings().set_string("spelling-language", "en_US").unwrap();
        let spelling = Spelling::new(&TextBuffer::default());
        assert!(!spelling.adapter.is_enabled(), "nothing waits for it");
        let end = Instant::now() + Duration::from_mins(1);
        while !spelling.adapter.is_enabled() && Instant::now() < end {
            glib::MainContext::default().iteration(false);
        }
        assert!(spelling.adapter.is_enabled());
        let checker = spelling.adapter.checker().unwrap();
        assert_eq!(checker.language().as_deref(), Some("en_US"));
        settings().reset("spelling-language");
    }
}
