// SPDX-License-Identifier: GPL-3.0-or-later
//! The application: command line, global actions, and the windows.

use std::cell::{OnceCell, RefCell};
use std::io::Write;
use std::ops::ControlFlow;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use gtk::{gdk, gio, glib};
use reflection_doc::objects::Document;

use crate::config::{self, APP_ID, Config, VERSION};
use crate::memory::give_back_after_start;
use crate::preferences::{Appearance, clock, settings};
use crate::shortcuts::shortcuts_dialog;
use crate::window::Window;

/// Exit code of wrong use, as the command line program has it.
const EXIT_WRONG_USE: u8 = 2;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct Application {
        pub(super) config: RefCell<Config>,
        pub(super) appearance: OnceCell<Appearance>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Application {
        const NAME: &'static str = "ReflectionApplication";
        type Type = super::Application;
        type ParentType = adw::Application;
    }

    impl ObjectImpl for Application {
        fn constructed(&self) {
            self.parent_constructed();
            config::add_options(&*self.obj());
        }
    }

    impl ApplicationImpl for Application {
        fn handle_local_options(&self, options: &glib::VariantDict) -> ControlFlow<glib::ExitCode> {
            if options.contains("version") {
                // There is nobody to tell if standard output is closed.
                let _ = writeln!(std::io::stdout(), "Reflection {VERSION}");
                return ControlFlow::Break(glib::ExitCode::SUCCESS);
            }
            match config::read_options(options) {
                Ok(config) => {
                    if config.has_own_data_dir {
                        // Runs with folders of their own are independent of each other.
                        let flags = self.obj().flags() | gio::ApplicationFlags::NON_UNIQUE;
                        self.obj().set_flags(flags);
                    }
                    self.config.replace(config);
                    if options.contains("new-window") && self.obj().asks_running_one() {
                        return ControlFlow::Break(glib::ExitCode::SUCCESS);
                    }
                    ControlFlow::Continue(())
                }
                Err(sentence) => {
                    let _ = writeln!(std::io::stderr(), "{sentence}");
                    ControlFlow::Break(glib::ExitCode::new(EXIT_WRONG_USE))
                }
            }
        }

        fn startup(&self) {
            self.parent_startup();
            glib::set_application_name(&gettext("Reflection"));
            sourceview5::init();
            sourceview5::StyleSchemeManager::default()
                .prepend_search_path("resource:///app/reflection/Reflection/styles/");
            self.obj().add_actions();
            if let Some(display) = gdk::Display::default() {
                // Set once: a program starts up once.
                let _ = self.appearance.set(Appearance::follow(&display));
            }
            clock().follow();
            give_back_after_start();
            quit_on_signals(&self.obj());
        }

        fn activate(&self) {
            self.parent_activate();
            self.obj().main_window().present();
        }

        fn open(&self, files: &[gio::File], hint: &str) {
            self.parent_open(files, hint);
            self.obj().open_files(files);
        }
    }

    impl GtkApplicationImpl for Application {}
    impl AdwApplicationImpl for Application {}
}

glib::wrapper! {
    /// The application.
    pub struct Application(ObjectSubclass<imp::Application>)
        @extends adw::Application, gtk::Application, gio::Application,
        @implements gio::ActionGroup, gio::ActionMap;
}

impl Application {
    /// The application, not yet running.
    pub fn new() -> Self {
        glib::Object::builder()
            .property("application-id", APP_ID)
            .property("flags", gio::ApplicationFlags::HANDLES_OPEN)
            .property("resource-base-path", "/app/reflection/Reflection")
            .build()
    }

    /// What the command line and the preferences ask for.
    pub fn config(&self) -> Config {
        let mut config = self.imp().config.borrow().clone();
        config::add_preferences(&mut config);
        config
    }

    /// Opens the next window so, in place of what the command line says.
    #[cfg(test)]
    pub fn set_config(&self, config: Config) {
        self.imp().config.replace(config);
    }

    /// Has the program that runs already open a window. `false` where none does.
    fn asks_running_one(&self) -> bool {
        let is_running = self.register(gio::Cancellable::NONE).is_ok() && self.is_remote();
        if is_running {
            self.activate_action("new-window", None);
        }
        is_running
    }

    /// The windows of libraries, last used first; those that close come last.
    fn library_windows(&self) -> Vec<Window> {
        let windows = self.windows().into_iter();
        let mut windows: Vec<Window> = windows.filter_map(|it| it.downcast().ok()).collect();
        windows.sort_by_key(Window::is_closing);
        windows
    }

    fn main_window(&self) -> Window {
        let present = self.library_windows().into_iter().next();
        present.unwrap_or_else(|| Window::new(self))
    }

    /// Opens one more window, or the first one.
    fn open_window(&self) {
        let window = self.main_window();
        if window.service().is_some() && !window.is_closing() {
            window.open_beside(None);
        } else {
            window.present();
        }
    }

    /// Shows a document where it is shown already, or else in the window that was used last.
    fn open_document(&self, id: &str) {
        let shows_it = |window: &Window| {
            let shown = window.shown_document();
            shown.is_some_and(|document| document.id() == id)
        };
        let windows = self.library_windows();
        let window = windows.into_iter().find(shows_it);
        let window = window.unwrap_or_else(|| self.main_window());
        window.open_document_by_id(id);
    }

    /// Whether somebody looks at a document, in whichever window.
    pub fn is_looked_at(&self, document: &Document) -> bool {
        let mut windows = self.library_windows().into_iter();
        windows
            .any(|window| window.is_active() && window.shown_document().as_ref() == Some(document))
    }

    /// Joins by links and imports files.
    fn open_files(&self, files: &[gio::File]) {
        let window = self.main_window();
        let (links, files): (Vec<_>, Vec<_>) = files
            .iter()
            .cloned()
            .partition(|file| file.has_uri_scheme("reflection"));
        if let Some(link) = links.first() {
            window.join_by_link(&link.uri());
        }
        window.import_files(files);
        window.present();
    }

    fn add_actions(&self) {
        self.add_action_entries([
            gio::ActionEntry::builder("quit")
                .activate(|application: &Self, _, _| application.close_windows())
                .build(),
            gio::ActionEntry::builder("about")
                .activate(|application: &Self, _, _| application.show_about())
                .build(),
            gio::ActionEntry::builder("shortcuts")
                .activate(|application: &Self, _, _| {
                    let window = application.active_window();
                    shortcuts_dialog(application.upcast_ref()).present(window.as_ref());
                })
                .build(),
            gio::ActionEntry::builder("open-document")
                .parameter_type(Some(glib::VariantTy::STRING))
                .activate(|application: &Self, _, id| {
                    if let Some(id) = id.and_then(glib::Variant::str) {
                        application.open_document(id);
                    }
                })
                .build(),
            gio::ActionEntry::builder("new-window")
                .activate(|application: &Self, _, _| application.open_window())
                .build(),
            gio::ActionEntry::builder("zoom-in")
                .activate(|_: &Self, _, _| Appearance::zoom(1))
                .build(),
            gio::ActionEntry::builder("zoom-out")
                .activate(|_: &Self, _, _| Appearance::zoom(-1))
                .build(),
            gio::ActionEntry::builder("zoom-reset")
                .activate(|_: &Self, _, _| Appearance::set_zoom(100))
                .build(),
        ]);
        self.set_accels_for_action("app.quit", &["<Control>q"]);
        self.set_accels_for_action("app.shortcuts", &["<Control>question"]);
        self.set_accels_for_action("window.close", &["<Control>w"]);
        self.set_accels_for_action("win.new-document", &["<Control>n"]);
        self.set_accels_for_action("win.new-window", &["<Control><Shift>n"]);
        self.set_accels_for_action("win.join-document", &["<Control>j"]);
        self.set_accels_for_action("win.import", &["<Control>o"]);
        self.set_accels_for_action("win.search", &["<Control><Shift>f"]);
        self.set_accels_for_action("win.preferences", &["<Control>comma"]);
        let larger = ["<Control>plus", "<Control>equal", "<Control>KP_Add"];
        self.set_accels_for_action("app.zoom-in", &larger);
        let smaller = ["<Control>minus", "<Control>KP_Subtract"];
        self.set_accels_for_action("app.zoom-out", &smaller);
        self.set_accels_for_action("app.zoom-reset", &["<Control>0", "<Control>KP_0"]);
    }

    /// Closing the last window saves everything, and the application ends with it. The others close
    /// as if they had been closed one by one, but are to come back all the same.
    fn close_windows(&self) {
        let open_documents = settings().strv("open-documents");
        for window in self.windows() {
            // A window with a dialog would close that alone.
            if let Some(window) = window.downcast_ref::<Window>() {
                while let Some(dialog) = window.visible_dialog() {
                    dialog.force_close();
                }
            }
            window.close();
        }
        let _ = settings().set_strv("open-documents", open_documents);
    }

    fn show_about(&self) {
        let about = adw::AboutDialog::builder()
            .application_name(gettext("Reflection"))
            .application_icon(APP_ID)
            .version(VERSION)
            .developer_name(gettext("The Reflection contributors"))
            .license_type(gtk::License::Gpl30)
            .comments(gettext("Write together, with no server and no account"))
            .debug_info(debug_info())
            .debug_info_filename("reflection.txt")
            .build();
        about.present(self.active_window().as_ref());
    }
}

/// What helps whoever is asked for help; nothing of what people write. Not translated, as it is for
/// reports.
fn debug_info() -> String {
    let system = glib::os_info("PRETTY_NAME");
    format!(
        "Reflection {VERSION} ({APP_ID})\nGTK {}.{}.{}, libadwaita {}.{}.{}\nSystem: {}\n",
        gtk::major_version(),
        gtk::minor_version(),
        gtk::micro_version(),
        adw::major_version(),
        adw::minor_version(),
        adw::micro_version(),
        system.as_deref().unwrap_or("unknown"),
    )
}

/// A session that ends, or Ctrl+C in a terminal, saves as closing the window does.
fn quit_on_signals(application: &Application) {
    const SIGINT: i32 = 2;
    const SIGTERM: i32 = 15;
    for signal in [SIGINT, SIGTERM] {
        let application = application.downgrade();
        glib_unix::unix_signal_add_local(signal, move || {
            if let Some(application) = application.upgrade() {
                application.close_windows();
            }
            glib::ControlFlow::Continue
        });
    }
}
