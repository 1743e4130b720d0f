// SPDX-License-Identifier: GPL-3.0-or-later
//! Stories of the objects on a real library, with loopback as the network.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use gio::prelude::*;
use reflection_node::access::{Access, Code};
use reflection_node::identity::AuthorKey;
use reflection_node::store::DataFolder;
use reflection_node::{Mode, NetworkConfig};

use super::{Document, DocumentPhase, EditRefused, SaveState, Service};
use crate::engine::Selection;

mod loading;
mod viewers;

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// Plays a story on a main context of its own.
fn play<F: Future<Output = ()>>(story: impl FnOnce() -> F) {
    let context = glib::MainContext::new();
    context
        .with_thread_default(|| {
            context.block_on(async {
                glib::future_with_timeout(2 * DEADLINE, story())
                    .await
                    .unwrap();
            });
        })
        .unwrap();
}

/// Waits until an object's properties fulfil a condition.
async fn until<T: IsA<glib::Object>>(object: &T, what: &str, condition: impl Fn(&T) -> bool) {
    let (notify, changes) = async_channel::unbounded();
    let handler = object.connect_notify_local(None, move |_, _| {
        let _ = notify.try_send(());
    });
    let fulfilled = async {
        while !condition(object) {
            changes.recv().await.unwrap();
        }
    };
    let in_time = glib::future_with_timeout(DEADLINE, fulfilled).await;
    assert!(in_time.is_ok(), "still not: {what}");
    object.disconnect(handler);
}

/// Waits until something is true that no property tells.
async fn is_true(what: &str, condition: impl Fn() -> bool) {
    let fulfilled = async {
        while !condition() {
            glib::timeout_future(Duration::from_millis(5)).await;
        }
    };
    let in_time = glib::future_with_timeout(DEADLINE, fulfilled).await;
    assert!(in_time.is_ok(), "still not: {what}");
}

async fn is_open(document: &Document) {
    document.open();
    until(document, "open", |document| {
        document.phase() == DocumentPhase::Open
    })
    .await;
}

async fn is_closed(document: &Document) {
    document.close();
    until(document, "closed", |document| {
        document.phase() == DocumentPhase::Closed
    })
    .await;
}

async fn is_saved(document: &Document) {
    until(document, "saved", |document| {
        document.save_state() == SaveState::Saved
    })
    .await;
}

async fn service(folder: &Path, key: &AuthorKey, mode: Mode) -> Service {
    let network = NetworkConfig {
        mode: Some(mode),
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        mdns: false,
        ..NetworkConfig::default()
    };
    let folder = DataFolder::open(folder).unwrap();
    Service::open(folder, key.clone(), network).await.unwrap()
}

/// Plays a story of somebody alone.
fn alone(story: impl AsyncFnOnce(&Service)) {
    let folder = tempfile::tempdir().unwrap();
    play(|| async {
        let service = service(folder.path(), &AuthorKey::generate(), Mode::Offline).await;
        story(&service).await;
        service.close(CLOSE_DEADLINE).await.unwrap();
    });
}

/// Plays a story of Anna and Ben, who are on one network.
fn together(story: impl AsyncFnOnce(&Service, &Service)) {
    let folders = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    play(|| async {
        let anna = service(folders.0.path(), &AuthorKey::generate(), Mode::Local).await;
        let ben = service(folders.1.path(), &AuthorKey::generate(), Mode::Local).await;
        story(&anna, &ben).await;
        anna.close(CLOSE_DEADLINE).await.unwrap();
        ben.close(CLOSE_DEADLINE).await.unwrap();
    });
}

/// A document in which Anna has written something, which Ben gets a right to.
async fn shared(anna: &Service, ben: &Service, text: &str, access: Access) -> (Document, Document) {
    let hers = anna.create_document().await.unwrap();
    is_open(&hers).await;
    hers.insert_text(0, text).unwrap();
    let code: Code = hers.code(access).await.unwrap();
    let his = ben.join_document(&code).await.unwrap();
    is_open(&his).await;
    let length = text.chars().count() as u64;
    until(&his, "the text arrived", |his| his.chars() == length).await;
    (hers, his)
}

/// A copy of a document's text that is kept by its signals alone, as a screen keeps it.
fn mirror(document: &Document) -> Rc<RefCell<Vec<char>>> {
    let text: Rc<RefCell<Vec<char>>> = Rc::new(RefCell::new(document.text().chars().collect()));
    let copy = text.clone();
    document.connect_text_inserted(move |_, at, inserted| {
        let at = at as usize;
        copy.borrow_mut().splice(at..at, inserted.chars());
    });
    let copy = text.clone();
    document.connect_text_deleted(move |_, at, count| {
        copy.borrow_mut().drain(at as usize..(at + count) as usize);
    });
    text
}

fn type_text(document: &Document, mirror: &RefCell<Vec<char>>, at: usize, text: &str) {
    document
        .insert_text(u32::try_from(at).unwrap(), text)
        .unwrap();
    mirror.borrow_mut().splice(at..at, text.chars());
}

#[test]
fn what_is_typed_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let key = AuthorKey::generate();
    play(|| async {
        let service = service(folder.path(), &key, Mode::Offline).await;
        let document = service.create_document().await.unwrap();
        assert!(matches!(
            document.insert_text(0, "x"),
            Err(EditRefused::NotOpen)
        ));
        is_open(&document).await;
        document.insert_text(0, "# Títle 👋🏽\nשלום").unwrap();
        assert_eq!(document.save_state(), SaveState::Saving);
        document.delete_range(3, 1).unwrap();
        is_saved(&document).await;
        assert_eq!(document.title(), "Ttle 👋🏽");
        // What is typed last is not saved yet when everything is closed.
        document.insert_text(0, "last ").unwrap();
        document.close();
        service.close(CLOSE_DEADLINE).await.unwrap();
    });
    play(|| async {
        let service = service(folder.path(), &key, Mode::Offline).await;
        assert_eq!(service.documents().n_items(), 1);
        let document = service.documents().to_vec().remove(0);
        assert_eq!(document.title(), "last # Ttle 👋🏽");
        is_open(&document).await;
        assert_eq!(document.text(), "last # Ttle 👋🏽\nשלום");
        assert!(!document.is_waiting());
        service.close(CLOSE_DEADLINE).await.unwrap();
    });
}

#[test]
fn a_text_is_let_go_when_nobody_looks_and_is_back_when_somebody_does() {
    alone(async |service| {
        let document = service.create_document().await.unwrap();
        is_open(&document).await;
        document.open();
        document.insert_text(0, "kept").unwrap();
        document.close();
        assert_eq!(
            document.phase(),
            DocumentPhase::Open,
            "somebody else still looks"
        );
        is_closed(&document).await;
        assert_eq!(document.text(), "");
        is_open(&document).await;
        assert_eq!(document.text(), "kept");
    });
}

#[test]
fn two_people_write_one_text() {
    together(async |anna, ben| {
        let hers = anna.create_document().await.unwrap();
        is_open(&hers).await;
        let her_screen = mirror(&hers);
        type_text(&hers, &her_screen, 0, "# Plan 🎉\n");

        let code = hers.code(Access::Write).await.unwrap();
        let his = ben.join_document(&code).await.unwrap();
        assert!(his.is_waiting());
        is_open(&his).await;
        until(&his, "the text arrived", |his| his.title() == "Plan 🎉").await;
        assert!(!his.is_waiting());
        let his_screen = mirror(&his);
        until(&hers, "she sees him", |hers| hers.devices_connected() == 1).await;
        let people = hers.authors();
        is_true("she knows him", || people.n_items() == 2).await;
        let him = people.get(&ben.this_author().unwrap()).unwrap();
        until(&him, "he has it open", super::Author::is_here).await;
        assert!(him.is_reachable() && him.last_seen_us() > 0);
        let chosen = crate::library::Profile {
            name: "Ben".into(),
            colour: Some(3),
        };
        ben.set_profile(chosen).await.unwrap();
        until(&him, "his name", |him| {
            him.name() == "Ben" && him.colour() == 3
        })
        .await;
        anna.mute(&him.id(), true).await.unwrap();
        until(&him, "muted", super::Author::is_muted).await;
        let details = anna.connections(&hers).await.unwrap();
        assert_eq!(details.people.len(), 1);
        assert!(details.people[0].route.is_some() && !details.addresses.is_empty());

        let end = his_screen.borrow().len();
        type_text(&his, &his_screen, end, "தமிழ்");
        type_text(&hers, &her_screen, 2, "Our ");
        until(&hers, "his edit arrived", |hers| hers.chars() == 18).await;
        until(&his, "her edit arrived", |his| his.chars() == 18).await;
        assert_eq!(hers.text(), his.text());
        for (document, screen) in [(&hers, &her_screen), (&his, &his_screen)] {
            assert_eq!(document.text(), screen.borrow().iter().collect::<String>());
        }
        ben.close(CLOSE_DEADLINE).await.unwrap();
        until(&hers, "she sees him go", |hers| {
            hers.devices_connected() == 0
        })
        .await;
        until(&him, "he is not online", |him| !him.is_online()).await;
        assert!(him.last_seen_us() > 0);
    });
}

#[test]
fn undo_takes_back_ones_own_words_and_the_screen_follows() {
    together(async |anna, ben| {
        let (hers, his) = shared(anna, ben, "hers 🎉 ", Access::Write).await;
        assert!(!his.can_undo());
        let (her_screen, his_screen) = (mirror(&hers), mirror(&his));
        type_text(&his, &his_screen, 7, "שלום");
        until(&hers, "his words arrived", |hers| hers.chars() == 11).await;

        assert!(hers.can_undo() && !hers.can_redo());
        assert_eq!(hers.undo(), Some(Selection::caret(0)));
        assert_eq!(hers.text(), "שלום");
        assert!(!hers.can_undo() && hers.can_redo());
        until(&his, "her undo arrived", |his| his.chars() == 4).await;
        assert_eq!(hers.redo(), Some(Selection::caret(7)));
        until(&his, "her redo arrived", |his| his.chars() == 11).await;
        for (document, screen) in [(&hers, &her_screen), (&his, &his_screen)] {
            assert_eq!(document.text(), "hers 🎉 שלום");
            assert_eq!(document.text(), screen.borrow().iter().collect::<String>());
        }
    });
}

#[test]
fn carets_of_others_are_seen_and_move_with_the_text() {
    together(async |anna, ben| {
        let (hers, his) = shared(anna, ben, "one two three", Access::Write).await;
        let (tell, moves) = async_channel::unbounded();
        hers.connect_people_moved(move |_| {
            let _ = tell.try_send(());
        });
        let wanted = Selection {
            anchor: 4,
            caret: 7,
        };
        his.select(wanted);
        let seen = async {
            while hers
                .remote_places()
                .iter()
                .all(|place| place.selection != wanted)
            {
                moves.recv().await.unwrap();
            }
        };
        glib::future_with_timeout(DEADLINE, seen).await.unwrap();
        assert_eq!(Some(hers.remote_places()[0].author), ben.this_author());
        hers.insert_text(0, "🎉 ").unwrap();
        let place = hers.remote_places()[0].selection;
        assert_eq!((place.anchor, place.caret), (6, 9));
        ben.close(CLOSE_DEADLINE).await.unwrap();
        let gone = async {
            while !hers.remote_places().is_empty() {
                moves.recv().await.unwrap();
            }
        };
        glib::future_with_timeout(DEADLINE, gone).await.unwrap();
    });
}

#[test]
fn a_version_is_named_and_brought_back() {
    alone(async |service| {
        let document = service.create_document().await.unwrap();
        is_open(&document).await;
        document.insert_text(0, "first").unwrap();
        let version = document.version().unwrap();
        assert!(document.name_version(&version, "Draft"));
        document.delete_range(0, 5).unwrap();
        document.insert_text(0, "second").unwrap();
        let past = document.past().unwrap().open().unwrap();
        assert_eq!(past.find("Draft").unwrap(), version);
        let text = past.text(&version).unwrap();
        assert_eq!(text, "first");
        document.restore_text(&text).unwrap();
        assert_eq!(document.text(), "first");
        document.undo().unwrap();
        assert_eq!(document.text(), "second");
        is_saved(&document).await;
    });
}

#[test]
fn a_reader_reads_and_cannot_write() {
    together(async |anna, ben| {
        let (_, his) = shared(anna, ben, "to be read", Access::Read).await;
        assert!(his.is_read_only());
        assert!(matches!(
            his.insert_text(0, "x"),
            Err(EditRefused::ReadOnly)
        ));
        assert!(his.code(Access::Write).await.is_none());
    });
}

#[test]
fn the_last_changed_document_comes_first_and_a_deleted_one_goes() {
    alone(async |service| {
        let first = service.create_document().await.unwrap();
        let second = service.create_document().await.unwrap();
        assert_eq!(
            service.documents().to_vec(),
            [second.clone(), first.clone()]
        );
        is_open(&first).await;
        first.insert_text(0, "newest").unwrap();
        until(&first, "saved", |first| first.chars() == 6).await;
        let documents = service.documents();
        is_true("the one that was changed comes first", || {
            documents.to_vec() == [first.clone(), second.clone()]
        })
        .await;

        let deleted = Rc::new(RefCell::new(false));
        first.connect_deleted({
            let deleted = deleted.clone();
            move |_| {
                deleted.replace(true);
            }
        });
        // What was typed last is not on the disk yet.
        first.insert_text(0, "very ").unwrap();
        service.delete_document(&first).await.unwrap();
        assert!(*deleted.borrow());
        assert_eq!(service.documents().to_vec(), std::slice::from_ref(&second));
        assert_eq!(first.phase(), DocumentPhase::Closed);

        let topic = first.topic().unwrap();
        let back = service.bring_back(&topic).await.unwrap();
        is_open(&back).await;
        assert_eq!(back.text(), "very newest");
        assert_eq!(service.documents().to_vec(), [back.clone(), second.clone()]);
        service.delete_document(&back).await.unwrap();
        service.delete_for_good(&topic).await.unwrap();
        assert!(service.bring_back(&topic).await.is_err());
        assert_eq!(service.documents().to_vec(), [second]);
    });
}

#[test]
fn pinned_documents_come_first_and_archived_ones_last() {
    alone(async |service| {
        let first = service.create_document().await.unwrap();
        let second = service.create_document().await.unwrap();
        let third = service.create_document().await.unwrap();
        let order = || service.documents().to_vec();
        service.pin_document(&first, true).await.unwrap();
        service.archive_document(&third, true).await.unwrap();
        assert_eq!(order(), [first.clone(), second.clone(), third.clone()]);
        service.archive_document(&first, true).await.unwrap();
        assert_eq!(order(), [second.clone(), first.clone(), third.clone()]);
    });
}

#[test]
fn a_search_finds_words_and_forgets_what_is_deleted() {
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    play(|| async {
        let service = service(folder.path(), &AuthorKey::generate(), Mode::Offline).await;
        for (name, text) in [
            ("a.txt", "# Bread\nRye and water"),
            ("b.md", "Water the roses"),
        ] {
            let path = files.path().join(name);
            std::fs::write(&path, text).unwrap();
            service.import(&path).await.unwrap();
        }
        let results = service.search_results().unwrap();
        results.look_for("water");
        until(&results, "searched", |results| results.words() == "water").await;
        assert_eq!(results.n_items(), 2);
        let bread = service
            .documents()
            .to_vec()
            .into_iter()
            .find(|document| document.title() == "Bread")
            .unwrap();
        service.delete_document(&bread).await.unwrap();
        assert_eq!(results.n_items(), 1);
        let hit = results.item(0).and_downcast::<super::SearchHit>().unwrap();
        assert_eq!(hit.title().text, "Water the roses");
        results.look_for("nothing of that");
        until(&results, "searched", |results| {
            results.words() == "nothing of that"
        })
        .await;
        assert_eq!(results.n_items(), 0);

        let everything = files.path().join("all");
        let counts = service.export_all(&everything).await.unwrap();
        assert_eq!((counts.exported, counts.failed), (1, 0));
        let written = std::fs::read_to_string(everything.join("Water the roses.md")).unwrap();
        assert_eq!(written, "Water the roses");
        service.close(CLOSE_DEADLINE).await.unwrap();
    });
}
