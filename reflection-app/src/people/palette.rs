// SPDX-License-Identifier: GPL-3.0-or-later
//! The colours of people: dark enough for white letters on each of them.

use gtk::gdk;
use reflection_doc::persona::COLOURS;

const PALETTE: [(u8, u8, u8); COLOURS as usize] = [
    (0x1a, 0x5f, 0xb4), // blue
    (0x1b, 0x75, 0x4a), // green
    (0xb5, 0x40, 0x00), // orange
    (0x81, 0x3d, 0x9c), // purple
    (0xb0, 0x1c, 0x2b), // red
    (0x0e, 0x70, 0x7c), // teal
    (0x86, 0x5e, 0x3c), // brown
    (0xa8, 0x2a, 0x6e), // pink
    (0x5e, 0x62, 0x20), // olive
    (0x4a, 0x55, 0x70), // slate
];

/// The colour with this index; indexes beyond the palette begin again.
pub fn colour(index: u32) -> gdk::RGBA {
    let (red, green, blue) = PALETTE[index as usize % PALETTE.len()];
    let part = |byte: u8| f32::from(byte) / 255.0;
    gdk::RGBA::new(part(red), part(green), part(blue), 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance as in WCAG 2.2.
    fn luminance((red, green, blue): (u8, u8, u8)) -> f64 {
        let linear = |byte: u8| {
            let part = f64::from(byte) / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    #[test]
    fn white_letters_are_readable_on_every_colour() {
        for colour in PALETTE {
            let contrast = 1.05 / (luminance(colour) + 0.05);
            assert!(
                contrast >= 4.5,
                "{colour:?} has a contrast of {contrast:.2}"
            );
        }
    }
}
