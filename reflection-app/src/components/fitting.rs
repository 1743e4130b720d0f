// SPDX-License-Identifier: GPL-3.0-or-later
//! Popovers that are no larger than their window. By itself a popover is as large as what is in it
//! would like to be. On a screen that is no larger than the window the rest would be cut off, and a
//! popover for which there is no place is not shown at all.

use adw::prelude::*;

/// What a popover has around its content on both sides together, in pixels.
const AROUND: i32 = 36;
/// What is above or below the popover: the button that opens it, and its arrow.
const BESIDE: i32 = 100;

/// How wide and how high the content of a popover may be.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub width: i32,
    pub height: i32,
}

/// The room that there is, to be asked for before the popover is shown.
pub fn room(popover: &impl IsA<gtk::Widget>) -> Room {
    let (width, height) = popover.root().map_or((i32::MAX, i32::MAX), |window| {
        (window.width(), window.height())
    });
    Room {
        width: width.saturating_sub(AROUND).max(0),
        height: height.saturating_sub(BESIDE).max(0),
    }
}

/// From now on, what is in the clamp is at most as wide as there is room.
pub fn fit(clamp: &adw::Clamp, room: Room) {
    clamp.set_unit(adw::LengthUnit::Px);
    clamp.set_maximum_size(room.width);
    clamp.set_tightening_threshold(room.width);
}
