// SPDX-License-Identifier: GPL-3.0-or-later
//! What people are called on the screen.

use gettextrs::{gettext, pgettext};
use reflection_doc::objects::Author;
use reflection_doc::persona::Persona;

/// The name of a person in the language of whoever reads it.
pub fn display_name(author: &Author) -> String {
    let chosen = author.chosen_name();
    if !chosen.is_empty() {
        return chosen;
    }
    default_name(&author.persona())
}

/// The name of somebody who has chosen none.
pub fn default_name(persona: &Persona) -> String {
    // Translators: a person's default name, such as “Calm Otter”. Change the order if needed.
    pgettext("default name", "{first} {second}")
        .replace("{first}", &gettext(persona.first_word))
        .replace("{second}", &gettext(persona.second_word))
}

/// The first letters of the first two words.
pub fn initials(name: &str) -> String {
    name.split_whitespace()
        .take(2)
        .filter_map(|word| word.chars().next())
        .flat_map(char::to_uppercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_letters_and_not_bytes() {
        assert_eq!(initials("Calm Otter"), "CO");
        assert_eq!(initials("élan  Über Alles"), "ÉÜ");
        assert_eq!(initials("שלום"), "ש");
        assert_eq!(initials(""), "");
    }
}
