// SPDX-License-Identifier: GPL-3.0-or-later
//! Banners that are there only while they say something.
//!
//! A banner that is not revealed still has its words, and a screen reader would find them.

use adw::prelude::*;

/// Reveals a banner, or takes it off the page: for those who see it in a moment, for those who hear
/// it when that has ended.
pub fn reveal(banner: &adw::Banner, is_revealed: bool) {
    if is_revealed {
        banner.set_visible(true);
        banner.set_revealed(true);
        return;
    }
    banner.set_revealed(false);
    match moving(banner) {
        Some(revealer) if revealer.is_child_revealed() => {}
        _ => banner.set_visible(false),
    }
}

/// Has a banner go once it is not seen any more. To be called once for each.
pub fn follow(banner: &adw::Banner) {
    banner.set_visible(banner.is_revealed());
    let Some(revealer) = moving(banner) else {
        return;
    };
    let banner = banner.downgrade();
    revealer.connect_child_revealed_notify(move |revealer| {
        if let Some(banner) = banner.upgrade()
            && !revealer.is_child_revealed()
            && !banner.is_revealed()
        {
            banner.set_visible(false);
        }
    });
}

/// What moves the banner in and out.
fn moving(banner: &adw::Banner) -> Option<gtk::Revealer> {
    banner.first_child().and_downcast()
}
