// SPDX-License-Identifier: GPL-3.0-or-later
//! Replicas in the preferences: another one, how far it is, and one less.

use adw::prelude::*;
use reflection_node::replication::ReplicaOffer;
use reflection_node::{Mode, NetworkConfig};

use super::together::Other;
use super::{Desk, button, everything, network, run, says, until};

/// All that is on the screen of one kind.
fn all<T: IsA<gtk::Widget>>(desk: &Desk) -> Vec<T> {
    let widgets = everything(&desk.window).into_iter();
    widgets
        .filter_map(|widget| widget.downcast().ok())
        .collect()
}

/// What is said of a replica.
fn told(desk: &Desk, name: &str) -> Option<String> {
    let mut rows = all::<adw::ActionRow>(desk).into_iter();
    let row = rows.find(|row| row.title() == name)?;
    Some(row.subtitle().unwrap_or_default().into())
}

fn ask_for_ticket(desk: &Desk) {
    let row = || {
        let mut rows = all::<adw::ButtonRow>(desk).into_iter();
        rows.find(|row| row.title() == "Add a Replica…")
    };
    until("a replica can be added", || row().is_some());
    assert!(row().unwrap().activate());
    until("a ticket is asked for", || entry(desk, "Ticket").is_some());
}

fn entry(desk: &Desk, title: &str) -> Option<adw::EntryRow> {
    let mut rows = all::<adw::EntryRow>(desk).into_iter();
    rows.find(|row| row.title().starts_with(title))
}

fn give(desk: &Desk, ticket: &str) {
    entry(desk, "Ticket").unwrap().set_text(ticket);
    button(&desk.window, "Add").unwrap().emit_clicked();
}

/// R3: a replica is added by its ticket, wrong ones are explained; it is seen how far it is, and after
/// it was removed it keeps nothing.
#[gtk::test]
fn a_replica_is_added_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::open_with(folder.path(), Mode::Local);
    let attic = Other::begin_with(NetworkConfig {
        replica: Some(ReplicaOffer::default()),
        ..network(Mode::Local)
    });
    desk.document("# Plan\nown words");
    let node = attic.service.library().unwrap().node().clone();
    let ticket = run(node.ticket(false)).unwrap().to_string();
    let own = desk.service().library().unwrap().node().clone();
    let own = run(own.ticket(false)).unwrap().to_string();

    desk.act("win.network-preferences", None);
    ask_for_ticket(&desk);
    for (wrong, why) in [
        ("write1qqqq", "This is not the ticket of a replica"),
        (
            &ticket[..ticket.len() - 3],
            "A part of the ticket is missing, or a character is wrong. Copy it again as a whole.",
        ),
        (&own, "This is the ticket of this device itself"),
    ] {
        give(&desk, wrong);
        until("it is said what is wrong", || says(&desk.window, why));
    }
    entry(&desk, "Name").unwrap().set_text("Attic");
    give(&desk, &format!(" {ticket}\n"));
    until("it keeps everything", || {
        let told = told(&desk, "Attic").unwrap_or_default();
        let lines: Vec<_> = told.lines().collect();
        let all = "All documents, and those that come later";
        matches!(lines[..], [first, "Everything is kept there", seen]
            if first == all && seen.starts_with("Last seen: "))
    });
    assert_eq!(run(node.hosted()).unwrap().len(), 1);

    let trash = all::<gtk::Button>(&desk).into_iter();
    let mut trash =
        trash.filter(|button| button.tooltip_text().as_deref() == Some("Remove Attic…"));
    trash.next().unwrap().emit_clicked();
    until("it is asked", || says(&desk.window, "Remove Attic?"));
    button(&desk.window, "Remove").unwrap().emit_clicked();
    until("it is gone", || {
        !says(&desk.window, "Remove Attic?") && told(&desk, "Attic").is_none()
    });
    until("it keeps nothing", || {
        let hosted = run(node.hosted()).unwrap();
        hosted.iter().all(|hosted| hosted.documents == 0)
    });
    desk.window.visible_dialog().unwrap().force_close();
    drop(node);
    attic.leave();
    desk.close();
}
