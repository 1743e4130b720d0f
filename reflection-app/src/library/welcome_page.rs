// SPDX-License-Identifier: GPL-3.0-or-later
//! What the window shows while there is no document.

use std::cell::RefCell;

use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use gtk::prelude::*;
use gtk::{CompositeTemplate, TemplateChild, gio, glib};
use reflection_doc::objects::Service;
use reflection_doc::persona::Persona;

use crate::components::banner;
use crate::people::default_name;
use crate::preferences::settings;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(file = "src/library/welcome_page.blp")]
    pub struct WelcomePage {
        #[template_child]
        pub(super) passing_banner: TemplateChild<adw::Banner>,
        #[template_child]
        pub(super) steps: TemplateChild<gtk::Box>,
        #[template_child]
        pub(super) first_step: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) name_label: TemplateChild<gtk::Label>,
        /// What follows the name that is chosen.
        pub(super) naming: RefCell<Option<(gio::Settings, glib::SignalHandlerId)>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for WelcomePage {
        const NAME: &'static str = "ReflectionWelcomePage";
        type Type = super::WelcomePage;
        type ParentType = adw::Bin;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for WelcomePage {
        fn constructed(&self) {
            self.parent_constructed();
            banner::follow(&self.passing_banner);
            // Whoever has had documents knows the steps.
            settings()
                .bind("is-guided", &*self.steps, "visible")
                .get()
                .invert_boolean()
                .build();
        }

        fn dispose(&self) {
            if let Some((settings, handler)) = self.naming.take() {
                settings.disconnect(handler);
            }
        }
    }

    impl WidgetImpl for WelcomePage {}
    impl BinImpl for WelcomePage {}
}

glib::wrapper! {
    /// The page of an empty library.
    pub struct WelcomePage(ObjectSubclass<imp::WelcomePage>)
        @extends adw::Bin, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl WelcomePage {
    /// Says what others see the person here as, and follows it.
    pub fn show_name(&self, service: &Service) {
        let Some(author) = service.this_author() else {
            return;
        };
        let default = default_name(&Persona::of(&author));
        let say = clone!(
            #[weak(rename_to = page)]
            self,
            move |settings: &gio::Settings| {
                let chosen = settings.string("name");
                let name = if chosen.is_empty() {
                    &default
                } else {
                    chosen.as_str()
                };
                let words = gettext("Others see you as “{name}”.").replace("{name}", name);
                page.imp().name_label.set_label(&words);
            }
        );
        let settings = settings();
        say(&settings);
        let handler = settings.connect_changed(Some("name"), move |settings, _| say(settings));
        if let Some((settings, before)) = self.imp().naming.replace(Some((settings, handler))) {
            settings.disconnect(before);
        }
    }

    /// Says whether the library is for this run alone.
    pub fn set_is_for_this_time(&self, is_passing: bool) {
        let imp = self.imp();
        banner::reveal(&imp.passing_banner, is_passing);
        let words = if is_passing {
            gettext("Begin a document, and type. It is kept until the window is closed.")
        } else {
            gettext("Begin a document, and type. It is kept on this device.")
        };
        imp.first_step.set_label(&words);
    }
}
