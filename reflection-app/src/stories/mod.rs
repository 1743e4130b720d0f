// SPDX-License-Identifier: GPL-3.0-or-later
//! Stories of the whole application before one screen: its window, its library on a real disk, and
//! for network loopback alone. Each names the rows of the list of features that it shows.
//!
//! The others in a story are libraries without a window. What a person would choose in a dialog
//! for files is said before.

#![allow(clippy::unwrap_used)]

mod apart;
mod company;
mod everybody;
mod guide;
mod identity;
mod keeping;
mod library;
mod looks;
mod measuring;
mod narrow;
mod notifications;
mod opening;
mod past;
mod preview;
mod replicas;
mod searching;
mod sharing;
mod shortcuts;
mod together;
mod trouble;
mod windows;
mod writing;

use std::path::Path;
use std::time::{Duration, Instant};

use adw::prelude::*;
use gtk::{gio, glib};
use reflection_doc::objects::{Document, DocumentPhase, Service};
use reflection_node::{Mode, NetworkConfig};

use crate::application::Application;
use crate::config::Config;
use crate::page::TextView;
use crate::window::Window;

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
/// How often it is looked again, where nothing tells.
const LOOK: Duration = Duration::from_millis(5);

thread_local! {
    /// A process has one application, and all stories are played on one thread.
    static APPLICATION: Application = started();
}

fn started() -> Application {
    gio::resources_register_include!("reflection.gresource").unwrap();
    let application = Application::new();
    application.set_flags(application.flags() | gio::ApplicationFlags::NON_UNIQUE);
    application.register(gio::Cancellable::NONE).unwrap();
    application
}

fn application() -> Application {
    APPLICATION.with(Clone::clone)
}

/// Lets the program run until something is so.
#[track_caller]
fn until(what: &str, condition: impl Fn() -> bool) {
    let (end, context) = (Instant::now() + DEADLINE, glib::MainContext::default());
    let tick = glib::timeout_add_local(LOOK, || glib::ControlFlow::Continue);
    while !condition() {
        assert!(Instant::now() < end, "still not: {what}; {}", seen());
        context.iteration(true);
    }
    tick.remove();
}

/// All words on the screen.
fn seen() -> String {
    let windows = application().windows();
    let widgets = windows.iter().flat_map(everything);
    let labels = widgets.filter_map(|widget| Some(widget.downcast::<gtk::Label>().ok()?.text()));
    labels.fold("seen:".to_owned(), |all, text| all + " | " + &text)
}

/// Lets the program run until a question is answered.
fn run<T>(question: impl Future<Output = T>) -> T {
    glib::MainContext::default().block_on(question)
}

/// Lets a number of frames pass, in which the screen comes to rest.
fn frames(widget: &impl IsA<gtk::Widget>, count: u32) {
    let left = std::rc::Rc::new(std::cell::Cell::new(count));
    let counted = left.clone();
    widget.add_tick_callback(move |widget, _| {
        widget.queue_draw();
        counted.set(counted.get().saturating_sub(1));
        glib::ControlFlow::from(counted.get() > 0)
    });
    until("it is at rest", || left.get() == 0);
}

/// Everything below a widget, from the outside in, as far as it is wanted.
fn below(
    root: &impl IsA<gtk::Widget>,
    is_wanted: impl Fn(&gtk::Widget) -> bool,
) -> Vec<gtk::Widget> {
    let mut found = vec![root.clone().upcast::<gtk::Widget>()];
    let mut next = 0;
    while let Some(widget) = found.get(next).cloned() {
        next += 1;
        let mut child = widget.first_child();
        while let Some(present) = child {
            child = present.next_sibling();
            if is_wanted(&present) {
                found.push(present);
            }
        }
    }
    found
}

/// Everything below a widget that is on the screen.
fn everything(root: &impl IsA<gtk::Widget>) -> Vec<gtk::Widget> {
    below(root, WidgetExt::is_mapped)
}

/// The button with these words that is on the screen.
fn button(root: &impl IsA<gtk::Widget>, words: &str) -> Option<gtk::Button> {
    everything(root).into_iter().find_map(|widget| {
        let button = widget.downcast::<gtk::Button>().ok()?;
        let label = button.label()?;
        (label.replace('_', "") == words).then_some(button)
    })
}

/// Whether these words are on the screen.
fn says(root: &impl IsA<gtk::Widget>, words: &str) -> bool {
    let label = |widget: &gtk::Widget| widget.downcast_ref::<gtk::Label>().map(gtk::Label::text);
    let labels = everything(root);
    labels.iter().filter_map(label).any(|text| text == words)
}

/// Somebody before a window with a library.
struct Desk {
    window: Window,
}

impl Desk {
    /// Opens the library of a folder, as somebody who has nobody to connect to.
    fn open(folder: &Path) -> Self {
        Self::open_with(folder, Mode::Offline)
    }

    fn open_with(folder: &Path, mode: Mode) -> Self {
        let desk = Self::begin(Config {
            keeps_key_in_file: true,
            network: network(mode),
            ..config_of(folder)
        });
        until("the library is open", || desk.window.service().is_some());
        desk
    }

    /// Opens a window and waits for nothing.
    fn begin(config: Config) -> Self {
        let application = application();
        application.set_config(config);
        let window = Window::new(&application);
        window.present();
        Self { window }
    }

    /// Does what a menu, a key or a button would.
    fn act(&self, action: &str, target: Option<&glib::Variant>) {
        WidgetExt::activate_action(&self.window, action, target).unwrap();
    }

    fn service(&self) -> Service {
        self.window.service().unwrap()
    }

    /// A document with a text, as it is in the library of somebody who wrote it some time ago.
    fn document(&self, text: &str) -> Document {
        run(self.service().create_document_of(text)).unwrap()
    }

    fn listed(&self, topic: &reflection_node::access::TopicId) -> Document {
        let documents = self.service().documents();
        until("the document is in the list", || {
            documents.get(topic).is_some()
        });
        documents.get(topic).unwrap()
    }

    fn text_view(&self) -> Option<TextView> {
        let mut widgets = everything(&self.window).into_iter();
        widgets.find_map(|widget| widget.downcast().ok())
    }

    /// The editor, once it shows the text of an open document.
    fn editor(&self, document: &Document) -> TextView {
        until("the text is open", || {
            document.phase() == DocumentPhase::Open && self.text_view().is_some()
        });
        self.text_view().unwrap()
    }

    /// Ends the program as a person does, and waits until the program is done with it.
    #[track_caller]
    fn close(self) {
        ActionGroupExt::activate_action(&application(), "quit", None);
        let window: &gtk::Window = self.window.upcast_ref();
        until("the window is gone", || {
            !application().windows().contains(window)
        });
    }
}

/// A story that fails leaves its windows open; the next one shall not have to do with them.
impl Drop for Desk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.window.destroy();
        }
    }
}

fn config_of(folder: &Path) -> Config {
    Config {
        data_dir: folder.to_owned(),
        has_own_data_dir: true,
        ..Config::default()
    }
}

fn network(mode: Mode) -> NetworkConfig {
    NetworkConfig {
        mode: Some(mode),
        bind: vec!["127.0.0.1:0".parse().unwrap()],
        mdns: false,
        ..NetworkConfig::default()
    }
}
