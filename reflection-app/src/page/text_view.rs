// SPDX-License-Identifier: GPL-3.0-or-later
//! The editor: a text view with air around the text, in the colours of the system.

use adw::prelude::*;
use adw::subclass::prelude::*;
use glib::clone;
use gtk::glib;
use sourceview5::prelude::*;
use sourceview5::subclass::prelude::*;

use super::scroll_anchor::ScrollAnchor;
use super::text_buffer::TextBuffer;

/// Space around the text, in pixels.
const MARGIN: i32 = 24;
/// Space below the last line, so that one does not write at the edge of the window.
const MARGIN_BOTTOM: i32 = 120;
/// Space between lines, in pixels, above and below each.
const LINE_SPACING: i32 = 3;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct TextView {
        pub(super) buffer: TextBuffer,
        pub(super) anchor: ScrollAnchor,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TextView {
        const NAME: &'static str = "ReflectionTextView";
        type Type = super::TextView;
        type ParentType = sourceview5::View;
    }

    impl ObjectImpl for TextView {
        fn constructed(&self) {
            self.parent_constructed();
            let view = self.obj();
            view.set_buffer(Some(&self.buffer));
            view.set_wrap_mode(gtk::WrapMode::WordChar);
            view.set_left_margin(MARGIN);
            view.set_right_margin(MARGIN);
            view.set_top_margin(MARGIN);
            view.set_bottom_margin(MARGIN_BOTTOM);
            view.set_pixels_above_lines(LINE_SPACING);
            view.set_pixels_below_lines(LINE_SPACING);
            view.set_pixels_inside_wrap(2 * LINE_SPACING);
            view.set_auto_indent(true);
            view.set_tab_width(4);
            view.add_css_class("document-text");
            let style = adw::StyleManager::default();
            style.connect_dark_notify(clone!(
                #[weak]
                view,
                move |style| view.follow_system_colours(style)
            ));
            view.follow_system_colours(&style);
        }
    }

    impl WidgetImpl for TextView {}
    impl TextViewImpl for TextView {}
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

    /// Takes note of where the caret is on the screen, before others' edits are applied.
    pub fn hold_place(&self) {
        self.imp().anchor.hold(self.upcast_ref());
    }

    /// Brings the line with the caret back to where it was, after others' edits were applied.
    pub fn restore_place(&self) {
        self.imp().anchor.restore(self.upcast_ref());
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
