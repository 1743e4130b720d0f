// SPDX-License-Identifier: GPL-3.0-or-later
//! Codes as people read and write them.

use gettextrs::gettext;
use reflection_node::access::CodeError;

/// How many characters stand together.
const GROUP: usize = 4;

/// A code in groups, for the eye. Spaces do not matter when it is typed.
pub fn grouped(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    letters
        .chunks(GROUP)
        .map(String::from_iter)
        .collect::<Vec<_>>()
        .join(" ")
}

/// What is wrong with something that was to be a code.
pub fn explain(error: CodeError) -> String {
    match error {
        CodeError::NotACode => gettext("This is not a Reflection code"),
        CodeError::Damaged => gettext(
            "A part of the code is missing, or a character is wrong. Copy it again as a whole.",
        ),
        CodeError::Newer => gettext("This code was made by a newer version of Reflection"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_four_characters_and_lose_none() {
        assert_eq!(grouped("write1qpzry"), "writ e1qp zry");
        assert_eq!(grouped(""), "");
    }
}
