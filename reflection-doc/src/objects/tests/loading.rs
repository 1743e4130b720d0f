// SPDX-License-Identifier: GPL-3.0-or-later
//! What there is to read while a text is made of its history.

use gio::subclass::prelude::ObjectSubclassIsExt;
use reflection_node::access::TopicId;

use super::*;
use crate::library::Library;

#[test]
fn the_text_of_last_time_is_there_to_be_read_before_loading_ends() {
    let folder = tempfile::tempdir().unwrap();
    let key = AuthorKey::generate();
    play(|| async {
        let service = service(folder.path(), &key, Mode::Offline).await;
        let document = service.create_document().await.unwrap();
        is_open(&document).await;
        document.insert_text(0, "# Títle\n\nשלום 👋🏽").unwrap();
        document.close();
        until(&document, "closed", |document| {
            document.phase() == DocumentPhase::Closed
        })
        .await;
        let (library, topic) = document.imp().handles().unwrap();
        is_kept(&library, &topic).await;

        // Loading cannot end as long as somebody else in this process writes in the document.
        let held = library.open_document(&topic).await.unwrap();
        document.open();
        until(&document, "there to be read", Document::has_cached_text).await;
        assert_eq!(document.phase(), DocumentPhase::Opening);
        assert_eq!(
            document.cached_text().as_deref(),
            Some("# Títle\n\nשלום 👋🏽")
        );
        assert_eq!(document.text(), "", "nothing that could be edited");
        assert!(matches!(
            document.insert_text(0, "x"),
            Err(EditRefused::NotOpen)
        ));

        drop(held);
        until(&document, "open", |document| {
            document.phase() == DocumentPhase::Open
        })
        .await;
        assert_eq!(document.text(), "# Títle\n\nשלום 👋🏽");
        assert!(!document.has_cached_text());
        assert_eq!(document.cached_text(), None);
        drop(library);
        service.close(CLOSE_DEADLINE).await.unwrap();
    });
}

/// Waits until the text that was let go is in the cache.
async fn is_kept(library: &Library, topic: &TopicId) {
    let kept = async {
        loop {
            let cached = library.cached_text(topic).await.unwrap();
            if cached.is_some_and(|cached| cached.is_fresh) {
                return;
            }
            glib::timeout_future(Duration::from_millis(5)).await;
        }
    };
    let in_time = glib::future_with_timeout(DEADLINE, kept).await;
    assert!(in_time.is_ok(), "the text is not kept");
}
