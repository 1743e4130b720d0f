// SPDX-License-Identifier: GPL-3.0-or-later
//! The code of a document, to be copied and given to somebody.

use std::cell::RefCell;

use gettextrs::gettext;
use glib::clone;
use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{CompositeTemplate, TemplateChild, glib};
use reflection_doc::objects::Document;
use reflection_node::access::{Access, Code};

use super::code_text::grouped;
use super::qr_code::QrCode;
use crate::components::fitting;
use crate::window::Window;

/// What makes a link of a code.
const LINK_SCHEME: &str = "reflection:";

/// Space at both sides of the content together, or above and below it, in pixels.
const SIDES: i32 = 12;
/// Space above the buttons, in pixels.
const SPACING: i32 = 12;

mod imp {
    use super::*;

    #[derive(Default, CompositeTemplate)]
    #[template(file = "src/share/share_popover.blp")]
    pub struct SharePopover {
        #[template_child]
        pub(super) scrolled_window: TemplateChild<gtk::ScrolledWindow>,
        #[template_child]
        pub(super) clamp: TemplateChild<adw::Clamp>,
        #[template_child]
        pub(super) explanation: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) code_label: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) access_group: TemplateChild<adw::ToggleGroup>,
        #[template_child]
        pub(super) qr_code: TemplateChild<QrCode>,
        #[template_child]
        pub(super) copy_buttons: TemplateChild<gtk::Box>,
        #[template_child]
        pub(super) copy_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) copy_link_button: TemplateChild<gtk::Button>,
        pub(super) document: RefCell<Option<Document>>,
        /// In memory only while the popover is open.
        pub(super) code: RefCell<Option<Code>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for SharePopover {
        const NAME: &'static str = "ReflectionSharePopover";
        type Type = super::SharePopover;
        type ParentType = gtk::Popover;

        fn class_init(klass: &mut Self::Class) {
            QrCode::ensure_type();
            klass.bind_template();
        }

        fn instance_init(object: &glib::subclass::InitializingObject<Self>) {
            object.init_template();
        }
    }

    impl ObjectImpl for SharePopover {
        fn constructed(&self) {
            self.parent_constructed();
            let popover = self.obj();
            self.copy_button.connect_clicked(clone!(
                #[weak]
                popover,
                move |_| popover.copy("", &gettext("Code Copied"))
            ));
            self.copy_link_button.connect_clicked(clone!(
                #[weak]
                popover,
                move |_| popover.copy(LINK_SCHEME, &gettext("Link Copied"))
            ));
            self.access_group.connect_active_name_notify(clone!(
                #[weak]
                popover,
                move |_| {
                    if popover.is_mapped() {
                        popover.ask_for_code();
                    }
                }
            ));
            popover.set_default_widget(Some(&*self.copy_button));
        }
    }

    impl WidgetImpl for SharePopover {
        fn map(&self) {
            self.obj().offer_rights();
            self.obj().ask_for_code();
            self.parent_map();
        }

        fn unmap(&self) {
            self.parent_unmap();
            self.code.take();
            self.code_label.set_label("");
            self.qr_code.set_text("");
        }
    }

    impl PopoverImpl for SharePopover {}
}

glib::wrapper! {
    /// The code of a document, to be copied.
    pub struct SharePopover(ObjectSubclass<imp::SharePopover>)
        @extends gtk::Popover, gtk::Widget,
        @implements gtk::Accessible, gtk::Buildable, gtk::ConstraintTarget, gtk::Native,
            gtk::ShortcutManager;
}

impl SharePopover {
    /// Shares this document from now on.
    pub fn set_document(&self, document: &Document) {
        self.imp().document.replace(Some(document.clone()));
    }

    /// Makes it fit into the window, before it is shown, with those below each other that have no
    /// room beside each other. What does not fit is scrolled, but for what copies the code.
    pub fn fit(&self) {
        let imp = self.imp();
        let room = fitting::room(self);
        fitting::fit(&imp.clamp, room);
        let rows: [&gtk::Orientable; 2] =
            [imp.access_group.upcast_ref(), imp.copy_buttons.upcast_ref()];
        for row in rows {
            row.set_orientation(gtk::Orientation::Horizontal);
            let widget: Option<&gtk::Widget> = row.dynamic_cast_ref();
            let wanted = widget.map_or(0, |it| it.measure(gtk::Orientation::Horizontal, -1).1);
            if wanted > room.width - SIDES {
                row.set_orientation(gtk::Orientation::Vertical);
            }
        }
        let width = room.width - SIDES;
        let (_, buttons, ..) = imp.copy_buttons.measure(gtk::Orientation::Vertical, width);
        let left = room.height - buttons - SPACING - SIDES;
        imp.scrolled_window.set_max_content_height(left.max(0));
    }

    /// Only what this device may do can be handed on.
    fn offer_rights(&self) {
        let imp = self.imp();
        let Some(own) = imp.document.borrow().as_ref().map(Document::access) else {
            return;
        };
        for access in [Access::Write, Access::Read, Access::Replica] {
            if let Some(toggle) = imp.access_group.toggle_by_name(access.as_str()) {
                toggle.set_enabled(access <= own);
            }
        }
        imp.access_group.set_active_name(Some(own.as_str()));
    }

    /// The right that is chosen, never more than this device has.
    fn chosen(&self, own: Access) -> Access {
        let name = self.imp().access_group.active_name();
        [Access::Write, Access::Read, Access::Replica]
            .into_iter()
            .find(|access| name.as_deref() == Some(access.as_str()))
            .map_or(own, |access| access.min(own))
    }

    fn ask_for_code(&self) {
        let imp = self.imp();
        imp.copy_button.set_sensitive(false);
        imp.copy_link_button.set_sensitive(false);
        let Some(document) = imp.document.borrow().clone() else {
            return;
        };
        let access = self.chosen(document.access());
        imp.explanation.set_label(&explanation(access));
        let popover = self.downgrade();
        glib::spawn_future_local(async move {
            let code = document.code(access).await;
            let Some(popover) = popover.upgrade() else {
                return;
            };
            if popover.is_mapped() && popover.chosen(document.access()) == access {
                popover.show_code(code);
            }
        });
    }

    fn show_code(&self, code: Option<Code>) {
        let imp = self.imp();
        match &code {
            Some(code) => imp.code_label.set_label(&grouped(&code.to_string())),
            None => imp
                .explanation
                .set_label(&gettext("The code could not be made. Try again.")),
        }
        let link = code
            .as_ref()
            .map(|code| format!("{LINK_SCHEME}{code}").to_uppercase());
        imp.qr_code.set_text(link.as_deref().unwrap_or_default());
        imp.code_label.set_visible(code.is_some());
        imp.copy_button.set_sensitive(code.is_some());
        imp.copy_link_button.set_sensitive(code.is_some());
        imp.code.replace(code);
        imp.copy_button.grab_focus();
    }

    /// Puts the code on the clipboard, with something before it, and says so.
    fn copy(&self, prefix: &str, done: &str) {
        let Some(code) = self.imp().code.take() else {
            return;
        };
        self.clipboard().set_text(&format!("{prefix}{code}"));
        let window = self.root().and_downcast::<Window>();
        self.popdown();
        if let Some(window) = window {
            window.show_toast(done);
        }
    }
}

fn explanation(access: Access) -> String {
    let right = match access {
        Access::Write => gettext("Whoever has this code can read and change the document."),
        Access::Read => gettext("Whoever has this code can read the document."),
        Access::Replica => {
            gettext("Whoever has this code can keep a copy of the document without reading it.")
        }
    };
    let warning = gettext("A code cannot be taken back.");
    format!("{right} {warning}")
}
