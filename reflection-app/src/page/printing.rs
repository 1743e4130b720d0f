// SPDX-License-Identifier: GPL-3.0-or-later
//! The text on paper, or as a PDF by the dialog's printing to a file. A test says beforehand which
//! file that is to be, as for all other dialogs.

use adw::prelude::*;
use gettextrs::gettext;
use gtk::glib;
use sourceview5::prelude::*;

use super::text_view::TextView;

/// Space around the text on paper, in millimetres.
const MARGIN_MM: f64 = 20.0;

/// Asks for a printer and prints. `true` once it was handed over, `false` if nothing was asked for.
pub fn print(
    view: &TextView,
    title: &str,
    parent: Option<&gtk::Window>,
) -> Result<bool, glib::Error> {
    let compositor = sourceview5::PrintCompositor::from_view(view);
    compositor.set_wrap_mode(gtk::WrapMode::WordChar);
    compositor.set_highlight_syntax(true);
    compositor.set_print_line_numbers(0);
    compositor.set_print_header(true);
    // Percent signs begin placeholders of the compositor.
    compositor.set_header_format(false, Some(&title.replace('%', "%%")), None, None);
    compositor.set_print_footer(true);
    // Translators: %N is the number of the page and %Q that of all pages.
    compositor.set_footer_format(false, None, Some(&gettext("Page %N of %Q")), None);
    compositor.set_left_margin(MARGIN_MM, gtk::Unit::Mm);
    compositor.set_right_margin(MARGIN_MM, gtk::Unit::Mm);
    compositor.set_top_margin(MARGIN_MM, gtk::Unit::Mm);
    compositor.set_bottom_margin(MARGIN_MM, gtk::Unit::Mm);
    let operation = gtk::PrintOperation::new();
    operation.set_job_name(title);
    operation.set_embed_page_setup(true);
    operation.set_allow_async(true);
    let pages = compositor.clone();
    operation.connect_paginate(move |operation, context| {
        let is_done = pages.paginate(context);
        if is_done {
            operation.set_n_pages(pages.n_pages());
        }
        is_done
    });
    operation.connect_draw_page(move |_, context, page| compositor.draw_page(context, page));
    let result = operation.run(action(&operation), parent)?;
    Ok(result != gtk::PrintOperationResult::Cancel)
}

#[cfg(not(test))]
fn action(_: &gtk::PrintOperation) -> gtk::PrintOperationAction {
    gtk::PrintOperationAction::PrintDialog
}

#[cfg(test)]
fn action(operation: &gtk::PrintOperation) -> gtk::PrintOperationAction {
    let chosen = crate::components::file_chooser::answers::next().unwrap_or_default();
    if let Some(path) = chosen.first().and_then(FileExt::path) {
        operation.set_export_filename(path);
    }
    gtk::PrintOperationAction::Export
}
