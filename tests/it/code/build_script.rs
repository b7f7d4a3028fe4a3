//! `build.rs` recompiles the crate if and only if GraphiQL's page changed.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

#[test]
fn a_build_without_the_page_does_not_compile_again() {
    let package = package_with_web();
    assert!(compiles(package.path()), "the first build compiles");
    assert!(!compiles(package.path()), "nothing changed");
}

#[test]
fn a_built_page_compiles_the_crate_again() {
    let package = package_with_web();
    assert!(compiles(package.path()), "the first build compiles");
    fs::create_dir(package.path().join("web/dist")).expect("a folder");
    fs::write(package.path().join("web/dist/index.html"), "<!doctype html>").expect("a page");
    assert!(compiles(package.path()), "the page is new");
    assert!(!compiles(package.path()), "nothing changed");
    fs::write(package.path().join("web/dist/index.html"), "<!doctype html><title>New</title>")
        .expect("a page");
    assert!(compiles(package.path()), "the page changed");
    fs::remove_dir_all(package.path().join("web/dist")).expect("removed");
    assert!(compiles(package.path()), "the page was removed");
    assert!(!compiles(package.path()), "nothing changed");
}

/// Makes a package without dependencies that has this project's build script, and a folder `web` without a built page.
fn package_with_web() -> TempDir {
    let package = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = package.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("written");
    };
    write("Cargo.toml", "[package]\nname = \"page\"\nedition = \"2024\"\n\n[workspace]\n");
    write("build.rs", include_str!("../../../build.rs"));
    write("src/lib.rs", "");
    write("web/index.html", "<!doctype html>");
    package
}

/// Builds the package. Returns whether cargo compiled it.
fn compiles(package: &Path) -> bool {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--offline", "--verbose"]).current_dir(package);
    cargo.env("CARGO_TARGET_DIR", package.join("target")).env_remove("RUSTFLAGS");
    let output = cargo.stdin(Stdio::null()).output().expect("cargo runs");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let compiled = log.contains("Compiling page") || log.contains("Dirty page");
    assert_ne!(compiled, log.contains("Fresh page"), "{log}");
    compiled
}
