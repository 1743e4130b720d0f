// SPDX-License-Identifier: GPL-3.0-or-later
//! What the window shows until the library is open: nothing for a moment, then a spinner, or what
//! went wrong.

use std::cell::{Cell, RefCell};
use std::sync::LazyLock;
use std::time::Duration;

use adw::prelude::*;
use adw::subclass::prelude::*;
use glib::clone;
use glib::subclass::Signal;
use gtk::{CompositeTemplate, TemplateChild, glib};
use reflection_doc::objects::Service;

use super::{Explanation, start};
use crate::config::Config;

/// Shorter waits show no spinner, which would only flash.
const SPINNER_DELAY: Duration = Duration::from_millis(400);

mod imp {
    use super::*;

    #[derive(Default, CompositeTemplate)]
    #[template(file = "src/startup/startup_page.blp")]
    pub struct StartupPage {
        #[template_child]
        pub(super) stack: TemplateChild<gtk::Stack>,
        #[template_child]
        pub(super) failed: TemplateChild<adw::StatusPage>,
        #[template_child]
        pub(super) again_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) key_file_button: TemplateChild<gtk::Button>,
        pub(super) config: RefCell<Option<Config>>,
        pub(super) makes_key_file: Cell<bool>,
        pub(super) attempt: RefCell<Option<glib::JoinHandle<()>>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for StartupPage {
        const NAME: &'static str = "ReflectionStartupPage";
        type Type = super::StartupPage;
        type ParentType = adw::Bin;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for StartupPage {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
                vec![
                    Signal::builder("opened")
                        .param_types([Service::static_type()])
                        .build(),
                ]
            });
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            let page = self.obj();
            self.again_button.connect_clicked(clone!(
                #[weak]
                page,
                move |_| page.attempt()
            ));
            self.key_file_button.connect_clicked(clone!(
                #[weak]
                page,
                move |_| {
                    page.imp().makes_key_file.set(true);
                    page.attempt();
                }
            ));
        }

        fn dispose(&self) {
            if let Some(attempt) = self.attempt.take() {
                attempt.abort();
            }
        }
    }

    impl WidgetImpl for StartupPage {}
    impl BinImpl for StartupPage {}
}

glib::wrapper! {
    /// The page before the library is open. Signal: `opened (service)`.
    pub struct StartupPage(ObjectSubclass<imp::StartupPage>)
        @extends adw::Bin, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl StartupPage {
    /// Begins to open the library.
    pub fn start(&self, config: Config) {
        self.imp().makes_key_file.set(config.keeps_key_in_file);
        self.imp().config.replace(Some(config));
        self.attempt();
    }

    /// Calls back with the open library.
    pub fn connect_opened<F: Fn(&Self, Service) + 'static>(&self, f: F) -> glib::SignalHandlerId {
        self.connect_closure(
            "opened",
            false,
            glib::closure_local!(move |page: &Self, service: Service| f(page, service)),
        )
    }

    fn attempt(&self) {
        let imp = self.imp();
        let Some(config) = imp.config.borrow().clone() else {
            return;
        };
        imp.stack.set_visible_child_name("nothing");
        let page = self.downgrade();
        let makes_key_file = imp.makes_key_file.get();
        let attempt = glib::spawn_future_local(async move {
            let mut opening = Box::pin(start(config, makes_key_file));
            let in_time = glib::future_with_timeout(SPINNER_DELAY, opening.as_mut()).await;
            let opened = if let Ok(opened) = in_time {
                opened
            } else {
                if let Some(page) = page.upgrade() {
                    page.imp().stack.set_visible_child_name("opening");
                }
                opening.await
            };
            let Some(page) = page.upgrade() else { return };
            match opened {
                Ok(service) => page.emit_by_name::<()>("opened", &[&service]),
                Err(error) => page.explain(&Explanation::of(&error)),
            }
        });
        if let Some(before) = imp.attempt.replace(Some(attempt)) {
            before.abort();
        }
    }

    fn explain(&self, explanation: &Explanation) {
        let imp = self.imp();
        imp.failed.set_title(&explanation.title);
        imp.failed
            .set_description(Some(&glib::markup_escape_text(&explanation.description)));
        imp.failed.set_icon_name(Some(explanation.icon_name));
        imp.key_file_button.set_visible(explanation.offers_key_file);
        imp.stack.set_visible_child_name("failed");
        imp.again_button.grab_focus();
    }
}
