// SPDX-License-Identifier: GPL-3.0-or-later
//! What a person can set, and the dialog in which that is done.

mod appearance;
mod clock;
mod preferences_dialog;
mod replicas;
mod settings;

pub use appearance::Appearance;
pub use clock::{Clock, clock};
pub use preferences_dialog::PreferencesDialog;
pub use settings::settings;
