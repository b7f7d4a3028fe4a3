//! Extracts the tokens and paths of Rust source code for the house tests.
//!
//! This is not a parser. It omits comments, strings, characters and lifetimes. Of the remaining tokens, it understands
//! only paths.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A word, `::`, `!=` or another sign, with its line number.
pub(crate) type Token<'a> = (usize, &'a str);

/// A path in the code, and the inline modules that contain it.
pub(crate) struct Reference<'a> {
    pub(crate) line: usize,
    pub(crate) segments: Vec<&'a str>,
    pub(crate) inline: Vec<&'a str>,
    /// The name under which a `use` imports the item. `None` outside of `use`.
    pub(crate) imported_as: Option<&'a str>,
    /// Whether it is a `pub use`, which hands the name on.
    pub(crate) is_export: bool,
}

/// The kind of a lexeme.
enum Kind {
    Code,
    LeftOut,
}

/// Returns all `.rs` files below a folder of the workspace, sorted. Tests run in its root.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Returns the code's tokens in order.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut line, mut rest) = (Vec::new(), 1, text);
    while let Some(first) = rest.chars().next() {
        let (kind, length) = lexeme(rest, first);
        let (lexeme, tail) = rest.split_at(length);
        if matches!(kind, Kind::Code) {
            tokens.push((line, lexeme));
        }
        line += lexeme.matches('\n').count();
        rest = tail;
    }
    tokens
}

/// Returns the string literals, with their line numbers. Their quotes and escapes remain.
pub(crate) fn strings(text: &str) -> Vec<Token<'_>> {
    let (mut strings, mut line, mut rest) = (Vec::new(), 1, text);
    while let Some(first) = rest.chars().next() {
        let (_, length) = lexeme(rest, first);
        let (lexeme, tail) = rest.split_at(length);
        if first == '"' || raw_string(rest).is_some() {
            strings.push((line, lexeme));
        }
        line += lexeme.matches('\n').count();
        rest = tail;
    }
    strings
}

/// Returns all paths: the leaves of `use` trees, and other paths of two or more segments.
pub(crate) fn references<'a>(tokens: &[Token<'a>]) -> Vec<Reference<'a>> {
    let (mut found, mut inline, mut depth, mut at) = (Vec::new(), Vec::<(&str, usize)>::new(), 0_usize, 0);
    let word = |at: usize| tokens.get(at).map_or("", |token| token.1);
    while at < tokens.len() {
        let (line, here) = tokens[at];
        let is_export = here == "use" && is_public(&tokens[..at]);
        let mut paths = Vec::new();
        match here {
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inline.pop_if(|(_, outside)| *outside == depth);
            }
            "mod" if word(at + 2) == "{" => inline.push((word(at + 1), depth)),
            "use" if word(at + 1) != "<" => {
                at += 1;
                use_tree(tokens, &mut at, &[], &mut paths);
            }
            _ if is_name(here) && word(at + 1) == "::" => {
                let mut segments = vec![here];
                while word(at + 1) == "::" && is_name(word(at + 2)) {
                    segments.push(word(at + 2));
                    at += 2;
                }
                paths.push((line, segments, None));
            }
            _ => {}
        }
        let modules: Vec<&str> = inline.iter().map(|(name, _)| *name).collect();
        found.extend(paths.into_iter().map(|(line, segments, imported_as)| Reference {
            line,
            segments,
            inline: modules.clone(),
            imported_as,
            is_export,
        }));
        at += 1;
    }
    found
}

/// Returns whether the item after these tokens is `pub` or `pub(…)`.
fn is_public(before: &[Token<'_>]) -> bool {
    let words = before.iter().rev().map(|token| token.1);
    match words.clone().next() {
        Some(")") => words.skip_while(|word| *word != "(").nth(1) == Some("pub"),
        last => last == Some("pub"),
    }
}

/// Reads one tree from `at`, and moves `at` behind it.
fn use_tree<'a>(
    tokens: &[Token<'a>],
    at: &mut usize,
    prefix: &[&'a str],
    out: &mut Vec<(usize, Vec<&'a str>, Option<&'a str>)>,
) {
    let mut path = prefix.to_vec();
    let mut alias = None;
    while let Some(&(line, here)) = tokens.get(*at) {
        *at += 1;
        match here {
            "{" => {
                while tokens.get(*at).is_some_and(|token| token.1 != "}") {
                    use_tree(tokens, at, &path, out);
                    *at += usize::from(tokens.get(*at).is_some_and(|token| token.1 == ","));
                }
                *at += 1;
                return;
            }
            "::" => {}
            "self" if !path.is_empty() => {}
            "as" => {
                alias = tokens.get(*at).map(|token| token.1);
                *at += 1;
            }
            _ if here == "*" || is_name(here) => path.push(here),
            // Part of a macro, whose paths are unknown.
            _ => return,
        }
        if tokens.get(*at).is_none_or(|token| matches!(token.1, "," | ";" | "}")) {
            let name = alias.or(path.last().copied());
            out.push((line, path, name));
            return;
        }
    }
}

/// Returns the kind and the length in bytes of the first lexeme.
fn lexeme(rest: &str, first: char) -> (Kind, usize) {
    let word = |text: &str| text.find(|char| !is_in_word(char)).unwrap_or(text.len());
    if rest.starts_with("//") {
        (Kind::LeftOut, rest.find('\n').unwrap_or(rest.len()))
    } else if rest.starts_with("/*") {
        (Kind::LeftOut, block_comment(rest))
    } else if let Some(length) = raw_string(rest) {
        (Kind::LeftOut, length)
    } else if first == '"' {
        (Kind::LeftOut, quoted(rest, '"'))
    } else if let Some(after) = rest.strip_prefix('\'') {
        let is_character = after.starts_with('\\') || after.chars().nth(1) == Some('\'');
        (Kind::LeftOut, if is_character { quoted(rest, '\'') } else { 1 + word(after) })
    } else if first.is_whitespace() {
        (Kind::LeftOut, first.len_utf8())
    } else if is_in_word(first) {
        (Kind::Code, word(rest))
    } else if rest.starts_with("::") || rest.starts_with("!=") {
        (Kind::Code, 2)
    } else {
        (Kind::Code, first.len_utf8())
    }
}

/// Returns the length of a block comment. Block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let bytes = &rest.as_bytes()[at..];
        let step = if bytes.starts_with(b"/*") {
            depth += 1;
            2
        } else if bytes.starts_with(b"*/") {
            depth -= 1;
            2
        } else {
            1
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let text = body.trim_start_matches('#');
    let end = format!("\"{}", &body[..body.len() - text.len()]);
    let text = text.strip_prefix('"')?;
    let start = rest.len() - text.len();
    Some(text.find(&end).map_or(rest.len(), |found| start + found + end.len()))
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, char) in rest.char_indices().skip(1) {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if char == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

fn is_in_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}
