// SPDX-License-Identifier: GPL-3.0-or-later
//! Medians, and the rows of the tables in docs/benchmarks.md.
#![allow(dead_code)]

use std::fmt::Display;
use std::time::Duration;

/// What stands at a share of the way through measurements, from 0 to 1; 0.5 is the median.
pub(crate) fn at_share(measured: &mut [Duration], share: f64) -> Duration {
    measured.sort_unstable();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )]
    let index = ((measured.len() - 1) as f64 * share).round() as usize;
    measured[index]
}

/// The measurement in the middle.
pub(crate) fn median(measured: &mut [Duration]) -> Duration {
    at_share(measured, 0.5)
}

/// How many times the second fits into the first.
pub(crate) fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

/// A duration with three digits at most, as a person reads it.
pub(crate) fn shown(duration: Duration) -> String {
    let us = duration.as_secs_f64() * 1e6;
    let (number, unit) = match us {
        us if us < 1e3 => (us, "µs"),
        us if us < 1e6 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let digits = match number {
        number if number < 10.0 => 2,
        number if number < 100.0 => 1,
        _ => 0,
    };
    format!("{number:.digits$} {unit}")
}

/// Says on the way what is being done; the table alone goes to the standard output.
#[allow(clippy::print_stderr)]
pub(crate) fn progress(what: impl Display) {
    eprintln!("  {what}");
}

/// A row of the table.
pub(crate) struct Row {
    /// What was done.
    pub(crate) what: String,
    /// What it took.
    pub(crate) measured: String,
    /// What it is held against, measured in the same run.
    pub(crate) beside: String,
    /// The one divided by the other.
    pub(crate) ratio: Option<f64>,
    /// What was aimed at.
    pub(crate) target: String,
    /// Whether it was reached.
    pub(crate) is_met: Option<bool>,
}

impl Row {
    /// Prints the row.
    #[allow(clippy::print_stdout)]
    pub(crate) fn print(&self) {
        let ratio = self.ratio.map_or("–".into(), |ratio| format!("{ratio:.2}"));
        let is_met = match self.is_met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "–",
        };
        println!(
            "| {} | {} | {} | {ratio} | {} | {is_met} |",
            self.what, self.measured, self.beside, self.target
        );
    }
}
