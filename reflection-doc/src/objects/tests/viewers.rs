// SPDX-License-Identifier: GPL-3.0-or-later
//! Several that show one document at once.

use super::*;

/// W8: an edit is announced where a second one shows the text, and it is announced once; alone,
/// nothing that is typed comes back. The text stays for as long as anybody shows it.
#[test]
fn what_is_typed_is_announced_to_others_who_show_the_text() {
    let folder = tempfile::tempdir().unwrap();
    play(|| async {
        let service = service(folder.path(), &AuthorKey::generate(), Mode::Offline).await;
        let document = service.create_document().await.unwrap();
        is_open(&document).await;
        let other = mirror(&document);
        let groups = Rc::new(RefCell::new(Vec::new()));
        let heard = groups.clone();
        document.connect_changed(move |_, by_others| heard.borrow_mut().push(by_others));
        document.insert_text(0, "alone").unwrap();
        assert!(other.borrow().is_empty() && groups.borrow().is_empty());

        other.borrow_mut().extend("alone".chars());
        document.open();
        document.insert_text(5, " 🎉 שלום").unwrap();
        document.delete_range(0, 2).unwrap();
        assert!(document.insert_text(99, "beyond").is_err());
        assert_eq!(other.borrow().iter().collect::<String>(), "one 🎉 שלום");
        assert_eq!(*groups.borrow(), [false, false]);
        document.undo();
        assert_eq!(other.borrow().iter().collect::<String>(), document.text());
        assert_eq!(*groups.borrow(), [false, false, false]);

        document.close();
        assert_eq!(document.phase(), DocumentPhase::Open);
        document.insert_text(0, "again ").unwrap();
        assert_eq!(groups.borrow().len(), 3, "nobody else shows it");
        document.select(Selection::caret(3));
        assert_eq!(document.last_caret(), 3, "where somebody is");
        document.left_at(1).await;
        document.close();
        until(&document, "let go", |document| {
            document.phase() == DocumentPhase::Closed
        })
        .await;
        assert_eq!(document.last_caret(), 1, "where somebody was");
        service.close(CLOSE_DEADLINE).await.unwrap();
    });
}
