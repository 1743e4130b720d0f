// SPDX-License-Identifier: GPL-3.0-or-later
//! The clock of the desktop: whether it has twelve hours or twenty-four, and that a day begins.
//!
//! The portal tells of its hours, also to a program in a sandbox; where there is none, the settings of
//! the desktop do. Until either has answered, and where neither knows, there are twenty-four.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::OnceLock;

use gtk::gio;
use gtk::glib::subclass::Signal;
use gtk::glib::{self, clone};
use gtk::prelude::*;
use gtk::subclass::prelude::*;

const NAMESPACE: &str = "org.gnome.desktop.interface";
const KEY: &str = "clock-format";
const TWELVE_HOURS: &str = "12h";

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const PORTAL_PATH: &str = "/org/freedesktop/portal/desktop";
const PORTAL_INTERFACE: &str = "org.freedesktop.portal.Settings";

/// How often it is looked whether a day has begun. A timer until midnight would not count the time
/// that a machine sleeps.
const LOOK_INTERVAL_S: u32 = 60;

thread_local! {
    static CLOCK: OnceCell<Clock> = const { OnceCell::new() };
}

enum Source {
    Portal { _proxy: gio::DBusProxy },
    Desktop { _settings: gio::Settings },
}

mod imp {
    use super::{Cell, ObjectImpl, ObjectSubclass, OnceLock, RefCell, Signal, Source, glib};

    #[derive(Default)]
    pub struct Clock {
        pub(super) has_twelve_hours: Cell<bool>,
        /// What is listened to, for as long as the program runs.
        pub(super) source: RefCell<Option<Source>>,
        /// The day of the month, which is another one on the next day.
        pub(super) day: Cell<i32>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Clock {
        const NAME: &str = "ReflectionClock";
        type Type = super::Clock;
    }

    impl ObjectImpl for Clock {
        fn signals() -> &'static [Signal] {
            static SIGNALS: OnceLock<Vec<Signal>> = OnceLock::new();
            SIGNALS.get_or_init(|| vec![Signal::builder("changed").build()])
        }
    }
}

glib::wrapper! {
    /// Emits `changed` when times are to be said in other words than before.
    pub struct Clock(ObjectSubclass<imp::Clock>);
}

/// The clock. Belongs to the main thread, as all of GTK does.
pub fn clock() -> Clock {
    CLOCK.with(|clock| clock.get_or_init(glib::Object::new).clone())
}

impl Clock {
    /// Whether times are to be said in twelve hours.
    pub fn has_twelve_hours(&self) -> bool {
        self.imp().has_twelve_hours.get()
    }

    /// Follows the desktop's clock from now on.
    pub fn follow(&self) {
        glib::spawn_future_local(clone!(
            #[strong(rename_to = clock)]
            self,
            async move {
                let source = match clock.portal().await {
                    None => clock.desktop(),
                    portal => portal,
                };
                clock.imp().source.replace(source);
            }
        ));
        self.look();
        glib::timeout_add_seconds_local(
            LOOK_INTERVAL_S,
            clone!(
                #[strong(rename_to = clock)]
                self,
                move || {
                    clock.look();
                    glib::ControlFlow::Continue
                }
            ),
        );
    }

    /// `None` where there is no portal, or one that knows no clock.
    async fn portal(&self) -> Option<Source> {
        let flags = gio::DBusProxyFlags::DO_NOT_LOAD_PROPERTIES;
        let bus = gio::BusType::Session;
        let proxy =
            gio::DBusProxy::for_bus_future(bus, flags, None, PORTAL, PORTAL_PATH, PORTAL_INTERFACE);
        let proxy = proxy.await.ok()?;
        let clock = self.clone();
        proxy.connect_local("g-signal", false, move |arguments| {
            let signal = arguments.get(2)?.get::<String>().ok()?;
            let told = arguments.get(3)?.get::<glib::Variant>().ok()?;
            if signal == "SettingChanged" {
                let (namespace, key, value) = told.get::<(String, String, glib::Variant)>()?;
                if namespace == NAMESPACE && key == KEY {
                    clock.take(&value);
                }
            }
            None
        });
        let question = (NAMESPACE, KEY).to_variant();
        let answer = proxy.call_future("ReadOne", Some(&question), gio::DBusCallFlags::NONE, -1);
        self.take(&answer.await.ok()?.try_child_value(0)?.as_variant()?);
        Some(Source::Portal { _proxy: proxy })
    }

    /// `None` where the desktop has no such setting.
    fn desktop(&self) -> Option<Source> {
        let schema = gio::SettingsSchemaSource::default()?.lookup(NAMESPACE, true)?;
        if !schema.has_key(KEY) {
            return None;
        }
        let settings = gio::Settings::new(NAMESPACE);
        self.take(&settings.value(KEY));
        let clock = self.clone();
        settings.connect_changed(Some(KEY), move |settings, key| {
            clock.take(&settings.value(key));
        });
        Some(Source::Desktop {
            _settings: settings,
        })
    }

    fn take(&self, value: &glib::Variant) {
        let has_twelve_hours = value.str() == Some(TWELVE_HOURS);
        if self.imp().has_twelve_hours.replace(has_twelve_hours) != has_twelve_hours {
            self.emit_by_name::<()>("changed", &[]);
        }
    }

    /// Looks whether a day has begun.
    fn look(&self) {
        let Ok(now) = glib::DateTime::now_local() else {
            return;
        };
        let day = now.day_of_month();
        if self.imp().day.replace(day) != day {
            self.emit_by_name::<()>("changed", &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_day_begins_once() {
        let clock: Clock = glib::Object::new();
        clock.look();
        let told = Rc::new(Cell::new(0));
        let counted = told.clone();
        clock.connect_local("changed", false, move |_| {
            counted.set(counted.get() + 1);
            None
        });
        clock.look();
        assert_eq!(told.get(), 0);
        // No month has such a day: it was left long ago.
        clock.imp().day.set(32);
        clock.look();
        clock.look();
        assert_eq!(told.get(), 1);
    }
}
