// SPDX-License-Identifier: GPL-3.0-or-later
//! When something happened, as short as it is clear.

use gettextrs::{gettext, pgettext};
use gtk::glib;

use crate::preferences::clock;

/// A time in microseconds since 1970 as people would say it now; empty if it is out of range.
pub fn when(time_us: u64) -> String {
    let Ok(now) = glib::DateTime::now_local() else {
        return String::new();
    };
    let then = i64::try_from(time_us / 1_000_000).ok().and_then(|seconds| {
        glib::DateTime::from_unix_utc(seconds)
            .and_then(|time| time.to_local())
            .ok()
    });
    then.and_then(|then| describe(&then, &now, clock().has_twelve_hours()))
        .unwrap_or_default()
}

/// Compares the days of both as the clock on the wall shows them, not as the Earth turns.
fn describe(then: &glib::DateTime, now: &glib::DateTime, has_twelve_hours: bool) -> Option<String> {
    let format = |format: &str| then.format(format).ok().map(String::from);
    match day_number(now)? - day_number(then)? {
        // Translators: a time of today by a clock of twelve hours, see the documentation of GDateTime
        // for the letters.
        0 if has_twelve_hours => format(&pgettext("time of today, twelve hours", "%-I:%M %p")),
        // Translators: a time of today, see the documentation of GDateTime for the letters.
        0 => format(&pgettext("time of today", "%H:%M")),
        1 => Some(gettext("Yesterday")),
        // Translators: the day of the week.
        2..=6 => format(&pgettext("day of this week", "%A")),
        _ if then.year() == now.year() => {
            // Translators: a day of this year.
            format(&pgettext("day of this year", "%-e %B"))
        }
        // Translators: a day of another year.
        _ => format(&pgettext("day of another year", "%-e %B %Y")),
    }
}

fn day_number(time: &glib::DateTime) -> Option<u32> {
    let month = match time.month() {
        1 => glib::DateMonth::January,
        2 => glib::DateMonth::February,
        3 => glib::DateMonth::March,
        4 => glib::DateMonth::April,
        5 => glib::DateMonth::May,
        6 => glib::DateMonth::June,
        7 => glib::DateMonth::July,
        8 => glib::DateMonth::August,
        9 => glib::DateMonth::September,
        10 => glib::DateMonth::October,
        11 => glib::DateMonth::November,
        _ => glib::DateMonth::December,
    };
    let day = u8::try_from(time.day_of_month()).ok()?;
    let year = u16::try_from(time.year()).ok()?;
    glib::Date::from_dmy(day, month, year)
        .ok()
        .map(|date| date.julian())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn days_are_counted_by_the_calendar() {
        let utc = glib::TimeZone::utc();
        let at = |year, month, day, hour, minute| {
            glib::DateTime::new(&utc, year, month, day, hour, minute, 0.0).unwrap()
        };
        let now = at(2026, 3, 2, 0, 5);
        let check =
            |then, expected: &str| assert_eq!(describe(&then, &now, false).unwrap(), expected);
        check(at(2026, 3, 2, 0, 1), "00:01");
        check(at(2026, 3, 1, 23, 59), "Yesterday");
        check(at(2026, 2, 28, 12, 0), "Saturday");
        check(at(2026, 2, 22, 12, 0), "22 February");
        check(at(2025, 12, 31, 12, 0), "31 December 2025");
        let midnight = describe(&at(2026, 3, 2, 0, 1), &now, true);
        assert_eq!(midnight.unwrap(), "12:01 AM");
    }
}
