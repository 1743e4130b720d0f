// SPDX-License-Identifier: GPL-3.0-or-later
//! How the choices of a list look: whole, and colours as colours.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use gtk::{gdk, glib};
use reflection_doc::objects::Service;
use reflection_doc::persona::Persona;

use super::PreferencesDialog;
use crate::people::{colour, default_name};

/// Width and height of a swatch of a colour, in pixels.
const SWATCH: u16 = 16;

impl PreferencesDialog {
    /// Says what others see of somebody who chooses nothing, and shows what there is to choose.
    pub(super) fn show_persona(&self, service: &Service) {
        let imp = self.imp();
        let Some(author) = service.this_author() else {
            return;
        };
        let persona = Persona::of(&author);
        let words = gettext(
            "Others see this name beside what you write, or “{name}” without one. The shape comes from the key of this device and cannot be chosen.",
        );
        let words = words.replace("{name}", &default_name(&persona));
        imp.you_group.set_description(Some(&words));
        // The first entry of the list stands for the colour that comes with the key.
        let swatch = move |place: u32| place.checked_sub(1).unwrap_or(persona.colour);
        let of_list = factory(&imp.colour_row, Some(swatch), true);
        imp.colour_row
            .set_factory(Some(&factory(&imp.colour_row, Some(swatch), false)));
        imp.colour_row.set_list_factory(Some(&of_list));
        let of_list = factory(&imp.mode_row, None::<fn(u32) -> u32>, true);
        imp.mode_row.set_list_factory(Some(&of_list));
    }
}

/// What makes an entry of the list of a row, with its words not cut off; in the list, the one that
/// is chosen has a tick.
fn factory(
    row: &adw::ComboRow,
    swatch: Option<impl Fn(u32) -> u32 + Clone + 'static>,
    is_list: bool,
) -> gtk::SignalListItemFactory {
    let factory = gtk::SignalListItemFactory::new();
    let row = row.downgrade();
    factory.connect_setup(move |_, item| {
        let (Some(item), Some(row)) = (item.downcast_ref::<gtk::ListItem>(), row.upgrade()) else {
            return;
        };
        let label = gtk::Label::builder().xalign(0.0).hexpand(is_list).build();
        let line = gtk::Box::new(gtk::Orientation::Horizontal, 8);
        item.property_expression("item")
            .chain_property::<gtk::StringObject>("string")
            .bind(&label, "label", gtk::Widget::NONE);
        if let Some(swatch) = swatch.clone() {
            let image = gtk::Image::new();
            image.set_accessible_role(gtk::AccessibleRole::Presentation);
            item.connect_item_notify(clone!(
                #[weak]
                image,
                #[weak]
                row,
                move |item| {
                    if let Some(place) = place_of(&row, item) {
                        image.set_paintable(Some(&picture(colour(swatch(place)))));
                    }
                }
            ));
            line.append(&image);
        }
        line.append(&label);
        if is_list {
            line.append(&tick(&row, item));
        }
        item.set_child(Some(&line));
    });
    factory
}

/// The tick behind what is chosen.
fn tick(row: &adw::ComboRow, item: &gtk::ListItem) -> gtk::Image {
    let tick = gtk::Image::from_icon_name("object-select-symbolic");
    tick.set_accessible_role(gtk::AccessibleRole::Presentation);
    let show = clone!(
        #[weak]
        row,
        #[weak]
        item,
        #[weak]
        tick,
        move || {
            let is_chosen = row.selected_item() == item.item();
            tick.set_opacity(if is_chosen { 1.0 } else { 0.0 });
        }
    );
    let again = show.clone();
    row.connect_selected_item_notify(move |_| again());
    item.connect_item_notify(move |_| show());
    tick
}

/// Which entry of the list an item shows. What shows the one that is chosen has no place of its own.
fn place_of(row: &adw::ComboRow, item: &gtk::ListItem) -> Option<u32> {
    let (model, shown) = (row.model()?, item.item()?);
    (0..model.n_items()).find(|place| model.item(*place).as_ref() == Some(&shown))
}

/// A disc of a colour.
fn picture(colour: gdk::RGBA) -> gdk::MemoryTexture {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a byte"
    )]
    let byte = |part: f32| (part * 255.0).round() as u8;
    let side = usize::from(SWATCH);
    let radius = f32::from(SWATCH) / 2.0;
    let mut pixels = Vec::with_capacity(side * side * 4);
    for y in 0..SWATCH {
        for x in 0..SWATCH {
            let (across, down) = (f32::from(x) + 0.5 - radius, f32::from(y) + 0.5 - radius);
            // The edge is as soft as one pixel.
            let cover = (radius - across.hypot(down) + 0.5).clamp(0.0, 1.0);
            pixels.extend([colour.red(), colour.green(), colour.blue(), cover].map(byte));
        }
    }
    gdk::MemoryTexture::new(
        SWATCH.into(),
        SWATCH.into(),
        gdk::MemoryFormat::R8g8b8a8,
        &glib::Bytes::from_owned(pixels),
        side * 4,
    )
}
