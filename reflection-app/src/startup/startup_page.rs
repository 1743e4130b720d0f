// SPDX-License-Identifier: GPL-3.0-or-later
//! What the window shows until the library is open: nothing for a moment, then a spinner, or what
//! went wrong.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use glib::subclass::Signal;
use gtk::{CompositeTemplate, TemplateChild, glib};
use reflection_doc::objects::Service;
use reflection_node::identity::AuthorKey;

use super::passing_folder::PassingFolder;
use super::{Explanation, KeyChoice, choose_key, start};
use crate::components::{OpeningView, file_chooser};
use crate::config::Config;

mod imp {
    use super::*;

    #[derive(Default, CompositeTemplate)]
    #[template(file = "src/startup/startup_page.blp")]
    pub struct StartupPage {
        #[template_child]
        pub(super) opening_view: TemplateChild<OpeningView>,
        #[template_child]
        pub(super) key_file_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) passing_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) identity_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) folder_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) problem: TemplateChild<gtk::Label>,
        pub(super) config: RefCell<Option<Config>>,
        pub(super) choice: RefCell<KeyChoice>,
        /// Where everything is kept in a run with a key that is not; it goes with the last window.
        pub(super) passing: RefCell<Option<Rc<PassingFolder>>>,
        pub(super) attempt: RefCell<Option<glib::JoinHandle<()>>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for StartupPage {
        const NAME: &'static str = "ReflectionStartupPage";
        type Type = super::StartupPage;
        type ParentType = adw::Bin;

        fn class_init(klass: &mut Self::Class) {
            OpeningView::ensure_type();
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
            self.opening_view.connect_again(clone!(
                #[weak]
                page,
                move |_| page.attempt()
            ));
            self.key_file_button.connect_clicked(clone!(
                #[weak]
                page,
                move |_| page.ask_for_file()
            ));
            self.passing_button.connect_clicked(clone!(
                #[weak]
                page,
                move |_| page.go_on_for_this_time()
            ));
            self.identity_button.connect_clicked(clone!(
                #[weak]
                page,
                move |_| page.choose_identity()
            ));
            self.folder_button.connect_clicked(clone!(
                #[weak]
                page,
                move |_| page.choose_folder()
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
        self.imp().choice.borrow_mut().makes_file = config.keeps_key_in_file;
        self.imp().config.replace(Some(config));
        self.attempt();
    }

    /// Begins again with a key from a backup, in place of one that wrote nothing.
    pub fn start_over(&self, key: AuthorKey) {
        {
            let mut choice = self.imp().choice.borrow_mut();
            choice.restored = Some(key);
            choice.begins_anew = true;
        }
        self.attempt();
    }

    /// Takes over how the page of another window has opened the library that both show.
    pub fn share(&self, other: &Self) {
        let (imp, other) = (self.imp(), other.imp());
        imp.config.replace(other.config.borrow().clone());
        imp.choice.replace(other.choice.borrow().clone());
        imp.passing.replace(other.passing.borrow().clone());
    }

    /// Whether the library that was opened is for this run alone.
    pub fn is_for_this_time(&self) -> bool {
        self.imp().choice.borrow().is_for_this_time
    }

    /// Removes what was for this run alone, unless another window still needs it.
    pub fn forget_this_time(&self) {
        self.imp().passing.take();
    }

    /// A file protects the key less than a keyring does, which a person has to know.
    fn ask_for_file(&self) {
        let question = adw::AlertDialog::new(
            Some(&gettext("Keep the Key in a File?")),
            Some(&gettext(
                "The file is not encrypted. Whoever can read the files of this user account can write in the name of this device.",
            )),
        );
        question.add_responses(&[
            ("cancel", &gettext("_Cancel")),
            ("keep", &gettext("_Keep in a File")),
        ]);
        question.set_default_response(Some("cancel"));
        question.set_close_response("cancel");
        let page = self.clone();
        glib::spawn_future_local(async move {
            if question.choose_future(Some(&page)).await == "keep" {
                page.imp().choice.borrow_mut().makes_file = true;
                page.attempt();
            }
        });
    }

    /// Goes on with a new key in a new folder, which are both gone with the window.
    fn go_on_for_this_time(&self) {
        let imp = self.imp();
        let Ok(folder) = PassingFolder::new() else {
            return self.show_problem(&gettext("There is no place for that either"));
        };
        if let Some(config) = &mut *imp.config.borrow_mut() {
            folder.path().clone_into(&mut config.data_dir);
        }
        imp.choice.borrow_mut().is_for_this_time = true;
        imp.passing.replace(Some(Rc::new(folder)));
        self.attempt();
    }

    fn parent_window(&self) -> Option<gtk::Window> {
        self.root().and_downcast()
    }

    fn choose_identity(&self) {
        let page = self.clone();
        glib::spawn_future_local(async move {
            match choose_key(page.parent_window().as_ref()).await {
                Some(Ok(key)) => {
                    page.imp().choice.borrow_mut().restored = Some(key);
                    page.attempt();
                }
                Some(Err(_)) => page.show_problem(&gettext("This file is not the backup of a key")),
                None => {}
            }
        });
    }

    fn choose_folder(&self) {
        let page = self.clone();
        glib::spawn_future_local(async move {
            let dialog = gtk::FileDialog::builder()
                .title(gettext("Choose the Folder of the Documents"))
                .accept_label(gettext("_Open"))
                .build();
            let parent = page.parent_window();
            let Some(folder) = file_chooser::folder(&dialog, parent.as_ref()).await else {
                return;
            };
            let Some(path) = folder.path() else {
                return page.show_problem(&gettext("This folder is not on this computer"));
            };
            if let Some(config) = &mut *page.imp().config.borrow_mut() {
                config.data_dir = path;
            }
            page.attempt();
        });
    }

    fn show_problem(&self, sentence: &str) {
        let problem = &self.imp().problem;
        problem.set_label(sentence);
        problem.set_visible(true);
        self.announce(sentence, gtk::AccessibleAnnouncementPriority::Medium);
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
        imp.opening_view.begin();
        let page = self.downgrade();
        let choice = imp.choice.borrow().clone();
        let attempt = glib::spawn_future_local(async move {
            let folder = config.data_dir.clone();
            let opened = start(config, choice).await;
            let Some(page) = page.upgrade() else { return };
            match opened {
                Ok(service) => {
                    let mut choice = page.imp().choice.borrow_mut();
                    (choice.restored, choice.begins_anew) = (None, false);
                    drop(choice);
                    page.emit_by_name::<()>("opened", &[&service]);
                }
                Err(error) => page.explain(&Explanation::of(&error, &folder)),
            }
        });
        if let Some(before) = imp.attempt.replace(Some(attempt)) {
            before.abort();
        }
    }

    fn explain(&self, explanation: &Explanation) {
        let imp = self.imp();
        imp.key_file_button.set_visible(explanation.offers_key_file);
        imp.passing_button.set_visible(explanation.offers_key_file);
        imp.identity_button.set_visible(explanation.offers_identity);
        imp.folder_button.set_visible(explanation.offers_folder);
        imp.problem.set_visible(false);
        let (title, description) = (&explanation.title, &explanation.description);
        imp.opening_view
            .fail(explanation.icon_name, title, description, true);
        imp.opening_view.focus_again();
    }
}
