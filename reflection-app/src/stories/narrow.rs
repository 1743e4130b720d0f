// SPDX-License-Identifier: GPL-3.0-or-later
//! Everything is to be seen in a window as narrow as a phone, with text of twice the size.

use std::time::Instant;

use adw::prelude::*;
use gtk::glib;

use super::{DEADLINE, Desk, LOOK, application, button, everything, frames, until};

/// The width of a phone, in pixels.
const WIDTH: i32 = 360;
const HEIGHT: i32 = 680;
/// Twice the usual size, in 1024ths of a dot per inch.
const LARGE_TEXT: i32 = 2 * 96 * 1024;
/// How far something may stand out, for rounding.
const ROUNDING: f32 = 1.0;

/// As GNOME has it.
const DECORATION: &str = "appmenu:close";

/// Large text, until it is dropped.
struct LargeText(i32, Option<glib::GString>);

impl LargeText {
    fn begin() -> Self {
        let settings = gtk::Settings::default().unwrap();
        let before = (settings.gtk_xft_dpi(), settings.gtk_decoration_layout());
        settings.set_gtk_xft_dpi(LARGE_TEXT);
        settings.set_gtk_decoration_layout(Some(DECORATION));
        Self(before.0, before.1)
    }
}

impl Drop for LargeText {
    fn drop(&mut self) {
        let settings = gtk::Settings::default().unwrap();
        settings.set_gtk_xft_dpi(self.0);
        settings.set_gtk_decoration_layout(self.1.as_deref());
    }
}

/// What is on the screen and reaches beyond a side of the window. What is within an entry or a text
/// scrolls there, and a scrollbar hides a part of its own.
fn standing_out(window: &impl IsA<gtk::Window>) -> Vec<String> {
    let window: &gtk::Window = window.upcast_ref();
    let scrolls = |widget: &gtk::Widget| {
        let within = [
            gtk::Text::static_type(),
            gtk::TextView::static_type(),
            gtk::Scrollbar::static_type(),
        ];
        let is_within = |kind| widget.ancestor(kind).is_some_and(|it| it != *widget);
        within.into_iter().any(is_within)
    };
    let mut found = Vec::new();
    for widget in everything(window).into_iter().filter(|it| !scrolls(it)) {
        let Some(bounds) = widget.compute_bounds(window) else {
            continue;
        };
        let right = bounds.x() + bounds.width();
        #[allow(clippy::cast_precision_loss, reason = "pixels of a window")]
        let width = window.width() as f32;
        if widget.opacity() > 0.0 && (bounds.x() < -ROUNDING || right > width + ROUNDING) {
            let kind = widget.type_().name();
            found.push(format!("{kind} from {} to {right}", bounds.x()));
        }
    }
    found
}

/// What stands out of which screen, once everything had the time to find its place.
#[derive(Default)]
struct Misfits(Vec<String>);

impl Misfits {
    fn look(&mut self, screen: &str, window: &impl IsA<gtk::Window>) {
        // What is about to appear has no place yet, which would be within the window.
        frames(window.upcast_ref::<gtk::Window>(), 20);
        let end = Instant::now() + DEADLINE;
        let tick = glib::timeout_add_local(LOOK, || glib::ControlFlow::Continue);
        loop {
            let width = window.as_ref().width();
            let found = standing_out(window);
            if found.is_empty() && width == WIDTH {
                break;
            }
            if Instant::now() > end {
                self.0.push(format!("{screen}, {width} wide: {found:#?}"));
                break;
            }
            glib::MainContext::default().iteration(true);
        }
        tick.remove();
    }
}

fn leave_dialog(desk: &Desk) {
    desk.window.visible_dialog().unwrap().force_close();
    until("the dialog is gone", || {
        desk.window.visible_dialog().is_none()
    });
}

/// D2, D4: nothing is cut off at the side of a narrow window, however large the text is.
#[gtk::test]
fn everything_fits_a_narrow_window_with_large_text() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("# A title of some length for a narrow list\nand a text");
    let archived = desk.document("# Put away");
    desk.act("win.archive-document", Some(&archived.id().to_variant()));
    desk.window.set_default_size(WIDTH, HEIGHT);
    let _large = LargeText::begin();
    let mut misfits = Misfits::default();
    until("the button is there", || {
        let widgets = everything(&desk.window).into_iter();
        let mut buttons = widgets.filter_map(|it| it.downcast::<gtk::ToggleButton>().ok());
        buttons.any(|it| it.label().as_deref() == Some("Show 1 Archived"))
    });
    assert!(button(&desk.window, "New Document").is_some());
    misfits.look("the library", &desk.window);
    desk.act("win.search", None);
    misfits.look("the search", &desk.window);

    desk.act("win.preferences", None);
    let dialog = || desk.window.visible_dialog();
    until("the preferences are there", || dialog().is_some());
    let preferences = dialog().and_downcast::<adw::PreferencesDialog>().unwrap();
    for page in ["general", "text", "network"] {
        preferences.set_visible_page_name(page);
        misfits.look(page, &desk.window);
    }
    leave_dialog(&desk);
    ActionGroupExt::activate_action(&application(), "shortcuts", None);
    until("the shortcuts are there", || dialog().is_some());
    misfits.look("the shortcuts", &desk.window);
    leave_dialog(&desk);
    desk.act("win.join-document", None);
    until("one can join", || dialog().is_some());
    misfits.look("joining", &desk.window);
    leave_dialog(&desk);

    desk.window.open_document(&document);
    let editor = desk.editor(&document);
    misfits.look("the page", &desk.window);
    for (action, what) in [
        ("page.replace", "find and replace"),
        ("page.preview", "the preview"),
    ] {
        WidgetExt::activate_action(&editor, action, None).unwrap();
        misfits.look(what, &desk.window);
    }
    for action in ["page.history", "page.statistics"] {
        WidgetExt::activate_action(&editor, action, None).unwrap();
        until(action, || dialog().is_some());
        misfits.look(action, &desk.window);
        leave_dialog(&desk);
    }
    let settings = crate::preferences::settings();
    settings.reset("window-width");
    settings.reset("window-height");
    desk.close();
    assert!(misfits.0.is_empty(), "{}", misfits.0.join("\n"));
}

/// The same of what is seldom seen: the first screen, the past, the ways to others.
#[gtk::test]
fn so_does_what_is_seldom_seen() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    desk.window.set_default_size(WIDTH, HEIGHT);
    let _large = LargeText::begin();
    let mut misfits = Misfits::default();
    misfits.look("the first screen", &desk.window);
    let document = desk.document("# Plan\nwords");
    desk.window.open_document(&document);
    let editor = desk.editor(&document);
    let dialog = || desk.window.visible_dialog();
    desk.act("win.connection-details", None);
    until("the details are there", || dialog().is_some());
    misfits.look("connection details", &desk.window);
    leave_dialog(&desk);
    WidgetExt::activate_action(&editor, "page.history", None).unwrap();
    let list = || {
        let mut widgets = everything(&dialog()?).into_iter();
        widgets.find_map(|it| it.downcast::<gtk::ListBox>().ok())
    };
    until("there is a version", || {
        list().is_some_and(|list| list.row_at_index(0).is_some())
    });
    let version = list().unwrap().row_at_index(0).unwrap();
    list()
        .unwrap()
        .emit_by_name::<()>("row-activated", &[&version]);
    until("it is shown", || button(&desk.window, "Restore").is_some());
    misfits.look("a version", &desk.window);
    let restore = button(&desk.window, "Restore").unwrap();
    WidgetExt::activate_action(&restore, "history.name", None).unwrap();
    until("it asks for the name", || {
        button(&desk.window, "Cancel").is_some()
    });
    misfits.look("naming a version", &desk.window);
    let settings = crate::preferences::settings();
    settings.reset("window-width");
    settings.reset("window-height");
    desk.close();
    assert!(misfits.0.is_empty(), "{}", misfits.0.join("\n"));
}
