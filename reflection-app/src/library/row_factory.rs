// SPDX-License-Identifier: GPL-3.0-or-later
//! What makes the rows of a list, of documents or of what a search found.

use gtk::glib;
use gtk::prelude::*;
use reflection_doc::objects::{Document, SearchHit};

use super::library_row::LibraryRow;

/// Makes rows for documents and search hits.
pub fn row_factory() -> gtk::SignalListItemFactory {
    let factory = gtk::SignalListItemFactory::new();
    factory.connect_setup(|_, item| {
        if let Some(item) = item.downcast_ref::<gtk::ListItem>() {
            item.set_child(Some(&LibraryRow::new(item)));
        }
    });
    factory.connect_bind(|_, item| {
        let Some((item, row)) = item_and_row(item) else {
            return;
        };
        let shown = item.item();
        if let Some(hit) = shown.and_downcast_ref::<SearchHit>() {
            row.show_hit(hit);
        } else {
            row.show(shown.and_downcast_ref::<Document>());
        }
    });
    factory.connect_unbind(|_, item| {
        if let Some((_, row)) = item_and_row(item) {
            row.show(None);
        }
    });
    factory
}

fn item_and_row(item: &glib::Object) -> Option<(gtk::ListItem, LibraryRow)> {
    let item = item.clone().downcast::<gtk::ListItem>().ok()?;
    let row = item.child().and_downcast()?;
    Some((item, row))
}
