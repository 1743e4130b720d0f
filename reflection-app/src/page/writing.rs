// SPDX-License-Identifier: GPL-3.0-or-later
//! What keys do to the text besides typing: undo, lists, emphasis, ticks.
//!
//! All of it is worked out by the document's engine and comes back as changes of the text, so
//! the buffer never changes by itself.

use gettextrs::gettext;
use glib::clone;
use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{gdk, gio, glib};
use reflection_doc::engine::{
    self, Emphasis, Rewrite, Selection, continue_list, indent, outdent, toggle_emphasis,
};
use reflection_doc::objects::Document;

use super::text_view::{TextView, imp};

/// The name of an action, and what it does.
type Command = (&'static str, fn(&TextView));

/// What can be done by keys.
const COMMANDS: [Command; 7] = [
    ("text.bold", |view| view.emphasise(Emphasis::Bold)),
    ("text.italic", |view| view.emphasise(Emphasis::Italic)),
    ("text.struck", |view| {
        view.emphasise(Emphasis::Strikethrough);
    }),
    ("text.code", |view| view.emphasise(Emphasis::Code)),
    ("text.link", |view| {
        view.rewrite(|text, selection| Some(engine::link(text, selection)));
    }),
    ("text.tick", TextView::tick),
    // For the menu, which offers it where there is a task.
    (TICK_HERE, TextView::tick),
];
const TICK_HERE: &str = "text.tick-here";

const CONTROL: gdk::ModifierType = gdk::ModifierType::CONTROL_MASK;
const SHIFT: gdk::ModifierType = gdk::ModifierType::SHIFT_MASK;
/// What makes another key of a key while it is held.
const HELD: gdk::ModifierType = CONTROL
    .union(SHIFT)
    .union(gdk::ModifierType::ALT_MASK)
    .union(gdk::ModifierType::SUPER_MASK);

/// The keys of these. What is added here belongs into the dialog of shortcuts, too. They are taken
/// before GTK sees them, because a text view makes a line break of Return whatever is held with it.
pub const SHORTCUTS: [(gdk::Key, gdk::ModifierType, &str); 4] = [
    (gdk::Key::b, CONTROL, "text.bold"),
    (gdk::Key::i, CONTROL, "text.italic"),
    (gdk::Key::k, CONTROL, "text.link"),
    (gdk::Key::Return, CONTROL, "text.tick"),
];

/// Takes something back, or does it again.
pub type Reversal = fn(&Document) -> Option<Selection>;

/// The keys for that.
pub const REVERSALS: [(gdk::Key, gdk::ModifierType, Reversal); 3] = [
    (gdk::Key::z, CONTROL, Document::undo),
    (gdk::Key::z, CONTROL.union(SHIFT), Document::redo),
    (gdk::Key::y, CONTROL, Document::redo),
];

/// What these keys take back or do again.
pub(super) fn reversal(key: gdk::Key, modifiers: gdk::ModifierType) -> Option<Reversal> {
    let pressed = (key.to_lower(), modifiers & HELD);
    let mut reversals = REVERSALS.into_iter();
    let found = reversals.find(|known| (known.0, known.1) == pressed);
    found.map(|(_, _, act)| act)
}

/// Installs the actions of the text.
pub(super) fn install_actions(klass: &mut <imp::TextView as ObjectSubclass>::Class) {
    // In place of GTK's own: the document knows what is one's own, the buffer does not.
    klass.install_action("text.undo", None, |view: &TextView, _, _| {
        view.reverse(Document::undo);
    });
    klass.install_action("text.redo", None, |view: &TextView, _, _| {
        view.reverse(Document::redo);
    });
    for (name, act) in COMMANDS {
        klass.install_action(name, None, move |view: &TextView, _, _| act(view));
    }
}

/// The menu of the text beyond what GTK puts into it.
pub(super) fn menu_with(spelling: &gio::MenuModel) -> gio::Menu {
    let (menu, section) = (gio::Menu::new(), gio::Menu::new());
    let tick = gio::MenuItem::new(Some(&gettext("_Tick or Untick")), Some(TICK_HERE));
    tick.set_attribute_value("hidden-when", Some(&"action-disabled".to_variant()));
    section.append_item(&tick);
    menu.append_section(None, &section);
    menu.append_section(None, spelling);
    menu
}

impl TextView {
    /// Says which of undo and redo there is something for.
    pub fn show_reversible(&self) {
        let document = self.text_buffer().document();
        let (can_undo, can_redo) =
            document.map_or((false, false), |it| (it.can_undo(), it.can_redo()));
        self.action_set_enabled("text.undo", can_undo);
        self.action_set_enabled("text.redo", can_redo);
    }

    /// GTK says at times that its own undo, which is not used, can do nothing. So it is said again
    /// right after that what is true, and before a menu can open, by a button, a finger or a key.
    pub(super) fn keep_reversible(&self) {
        let buffer = self.text_buffer();
        for property in ["can-undo", "can-redo", "enable-undo"] {
            buffer.connect_notify_local(
                Some(property),
                clone!(
                    #[weak(rename_to = view)]
                    self,
                    move |_, _| view.show_reversible()
                ),
            );
        }
        let presses = gtk::GestureClick::builder()
            .button(0)
            .propagation_phase(gtk::PropagationPhase::Capture)
            .build();
        presses.connect_pressed(clone!(
            #[weak(rename_to = view)]
            self,
            move |_, _, _, _| view.show_reversible()
        ));
        self.add_controller(presses);
    }

    /// Takes the keys that the text view would have for itself otherwise. One that does nothing
    /// here is left to it, and so are all of them while an input method is composing.
    pub(super) fn take_keys(&self) {
        self.connect_preedit_changed(|view, composed| {
            view.imp().is_composing.set(!composed.is_empty());
        });
        let keys = gtk::EventControllerKey::new();
        keys.set_propagation_phase(gtk::PropagationPhase::Capture);
        keys.connect_key_pressed(clone!(
            #[weak(rename_to = view)]
            self,
            #[upgrade_or]
            glib::Propagation::Proceed,
            move |_, key, _, modifiers| {
                if !view.imp().is_composing.get() && view.key_pressed(key, modifiers) {
                    glib::Propagation::Stop
                } else {
                    glib::Propagation::Proceed
                }
            }
        ));
        self.add_controller(keys);
    }

    /// Says whether there is a task in the caret's line, before the menu is opened.
    pub(super) fn show_tickable(&self) {
        let document = self.text_buffer().document();
        let document = document.filter(|_| self.is_editable());
        let task = document.and_then(|document| {
            engine::toggle_task(
                &document.text(),
                self.text_buffer().present_selection().caret,
            )
        });
        self.action_set_enabled(TICK_HERE, task.is_some());
    }

    /// Whether the key did something.
    fn key_pressed(&self, key: gdk::Key, modifiers: gdk::ModifierType) -> bool {
        if matches!(key, gdk::Key::Menu | gdk::Key::F10) {
            self.show_reversible();
            self.show_corrections();
            self.show_tickable();
        }
        let held = modifiers & HELD;
        let is_plain = held.is_empty();
        let pressed = key;
        let key = match key.to_lower() {
            gdk::Key::KP_Enter | gdk::Key::ISO_Enter => gdk::Key::Return,
            key => key,
        };
        let mut shortcuts = SHORTCUTS.into_iter();
        if let Some((_, _, action)) = shortcuts.find(|known| (known.0, known.1) == (key, held)) {
            // Whether it can be done is for the action to say; GTK has no use for these keys.
            let _ = WidgetExt::activate_action(self, action, None);
            return true;
        }
        if let Some(act) = reversal(pressed, modifiers) {
            return self.reverse(act);
        }
        match key {
            gdk::Key::Return if is_plain => self.rewrite(continue_list),
            gdk::Key::Tab if is_plain => self.is_in_list() && self.rewrite(indent),
            gdk::Key::Tab | gdk::Key::ISO_Left_Tab if held == SHIFT => {
                self.is_in_list() && self.rewrite(outdent)
            }
            _ => false,
        }
    }

    /// Takes something back, or does it again. Whether there was a text for that.
    pub fn reverse(&self, reverse: Reversal) -> bool {
        let Some(document) = self.text_buffer().document() else {
            return false;
        };
        match reverse(&document) {
            Some(selection) => self.show_changed(selection),
            None => self.error_bell(),
        }
        true
    }

    fn emphasise(&self, emphasis: Emphasis) {
        self.rewrite(|text, selection| Some(toggle_emphasis(text, selection, emphasis)));
    }

    /// Ticks the task in the caret's line, or takes its tick away.
    fn tick(&self) {
        let is_done = self.rewrite(|text, selection| {
            let edit = engine::toggle_task(text, selection.caret)?;
            Some(Rewrite {
                edits: vec![edit],
                selection,
            })
        });
        if !is_done {
            self.error_bell();
        }
    }

    /// Ticks the task whose mark has so many characters before it, or takes its tick away. The caret
    /// and what is seen stay where they are.
    pub fn tick_at(&self, at: u32) {
        let buffer = self.text_buffer();
        let Some(document) = buffer.document().filter(|_| self.is_editable()) else {
            return;
        };
        let selection = buffer.present_selection();
        let edit = engine::toggle_task(&document.text(), at as usize);
        let edits = Vec::from_iter(edit);
        match document.rewrite(&Rewrite { edits, selection }) {
            Ok(selection) => buffer.show_selection(selection),
            Err(_) => self.error_bell(),
        }
    }

    /// Does what `work_out` makes of the text and the selection. `false` if that is nothing.
    fn rewrite(&self, work_out: impl FnOnce(&str, Selection) -> Option<Rewrite>) -> bool {
        let buffer = self.text_buffer();
        let Some(document) = buffer.document().filter(|_| self.is_editable()) else {
            return false;
        };
        let Some(rewrite) = work_out(&document.text(), buffer.present_selection()) else {
            return false;
        };
        match document.rewrite(&rewrite) {
            Ok(selection) => self.show_changed(selection),
            Err(_) => self.error_bell(),
        }
        true
    }

    fn show_changed(&self, selection: Selection) {
        let buffer = self.text_buffer();
        buffer.show_selection(selection);
        self.scroll_mark_onscreen(&buffer.get_insert());
    }

    /// Whether Tab means something else than a tab here.
    fn is_in_list(&self) -> bool {
        let buffer = self.text_buffer();
        if buffer.has_selection() {
            return true;
        }
        let mut start = buffer.iter_at_mark(&buffer.get_insert());
        start.set_line_offset(0);
        let mut end = start;
        end.forward_to_line_end();
        let line = buffer.slice(&start, &end, false);
        let marks = line.trim_start();
        let is_numbered = marks
            .trim_start_matches(|sign: char| sign.is_ascii_digit())
            .starts_with(". ")
            && marks.starts_with(|sign: char| sign.is_ascii_digit());
        is_numbered
            || ["- ", "* ", "+ "]
                .iter()
                .any(|mark| marks.starts_with(mark))
    }
}
