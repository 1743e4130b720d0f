// SPDX-License-Identifier: GPL-3.0-or-later
//! The others of a document: where they are in the text, who they are, how they are reached.

use std::cell::RefCell;
use std::rc::Rc;

use adw::prelude::*;
use gtk::{gdk, gio, glib, graphene};
use reflection_doc::engine::Selection;
use reflection_doc::library::Profile;
use reflection_doc::objects::{Document, DocumentPhase};
use reflection_node::access::Access;
use reflection_node::replication::ReplicaOffer;
use reflection_node::{Mode, NetworkConfig};

use super::together::{Other, code, join, take_part};
use super::{Desk, everything, network, run, says, seen, until};
use crate::page::TextView;
use crate::people::{PeoplePopover, text_colour};

/// Anna's colour in these stories, by its place in the palette.
const COLOUR: u32 = 2;
/// Of a caret alone there are about fifty pixels; behind a name there are many more.
const CARET_PIXELS_MAX: usize = 150;

fn anna() -> Other {
    let anna = Other::begin();
    let profile = Profile {
        name: "Anna".into(),
        colour: Some(COLOUR),
    };
    run(anna.service.set_profile(profile)).unwrap();
    anna
}

/// How many pixels of a widget have exactly this colour.
pub fn pixels(widget: &impl IsA<gtk::Widget>, colour: &gdk::RGBA) -> usize {
    let (width, height) = (widget.width(), widget.height());
    let snapshot = gtk::Snapshot::new();
    let paintable = gtk::WidgetPaintable::new(Some(widget));
    paintable.snapshot(&snapshot, width.into(), height.into());
    let Some(node) = snapshot.to_node() else {
        return 0;
    };
    let renderer = widget.native().unwrap().renderer().unwrap();
    #[allow(clippy::cast_precision_loss)]
    let whole = graphene::Rect::new(0.0, 0.0, width as f32, height as f32);
    let texture = renderer.render_texture(&node, Some(&whole));
    let stride = usize::try_from(width).unwrap() * 4;
    let mut data = vec![0; stride * usize::try_from(height).unwrap()];
    texture.download(&mut data, stride);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let byte = |part: f32| (part * 255.0).round() as u8;
    let wanted = [colour.blue(), colour.green(), colour.red()].map(byte);
    data.chunks(4).filter(|pixel| pixel[..3] == wanted).count()
}

/// The pointer over a place of the text, or nowhere.
fn point_at(editor: &TextView, offset: Option<i32>) {
    let controllers = editor.observe_controllers();
    let motions = controllers.iter::<glib::Object>().flatten();
    let motions = motions.filter_map(|found| found.downcast::<gtk::EventControllerMotion>().ok());
    for motion in motions {
        if let Some(offset) = offset {
            let place = editor.iter_location(&editor.text_buffer().iter_at_offset(offset));
            let (x, y) = editor.buffer_to_window_coords(
                gtk::TextWindowType::Widget,
                place.x(),
                place.y() + place.height() / 2,
            );
            motion.emit_by_name::<()>("motion", &[&f64::from(x), &f64::from(y)]);
        } else {
            motion.emit_by_name::<()>("leave", &[]);
        }
    }
}

/// W4: where somebody is and what they have selected is seen in their colour, with a name for a
/// moment after they moved and under the pointer; it goes when they go.
#[gtk::test]
fn others_are_seen_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = anna();
    let hers = anna.document("# Plan\nfirst line\nsecond line\n");
    let (_, editor) = take_part(&desk, &hers);
    let buffer = editor.text_buffer().clone();
    let colour = text_colour(COLOUR, false);
    let is_marked = |at: i32| {
        let tags = buffer.iter_at_offset(at).tags();
        let backgrounds = tags.iter().filter_map(gtk::TextTag::background_rgba);
        let mut backgrounds = backgrounds.map(|found| found.with_alpha(1.0));
        backgrounds.any(|found| found == colour)
    };

    hers.select(Selection {
        anchor: 7,
        caret: 12,
    });
    until("her selection is seen", || is_marked(7) && is_marked(11));
    assert!(!is_marked(6) && !is_marked(12), "and nothing else");
    until("her name is seen", || {
        pixels(&editor, &colour) > CARET_PIXELS_MAX
    });
    let is_caret_alone = || (1..CARET_PIXELS_MAX).contains(&pixels(&editor, &colour));
    until("the name goes by itself", is_caret_alone);
    point_at(&editor, Some(12));
    until("it comes back under the pointer", || {
        pixels(&editor, &colour) > CARET_PIXELS_MAX
    });
    point_at(&editor, None);
    until("and goes with it", is_caret_alone);

    // What is written before her does not move her to other words.
    buffer.insert(&mut buffer.start_iter(), "mine ");
    until("her selection moves along", || {
        !is_marked(7) && is_marked(12) && is_marked(16) && !is_marked(17)
    });
    hers.select(Selection {
        anchor: 0,
        caret: 0,
    });
    until("she has selected nothing", || !is_marked(12));
    anna.leave();
    until("nothing of her is seen", || pixels(&editor, &colour) == 0);
    desk.close();
}

/// What screen readers are told, as the accessibility bus carries it.
struct Heard {
    words: Rc<RefCell<Vec<String>>>,
    /// The bus is left when these go.
    listening: (gio::DBusConnection, gio::SignalSubscription),
}

impl Heard {
    fn begin() -> Self {
        let session = run(gio::bus_get_future(gio::BusType::Session)).unwrap();
        let answer = run(session.call_future(
            Some("org.a11y.Bus"),
            "/org/a11y/bus",
            "org.a11y.Bus",
            "GetAddress",
            None,
            None,
            gio::DBusCallFlags::NONE,
            -1,
        ));
        let address: (String,) = answer.unwrap().get().unwrap();
        let flags = gio::DBusConnectionFlags::AUTHENTICATION_CLIENT
            .union(gio::DBusConnectionFlags::MESSAGE_BUS_CONNECTION);
        let connecting = gio::DBusConnection::for_address_future(&address.0, flags, None);
        let bus = run(connecting).unwrap();
        let words = Rc::new(RefCell::new(Vec::new()));
        let told = words.clone();
        let subscription = bus.subscribe_to_signal(
            None,
            Some("org.a11y.atspi.Event.Object"),
            Some("Announcement"),
            None,
            None,
            gio::DBusSignalFlags::NONE,
            move |signal| told.borrow_mut().push(signal.parameters.to_string()),
        );
        Self {
            words,
            listening: (bus, subscription),
        }
    }

    /// Asks for everything on the screen, as screen readers do: only what was asked for tells of
    /// itself from then on.
    fn look_around(&self) {
        let root = "/org/a11y/atspi/accessible/root".to_owned();
        let mut found = vec![("org.a11y.atspi.Registry".to_owned(), root)];
        while let Some((name, path)) = found.pop() {
            let answer = run(self.listening.0.call_future(
                Some(&name),
                &path,
                "org.a11y.atspi.Accessible",
                "GetChildren",
                None,
                None,
                gio::DBusCallFlags::NONE,
                -1,
            ));
            // What has gone meanwhile answers nothing.
            let children = answer.ok().and_then(|answer| answer.try_child_value(0));
            for child in children.iter().flat_map(glib::Variant::iter) {
                let (name, path) = (child.child_value(0), child.child_value(1));
                found.extend(name.get().zip(path.str().map(str::to_owned)));
            }
        }
    }

    fn has(&self, wanted: &str) -> bool {
        self.words.borrow().iter().any(|said| said.contains(wanted))
    }
}

/// Opens the list of people, which stays open.
fn people(desk: &Desk) -> PeoplePopover {
    let popover = everything(&desk.window).into_iter().find_map(|widget| {
        let button = widget.downcast::<gtk::MenuButton>().ok()?;
        let popover = button.popover().and_downcast::<PeoplePopover>()?;
        button.popup();
        Some(popover)
    });
    let popover = popover.unwrap();
    until("the list is open", || popover.is_mapped());
    popover
}

/// What each row of it says.
fn rows(popover: &PeoplePopover) -> Vec<String> {
    let rows = everything(popover)
        .into_iter()
        .filter(ObjectExt::is::<gtk::ListBoxRow>);
    let words = |row: gtk::Widget| {
        let labels = everything(&row).into_iter();
        let labels = labels.filter_map(|widget| widget.downcast::<gtk::Label>().ok());
        labels
            .map(|label| label.text().into())
            .collect::<Vec<String>>()
            .join("; ")
    };
    rows.map(words).collect()
}

/// P2, P3: who takes part is listed, with who was never met here; coming and going is shown quietly
/// and told to screen readers.
#[gtk::test]
fn who_takes_part_is_listed_and_coming_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let heard = Heard::begin();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = anna();
    let hers = anna.document("# Plan\n");
    let ben = Other::begin();
    let his = ben.join(&code(&hers, Access::Write), "# Plan\n");
    his.insert_text(7, "by Ben\n").unwrap();
    until("she has his words", || hers.text() == "# Plan\nby Ben\n");
    ben.leave();
    // Ben is gone before anybody comes to this window.
    let (document, _) = take_part(&desk, &hers);
    let list = people(&desk);
    let is_told = |words: &str| rows(&list).iter().any(|row| row.contains(words));
    until("everybody is listed as they are", || {
        is_told("Anna; Here now") && is_told("This device") && is_told("Last seen: ")
    });
    assert_eq!(rows(&list).len(), 3);
    heard.look_around();
    assert!(!heard.has("is here"), "nobody came since");
    let carl = Other::begin();
    carl.join(&code(&document, Access::Write), &document.text());
    until("it is told that somebody came", || heard.has("is here"));
    assert!(
        desk.window.visible_dialog().is_none(),
        "nothing asks for attention"
    );
    anna.leave();
    carl.leave();
    until("all are shown to be gone", || {
        says(&desk.window, "Saved here · Not connected")
    });
    until("her going was told", || heard.has("Anna left"));
    until("and when", || is_told("Anna; Last seen: "));
    list.popdown();
    desk.close();
}

/// What the dialog of connection details says, a line for each row.
fn details(desk: &Desk) -> Vec<String> {
    let Some(dialog) = desk.window.visible_dialog() else {
        return Vec::new();
    };
    let rows = everything(&dialog).into_iter();
    let rows = rows.filter_map(|widget| widget.downcast::<adw::ActionRow>().ok());
    rows.map(|row| format!("{}: {}", row.title(), row.subtitle().unwrap_or_default()))
        .collect()
}

/// N6: how somebody is reached and what the last exchange brought can be looked up.
#[gtk::test]
fn how_somebody_is_reached_can_be_looked_up() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = anna();
    let hers = anna.document("# Plan\n");
    take_part(&desk, &hers);
    desk.act("win.connection-details", None);
    until("her address is told", || {
        details(&desk)
            .iter()
            .any(|row| row.starts_with("Anna: Directly, at 127.0.0.1:"))
    });
    until("so is one's own", || {
        details(&desk)
            .iter()
            .any(|row| row.starts_with("Address: 127.0.0.1:"))
    });
    until("it is told that it goes on", || {
        details(&desk)
            .iter()
            .any(|row| row.starts_with("Anna: ") && row.ends_with("Last exchange: now"))
    });
    run(desk.service().change_mode(Mode::Offline)).unwrap();
    until("it is told that she is not, and what was exchanged", || {
        details(&desk).iter().any(|row| {
            row.starts_with("Anna: Not connected")
                && row.contains("Last exchange: ")
                && row.contains(" received and ")
        })
    });
    until("nor can one be reached", || {
        says(&desk.window, "It cannot be reached at present.")
    });
    desk.window.visible_dialog().unwrap().force_close();
    anna.leave();
    desk.close();
}

/// R3: somebody keeps a copy without being able to read it; the owner sees that there is one, and
/// the keeper is told why there is no text.
#[gtk::test]
fn a_copy_is_kept_by_somebody_who_cannot_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let attic = Other::begin_with(NetworkConfig {
        replica: Some(ReplicaOffer::default()),
        ..network(Mode::Local)
    });
    let document = desk.document("# Plan\nown words");
    desk.window.open_document(&document);
    desk.editor(&document);
    let library = attic.service.library().unwrap();
    let ticket = run(library.node().ticket(false)).unwrap();
    let topic = document.topic().unwrap();
    let assigning = desk.service().library().unwrap();
    run(assigning.node().assign(&ticket, "Attic", Some(vec![topic]))).unwrap();
    desk.act("win.connection-details", None);
    let keeps = "Attic: Keeps the document, without being able to read it";
    until("the copy is told of", || {
        details(&desk).iter().any(|row| row.starts_with(keeps))
    });
    until("and that it has everything", || {
        says(
            &desk.window,
            "1 other device holds all that was written here.",
        )
    });
    desk.window.visible_dialog().unwrap().force_close();
    drop((library, assigning));
    attic.leave();

    // By a code instead of a ticket, in a window.
    let anna = anna();
    let hers = anna.document("# Hers\nsecret words");
    join(&desk, &code(&hers, Access::Replica));
    until("it is said why there is no text", || {
        says(&desk.window, "Kept for Others")
    });
    let kept = |document: &Document| document.phase() == DocumentPhase::Failed;
    let documents = desk.service().documents();
    assert!(documents.to_vec().iter().any(kept));
    assert!(!seen().contains("Hers") && !seen().contains("secret words"));
    anna.leave();
    desk.close();
}

/// A6, issue: the button for muting shows whether somebody is muted, and says what that does.
#[gtk::test]
fn the_bell_is_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let anna = anna();
    let hers = anna.document("# Plan\n");
    take_part(&desk, &hers);
    let list = people(&desk);
    let bell = || {
        let mut widgets = everything(&list).into_iter();
        widgets.find_map(|widget| widget.downcast::<gtk::ToggleButton>().ok())
    };
    let is_so = |icon: &str, words: &str| {
        bell().is_some_and(|bell| {
            let tooltip = bell.tooltip_text().unwrap_or_default();
            bell.icon_name().as_deref() == Some(icon) && tooltip.starts_with(words)
        })
    };
    until("the bell can ring", || {
        is_so("preferences-system-notifications-symbolic", "Mute Anna: ")
    });
    bell().unwrap().emit_clicked();
    until("it cannot", || {
        is_so("notifications-disabled-symbolic", "Anna is muted: ")
    });
    list.popdown();
    anna.leave();
    desk.close();
}
