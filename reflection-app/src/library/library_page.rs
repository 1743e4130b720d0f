// SPDX-License-Identifier: GPL-3.0-or-later
//! The list of documents.

use adw::prelude::*;
use adw::subclass::prelude::*;
use glib::clone;
use gtk::{CompositeTemplate, TemplateChild, glib};
use reflection_doc::objects::{Document, Documents};

use super::display_title;
use super::library_row::LibraryRow;
use super::zoom_controls::ZoomControls;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(file = "src/library/library_page.blp")]
    pub struct LibraryPage {
        #[template_child]
        pub(super) list_view: TemplateChild<gtk::ListView>,
        pub(super) selection: gtk::SingleSelection,
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
            self.selection.set_autoselect(false);
            self.selection.set_can_unselect(true);
            self.list_view.set_factory(Some(&row_factory()));
            self.list_view.set_model(Some(&self.selection));
            let page = self.obj();
            self.list_view.connect_activate(clone!(
                #[weak]
                page,
                move |_, position| page.open(position)
            ));
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
    /// Lists these documents.
    pub fn show(&self, documents: &Documents) {
        self.imp().selection.set_model(Some(documents));
    }

    /// Gives the keyboard to the list.
    pub fn focus_list(&self) {
        self.imp().list_view.grab_focus();
    }

    /// Marks a document as the one that is open, or none.
    pub fn select(&self, document: Option<&Document>) {
        let selection = &self.imp().selection;
        let position = document.and_then(|document| {
            (0..selection.n_items())
                .find(|at| selection.item(*at).as_ref() == Some(document.upcast_ref()))
        });
        selection.set_selected(position.unwrap_or(gtk::INVALID_LIST_POSITION));
    }

    fn open(&self, position: u32) {
        if let Some(document) = self
            .imp()
            .selection
            .item(position)
            .and_downcast::<Document>()
        {
            // The window has this action for as long as there is a list.
            let _ = self.activate_action("win.open-document", Some(&document.id().to_variant()));
        }
    }
}

fn row_factory() -> gtk::SignalListItemFactory {
    let factory = gtk::SignalListItemFactory::new();
    factory.connect_setup(|_, item| {
        let Some(item) = item.downcast_ref::<gtk::ListItem>() else {
            return;
        };
        item.set_child(Some(&LibraryRow::default()));
        // The row is known to assistive technology by the title alone.
        let nothing = gtk::Widget::NONE;
        item.property_expression("item")
            .chain_property::<Document>("title")
            .chain_closure::<String>(glib::closure!(|_: Option<glib::Object>, title: &str| {
                display_title(title)
            }))
            .bind(item, "accessible-label", nothing);
    });
    factory.connect_bind(|_, item| {
        let Some(item) = item.downcast_ref::<gtk::ListItem>() else {
            return;
        };
        if let Some(row) = item.child().and_downcast::<LibraryRow>() {
            row.show(item.item().and_downcast::<Document>().as_ref());
        }
    });
    factory.connect_unbind(|_, item| {
        let Some(item) = item.downcast_ref::<gtk::ListItem>() else {
            return;
        };
        if let Some(row) = item.child().and_downcast::<LibraryRow>() {
            row.show(None);
        }
    });
    factory
}
