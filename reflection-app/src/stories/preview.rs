// SPDX-License-Identifier: GPL-3.0-or-later
//! The text with its marks carried out: what can be done there, and what stays in place.

use adw::prelude::*;
use gtk::{gdk, glib};
use reflection_doc::objects::Document;
use reflection_node::Mode;
use reflection_node::access::Access;

use super::together::{Other, code, join, joined, take_part};
use super::{Desk, everything, frames, until};
use crate::preview::PreviewView;

const PLAIN: gdk::ModifierType = gdk::ModifierType::empty();
const CONTROL: gdk::ModifierType = gdk::ModifierType::CONTROL_MASK;
/// How far what one reads may be from where it was, in pixels.
const DRIFT_MAX: i32 = 1;

fn previewed(desk: &Desk) -> PreviewView {
    let page = desk.text_view().unwrap();
    WidgetExt::activate_action(&page, "page.preview", None).unwrap();
    let preview = || {
        let mut widgets = everything(&desk.window).into_iter();
        widgets.find_map(|widget| widget.downcast::<PreviewView>().ok())
    };
    until("the preview is there", || preview().is_some());
    let preview = preview().unwrap();
    // Places are known once it is laid out.
    frames(&preview, 5);
    preview
}

fn shown(preview: &PreviewView) -> String {
    let buffer = preview.buffer();
    let text = buffer.text(&buffer.start_iter(), &buffer.end_iter(), false);
    text.trim_end().to_owned()
}

/// Where a character of the preview is on it.
fn point_of(preview: &PreviewView, offset: i32) -> (f64, f64) {
    let place = preview.iter_location(&preview.buffer().iter_at_offset(offset));
    let (x, y) = (
        place.x() + place.width() / 2,
        place.y() + place.height() / 2,
    );
    let (x, y) = preview.buffer_to_window_coords(gtk::TextWindowType::Widget, x, y);
    (x.into(), y.into())
}

/// The first button goes up over a place of the preview.
fn click(preview: &PreviewView, offset: i32) {
    let (x, y) = point_of(preview, offset);
    let controllers = preview.observe_controllers();
    let clicks = controllers.iter::<glib::Object>().flatten();
    let clicks = clicks.filter_map(|found| found.downcast::<gtk::GestureClick>().ok());
    for click in clicks.filter(|click| click.button() == gdk::BUTTON_PRIMARY) {
        click.emit_by_name::<()>("released", &[&1_i32, &x, &y]);
    }
}

/// A key that the preview takes; `false` where it leaves it.
fn press(preview: &PreviewView, key: gdk::Key, modifiers: gdk::ModifierType) -> bool {
    let controllers = preview.observe_controllers();
    let keys = controllers.iter::<glib::Object>().flatten();
    let keys = keys.filter_map(|found| found.downcast::<gtk::EventControllerKey>().ok());
    let code = glib::translate::IntoGlib::into_glib(key);
    keys.filter(|keys| keys.propagation_phase() == gtk::PropagationPhase::Capture)
        .any(|keys| keys.emit_by_name("key-pressed", &[&code, &0_u32, &modifiers]))
}

fn offset_of(preview: &PreviewView, words: &str) -> i32 {
    let shown = shown(preview);
    let before = &shown[..shown.find(words).unwrap()];
    i32::try_from(before.chars().count()).unwrap()
}

/// E5, E6: a box is ticked where it is shown, by a click or a key, and undo takes that back.
#[gtk::test]
fn boxes_are_ticked_in_the_preview() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let document =
        desk.document("ünö 🎉\n\n- [ ] milk\n- [x] eggs\n\n[here](https://example.org)\n");
    desk.window.open_document(&document);
    let editor = desk.editor(&document);
    editor.go_to_range(&(10..10));
    let preview = previewed(&desk);
    assert_eq!(shown(&preview), "ünö 🎉\n\n• ☐ milk\n• ☑ eggs\n\nhere");

    click(&preview, offset_of(&preview, "milk") + 1);
    assert!(document.text().contains("- [ ] milk"), "words are no boxes");
    click(&preview, offset_of(&preview, "☐ milk"));
    assert!(document.text().contains("- [x] milk\n- [x] eggs"));
    assert!(shown(&preview).contains("• ☑ milk\n• ☑ eggs"));
    click(&preview, offset_of(&preview, " eggs"));
    assert!(document.text().contains("- [x] milk\n- [ ] eggs"));
    assert_eq!(editor.caret(), 10, "the caret stays where it was");

    assert!(press(&preview, gdk::Key::Tab, PLAIN));
    assert!(press(&preview, gdk::Key::space, PLAIN));
    assert!(document.text().contains("- [ ] milk\n- [ ] eggs"));
    assert!(
        press(&preview, gdk::Key::Return, PLAIN),
        "it is still selected"
    );
    assert!(document.text().contains("- [x] milk\n- [ ] eggs"));
    assert!(press(&preview, gdk::Key::Tab, PLAIN));
    assert!(press(&preview, gdk::Key::space, PLAIN));
    assert!(document.text().contains("- [x] milk\n- [x] eggs"));
    assert!(press(&preview, gdk::Key::Tab, PLAIN), "the link comes next");
    assert!(
        !press(&preview, gdk::Key::space, PLAIN),
        "which Space leaves"
    );

    assert!(press(&preview, gdk::Key::z, CONTROL));
    assert!(
        shown(&preview).contains("☑ milk\n• ☐ eggs"),
        "each tick is taken back"
    );
    for _ in 0..4 {
        assert!(press(&preview, gdk::Key::z, CONTROL));
    }
    assert_eq!(shown(&preview), "ünö 🎉\n\n• ☐ milk\n• ☑ eggs\n\nhere");
    assert!(!document.can_undo());
    desk.close();
}

/// E6, A2: nobody ticks in what can only be read.
#[gtk::test]
fn a_reader_ticks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = Other::begin();
    let hers = anna.document("- [ ] milk\n");
    join(&desk, &code(&hers, Access::Read));
    let document = joined(&desk);
    desk.editor(&document);
    until("the text is there", || document.text() == "- [ ] milk\n");
    let preview = previewed(&desk);
    assert_eq!(shown(&preview), "• ☐ milk");
    click(&preview, 2);
    assert!(!press(&preview, gdk::Key::Tab, PLAIN), "nothing to go to");
    preview.buffer().select_range(
        &preview.buffer().iter_at_offset(3),
        &preview.buffer().iter_at_offset(2),
    );
    assert!(!press(&preview, gdk::Key::space, PLAIN));
    assert_eq!(document.text(), "- [ ] milk\n");
    // Her ticks are seen.
    hers.delete_range(3, 1).unwrap();
    hers.insert_text(3, "x").unwrap();
    until("hers is shown", || shown(&preview) == "• ☑ milk");
    anna.leave();
    desk.close();
}

/// What is at the upper edge of the preview, and how far below it that begins.
struct Reading {
    preview: PreviewView,
    mark: gtk::TextMark,
    height: i32,
}

impl Reading {
    fn of(preview: &PreviewView) -> Self {
        let (top, _) = preview.line_at_y(preview.visible_rect().y());
        let mark = preview.buffer().create_mark(None, &top, false);
        let mut reading = Self {
            preview: preview.clone(),
            mark,
            height: 0,
        };
        reading.height = reading.height();
        reading
    }

    fn height(&self) -> i32 {
        let place = self.preview.buffer().iter_at_mark(&self.mark);
        self.preview.iter_location(&place).y() - self.preview.visible_rect().y()
    }

    fn line(&self) -> String {
        let start = self.preview.buffer().iter_at_mark(&self.mark);
        let mut end = start;
        end.forward_to_line_end();
        start.slice(&end).into()
    }
}

/// Whether what was written is in the preview as often as in the text.
fn is_shown(preview: &PreviewView, hers: &Document) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|sign: char| !sign.is_alphanumeric());
        words
            .filter(|word| !word.is_empty())
            .map(Into::into)
            .collect()
    };
    words(&shown(preview)) == words(&hers.text())
}

/// E6: others who write above and below leave what one reads in the preview where it is.
#[gtk::test]
fn what_is_read_in_the_preview_stays_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = Other::begin();
    let paragraphs =
        (0..120).map(|number| format!("Paragraph {number} of **many**, which is read.\n\n"));
    let hers = anna.document(&format!("# Long\n\n{}", paragraphs.collect::<String>()));
    take_part(&desk, &hers);
    let preview = previewed(&desk);
    let adjustment = preview.vadjustment().unwrap();
    until("it is laid out", || adjustment.upper() > 3000.0);
    for scrolled in [1500, 1507, 1517, 1524] {
        scroll_to(&preview, scrolled.into());
        let reading = Reading::of(&preview);
        let line = reading.line();
        assert!(!line.is_empty(), "at {scrolled}");
        write_around(&reading, &hers, scrolled);
    }
    anna.leave();
    desk.close();
}

/// Scrolls as the wheel does.
fn scroll_to(preview: &PreviewView, value: f64) {
    let adjustment = preview.vadjustment().unwrap();
    while (adjustment.value() - value).abs() > 1.0 {
        let step = (value - adjustment.value()).clamp(-150.0, 150.0);
        adjustment.set_value(adjustment.value() + step);
        frames(preview, 2);
    }
    frames(preview, 5);
}

/// Above what is read, right before it, and above and below at once.
fn write_around(reading: &Reading, hers: &Document, scrolled: i32) {
    let (line, text) = (reading.line(), hers.text());
    let marked = line.split(" of").next().unwrap();
    let before = &text[..text.find(&format!("{marked} ")).unwrap()];
    let at = before.chars().count();
    let end = text.chars().count();
    let cases: [&[(usize, &str)]; 4] = [
        &[(at, "Right before.\n\n")],
        &[(8, "Written above.\n\n")],
        &[
            (8, "* Above\n* and\n* once more\n\n"),
            (end, "and below.\n\n"),
        ],
        &[
            (2, "A heading above that is "),
            (end, "Once more below.\n\n"),
        ],
    ];
    for words in cases {
        for (at, text) in words {
            hers.insert_text(u32::try_from(*at).unwrap(), text).unwrap();
        }
        until("it is shown", || is_shown(&reading.preview, hers));
        frames(&reading.preview, 8);
        assert_eq!(reading.line(), line, "after {words:?}");
        let drift = reading.height() - reading.height;
        assert!(
            drift.abs() <= DRIFT_MAX,
            "at {scrolled}, {words:?}: moved by {drift}"
        );
    }
}
