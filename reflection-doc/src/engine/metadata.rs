// SPDX-License-Identifier: GPL-3.0-or-later
//! What people share about a document besides its text: their names, and names of versions.
//!
//! Each entry is a value in a root map of the CRDT, so it merges, travels and is compacted as the
//! text is. An entry says who wrote it and under which incarnation, and counts only where the CRDT
//! agrees: the last change of it carries the peer id of exactly that author, which a signature
//! vouches for. So nobody can speak for another; whoever overwrites somebody's name merely takes
//! it away until its owner sets it again.
//!
//! Entries hold a format number and may hold fields that this program does not know: these are
//! kept when the entry is changed, and root maps that it does not know are left alone (`comments`
//! is kept free for what its name says). Whatever cannot be read is passed over.

use std::collections::HashMap;

use loro::{LoroMap, LoroValue};
use reflection_node::identity::AuthorId;
use unicode_segmentation::UnicodeSegmentation;

use super::{Engine, PeerId};

const PEOPLE: &str = "people";
const VERSIONS: &str = "versions";

/// The format of entries that this program writes.
const FORMAT: i64 = 1;
/// Longest name of a person or version, in what readers perceive as characters.
pub const NAME_GRAPHEMES_MAX: usize = 60;
/// The same in bytes: some such characters are made of many.
const NAME_BYTES_MAX: usize = 512;
/// Longest id of a version that is taken, in bytes.
const VERSION_BYTES_MAX: usize = 4_096;
/// Hexadecimal digits of the key of a version's name.
const KEY_DIGITS: usize = 32;
/// Most entries of a kind that are read. The rest is kept, not shown.
const ENTRIES_MAX: usize = 10_000;

/// How somebody wants to be called in a document.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub author: AuthorId,
    /// The chosen name; never empty.
    pub name: String,
    /// The chosen colour, a number in the palette, if one was chosen.
    pub colour: Option<u32>,
}

/// A version that somebody gave a name.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedVersion {
    /// Under what it is kept.
    pub key: String,
    /// Its name; never empty.
    pub name: String,
    /// The version's id.
    pub version: String,
    /// Who named it.
    pub author: AuthorId,
    /// When, by that author's clock, microseconds since 1970.
    pub time_us: u64,
}

/// A name as it is shown: on one line, without what could disturb the line, and not too long.
/// Empty where nothing is left.
pub fn clean_name(name: &str) -> String {
    let mut clean = String::new();
    let words = name.split(|letter: char| letter.is_whitespace() || letter.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.extend(word.chars().filter(|letter| !is_invisible(*letter)));
    }
    let mut short = String::new();
    for grapheme in clean.trim().graphemes(true).take(NAME_GRAPHEMES_MAX) {
        if short.len() + grapheme.len() > NAME_BYTES_MAX {
            break;
        }
        short.push_str(grapheme);
    }
    short.trim_end().to_owned()
}

/// Characters that are not seen but turn what stands around them, or make two names look alike.
fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

type Fields = HashMap<String, LoroValue>;

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    match fields.get(name)? {
        LoroValue::String(text) => Some(text.as_str()),
        _ => None,
    }
}

fn number(fields: &Fields, name: &str) -> Option<i64> {
    match fields.get(name)? {
        LoroValue::I64(number) => Some(*number),
        _ => None,
    }
}

impl Engine {
    /// What an entry says, and the author who vouches for it.
    fn entry(&self, map: &LoroMap, key: &str, value: &LoroValue) -> Option<(AuthorId, Fields)> {
        let LoroValue::Map(fields) = value else {
            return None;
        };
        let fields: Fields = fields
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let author: AuthorId = text(&fields, "author")?.parse().ok()?;
        let incarnation = u64::try_from(number(&fields, "incarnation")?).ok()?;
        let peer = PeerId::derive(&author, &self.topic, incarnation);
        (map.get_last_editor(key) == Some(peer.get())).then_some((author, fields))
    }

    fn entries(&self, kind: &str) -> Vec<(String, AuthorId, Fields)> {
        let map = self.doc.get_map(kind);
        let mut values = Vec::new();
        map.for_each(|key, value| {
            if values.len() < ENTRIES_MAX
                && let loro::ValueOrContainer::Value(value) = value
            {
                values.push((key.to_owned(), value));
            }
        });
        values
            .into_iter()
            .filter_map(|(key, value)| {
                let (author, fields) = self.entry(&map, &key, &value)?;
                Some((key, author, fields))
            })
            .collect()
    }

    /// Writes an entry of this author over what it held.
    fn set_entry(&mut self, kind: &str, key: &str, mut fields: Fields) {
        fields.insert("format".into(), FORMAT.into());
        fields.insert("author".into(), self.author.to_string().into());
        let incarnation = i64::try_from(self.incarnation).unwrap_or(i64::MAX);
        fields.insert("incarnation".into(), incarnation.into());
        // Fails only for a map that belongs to no document.
        let _ = self.doc.get_map(kind).insert(key, LoroValue::from(fields));
    }

    /// The people who have said how they want to be called here.
    pub fn people(&self) -> Vec<Person> {
        let mut people: Vec<Person> = self
            .entries(PEOPLE)
            .into_iter()
            .filter_map(|(key, author, fields)| {
                let name = clean_name(text(&fields, "name")?);
                // Under another one's key it would hide that one's own entry.
                (key == author.to_string() && !name.is_empty()).then(|| Person {
                    author,
                    name,
                    colour: number(&fields, "colour").and_then(|number| number.try_into().ok()),
                })
            })
            .collect();
        people.sort_by_key(|person| person.author);
        people
    }

    /// Says how this author wants to be called; an empty name takes the name back. Gives whether
    /// that changes anything, so that there is something to publish.
    pub fn introduce(&mut self, name: &str, colour: Option<u32>) -> bool {
        let name = clean_name(name);
        let key = self.author.to_string();
        let map = self.doc.get_map(PEOPLE);
        let before = self
            .people()
            .into_iter()
            .find(|one| one.author == self.author);
        if name.is_empty() {
            return before.is_some() && map.delete(&key).is_ok();
        }
        if before.is_some_and(|before| before.name == name && before.colour == colour) {
            return false;
        }
        let mut fields = match map.get(&key).and_then(|value| value.into_value().ok()) {
            Some(value) => self
                .entry(&map, &key, &value)
                .map(|(_, fields)| fields)
                .unwrap_or_default(),
            None => Fields::new(),
        };
        fields.insert("name".into(), name.into());
        match colour {
            Some(colour) => fields.insert("colour".into(), i64::from(colour).into()),
            None => fields.remove("colour"),
        };
        self.set_entry(PEOPLE, &key, fields);
        true
    }

    /// Sets how this author wants to be called. The document learns it together with the next
    /// edit.
    pub fn set_profile(&mut self, name: &str, colour: Option<u32>) {
        self.profile = Some((clean_name(name), colour));
    }

    /// Introduces this author once, when there is an edit to go with it.
    pub(super) fn introduce_with_edit(&mut self) {
        if let Some((name, colour)) = self.profile.take() {
            self.introduce(&name, colour);
        }
    }

    /// The versions that have names, in the order in which they got them.
    pub fn named_versions(&self) -> Vec<NamedVersion> {
        let mut versions: Vec<NamedVersion> = self
            .entries(VERSIONS)
            .into_iter()
            .filter_map(|(key, author, fields)| {
                let name = clean_name(text(&fields, "name")?);
                let version = text(&fields, "version")?;
                let is_readable = !name.is_empty() && version.len() <= VERSION_BYTES_MAX;
                is_readable.then(|| NamedVersion {
                    key,
                    name,
                    version: version.to_owned(),
                    author,
                    time_us: number(&fields, "time").unwrap_or(0).unsigned_abs(),
                })
            })
            .collect();
        versions.sort_by(|one, other| (one.time_us, &one.key).cmp(&(other.time_us, &other.key)));
        versions
    }

    /// Gives a version a name, for everybody. `None` where nothing of the name can be shown or
    /// the version's id is too long.
    pub fn name_version(&mut self, version: &str, name: &str, time_us: u64) -> Option<String> {
        let name = clean_name(name);
        if name.is_empty() || version.len() > VERSION_BYTES_MAX {
            return None;
        }
        // Nobody else makes the same, and this peer makes it once: with each entry its counter or
        // the number of entries is another.
        let entries = self.doc.get_map(VERSIONS).len();
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&self.peer.get().to_be_bytes())
            .update(&self.own_end().to_be_bytes())
            .update(&entries.to_be_bytes());
        let key = hasher.finalize().to_hex()[..KEY_DIGITS].to_owned();
        let time = i64::try_from(time_us).unwrap_or(i64::MAX);
        let fields = Fields::from([
            ("name".to_owned(), name.into()),
            ("version".to_owned(), version.into()),
            ("time".to_owned(), time.into()),
        ]);
        self.set_entry(VERSIONS, &key, fields);
        Some(key)
    }

    /// Takes the name of a version away, for everybody. Gives whether there was one.
    pub fn unname_version(&mut self, key: &str) -> bool {
        let map = self.doc.get_map(VERSIONS);
        map.get(key).is_some() && map.delete(key).is_ok()
    }
}
