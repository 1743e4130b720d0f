// SPDX-License-Identifier: GPL-3.0-or-later
//! A text view that shows Markdown with its marks carried out, and opens its links.

use std::cell::RefCell;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gettextrs::gettext;
use glib::clone;
use gtk::{gdk, glib, pango};

use super::markdown::{Look, render};
use crate::window::Window;

/// How much larger headings are, from the first level on.
const HEADING_SCALES: [f64; 6] = [1.6, 1.35, 1.2, 1.1, 1.0, 1.0];
/// Indentation for each list or quote, in pixels.
const INDENT: i32 = 24;
/// Schemes of links that are opened. Others could start anything.
const OPENED_SCHEMES: [&str; 4] = ["https", "http", "mailto", "reflection"];
/// Space around the text, in pixels.
const MARGIN: i32 = 24;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct PreviewView {
        /// Links by the names of their tags.
        pub(super) links: RefCell<Vec<(gtk::TextTag, String)>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for PreviewView {
        const NAME: &'static str = "ReflectionPreviewView";
        type Type = super::PreviewView;
        type ParentType = gtk::TextView;
    }

    impl ObjectImpl for PreviewView {
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
            view.follow_links();
            view.follow_colours();
            view.go_through_links();
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
    /// Shows this text in place of what it showed.
    pub fn set_markdown(&self, text: &str) {
        let buffer = gtk::TextBuffer::new(None);
        let mut links = Vec::new();
        for piece in render(text) {
            let mut tags = tags(&piece.look);
            if !piece.look.mark.is_empty() {
                // Lines that go on stand below the text and not below its mark.
                let (width, _) = self
                    .create_pango_layout(Some(&piece.look.mark))
                    .pixel_size();
                tags.push(gtk::TextTag::builder().indent(-width).build());
            }
            if let Some(url) = piece.look.link {
                let tag = gtk::TextTag::builder()
                    .underline(pango::Underline::Single)
                    .foreground_rgba(&link_colour())
                    .build();
                tags.push(tag.clone());
                links.push((tag, url));
            }
            let from = buffer.end_iter().offset();
            buffer.insert(&mut buffer.end_iter(), &piece.text);
            for tag in tags {
                buffer.tag_table().add(&tag);
                buffer.apply_tag(&tag, &buffer.iter_at_offset(from), &buffer.end_iter());
            }
        }
        self.set_buffer(Some(&buffer));
        self.imp().links.replace(links);
    }

    fn follow_colours(&self) {
        let style = adw::StyleManager::default();
        for property in ["dark", "accent-color"] {
            style.connect_notify_local(
                Some(property),
                clone!(
                    #[weak(rename_to = view)]
                    self,
                    move |_, _| {
                        for (tag, _) in &*view.imp().links.borrow() {
                            tag.set_foreground_rgba(Some(&link_colour()));
                        }
                    }
                ),
            );
        }
    }

    /// Tab goes from link to link, and Return opens the one that is selected.
    fn go_through_links(&self) {
        self.set_accepts_tab(false);
        let keys = gtk::EventControllerKey::new();
        keys.set_propagation_phase(gtk::PropagationPhase::Capture);
        keys.connect_key_pressed(clone!(
            #[weak(rename_to = view)]
            self,
            #[upgrade_or]
            glib::Propagation::Proceed,
            move |_, key, _, _| {
                let is_done = match key {
                    gdk::Key::Tab => view.select_link(true),
                    gdk::Key::ISO_Left_Tab => view.select_link(false),
                    gdk::Key::Return | gdk::Key::KP_Enter => view.open_selected(),
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

    /// Where a link stands, in characters.
    fn range(&self, link: &gtk::TextTag) -> Option<(i32, i32)> {
        let mut start = self.buffer().start_iter();
        let is_first = start.has_tag(link);
        if !is_first && !start.forward_to_tag_toggle(Some(link)) {
            return None;
        }
        let mut end = start;
        end.forward_to_tag_toggle(Some(link));
        Some((start.offset(), end.offset()))
    }

    /// Selects the next link from where one is, or the one before. `false` if there is none.
    fn select_link(&self, is_forward: bool) -> bool {
        let buffer = self.buffer();
        let selected = buffer.selection_bounds();
        let caret = buffer.iter_at_mark(&buffer.get_insert()).offset();
        let present = selected.map_or((caret, caret), |(from, to)| (from.offset(), to.offset()));
        let links = self.imp().links.borrow();
        let mut places = links.iter().filter_map(|(tag, _)| self.range(tag));
        let place = if is_forward {
            places.find(|place| place.0 >= present.1)
        } else {
            places.rfind(|place| place.1 <= present.0)
        };
        let Some((from, to)) = place else {
            return false;
        };
        let (from, to) = (buffer.iter_at_offset(from), buffer.iter_at_offset(to));
        buffer.select_range(&to, &from);
        self.scroll_mark_onscreen(&buffer.get_insert());
        true
    }

    /// Opens the link in which the selection begins. `false` if it is none.
    fn open_selected(&self) -> bool {
        let Some((from, _)) = self.buffer().selection_bounds() else {
            return false;
        };
        let url = self.link_of(&from);
        url.inspect(|url| self.open(url)).is_some()
    }

    fn follow_links(&self) {
        let click = gtk::GestureClick::new();
        click.connect_released(clone!(
            #[weak(rename_to = view)]
            self,
            move |_, _, x, y| {
                if let Some(url) = view.link_at(x, y) {
                    view.open(&url);
                }
            }
        ));
        self.add_controller(click);
        let motion = gtk::EventControllerMotion::new();
        motion.connect_motion(clone!(
            #[weak(rename_to = view)]
            self,
            move |_, x, y| {
                let is_link = view.link_at(x, y).is_some();
                view.set_cursor_from_name(is_link.then_some("pointer"));
            }
        ));
        self.add_controller(motion);
    }

    #[allow(clippy::cast_possible_truncation, reason = "pixels of a screen")]
    fn link_at(&self, x: f64, y: f64) -> Option<String> {
        let (x, y) = self.window_to_buffer_coords(gtk::TextWindowType::Widget, x as i32, y as i32);
        self.link_of(&self.iter_at_location(x, y)?)
    }

    fn link_of(&self, place: &gtk::TextIter) -> Option<String> {
        let links = self.imp().links.borrow();
        links
            .iter()
            .find(|(tag, _)| place.has_tag(tag))
            .map(|(_, url)| url.clone())
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

fn tags(look: &Look) -> Vec<gtk::TextTag> {
    let mut tags = Vec::new();
    let mut add = |tag: gtk::TextTag| tags.push(tag);
    if let Some(scale) = usize::from(look.heading)
        .checked_sub(1)
        .and_then(|level| HEADING_SCALES.get(level))
    {
        add(gtk::TextTag::builder().scale(*scale).weight(700).build());
    }
    if look.is_bold {
        add(gtk::TextTag::builder().weight(700).build());
    }
    if look.is_italic {
        add(gtk::TextTag::builder().style(pango::Style::Italic).build());
    }
    if look.is_struck {
        add(gtk::TextTag::builder().strikethrough(true).build());
    }
    if look.is_code || look.is_block {
        add(gtk::TextTag::builder().family("monospace").build());
    }
    let indent = i32::from(look.quotes) * INDENT + i32::from(look.lists) * INDENT;
    if indent > 0 || look.is_block {
        let block = if look.is_block { INDENT } else { 0 };
        add(gtk::TextTag::builder()
            .left_margin(MARGIN + indent + block)
            .build());
    }
    if look.quotes > 0 {
        let dimmed = gdk::RGBA::new(0.5, 0.5, 0.5, 1.0);
        add(gtk::TextTag::builder().foreground_rgba(&dimmed).build());
    }
    tags
}
