// SPDX-License-Identifier: GPL-3.0-or-later
//! One person and one text: keys, finding, looking at it in other ways.

use adw::prelude::*;
use gtk::{gdk, gio, glib};
use reflection_doc::objects::Document;

use super::{Desk, button, everything, says, until};
use crate::page::{DocumentPage, TextView};
use crate::preferences::settings;

const PLAIN: gdk::ModifierType = gdk::ModifierType::empty();
const CONTROL: gdk::ModifierType = gdk::ModifierType::CONTROL_MASK;

/// A key that the editor takes before GTK does; `false` where it leaves it to GTK.
pub(super) fn press_key(editor: &TextView, key: gdk::Key, modifiers: gdk::ModifierType) -> bool {
    let controllers = editor.observe_controllers();
    let keys = controllers.iter::<glib::Object>().flatten();
    let keys = keys.filter_map(|controller| controller.downcast::<gtk::EventControllerKey>().ok());
    let code = glib::translate::IntoGlib::into_glib(key);
    keys.filter(|keys| keys.propagation_phase() == gtk::PropagationPhase::Capture)
        .any(|keys| keys.emit_by_name("key-pressed", &[&code, &0_u32, &modifiers]))
}

/// The button for menus goes down over a place of the text.
fn right_click(editor: &TextView, offset: i32) {
    let place = editor.iter_location(&editor.text_buffer().iter_at_offset(offset));
    let (x, y) =
        editor.buffer_to_window_coords(gtk::TextWindowType::Widget, place.x(), place.y() + 1);
    let controllers = editor.observe_controllers();
    let clicks = controllers.iter::<glib::Object>().flatten();
    let clicks = clicks.filter_map(|found| found.downcast::<gtk::GestureClick>().ok());
    for click in clicks.filter(|click| {
        matches!(click.button(), 0 | gdk::BUTTON_SECONDARY)
            && click.propagation_phase() == gtk::PropagationPhase::Capture
    }) {
        click.emit_by_name::<()>("pressed", &[&1_i32, &f64::from(x), &f64::from(y)]);
    }
}

/// Whether a menu would offer this.
fn can(editor: &TextView, action: &str) -> bool {
    let menu = gio::Menu::new();
    menu.append(Some("words"), Some(action));
    let popover = gtk::PopoverMenu::from_model(Some(&menu));
    popover.set_parent(editor);
    let items = super::below(&popover, |_| true);
    let is_sensitive = items
        .iter()
        .find(|item| item.css_name() == "modelbutton")
        .is_some_and(WidgetExt::is_sensitive);
    popover.unparent();
    is_sensitive
}

fn type_text(editor: &TextView, text: &str) {
    assert!(
        editor
            .text_buffer()
            .insert_interactive_at_cursor(text, true)
    );
}

fn act(editor: &TextView, action: &str) {
    WidgetExt::activate_action(editor, action, None).unwrap();
}

fn text(editor: &TextView) -> String {
    editor.text_buffer().shown_text()
}

fn opened(desk: &Desk, text: &str) -> (Document, TextView) {
    let document = desk.document(text);
    desk.window.open_document(&document);
    let editor = desk.editor(&document);
    (document, editor)
}

/// E5, W5: lists go on, tasks are ticked, marks are put around what is selected; undo takes back
/// each step with caret and selection.
#[gtk::test]
fn keys_write_markdown_and_undo_takes_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (document, editor) = opened(&desk, "- one");
    editor.go_to_range(&(5..5));
    assert!(press_key(&editor, gdk::Key::Return, PLAIN));
    type_text(&editor, "zwei 🎉");
    assert_eq!(text(&editor), "- one\n- zwei 🎉");
    assert!(press_key(&editor, gdk::Key::Tab, PLAIN));
    assert!(text(&editor).starts_with("- one\n ") && text(&editor).ends_with("- zwei 🎉"));
    assert!(press_key(
        &editor,
        gdk::Key::ISO_Left_Tab,
        gdk::ModifierType::SHIFT_MASK
    ));
    assert_eq!(text(&editor), "- one\n- zwei 🎉");

    editor.go_to_range(&(8..12));
    act(&editor, "text.bold");
    assert_eq!(text(&editor), "- one\n- **zwei** 🎉");
    assert!(press_key(&editor, gdk::Key::z, CONTROL));
    assert_eq!(text(&editor), "- one\n- zwei 🎉");
    let (from, to) = editor.text_buffer().selection_bounds().unwrap();
    assert_eq!(
        (from.offset(), to.offset()),
        (8, 12),
        "it is selected as before"
    );
    assert!(press_key(&editor, gdk::Key::y, CONTROL));
    let (from, to) = editor.text_buffer().selection_bounds().unwrap();
    assert_eq!((from.offset(), to.offset()), (10, 14), "and so again");
    // As from the menu of the text, more than once.
    let from_menu = |action: &str| {
        press_key(&editor, gdk::Key::Menu, PLAIN);
        act(&editor, action);
    };
    from_menu("text.undo");
    assert_eq!(text(&editor), "- one\n- zwei 🎉");
    right_click(&editor, 3);
    assert!(can(&editor, "text.undo") && can(&editor, "text.redo"));
    act(&editor, "text.undo");
    assert_eq!(text(&editor), "- one\n    - zwei 🎉");
    from_menu("text.redo");
    from_menu("text.redo");
    assert_eq!(text(&editor), "- one\n- **zwei** 🎉");
    while document.can_undo() {
        assert!(press_key(&editor, gdk::Key::z, CONTROL));
    }
    assert_eq!(text(&editor), "- one");

    let (_, editor) = opened(&desk, "- [ ] milk");
    editor.go_to_range(&(10..10));
    assert!(press_key(&editor, gdk::Key::Return, CONTROL));
    assert_eq!(text(&editor), "- [x] milk");
    assert!(press_key(&editor, gdk::Key::KP_Enter, CONTROL));
    assert_eq!(text(&editor), "- [ ] milk");
    act(&editor, "text.tick");
    assert_eq!(text(&editor), "- [x] milk");

    right_click(&editor, 8);
    act(&editor, "text.tick-here");
    assert_eq!(text(&editor), "- [ ] milk");

    let (document, editor) = opened(&desk, "1. one\n2. two\n3. three");
    editor.go_to_range(&(6..6));
    assert!(press_key(&editor, gdk::Key::Return, PLAIN));
    assert_eq!(text(&editor), "1. one\n2. \n3. two\n4. three");
    assert_eq!(document.text(), text(&editor), "the document has it, too");
    assert!(press_key(&editor, gdk::Key::z, CONTROL));
    assert_eq!(text(&editor), "1. one\n2. two\n3. three");
    desk.close();
}

/// E3: found and counted, gone through, replaced one by one and all at once.
#[gtk::test]
fn words_are_found_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (document, editor) = opened(&desk, "Öl and öl and OEL and öl");
    act(&editor, "page.replace");
    let entries = || -> Vec<gtk::Entry> {
        let widgets = everything(&desk.window).into_iter();
        widgets
            .filter_map(|widget| widget.downcast().ok())
            .collect()
    };
    until("both entries are there", || entries().len() == 2);
    let (find, replace) = (entries()[0].clone(), entries()[1].clone());
    find.set_text("öl");
    until("they are counted", || says(&desk.window, "1 of 3"));
    act(&editor, "page.find-next");
    until("the next one", || says(&desk.window, "2 of 3"));
    act(&editor, "page.find-previous");
    until("the one before", || says(&desk.window, "1 of 3"));
    replace.set_text("oil");
    WidgetExt::activate_action(&find, "find.replace", None).unwrap();
    assert_eq!(text(&editor), "oil and öl and OEL and öl");
    WidgetExt::activate_action(&find, "find.match-case", None).unwrap();
    WidgetExt::activate_action(&find, "find.replace-all", None).unwrap();
    assert_eq!(text(&editor), "oil and oil and OEL and oil");
    assert_eq!(document.text(), text(&editor), "the document has it, too");
    until("it is told how many", || says(&desk.window, "2 replaced"));
    assert!(!find.has_css_class("error"), "which is no error");
    WidgetExt::activate_action(&find, "find.regular-expression", None).unwrap();
    find.set_text("O.L");
    until("expressions work", || says(&desk.window, "1 of 1"));
    find.set_text("(");
    until("a wrong one is said", || says(&desk.window, "Not valid"));
    WidgetExt::activate_action(&find, "find.regular-expression", None).unwrap();
    WidgetExt::activate_action(&find, "find.match-case", None).unwrap();
    WidgetExt::activate_action(&find, "find.close", None).unwrap();
    desk.close();
}

/// Presses Escape where nothing else has a use for it.
fn press_escape(editor: &TextView) -> bool {
    let page = editor.ancestor(DocumentPage::static_type()).unwrap();
    let controllers = page.observe_controllers();
    let keys = controllers.iter::<glib::Object>().flatten();
    let mut keys = keys.filter_map(|found| found.downcast::<gtk::EventControllerKey>().ok());
    let code = glib::translate::IntoGlib::into_glib(gdk::Key::Escape);
    keys.any(|keys| keys.emit_by_name("key-pressed", &[&code, &0_u32, &PLAIN]))
}

/// E3: what is selected is looked for, and what is typed takes its place; Escape leaves it from
/// wherever the keyboard is.
#[gtk::test]
fn what_is_selected_is_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (_, editor) = opened(&desk, "a word and a word");
    let bar = || {
        let mut widgets = everything(&desk.window).into_iter();
        widgets.find_map(|widget| widget.downcast::<gtk::Entry>().ok())
    };
    for action in ["page.find", "page.replace"] {
        editor.grab_focus();
        editor.go_to_range(&(13..17));
        act(&editor, action);
        until("the bar is there", || bar().is_some());
        let find = bar().unwrap();
        until("the place is told", || says(&desk.window, "2 of 2"));
        // Selections are told to other programs, which takes its time.
        super::frames(&desk.window, 5);
        assert_eq!(find.text(), "word");
        assert_eq!(find.selection_bounds(), Some((0, 4)), "by {action}");
        let (from, to) = editor.text_buffer().selection_bounds().unwrap();
        assert_eq!((from.offset(), to.offset()), (13, 17));
        editor.grab_focus();
        assert!(press_escape(&editor));
        until("the bar is gone", || bar().is_none());
        assert!(!press_escape(&editor), "there is nothing to leave");
    }
    act(&editor, "page.preview");
    until("the preview is there", || desk.text_view().is_none());
    assert!(press_escape(&editor));
    until("the text is back", || {
        desk.text_view().is_some_and(|editor| editor.has_focus())
    });
    desk.close();
}

/// E6, E7, E11: counted, looked at with its marks carried out, gone through by its headings.
#[gtk::test]
fn a_text_is_counted_previewed_and_outlined() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (_, editor) = opened(&desk, "# First\none two\n\n## Second\nthree **four**\n");
    editor.go_to_range(&(8..15));
    act(&editor, "page.statistics");
    until("all characters are counted", || says(&desk.window, "37"));
    until("those that are selected, too", || says(&desk.window, "7"));
    desk.window.visible_dialog().unwrap().force_close();

    act(&editor, "page.preview");
    let preview = || {
        let mut widgets = everything(&desk.window).into_iter();
        widgets.find_map(|widget| widget.downcast::<crate::preview::PreviewView>().ok())
    };
    until("the preview is shown", || preview().is_some());
    let view: gtk::TextView = preview().unwrap().upcast();
    let buffer = view.buffer();
    let shown = buffer.text(&buffer.start_iter(), &buffer.end_iter(), false);
    assert!(
        shown.contains("three four") && !shown.contains("**"),
        "{shown}"
    );
    WidgetExt::activate_action(&view, "page.preview", None).unwrap();
    until("the text is back", || desk.text_view().is_some());

    act(&editor, "page.outline");
    let second = || {
        everything(&desk.window).into_iter().find_map(|widget| {
            let row = widget.downcast::<gtk::ListBoxRow>().ok()?;
            says(&row, "Second").then_some(row)
        })
    };
    until("the headings are listed", || second().is_some());
    let row = second().unwrap();
    let list = row.parent().and_downcast::<gtk::ListBox>().unwrap();
    list.emit_by_name::<()>("row-activated", &[&row]);
    until("the caret is there", || editor.caret() == 17);
    desk.close();
}

/// E4, E8: size and looks of the text are settings, and so are remembered.
#[gtk::test]
fn looks_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let (_, editor) = opened(&desk, "words");
    let application = super::application();
    ActionGroupExt::activate_action(&application, "zoom-in", None);
    assert_eq!(settings().int("zoom-percent"), 110);
    ActionGroupExt::activate_action(&application, "zoom-reset", None);
    assert_eq!(settings().int("zoom-percent"), 100);
    settings().set_boolean("wrap-lines", false).unwrap();
    settings().set_boolean("show-line-numbers", true).unwrap();
    until("the editor follows", || {
        editor.wrap_mode() == gtk::WrapMode::None
            && sourceview5::prelude::ViewExt::shows_line_numbers(&editor)
    });
    desk.close();
    let desk = Desk::open(folder.path());
    until("the document is shown again", || desk.text_view().is_some());
    let editor = desk.text_view().unwrap();
    assert_eq!(editor.wrap_mode(), gtk::WrapMode::None);
    for key in ["wrap-lines", "show-line-numbers"] {
        settings().reset(key);
    }
    desk.close();
}

/// H1, H2, H3: what the text was is listed and shown, made so again, and copied into a file. There
/// is nothing to slide through where there is one version.
#[gtk::test]
fn a_version_is_looked_at_restored_and_copied() {
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let desk = Desk::open(folder.path());
    let (document, editor) = opened(&desk, "# Plan\nas it was");
    act(&editor, "page.history");
    until("the version is listed", || {
        desk.window.visible_dialog().is_some_and(|dialog| {
            everything(&dialog)
                .iter()
                .any(ObjectExt::is::<adw::ActionRow>)
        })
    });
    let dialog = desk.window.visible_dialog().unwrap();
    let slider = everything(&dialog)
        .into_iter()
        .any(|widget| widget.is::<gtk::Scale>());
    assert!(!slider, "one version needs no slider");
    let shown = || {
        everything(&dialog).into_iter().find_map(|widget| {
            let buffer = widget.downcast::<gtk::TextView>().ok()?.buffer();
            Some(buffer.text(&buffer.start_iter(), &buffer.end_iter(), false))
        })
    };
    until("its text is shown", || {
        shown().as_deref() == Some("# Plan\nas it was")
    });
    let copy = files.path().join("copy.md");
    crate::components::file_chooser::answers::will_be(&[&copy]);
    let within = everything(&dialog)
        .into_iter()
        .find(ObjectExt::is::<gtk::TextView>)
        .unwrap();
    WidgetExt::activate_action(&within, "history.save", None).unwrap();
    until("it is copied", || says(&dialog, "Copy Saved"));
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), "# Plan\nas it was");

    editor.text_buffer().set_text("something else");
    assert_eq!(document.text(), "something else");
    until("it can be brought back", || {
        button(&dialog, "Restore").is_some_and(|restore| restore.is_sensitive())
    });
    WidgetExt::activate_action(&within, "history.restore", None).unwrap();
    until("it is what it was", || {
        document.text() == "# Plan\nas it was"
    });
    assert_eq!(text(&editor), "# Plan\nas it was");
    assert!(press_key(&editor, gdk::Key::z, CONTROL));
    assert_eq!(text(&editor), "something else", "undo takes it back");
    desk.close();
}
