// SPDX-License-Identifier: GPL-3.0-or-later
//! Find and replace in the text of the page.
//!
//! Replacements go through the buffer as if they were typed, one user action for all of them.

use std::cell::{Cell, OnceCell, RefCell};

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::{gettext, ngettext};
use glib::clone;
use gtk::{CompositeTemplate, TemplateChild, gdk, gio, glib};
use sourceview5::prelude::*;

use super::text_view::TextView;

/// A selection longer than this is not what somebody wants to find.
const SELECTION_CHARS_MAX: usize = 200;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(file = "src/page/find_bar.blp")]
    pub struct FindBar {
        #[template_child]
        pub(super) revealer: TemplateChild<gtk::Revealer>,
        #[template_child]
        pub(super) find_row: TemplateChild<gtk::Box>,
        #[template_child]
        pub(super) find_entry: TemplateChild<gtk::Entry>,
        #[template_child]
        pub(super) count_label: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) replace_toggle: TemplateChild<gtk::ToggleButton>,
        #[template_child]
        pub(super) replace_entry: TemplateChild<gtk::Entry>,
        #[template_child]
        pub(super) replace_row: TemplateChild<gtk::Box>,
        #[template_child]
        pub(super) replace_buttons: TemplateChild<gtk::Box>,
        pub(super) view: OnceCell<TextView>,
        pub(super) settings: sourceview5::SearchSettings,
        pub(super) context: RefCell<Option<sourceview5::SearchContext>>,
        pub(super) actions: gio::SimpleActionGroup,
        pub(super) is_editable: Cell<bool>,
        /// How many places were replaced last, until something else is done.
        pub(super) replaced: Cell<Option<u32>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for FindBar {
        const NAME: &'static str = "ReflectionFindBar";
        type Type = super::FindBar;
        type ParentType = adw::Bin;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for FindBar {
        fn constructed(&self) {
            self.parent_constructed();
            let bar = self.obj();
            self.settings.set_wrap_around(true);
            bar.add_actions();
            bar.add_keys();
            self.find_entry.connect_changed(clone!(
                #[weak]
                bar,
                move |_| bar.search_changed()
            ));
        }
    }

    impl WidgetImpl for FindBar {}
    impl BinImpl for FindBar {}
}

glib::wrapper! {
    /// Find and replace.
    pub struct FindBar(ObjectSubclass<imp::FindBar>)
        @extends adw::Bin, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl FindBar {
    /// Whether the words on its buttons have no room beside an entry, and whether not even those
    /// without words have.
    pub fn set_room(&self, is_narrow: bool, is_tight: bool) {
        let imp = self.imp();
        let direction = |is_below: bool| {
            if is_below {
                gtk::Orientation::Vertical
            } else {
                gtk::Orientation::Horizontal
            }
        };
        imp.find_row.set_orientation(direction(is_tight));
        imp.replace_row.set_orientation(direction(is_narrow));
        imp.replace_buttons.set_homogeneous(is_narrow && !is_tight);
    }

    /// Searches the text of this view.
    pub fn set_view(&self, view: &TextView) {
        // Set once, by the page that has both.
        let _ = self.imp().view.set(view.clone());
    }

    /// Shows the bar and takes the selection as what to find.
    pub fn show(&self, with_replace: bool) {
        let imp = self.imp();
        let Some(view) = imp.view.get() else {
            return;
        };
        let buffer = view.text_buffer();
        if imp.context.borrow().is_none() {
            let context = sourceview5::SearchContext::new(buffer, Some(&imp.settings));
            context.set_highlight(true);
            context.connect_occurrences_count_notify(clone!(
                #[weak(rename_to = bar)]
                self,
                move |_| bar.show_count()
            ));
            imp.context.replace(Some(context));
        }
        let selected = buffer.selection_bounds();
        if let Some((from, to)) = &selected {
            let text = buffer.slice(from, to, false);
            if !text.contains('\n') && text.chars().count() <= SELECTION_CHARS_MAX {
                imp.find_entry.set_text(&text);
            }
        }
        imp.is_editable.set(view.is_editable());
        imp.replace_toggle.set_sensitive(view.is_editable());
        imp.replace_toggle
            .set_active(with_replace && view.is_editable());
        imp.revealer.set_reveal_child(true);
        imp.find_entry.grab_focus();
        // What is typed next takes its place. That takes the selection away from the text.
        imp.find_entry.select_region(0, -1);
        if let Some((from, to)) = selected {
            view.select_and_show(&from, &to);
        }
        self.search_changed();
    }

    /// Hides the bar and gives the keyboard back to the text.
    pub fn close(&self) {
        let imp = self.imp();
        imp.revealer.set_reveal_child(false);
        imp.context.replace(None);
        if let Some(view) = imp.view.get() {
            view.grab_focus();
        }
    }

    /// Whether the bar is shown.
    pub fn is_shown(&self) -> bool {
        self.imp().revealer.reveals_child()
    }

    fn add_actions(&self) {
        let imp = self.imp();
        let action = |name: &str, react: fn(&Self)| {
            gio::ActionEntry::builder(name)
                .activate(clone!(
                    #[weak(rename_to = bar)]
                    self,
                    move |_: &gio::SimpleActionGroup, _, _| react(&bar)
                ))
                .build()
        };
        imp.actions.add_action_entries([
            action("next", Self::find_next),
            action("previous", Self::find_previous),
            action("replace", Self::replace),
            action("replace-all", Self::replace_all),
            action("close", Self::close),
        ]);
        for (name, property) in [
            ("match-case", "case-sensitive"),
            ("whole-words", "at-word-boundaries"),
            ("regular-expression", "regex-enabled"),
        ] {
            imp.actions
                .add_action(&gio::PropertyAction::new(name, &imp.settings, property));
            imp.settings.connect_notify_local(
                Some(property),
                clone!(
                    #[weak(rename_to = bar)]
                    self,
                    move |_, _| bar.search_changed()
                ),
            );
        }
        self.insert_action_group("find", Some(&imp.actions));
    }

    fn add_keys(&self) {
        let imp = self.imp();
        for entry in [&*imp.find_entry, &*imp.replace_entry] {
            let keys = gtk::EventControllerKey::new();
            // Before the entry sees them: it would take some of them for itself.
            keys.set_propagation_phase(gtk::PropagationPhase::Capture);
            let is_find = entry == &*imp.find_entry;
            keys.connect_key_pressed(clone!(
                #[weak(rename_to = bar)]
                self,
                #[upgrade_or]
                glib::Propagation::Proceed,
                move |_, key, _, modifiers| bar.key_pressed(key, modifiers, is_find)
            ));
            entry.add_controller(keys);
        }
    }

    fn key_pressed(
        &self,
        key: gdk::Key,
        modifiers: gdk::ModifierType,
        is_find: bool,
    ) -> glib::Propagation {
        let is_shifted = modifiers.contains(gdk::ModifierType::SHIFT_MASK);
        match key {
            gdk::Key::Escape => self.close(),
            gdk::Key::Return | gdk::Key::KP_Enter if !is_find => self.replace(),
            gdk::Key::Return | gdk::Key::KP_Enter if is_shifted => self.find_previous(),
            gdk::Key::Return | gdk::Key::KP_Enter => self.find_next(),
            _ => return glib::Propagation::Proceed,
        }
        glib::Propagation::Stop
    }

    /// Takes over what is looked for, and goes to the next place from the caret on.
    fn search_changed(&self) {
        let imp = self.imp();
        let text = imp.find_entry.text();
        let wanted = if imp.settings.is_regex_enabled() {
            text.to_string()
        } else {
            sourceview5::utils_unescape_search_text(&text).to_string()
        };
        imp.replaced.set(None);
        imp.settings
            .set_search_text(Some(wanted.as_str()).filter(|wanted| !wanted.is_empty()));
        if let (Some(context), Some(view)) = (&*imp.context.borrow(), imp.view.get()) {
            let buffer = view.text_buffer();
            let from = match buffer.selection_bounds() {
                Some((from, _)) => from,
                None => buffer.iter_at_mark(&buffer.get_insert()),
            };
            if !wanted.is_empty()
                && let Some((from, to, _)) = context.forward(&from)
            {
                view.select_and_show(&from, &to);
            }
        }
        self.show_count();
    }

    fn find_next(&self) {
        self.go(|context, buffer| {
            let from = match buffer.selection_bounds() {
                Some((_, to)) => to,
                None => buffer.iter_at_mark(&buffer.get_insert()),
            };
            context.forward(&from)
        });
    }

    fn find_previous(&self) {
        self.go(|context, buffer| {
            let from = match buffer.selection_bounds() {
                Some((from, _)) => from,
                None => buffer.iter_at_mark(&buffer.get_insert()),
            };
            context.backward(&from)
        });
    }

    fn go(
        &self,
        find: impl Fn(
            &sourceview5::SearchContext,
            &sourceview5::Buffer,
        ) -> Option<(gtk::TextIter, gtk::TextIter, bool)>,
    ) {
        let imp = self.imp();
        imp.replaced.set(None);
        if !self.is_shown() {
            self.show(false);
            return;
        }
        if let (Some(context), Some(view)) = (&*imp.context.borrow(), imp.view.get()) {
            let buffer: &sourceview5::Buffer = view.text_buffer().upcast_ref();
            if let Some((from, to, _)) = find(context, buffer) {
                view.select_and_show(&from, &to);
            }
        }
        self.show_count();
    }

    fn replace(&self) {
        let imp = self.imp();
        if !imp.is_editable.get() {
            return;
        }
        if let (Some(context), Some(view)) = (&*imp.context.borrow(), imp.view.get())
            && let Some((mut from, mut to)) = view.text_buffer().selection_bounds()
        {
            // An error names what a regular expression's replacement refers to; nothing is done.
            let replacement = imp.replace_entry.text();
            if context.replace(&mut from, &mut to, &replacement).is_err() {
                imp.replace_entry.add_css_class("error");
            } else {
                imp.replace_entry.remove_css_class("error");
            }
        }
        self.find_next();
    }

    fn replace_all(&self) {
        let imp = self.imp();
        if !imp.is_editable.get() {
            return;
        }
        let replacement = imp.replace_entry.text();
        if let Some(context) = &*imp.context.borrow() {
            let count = count_all(context);
            match context.replace_all(&replacement) {
                Ok(()) => {
                    imp.replaced.set(Some(count));
                    imp.replace_entry.remove_css_class("error");
                }
                Err(_) => imp.replace_entry.add_css_class("error"),
            }
        }
        self.show_count();
    }

    /// Says which match this is and how many there are.
    fn show_count(&self) {
        let imp = self.imp();
        let context = imp.context.borrow();
        let (Some(context), Some(view)) = (&*context, imp.view.get()) else {
            return;
        };
        let is_wrong = context.regex_error().is_some();
        let count = context.occurrences_count();
        let is_searching = imp.settings.search_text().is_some();
        let place = view
            .text_buffer()
            .selection_bounds()
            .map_or(0, |(from, to)| context.occurrence_position(&from, &to));
        let text = if is_wrong {
            gettext("Not valid")
        } else if !is_searching || count < 0 {
            String::new()
        } else if let Some(replaced) = imp.replaced.get().filter(|_| count == 0) {
            // Translators: how many places were replaced.
            ngettext("{count} replaced", "{count} replaced", replaced)
                .replace("{count}", &replaced.to_string())
        } else if count == 0 {
            gettext("No matches")
        } else if place > 0 {
            // Translators: which match this is, of how many.
            gettext("{place} of {count}")
                .replace("{place}", &place.to_string())
                .replace("{count}", &count.to_string())
        } else {
            count.to_string()
        };
        imp.count_label.set_label(&text);
        let is_missing = is_searching && count == 0 && imp.replaced.get().is_none();
        if is_wrong || is_missing {
            imp.find_entry.add_css_class("error");
        } else {
            imp.find_entry.remove_css_class("error");
        }
    }
}

/// How many places are found. What the context says of that comes a little later than a change of what
/// is looked for.
fn count_all(context: &sourceview5::SearchContext) -> u32 {
    if let Ok(count) = u32::try_from(context.occurrences_count()) {
        return count;
    }
    let mut count = 0;
    let mut at = context.buffer().start_iter();
    while let Some((_, end, is_again)) = context.forward(&at) {
        if is_again || end == at {
            break;
        }
        count += 1;
        at = end;
    }
    count
}
