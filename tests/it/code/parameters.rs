//! No function dodges the lint on the number of arguments with a tuple: values that belong together are a struct.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::source::{Token, tokens};

/// The number of parameters that clippy allows, as in `.clippy.toml`.
const MOST: usize = 5;

const FOLDERS: [&str; 6] = ["bench/src", "entity/src", "fuzz", "migration/src", "src", "tests"];

#[test]
fn no_tuple_hides_a_parameter() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    for folder in FOLDERS {
        for file in rust_files(&root.join(folder)) {
            let text = fs::read_to_string(&file).expect("a text");
            let file = file.strip_prefix(root).expect("in the project").display().to_string();
            faults.extend(crowded(&text).into_iter().map(|(line, name)| format!("{file}:{line}: {name}")));
        }
    }
    assert!(faults.is_empty(), "more than {MOST} parameters, if tuples are taken apart: {faults:#?}");
}

#[test]
fn planted_tuples_are_found() {
    let found = |text: &str| crowded(text).into_iter().map(|(_, name)| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(found("fn f(&self, a: A, b: B, (c, d): (C, D), e: E) {}"), ["f"]);
    assert_eq!(found("fn f<F: Fn(u8) -> u8>((a, (b, c)): T, (d, e): (D, E), g: F,) {}"), ["f"]);
    assert_eq!(found("fn f((a, [b, c, d, e]): (A, [B; 4]), mut g: G) {}"), ["f"]);
    assert_eq!(found("fn f(a: A, b: B, c: C, (d, e): (D, E)) {}"), [""; 0]);
    assert_eq!(found("fn f(a: A, State(b): State<B>, c: C, d: D, e: E, f: F) {}"), [""; 0]);
    assert_eq!(found("fn f(a: (A, B, C), b: impl Fn(A, B, C) -> D, c: [u8; 4], d: M<K, V>) {}"), [""; 0]);
}

/// Returns the functions with a tuple pattern and more than [`MOST`] parameters after taking it apart, with their lines.
fn crowded(text: &str) -> Vec<(usize, &str)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        let [(line, "fn"), (_, name)] = *pair else { continue };
        let Some(start) = parameters(&tokens[at + 2..]) else { continue };
        let list = &tokens[at + 2 + start..];
        // `proptest!` takes values from strategies: `(a, b) in pairs()`.
        if list.iter().take_while(|(_, token)| *token != "{").any(|(_, token)| *token == "in") {
            continue;
        }
        let (count, has_tuple) = count(list);
        if has_tuple && count > MOST {
            found.push((line, name));
        }
    }
    found
}

/// Returns the position after the parenthesis that opens the parameters, past the generics.
fn parameters(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, (_, token)) in tokens.iter().enumerate() {
        match *token {
            "(" if depth == 0 => return Some(at + 1),
            "<" => depth += 1,
            ">" if at == 0 || tokens[at - 1].1 != "-" => depth = depth.saturating_sub(1),
            "{" | ";" => return None,
            _ => {}
        }
    }
    None
}

/// Counts the parameters up to the closing parenthesis, each name of a pattern as one. Returns whether there is a tuple.
fn count(tokens: &[Token<'_>]) -> (usize, bool) {
    let (mut depth, mut angle, mut count, mut has_tuple) = (0_usize, 0_usize, 0, false);
    let (mut in_pattern, mut is_first, mut names) = (true, true, 0);
    for (at, (_, token)) in tokens.iter().enumerate() {
        match *token {
            "(" | "[" | "{" => {
                has_tuple |= is_first && *token == "(";
                depth += 1;
            }
            ")" if depth == 0 => return (count + names, has_tuple),
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "<" => angle += 1,
            ">" if at > 0 && tokens[at - 1].1 != "-" => angle = angle.saturating_sub(1),
            ":" if depth == 0 => in_pattern = false,
            "," if depth == 0 && angle == 0 => {
                count += names;
                (in_pattern, is_first, names) = (true, true, 0);
                continue;
            }
            "mut" | "ref" | "&" | "_" | "'" | "," | "#" => {}
            name if in_pattern && name.starts_with(|first: char| first.is_lowercase() || first == '_') => {
                names += 1;
            }
            _ => {}
        }
        is_first = false;
    }
    (count + names, has_tuple)
}

/// Returns the Rust files below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("node_modules") {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
