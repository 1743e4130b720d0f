// SPDX-License-Identifier: GPL-3.0-or-later
//! Reflection: write together.
//!
//! ```text
//! Application ─> Window ─┬─ startup   opening the data folder, and what went wrong with that
//!                        ├─ library   the documents of this device
//!                        ├─ page      one document and its text
//!                        ├─ history   what a text was, and who made it so
//!                        ├─ share     handing on and taking over codes
//!                        ├─ people    who takes part
//!                        ├─ notifications   changes in documents that nobody looks at
//!                        ├─ preview   the text with its marks carried out
//!                        ├─ components   what several of these use
//!                        └─ preferences   what a person can set
//! ```
//!
//! Invariants: widgets read the objects of `reflection_doc` and never the node; nothing here
//! blocks the main thread; what people write, their titles, codes and keys reach no log.

#![allow(
    unreachable_pub,
    reason = "a program has no outside; pub marks what other folders use"
)]
// Each widget's private half sits in a module of its own and uses what its file uses.
#![allow(clippy::wildcard_imports)]

mod application;
mod components;
mod config;
mod history;
mod library;
mod memory;
mod notifications;
mod page;
mod people;
mod preferences;
mod preview;
mod share;
mod shortcuts;
mod startup;
#[cfg(test)]
mod stories;
mod window;

use gtk::prelude::*;
use gtk::{gio, glib};

use application::Application;

fn main() -> glib::ExitCode {
    find_translations();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    if let Err(error) = gio::resources_register_include!("reflection.gresource") {
        tracing::warn!("icons and style are missing: {error}");
    }
    Application::new().run()
}

/// Says where translations are, and which language it is to be: GTK would do that later, after the
/// options of the command line were explained.
fn find_translations() {
    // A locale that is not installed leaves the one that every program begins with.
    // SAFETY: this is the first thing that the program does; there is no other thread yet that could
    // read the environment or the locale.
    #[allow(unsafe_code, reason = "there is no safe way to take over the locale")]
    let _ = unsafe { gettextrs::setlocale(gettextrs::LocaleCategory::LcAll, "") };
    // Without catalogues the texts stay as they are in the sources.
    let _ = gettextrs::bindtextdomain(config::TEXT_DOMAIN, config::locale_dir());
    let _ = gettextrs::bind_textdomain_codeset(config::TEXT_DOMAIN, "UTF-8");
    let _ = gettextrs::textdomain(config::TEXT_DOMAIN);
}
