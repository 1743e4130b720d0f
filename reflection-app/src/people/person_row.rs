// SPDX-License-Identifier: GPL-3.0-or-later
//! One person in the list of people.

use adw::prelude::*;
use gettextrs::gettext;
use gtk::glib;
use reflection_doc::objects::Author;

use super::avatar::Avatar;
use super::name::display_name;
use crate::library::when;

/// Size of the picture, in pixels.
const AVATAR_SIZE: i32 = 38;

/// A row for this person, which follows whether they are here.
pub fn person_row(author: &Author) -> gtk::ListBoxRow {
    let name = gtk::Label::builder()
        .xalign(0.0)
        .ellipsize(gtk::pango::EllipsizeMode::End)
        .build();
    follow(author, &["chosen-name"], &name, "label", display_name);
    let presence = gtk::Label::builder()
        .xalign(0.0)
        .wrap(true)
        .css_classes(["caption", "dimmed"])
        .build();
    let told = ["is-here", "is-reachable", "last-seen-us", "is-muted"];
    follow(author, &told, &presence, "label", presence_words);
    let words = gtk::Box::new(gtk::Orientation::Vertical, 2);
    words.set_valign(gtk::Align::Center);
    words.set_hexpand(true);
    words.append(&name);
    words.append(&presence);
    let content = gtk::Box::new(gtk::Orientation::Horizontal, 12);
    content.append(&Avatar::new(author, AVATAR_SIZE));
    content.append(&words);
    if !author.is_this_device() {
        content.append(&mute_button(author));
    }
    let row = gtk::ListBoxRow::builder()
        .child(&content)
        .activatable(false)
        .selectable(false)
        .build();
    let (name, presence) = (name.upcast_ref(), presence.upcast_ref());
    row.update_relation(&[
        gtk::accessible::Relation::LabelledBy(&[name]),
        gtk::accessible::Relation::DescribedBy(&[presence]),
    ]);
    row
}

/// Has a widget say what is true of a person, for as long as both are there.
fn follow(
    author: &Author,
    properties: &[&str],
    widget: &impl IsA<gtk::Widget>,
    place: &str,
    words: fn(&Author) -> String,
) {
    for property in properties {
        author
            .bind_property(property, widget, place)
            .transform_to_with_values(move |binding, _| {
                let author = binding.source().and_downcast::<Author>()?;
                Some(words(&author).to_value())
            })
            .sync_create()
            .build();
    }
}

/// Pressed while changes by this person are not announced.
fn mute_button(author: &Author) -> gtk::ToggleButton {
    let button = gtk::ToggleButton::builder()
        .valign(gtk::Align::Center)
        .active(author.is_muted())
        .css_classes(["flat", "circular"])
        .build();
    author.bind_property("is-muted", &button, "active").build();
    author
        .bind_property("is-muted", &button, "icon-name")
        .transform_to(|_, is_muted: bool| Some(mute_icon(is_muted)))
        .sync_create()
        .build();
    follow(
        author,
        &["is-muted", "chosen-name"],
        &button,
        "tooltip-text",
        mute_words,
    );
    button.connect_toggled(glib::clone!(
        #[weak]
        author,
        move |button| {
            if button.is_active() == author.is_muted() {
                return;
            }
            let action = if button.is_active() {
                "win.mute-person"
            } else {
                "win.unmute-person"
            };
            // The window has these actions for as long as there is a document.
            let _ = button.activate_action(action, Some(&author.id().to_string().to_variant()));
        }
    ));
    button
}

/// A bell as it is: silent for those who are muted.
fn mute_icon(is_muted: bool) -> &'static str {
    if is_muted {
        "notifications-disabled-symbolic"
    } else {
        "preferences-system-notifications-symbolic"
    }
}

/// What muting does, as it stands.
fn mute_words(author: &Author) -> String {
    let words = if author.is_muted() {
        gettext("{name} is muted: what they write is neither notified nor marked as new here")
    } else {
        gettext("Mute {name}: no notifications of what they write, and no mark in the list")
    };
    words.replace("{name}", &display_name(author))
}

fn presence_words(author: &Author) -> String {
    let words = if author.is_this_device() {
        return gettext("This device");
    } else if author.is_here() {
        gettext("Here now")
    } else if author.is_reachable() {
        gettext("Online")
    } else if author.last_seen_us() > 0 {
        // Translators: a time as “14:20”, “Yesterday” or “3 May”.
        gettext("Last seen: {time}").replace("{time}", &when(author.last_seen_us()))
    } else {
        gettext("Not seen yet")
    };
    if author.is_muted() {
        // Translators: what else is said of a person stands before it.
        gettext("{presence}, muted").replace("{presence}", &words)
    } else {
        words
    }
}
