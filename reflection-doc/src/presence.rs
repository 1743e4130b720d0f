// SPDX-License-Identifier: GPL-3.0-or-later
//! What people say about themselves while they have a document open: name, colour, and where
//! their caret and selection are. Pure: bytes in and out.
//!
//! Invariants: whatever arrives, what is shown of it is bounded and has no characters that play
//! with the text around it; what a later version adds is passed over; places are descriptions
//! that the engine looks up once, on arrival, and moves itself from then on.

use std::collections::BTreeMap;

use minicbor::{Decoder, Encoder};
use reflection_node::identity::AuthorId;
use reflection_node::{PRESENCE_BYTES_MAX, Person};

/// Most characters of a name.
pub const NAME_CHARS_MAX: usize = 48;
/// Most bytes by which a place in the text is described.
pub const PLACE_BYTES_MAX: usize = 256;
/// Most entries in what somebody says; those of later versions count.
const ENTRIES_MAX: u64 = 32;

const NAME: u32 = 1;
const COLOUR: u32 = 2;
const ANCHOR: u32 = 3;
const CARET: u32 = 4;

// The largest of all that can be said fits what the node carries.
const _: () = assert!(4 * NAME_CHARS_MAX + 2 * PLACE_BYTES_MAX + 32 <= PRESENCE_BYTES_MAX);

/// What somebody says about themselves.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The name they chose, if any.
    pub name: Option<String>,
    /// The colour they chose, an index into the palette, if any.
    pub colour: Option<u32>,
    /// Where the selection began and where the caret is, as the engine describes places.
    pub places: Option<(Vec<u8>, Vec<u8>)>,
}

impl About {
    /// The bytes to be said. Names are shortened; places that are too long are left out.
    pub fn encode(&self) -> Vec<u8> {
        let name = self.name.as_deref().and_then(clean_name);
        let places = self.places.as_ref().filter(|(anchor, caret)| {
            anchor.len() <= PLACE_BYTES_MAX && caret.len() <= PLACE_BYTES_MAX
        });
        let entries = u64::from(name.is_some())
            + u64::from(self.colour.is_some())
            + 2 * u64::from(places.is_some());
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        // Writing to a vector cannot fail: the error type is uninhabited.
        let written = (|| {
            encoder.map(entries)?;
            if let Some(name) = &name {
                encoder.u32(NAME)?.str(name)?;
            }
            if let Some(colour) = self.colour {
                encoder.u32(COLOUR)?.u32(colour)?;
            }
            if let Some((anchor, caret)) = places {
                encoder.u32(ANCHOR)?.bytes(anchor)?;
                encoder.u32(CARET)?.bytes(caret)?;
            }
            Ok::<(), minicbor::encode::Error<std::convert::Infallible>>(())
        })();
        debug_assert!(written.is_ok());
        bytes
    }

    /// What the bytes say. Whatever cannot be understood is as if it had not been said.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut about = Self::default();
        let mut places = BTreeMap::new();
        // An entry that is broken ends the reading; those before it hold.
        let _ = about.read(&mut Decoder::new(bytes), &mut places);
        if let (Some(anchor), Some(caret)) = (places.remove(&ANCHOR), places.remove(&CARET)) {
            about.places = Some((anchor, caret));
        }
        about
    }

    fn read(
        &mut self,
        decoder: &mut Decoder<'_>,
        places: &mut BTreeMap<u32, Vec<u8>>,
    ) -> Result<(), minicbor::decode::Error> {
        let entries = decoder.map()?.unwrap_or(0).min(ENTRIES_MAX);
        for _ in 0..entries {
            match decoder.u32()? {
                NAME => self.name = clean_name(decoder.str()?),
                COLOUR => self.colour = Some(decoder.u32()?),
                key @ (ANCHOR | CARET) => {
                    let place = decoder.bytes()?;
                    if place.len() <= PLACE_BYTES_MAX {
                        places.insert(key, place.to_vec());
                    }
                }
                _ => decoder.skip()?,
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for About {
    /// Never the name.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("About(..)")
    }
}

/// A name as it may be shown: one short line without characters that are not seen or that turn
/// the direction of what follows. `None` where nothing is left.
fn clean_name(name: &str) -> Option<String> {
    let is_shown = |letter: &char| {
        !letter.is_control()
            && !matches!(letter, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let name: String = name
        .trim()
        .chars()
        .filter(is_shown)
        .take(NAME_CHARS_MAX)
        .collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Somebody else's caret and selection, in characters of the text as it is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteCursor {
    /// Whose.
    pub author: AuthorId,
    /// The colour they chose, if any.
    pub colour: Option<u32>,
    /// Where the selection began.
    pub anchor: usize,
    /// Where the caret is.
    pub caret: usize,
}

/// The cursors of those who have a document open. `find` looks up a described place in the text;
/// whoever is at a place that is not known here has no cursor until they move.
pub fn remote_cursors(
    people: &[Person],
    mut find: impl FnMut(&[u8]) -> Option<usize>,
) -> Vec<RemoteCursor> {
    let here = people.iter().filter(|person| person.is_here);
    here.filter_map(|person| {
        let about = About::decode(&person.said);
        let (anchor, caret) = about.places?;
        Some(RemoteCursor {
            author: person.author,
            colour: about.colour,
            anchor: find(&anchor)?,
            caret: find(&caret)?,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn about() -> About {
        About {
            name: Some("Ana María".into()),
            colour: Some(3),
            places: Some((vec![1; 104], vec![2; 104])),
        }
    }

    #[test]
    fn what_is_said_is_understood() {
        assert_eq!(About::decode(&about().encode()), about());
        assert_eq!(About::decode(&About::default().encode()), About::default());
    }

    #[test]
    fn what_later_versions_add_is_passed_over() {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes);
        encoder.map(3).unwrap();
        encoder.u32(90).unwrap().array(2).unwrap().u8(1).unwrap();
        encoder.str("new").unwrap();
        encoder.u32(NAME).unwrap().str("Bo").unwrap();
        encoder.u32(91).unwrap().bool(true).unwrap();
        assert_eq!(About::decode(&bytes).name.unwrap(), "Bo");
    }

    #[test]
    fn the_largest_of_all_fits() {
        let about = About {
            name: Some("𝔸".repeat(10 * NAME_CHARS_MAX)),
            colour: Some(u32::MAX),
            places: Some((vec![1; PLACE_BYTES_MAX], vec![2; PLACE_BYTES_MAX])),
        };
        assert!(about.encode().len() <= PRESENCE_BYTES_MAX);
    }

    #[test]
    fn names_play_no_tricks() {
        let shown = |name: &str| {
            let about = About {
                name: Some(name.into()),
                ..About::default()
            };
            About::decode(&about.encode()).name
        };
        assert_eq!(shown(" Bo\u{202e}b\n\t"), Some("Bob".into()));
        assert_eq!(shown("\u{200b} \u{feff}"), None);
        assert_eq!(shown("தமிழ்"), Some("தமிழ்".into()));
    }

    #[test]
    fn only_those_who_are_here_have_cursors() {
        let person = |number: u8, is_here| Person {
            author: AuthorId::from_bytes([number; 32]),
            is_here,
            is_reachable: true,
            last_seen_us: None,
            said: about().encode(),
        };
        let find = |place: &[u8]| Some(usize::from(place[0]));
        let cursors = remote_cursors(&[person(1, true), person(2, false)], find);
        assert_eq!(
            cursors,
            [RemoteCursor {
                author: AuthorId::from_bytes([1; 32]),
                colour: Some(3),
                anchor: 1,
                caret: 2,
            }]
        );
        assert!(remote_cursors(&[person(1, true)], |_| None).is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let about = About::decode(&bytes);
            prop_assert!(about.encode().len() <= PRESENCE_BYTES_MAX);
        }
    }
}
