// SPDX-License-Identifier: GPL-3.0-or-later
//! A window: library and page side by side where there is room, one before the other where there
//! is not.

mod actions;
mod beside;
mod clipboard;
mod closing;
mod files;
mod identity;
mod people;
mod restoring;
mod shelf;
mod untouched;

use std::cell::{Cell, RefCell};

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use gtk::{CompositeTemplate, TemplateChild, gio, glib};
use reflection_doc::objects::{Document, Documents, Service};
use reflection_node::access::TopicId;

use crate::application::Application;
use crate::library::{LibraryPage, WelcomePage};
use crate::notifications;
use crate::page::DocumentPage;
use crate::people::keep_own_name;
use crate::preferences::settings;
use crate::startup::StartupPage;
pub use shelf::undo_toast;

/// What the style sheet knows a window by that has room for few words in a line.
const TIGHT: &str = "tight";

mod imp {
    use super::*;

    #[derive(Default, CompositeTemplate, glib::Properties)]
    #[properties(wrapper_type = super::Window)]
    #[template(file = "src/window/window.blp")]
    pub struct Window {
        #[template_child]
        pub(super) toasts: TemplateChild<adw::ToastOverlay>,
        /// With large text; in place of the one before it.
        #[template_child]
        pub(super) tight: TemplateChild<adw::Breakpoint>,
        #[template_child]
        pub(super) stack: TemplateChild<gtk::Stack>,
        #[template_child]
        pub(super) startup_page: TemplateChild<StartupPage>,
        #[template_child]
        pub(super) welcome_page: TemplateChild<WelcomePage>,
        #[template_child]
        pub(super) split_view: TemplateChild<adw::NavigationSplitView>,
        #[template_child]
        pub(super) library_page: TemplateChild<LibraryPage>,
        #[template_child]
        pub(super) no_document: TemplateChild<adw::NavigationPage>,
        /// What is shown on the page side.
        pub(super) page: RefCell<Option<DocumentPage>>,
        pub(super) page_bindings: RefCell<Vec<glib::Binding>>,
        pub(super) closing: Cell<closing::Closing>,
        /// The text of a link that is to be joined once the library is open.
        pub(super) pending_code: RefCell<Option<String>>,
        /// What offers to join by a code.
        pub(super) code_offer: glib::WeakRef<adw::Toast>,
        /// The document whose code was offered last.
        pub(super) offered_code: Cell<Option<TopicId>>,
        /// The id of the document that is to be shown once the library is open.
        pub(super) pending_document: RefCell<Option<String>>,
        /// Files that are to be imported once the library is open.
        pub(super) pending_files: RefCell<Vec<gio::File>>,
        /// The open library; none while starting.
        #[property(get)]
        service: RefCell<Option<Service>>,
    }

    impl Window {
        pub(super) fn set_service(&self, service: Option<Service>) {
            if *self.service.borrow() != service {
                self.service.replace(service);
                self.obj().notify_service();
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Window {
        const NAME: &'static str = "ReflectionWindow";
        type Type = super::Window;
        type ParentType = adw::ApplicationWindow;

        fn class_init(klass: &mut Self::Class) {
            StartupPage::ensure_type();
            WelcomePage::ensure_type();
            LibraryPage::ensure_type();
            klass.bind_template();
            super::Window::install_actions(klass);
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    #[glib::derived_properties]
    impl ObjectImpl for Window {
        fn constructed(&self) {
            self.parent_constructed();
            let window = self.obj();
            window.set_service_actions_enabled(false);
            window.restore_size();
            window.accept_files();
            window.accept_texts();
            window.watch_clipboard();
            window.leave_room_in_menus();
            window.connect_is_active_notify(|window| {
                if let Some(document) = window.shown_document().filter(|_| window.is_active()) {
                    notifications::looked_at(window, &document);
                }
            });
            self.startup_page.connect_opened(clone!(
                #[weak]
                window,
                move |_, service| window.begin_library(service)
            ));
            self.split_view.connect_show_content_notify(clone!(
                #[weak]
                window,
                move |_| window.show_selection()
            ));
            self.split_view.connect_collapsed_notify(clone!(
                #[weak]
                window,
                move |_| window.show_selection()
            ));
        }
    }

    impl WidgetImpl for Window {}

    impl WindowImpl for Window {
        fn close_request(&self) -> glib::Propagation {
            if self.obj().may_close() {
                return self.parent_close_request();
            }
            glib::Propagation::Stop
        }
    }

    impl ApplicationWindowImpl for Window {}
    impl AdwApplicationWindowImpl for Window {}
}

glib::wrapper! {
    /// A window of the application.
    pub struct Window(ObjectSubclass<imp::Window>)
        @extends adw::ApplicationWindow, gtk::ApplicationWindow, gtk::Window, gtk::Widget,
        @implements gio::ActionGroup, gio::ActionMap, gtk::Accessible, gtk::Buildable,
            gtk::ConstraintTarget, gtk::Native, gtk::Root, gtk::ShortcutManager;
}

impl Window {
    /// A window that begins to open the library.
    pub fn new(application: &Application) -> Self {
        let window: Self = glib::Object::builder()
            .property("application", application)
            .build();
        window.imp().startup_page.start(application.config());
        window
    }

    /// Menus are as wide as their longest line, and large text leaves no room for keys in it.
    fn leave_room_in_menus(&self) {
        let tight = &self.imp().tight;
        tight.connect_apply(clone!(
            #[weak(rename_to = window)]
            self,
            move |_| window.add_css_class(TIGHT)
        ));
        tight.connect_unapply(clone!(
            #[weak(rename_to = window)]
            self,
            move |_| window.remove_css_class(TIGHT)
        ));
    }

    /// Says something about what was just done, for a moment.
    pub fn show_toast(&self, text: &str) {
        self.add_toast(shelf::toast(text));
    }

    /// Shows a toast.
    pub fn add_toast(&self, toast: adw::Toast) {
        self.imp().toasts.add_toast(toast);
    }

    /// Takes over a library that was just opened, for this window and those that join it.
    fn begin_library(&self, service: Service) {
        keep_own_name(&service);
        if let Some(application) = self.application().and_downcast::<Application>() {
            notifications::follow(&application, &service);
        }
        self.show_library(service);
        if !self.join_pending() {
            self.restore_documents();
        }
        self.import_pending();
        self.look_for_code();
    }

    fn show_library(&self, service: Service) {
        let imp = self.imp();
        let documents = service.documents();
        imp.library_page.show(&service);
        let is_passing = imp.startup_page.is_for_this_time();
        imp.library_page.set_is_for_this_time(is_passing);
        imp.welcome_page.set_is_for_this_time(is_passing);
        imp.welcome_page.show_name(&service);
        documents.connect_items_changed(clone!(
            #[weak(rename_to = window)]
            self,
            move |documents, _, _, _| {
                window.show_library_or_welcome(documents.n_items());
                window.leave_deleted_document(documents);
            }
        ));
        let count = documents.n_items();
        imp.set_service(Some(service));
        self.set_service_actions_enabled(true);
        self.show_library_or_welcome(count);
    }

    fn show_library_or_welcome(&self, documents: u32) {
        if self.imp().closing.get() == closing::Closing::No {
            let name = if documents == 0 { "welcome" } else { "library" };
            if documents > 0 && !settings().boolean("is-guided") {
                let _ = settings().set_boolean("is-guided", true);
            }
            self.imp().stack.set_visible_child_name(name);
        }
    }

    /// Shows a document, and gives the keyboard to its text.
    pub fn open_document(&self, document: &Document) {
        let imp = self.imp();
        let Some(service) = self.service() else {
            return;
        };
        let current = imp.page.borrow().as_ref().and_then(DocumentPage::document);
        if current.as_ref() != Some(document) {
            self.leave_page();
            let page = DocumentPage::new(&service, document);
            let title = page
                .bind_property("title", self, "title")
                .sync_create()
                .build();
            imp.page_bindings.borrow_mut().push(title);
            page.connect_hidden(clone!(
                #[weak(rename_to = window)]
                self,
                move |_| window.leave_hidden_page()
            ));
            imp.split_view.set_content(Some(&page));
            imp.page.replace(Some(page));
            self.remember_documents();
        }
        imp.split_view.set_show_content(true);
        self.show_selection();
        if let Some(page) = &*imp.page.borrow() {
            page.focus_text();
        }
    }

    /// The document on the page side.
    pub fn shown_document(&self) -> Option<Document> {
        let page = self.imp().page.borrow();
        page.as_ref().and_then(DocumentPage::document)
    }

    /// Takes the document off the page side.
    fn leave_page(&self) {
        let imp = self.imp();
        for binding in imp.page_bindings.take() {
            binding.unbind();
        }
        if let Some(page) = imp.page.take() {
            page.leave();
            if let Some(document) = page.document() {
                self.forget_untouched(document);
            }
        }
        self.set_title(Some(&gettext("Reflection")));
    }

    /// The library still holds what is moved within it, so whatever is missing is gone.
    fn leave_deleted_document(&self, documents: &Documents) {
        let imp = self.imp();
        let current = imp.page.borrow().as_ref().and_then(DocumentPage::document);
        let is_gone = current
            .and_then(|document| document.topic())
            .is_some_and(|topic| documents.get(&topic).is_none());
        if is_gone {
            self.leave_page();
            imp.split_view.set_show_content(false);
            imp.split_view.set_content(Some(&*imp.no_document));
            self.show_selection();
        }
    }

    /// In a narrow window going back to the library means that nobody looks at the text.
    fn leave_hidden_page(&self) {
        let imp = self.imp();
        // Taking the page out of a view that still moves says once more that it is hidden.
        if imp.page.borrow().is_none() {
            return;
        }
        if imp.split_view.is_collapsed() && !imp.split_view.shows_content() {
            self.leave_page();
            self.remember_documents();
            imp.split_view.set_content(Some(&*imp.no_document));
            imp.library_page.focus_list();
        }
    }

    /// The library marks the open document where both are side by side.
    fn show_selection(&self) {
        let imp = self.imp();
        let document = if imp.split_view.is_collapsed() {
            None
        } else {
            imp.page.borrow().as_ref().and_then(DocumentPage::document)
        };
        imp.library_page.select(document.as_ref());
    }
}
