// SPDX-License-Identifier: GPL-3.0-or-later
//! Telling of what others wrote while nobody looks.

use std::cell::RefCell;
use std::rc::Rc;

use gtk::prelude::*;
use gtk::{gio, glib};
use reflection_doc::objects::{DocumentPhase, Service};
use reflection_node::Mode;
use reflection_node::access::Access;
use reflection_node::identity::AuthorKey;
use reflection_node::store::DataFolder;

use super::{Desk, network, run, until};
use crate::preferences::settings;

const NAME: &str = "org.freedesktop.Notifications";
const INTERFACE: &str = "<node><interface name='org.freedesktop.Notifications'>
<method name='Notify'><arg type='s' direction='in'/><arg type='u' direction='in'/>
<arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='s' direction='in'/>
<arg type='as' direction='in'/><arg type='a{sv}' direction='in'/><arg type='i' direction='in'/>
<arg type='u' direction='out'/></method>
<method name='CloseNotification'><arg type='u' direction='in'/></method>
</interface></node>";

/// The part of a desktop that shows notifications; writes down what is to be shown.
struct Desktop {
    connection: gio::DBusConnection,
    shown: Rc<RefCell<Vec<String>>>,
    closed: Rc<RefCell<u32>>,
    owner: Option<gio::OwnerId>,
}

impl Desktop {
    fn start() -> Self {
        let (shown, closed) = (Rc::default(), Rc::default());
        let is_there = Rc::new(RefCell::new(false));
        let (told, forgotten, is_owned): (Rc<RefCell<Vec<String>>>, Rc<RefCell<u32>>, _) =
            (Rc::clone(&shown), Rc::clone(&closed), Rc::clone(&is_there));
        let connection = run(gio::bus_get_future(gio::BusType::Session)).unwrap();
        let node = gio::DBusNodeInfo::for_xml(INTERFACE).unwrap();
        connection
            .register_object("/org/freedesktop/Notifications", &node.interfaces()[0])
            .method_call(move |_, _, _, _, method, arguments, call| {
                if method == "Notify" {
                    let text = |at| arguments.child_value(at).get::<String>().unwrap();
                    told.borrow_mut().push(format!("{}: {}", text(3), text(4)));
                    call.return_value(Some(&(1_u32,).to_variant()));
                } else {
                    *forgotten.borrow_mut() += 1;
                    call.return_value(None);
                }
            })
            .build()
            .unwrap();
        let owner = gio::bus_own_name_on_connection(
            &connection,
            NAME,
            gio::BusNameOwnerFlags::NONE,
            move |_, _| *is_owned.borrow_mut() = true,
            |_, _| {},
        );
        until("the desktop shows notifications", || *is_there.borrow());
        Self {
            connection,
            shown,
            closed,
            owner: Some(owner),
        }
    }

    /// Until the program knows what it was answered: before that, `GLib` cannot take a notification
    /// back. Answers come in the order of the questions.
    fn answer(&self) {
        let bus = "org.freedesktop.DBus";
        let question = self.connection.call_future(
            Some(bus),
            "/org/freedesktop/DBus",
            bus,
            "GetId",
            None,
            None,
            gio::DBusCallFlags::NONE,
            -1,
        );
        run(question).unwrap();
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            gio::bus_unown_name(owner);
        }
    }
}

/// D6, L5: what somebody wrote is told where the document is not shown, and where it is but nobody
/// looks at the window; none of what was written is in it.
#[gtk::test]
fn what_somebody_wrote_is_told_to_who_is_away() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let desktop = Desktop::start();
    settings().set_boolean("notify", true).unwrap();
    let anna = Desk::open_with(folders[0].path(), Mode::Local);
    let folder = DataFolder::open(folders[1].path()).unwrap();
    let opening = Service::open(folder, AuthorKey::generate(), network(Mode::Local));
    let ben = run(opening).unwrap();

    let hers = anna.document("# Plan\n");
    let code = run(hers.code(Access::Write)).unwrap();
    let his = run(ben.join_document(&code)).unwrap();
    his.open();
    until("he has the text", || {
        his.phase() == DocumentPhase::Open && his.text() == "# Plan\n"
    });
    his.insert_text(7, "his words").unwrap();
    until("she is told", || !desktop.shown.borrow().is_empty());
    let first = desktop.shown.borrow()[0].clone();
    assert!(
        first.starts_with("Plan: ") && !first.contains("words"),
        "{first}"
    );

    // Whoever looks has been told.
    desktop.answer();
    anna.window.open_document(&hers);
    let editor = anna.editor(&hers);
    until("it is taken back", || *desktop.closed.borrow() > 0);
    anna.window.present();
    until("she looks", || anna.window.is_active());
    let told = desktop.shown.borrow().len();
    his.insert_text(7, "more of ").unwrap();
    until("she sees it", || {
        editor.text_buffer().shown_text() == "# Plan\nmore of his words"
    });
    assert_eq!(
        desktop.shown.borrow().len(),
        told,
        "she has seen it herself"
    );

    let other = gtk::Window::builder().title("another program").build();
    other.present();
    until("she looks elsewhere", || !anna.window.is_active());
    his.insert_text(7, "still ").unwrap();
    until("she is told again", || desktop.shown.borrow().len() > told);
    assert!(desktop.shown.borrow()[told].starts_with("Plan: "));
    desktop.answer();
    let closed = *desktop.closed.borrow();
    other.destroy();
    anna.window.present();
    until("she looks again", || anna.window.is_active());
    until("it is taken back again", || {
        *desktop.closed.borrow() > closed
    });
    settings().reset("notify");
    run(ben.close(super::CLOSE_DEADLINE)).unwrap();
    anna.close();
}

/// D6: without being asked, nothing is told.
#[gtk::test]
fn nothing_is_told_unless_it_is_wanted() {
    assert!(!settings().boolean("notify"));
    let default: Option<glib::Variant> = settings().default_value("notify");
    assert_eq!(default.and_then(|value| value.get()), Some(false));
}
