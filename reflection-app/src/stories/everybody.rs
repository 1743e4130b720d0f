// SPDX-License-Identifier: GPL-3.0-or-later
//! People for whom a screen has to be another one. Names, roles and the keyboard are gone through on
//! every screen by build-aux/accessibility.

use adw::prelude::*;
use gtk::graphene;

use super::{Desk, everything, frames, until};
use crate::preferences::settings;

/// The narrowest window that there is.
const WIDTH: i32 = 360;
const HEIGHT: i32 = 640;

/// Puts everything back that a story has changed for the whole program.
struct Settings(gtk::Settings);

impl Settings {
    fn change(direction: gtk::TextDirection) -> Self {
        let settings = gtk::Settings::default().unwrap();
        gtk::Widget::set_default_direction(direction);
        settings.set_gtk_enable_animations(false);
        Self(settings)
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        for key in ["window-width", "window-height"] {
            settings().reset(key);
        }
        self.0.set_gtk_enable_animations(true);
        gtk::Widget::set_default_direction(gtk::TextDirection::Ltr);
    }
}

/// The buttons, entries and labels that are cut off at an edge of the window.
fn cut_off(desk: &Desk) -> Vec<String> {
    let window = &desk.window;
    let whole = graphene::Rect::new(
        -1.0,
        -1.0,
        2.0 + width(window.width()),
        2.0 + width(window.height()),
    );
    let is_scrolled = |widget: &gtk::Widget| {
        widget
            .ancestor(gtk::ScrolledWindow::static_type())
            .is_some()
    };
    let is_control = |widget: &gtk::Widget| {
        widget.is::<gtk::Button>() || widget.is::<gtk::Entry>() || widget.is::<gtk::Label>()
    };
    everything(window)
        .into_iter()
        .filter(|widget| is_control(widget) && !is_scrolled(widget))
        .filter(|widget| {
            let bounds = widget.compute_bounds(window);
            bounds.is_some_and(|bounds| bounds.area() > 0.0 && !whole.contains_rect(&bounds))
        })
        .map(|widget| format!("{} {:?}", widget.type_(), widget.compute_bounds(window)))
        .collect()
}

#[allow(clippy::cast_precision_loss)]
fn width(pixels: i32) -> f32 {
    pixels as f32
}

fn narrow(desk: &Desk) {
    desk.window.set_default_size(WIDTH, HEIGHT);
    until("the window is narrow", || desk.window.width() == WIDTH);
}

/// D4, D2: from right to left, everything is on the other side, and a Hebrew text begins there.
#[gtk::test]
fn a_window_from_right_to_left() {
    let folder = tempfile::tempdir().unwrap();
    let _settings = Settings::change(gtk::TextDirection::Rtl);
    let desk = Desk::open(folder.path());
    let document = desk.document("שלום");
    narrow(&desk);
    desk.window.open_document(&document);
    let editor = desk.editor(&document);
    let middle = editor.visible_rect().width() / 2;
    let at = |offset: i32| {
        let place = editor.text_buffer().iter_at_offset(offset);
        editor.iter_location(&place).x()
    };
    until("Hebrew begins at the right", || at(0) > middle);
    until("nothing is cut off", || cut_off(&desk).is_empty());
    desk.close();
}

/// D4: where nothing is to move, a screen is there as soon as it is asked for.
#[gtk::test]
fn nothing_moves_where_it_must_not() {
    let folder = tempfile::tempdir().unwrap();
    let _settings = Settings::change(gtk::TextDirection::Ltr);
    let desk = Desk::open(folder.path());
    let document = desk.document("words");
    narrow(&desk);
    desk.window.open_document(&document);
    desk.editor(&document);
    desk.act("win.preferences", None);
    let page = || {
        desk.window
            .visible_dialog()
            .and_then(|dialog| dialog.child())
    };
    until("the dialog is there", || {
        page().is_some_and(|page| page.is_mapped() && page.height() > 0)
    });
    let place = || page().and_then(|page| page.compute_bounds(&desk.window));
    let first = place();
    for _ in 0..20 {
        frames(&desk.window, 1);
        assert_eq!(place(), first, "it has not moved");
    }
    desk.window.visible_dialog().unwrap().force_close();
    desk.close();
}
