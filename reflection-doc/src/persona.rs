// SPDX-License-Identifier: GPL-3.0-or-later
//! What a person looks like before they have said who they are: a name of two words, a colour and
//! a shape, all derived from their key.
//!
//! Nobody can choose them, so a borrowed name shows: its owner has another colour and shape.
//! Invariants: the same key gives the same persona on every device and in every release; the
//! tables below only ever change together with the context string.

use reflection_node::identity::AuthorId;

/// Separates this use of the hash from every other one.
const CONTEXT: &str = "app.reflection persona 1";

/// How many colours there are. The front end has as many in its palette.
pub const COLOURS: u32 = 10;

/// How many shapes there are. The front end can draw as many.
pub const SHAPES: u32 = 6;

/// First words of default names. English; a front end translates them one by one.
pub const FIRST_WORDS: [&str; 32] = [
    "Amber", "Bold", "Brisk", "Calm", "Clear", "Copper", "Crisp", "Early", "Fair", "Fleet",
    "Gentle", "Golden", "Hazel", "Ivory", "Keen", "Late", "Lively", "Lucky", "Mellow", "Merry",
    "Misty", "Noble", "Olive", "Quick", "Quiet", "Russet", "Silver", "Steady", "Sunny", "Swift",
    "Warm", "Wise",
];

/// Second words of default names. English; a front end translates them one by one.
pub const SECOND_WORDS: [&str; 32] = [
    "Badger", "Beaver", "Bison", "Crane", "Curlew", "Dolphin", "Falcon", "Finch", "Fox", "Gecko",
    "Hare", "Heron", "Ibex", "Jay", "Kestrel", "Lark", "Lynx", "Marten", "Moth", "Newt", "Orca",
    "Otter", "Owl", "Puffin", "Raven", "Robin", "Salmon", "Seal", "Stork", "Swan", "Tern", "Wren",
];

/// The looks of one author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persona {
    /// The first word of the name, an English word of [`FIRST_WORDS`].
    pub first_word: &'static str,
    /// The second word of the name, an English word of [`SECOND_WORDS`].
    pub second_word: &'static str,
    /// Below [`COLOURS`].
    pub colour: u32,
    /// Below [`SHAPES`].
    pub shape: u32,
}

impl Persona {
    /// The looks that belong to a key.
    pub fn of(author: &AuthorId) -> Self {
        let hash = blake3::derive_key(CONTEXT, author.as_bytes());
        // Each from a byte pair of its own, so that one does not tell the other.
        let pick = |at: usize, count: usize| {
            usize::from(u16::from_le_bytes([hash[at], hash[at + 1]])) % count
        };
        Self {
            first_word: FIRST_WORDS[pick(0, FIRST_WORDS.len())],
            second_word: SECOND_WORDS[pick(2, SECOND_WORDS.len())],
            colour: index(pick(4, COLOURS as usize)),
            shape: index(pick(6, SHAPES as usize)),
        }
    }

    /// The name in English.
    pub fn name(&self) -> String {
        format!("{} {}", self.first_word, self.second_word)
    }
}

fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn author(byte: u8) -> AuthorId {
        AuthorId::from_bytes([byte; 32])
    }

    #[test]
    fn a_key_always_looks_the_same() {
        assert_eq!(Persona::of(&author(7)), Persona::of(&author(7)));
    }

    #[test]
    fn indexes_stay_within_their_tables_and_all_are_used() {
        let all: Vec<Persona> = (0..=255).map(|byte| Persona::of(&author(byte))).collect();
        let colours: HashSet<u32> = all.iter().map(|persona| persona.colour).collect();
        let shapes: HashSet<u32> = all.iter().map(|persona| persona.shape).collect();
        assert_eq!(colours, (0..COLOURS).collect());
        assert_eq!(shapes, (0..SHAPES).collect());
    }

    #[test]
    fn different_keys_rarely_share_a_name() {
        let names: HashSet<String> = (0..64)
            .map(|byte| Persona::of(&author(byte)).name())
            .collect();
        assert!(names.len() > 55, "{} names for 64 keys", names.len());
    }

    #[test]
    fn words_are_told_apart() {
        for words in [FIRST_WORDS, SECOND_WORDS] {
            assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len());
        }
    }
}
