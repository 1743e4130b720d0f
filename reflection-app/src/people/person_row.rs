// SPDX-License-Identifier: GPL-3.0-or-later
//! One person in the list of people.

use adw::prelude::*;
use gettextrs::gettext;
use reflection_doc::objects::Author;

use super::avatar::Avatar;
use super::name::display_name;

/// Size of the picture, in pixels.
const AVATAR_SIZE: i32 = 38;

/// A row for this person, which follows whether they are here.
pub fn person_row(author: &Author) -> gtk::ListBoxRow {
    let name = gtk::Label::builder()
        .label(display_name(author))
        .xalign(0.0)
        .ellipsize(gtk::pango::EllipsizeMode::End)
        .build();
    let presence = gtk::Label::builder()
        .xalign(0.0)
        .css_classes(["caption", "dimmed"])
        .build();
    author
        .bind_property("is-here", &presence, "label")
        .transform_to(|binding, is_here: bool| {
            let author = binding.source().and_downcast::<Author>()?;
            Some(presence_words(author.is_this_device(), is_here))
        })
        .sync_create()
        .build();
    let words = gtk::Box::new(gtk::Orientation::Vertical, 2);
    words.set_valign(gtk::Align::Center);
    words.append(&name);
    words.append(&presence);
    let content = gtk::Box::new(gtk::Orientation::Horizontal, 12);
    content.append(&Avatar::new(author, AVATAR_SIZE));
    content.append(&words);
    gtk::ListBoxRow::builder()
        .child(&content)
        .activatable(false)
        .selectable(false)
        .build()
}

fn presence_words(is_this_device: bool, is_here: bool) -> String {
    match (is_this_device, is_here) {
        (true, _) => gettext("This device"),
        (false, true) => gettext("Here now"),
        (false, false) => gettext("Not here"),
    }
}
