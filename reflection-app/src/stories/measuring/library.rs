// SPDX-License-Identifier: GPL-3.0-or-later
//! A library of many documents, for build-aux/bench_start.py to start the program with.

use std::io::Write;
use std::path::PathBuf;

use super::{Desk, megabyte};
use crate::stories::run;

const DOCUMENTS: usize = 1_000;
/// Some pages, of which people write most.
const SMALL_LINES: usize = 160;

/// Fills the folder `REFLECTION_BENCH_LIBRARY`, and says the ids of a small document and of one of
/// a megabyte.
#[gtk::test]
#[ignore = "prepares what is measured"]
fn make() {
    let folder = PathBuf::from(std::env::var_os("REFLECTION_BENCH_LIBRARY").unwrap());
    let desk = Desk::open(&folder);
    let library = desk.service().library().unwrap();
    for number in 0..DOCUMENTS {
        run(library.create(&format!("# Document {number}\nsome words"))).unwrap();
    }
    let say = |name: &str, text: &str| {
        let topic = run(library.create(text)).unwrap();
        writeln!(std::io::stdout(), "\n{name}: {topic}").unwrap();
    };
    say("small", &super::LINE.repeat(SMALL_LINES));
    say("large", &megabyte());
    drop(library);
    desk.close();
}
