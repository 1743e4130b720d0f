// SPDX-License-Identifier: GPL-3.0-or-later
//! Who takes part, told apart by name, colour and shape, never by colour alone.

mod avatar;
mod avatar_stack;
mod name;
mod palette;
mod people_popover;
mod person_row;
mod shapes;

pub use avatar_stack::AvatarStack;
pub use name::display_name;
pub use palette::colour;
pub use people_popover::PeoplePopover;
