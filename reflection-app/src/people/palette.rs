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

/// How much white makes a colour for light backgrounds one for dark ones.
const WHITE_ON_DARK: f32 = 0.4;

/// The colour with this index; indexes beyond the palette begin again.
pub fn colour(index: u32) -> gdk::RGBA {
    let (red, green, blue) = PALETTE[index as usize % PALETTE.len()];
    let part = |byte: u8| f32::from(byte) / 255.0;
    gdk::RGBA::new(part(red), part(green), part(blue), 1.0)
}

/// The same for lines and stretches on the background of the text, which may be dark.
pub fn text_colour(index: u32, is_dark: bool) -> gdk::RGBA {
    let full = colour(index);
    if !is_dark {
        return full;
    }
    let mix = |part: f32| part + (1.0 - part) * WHITE_ON_DARK;
    gdk::RGBA::new(mix(full.red()), mix(full.green()), mix(full.blue()), 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The background of a text in dark colours, as libadwaita has it.
    const DARK: (u8, u8, u8) = (0x1d, 0x1d, 0x20);

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

    #[test]
    fn lines_are_seen_on_a_dark_background() {
        for index in 0..COLOURS {
            let colour = text_colour(index, true);
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a byte"
            )]
            let byte = |part: f32| (part * 255.0).round() as u8;
            let bytes = (
                byte(colour.red()),
                byte(colour.green()),
                byte(colour.blue()),
            );
            let contrast = (luminance(bytes) + 0.05) / (luminance(DARK) + 0.05);
            // What WCAG 2.2 asks of what is no text.
            assert!(contrast >= 3.0, "{bytes:?} has a contrast of {contrast:.2}");
        }
    }
}
