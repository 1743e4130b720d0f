// SPDX-License-Identifier: GPL-3.0-or-later
//! Several people who write, name versions, restart and compact, and hear of each other in any
//! order, end with the same; and nobody's caret loses its place on the way.

use super::*;
use crate::engine::compaction::compact;

/// Something that somebody does.
#[derive(Clone, Debug)]
enum Act {
    Insert(prop::sample::Index, String),
    Delete(prop::sample::Index, usize),
    Name(String),
    Hear(prop::sample::Index),
    /// The program ends and is started again.
    Restart,
    /// The whole log becomes one operation.
    Compact,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (any::<prop::sample::Index>(), pieces()).prop_map(|(at, text)| Act::Insert(at, text)),
        4 => (any::<prop::sample::Index>(), 1..4_usize).prop_map(|(at, count)| Act::Delete(at, count)),
        1 => "[a-c]{1,2}".prop_map(Act::Name),
        6 => any::<prop::sample::Index>().prop_map(Act::Hear),
        1 => Just(Act::Restart),
        1 => Just(Act::Compact),
    ]
}

/// What a screen knows of the text: letters, each told from all others, moved by effects alone;
/// and the letter before which the caret stands, which when it is deleted is the one behind it.
#[derive(Default)]
struct Screen {
    letters: Vec<(char, u64)>,
    made: u64,
    caret: Option<u64>,
}

impl Screen {
    fn insert(&mut self, at: usize, text: &str) {
        let made = &mut self.made;
        let letters = text.chars().map(|letter| {
            *made += 1;
            (letter, *made)
        });
        self.letters.splice(at..at, letters);
    }

    fn delete(&mut self, at: usize, count: usize) {
        let next = self.letters.get(at + count).map(|&(_, id)| id);
        for (_, gone) in self.letters.drain(at..at + count) {
            if self.caret == Some(gone) {
                self.caret = next;
            }
        }
    }

    fn follow(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Insert { at, text, .. } => self.insert(*at, text),
                Effect::Delete { at, count, .. } => self.delete(*at, *count),
            }
        }
    }

    fn text(&self) -> String {
        self.letters.iter().map(|(letter, _)| letter).collect()
    }

    /// Where the caret has to be.
    fn caret(&self) -> usize {
        let anchor = self.caret;
        let at = self.letters.iter().position(|&(_, id)| Some(id) == anchor);
        at.unwrap_or(self.letters.len())
    }
}

struct Writer {
    engine: Engine,
    screen: Screen,
    caret: CursorId,
    /// The own log as it is stored.
    log: Vec<Delivered>,
    /// What others have said, in the order in which it was heard.
    heard: Vec<Delivered>,
    /// How much of the logs of others that is.
    heights: Vec<usize>,
}

impl Writer {
    fn new(number: u8, count: usize) -> Self {
        let mut engine = engine(number);
        let caret = engine.add_cursor(0, Bias::After);
        Self {
            engine,
            screen: Screen::default(),
            caret,
            log: Vec::new(),
            heard: Vec::new(),
            heights: vec![0; count],
        }
    }

    fn store(&mut self) {
        let said = deliveries(&mut self.engine);
        self.log.extend(said);
    }

    fn stored(&self) -> Vec<Delivered> {
        // Others' first: what they build upon comes later, as it may in a stream.
        self.heard.iter().chain(&self.log).cloned().collect()
    }

    fn put_caret(&mut self, at: usize) {
        self.caret = self.engine.add_cursor(at, Bias::After);
        self.screen.caret = self.screen.letters.get(at).map(|&(_, id)| id);
    }

    fn restart(&mut self) {
        self.store();
        let at = self.screen.caret();
        let mut loading = Loading::new(self.engine.author(), &TOPIC, 0);
        for batch in self.stored().chunks(3) {
            loading.add(batch).unwrap();
        }
        let version = self.engine.version();
        self.engine = loading.finish().unwrap();
        assert_eq!(self.engine.version(), version, "a restart loses nothing");
        assert!(!self.engine.has_changes());
        self.put_caret(at);
    }

    /// Gives whether the log is another one now.
    fn compact(&mut self) -> bool {
        self.store();
        if self.log.is_empty() {
            return false;
        }
        let author = self.engine.author();
        let body = compact(&TOPIC, &author, &self.stored()).expect("a log can be compacted");
        let mut operation = deliver(author, body);
        operation.kind = Kind::Compaction;
        self.log = vec![operation];
        true
    }

    fn check(&self) {
        assert_eq!(self.screen.text(), self.engine.text());
        assert_eq!(self.engine.cursor(self.caret), Some(self.screen.caret()));
    }
}

fn hear(writers: &mut [Writer], from: usize, to: usize) {
    if from == to {
        return;
    }
    writers[from].store();
    let news = writers[from].log[writers[to].heights[from]..].to_vec();
    let writer = &mut writers[to];
    writer.heights[from] += news.len();
    let effects = writer.engine.apply(&news).unwrap();
    writer.screen.follow(&effects);
    writer.heard.extend(news);
}

fn act_out(writers: &mut [Writer], who: usize, act: Act, time_us: u64) {
    let count = writers.len();
    let writer = &mut writers[who];
    let length = writer.engine.len_chars();
    match act {
        Act::Insert(at, text) => {
            let at = at.index(length + 1);
            writer.engine.edit(at, 0, &text).unwrap();
            writer.screen.insert(at, &text);
        }
        Act::Delete(at, count) => {
            let at = at.index(length + 1);
            let count = count.min(length - at);
            writer.engine.edit(at, count, "").unwrap();
            writer.screen.delete(at, count);
        }
        Act::Name(name) => {
            let version = writer.engine.version().to_string();
            writer
                .engine
                .name_version(&version, &name, time_us)
                .unwrap();
        }
        Act::Hear(from) => hear(writers, from.index(count), who),
        Act::Restart => writer.restart(),
        Act::Compact => {
            if writer.compact() {
                // Who has heard some of the log before is sent the one operation all the same.
                for other in writers.iter_mut() {
                    other.heights[who] = 0;
                }
            }
        }
    }
}

/// All that people see of a document.
fn seen(engine: &mut Engine) -> (String, Vec<AuthorRun>, Vec<(String, String, AuthorId)>) {
    let named = engine.named_versions().into_iter();
    let named = named
        .map(|one| (one.name, one.version, one.author))
        .collect();
    (engine.text(), engine.author_runs(), named)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn all_end_with_the_same_through_restarts_and_compactions(
        count in 3..=7_usize,
        acts in prop::collection::vec((any::<prop::sample::Index>(), act()), 1..80),
        carets in prop::collection::vec(any::<prop::sample::Index>(), 7),
        order in any::<prop::sample::Index>(),
    ) {
        let mut writers: Vec<Writer> = (0..count)
            .map(|number| Writer::new(u8::try_from(number).unwrap(), count))
            .collect();
        act_out(&mut writers, 0, Act::Insert(carets[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ".into()), 0);
        for (number, caret) in carets.iter().take(count).enumerate() {
            hear(&mut writers, 0, number);
            writers[number].put_caret(caret.index(26));
        }
        for (time_us, (who, act)) in (1..).zip(acts) {
            let who = who.index(count);
            act_out(&mut writers, who, act, time_us);
            writers[who].check();
        }
        // Everybody hears of everybody, each in another order.
        let shift = order.index(count);
        for to in 0..count {
            for from in 0..count {
                hear(&mut writers, (from + shift + to) % count, to);
            }
            writers[to].check();
        }
        let first = seen(&mut writers[0].engine);
        for writer in &mut writers {
            prop_assert_eq!(&seen(&mut writer.engine), &first);
            writer.restart();
            prop_assert_eq!(&seen(&mut writer.engine), &first, "after a restart");
            let history = writer.engine.history().unwrap().open().unwrap();
            for (_, version, _) in &first.2 {
                prop_assert!(history.text(&version.parse().unwrap()).is_ok());
            }
        }
    }
}
