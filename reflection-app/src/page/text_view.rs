// SPDX-License-Identifier: GPL-3.0-or-later
//! The editor: a text view with air around the text, in the colours of the system.

use std::cell::{Cell, OnceCell};
use std::ops::Range;

use adw::prelude::*;
use adw::subclass::prelude::*;
use glib::clone;
use gtk::{gdk, glib};
use sourceview5::prelude::*;
use sourceview5::subclass::prelude::*;

use super::remote_cursors::RemoteCursors;
use super::seeking::{Aim, Seeking};
use super::spelling::Spelling;
use super::text_buffer::TextBuffer;
use super::writing;
use crate::components::{Compensation, ScrollAnchor};
use crate::preferences::{Appearance, settings};

/// Space around the text, in pixels.
const MARGIN: i32 = 24;
/// Space below the last line, so that one does not write at the edge of the window.
const MARGIN_BOTTOM: i32 = 120;
/// Space between lines, in pixels, above and below each.
const LINE_SPACING: i32 = 3;

pub(super) mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct TextView {
        pub(super) buffer: TextBuffer,
        pub(super) anchor: ScrollAnchor,
        pub(super) compensation: Compensation,
        pub(super) seeking: Seeking,
        pub(super) remote_cursors: RemoteCursors,
        pub(super) spelling: OnceCell<Spelling>,
        /// Whether an input method shows what it has not handed over yet.
        pub(in crate::page) is_composing: Cell<bool>,
        /// The size of the text when two fingers touched it.
        pub(super) pinched_percent: Cell<i32>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TextView {
        const NAME: &'static str = "ReflectionTextView";
        type Type = super::TextView;
        type ParentType = sourceview5::View;

        fn class_init(klass: &mut Self::Class) {
            writing::install_actions(klass);
        }
    }

    impl ObjectImpl for TextView {
        fn constructed(&self) {
            self.parent_constructed();
            let view = self.obj();
            view.set_buffer(Some(&self.buffer));
            view.set_left_margin(MARGIN);
            view.set_right_margin(MARGIN);
            view.set_top_margin(MARGIN);
            view.set_bottom_margin(MARGIN_BOTTOM);
            view.set_pixels_above_lines(LINE_SPACING);
            view.set_pixels_below_lines(LINE_SPACING);
            view.set_pixels_inside_wrap(2 * LINE_SPACING);
            view.set_auto_indent(false);
            view.set_tab_width(4);
            view.set_insert_spaces_instead_of_tabs(true);
            view.add_css_class("document-text");
            let style = adw::StyleManager::default();
            style.connect_dark_notify(clone!(
                #[weak]
                view,
                move |style| view.follow_system_colours(style)
            ));
            view.follow_system_colours(&style);
            view.follow_settings();
            view.connect_vadjustment_notify(|view| {
                view.imp().compensation.follow(view.upcast_ref());
            });
            view.check_spelling();
            view.zoom_by_touch();
            view.take_keys();
            view.keep_reversible();
            view.follow_pointer();
            view.tell_where_the_keyboard_is();
        }
    }

    impl WidgetImpl for TextView {}
    impl TextViewImpl for TextView {
        fn move_cursor(&self, step: gtk::MovementStep, count: i32, selects: bool) {
            self.parent_move_cursor(step, count, selects);
            self.obj().show_air_above();
        }

        fn snapshot_layer(&self, layer: gtk::TextViewLayer, snapshot: gtk::Snapshot) {
            self.parent_snapshot_layer(layer, snapshot.clone());
            if layer == gtk::TextViewLayer::AboveText {
                self.remote_cursors.snapshot(&self.obj(), &snapshot);
            }
        }
    }

    impl ViewImpl for TextView {}
}

glib::wrapper! {
    /// The editor.
    pub struct TextView(ObjectSubclass<imp::TextView>)
        @extends sourceview5::View, gtk::TextView, gtk::Widget,
        @implements gtk::Accessible, gtk::AccessibleText, gtk::Buildable, gtk::ConstraintTarget,
            gtk::Scrollable;
}

impl Default for TextView {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl TextView {
    /// The text in it.
    pub fn text_buffer(&self) -> &TextBuffer {
        &self.imp().buffer
    }

    /// The others' carets and selections.
    pub fn remote_cursors(&self) -> &RemoteCursors {
        &self.imp().remote_cursors
    }

    /// Shows names of carets that the pointer touches.
    fn follow_pointer(&self) {
        let motion = gtk::EventControllerMotion::new();
        motion.connect_motion(clone!(
            #[weak(rename_to = view)]
            self,
            move |_, x, y| {
                #[allow(clippy::cast_possible_truncation, reason = "pixels of a screen")]
                let (x, y) =
                    view.window_to_buffer_coords(gtk::TextWindowType::Widget, x as i32, y as i32);
                #[allow(clippy::cast_precision_loss, reason = "pixels of a text")]
                let pointer = (x as f32, y as f32);
                view.remote_cursors().set_pointer(&view, Some(pointer));
            }
        ));
        motion.connect_leave(clone!(
            #[weak(rename_to = view)]
            self,
            move |_| view.remote_cursors().set_pointer(&view, None)
        ));
        self.add_controller(motion);
    }

    /// Whoever goes to the first line sees the air above it, too. GTK brings the line into view and
    /// no more.
    fn show_air_above(&self) {
        let buffer = &self.imp().buffer;
        let top = |place: &gtk::TextIter| self.iter_location(place).y();
        let caret = buffer.iter_at_mark(&buffer.get_insert());
        if caret.line() == 0
            && top(&caret) == top(&buffer.start_iter())
            && let Some(adjustment) = self.vadjustment()
        {
            adjustment.set_value(adjustment.lower());
        }
    }

    /// Of several windows with one document, the caret is that of the one with the keyboard.
    fn tell_where_the_keyboard_is(&self) {
        let focus = gtk::EventControllerFocus::new();
        focus.connect_enter(clone!(
            #[weak(rename_to = view)]
            self,
            move |_| view.text_buffer().tell_selection()
        ));
        self.add_controller(focus);
    }

    /// Takes note of where the caret is on the screen, before others' edits are applied.
    pub fn hold_place(&self) {
        self.imp().anchor.hold(self.upcast_ref());
    }

    /// Brings the line with the caret back to where it was, after others' edits were applied.
    pub fn restore_place(&self) {
        self.imp().anchor.restore(self.upcast_ref());
    }

    /// Selects a range that was found and brings it into view. One widget at a time has what the
    /// middle button pastes, and one that loses it selects nothing any longer; so this leaves it
    /// to the entry in which one says what to find.
    pub fn select_and_show(&self, from: &gtk::TextIter, to: &gtk::TextIter) {
        let buffer = &self.imp().buffer;
        let clipboard = Some(self.primary_clipboard()).filter(|_| self.is_realized());
        if let Some(clipboard) = &clipboard {
            buffer.remove_selection_clipboard(clipboard);
        }
        buffer.select_range(from, to);
        if let Some(clipboard) = &clipboard {
            buffer.add_selection_clipboard(clipboard);
        }
        self.scroll_to_mark(&buffer.get_insert(), 0.1, false, 0.0, 0.0);
    }

    /// Selects a stretch, in characters, and brings it into the upper part of the view.
    pub fn go_to_range(&self, stretch: &Range<u32>) {
        self.select_stretch(stretch);
        self.imp().seeking.seek(self, Aim::Seen);
    }

    /// Begins to show the text with a stretch of it selected, in characters.
    pub fn open_at(&self, stretch: &Range<u32>) {
        self.select_stretch(stretch);
        self.imp().seeking.seek(self, Aim::Opened);
    }

    fn select_stretch(&self, stretch: &Range<u32>) {
        let buffer = &self.imp().buffer;
        let place = |at: u32| buffer.iter_at_offset(i32::try_from(at).unwrap_or(i32::MAX));
        buffer.select_range(&place(stretch.start), &place(stretch.end));
    }

    /// Where the caret is, in characters.
    pub fn caret(&self) -> u32 {
        let buffer = &self.imp().buffer;
        let offset = buffer.iter_at_mark(&buffer.get_insert()).offset();
        u32::try_from(offset).unwrap_or(0)
    }

    fn follow_settings(&self) {
        let settings = settings();
        settings
            .bind("show-line-numbers", self, "show-line-numbers")
            .get()
            .build();
        settings
            .bind("show-right-margin", self, "show-right-margin")
            .get()
            .build();
        settings
            .bind("right-margin-position", self, "right-margin-position")
            .get()
            .build();
        settings
            .bind("wrap-lines", self, "wrap-mode")
            .get()
            .mapping(|wraps, _| {
                let mode = if wraps.get::<bool>()? {
                    gtk::WrapMode::WordChar
                } else {
                    gtk::WrapMode::None
                };
                Some(mode.to_value())
            })
            .build();
    }

    fn check_spelling(&self) {
        let imp = self.imp();
        let spelling = Spelling::new(&imp.buffer);
        self.insert_action_group("spelling", Some(&spelling.actions()));
        self.set_extra_menu(Some(&writing::menu_with(&spelling.menu())));
        // Set once, while the view is being made.
        let _ = imp.spelling.set(spelling);
        let click = gtk::GestureClick::builder()
            .button(gdk::BUTTON_SECONDARY)
            .propagation_phase(gtk::PropagationPhase::Capture)
            .build();
        click.connect_pressed(clone!(
            #[weak(rename_to = view)]
            self,
            move |_, _, x, y| view.move_caret_for_menu(x, y)
        ));
        self.add_controller(click);
    }

    /// The menu concerns the word that was clicked, unless a selection was.
    fn move_caret_for_menu(&self, x: f64, y: f64) {
        let imp = self.imp();
        #[allow(clippy::cast_possible_truncation, reason = "pixels of a screen")]
        let (x, y) = self.window_to_buffer_coords(gtk::TextWindowType::Widget, x as i32, y as i32);
        if imp.buffer.selection_bounds().is_none()
            && let Some(place) = self.iter_at_location(x, y)
        {
            imp.buffer.place_cursor(&place);
        }
        self.show_corrections();
        self.show_tickable();
    }

    /// Brings the menu up to the word under the caret, before it is opened.
    pub(super) fn show_corrections(&self) {
        if let Some(spelling) = self.imp().spelling.get() {
            spelling.update();
        }
    }

    /// Two fingers, or the wheel with Ctrl, change the size of the text.
    fn zoom_by_touch(&self) {
        let pinch = gtk::GestureZoom::new();
        pinch.connect_begin(clone!(
            #[weak(rename_to = view)]
            self,
            move |_, _| view
                .imp()
                .pinched_percent
                .set(settings().int("zoom-percent"))
        ));
        pinch.connect_scale_changed(clone!(
            #[weak(rename_to = view)]
            self,
            move |_, scale| {
                let begun = f64::from(view.imp().pinched_percent.get());
                #[allow(clippy::cast_possible_truncation, reason = "bounded by the setting")]
                Appearance::set_zoom((begun * scale).round() as i32);
            }
        ));
        self.add_controller(pinch);
        let wheel = gtk::EventControllerScroll::new(
            gtk::EventControllerScrollFlags::VERTICAL | gtk::EventControllerScrollFlags::DISCRETE,
        );
        wheel.set_propagation_phase(gtk::PropagationPhase::Capture);
        wheel.connect_scroll(|wheel, _, down| {
            let is_held = wheel
                .current_event_state()
                .contains(gdk::ModifierType::CONTROL_MASK);
            if !is_held {
                return glib::Propagation::Proceed;
            }
            Appearance::zoom(if down < 0.0 { 1 } else { -1 });
            glib::Propagation::Stop
        });
        self.add_controller(wheel);
    }

    fn follow_system_colours(&self, style: &adw::StyleManager) {
        let name = if style.is_dark() {
            "reflection-dark"
        } else {
            "reflection"
        };
        let scheme = sourceview5::StyleSchemeManager::default().scheme(name);
        self.imp().buffer.set_style_scheme(scheme.as_ref());
    }
}
