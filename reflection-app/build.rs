// SPDX-License-Identifier: GPL-3.0-or-later
//! Puts style sheet and icons into the program, and the settings' schema beside it, so that it
//! runs from wherever it lies.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

const SCHEMA: &str = "app.reflection.Reflection.gschema.xml";

fn main() {
    glib_build_tools::compile_resources(
        &["resources", "../data"],
        "resources/reflection.gresource.xml",
        "reflection.gresource",
    );
    compile_schema();
}

/// An installed program finds its schema where the system keeps them; one that is not installed
/// finds this one.
fn compile_schema() {
    println!("cargo::rerun-if-changed=../data/{SCHEMA}");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("schemas");
    let made = fs::create_dir_all(&out)
        .and_then(|()| fs::copy(format!("../data/{SCHEMA}"), out.join(SCHEMA)))
        .and_then(|_| {
            Command::new("glib-compile-schemas")
                .arg("--strict")
                .arg(&out)
                .status()
        });
    assert!(
        made.as_ref().is_ok_and(std::process::ExitStatus::success),
        "glib-compile-schemas failed: {made:?}"
    );
    println!(
        "cargo::rustc-env=REFLECTION_SCHEMA_DIR={}",
        out.to_string_lossy()
    );
}
