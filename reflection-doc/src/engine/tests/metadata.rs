// SPDX-License-Identifier: GPL-3.0-or-later
//! Names of people and of versions, among several engines.

use std::collections::HashMap;

use loro::LoroValue;

use super::*;

/// Everybody gets what everybody has made, each in another order.
fn exchange(engines: &mut [Engine]) {
    let made: Vec<Vec<Delivered>> = engines.iter_mut().map(deliveries).collect();
    let count = made.len();
    for (number, engine) in engines.iter_mut().enumerate() {
        for step in 1..count {
            engine.apply(&made[(number + step) % count]).unwrap();
        }
    }
}

fn names(engine: &Engine) -> Vec<String> {
    engine
        .people()
        .into_iter()
        .map(|person| person.name)
        .collect()
}

#[test]
fn people_say_how_they_want_to_be_called() {
    let mut engines = [engine(1), engine(2)];
    assert!(engines[0].introduce("Ann", Some(3)));
    assert!(!engines[0].introduce(" Ann ", Some(3)), "nothing new");
    assert!(engines[1].introduce("Bob", None));
    exchange(&mut engines);
    for engine in &engines {
        assert_eq!(names(engine), ["Ann", "Bob"]);
        assert_eq!(engine.people()[0].colour, Some(3));
        assert_eq!(engine.people()[1].author, author(2));
    }
    assert!(engines[0].introduce("", None));
    exchange(&mut engines);
    assert_eq!(names(&engines[1]), ["Bob"]);
    assert_eq!(engines[1].text(), "");
}

#[test]
fn names_are_lines_that_disturb_nothing() {
    assert_eq!(clean_name("  Ann\n\u{7} \u{202e}Lee\u{200b} "), "Ann Lee");
    assert_eq!(clean_name("\u{202e}\t"), "");
    let long = clean_name(&"👩‍👩‍👧".repeat(1_000));
    assert!(long.len() <= 512 && long.ends_with('👧'));
    assert_eq!(
        clean_name(&"ä".repeat(500)).chars().count(),
        NAME_GRAPHEMES_MAX
    );
}

#[test]
fn nobody_speaks_for_another() {
    let mut engines = [engine(1), engine(2)];
    engines[0].introduce("Ann", None);
    exchange(&mut engines);
    // Bob writes an entry that looks like Ann's, in her place and in his.
    let entry = engines[0].doc.get_map("people").get_deep_value();
    let LoroValue::Map(entries) = entry else {
        panic!("people are a map");
    };
    let LoroValue::Map(fields) = entries.get(&author(1).to_string()).unwrap() else {
        panic!("an entry is a map");
    };
    let mut fields: HashMap<String, LoroValue> = fields
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    fields.insert("name".into(), "Eve".into());
    let forged = LoroValue::from(fields);
    let people = engines[1].doc.get_map("people");
    people
        .insert(&author(2).to_string(), forged.clone())
        .unwrap();
    exchange(&mut engines);
    assert_eq!(names(&engines[0]), ["Ann"]);
    let people = engines[1].doc.get_map("people");
    people.insert(&author(1).to_string(), forged).unwrap();
    exchange(&mut engines);
    assert!(names(&engines[0]).is_empty(), "a forged entry says nothing");
    engines[0].introduce("Ann", None);
    exchange(&mut engines);
    assert_eq!(names(&engines[1]), ["Ann"]);
}

#[test]
fn what_a_newer_program_wrote_is_kept() {
    let mut engines = [engine(1), engine(2)];
    engines[0].introduce("Ann", None);
    let people = engines[0].doc.get_map("people");
    let LoroValue::Map(entries) = people.get_deep_value() else {
        panic!("people are a map");
    };
    let key = author(1).to_string();
    let LoroValue::Map(fields) = entries.get(&key).unwrap() else {
        panic!("an entry is a map");
    };
    let mut fields: HashMap<String, LoroValue> = fields
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    fields.insert("format".into(), 9.into());
    fields.insert("pronouns".into(), "they".into());
    people.insert(&key, LoroValue::from(fields)).unwrap();
    engines[0].doc.get_map("comments").insert("x", 1).unwrap();
    people.insert("no entry", "at all").unwrap();
    assert!(engines[0].introduce("Anna", Some(1)));
    exchange(&mut engines);
    assert_eq!(names(&engines[1]), ["Anna"]);
    let held = format!("{:?}", engines[1].doc.get_deep_value());
    assert!(held.contains("pronouns") && held.contains("comments") && held.contains("at all"));
}

#[test]
fn versions_get_names_that_everybody_sees() {
    let mut engines = [engine(1), engine(2)];
    let first = engines[0].name_version("v1", "Sent to print", 20).unwrap();
    let second = engines[1].name_version("v2", "Draft\n", 10).unwrap();
    assert_ne!(first, second);
    assert_eq!(engines[0].name_version("v3", " \n", 30), None);
    exchange(&mut engines);
    for engine in &engines {
        let versions = engine.named_versions();
        let shown: Vec<_> = versions
            .iter()
            .map(|one| (one.name.as_str(), one.version.as_str(), one.author))
            .collect();
        assert_eq!(
            shown,
            [
                ("Draft", "v2", author(2)),
                ("Sent to print", "v1", author(1))
            ]
        );
    }
    assert!(engines[1].unname_version(&first));
    assert!(!engines[1].unname_version(&first));
    exchange(&mut engines);
    assert_eq!(engines[0].named_versions().len(), 1);
}

/// Something that somebody does to what is shared besides the text.
#[derive(Clone, Debug)]
enum Act {
    Introduce(String),
    Name(String),
    Unname(usize),
    Type(String),
    Exchange,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        "[a-c]{0,2}".prop_map(Act::Introduce),
        "[a-c]{1,2}".prop_map(Act::Name),
        (0..4usize).prop_map(Act::Unname),
        "[a-c]{1,3}".prop_map(Act::Type),
        Just(Act::Exchange),
    ]
}

proptest! {
    /// Whatever several people name in whatever order, all see the same in the end, and everybody
    /// sees their own last name.
    #[test]
    fn names_converge(
        count in 3..7usize,
        acts in prop::collection::vec((any::<prop::sample::Index>(), act()), 1..40),
    ) {
        let mut engines: Vec<Engine> = (1..=count)
            .map(|number| engine(u8::try_from(number).unwrap()))
            .collect();
        let mut own = vec![String::new(); count];
        for (time, (who, act)) in acts.iter().enumerate() {
            let who = who.index(count);
            let engine = &mut engines[who];
            match act {
                Act::Introduce(name) => {
                    engine.introduce(name, None);
                    own[who].clone_from(name);
                }
                Act::Name(name) => {
                    engine.name_version("v", name, time as u64);
                }
                Act::Unname(number) => {
                    if let Some(version) = engine.named_versions().get(*number) {
                        engine.unname_version(&version.key);
                    }
                }
                Act::Type(text) => engine.edit(0, 0, text).unwrap(),
                Act::Exchange => exchange(&mut engines),
            }
        }
        exchange(&mut engines);
        let mut expected = own.clone();
        expected.retain(|name| !name.is_empty());
        let shown = |engine: &Engine| {
            let versions = engine.named_versions().into_iter();
            let versions: Vec<_> = versions.map(|one| (one.key, one.name, one.author)).collect();
            (names(engine), versions, engine.text())
        };
        let first = shown(&engines[0]);
        for engine in &engines {
            prop_assert!(shown(engine) == first);
            prop_assert_eq!(names(engine).len(), expected.len());
        }
    }
}
