// SPDX-License-Identifier: GPL-3.0-or-later
//! A text view that shows Markdown with its marks carried out, opens its links, and has its boxes
//! ticked.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use gtk::{gdk, glib};

use super::markdown::render;
use super::shown::{MARGIN, Shown, Stop, link_tag};
use crate::components::Compensation;
use crate::window::Window;

/// Schemes of links that are opened. Others could start anything.
const OPENED_SCHEMES: [&str; 4] = ["https", "http", "mailto", "reflection"];

mod imp {
    use std::sync::LazyLock;

    use glib::subclass::Signal;

    use super::*;

    #[derive(Debug, Default)]
    pub struct PreviewView {
        pub(super) shown: RefCell<Shown>,
        /// Whether boxes can be ticked.
        pub(super) can_tick: Cell<bool>,
        pub(super) compensation: Compensation,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for PreviewView {
        const NAME: &'static str = "ReflectionPreviewView";
        type Type = super::PreviewView;
        type ParentType = gtk::TextView;
    }

    impl ObjectImpl for PreviewView {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
                vec![
                    Signal::builder("ticked")
                        .param_types([u32::static_type()])
                        .build(),
                ]
            });
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            let view = self.obj();
            view.set_editable(false);
            view.set_cursor_visible(false);
            view.set_wrap_mode(gtk::WrapMode::WordChar);
            view.set_left_margin(MARGIN);
            view.set_right_margin(MARGIN);
            view.set_top_margin(MARGIN);
            view.set_bottom_margin(MARGIN);
            view.add_css_class("document-text");
            // There is nothing here that could be taken back: that is for the text.
            view.buffer().set_enable_undo(false);
            view.connect_vadjustment_notify(|view| {
                view.imp().compensation.follow(view.upcast_ref());
            });
            view.follow_clicks();
            view.follow_colours();
            view.go_through_stops();
        }
    }

    impl WidgetImpl for PreviewView {}
    impl TextViewImpl for PreviewView {}
}

glib::wrapper! {
    /// Markdown with its marks carried out.
    pub struct PreviewView(ObjectSubclass<imp::PreviewView>)
        @extends gtk::TextView, gtk::Widget,
        @implements gtk::Accessible, gtk::AccessibleText, gtk::Buildable, gtk::ConstraintTarget,
            gtk::Scrollable;
}

impl PreviewView {
    /// Shows this text in place of what it showed. What one is reading stays where it is: a text view
    /// sees to that as long as the text is still there.
    pub fn set_markdown(&self, text: &str) {
        let imp = self.imp();
        let widths = RefCell::new(HashMap::new());
        let width = |mark: &str| {
            if mark.is_empty() {
                return 0;
            }
            let mut widths = widths.borrow_mut();
            *widths
                .entry(mark.to_owned())
                .or_insert_with(|| self.create_pango_layout(Some(mark)).pixel_size().0)
        };
        let buffer = self.buffer();
        let is_first = buffer.char_count() == 0;
        imp.shown
            .borrow_mut()
            .become_pieces(&buffer, render(text), width);
        if is_first {
            // The caret goes along with what is put before it, and Tab begins there.
            buffer.place_cursor(&buffer.start_iter());
        }
    }

    /// Says whether boxes can be ticked.
    pub fn set_can_tick(&self, can_tick: bool) {
        self.imp().can_tick.set(can_tick);
    }

    /// Calls back when a box is to be ticked, or its tick taken away, with how many characters of the
    /// Markdown stand before its tick.
    pub fn connect_ticked<F: Fn(&Self, u32) + 'static>(&self, f: F) -> glib::SignalHandlerId {
        self.connect_closure(
            "ticked",
            false,
            glib::closure_local!(move |view: &Self, at: u32| f(view, at)),
        )
    }

    fn follow_colours(&self) {
        link_tag(&self.buffer()).set_foreground_rgba(Some(&link_colour()));
        let style = adw::StyleManager::default();
        for property in ["dark", "accent-color"] {
            style.connect_notify_local(
                Some(property),
                clone!(
                    #[weak(rename_to = view)]
                    self,
                    move |_, _| {
                        link_tag(&view.buffer()).set_foreground_rgba(Some(&link_colour()));
                    }
                ),
            );
        }
    }

    /// Tab goes from link to link and from box to box; Return opens what is selected, and Return or
    /// Space ticks it.
    fn go_through_stops(&self) {
        self.set_accepts_tab(false);
        let keys = gtk::EventControllerKey::new();
        keys.set_propagation_phase(gtk::PropagationPhase::Capture);
        keys.connect_key_pressed(clone!(
            #[weak(rename_to = view)]
            self,
            #[upgrade_or]
            glib::Propagation::Proceed,
            move |_, key, _, modifiers| {
                let is_plain = (modifiers & gtk::accelerator_get_default_mod_mask()).is_empty();
                let is_done = match key {
                    gdk::Key::Tab if is_plain => view.select_stop(true),
                    gdk::Key::Tab | gdk::Key::ISO_Left_Tab
                        if modifiers.contains(gdk::ModifierType::SHIFT_MASK) =>
                    {
                        view.select_stop(false)
                    }
                    gdk::Key::Return | gdk::Key::KP_Enter | gdk::Key::ISO_Enter if is_plain => {
                        view.act_on_selected(true)
                    }
                    gdk::Key::space | gdk::Key::KP_Space if is_plain => view.act_on_selected(false),
                    _ => false,
                };
                if is_done {
                    glib::Propagation::Stop
                } else {
                    glib::Propagation::Proceed
                }
            }
        ));
        self.add_controller(keys);
    }

    /// Selects what comes next to act on from where one is, or what was before. `false` if there is
    /// nothing.
    fn select_stop(&self, is_forward: bool) -> bool {
        let buffer = self.buffer();
        let selected = buffer.selection_bounds();
        let caret = buffer.iter_at_mark(&buffer.get_insert()).offset();
        let present = selected.map_or((caret, caret), |(from, to)| (from.offset(), to.offset()));
        let place = {
            let shown = self.imp().shown.borrow();
            let mut places = shown
                .stops()
                .iter()
                .filter(|(_, stop)| self.is_usable(stop))
                .map(|(range, _)| range.clone());
            if is_forward {
                places.find(|place| place.start >= present.1)
            } else {
                places.rfind(|place| place.end <= present.0)
            }
        };
        let Some(place) = place else {
            return false;
        };
        let (from, to) = (
            buffer.iter_at_offset(place.start),
            buffer.iter_at_offset(place.end),
        );
        buffer.select_range(&to, &from);
        self.scroll_mark_onscreen(&buffer.get_insert());
        true
    }

    /// Acts on what the selection begins with; links are opened only if they are meant, too. `false`
    /// if there is nothing.
    fn act_on_selected(&self, opens_links: bool) -> bool {
        let buffer = self.buffer();
        let Some((from, to)) = buffer.selection_bounds() else {
            return false;
        };
        let (from, to) = (from.offset(), to.offset());
        let stops = self.imp().shown.borrow().stops().to_vec();
        let found = stops.into_iter().find(|(range, _)| range.contains(&from));
        let Some((_, stop)) = found.filter(|(_, stop)| self.is_usable(stop)) else {
            return false;
        };
        if matches!(stop, Stop::Link(_)) && !opens_links {
            return false;
        }
        self.act_on(&stop);
        // A box is another character then.
        buffer.select_range(&buffer.iter_at_offset(to), &buffer.iter_at_offset(from));
        true
    }

    fn act_on(&self, stop: &Stop) {
        match stop {
            Stop::Link(url) => self.open(url),
            Stop::Task(at) => {
                let at = u32::try_from(*at).unwrap_or(u32::MAX);
                self.emit_by_name::<()>("ticked", &[&at]);
            }
        }
    }

    fn is_usable(&self, stop: &Stop) -> bool {
        matches!(stop, Stop::Link(_)) || self.imp().can_tick.get()
    }

    fn follow_clicks(&self) {
        let click = gtk::GestureClick::new();
        click.connect_released(clone!(
            #[weak(rename_to = view)]
            self,
            move |_, _, x, y| {
                // Whoever selects text wants nothing else.
                let stop = view
                    .stop_at(x, y)
                    .filter(|_| !view.buffer().has_selection());
                if let Some(stop) = stop {
                    view.act_on(&stop);
                }
            }
        ));
        self.add_controller(click);
        let motion = gtk::EventControllerMotion::new();
        motion.connect_motion(clone!(
            #[weak(rename_to = view)]
            self,
            move |_, x, y| {
                let is_stop = view.stop_at(x, y).is_some();
                view.set_cursor_from_name(is_stop.then_some("pointer"));
            }
        ));
        self.add_controller(motion);
    }

    #[allow(clippy::cast_possible_truncation, reason = "pixels of a screen")]
    fn stop_at(&self, x: f64, y: f64) -> Option<Stop> {
        let (x, y) = self.window_to_buffer_coords(gtk::TextWindowType::Widget, x as i32, y as i32);
        let place = self.iter_at_location(x, y)?;
        let stop = self.imp().shown.borrow().stop_at(place.offset());
        stop.filter(|stop| self.is_usable(stop))
    }

    fn open(&self, url: &str) {
        let scheme = glib::Uri::peek_scheme(url)
            .unwrap_or_default()
            .to_lowercase();
        let window = self.root().and_downcast::<Window>();
        if scheme == "reflection" {
            if let Some(window) = window {
                window.join_by_link(url);
            }
        } else if OPENED_SCHEMES.contains(&scheme.as_str()) {
            let launcher = gtk::UriLauncher::new(url);
            glib::spawn_future_local(async move {
                let opening = launcher.launch_future(window.as_ref()).await;
                let is_wanted = |error: &glib::Error| !error.matches(gtk::DialogError::Dismissed);
                if opening.err().is_some_and(|error| is_wanted(&error))
                    && let Some(window) = &window
                {
                    window.show_toast(&gettext("The link could not be opened"));
                }
            });
        }
    }
}

/// The accent as it can be read on the background of the text.
fn link_colour() -> gdk::RGBA {
    let style = adw::StyleManager::default();
    style.accent_color().to_standalone_rgba(style.is_dark())
}
