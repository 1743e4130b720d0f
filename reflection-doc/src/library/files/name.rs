// SPDX-License-Identifier: GPL-3.0-or-later
//! Names of files for documents of any title, good on every system that files get carried to.

use unicode_segmentation::UnicodeSegmentation;

/// Longest name without its number and ending: with them it stays below 255 bytes, and below
/// what encrypted and network file systems leave of those.
const STEM_BYTES_MAX: usize = 120;

/// What a file is called that would have no name.
const UNTITLED: &str = "Untitled";

/// Names that mean devices on some systems, whatever ending they have.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// The name of a file for a document: `title.ending`, or `title (number).ending` where a number
/// above 1 is given. Holds no character that has a meaning in a path on any system.
pub fn file_name(title: &str, number: u32, ending: &str) -> String {
    let stem = stem(title);
    if number > 1 {
        format!("{stem} ({number}).{ending}")
    } else {
        format!("{stem}.{ending}")
    }
}

fn stem(title: &str) -> String {
    let mut clean = String::new();
    for letter in title.chars() {
        let letter = match letter {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '-',
            letter if letter.is_control() || letter.is_whitespace() => ' ',
            letter if is_invisible(letter) => continue,
            letter => letter,
        };
        // Several spaces look like one.
        if letter != ' ' || !clean.ends_with(' ') {
            clean.push(letter);
        }
    }
    // A dot at the beginning hides a file, a dash makes it an option; a dot or a space at the
    // end is lost on some systems.
    let trimmed = clean
        .trim_start_matches(['.', ' ', '-', '~'])
        .trim_end_matches(['.', ' ']);
    let mut stem = String::new();
    for grapheme in trimmed.graphemes(true) {
        if stem.len() + grapheme.len() > STEM_BYTES_MAX {
            break;
        }
        stem.push_str(grapheme);
    }
    let stem = stem.trim_end_matches(['.', ' ']);
    if stem.is_empty() {
        UNTITLED.to_owned()
    } else if is_device(stem) {
        format!("{stem}_")
    } else {
        stem.to_owned()
    }
}

/// Characters that are not seen and turn or hide what stands around them.
fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

fn is_device(stem: &str) -> bool {
    let name = stem
        .split('.')
        .next()
        .unwrap_or(stem)
        .trim_end()
        .to_lowercase();
    let is_port = |kind: &str| {
        name.strip_prefix(kind).is_some_and(|rest| {
            let mut letters = rest.chars();
            matches!(letters.next(), Some('0'..='9' | '¹' | '²' | '³')) && letters.next().is_none()
        })
    };
    DEVICES.contains(&name.as_str()) || is_port("com") || is_port("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(title: &str, expected: &str) {
        assert_eq!(file_name(title, 1, "md"), expected);
    }

    #[test]
    fn titles_stay_readable() {
        check("Minutes", "Minutes.md");
        check("Über-Plan: Q3/Q4 – 50 %!", "Über-Plan- Q3-Q4 – 50 %!.md");
        check("தமிழ் 会議 🎉👩‍👩‍👧", "தமிழ் 会議 🎉👩‍👩‍👧.md");
        assert_eq!(file_name("Minutes", 3, "txt"), "Minutes (3).txt");
    }

    #[test]
    fn no_title_is_a_bad_name() {
        for nothing in [
            "",
            "   ",
            "...",
            "\u{0}\u{7}",
            "..",
            ".",
            "\u{202e}",
            "-",
            "~",
        ] {
            check(nothing, "Untitled.md");
        }
        check("../../etc/passwd", "etc-passwd.md");
        check("/etc/passwd", "etc-passwd.md");
        check(".bashrc", "bashrc.md");
        check("-rf *", "rf -.md");
        check("a\nb\tc", "a b c.md");
        check("end. . .", "end.md");
        check("gpj.\u{202e}exe", "gpj.exe.md");
        for device in ["con", "NUL", "Com1", "LPT9", "aux.txt", "COM²"] {
            check(device, &format!("{device}_.md"));
        }
        check("common", "common.md");
        check("com10", "com10.md");
    }

    proptest! {
        #[test]
        fn any_title_gives_a_name_that_every_system_takes(title in "\\PC{0,200}|.{0,300}", number in 0..10_000u32) {
            let name = file_name(&title, number, "html");
            prop_assert!(name.len() <= 140);
            prop_assert!(!name.starts_with(['.', '-', ' ']));
            prop_assert!(!name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|']));
            prop_assert!(!name.chars().any(char::is_control));
            let stem = name.strip_suffix(".html").unwrap_or_default();
            prop_assert!(!stem.is_empty() && !stem.ends_with([' ', '.']));
        }
    }
}
