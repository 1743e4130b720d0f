// SPDX-License-Identifier: GPL-3.0-or-later
//! Taking part in a document by its code.

use std::cell::{Cell, RefCell};
use std::sync::LazyLock;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use glib::subclass::Signal;
use gtk::{CompositeTemplate, TemplateChild, glib};
use reflection_doc::objects::{Document, Service};
use reflection_node::access::Code;

use super::code_text::explain;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(file = "src/share/join_dialog.blp")]
    pub struct JoinDialog {
        #[template_child]
        pub(super) code_row: TemplateChild<adw::EntryRow>,
        #[template_child]
        pub(super) problem: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) join_button: TemplateChild<gtk::Button>,
        pub(super) service: RefCell<Option<Service>>,
        pub(super) is_joining: Cell<bool>,
        /// Whether the document was here before, with all that the code gives.
        pub(super) was_here: Cell<bool>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for JoinDialog {
        const NAME: &'static str = "ReflectionJoinDialog";
        type Type = super::JoinDialog;
        type ParentType = adw::Dialog;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for JoinDialog {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
                vec![
                    Signal::builder("joined")
                        .param_types([Document::static_type()])
                        .build(),
                ]
            });
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            let dialog = self.obj();
            self.code_row.connect_changed(clone!(
                #[weak]
                dialog,
                move |_| dialog.code_was_changed()
            ));
            self.join_button.connect_clicked(clone!(
                #[weak]
                dialog,
                move |_| dialog.join()
            ));
        }
    }

    impl WidgetImpl for JoinDialog {
        fn map(&self) {
            self.parent_map();
            self.obj().take_code_from_clipboard();
        }
    }

    impl AdwDialogImpl for JoinDialog {}
}

glib::wrapper! {
    /// Taking part in a document by its code. Signal: `joined (document)`.
    pub struct JoinDialog(ObjectSubclass<imp::JoinDialog>)
        @extends adw::Dialog, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::ShortcutManager;
}

impl JoinDialog {
    /// A dialog that joins documents of this library.
    pub fn new(service: &Service) -> Self {
        let dialog: Self = glib::Object::new();
        dialog.imp().service.replace(Some(service.clone()));
        dialog
    }

    /// Fills in a code that came another way than by the keyboard.
    pub fn set_code(&self, code: &str) {
        let row = &self.imp().code_row;
        row.set_text(code.trim());
        row.select_region(0, -1);
    }

    /// Whether what was joined was here before, so that nothing has changed.
    pub fn was_here(&self) -> bool {
        self.imp().was_here.get()
    }

    /// Calls back with the document that was joined.
    pub fn connect_joined<F: Fn(&Self, Document) + 'static>(&self, f: F) -> glib::SignalHandlerId {
        self.connect_closure(
            "joined",
            false,
            glib::closure_local!(move |dialog: &Self, document: Document| f(dialog, document)),
        )
    }

    /// Who opens this dialog has most likely just copied a code.
    fn take_code_from_clipboard(&self) {
        let dialog = self.downgrade();
        let clipboard = self.clipboard();
        glib::spawn_future_local(async move {
            let Ok(Some(text)) = clipboard.read_text_future().await else {
                return;
            };
            let Some(dialog) = dialog.upgrade() else {
                return;
            };
            let row = &dialog.imp().code_row;
            if row.text().is_empty() && text.parse::<Code>().is_ok() {
                row.set_text(text.trim());
                row.select_region(0, -1);
            }
        });
    }

    fn code_was_changed(&self) {
        let imp = self.imp();
        imp.code_row.remove_css_class("error");
        imp.problem.set_visible(false);
        let is_empty = imp.code_row.text().trim().is_empty();
        imp.join_button
            .set_sensitive(!is_empty && !imp.is_joining.get());
    }

    fn join(&self) {
        let imp = self.imp();
        let Some(service) = imp.service.borrow().clone() else {
            return;
        };
        let code = match imp.code_row.text().parse::<Code>() {
            Ok(code) => code,
            Err(error) => return self.show_problem(&explain(error)),
        };
        let here = service.documents().get(&code.keys().topic());
        let has_right = |document: Document| document.access() >= code.access();
        imp.was_here.set(here.is_some_and(has_right));
        imp.is_joining.set(true);
        imp.join_button.set_sensitive(false);
        let dialog = self.downgrade();
        glib::spawn_future_local(async move {
            let joined = service.join_document(&code).await;
            let Some(dialog) = dialog.upgrade() else {
                return;
            };
            dialog.imp().is_joining.set(false);
            if let Ok(document) = joined {
                dialog.close();
                dialog.emit_by_name::<()>("joined", &[&document]);
            } else {
                dialog.code_was_changed();
                dialog.show_problem(&gettext("The document could not be joined. Try again."));
            }
        });
    }

    fn show_problem(&self, sentence: &str) {
        let imp = self.imp();
        imp.code_row.add_css_class("error");
        imp.problem.set_label(sentence);
        imp.problem.set_visible(true);
        imp.code_row.grab_focus();
        self.announce(sentence, gtk::AccessibleAnnouncementPriority::Medium);
    }
}
