// SPDX-License-Identifier: GPL-3.0-or-later
//! Puts right how a text view makes up for lines above that turn out higher or lower.
//!
//! It learns the heights of lines little by little, and scrolls along so that what is seen stays.
//! But where the text has a margin above (seen in GTK 4.18), it scrolls too far up by the height of
//! that margin, each time. So this follows the paragraph that GTK holds on to, and takes such an
//! error back before anything is painted.

use std::cell::RefCell;
use std::rc::Rc;

use gtk::glib;
use gtk::prelude::*;

/// Pixels by which two heights may differ and be the same.
const OFF_MAX: f64 = 1.0;

/// The paragraph that a text view holds on to.
#[derive(Clone, Debug)]
struct Paragraph {
    mark: gtk::TextMark,
    /// Where it began in the text, in pixels, and how far the view was scrolled then.
    y: i32,
    value: f64,
}

/// What belongs to one view.
#[derive(Debug, Default)]
pub struct Compensation {
    held: Rc<RefCell<Option<Paragraph>>>,
    following: RefCell<Option<(gtk::Adjustment, glib::SignalHandlerId)>>,
}

impl Compensation {
    /// Follows the scrolling of this view, to be called again when something else scrolls it.
    pub fn follow(&self, view: &gtk::TextView) {
        if let Some((adjustment, handler)) = self.following.take() {
            adjustment.disconnect(handler);
        }
        let Some(adjustment) = view.vadjustment() else {
            return;
        };
        let (held, weak) = (self.held.clone(), view.downgrade());
        let handler = adjustment.connect_value_changed(move |adjustment| {
            if let Some(view) = weak.upgrade() {
                value_changed(&held, &view, adjustment);
            }
        });
        self.following.replace(Some((adjustment, handler)));
    }
}

/// After GTK has dealt with it.
fn value_changed(
    held: &RefCell<Option<Paragraph>>,
    view: &gtk::TextView,
    adjustment: &gtk::Adjustment,
) {
    let buffer = view.buffer();
    let before = held.borrow().clone();
    let before = before.filter(|held| held.mark.buffer().as_ref() == Some(&buffer));
    if let Some(before) = &before {
        let (y, _) = view.line_yrange(&buffer.iter_at_mark(&before.mark));
        let error = f64::from(y - before.y) - (adjustment.value() - before.value);
        let margin = f64::from(view.top_margin());
        if y != before.y && margin > 0.0 && (error - margin).abs() < OFF_MAX {
            // Which comes back here and finds no error any more.
            adjustment.set_value(adjustment.value() + error);
            return;
        }
    }
    let value = adjustment.value();
    #[allow(clippy::cast_possible_truncation, reason = "pixels of a text")]
    let (start, y) = view.line_at_y(value as i32);
    let mark = match before {
        Some(before) => {
            buffer.move_mark(&before.mark, &start);
            before.mark
        }
        None => buffer.create_mark(None, &start, false),
    };
    held.replace(Some(Paragraph { mark, y, value }));
}
