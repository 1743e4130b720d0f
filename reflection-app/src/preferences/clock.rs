// SPDX-License-Identifier: GPL-3.0-or-later
//! Whether the clock of the desktop has twelve hours or twenty-four.
//!
//! The portal tells it, also to a program in a sandbox; where there is none, the settings of the
//! desktop do. Until either has answered, and where neither knows, there are twenty-four.

use std::cell::{Cell, RefCell};

use gtk::gio;
use gtk::prelude::*;

const NAMESPACE: &str = "org.gnome.desktop.interface";
const KEY: &str = "clock-format";
const TWELVE_HOURS: &str = "12h";

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const PORTAL_PATH: &str = "/org/freedesktop/portal/desktop";
const PORTAL_INTERFACE: &str = "org.freedesktop.portal.Settings";

thread_local! {
    static HAS_TWELVE_HOURS: Cell<bool> = const { Cell::new(false) };
    /// What is listened to, for as long as the program runs.
    static SOURCE: RefCell<Option<Source>> = const { RefCell::new(None) };
}

enum Source {
    Portal { _proxy: gio::DBusProxy },
    Desktop { _settings: gio::Settings },
}

/// Whether times are to be said in twelve hours.
pub fn has_twelve_hours() -> bool {
    HAS_TWELVE_HOURS.get()
}

/// Follows the desktop's clock from now on.
pub fn follow_clock() {
    gtk::glib::spawn_future_local(async {
        SOURCE.replace(portal().await.or_else(desktop));
    });
}

/// `None` where there is no portal, or one that knows no clock.
async fn portal() -> Option<Source> {
    let flags = gio::DBusProxyFlags::DO_NOT_LOAD_PROPERTIES;
    let bus = gio::BusType::Session;
    let proxy =
        gio::DBusProxy::for_bus_future(bus, flags, None, PORTAL, PORTAL_PATH, PORTAL_INTERFACE);
    let proxy = proxy.await.ok()?;
    proxy.connect_local("g-signal", false, |arguments| {
        let signal = arguments.get(2)?.get::<String>().ok()?;
        let told = arguments.get(3)?.get::<gtk::glib::Variant>().ok()?;
        if signal == "SettingChanged" {
            let (namespace, key, value) = told.get::<(String, String, gtk::glib::Variant)>()?;
            if namespace == NAMESPACE && key == KEY {
                take(&value);
            }
        }
        None
    });
    let question = (NAMESPACE, KEY).to_variant();
    let answer = proxy.call_future("ReadOne", Some(&question), gio::DBusCallFlags::NONE, -1);
    take(&answer.await.ok()?.try_child_value(0)?.as_variant()?);
    Some(Source::Portal { _proxy: proxy })
}

/// `None` where the desktop has no such setting.
fn desktop() -> Option<Source> {
    let schema = gio::SettingsSchemaSource::default()?.lookup(NAMESPACE, true)?;
    if !schema.has_key(KEY) {
        return None;
    }
    let settings = gio::Settings::new(NAMESPACE);
    take(&settings.value(KEY));
    settings.connect_changed(Some(KEY), |settings, key| take(&settings.value(key)));
    Some(Source::Desktop {
        _settings: settings,
    })
}

fn take(value: &gtk::glib::Variant) {
    HAS_TWELVE_HOURS.set(value.str() == Some(TWELVE_HOURS));
}
