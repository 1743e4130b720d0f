// SPDX-License-Identifier: GPL-3.0-or-later
//! How long the text is, and the selection in it.

use adw::prelude::*;
use gettextrs::{gettext, ngettext};
use reflection_doc::engine::{Statistics, statistics};

/// A dialog with the counts of the text and, if something is selected, of the selection.
pub fn statistics_dialog(text: &str, selected: Option<&str>) -> adw::Dialog {
    let page = adw::PreferencesPage::new();
    if let Some(selected) = selected {
        page.add(&group(&gettext("Selection"), &statistics(selected)));
    }
    page.add(&group(&gettext("Whole Text"), &statistics(text)));
    let view = adw::ToolbarView::new();
    view.add_top_bar(&adw::HeaderBar::new());
    view.set_content(Some(&page));
    adw::Dialog::builder()
        .title(gettext("Statistics"))
        .child(&view)
        .content_width(360)
        .follows_content_size(false)
        .build()
}

fn group(title: &str, counted: &Statistics) -> adw::PreferencesGroup {
    let group = adw::PreferencesGroup::builder().title(title).build();
    let minutes = u32::try_from(counted.reading_minutes).unwrap_or(u32::MAX);
    let reading = ngettext("{count} minute", "{count} minutes", minutes)
        .replace("{count}", &counted.reading_minutes.to_string());
    for (name, value) in [
        (gettext("Words"), counted.words.to_string()),
        (gettext("Characters"), counted.characters.to_string()),
        (
            gettext("Characters Without Spaces"),
            counted.characters_without_spaces.to_string(),
        ),
        (gettext("Lines With Text"), counted.lines.to_string()),
        (gettext("Reading Time"), reading),
    ] {
        let row = adw::ActionRow::builder()
            .title(name)
            .subtitle(value)
            .css_classes(["property"])
            .build();
        group.add(&row);
    }
    group
}
