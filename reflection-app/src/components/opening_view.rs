// SPDX-License-Identifier: GPL-3.0-or-later
//! What is seen in place of something that is being opened: nothing for a moment, then a spinner,
//! or why it cannot be opened and what can be done about it.

use std::cell::RefCell;
use std::sync::LazyLock;
use std::time::Duration;

use adw::prelude::*;
use adw::subclass::prelude::*;
use glib::clone;
use glib::subclass::Signal;
use gtk::{CompositeTemplate, TemplateChild, glib};

/// Shorter waits show no spinner, which would only flash.
const SPINNER_DELAY: Duration = Duration::from_millis(300);

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate, glib::Properties)]
    #[properties(wrapper_type = super::OpeningView)]
    #[template(file = "src/components/opening_view.blp")]
    pub struct OpeningView {
        /// What is being opened, in words.
        #[property(get, set = Self::set_label)]
        label: RefCell<String>,
        /// What else can be done about a failure, below trying again.
        #[property(get, set = Self::set_remedies, nullable)]
        remedies: RefCell<Option<gtk::Widget>>,
        #[template_child]
        pub(super) stack: TemplateChild<gtk::Stack>,
        #[template_child]
        spinner: TemplateChild<adw::Spinner>,
        #[template_child]
        pub(super) failed: TemplateChild<adw::StatusPage>,
        #[template_child]
        buttons: TemplateChild<gtk::Box>,
        #[template_child]
        pub(super) again_button: TemplateChild<gtk::Button>,
        /// Waiting to show a spinner.
        pub(super) waiting: RefCell<Option<glib::SourceId>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for OpeningView {
        const NAME: &'static str = "ReflectionOpeningView";
        type Type = super::OpeningView;
        type ParentType = adw::Bin;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl OpeningView {
        fn set_label(&self, label: &str) {
            self.spinner
                .update_property(&[gtk::accessible::Property::Label(label)]);
            self.label.replace(label.to_owned());
        }

        fn set_remedies(&self, remedies: Option<&gtk::Widget>) {
            if let Some(before) = self.remedies.replace(remedies.cloned()) {
                self.buttons.remove(&before);
            }
            if let Some(remedies) = remedies {
                self.buttons.append(remedies);
            }
        }

        pub(super) fn show(&self, page: &str) {
            if let Some(source) = self.waiting.take() {
                source.remove();
            }
            self.stack.set_visible_child_name(page);
        }
    }

    #[glib::derived_properties]
    impl ObjectImpl for OpeningView {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> =
                LazyLock::new(|| vec![Signal::builder("again").build()]);
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            let view = self.obj();
            self.again_button.connect_clicked(clone!(
                #[weak]
                view,
                move |_| view.emit_by_name::<()>("again", &[])
            ));
        }

        fn dispose(&self) {
            if let Some(source) = self.waiting.take() {
                source.remove();
            }
        }
    }

    impl WidgetImpl for OpeningView {}
    impl BinImpl for OpeningView {}
}

glib::wrapper! {
    /// What is seen in place of something that is being opened. Signal: `again`, when somebody
    /// wants it to be tried once more.
    pub struct OpeningView(ObjectSubclass<imp::OpeningView>)
        @extends adw::Bin, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl OpeningView {
    /// Shows that it takes a while, once it does.
    pub fn begin(&self) {
        self.imp().show("nothing");
        let view = self.downgrade();
        let source = glib::timeout_add_local_once(SPINNER_DELAY, move || {
            if let Some(view) = view.upgrade() {
                view.imp().waiting.take();
                view.imp().show("opening");
            }
        });
        self.imp().waiting.replace(Some(source));
    }

    /// Shows why it cannot be opened, as texts and not as markup, and whether trying again may help.
    pub fn fail(&self, icon_name: &str, title: &str, description: &str, may_help: bool) {
        let imp = self.imp();
        imp.failed.set_icon_name(Some(icon_name));
        imp.failed.set_title(title);
        imp.failed
            .set_description(Some(&glib::markup_escape_text(description)));
        imp.again_button.set_visible(may_help);
        imp.show("failed");
    }

    /// Gives the keyboard to the button for trying again.
    pub fn focus_again(&self) {
        self.imp().again_button.grab_focus();
    }

    /// Calls back when somebody wants it to be tried once more.
    pub fn connect_again<F: Fn(&Self) + 'static>(&self, f: F) -> glib::SignalHandlerId {
        self.connect_closure(
            "again",
            false,
            glib::closure_local!(move |view: &Self| f(view)),
        )
    }
}
