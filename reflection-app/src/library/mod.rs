// SPDX-License-Identifier: GPL-3.0-or-later
//! The documents of this device.

mod gradual;
mod library_page;
mod library_row;
mod row_factory;
mod row_menu;
mod title;
mod welcome_page;
mod when;
mod zoom_controls;

pub use library_page::LibraryPage;
#[cfg(test)]
pub use library_page::{DELETE_KEYS, MENU_KEYS};
#[cfg(test)]
pub use library_row::LibraryRow;
pub use title::display_title;
pub use welcome_page::WelcomePage;
pub use when::when;
