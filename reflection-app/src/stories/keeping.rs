// SPDX-License-Identifier: GPL-3.0-or-later
//! Documents that come from files, go into files, and go for good.

use std::fs;
use std::path::Path;

use gtk::prelude::*;
use gtk::{gdk, gio, glib};

use reflection_doc::objects::Document;

use super::{Desk, button, everything, run, says, until};
use crate::components::file_chooser::answers;
use crate::library::LibraryPage;

/// Lets go of something over a widget, as the desktop tells it.
fn drop_on(widget: &impl IsA<gtk::Widget>, what: &glib::Value) {
    let mut place = Some(widget.clone().upcast::<gtk::Widget>());
    while let Some(present) = place {
        let controllers = present.observe_controllers();
        let targets = controllers.iter::<glib::Object>().flatten();
        let taker = targets
            .filter_map(|target| target.downcast::<gtk::DropTarget>().ok())
            .find(|target| target.types().contains(&what.type_()));
        if let Some(taker) = taker {
            let what = glib::BoxedValue(what.clone());
            let is_taken: bool = taker.emit_by_name("drop", &[&what, &20_f64, &20_f64]);
            assert!(is_taken);
            return;
        }
        place = present.parent();
    }
    panic!("nothing takes it");
}

fn library_page(desk: &Desk) -> LibraryPage {
    let mut widgets = everything(&desk.window).into_iter();
    widgets.find_map(|widget| widget.downcast().ok()).unwrap()
}

fn titles(desk: &Desk) -> Vec<String> {
    let documents = desk.service().documents().to_vec();
    let mut titles: Vec<_> = documents.iter().map(Document::title).collect();
    titles.sort();
    titles
}

fn file(folder: &Path, name: &str, contents: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, contents).unwrap();
    path
}

/// L7: files that are chosen or dropped become documents, and what is no text is refused by name.
#[gtk::test]
fn files_become_documents() {
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let desk = Desk::open(folder.path());
    let one = file(files.path(), "one.md", "# Één\nvan één".as_bytes());
    answers::will_be(&[&one]);
    desk.act("win.import", None);
    until("the chosen file is a document", || titles(&desk) == ["Één"]);
    let imported = desk.service().documents().to_vec().remove(0);
    assert_eq!(
        desk.editor(&imported).text_buffer().shown_text(),
        "# Één\nvan één"
    );

    let two = file(files.path(), "two.txt", b"Two\nof two");
    let three = file(files.path(), "three.md", b"# Three");
    let picture = file(
        files.path(),
        "picture.png",
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0",
    );
    let dropped = [two, three, picture].map(gio::File::for_path);
    let list = gdk::FileList::from_array(&dropped);
    drop_on(&library_page(&desk), &list.to_value());
    until("the dropped files are documents", || {
        titles(&desk) == ["Three", "Two", "Één"]
    });
    until("the picture is refused", || {
        says(&desk.window, "“picture.png”: it is not a text")
    });
    button(&desk.window, "Close").unwrap().emit_clicked();
    desk.close();
}

/// L7: a text that is dropped onto the list becomes a document; one that is dropped onto the page
/// is the page's.
#[gtk::test]
fn a_dropped_text_becomes_a_document() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    desk.document("# First");
    until("the library is shown", || {
        everything(&desk.window)
            .iter()
            .any(ObjectExt::is::<LibraryPage>)
    });
    drop_on(
        &library_page(&desk),
        &"Dropped 🎉\nfrom elsewhere".to_value(),
    );
    until("it is a document", || {
        titles(&desk) == ["Dropped 🎉", "First"]
    });
    desk.close();
}

/// L7: one document, a past version of it, or all of them become files.
#[gtk::test]
fn documents_become_files() {
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let desk = Desk::open(folder.path());
    let plan = desk.document("# Plan\nשלום **you**");
    desk.document("# Other");
    let id = plan.id().to_variant();
    let page = files.path().join("plan.html");
    answers::will_be(&[&page]);
    desk.act("win.export-document", Some(&id));
    until("the page is written", || page.exists());
    until("it says so", || says(&desk.window, "Document exported"));
    let html = fs::read_to_string(&page).unwrap();
    assert!(
        html.contains("<h1>Plan</h1>") && html.contains("<strong>you</strong>"),
        "{html}"
    );

    let all = files.path().join("all");
    fs::create_dir(&all).unwrap();
    answers::will_be(&[&all]);
    desk.act("win.export-all", None);
    until("it says so", || says(&desk.window, "2 documents exported"));
    let plan = fs::read_to_string(all.join("Plan.md")).unwrap();
    assert_eq!(plan, "# Plan\nשלום **you**");
    assert_eq!(fs::read_dir(&all).unwrap().count(), 2);

    let nowhere = files.path().join("not/there.md");
    answers::will_be(&[&nowhere]);
    desk.act("win.export-document", Some(&id));
    until("it says what is wrong", || {
        says(&desk.window, "The file could not be written")
    });
    desk.close();
}

/// L3, issue: what was done last can be taken back at once, however much was done just before; and
/// what was done before that, afterwards.
#[gtk::test]
fn each_of_several_deletions_can_be_undone() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let all = ["Away", "Gone", "Lost", "Here"].map(|title| desk.document(&format!("# {title}")));
    let id = |place: usize| all[place].id().to_variant();
    let undo = |told: &str| {
        until(told, || says(&desk.window, told));
        // One toast may still be on its way out while the next is on its way in.
        let buttons = everything(&desk.window).into_iter();
        let mut buttons = buttons.filter_map(|widget| widget.downcast::<gtk::Button>().ok());
        let undo = buttons.find(|button| {
            let is_undo = button.label().as_deref() == Some("Undo");
            is_undo && says(&button.parent().unwrap(), told)
        });
        undo.unwrap().emit_clicked();
    };
    desk.act("win.archive-document", Some(&id(0)));
    until("it is put away", || says(&desk.window, "“Away” archived"));
    desk.act("win.delete-document", Some(&id(1)));
    until("the deletion is told at once", || {
        says(&desk.window, "“Gone” deleted")
    });
    desk.act("win.delete-document", Some(&id(2)));
    undo("“Lost” deleted");
    until("it is back", || titles(&desk) == ["Away", "Here", "Lost"]);
    undo("“Gone” deleted");
    until("the one before is, too", || {
        titles(&desk) == ["Away", "Gone", "Here", "Lost"]
    });
    assert!(all[0].is_archived(), "that is another thing to undo");
    desk.close();
}

/// L3: a deletion can be undone for a while; after that nothing of the document is left.
#[gtk::test]
fn a_deletion_can_be_undone_and_is_thorough_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document = desk.document("# Gone\nwords nobody else has");
    let topic = document.topic().unwrap();
    desk.window.open_document(&document);
    desk.editor(&document);
    let id = document.id().to_variant();
    desk.act("win.delete-document", Some(&id));
    until("it is out of the list", || titles(&desk).is_empty());
    until("it can be undone", || says(&desk.window, "“Gone” deleted"));
    button(&desk.window, "Undo").unwrap().emit_clicked();
    until("it is back", || titles(&desk) == ["Gone"]);
    let back = desk.listed(&topic);
    let shown = desk.editor(&back).text_buffer().shown_text();
    assert_eq!(shown, "# Gone\nwords nobody else has");

    desk.act("win.delete-document", Some(&id));
    until("it can be undone again", || {
        says(&desk.window, "“Gone” deleted")
    });
    let close = everything(&desk.window).into_iter().find_map(|widget| {
        let button = widget.downcast::<gtk::Button>().ok()?;
        let is_close = button.icon_name().as_deref() == Some("window-close-symbolic");
        (is_close && button.has_css_class("circular")).then_some(button)
    });
    close.unwrap().emit_clicked();
    let library = desk.service().library().unwrap();
    until("nothing is stored of it", || {
        run(library.node().documents()).unwrap().is_empty()
    });
    desk.close();
    let is_left = fs::read_dir(folder.path()).unwrap().flatten().any(|entry| {
        let bytes = fs::read(entry.path()).unwrap_or_default();
        let wanted = b"words nobody else has";
        bytes.windows(wanted.len()).any(|bytes| bytes == wanted)
    });
    assert!(!is_left, "the words are still on the disk");
}
