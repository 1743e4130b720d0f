// SPDX-License-Identifier: GPL-3.0-or-later
//! The list of documents, and in its place what a search found.

use std::cell::{Cell, RefCell};

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::{gettext, ngettext};
use glib::clone;
use gtk::{CompositeTemplate, TemplateChild, gdk, glib};
use reflection_doc::objects::{Document, SearchHit, SearchResults, Service};

use super::gradual::{gradual, reach};
use super::library_row::LibraryRow;
use super::row_factory::row_factory;
use super::zoom_controls::ZoomControls;
use crate::components::banner;

/// A key with what is held down with it.
type Key = (gdk::Key, gdk::ModifierType);

/// The keys that open the menu of a document. What is added here and below belongs into the dialog
/// of shortcuts, too.
pub const MENU_KEYS: [Key; 2] = [
    (gdk::Key::F10, gdk::ModifierType::SHIFT_MASK),
    (gdk::Key::Menu, gdk::ModifierType::empty()),
];
/// The keys that delete a document.
pub const DELETE_KEYS: [Key; 1] = [(gdk::Key::Delete, gdk::ModifierType::empty())];

mod imp {
    use super::*;

    #[derive(Default, CompositeTemplate)]
    #[template(file = "src/library/library_page.blp")]
    pub struct LibraryPage {
        #[template_child]
        pub(super) passing_banner: TemplateChild<adw::Banner>,
        #[template_child]
        pub(super) stack: TemplateChild<gtk::Stack>,
        #[template_child]
        pub(super) search_button: TemplateChild<gtk::ToggleButton>,
        #[template_child]
        pub(super) search_bar: TemplateChild<gtk::SearchBar>,
        #[template_child]
        pub(super) search_entry: TemplateChild<gtk::SearchEntry>,
        #[template_child]
        pub(super) list_view: TemplateChild<gtk::ListView>,
        #[template_child]
        pub(super) results_view: TemplateChild<gtk::ListView>,
        #[template_child]
        pub(super) no_match: TemplateChild<adw::StatusPage>,
        #[template_child]
        pub(super) again_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) archive_button: TemplateChild<gtk::ToggleButton>,
        pub(super) selection: gtk::SingleSelection,
        pub(super) results: RefCell<Option<SearchResults>>,
        /// Whether documents that were put away are listed too.
        pub(super) shows_archived: Cell<bool>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for LibraryPage {
        const NAME: &'static str = "ReflectionLibraryPage";
        type Type = super::LibraryPage;
        type ParentType = adw::NavigationPage;

        fn class_init(klass: &mut Self::Class) {
            ZoomControls::ensure_type();
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for LibraryPage {
        fn constructed(&self) {
            self.parent_constructed();
            banner::follow(&self.passing_banner);
            self.selection.set_autoselect(false);
            self.selection.set_can_unselect(true);
            self.list_view.set_factory(Some(&row_factory()));
            self.list_view.set_model(Some(&self.selection));
            self.results_view.set_factory(Some(&row_factory()));
            for view in [&*self.list_view, &*self.results_view] {
                view.connect_activate(|view, position| {
                    let chosen = view.model().and_then(|model| model.item(position));
                    if let Some((action, target)) = chosen.and_then(|item| opening(&item)) {
                        // The window has these actions for as long as there is a list.
                        let _ = view.activate_action(action, Some(&target));
                    }
                });
                add_keys(view);
            }
            self.obj().connect_search();
        }
    }

    impl WidgetImpl for LibraryPage {}
    impl NavigationPageImpl for LibraryPage {}
}

glib::wrapper! {
    /// The list of documents.
    pub struct LibraryPage(ObjectSubclass<imp::LibraryPage>)
        @extends adw::NavigationPage, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl LibraryPage {
    /// Lists the documents of this library.
    pub fn show(&self, service: &Service) {
        let imp = self.imp();
        let documents = service.documents();
        let filter = gtk::CustomFilter::new(clone!(
            #[weak(rename_to = page)]
            self,
            #[upgrade_or]
            true,
            move |item| {
                let document = item.downcast_ref::<Document>();
                page.imp().shows_archived.get()
                    || document.is_some_and(|document| !document.is_archived())
            }
        ));
        let shown = gtk::FilterListModel::new(Some(documents.clone()), Some(filter.clone()));
        imp.selection.set_model(Some(&gradual(&shown)));
        imp.archive_button.connect_toggled(clone!(
            #[weak(rename_to = page)]
            self,
            #[weak]
            service,
            move |button| {
                page.imp().shows_archived.set(button.is_active());
                filter.changed(gtk::FilterChange::Different);
                page.refresh_archive_button(&service);
            }
        ));
        documents.connect_items_changed(clone!(
            #[weak(rename_to = page)]
            self,
            #[weak]
            service,
            move |_, _, _, _| page.refresh_archive_button(&service)
        ));
        self.refresh_archive_button(service);
        if let Some(results) = service.search_results() {
            let model = gtk::NoSelection::new(Some(results.clone()));
            imp.results_view.set_model(Some(&model));
            results.connect_words_notify(clone!(
                #[weak(rename_to = page)]
                self,
                move |_| page.show_answer()
            ));
            results.connect_items_changed(clone!(
                #[weak(rename_to = page)]
                self,
                move |_, _, removed, added| {
                    if removed > added {
                        page.show_answer();
                    }
                }
            ));
            imp.results.replace(Some(results));
        }
    }

    /// Says whether the library is for this run alone.
    pub fn set_is_for_this_time(&self, is_passing: bool) {
        banner::reveal(&self.imp().passing_banner, is_passing);
    }

    /// Gives the keyboard to the list.
    pub fn focus_list(&self) {
        let imp = self.imp();
        if imp.stack.visible_child_name().as_deref() == Some("results") {
            imp.results_view.grab_focus();
        } else {
            imp.list_view.grab_focus();
        }
    }

    /// Gives the keyboard to the search.
    pub fn focus_search(&self) {
        let imp = self.imp();
        imp.search_bar.set_search_mode(true);
        imp.search_entry.grab_focus();
        imp.search_entry.select_region(0, -1);
    }

    /// Marks a document as the one that is open, or none.
    pub fn select(&self, document: Option<&Document>) {
        let selection = &self.imp().selection;
        let listed = selection.model().and_downcast::<gtk::SliceListModel>();
        let position = document.and_then(|document| reach(&listed?, document));
        selection.set_selected(position.unwrap_or(gtk::INVALID_LIST_POSITION));
    }

    fn refresh_archive_button(&self, service: &Service) {
        let button = &self.imp().archive_button;
        let documents = service.documents().to_vec();
        let archived = documents
            .iter()
            .filter(|document| document.is_archived())
            .count();
        button.set_visible(archived > 0);
        let count = u32::try_from(archived).unwrap_or(u32::MAX);
        let label = if button.is_active() {
            ngettext("Hide {count} Archived", "Hide {count} Archived", count)
        } else {
            ngettext("Show {count} Archived", "Show {count} Archived", count)
        };
        button.set_label(&label.replace("{count}", &archived.to_string()));
    }

    fn connect_search(&self) {
        let imp = self.imp();
        imp.search_bar.connect_entry(&*imp.search_entry);
        imp.search_entry.connect_search_changed(clone!(
            #[weak(rename_to = page)]
            self,
            move |_| page.ask()
        ));
        imp.again_button.connect_clicked(clone!(
            #[weak(rename_to = page)]
            self,
            move |_| page.ask()
        ));
        // Down and Enter go on from the words to what they found.
        imp.search_entry.connect_activate(clone!(
            #[weak(rename_to = page)]
            self,
            move |_| page.focus_list()
        ));
        imp.search_bar.connect_search_mode_enabled_notify(clone!(
            #[weak(rename_to = page)]
            self,
            move |bar| {
                if bar.is_search_mode() {
                    page.imp().search_entry.grab_focus();
                } else {
                    page.imp().search_entry.set_text("");
                    page.ask();
                }
            }
        ));
    }

    fn ask(&self) {
        let imp = self.imp();
        // Not borrowed while it answers, which it may do at once.
        let results = imp.results.borrow().clone();
        if let Some(results) = results {
            results.look_for(&imp.search_entry.text());
        }
    }

    fn show_answer(&self) {
        let imp = self.imp();
        let Some(results) = imp.results.borrow().clone() else {
            return;
        };
        let name = if results.words().trim().is_empty() {
            "documents"
        } else if results.has_failed() {
            "failed"
        } else if results.n_items() == 0 {
            "no-match"
        } else {
            "results"
        };
        let is_new = imp.stack.visible_child_name().as_deref() != Some(name);
        imp.stack.set_visible_child_name(name);
        if name == "no-match" && is_new {
            self.announce(
                &imp.no_match.title(),
                gtk::AccessibleAnnouncementPriority::Medium,
            );
        } else if name == "results" {
            let count = results.n_items();
            let words = ngettext("{count} document found", "{count} documents found", count);
            self.announce(
                &words.replace("{count}", &count.to_string()),
                gtk::AccessibleAnnouncementPriority::Low,
            );
        }
    }
}

/// The action that opens what an item of either list stands for, and its target.
fn opening(item: &glib::Object) -> Option<(&'static str, glib::Variant)> {
    let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let (document, place) = match item.downcast_ref::<SearchHit>() {
        Some(hit) => (hit.document()?, hit.place()),
        None => (item.clone().downcast::<Document>().ok()?, None),
    };
    Some(match place {
        Some(place) => {
            let hit = (document.id(), number(place.start), number(place.end));
            ("win.open-hit", hit.to_variant())
        }
        None => ("win.open-document", document.id().to_variant()),
    })
}

/// The keys that work on the document which has the keyboard.
fn add_keys(view: &gtk::ListView) {
    let keys = gtk::EventControllerKey::new();
    keys.connect_key_pressed(clone!(
        #[weak]
        view,
        #[upgrade_or]
        glib::Propagation::Proceed,
        move |_, key, _, state| {
            let held = state & gtk::accelerator_get_default_mod_mask();
            let is_one_of = |keys: &[Key]| keys.contains(&(key, held));
            let row = view
                .focus_child()
                .and_then(|item| item.first_child())
                .and_downcast::<LibraryRow>();
            match row {
                Some(row) if is_one_of(&MENU_KEYS) => row.show_menu(None),
                Some(row) if is_one_of(&DELETE_KEYS) => row.delete(),
                _ => return glib::Propagation::Proceed,
            }
            glib::Propagation::Stop
        }
    ));
    view.add_controller(keys);
    view.update_property(&[gtk::accessible::Property::Description(&gettext(
        "Shift+F10 opens the menu of a document",
    ))]);
}
