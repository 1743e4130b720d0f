// SPDX-License-Identifier: GPL-3.0-or-later
//! One person as a small picture: initials on a coloured shape.

use std::cell::{Cell, RefCell};

use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{gdk, glib, graphene, gsk, pango};
use reflection_doc::objects::Author;

use super::name::{display_name, initials};
use super::{palette, shapes};

/// Width of the ring that keeps overlapping pictures apart, in pixels.
const RING: f32 = 2.0;
/// Height of the letters as a part of the picture's.
const LETTERS: f32 = 0.38;
/// How much of a person's colour is left while they are not here.
const AWAY_OPACITY: f64 = 0.45;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct Avatar {
        pub(super) author: RefCell<Option<Author>>,
        pub(super) handler: RefCell<Option<glib::SignalHandlerId>>,
        pub(super) size: Cell<i32>,
        /// Whether it covers another picture, from which a ring sets it apart.
        pub(super) has_ring: Cell<bool>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Avatar {
        const NAME: &'static str = "ReflectionAvatar";
        type Type = super::Avatar;
        type ParentType = gtk::Widget;

        fn class_init(klass: &mut Self::Class) {
            klass.set_css_name("avatar-shape");
            klass.set_accessible_role(gtk::AccessibleRole::Img);
        }
    }

    impl ObjectImpl for Avatar {
        fn dispose(&self) {
            self.obj().forget();
        }
    }

    impl WidgetImpl for Avatar {
        fn measure(&self, _orientation: gtk::Orientation, _for_size: i32) -> (i32, i32, i32, i32) {
            (self.size.get(), self.size.get(), -1, -1)
        }

        fn snapshot(&self, snapshot: &gtk::Snapshot) {
            if let Some(author) = &*self.author.borrow() {
                self.obj().draw(snapshot, author);
            }
        }
    }
}

glib::wrapper! {
    /// One person as a small picture.
    pub struct Avatar(ObjectSubclass<imp::Avatar>)
        @extends gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}

impl Avatar {
    /// A picture of this person, `size` pixels wide and high.
    pub fn new(author: &Author, size: i32) -> Self {
        let avatar: Self = glib::Object::new();
        let imp = avatar.imp();
        imp.size.set(size);
        avatar.set_valign(gtk::Align::Center);
        avatar.set_halign(gtk::Align::Center);
        avatar.update_property(&[gtk::accessible::Property::Label(&display_name(author))]);
        let handler = author.connect_notify_local(
            None,
            glib::clone!(
                #[weak]
                avatar,
                move |author, _| {
                    let name = display_name(author);
                    avatar.update_property(&[gtk::accessible::Property::Label(&name)]);
                    avatar.queue_draw();
                }
            ),
        );
        imp.author.replace(Some(author.clone()));
        imp.handler.replace(Some(handler));
        avatar
    }

    /// Sets it apart from another picture that it covers.
    pub fn add_ring(&self) {
        self.imp().has_ring.set(true);
    }

    fn forget(&self) {
        let imp = self.imp();
        if let (Some(author), Some(handler)) = (imp.author.take(), imp.handler.take()) {
            author.disconnect(handler);
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "sizes of some dozen pixels")]
    fn draw(&self, snapshot: &gtk::Snapshot, author: &Author) {
        let size = self.imp().size.get() as f32;
        let inset = RING;
        let path = shapes::outline(author.shape(), inset, inset, size - 2.0 * inset);
        if self.imp().has_ring.get() {
            // It has the colour of what is behind, see the style sheet.
            let ring = gsk::Stroke::new(2.0 * RING);
            snapshot.append_stroke(&path, &ring, &self.color());
            snapshot.append_fill(&path, gsk::FillRule::Winding, &self.color());
        }
        if !author.is_online() {
            snapshot.push_opacity(AWAY_OPACITY);
        }
        snapshot.append_fill(
            &path,
            gsk::FillRule::Winding,
            &palette::colour(author.colour()),
        );
        self.draw_letters(snapshot, &initials(&display_name(author)), size);
        if !author.is_online() {
            snapshot.pop();
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "sizes of some dozen pixels")]
    fn draw_letters(&self, snapshot: &gtk::Snapshot, letters: &str, size: f32) {
        let layout = self.create_pango_layout(Some(letters));
        let mut font = pango::FontDescription::new();
        font.set_weight(pango::Weight::Bold);
        font.set_absolute_size(f64::from(size * LETTERS) * f64::from(pango::SCALE));
        layout.set_font_description(Some(&font));
        let (ink, _) = layout.pixel_extents();
        let x = (size - ink.width() as f32) / 2.0 - ink.x() as f32;
        let y = (size - ink.height() as f32) / 2.0 - ink.y() as f32;
        snapshot.save();
        snapshot.translate(&graphene::Point::new(x, y));
        snapshot.append_layout(&layout, &gdk::RGBA::WHITE);
        snapshot.restore();
    }
}
