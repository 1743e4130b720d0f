// SPDX-License-Identifier: GPL-3.0-or-later
//! The size of the text in the main menu: smaller, the present size, larger.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use gtk::glib;

use crate::preferences::settings;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct ZoomControls;

    #[glib::object_subclass]
    impl ObjectSubclass for ZoomControls {
        const NAME: &'static str = "ReflectionZoomControls";
        type Type = super::ZoomControls;
        type ParentType = adw::Bin;
    }

    impl ObjectImpl for ZoomControls {
        fn constructed(&self) {
            self.parent_constructed();
            let row = gtk::Box::builder()
                .spacing(6)
                .halign(gtk::Align::Center)
                .margin_top(6)
                .margin_bottom(6)
                .build();
            row.append(&button(
                "zoom-out-symbolic",
                &gettext("Smaller"),
                "app.zoom-out",
            ));
            let size = gtk::Button::builder()
                .action_name("app.zoom-reset")
                .tooltip_text(gettext("Usual Size"))
                .css_classes(["flat", "numeric", "body"])
                .build();
            settings()
                .bind("zoom-percent", &size, "label")
                .get()
                .mapping(|percent, _| {
                    // Translators: the size of the text.
                    let text = gettext("{percent} %")
                        .replace("{percent}", &percent.get::<i32>()?.to_string());
                    Some(text.to_value())
                })
                .build();
            row.append(&size);
            row.append(&button(
                "zoom-in-symbolic",
                &gettext("Larger"),
                "app.zoom-in",
            ));
            self.obj().set_child(Some(&row));
        }
    }

    impl WidgetImpl for ZoomControls {}
    impl BinImpl for ZoomControls {}
}

fn button(icon: &str, tooltip: &str, action: &str) -> gtk::Button {
    gtk::Button::builder()
        .icon_name(icon)
        .tooltip_text(tooltip)
        .action_name(action)
        .css_classes(["flat", "circular"])
        .build()
}

glib::wrapper! {
    /// The size of the text in the main menu.
    pub struct ZoomControls(ObjectSubclass<imp::ZoomControls>)
        @extends adw::Bin, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget;
}
