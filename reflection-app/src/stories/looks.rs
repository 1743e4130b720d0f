// SPDX-License-Identifier: GPL-3.0-or-later
//! How the text looks, on the screen and on paper.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use adw::prelude::*;
use flate2::read::ZlibDecoder;
use gtk::{gdk, gio, glib, pango};

use super::writing::press_key;
use super::{Desk, below, everything, frames, run, until};
use crate::components::file_chooser::answers;
use crate::library::LibraryRow;
use crate::page::TextView;
use crate::preferences::{clock, settings};

const TEXT: &str = "# Heading\nplain words and **strong ones**\n";

fn opened(desk: &Desk, text: &str) -> TextView {
    let document = desk.document(text);
    desk.window.open_document(&document);
    desk.editor(&document)
}

/// A row of the preferences, which this opens.
fn preference<T: IsA<adw::PreferencesRow> + IsA<gtk::Widget>>(desk: &Desk, title: &str) -> T {
    if desk.window.visible_dialog().is_none() {
        desk.act("win.preferences", None);
    }
    until("the preferences are open", || {
        desk.window.visible_dialog().is_some()
    });
    let dialog = desk.window.visible_dialog().unwrap();
    let mut rows = below(&dialog, |_| true).into_iter();
    let row = rows.find_map(|widget| {
        let row = widget.downcast::<T>().ok()?;
        (row.upcast_ref::<adw::PreferencesRow>().title() == title).then_some(row)
    });
    row.unwrap()
}

fn height_at(editor: &TextView, offset: i32) -> i32 {
    let place = editor.text_buffer().iter_at_offset(offset);
    editor.iter_location(&place).height()
}

fn tags_at(editor: &TextView, offset: i32) -> Vec<gtk::TextTag> {
    editor.text_buffer().iter_at_offset(offset).tags()
}

/// E1: headings are larger, strong words are bold, in light and in dark as the system has it.
#[gtk::test]
fn marks_are_shown_in_light_and_dark() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let editor = opened(&desk, TEXT);
    until("the heading is larger", || {
        height_at(&editor, 3) > height_at(&editor, 12)
    });
    let strong = i32::try_from(TEXT.find("strong").unwrap()).unwrap();
    let is_bold = |at: i32| {
        let tags = tags_at(&editor, at);
        let mut weights = tags.iter().filter(|tag| tag.is_weight_set());
        weights.any(|tag| tag.weight() >= 600)
    };
    until("strong words are", || is_bold(strong + 2));
    assert!(!is_bold(12), "plain ones are not");
    let style = adw::StyleManager::default();
    let heading = || {
        let tags = tags_at(&editor, 3);
        let mut colours = tags.iter().filter(|tag| tag.is_foreground_set());
        colours.find_map(gtk::TextTag::foreground_rgba)
    };
    let light = (editor.color(), heading());
    style.set_color_scheme(adw::ColorScheme::ForceDark);
    until("it is dark", || {
        let text = editor.color();
        style.is_dark() && text != light.0 && (heading() != light.1 || light.1.is_none())
    });
    style.set_color_scheme(adw::ColorScheme::Default);
    until("it is light again", || (editor.color(), heading()) == light);
    desk.close();
}

/// E2: what is misspelt is marked, in the language that was chosen; nothing is where that is not
/// wanted.
#[gtk::test]
fn misspelt_words_are_marked_in_the_chosen_language() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    settings().set_string("spelling-language", "en_US").unwrap();
    let text = "right wrogn words, ein deutscher Satz\n";
    let editor = opened(&desk, text);
    let is_marked = |word: &str| {
        let at = i32::try_from(text.find(word).unwrap()).unwrap();
        let tags = tags_at(&editor, at + 1);
        let mut lines = tags.iter().filter(|tag| tag.is_underline_set());
        lines.any(|tag| {
            let line = tag.underline();
            matches!(line, pango::Underline::Error | pango::Underline::ErrorLine)
        })
    };
    until("English is checked", || {
        is_marked("wrogn") && is_marked("deutscher") && !is_marked("words")
    });
    let row: adw::ComboRow = preference(&desk, "Language");
    let languages = row.model().and_downcast::<gtk::StringList>().unwrap();
    let german = (0..languages.n_items())
        .find(|place| languages.string(*place).unwrap().starts_with("German"));
    row.set_selected(german.unwrap());
    until("German is checked", || {
        is_marked("words") && !is_marked("deutscher")
    });
    assert!(settings().string("spelling-language").starts_with("de_"));
    let switch: adw::SwitchRow = preference(&desk, "Check Spelling");
    switch.set_active(false);
    until("nothing is marked", || {
        ["wrogn", "words"].iter().all(|word| !is_marked(word))
    });
    for key in ["spelling-language", "check-spelling"] {
        settings().reset(key);
    }
    desk.close();
}

/// How many times a word is there, and how many of those are not marked as misspelt.
fn unmarked(editor: &TextView, word: &str) -> (usize, usize) {
    let text = editor.text_buffer().shown_text();
    let words = text.match_indices(word).map(|(at, _)| at);
    let is_marked = |at: &usize| {
        let tags = tags_at(editor, i32::try_from(at + 1).unwrap());
        tags.iter().any(gtk::TextTag::is_underline_set)
    };
    (
        words.clone().count(),
        words.filter(|at| !is_marked(at)).count(),
    )
}

/// E2, E3: a misspelt word stays marked when the caret comes to the one before, and words that undo
/// brings back after all of them were replaced are marked as before.
#[gtk::test]
fn misspelt_words_stay_marked() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    settings().set_string("spelling-language", "en_US").unwrap();
    let editor = opened(&desk, &"some wrogn words and more wrogn ones\n".repeat(30));
    let buffer = editor.text_buffer().clone();
    until("all are marked", || unmarked(&editor, "wrogn") == (60, 0));
    let checks = Rc::new(Cell::new(0));
    let counted = checks.clone();
    let handler = buffer.connect_remove_tag(move |_, tag, _, _| {
        counted.set(counted.get() + u32::from(tag.is_underline_set()));
    });
    // In “more”, before the second one of the second line.
    editor.go_to_range(&(60..60));
    // What is checked is first unmarked when it is asked for, and again when the answer is there.
    until("it is checked anew", || checks.get() >= 4);
    until("the word behind it is marked", || {
        unmarked(&editor, "wrogn") == (60, 0)
    });

    WidgetExt::activate_action(&editor, "page.replace", None).unwrap();
    let entries = || -> Vec<gtk::Entry> {
        let widgets = everything(&desk.window).into_iter();
        widgets
            .filter_map(|widget| widget.downcast().ok())
            .collect()
    };
    until("both entries are there", || entries().len() == 2);
    let (find, replace) = (entries()[0].clone(), entries()[1].clone());
    find.set_text("wrogn");
    replace.set_text("wrong");
    for place in [2, 60] {
        editor.go_to_range(&(place..place));
        WidgetExt::activate_action(&find, "find.replace-all", None).unwrap();
        assert_eq!(unmarked(&editor, "wrong"), (60, 60), "which is right");
        press_key(&editor, gdk::Key::z, gdk::ModifierType::CONTROL_MASK);
        assert_eq!(editor.caret(), place);
        until("all that came back are marked", || {
            unmarked(&editor, "wrogn") == (60, 0)
        });
    }
    buffer.disconnect(handler);
    WidgetExt::activate_action(&find, "find.close", None).unwrap();
    settings().reset("spelling-language");
    desk.close();
}

/// How many corrections a menu offers.
fn corrections(menu: &gio::MenuModel) -> usize {
    let of_item = |at: i32| {
        let action = menu.item_attribute_value(at, "action", Some(glib::VariantTy::STRING));
        let is_one = action.is_some_and(|action| action.str() == Some("spelling.correct"));
        let below = ["section", "submenu"].map(|link| menu.item_link(at, link));
        let below = below.iter().flatten().map(corrections).sum::<usize>();
        usize::from(is_one) + below
    };
    (0..menu.n_items()).map(of_item).sum()
}

/// E2, D3: the menu that a key opens is about the word under the caret, as the one is that the
/// pointer opens.
#[gtk::test]
fn the_menu_key_offers_corrections() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    settings().set_string("spelling-language", "en_US").unwrap();
    let editor = opened(&desk, "right wrogn words\n");
    until("it is checked", || {
        let tags = tags_at(&editor, 8);
        tags.iter().any(gtk::TextTag::is_underline_set)
    });
    let menu = editor.extra_menu().unwrap();
    for (place, is_wrong) in [(2, false), (8, true), (14, false)] {
        editor.go_to_range(&(place..place));
        press_key(&editor, gdk::Key::Menu, gdk::ModifierType::empty());
        assert_eq!(corrections(&menu) > 0, is_wrong, "at {place}");
    }
    settings().reset("spelling-language");
    desk.close();
}

/// E4: two fingers make the text larger, as far as they go apart, and that is remembered.
#[gtk::test]
fn two_fingers_change_the_size() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let editor = opened(&desk, TEXT);
    // A view that is not styled yet has a font all the same.
    frames(&editor, 10);
    let before = height_at(&editor, 12);
    let controllers = editor.observe_controllers();
    let mut pinches = controllers.iter::<glib::Object>().flatten();
    let pinch = pinches
        .find_map(|found| found.downcast::<gtk::GestureZoom>().ok())
        .unwrap();
    for (scale, percent) in [(1.5, 150), (2.0, 200), (9.0, 300), (0.1, 50)] {
        settings().set_int("zoom-percent", 100).unwrap();
        pinch.emit_by_name::<()>("begin", &[&None::<gdk::EventSequence>]);
        // Both are of the same touch: each says how far it is from the beginning.
        for part in [1.0, f64::midpoint(1.0, scale), scale] {
            pinch.emit_by_name::<()>("scale-changed", &[&part]);
        }
        assert_eq!(settings().int("zoom-percent"), percent);
    }
    until("it is smaller", || height_at(&editor, 12) < before);
    settings().reset("zoom-percent");
    until("it is as before", || height_at(&editor, 12) == before);
    desk.close();
}

/// E8: font, wrapping, line numbers and margin are preferences, and take effect at once. A line
/// that is not wrapped leaves the window as wide as it is.
#[gtk::test]
fn preferences_change_the_text_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    let editor = opened(&desk, &"a long line ".repeat(200));
    let family = || {
        let font = editor.pango_context().font_description();
        font.and_then(|font| font.family()).unwrap_or_default()
    };
    // A view that is not styled yet has a font all the same.
    frames(&editor, 10);
    let of_system = family();
    preference::<adw::SwitchRow>(&desk, "Document Font of the System").set_active(false);
    settings().set_string("font", "DejaVu Sans 20").unwrap();
    let row: adw::ActionRow = preference(&desk, "Custom Font");
    until("it is named", || {
        row.subtitle().as_deref() == Some("DejaVu Sans 20")
    });
    until("the font is another", || family() == "DejaVu Sans");
    assert_ne!(of_system, "DejaVu Sans");
    preference::<adw::SwitchRow>(&desk, "Document Font of the System").set_active(true);
    until(&format!("it is {of_system} again"), || {
        family() == of_system
    });

    let source: &sourceview5::View = editor.upcast_ref();
    preference::<adw::SwitchRow>(&desk, "Line Numbers").set_active(true);
    until("lines are numbered", || {
        sourceview5::prelude::ViewExt::shows_line_numbers(source)
    });
    preference::<adw::ExpanderRow>(&desk, "Right Margin").set_enable_expansion(true);
    until("the margin is shown", || {
        sourceview5::prelude::ViewExt::shows_right_margin(source)
    });
    desk.window.visible_dialog().unwrap().force_close();

    let (width, lines) = (desk.window.width(), editor.visible_rect());
    assert!(lines.width() <= width);
    preference::<adw::SwitchRow>(&desk, "Wrap Long Lines").set_active(false);
    let end = editor.text_buffer().end_iter();
    until("the line goes on", || {
        editor.iter_location(&end).x() > 2 * width
    });
    desk.window.visible_dialog().unwrap().force_close();
    until("the dialog is gone", || {
        desk.window.visible_dialog().is_none()
    });
    assert_eq!(desk.window.width(), width);
    assert!(editor.width() <= width, "the text is not wider");
    for key in [
        "use-system-font",
        "font",
        "wrap-lines",
        "show-line-numbers",
        "show-right-margin",
    ] {
        settings().reset(key);
    }
    desk.close();
}

const PORTAL: &str = "<node><interface name='org.freedesktop.portal.Settings'>
<method name='ReadOne'><arg type='s' direction='in'/><arg type='s' direction='in'/>
<arg type='v' direction='out'/></method>
</interface></node>";

/// Whether a text ends with a time of twenty-four hours.
fn ends_with_hours_and_minutes(text: &str) -> bool {
    let time = text.get(text.len().saturating_sub(5)..).unwrap_or_default();
    let digits = time.split(':').map(str::parse::<u8>);
    matches!(digits.collect::<Vec<_>>()[..], [Ok(hours), Ok(minutes)] if hours < 24 && minutes < 60)
}

/// E8: times are told as the clock of the desktop has them, also those that are on the screen when
/// it says so.
#[gtk::test]
fn times_are_told_as_the_desktop_tells_them() {
    let connection = run(gio::bus_get_future(gio::BusType::Session)).unwrap();
    let node = gio::DBusNodeInfo::for_xml(PORTAL).unwrap();
    let path = "/org/freedesktop/portal/desktop";
    let interface = &node.interfaces()[0];
    let object = connection
        .register_object(path, interface)
        .method_call(|_, _, _, _, _, arguments, call| {
            let key: (String, String) = arguments.get().unwrap();
            assert_eq!(key.1, "clock-format");
            call.return_value(Some(&("12h".to_variant(),).to_variant()));
        })
        .build()
        .unwrap();
    let is_there = Rc::new(Cell::new(false));
    let owned = is_there.clone();
    let owner = gio::bus_own_name_on_connection(
        &connection,
        "org.freedesktop.portal.Desktop",
        gio::BusNameOwnerFlags::NONE,
        move |_, _| owned.set(true),
        |_, _| {},
    );
    until("there is a portal", || is_there.get());
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open(folder.path());
    opened(&desk, "# Minutes\n");
    let is_told = |told: fn(&str) -> bool| {
        let mut widgets = everything(&desk.window).into_iter();
        widgets.any(|widget| {
            let row = widget.ancestor(LibraryRow::static_type());
            let label = widget.downcast::<gtk::Label>().ok();
            row.is_some() && label.is_some_and(|label| told(&label.text()))
        })
    };
    until("its time is told", || is_told(ends_with_hours_and_minutes));
    clock().follow();
    until("there are twelve hours", || {
        is_told(|text| text.ends_with('M')) && !is_told(ends_with_hours_and_minutes)
    });
    let changed = (
        "org.gnome.desktop.interface",
        "clock-format",
        "24h".to_variant(),
    );
    connection
        .emit_signal(
            None,
            path,
            "org.freedesktop.portal.Settings",
            "SettingChanged",
            Some(&changed.to_variant()),
        )
        .unwrap();
    until("there are twenty-four", || {
        is_told(ends_with_hours_and_minutes)
    });
    connection.unregister_object(object).unwrap();
    gio::bus_unown_name(owner);
    desk.close();
}

/// E10: a text goes onto as many pages as it needs, and into a PDF.
#[gtk::test]
fn a_text_becomes_pages() {
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let desk = Desk::open(folder.path());
    let mut sizes = Vec::new();
    for (name, lines) in [("short.pdf", 3), ("long.pdf", 400)] {
        let editor = opened(
            &desk,
            &format!("# {name}\n{}", "words 🎉 שלום\n".repeat(lines)),
        );
        let path = files.path().join(name);
        answers::will_be(&[&path]);
        WidgetExt::activate_action(&editor, "page.print", None).unwrap();
        until("it is written", || {
            std::fs::read(&path).is_ok_and(|pdf| pdf.trim_ascii_end().ends_with(b"%%EOF"))
        });
        let pdf = std::fs::read(&path).unwrap();
        assert!(pdf.starts_with(b"%PDF-"));
        sizes.push(pages(&pdf));
    }
    assert_eq!(sizes[0], 1);
    assert!(sizes[1] > 3, "{sizes:?}");
    desk.close();
}

/// How many pages a PDF has, by its tree of them, which may be in a compressed part.
fn pages(pdf: &[u8]) -> usize {
    const PART: &[u8] = b"stream\n";
    let mut all = String::from_utf8_lossy(pdf).into_owned();
    for at in 0..pdf.len() {
        if pdf[at..].starts_with(PART) {
            let mut part = Vec::new();
            // What is compressed in another way has no tree in it.
            let _ = ZlibDecoder::new(&pdf[at + PART.len()..]).read_to_end(&mut part);
            all += &String::from_utf8_lossy(&part);
        }
    }
    let tree = all.find("/Type /Pages").unwrap();
    let count = all[tree..].split("/Count ").nth(1).unwrap();
    let digits = count.split(|sign: char| !sign.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}
