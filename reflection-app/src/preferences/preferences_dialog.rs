// SPDX-License-Identifier: GPL-3.0-or-later
//! The dialog of preferences. Everything in it takes effect at once and is a setting.

mod choices;
mod keeping;

use std::cell::{Cell, OnceCell};

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use gtk::{CompositeTemplate, TemplateChild, glib, pango};
use reflection_doc::objects::Service;
use reflection_node::Mode;

use super::replicas::ReplicasGroup;
use super::settings;

/// The modes in the order of the list.
const MODES: [Mode; 3] = [Mode::Offline, Mode::Local, Mode::Internet];
/// Longest name that others are shown, in characters.
const NAME_CHARS_MAX: i32 = 40;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(file = "src/preferences/preferences_dialog.blp")]
    pub struct PreferencesDialog {
        #[template_child]
        pub(super) you_group: TemplateChild<adw::PreferencesGroup>,
        #[template_child]
        pub(super) name_row: TemplateChild<adw::EntryRow>,
        #[template_child]
        pub(super) colour_row: TemplateChild<adw::ComboRow>,
        #[template_child]
        pub(super) notify_row: TemplateChild<adw::SwitchRow>,
        #[template_child]
        pub(super) backup_row: TemplateChild<adw::ButtonRow>,
        #[template_child]
        pub(super) documents_row: TemplateChild<adw::ActionRow>,
        #[template_child]
        pub(super) size_row: TemplateChild<adw::ActionRow>,
        #[template_child]
        pub(super) tidy_row: TemplateChild<adw::ButtonRow>,
        #[template_child]
        pub(super) system_font_row: TemplateChild<adw::SwitchRow>,
        #[template_child]
        pub(super) font_row: TemplateChild<adw::ActionRow>,
        #[template_child]
        pub(super) zoom_row: TemplateChild<adw::SpinRow>,
        #[template_child]
        pub(super) wrap_row: TemplateChild<adw::SwitchRow>,
        #[template_child]
        pub(super) line_numbers_row: TemplateChild<adw::SwitchRow>,
        #[template_child]
        pub(super) margin_row: TemplateChild<adw::ExpanderRow>,
        #[template_child]
        pub(super) margin_position_row: TemplateChild<adw::SpinRow>,
        #[template_child]
        pub(super) spelling_row: TemplateChild<adw::SwitchRow>,
        #[template_child]
        pub(super) language_row: TemplateChild<adw::ComboRow>,
        #[template_child]
        pub(super) mode_row: TemplateChild<adw::ComboRow>,
        #[template_child]
        pub(super) relays_row: TemplateChild<adw::EntryRow>,
        #[template_child]
        pub(super) bootstrap_row: TemplateChild<adw::EntryRow>,
        #[template_child]
        pub(super) replicas_group: TemplateChild<ReplicasGroup>,
        pub(super) service: OnceCell<Service>,
        /// Whether the list of modes is being set to what is, and not by a person.
        pub(super) is_showing_mode: Cell<bool>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for PreferencesDialog {
        const NAME: &'static str = "ReflectionPreferencesDialog";
        type Type = super::PreferencesDialog;
        type ParentType = adw::PreferencesDialog;

        fn class_init(klass: &mut Self::Class) {
            ReplicasGroup::ensure_type();
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for PreferencesDialog {
        fn constructed(&self) {
            self.parent_constructed();
            let dialog = self.obj();
            dialog.bind_settings();
            dialog.bind_font();
            dialog.bind_languages();
            dialog.bind_lists();
        }
    }

    impl WidgetImpl for PreferencesDialog {}
    impl AdwDialogImpl for PreferencesDialog {}
    impl PreferencesDialogImpl for PreferencesDialog {}
}

glib::wrapper! {
    /// The dialog of preferences.
    pub struct PreferencesDialog(ObjectSubclass<imp::PreferencesDialog>)
        @extends adw::PreferencesDialog, adw::Dialog, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::ShortcutManager;
}

impl PreferencesDialog {
    /// The dialog for a running library.
    pub fn new(service: &Service) -> Self {
        let dialog: Self = glib::Object::new();
        // Set once, right after construction; the cell cannot be taken yet.
        let _ = dialog.imp().service.set(service.clone());
        dialog.show_persona(service);
        dialog.bind_mode(service);
        dialog.bind_keeping(service);
        dialog.imp().replicas_group.set_service(service);
        dialog
    }

    fn bind_settings(&self) {
        let imp = self.imp();
        let settings = settings();
        let bind = |key: &str, object: &glib::Object, property: &str| {
            settings.bind(key, object, property).build();
        };
        bind("notify", imp.notify_row.upcast_ref(), "active");
        settings
            .bind("colour", &*imp.colour_row, "selected")
            // The first entry of the list stands for none.
            .mapping(|number, _| Some(u32::try_from(number.get::<i32>()? + 1).ok()?.to_value()))
            .set_mapping(|place, _| {
                let place = i32::try_from(place.get::<u32>().ok()?).ok()?;
                Some((place - 1).to_variant())
            })
            .build();
        bind(
            "use-system-font",
            imp.system_font_row.upcast_ref(),
            "active",
        );
        bind(
            "zoom-percent",
            imp.zoom_row.adjustment().upcast_ref(),
            "value",
        );
        bind("wrap-lines", imp.wrap_row.upcast_ref(), "active");
        bind(
            "show-line-numbers",
            imp.line_numbers_row.upcast_ref(),
            "active",
        );
        bind(
            "show-right-margin",
            imp.margin_row.upcast_ref(),
            "enable-expansion",
        );
        bind(
            "right-margin-position",
            imp.margin_position_row.adjustment().upcast_ref(),
            "value",
        );
        bind("check-spelling", imp.spelling_row.upcast_ref(), "active");
        imp.system_font_row
            .bind_property("active", &*imp.font_row, "sensitive")
            .sync_create()
            .invert_boolean()
            .build();
        imp.spelling_row
            .bind_property("active", &*imp.language_row, "sensitive")
            .sync_create()
            .build();
        imp.name_row.set_text(&settings.string("name"));
        imp.name_row.set_max_length(NAME_CHARS_MAX);
        imp.name_row.connect_apply(|row| {
            let name = row.text();
            let _ = super::settings().set_string("name", name.trim());
        });
    }

    /// Names the font below the title, where there is room for any name.
    fn bind_font(&self) {
        let row = &*self.imp().font_row;
        settings().bind("font", row, "subtitle").get().build();
        row.connect_activated(clone!(
            #[weak(rename_to = dialog)]
            self,
            move |_| dialog.choose_font()
        ));
    }

    fn choose_font(&self) {
        let chooser = gtk::FontDialog::builder()
            .title(gettext("Choose a Font"))
            .build();
        let present = pango::FontDescription::from_string(&settings().string("font"));
        let parent = self.root().and_downcast::<gtk::Window>();
        glib::spawn_future_local(async move {
            let chosen = chooser.choose_font_future(parent.as_ref(), Some(&present));
            // Whoever closes the dialog keeps the font that there is.
            if let Ok(font) = chosen.await {
                let _ = settings().set_string("font", &font.to_str());
            }
        });
    }

    fn bind_languages(&self) {
        let row = &self.imp().language_row;
        let languages: Vec<(String, String)> = spelling::Provider::default()
            .list_languages()
            .iter::<spelling::Language>()
            .flatten()
            .filter_map(|language| Some((language.code()?.into(), language.name()?.into())))
            .collect();
        let names = gtk::StringList::new(&[&gettext("Language of the System")]);
        for (_, name) in &languages {
            names.append(name);
        }
        row.set_model(Some(&names));
        let chosen = settings().string("spelling-language");
        let place = languages.iter().position(|(code, _)| *code == chosen);
        row.set_selected(place.map_or(0, |place| u32::try_from(place + 1).unwrap_or(0)));
        row.connect_selected_notify(move |row| {
            let code = (row.selected() as usize)
                .checked_sub(1)
                .and_then(|place| languages.get(place))
                .map_or("", |(code, _)| code.as_str());
            let _ = settings().set_string("spelling-language", code);
        });
    }

    fn bind_lists(&self) {
        let imp = self.imp();
        for (row, key) in [
            (&*imp.relays_row, "relays"),
            (&*imp.bootstrap_row, "bootstrap-nodes"),
        ] {
            let words: Vec<String> = settings()
                .strv(key)
                .iter()
                .map(ToString::to_string)
                .collect();
            row.set_text(&words.join(" "));
            row.connect_apply(move |row| {
                let text = row.text();
                let words: Vec<&str> = text.split_whitespace().collect();
                let is_valid = words.iter().all(|word| is_valid(key, word));
                if is_valid {
                    row.remove_css_class("error");
                    let _ = settings().set_strv(key, words);
                } else {
                    row.add_css_class("error");
                }
            });
        }
    }

    fn bind_mode(&self, service: &Service) {
        self.show_mode(service);
        service.connect_mode_notify(clone!(
            #[weak(rename_to = dialog)]
            self,
            move |service| dialog.show_mode(service)
        ));
        self.imp().mode_row.connect_selected_notify(clone!(
            #[weak(rename_to = dialog)]
            self,
            move |row| {
                let imp = dialog.imp();
                let mode = MODES.get(row.selected() as usize).copied();
                let (Some(mode), Some(service)) = (mode, imp.service.get().cloned()) else {
                    return;
                };
                if imp.is_showing_mode.get() || mode == service.network_mode() {
                    return;
                }
                let dialog = dialog.downgrade();
                glib::spawn_future_local(async move {
                    let changed = service.change_mode(mode).await;
                    let Some(dialog) = dialog.upgrade() else {
                        return;
                    };
                    if changed.is_err() {
                        dialog.add_toast(adw::Toast::new(&gettext("The network did not start")));
                        dialog.show_mode(&service);
                    }
                });
            }
        ));
    }

    fn show_mode(&self, service: &Service) {
        let imp = self.imp();
        let place = MODES
            .iter()
            .position(|mode| *mode == service.network_mode());
        imp.is_showing_mode.set(true);
        if let Some(place) = place.and_then(|place| u32::try_from(place).ok()) {
            imp.mode_row.set_selected(place);
        }
        imp.is_showing_mode.set(false);
    }
}

/// Whether a word can be an entry of a list. What cannot be used is not taken.
fn is_valid(key: &str, word: &str) -> bool {
    match key {
        "relays" => word.parse::<reflection_node::RelayUrl>().is_ok(),
        _ => crate::config::parse_bootstrap(word).is_some(),
    }
}
