// SPDX-License-Identifier: GPL-3.0-or-later
//! How a code comes from one person to another: as a picture, as a link, by what it allows.

use adw::prelude::*;
use gtk::{gdk, gio, graphene};
use reflection_doc::objects::Document;
use reflection_node::Mode;
use reflection_node::access::{Access, Code};

use super::together::{Other, join, joined};
use super::{Desk, button, everything, run, says, until};
use crate::share::{QrCode, SharePopover};

/// What the popover shows for a right: the picture, read as a camera would, and what is said.
struct Shown {
    /// Rows of modules, dark or not.
    modules: Vec<bool>,
    words: String,
}

fn popover(desk: &Desk) -> SharePopover {
    let buttons = everything(&desk.window).into_iter();
    let mut buttons = buttons.filter_map(|widget| widget.downcast::<gtk::MenuButton>().ok());
    let popover = buttons.find_map(|button| button.popover().and_downcast());
    popover.unwrap()
}

/// Looks at the middle of each module of a picture that is to have so many in a row.
fn read(picture: &QrCode, count: usize) -> Vec<bool> {
    let side = picture.width();
    let snapshot = gtk::Snapshot::new();
    let paintable = gtk::WidgetPaintable::new(Some(picture));
    paintable.snapshot(&snapshot, side.into(), side.into());
    let Some(node) = snapshot.to_node() else {
        return Vec::new();
    };
    #[allow(clippy::cast_precision_loss)]
    let whole = graphene::Rect::new(0.0, 0.0, side as f32, side as f32);
    let renderer = picture.native().unwrap().renderer().unwrap();
    let texture: gdk::Texture = renderer.render_texture(&node, Some(&whole));
    let side = usize::try_from(side).unwrap();
    let mut data = vec![0; side * side * 4];
    texture.download(&mut data, side * 4);
    // Beyond the round corners there is nothing, which is not dark.
    let is_dark = |x: usize, y: usize| {
        let pixel = &data[(y * side + x) * 4..][..4];
        pixel[0] < 128 && pixel[3] == 255
    };
    let row_is_light = |y: usize| (0..side).all(|x| !is_dark(x, y));
    // The corners are dark in every such picture, so its edges are where the first dark row is.
    let Some(top) = (0..side).find(|y| !row_is_light(*y)) else {
        return Vec::new();
    };
    let bottom = (0..side).rfind(|y| !row_is_light(*y)).unwrap() + 1;
    let middle = |number: usize| top + (2 * number + 1) * (bottom - top) / (2 * count);
    let places = (0..count).flat_map(|y| (0..count).map(move |x| (x, y)));
    places.map(|(x, y)| is_dark(middle(x), middle(y))).collect()
}

/// Chooses a right and waits for its picture.
fn show(desk: &Desk, document: &Document, access: Access) -> Shown {
    let popover = popover(desk);
    WidgetExt::activate_action(&desk.text_view().unwrap(), "page.share", None).unwrap();
    until("the popover is open", || popover.is_mapped());
    let find = |name: &str| {
        let mut widgets = everything(&popover).into_iter();
        widgets.find(|widget| widget.type_().name() == name)
    };
    let group: adw::ToggleGroup = find("AdwToggleGroup").and_downcast().unwrap();
    group.set_active_name(Some(access.as_str()));
    // As it is written, each time that it is looked at.
    let code = || {
        let labels = everything(&popover).into_iter();
        let mut labels = labels.filter_map(|widget| widget.downcast::<gtk::Label>().ok());
        labels.find_map(|label| label.text().parse::<Code>().ok())
    };
    until("the code is that of the right", || {
        code().is_some_and(|code| {
            code.access() == access && Some(code.keys().topic()) == document.topic()
        })
    });
    let link = format!("REFLECTION:{}", code().unwrap().to_string().to_uppercase());
    let wanted = qrcode::QrCode::with_error_correction_level(&link, qrcode::EcLevel::L).unwrap();
    let dark: Vec<bool> = wanted
        .to_colors()
        .into_iter()
        .map(|colour| colour == qrcode::Color::Dark)
        .collect();
    until("the picture is that of the link", || {
        let picture = find("ReflectionQrCode").and_downcast::<QrCode>();
        picture.is_some_and(|picture| read(&picture, wanted.width()) == dark)
    });
    let labels = everything(&popover).into_iter();
    let labels = labels.filter_map(|widget| widget.downcast::<gtk::Label>().ok());
    let words: Vec<String> = labels.map(|label| label.text().into()).collect();
    Shown {
        modules: dark,
        words: words.join("\n"),
    }
}

/// W2, A2: each right has its picture and is said in plain words; whoever only reads cannot hand on
/// more than reading.
#[gtk::test]
fn each_right_has_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let document = desk.document("# Plan\n");
    desk.window.open_document(&document);
    desk.editor(&document);
    let rights = [
        (Access::Write, "can read and change the document"),
        (Access::Read, "can read the document."),
        (
            Access::Replica,
            "keep a copy of the document without reading",
        ),
    ];
    let mut pictures = Vec::new();
    for (access, words) in rights {
        let shown = show(&desk, &document, access);
        assert!(shown.words.contains(words), "{}", shown.words);
        assert!(shown.words.contains("A code cannot be taken back."));
        assert!(!pictures.contains(&shown.modules));
        pictures.push(shown.modules);
        popover(&desk).popdown();
        until("it is closed", || !popover(&desk).is_mapped());
    }

    let anna = Other::begin();
    let hers = anna.document("# Hers\n");
    let code = run(hers.code(Access::Read)).unwrap();
    let document = run(desk.service().join_document(&code)).unwrap();
    desk.window.open_document(&document);
    desk.editor(&document);
    until("she is met", || document.is_read_only());
    show(&desk, &document, Access::Read);
    let group = everything(&popover(&desk)).into_iter();
    let mut group = group.filter_map(|widget| widget.downcast::<adw::ToggleGroup>().ok());
    let group = group.next().unwrap();
    let is_offered = |name| group.toggle_by_name(name).unwrap().is_enabled();
    assert!(!is_offered("write") && is_offered("read") && is_offered("replica"));
    popover(&desk).popdown();
    anna.leave();
    desk.close();
}

/// W2: a link, as a picture or a message brings it, asks whether to join, and then shows the text.
#[gtk::test]
fn a_link_leads_to_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = Other::begin();
    let hers = anna.document("# Plan\nשלום 🎉");
    let code: Code = run(hers.code(Access::Write)).unwrap();
    // As cameras hand on what they read: capital letters.
    let link = gio::File::for_uri(&format!("REFLECTION:{code}").to_uppercase());
    super::application().open(&[link], "");
    until("the dialog has the code", || {
        desk.window.visible_dialog().is_some_and(|dialog| {
            let mut widgets = everything(&dialog).into_iter();
            let row = widgets.find_map(|widget| widget.downcast::<adw::EntryRow>().ok());
            row.is_some_and(|row| row.text().parse::<Code>().is_ok())
        })
    });
    let dialog = desk.window.visible_dialog().unwrap();
    assert_eq!(desk.service().documents().n_items(), 0, "it asks first");
    button(&dialog, "Join").unwrap().emit_clicked();
    let document = joined(&desk);
    let editor = desk.editor(&document);
    until("the text is there", || {
        editor.text_buffer().shown_text() == "# Plan\nשלום 🎉"
    });
    assert!(editor.is_editable());
    anna.leave();
    desk.close();
}

/// W2, issue: whoever joins what they have is told so; who gets a right by it that they did not
/// have, is not.
#[gtk::test]
fn joining_what_is_here_is_said_to_be_that() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = Other::begin();
    let hers = anna.document("# Hers\n");
    let code = |access| run(hers.code(access)).unwrap().to_string();
    let told = "You already have this document";
    join(&desk, &code(Access::Read));
    let document = joined(&desk);
    until("it can be read", || document.text() == "# Hers\n");
    assert!(!says(&desk.window, told));
    until("the dialog is gone", || {
        desk.window.visible_dialog().is_none()
    });
    join(&desk, &code(Access::Write));
    until("it can be written in", || !document.is_read_only());
    until("the dialog is gone again", || {
        desk.window.visible_dialog().is_none()
    });
    assert!(!says(&desk.window, told));
    join(&desk, &code(Access::Read));
    until("it is said", || says(&desk.window, told));
    assert!(!document.is_read_only(), "nothing is lost by it");
    anna.leave();
    desk.close();
}
