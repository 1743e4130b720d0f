// SPDX-License-Identifier: GPL-3.0-or-later
//! Where the buttons for people and sharing are: in the header, or below a narrow page.

use adw::subclass::prelude::*;
use gtk::prelude::*;

use super::DocumentPage;
use crate::page::outline_popover::OutlinePopover;
use crate::people::PeoplePopover;
use crate::share::SharePopover;

fn before_opening<P: IsA<gtk::Popover>>(button: &gtk::MenuButton, fit: fn(&P)) {
    button.set_create_popup_func(move |button| {
        if let Some(popover) = button.popover().and_downcast::<P>() {
            fit(&popover);
        }
    });
}

impl DocumentPage {
    /// Whatever the buttons open is made to fit into the window.
    pub(super) fn fit_popovers(&self) {
        let imp = self.imp();
        before_opening(&imp.outline_button, OutlinePopover::fit);
        before_opening(&imp.people_button, PeoplePopover::fit);
        before_opening(&imp.share_button, SharePopover::fit);
    }

    /// Leaves the header of a narrow page to the title and to how things stand.
    pub(super) fn move_buttons_down(&self) {
        let imp = self.imp();
        imp.header_bar.remove(&*imp.people_button);
        imp.header_bar.remove(&*imp.share_button);
        imp.bottom_bar.set_start_widget(Some(&*imp.people_button));
        imp.bottom_bar.set_end_widget(Some(&*imp.share_button));
        imp.bottom_bar.set_visible(true);
        // Below the lower edge of a window there may be nothing.
        imp.people_button.set_direction(gtk::ArrowType::Up);
        imp.share_button.set_direction(gtk::ArrowType::Up);
        // As wide as the window, they would reach beyond it from the middle of their buttons.
        imp.people_popover.set_halign(gtk::Align::Start);
        imp.share_popover.set_halign(gtk::Align::End);
    }

    pub(super) fn move_buttons_up(&self) {
        let imp = self.imp();
        imp.bottom_bar.set_visible(false);
        imp.people_button.set_direction(gtk::ArrowType::Down);
        imp.share_button.set_direction(gtk::ArrowType::Down);
        imp.people_popover.set_halign(gtk::Align::Fill);
        imp.share_popover.set_halign(gtk::Align::Fill);
        imp.bottom_bar.set_start_widget(gtk::Widget::NONE);
        imp.bottom_bar.set_end_widget(gtk::Widget::NONE);
        imp.header_bar.pack_end(&*imp.share_button);
        imp.header_bar.pack_end(&*imp.people_button);
    }
}
