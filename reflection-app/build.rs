// SPDX-License-Identifier: GPL-3.0-or-later
//! Puts style sheet and icons into the program, so that it runs from wherever it lies.

fn main() {
    glib_build_tools::compile_resources(
        &["resources", "../data"],
        "resources/reflection.gresource.xml",
        "reflection.gresource",
    );
}
