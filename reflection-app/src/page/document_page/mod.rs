// SPDX-License-Identifier: GPL-3.0-or-later
//! The page of one document, for as long as it is shown.

mod buttons;
mod escape;
mod people;
mod phase;
mod places;
mod previewing;
mod restoring;
mod standing;

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Range;
use std::time::Duration;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use gtk::{CompositeTemplate, TemplateChild, gdk, glib};
use reflection_doc::objects::{Author, Document, DocumentPhase, SaveState, Service};

use super::authorship::Authorship;
use super::find_bar::FindBar;
use super::menu::document_menu;
use super::outline_popover::OutlinePopover;
use super::printing;
use super::statistics_dialog::statistics_dialog;
use super::text_view::TextView;
use crate::components::{OpeningView, banner};
use crate::history::HistoryDialog;
use crate::library::display_title;
use crate::people::{AvatarStack, PeoplePopover};
use crate::preferences::settings;
use crate::preview::PreviewView;
use crate::share::SharePopover;

/// How long the text has to be quiet before it is marked anew who wrote it.
const AUTHORSHIP_DELAY: Duration = Duration::from_millis(300);
/// How long everything has to be saved before the page says so. It never says so too early; this
/// only keeps the words from changing with every key.
const SAVED_DELAY: Duration = Duration::from_millis(350);

const CONTROL: gdk::ModifierType = gdk::ModifierType::CONTROL_MASK;
const CONTROL_SHIFT: gdk::ModifierType = CONTROL.union(gdk::ModifierType::SHIFT_MASK);

/// The keys of the page. What is added here belongs into the dialog of shortcuts, too.
pub const SHORTCUTS: [(gdk::Key, gdk::ModifierType, &str); 9] = [
    (gdk::Key::s, CONTROL_SHIFT, "page.share"),
    (gdk::Key::f, CONTROL, "page.find"),
    (gdk::Key::h, CONTROL, "page.replace"),
    (gdk::Key::g, CONTROL, "page.find-next"),
    (gdk::Key::g, CONTROL_SHIFT, "page.find-previous"),
    (gdk::Key::p, CONTROL_SHIFT, "page.preview"),
    (gdk::Key::p, CONTROL, "page.print"),
    (gdk::Key::o, CONTROL_SHIFT, "page.outline"),
    (gdk::Key::y, CONTROL_SHIFT, "page.history"),
];

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate, glib::Properties)]
    #[properties(wrapper_type = super::DocumentPage)]
    #[template(file = "src/page/document_page.blp")]
    pub struct DocumentPage {
        /// Whether the marks are carried out instead of shown.
        #[property(get, set = Self::set_is_previewing)]
        is_previewing: Cell<bool>,
        /// Whether colours show who wrote what.
        #[property(get, set = Self::set_shows_authors)]
        shows_authors: Cell<bool>,
        pub(super) authorship: Authorship,
        /// Those whose colours are followed.
        pub(super) coloured: RefCell<Vec<Author>>,
        /// Waiting to mark anew who wrote what.
        pub(super) marking: RefCell<Option<glib::SourceId>>,
        #[template_child]
        pub(super) outline_popover: TemplateChild<OutlinePopover>,
        #[template_child]
        pub(super) outline_button: TemplateChild<gtk::MenuButton>,
        #[template_child]
        pub(super) preview_view: TemplateChild<PreviewView>,
        #[template_child]
        pub(super) narrow: TemplateChild<adw::Breakpoint>,
        /// With large text; in place of the other.
        #[template_child]
        pub(super) tight: TemplateChild<adw::Breakpoint>,
        #[template_child]
        pub(super) header_bar: TemplateChild<adw::HeaderBar>,
        #[template_child]
        pub(super) bottom_bar: TemplateChild<gtk::CenterBox>,
        #[template_child]
        pub(super) people_button: TemplateChild<gtk::MenuButton>,
        #[template_child]
        pub(super) window_title: TemplateChild<adw::WindowTitle>,
        #[template_child]
        pub(super) menu_button: TemplateChild<gtk::MenuButton>,
        #[template_child]
        pub(super) share_button: TemplateChild<gtk::MenuButton>,
        #[template_child]
        pub(super) share_popover: TemplateChild<SharePopover>,
        #[template_child]
        pub(super) people_popover: TemplateChild<PeoplePopover>,
        #[template_child]
        pub(super) avatar_stack: TemplateChild<AvatarStack>,
        #[template_child]
        pub(super) banner: TemplateChild<adw::Banner>,
        #[template_child]
        pub(super) find_bar: TemplateChild<FindBar>,
        #[template_child]
        pub(super) stack: TemplateChild<gtk::Stack>,
        #[template_child]
        pub(super) opening_view: TemplateChild<OpeningView>,
        #[template_child]
        pub(super) waiting_view: TemplateChild<adw::StatusPage>,
        #[template_child]
        pub(super) text_view: TemplateChild<TextView>,
        pub(super) document: OnceCell<Document>,
        pub(super) service: OnceCell<Service>,
        pub(super) handlers: RefCell<Vec<(glib::Object, glib::SignalHandlerId)>>,
        pub(super) is_left: Cell<bool>,
        /// Whether the text is to get the keyboard once it is there.
        pub(super) wants_focus: Cell<bool>,
        /// What is to be selected once the text is there, in characters.
        pub(super) wanted_place: RefCell<Option<Range<u32>>>,
        /// What the label says of saving, which follows the truth with a delay in one direction.
        pub(super) said_state: Cell<SaveState>,
        pub(super) saved: RefCell<Option<glib::SourceId>>,
        /// What offers to take back that a version was restored.
        pub(super) restored: glib::WeakRef<adw::Toast>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for DocumentPage {
        const NAME: &'static str = "ReflectionDocumentPage";
        type Type = super::DocumentPage;
        type ParentType = adw::NavigationPage;

        fn class_init(klass: &mut Self::Class) {
            OpeningView::ensure_type();
            TextView::ensure_type();
            FindBar::ensure_type();
            PreviewView::ensure_type();
            OutlinePopover::ensure_type();
            SharePopover::ensure_type();
            PeoplePopover::ensure_type();
            AvatarStack::ensure_type();
            klass.bind_template();
            klass.install_action("page.share", None, |page: &super::DocumentPage, _, _| {
                page.imp().share_button.popup();
            });
            klass.install_action("page.find", None, |page: &super::DocumentPage, _, _| {
                // Places are found in the text and not in its preview.
                page.set_is_previewing(false);
                page.imp().find_bar.show(false);
            });
            klass.install_action("page.replace", None, |page: &super::DocumentPage, _, _| {
                // Places are found in the text and not in its preview.
                page.set_is_previewing(false);
                page.imp().find_bar.show(true);
            });
            for (name, action) in [
                ("page.find-next", "find.next"),
                ("page.find-previous", "find.previous"),
            ] {
                klass.install_action(name, None, move |page: &super::DocumentPage, _, _| {
                    // The bar has the actions; one that is not known does nothing.
                    let _ = page.imp().find_bar.activate_action(action, None);
                });
            }
            klass.install_property_action("page.preview", "is-previewing");
            klass.install_property_action("page.show-authors", "shows-authors");
            klass.install_action(
                "page.statistics",
                None,
                |page: &super::DocumentPage, _, _| {
                    page.show_statistics();
                },
            );
            klass.install_action("page.history", None, |page: &super::DocumentPage, _, _| {
                page.show_history();
            });
            klass.install_action("page.outline", None, |page: &super::DocumentPage, _, _| {
                page.imp().outline_button.popup();
            });
            klass.install_action("page.print", None, |page: &super::DocumentPage, _, _| {
                page.print();
            });
            for (key, modifiers, action) in SHORTCUTS {
                klass.add_binding_action(key, modifiers, action);
            }
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl DocumentPage {
        fn set_is_previewing(&self, is_previewing: bool) {
            if self.is_previewing.replace(is_previewing) != is_previewing {
                self.obj().show_phase();
                // The keyboard goes with what is shown: keys move there, and Escape leaves it.
                if is_previewing {
                    self.preview_view.grab_focus();
                } else {
                    self.obj().focus_text();
                }
            }
        }

        fn set_shows_authors(&self, shows_authors: bool) {
            if self.shows_authors.replace(shows_authors) != shows_authors {
                self.obj().mark_authors_soon();
            }
        }
    }

    #[glib::derived_properties]
    impl ObjectImpl for DocumentPage {
        fn constructed(&self) {
            self.parent_constructed();
            let page = self.obj();
            self.find_bar.set_view(&self.text_view);
            page.fit_popovers();
            page.leave_by_escape();
            page.follow_preview();
            banner::follow(&self.banner);
            page.name_authors();
            settings()
                .bind("show-authorship", &*page, "shows-authors")
                .build();
            self.outline_popover.connect_map(clone!(
                #[weak]
                page,
                move |popover| {
                    if let Some(document) = page.document() {
                        popover.show_text(&document.text());
                    }
                }
            ));
            self.outline_popover.connect_chosen(clone!(
                #[weak]
                page,
                move |_, at| {
                    page.go_to(at..at);
                    page.focus_text();
                }
            ));
            for (breakpoint, is_tight) in [(&self.narrow, false), (&self.tight, true)] {
                breakpoint.connect_apply(clone!(
                    #[weak]
                    page,
                    move |_| {
                        page.move_buttons_down();
                        page.imp().find_bar.set_room(true, is_tight);
                    }
                ));
                breakpoint.connect_unapply(clone!(
                    #[weak]
                    page,
                    move |_| {
                        page.move_buttons_up();
                        page.imp().find_bar.set_room(false, false);
                    }
                ));
            }
            self.opening_view.connect_again(clone!(
                #[weak]
                page,
                move |_| {
                    if let Some(document) = page.document() {
                        document.reopen();
                    }
                }
            ));
            self.banner.connect_button_clicked(clone!(
                #[weak]
                page,
                move |_| page.act_on_banner()
            ));
        }

        fn dispose(&self) {
            self.obj().leave();
        }
    }

    impl WidgetImpl for DocumentPage {}
    impl NavigationPageImpl for DocumentPage {}
}

glib::wrapper! {
    /// The page of one document.
    pub struct DocumentPage(ObjectSubclass<imp::DocumentPage>)
        @extends adw::NavigationPage, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl DocumentPage {
    /// A page that shows this document until it is left.
    pub fn new(service: &Service, document: &Document) -> Self {
        let page: Self = glib::Object::new();
        let imp = page.imp();
        // Set once, right after construction; the cells cannot be taken yet.
        let _ = imp.document.set(document.clone());
        let _ = imp.service.set(service.clone());
        imp.share_popover.set_document(document);
        imp.people_popover.show(&document.authors());
        imp.avatar_stack.show(&document.authors());
        imp.menu_button
            .set_menu_model(Some(&document_menu(document)));
        page.follow();
        let caret = document.last_caret();
        imp.wanted_place.replace(Some(caret..caret));
        document.open();
        page.show_title();
        page.show_phase();
        page.show_state();
        page
    }

    /// The document that it shows.
    pub fn document(&self) -> Option<Document> {
        self.imp().document.get().cloned()
    }

    /// Ends the showing: the document may let its text go. The page is of no use afterwards.
    pub fn leave(&self) {
        let imp = self.imp();
        if imp.is_left.replace(true) {
            return;
        }
        self.keep_place();
        if let Some(restored) = imp.restored.upgrade() {
            restored.dismiss();
        }
        for (object, handler) in imp.handlers.take() {
            object.disconnect(handler);
        }
        let sources = [imp.saved.take(), imp.marking.take()];
        for source in sources.into_iter().flatten() {
            source.remove();
        }
        if let Some(view) = imp.text_view.try_get() {
            view.text_buffer().detach();
            view.set_editable(false);
        }
        if let Some(document) = imp.document.get() {
            document.close();
        }
    }

    fn follow(&self) {
        let (Some(document), Some(service)) = (self.document(), self.imp().service.get()) else {
            return;
        };
        let on = |property: &str, react: fn(&Self)| {
            let page = self.downgrade();
            let handler = document.connect_notify_local(Some(property), move |_, _| {
                if let Some(page) = page.upgrade() {
                    react(&page);
                }
            });
            self.keep(document.upcast_ref(), handler);
        };
        on("title", Self::show_title);
        on("phase", Self::show_phase);
        on("has-cached-text", Self::show_phase);
        on("is-waiting", Self::show_phase);
        on("devices-connected", Self::show_awaited);
        on("is-read-only", Self::show_access);
        on("people-here", Self::announce_people);
        on("can-undo", Self::show_reversible);
        on("can-redo", Self::show_reversible);
        on("chars", Self::mark_authors_soon);
        on("chars", Self::follow_people);
        for property in [
            "save-state",
            "trouble",
            "people-here",
            "devices-connected",
            "is-waiting",
        ] {
            on(property, Self::show_state);
        }
        let handlers = [
            document.connect_changing(clone!(
                #[weak(rename_to = page)]
                self,
                move |_| {
                    if !page.is_typed_here() {
                        page.imp().text_view.hold_place();
                    }
                }
            )),
            document.connect_changed(clone!(
                #[weak(rename_to = page)]
                self,
                move |_, by_others| {
                    if page.is_typed_here() {
                        return;
                    }
                    page.imp().text_view.restore_place();
                    if by_others {
                        page.tell_who_is_away();
                    }
                    page.follow_people();
                    if page.is_previewing() {
                        page.show_phase();
                    }
                }
            )),
        ];
        for handler in handlers {
            self.keep(document.upcast_ref(), handler);
        }
        let handler = document.connect_people_moved(clone!(
            #[weak(rename_to = page)]
            self,
            move |_| page.show_people()
        ));
        self.keep(document.upcast_ref(), handler);
        let authors = document.authors();
        let handler = authors.connect_items_changed(clone!(
            #[weak(rename_to = page)]
            self,
            move |_, _, _, _| {
                page.show_state();
                page.follow_colours();
            }
        ));
        self.keep(authors.upcast_ref(), handler);
        self.follow_colours();
        let handler = service.connect_is_offline_notify(clone!(
            #[weak(rename_to = page)]
            self,
            move |_| page.show_state()
        ));
        self.keep(service.upcast_ref(), handler);
    }

    /// Whether what the document announces at this moment was typed on this page.
    fn is_typed_here(&self) -> bool {
        self.imp().text_view.text_buffer().is_handing_over()
    }

    fn keep(&self, object: &glib::Object, handler: glib::SignalHandlerId) {
        self.imp()
            .handlers
            .borrow_mut()
            .push((object.clone(), handler));
    }

    fn show_reversible(&self) {
        self.imp().text_view.show_reversible();
    }

    fn show_statistics(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let buffer = self.imp().text_view.text_buffer();
        let selected = buffer
            .selection_bounds()
            .map(|(from, to)| buffer.slice(&from, &to, true));
        statistics_dialog(&document.text(), selected.as_deref()).present(Some(self));
    }

    fn show_history(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let dialog = HistoryDialog::new(&document);
        dialog.connect_restored(clone!(
            #[weak(rename_to = page)]
            self,
            move |_| page.tell_restored()
        ));
        dialog.present(Some(self));
    }

    fn show_title(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let title = display_title(&document.title());
        self.imp().window_title.set_title(&title);
        self.set_title(&title);
    }

    fn show_access(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let can_write = !document.is_read_only() && document.phase() != DocumentPhase::Failed;
        self.imp().text_view.set_editable(can_write);
        self.imp().preview_view.set_can_tick(can_write);
        // Which makes GTK say what its own undo could do.
        self.show_reversible();
        self.show_banner();
    }

    fn print(&self) {
        let Some(document) = self.document() else {
            return;
        };
        let window = self.root().and_downcast::<crate::window::Window>();
        let title = display_title(&document.title());
        let parent = window.as_ref().map(Cast::upcast_ref);
        if printing::print(&self.imp().text_view, &title, parent).is_err()
            && let Some(window) = &window
        {
            window.show_toast(&gettext("The document could not be printed"));
        }
    }
}
