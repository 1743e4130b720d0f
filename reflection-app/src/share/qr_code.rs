// SPDX-License-Identifier: GPL-3.0-or-later
//! A code as a picture that a telephone or another computer's camera can read.

use std::cell::RefCell;

use gettextrs::gettext;
use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{gdk, glib, graphene};
use qrcode::{Color, EcLevel, QrCode as Matrix};

/// Modules of white around the picture, without which it cannot be read (ISO/IEC 18004).
const QUIET_MODULES: usize = 4;
/// Width and height on the screen, in pixels.
const SIZE: i32 = 196;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct QrCode {
        /// The modules, row by row, and how many there are in a row.
        pub(super) modules: RefCell<(Vec<bool>, usize)>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for QrCode {
        const NAME: &'static str = "ReflectionQrCode";
        type Type = super::QrCode;
        type ParentType = gtk::Widget;

        fn class_init(klass: &mut Self::Class) {
            klass.set_accessible_role(gtk::AccessibleRole::Img);
            klass.set_css_name("qr-code");
        }
    }

    impl ObjectImpl for QrCode {
        fn constructed(&self) {
            self.parent_constructed();
            let widget = self.obj();
            widget.set_overflow(gtk::Overflow::Hidden);
            let label = gettext("The code as a QR picture");
            widget.update_property(&[gtk::accessible::Property::Label(&label)]);
        }
    }

    impl WidgetImpl for QrCode {
        fn measure(&self, _: gtk::Orientation, _: i32) -> (i32, i32, i32, i32) {
            (SIZE, SIZE, -1, -1)
        }

        /// Dark on light in any colour scheme: not every reader takes the reverse.
        #[allow(
            clippy::cast_precision_loss,
            reason = "a picture has some hundred modules"
        )]
        fn snapshot(&self, snapshot: &gtk::Snapshot) {
            let (modules, width) = &*self.modules.borrow();
            if *width == 0 {
                return;
            }
            let widget = self.obj();
            let side = widget.width().min(widget.height()) as f32;
            let whole = graphene::Rect::new(0.0, 0.0, side, side);
            snapshot.append_color(&gdk::RGBA::WHITE, &whole);
            // Whole pixels: blurred edges are hard on readers.
            let module = (side / (*width + 2 * QUIET_MODULES) as f32)
                .floor()
                .max(1.0);
            let margin = (side - *width as f32 * module) / 2.0;
            for (row, dark) in modules.chunks(*width).enumerate() {
                let mut from = 0;
                while let Some(start) = dark[from..].iter().position(|dark| *dark) {
                    let start = from + start;
                    let run = dark[start..].iter().take_while(|dark| **dark).count();
                    let place = graphene::Rect::new(
                        margin + start as f32 * module,
                        margin + row as f32 * module,
                        run as f32 * module,
                        module,
                    );
                    snapshot.append_color(&gdk::RGBA::BLACK, &place);
                    from = start + run;
                }
            }
        }
    }
}

glib::wrapper! {
    /// A code as a picture.
    pub struct QrCode(ObjectSubclass<imp::QrCode>)
        @extends gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl QrCode {
    /// Shows this text, or nothing where it is empty or too long for a picture.
    pub fn set_text(&self, text: &str) {
        // Capital letters and digits take 5.5 bits each instead of 8, and codes may be capitals.
        let modules = Some(text)
            .filter(|text| !text.is_empty())
            .and_then(|text| Matrix::with_error_correction_level(text, EcLevel::L).ok())
            .map(|matrix| {
                let width = matrix.width();
                let colors = matrix.into_colors().into_iter();
                (colors.map(|color| color == Color::Dark).collect(), width)
            });
        self.set_visible(modules.is_some());
        self.imp().modules.replace(modules.unwrap_or_default());
        self.queue_draw();
    }
}
