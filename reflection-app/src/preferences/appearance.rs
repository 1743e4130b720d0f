// SPDX-License-Identifier: GPL-3.0-or-later
//! Font and size of the text, by a style sheet of its own that follows the settings.

use std::fmt::Write;

use gtk::prelude::*;
use gtk::{gdk, gio, pango};

use super::settings;

/// Smallest and largest size of the text, in hundredths.
const ZOOM_PERCENT_MIN: i32 = 50;
/// See [`ZOOM_PERCENT_MIN`].
const ZOOM_PERCENT_MAX: i32 = 300;
/// How much one step of zooming changes, in hundredths.
const ZOOM_STEP: i32 = 10;
/// The text is this much larger than the controls around it, in hundredths.
const DOCUMENT_PERCENT: i32 = 108;

/// Keeps the style sheet true to the settings, as long as it lives.
#[derive(Debug)]
pub struct Appearance {
    settings: gio::Settings,
    handler: Option<gtk::glib::SignalHandlerId>,
}

impl Appearance {
    /// Follows the settings from now on.
    pub fn follow(display: &gdk::Display) -> Self {
        let provider = gtk::CssProvider::new();
        gtk::style_context_add_provider_for_display(
            display,
            &provider,
            gtk::STYLE_PROVIDER_PRIORITY_APPLICATION + 1,
        );
        let settings = settings();
        provider.load_from_string(&style_sheet(&settings));
        let handler = settings.connect_changed(None, move |settings, key| {
            if matches!(key, "use-system-font" | "font" | "zoom-percent") {
                provider.load_from_string(&style_sheet(settings));
            }
        });
        Self {
            settings,
            handler: Some(handler),
        }
    }

    /// Makes the text larger by so many steps, or smaller if they are negative.
    pub fn zoom(steps: i32) {
        let settings = settings();
        let percent = settings.int("zoom-percent") + steps * ZOOM_STEP;
        Self::set_zoom(percent);
    }

    /// Shows the text in this size, in hundredths of the usual one.
    pub fn set_zoom(percent: i32) {
        let percent = percent.clamp(ZOOM_PERCENT_MIN, ZOOM_PERCENT_MAX);
        // A setting that an administrator has fixed stays as it is.
        let _ = settings().set_int("zoom-percent", percent);
    }
}

impl Drop for Appearance {
    fn drop(&mut self) {
        if let Some(handler) = self.handler.take() {
            self.settings.disconnect(handler);
        }
    }
}

fn style_sheet(settings: &gio::Settings) -> String {
    let zoom = settings.int("zoom-percent");
    if settings.boolean("use-system-font") {
        let percent = DOCUMENT_PERCENT * zoom / 100;
        return format!(
            ".document-text {{ font-family: var(--document-font-family); font-size: {percent}%; }}\n"
        );
    }
    chosen_font(
        &pango::FontDescription::from_string(&settings.string("font")),
        zoom,
    )
}

fn chosen_font(font: &pango::FontDescription, zoom: i32) -> String {
    let mut css = String::from(".document-text { ");
    if let Some(family) = font.family() {
        // A name that breaks out of its quotes could say anything.
        let family: String = family
            .chars()
            .filter(|sign| !matches!(sign, '"' | '\\' | '\n'))
            .collect();
        let _ = write!(css, "font-family: \"{family}\"; ");
    }
    let size = font.size();
    if size > 0 {
        let points = f64::from(size) / f64::from(pango::SCALE) * f64::from(zoom) / 100.0;
        let unit = if font.is_size_absolute() { "px" } else { "pt" };
        let _ = write!(css, "font-size: {points:.2}{unit}; ");
    }
    let style = match font.style() {
        pango::Style::Italic => "italic",
        pango::Style::Oblique => "oblique",
        _ => "normal",
    };
    let weight = gtk::glib::translate::IntoGlib::into_glib(font.weight());
    let _ = write!(css, "font-style: {style}; font-weight: {weight}; }}");
    css
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(font: &str, zoom: i32, expected: &str) {
        let css = chosen_font(&pango::FontDescription::from_string(font), zoom);
        assert!(css.contains(expected), "{css} should contain {expected}");
    }

    #[test]
    fn a_chosen_font_becomes_a_style() {
        check("Cantarell 12", 100, "font-family: \"Cantarell\"");
        check("Cantarell 12", 100, "font-size: 12.00pt");
        check("Cantarell 12", 150, "font-size: 18.00pt");
        check("Cantarell Bold Italic 10", 100, "font-weight: 700");
        check("Cantarell Bold Italic 10", 100, "font-style: italic");
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        let mut font = pango::FontDescription::new();
        font.set_family("x\"; } window { opacity: 0; } a { b: \"");
        let css = chosen_font(&font, 100);
        assert_eq!(css.matches('"').count(), 2, "{css}");
    }
}
