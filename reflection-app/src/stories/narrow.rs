// SPDX-License-Identifier: GPL-3.0-or-later
//! Everything is to be seen in a window as narrow as a phone, with text of twice the size.

use std::time::{Duration, Instant};

use adw::prelude::*;
use gtk::glib;

use reflection_node::Mode;

use super::together::Other;
use super::{Desk, LOOK, application, below, button, everything, frames, network, run, until};
use crate::library::LibraryRow;

/// The width of a phone, in pixels.
const WIDTH: i32 = 360;
const HEIGHT: i32 = 680;
/// Twice the usual size, in 1024ths of a dot per inch.
const LARGE_TEXT: i32 = 2 * 96 * 1024;
/// How long what was drawn takes to find its place at most, on a machine that stands still at times.
const PLACE_DEADLINE: Duration = Duration::from_secs(20);
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

/// What is on the screen and reaches beyond a side of the window, or of a popover, which may be as
/// wide as the window. What is within an entry or a text scrolls there, and a scrollbar hides a part
/// of its own.
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
        let surface = widget.native().and_upcast::<gtk::Widget>().unwrap();
        let Some(bounds) = widget.compute_bounds(&surface) else {
            continue;
        };
        let right = bounds.x() + bounds.width();
        #[allow(clippy::cast_precision_loss, reason = "pixels of a window")]
        let width = surface.width() as f32;
        let kind = widget.type_().name();
        if widget.opacity() > 0.0 && (bounds.x() < -ROUNDING || right > width + ROUNDING) {
            found.push(format!("{kind} from {} to {right}", bounds.x()));
        }
        if widget.css_name() == "contents" && widget.width() > window.width() {
            let of = surface.type_().name();
            found.push(format!("{of} is {} wide", widget.width()));
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
        let end = Instant::now() + PLACE_DEADLINE;
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
    misfits.look_at_menu(&desk.window, "Version Menu");
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

/// And so do replicas, which have names and times beside what can be done with them.
#[gtk::test]
fn so_do_replicas() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    desk.window.set_default_size(WIDTH, HEIGHT);
    let _large = LargeText::begin();
    let mut misfits = Misfits::default();
    let attic = Other::begin_with(network(Mode::Offline));
    let node = attic.service.library().unwrap().node().clone();
    let ticket = run(node.ticket(false)).unwrap();
    desk.document("# Plan\nwords");
    let name = "The little machine in the attic";
    run(desk.service().add_replica(&ticket, name)).unwrap();
    desk.act("win.network-preferences", None);
    let all = |title: &str| {
        let widgets = everything(&desk.window).into_iter();
        let mut rows = widgets.filter_map(|it| it.downcast::<adw::PreferencesRow>().ok());
        rows.find(|row| row.title() == title)
    };
    until("the replica is there", || all(name).is_some());
    misfits.look("a replica", &desk.window);
    let row = all("Add a Replica…").unwrap();
    assert!(row.activate());
    until("a ticket is asked for", || all("Ticket").is_some());
    let entry = all("Ticket").and_downcast::<adw::EntryRow>().unwrap();
    entry.set_text("no ticket");
    button(&desk.window, "Add").unwrap().emit_clicked();
    until("that is no ticket", || entry.has_css_class("error"));
    misfits.look("a wrong ticket", &desk.window);
    drop(node);
    attic.leave();
    let settings = crate::preferences::settings();
    settings.reset("window-width");
    settings.reset("window-height");
    desk.close();
    assert!(misfits.0.is_empty(), "{}", misfits.0.join("\n"));
}

/// The button on the screen with this tooltip.
fn menu_button(root: &impl IsA<gtk::Widget>, tooltip: &str) -> gtk::MenuButton {
    let mut buttons = everything(root).into_iter();
    let found = buttons.find_map(|it| {
        let button = it.downcast::<gtk::MenuButton>().ok()?;
        (button.tooltip_text().as_deref() == Some(tooltip)).then_some(button)
    });
    found.unwrap()
}

impl Misfits {
    fn look_at_menu(&mut self, window: &impl IsA<gtk::Window>, tooltip: &str) {
        let button = menu_button(window.upcast_ref::<gtk::Window>(), tooltip);
        let popover = button.popover().unwrap();
        button.popup();
        until(tooltip, || popover.is_mapped() && popover.width() > 0);
        if let Some(choice) = below(&popover, |_| true)
            .into_iter()
            .find_map(|it| it.downcast::<adw::ToggleGroup>().ok())
        {
            for name in ["read", "replica", "write"] {
                choice.set_active_name(Some(name));
                self.look(&format!("{tooltip}, {name}"), window);
                let copy = super::button(&popover, "Copy Code").unwrap();
                let bounds = copy.compute_bounds(&popover).unwrap();
                #[allow(clippy::cast_precision_loss, reason = "pixels of a screen")]
                let height = popover.height() as f32;
                if bounds.y() + bounds.height() > height {
                    self.0
                        .push(format!("{name}: nobody sees how to copy the code"));
                }
            }
        }
        self.look(tooltip, window);
        popover.popdown();
        until("it is closed", || !popover.is_mapped());
    }

    /// A menu that no button opens.
    fn look_at_popover(&mut self, window: &impl IsA<gtk::Window>, what: &str) {
        let open = || {
            let mut widgets = everything(window.upcast_ref::<gtk::Window>()).into_iter();
            widgets.find_map(|it| it.downcast::<gtk::PopoverMenu>().ok())
        };
        until(what, || open().is_some());
        self.look(what, window);
        open().unwrap().popdown();
        until("it is closed", || open().is_none());
    }
}

/// D2, D4: neither is what opens above it wider than the window.
#[gtk::test]
fn menus_and_popovers_fit_a_narrow_window_with_large_text() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document =
        desk.document("# A heading that is longer than any line of such a window\nwords");
    desk.window.set_default_size(WIDTH, HEIGHT);
    let _large = LargeText::begin();
    let mut misfits = Misfits::default();
    misfits.look("the library", &desk.window);
    misfits.look_at_menu(&desk.window, "Main Menu");
    let row = || {
        let mut widgets = everything(&desk.window).into_iter();
        widgets.find_map(|it| it.downcast::<LibraryRow>().ok())
    };
    until("the document is listed", || row().is_some());
    row().unwrap().show_menu(None);
    misfits.look_at_popover(&desk.window, "the menu of a document in the list");
    desk.window.open_document(&document);
    let editor = desk.editor(&document);
    misfits.look("the page", &desk.window);
    for popover in ["Outline", "People", "Share This Document", "Document Menu"] {
        misfits.look_at_menu(&desk.window, popover);
    }
    WidgetExt::activate_action(&editor, "menu.popup", None).unwrap();
    misfits.look_at_popover(&desk.window, "the menu of the text");
    WidgetExt::activate_action(&editor, "page.replace", None).unwrap();
    until("one can replace", || {
        button(&desk.window, "Replace All").is_some()
    });
    misfits.look_at_menu(&desk.window, "Find Options");
    let settings = crate::preferences::settings();
    settings.reset("window-width");
    settings.reset("window-height");
    desk.close();
    assert!(misfits.0.is_empty(), "{}", misfits.0.join("\n"));
}
