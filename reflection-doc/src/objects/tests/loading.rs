// SPDX-License-Identifier: GPL-3.0-or-later
//! What there is to read, and to write in, while a text is made of its history.

use gio::subclass::prelude::ObjectSubclassIsExt;
use reflection_node::access::TopicId;

use super::*;
use crate::library::Library;

#[test]
fn the_text_of_last_time_takes_what_is_typed_before_loading_ends() {
    let folder = tempfile::tempdir().unwrap();
    let key = AuthorKey::generate();
    play(|| async {
        let service = service(folder.path(), &key, Mode::Offline).await;
        let document = service.create_document().await.unwrap();
        is_open(&document).await;
        document.insert_text(0, "# Títle\n\nשלום 👋🏽").unwrap();
        is_closed(&document).await;
        let (library, topic) = document.imp().handles().unwrap();
        is_kept(&library, &topic).await;

        // Loading cannot end as long as somebody else in this process writes in the document.
        let mut held = library.open_document(&topic).await.unwrap();
        document.open();
        until(&document, "there to be read", Document::has_cached_text).await;
        assert_eq!(document.phase(), DocumentPhase::Opening);
        assert_eq!(document.text(), "# Títle\n\nשלום 👋🏽");
        assert_eq!(document.save_state(), SaveState::Saved);
        document.select(Selection::caret(9));
        let screen = mirror(&document);
        type_text(&document, &screen, 9, "¡");
        type_text(&document, &screen, 0, "🎉");
        assert!(document.can_undo());
        document.undo().unwrap();
        type_text(&document, &screen, 10, "é");
        assert!(matches!(
            document.insert_text(99, "x"),
            Err(EditRefused::Engine(_))
        ));
        assert_eq!(document.text(), "# Títle\n\n¡éשלום 👋🏽");
        assert_eq!(document.save_state(), SaveState::Saving);
        // What is on the disk by then is newer than the text that is shown, and by the same person.
        held.engine.edit(2, 0, "ein ").unwrap();
        held.flush().await.unwrap();
        assert!(!library.cached_text(&topic).await.unwrap().unwrap().is_fresh);
        let flushed = futures_util::future::join(document.flush(), async { drop(held) });
        assert!(flushed.await.0, "what waits for loading is saved as well");

        let together = "# ein Títle\n\n¡éשלום 👋🏽";
        assert_eq!(document.phase(), DocumentPhase::Open);
        assert_eq!(document.text(), together);
        assert_eq!(screen.borrow().iter().collect::<String>(), together);
        assert!(!document.has_cached_text());
        is_saved(&document).await;
        drop(library);
        service.close(CLOSE_DEADLINE).await.unwrap();
    });
    play(|| async {
        let service = service(folder.path(), &key, Mode::Offline).await;
        let document = service.documents().to_vec().remove(0);
        is_open(&document).await;
        assert_eq!(document.text(), "# ein Títle\n\n¡éשלום 👋🏽");
        service.close(CLOSE_DEADLINE).await.unwrap();
    });
}

#[test]
fn what_is_taken_back_before_loading_ends_is_not_stored() {
    alone(async |service| {
        let document = service.create_document_of("as it was").await.unwrap();
        let library = service.library().unwrap();
        let held = library.open_document(&document.topic().unwrap()).await;
        document.open();
        until(&document, "there to be read", Document::has_cached_text).await;
        document.insert_text(9, "!").unwrap();
        document.undo().unwrap();
        assert_eq!(
            document.save_state(),
            SaveState::Saving,
            "that is not known yet"
        );
        drop(held);
        is_saved(&document).await;
        assert_eq!(document.phase(), DocumentPhase::Open);
        assert!(document.can_redo() && !document.can_undo());
    });
}

/// Waits until the text that was let go is in the cache.
async fn is_kept(library: &Library, topic: &TopicId) {
    let kept = async {
        while !library
            .cached_text(topic)
            .await
            .unwrap()
            .is_some_and(|cached| cached.is_fresh)
        {
            glib::timeout_future(Duration::from_millis(5)).await;
        }
    };
    let in_time = glib::future_with_timeout(DEADLINE, kept).await;
    assert!(in_time.is_ok(), "the text is not kept");
}
