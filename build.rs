//! Recompiles the crate if GraphiQL's page changed: the macro that embeds `web/dist` does not notice.
//!
//! Cargo counts a missing path as changed at every build. Before the page is built, the folder around it is watched instead.

use std::path::Path;

fn main() {
    let page = "web/dist";
    let watched = if Path::new(page).exists() { page } else { "web" };
    println!("cargo:rerun-if-changed={watched}");
}
