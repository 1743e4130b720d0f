// SPDX-License-Identifier: GPL-3.0-or-later
//! Who takes part, told apart by name, colour and shape, never by colour alone.

mod avatar;
mod avatar_stack;
mod connection_dialog;
mod name;
mod own_name;
mod palette;
mod people_popover;
mod person_row;
mod shapes;

pub use avatar_stack::AvatarStack;
pub use connection_dialog::ConnectionDialog;
pub use name::{default_name, display_name};
pub use own_name::keep_own_name;
pub use palette::{colour, text_colour};
pub use people_popover::PeoplePopover;
