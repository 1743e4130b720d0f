// SPDX-License-Identifier: GPL-3.0-or-later
//! The name and colour that the person here chose in the preferences, as the documents know them.

use gtk::glib;
use gtk::prelude::*;
use reflection_doc::library::Profile;
use reflection_doc::objects::Service;

use crate::preferences::settings;

/// Has the library know the chosen name from now on.
pub fn keep_own_name(service: &Service) {
    let settings = settings();
    for key in ["name", "colour"] {
        settings.connect_changed(
            Some(key),
            glib::clone!(
                #[weak]
                service,
                move |_, _| apply(&service)
            ),
        );
    }
    let service = service.clone();
    glib::spawn_future_local(async move {
        let Ok(known) = service.profile().await else {
            return;
        };
        if chosen() == Profile::default() {
            // Chosen elsewhere, such as on the command line.
            let _ = settings.set_string("name", &known.name);
        } else if chosen() != known {
            apply(&service);
        }
    });
}

fn chosen() -> Profile {
    let settings = settings();
    Profile {
        name: settings.string("name").into(),
        colour: u32::try_from(settings.int("colour")).ok(),
    }
}

fn apply(service: &Service) {
    let service = service.clone();
    glib::spawn_future_local(async move {
        if let Err(error) = service.set_profile(chosen()).await {
            tracing::warn!(%error, "the name could not be kept");
        }
    });
}
