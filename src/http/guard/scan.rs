//! The gate before the parser: counts bytes, tokens and open brackets.
//!
//! It must never take for a string or a comment what the parser would read as brackets, so it follows the parser's
//! grammar for both, and refuses a string that does not end: there the parser would try another reading.
//!
//! It also refuses an input object that has a field twice: the parser keeps the last one, and nobody sees the others.

use std::collections::HashSet;

use super::{MAX_BYTES, MAX_NESTING, MAX_TOKENS, Refusal};

/// Refuses a text that is too long, has too many tokens, or nests brackets too deeply.
pub fn scan(text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_BYTES {
        return Err(Refusal::new("DOCUMENT_TOO_LARGE", format!("A document is at most {MAX_BYTES} bytes.")));
    }
    let bytes = text.as_bytes();
    let (mut at, mut tokens) = (0, 0_usize);
    let mut open = Vec::new();
    let mut word = "";
    while let Some(&byte) = bytes.get(at) {
        let length = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += until_line_end(&bytes[at..]);
                continue;
            }
            b'{' | b'[' | b'(' => {
                let is_literal = open.iter().any(|bracket| !matches!(bracket, Bracket::Selections));
                open.push(match byte {
                    b'{' if is_literal => Bracket::Object(HashSet::new()),
                    b'{' => Bracket::Selections,
                    _ => Bracket::Other,
                });
                1
            }
            b'}' | b']' | b')' => {
                open.pop();
                1
            }
            b':' => {
                if let Some(Bracket::Object(fields)) = open.last_mut()
                    && !fields.insert(word)
                {
                    let word: String = word.chars().take(80).collect();
                    let message = format!("Repeated field `{word}` in an input object.");
                    return Err(Refusal::new("GRAPHQL_VALIDATION_FAILED", message));
                }
                1
            }
            b'"' => string(&bytes[at..])?,
            b'.' if bytes[at..].starts_with(b"...") => 3,
            _ if is_word(byte) => {
                let length = bytes[at..].iter().take_while(|&&byte| is_word(byte)).count();
                word = text.get(at..at + length).unwrap_or_default();
                length
            }
            _ => 1,
        };
        tokens += 1;
        if open.len() > MAX_NESTING {
            return Err(Refusal::new(
                "DOCUMENT_TOO_DEEP",
                format!("Brackets nest at most {MAX_NESTING} levels deep."),
            ));
        }
        if tokens > MAX_TOKENS {
            return Err(Refusal::new(
                "TOO_MANY_TOKENS",
                format!("A document has at most {MAX_TOKENS} tokens."),
            ));
        }
        at += length;
    }
    Ok(())
}

/// An open bracket.
enum Bracket<'a> {
    /// Of a selection set: these stand in no list and in no arguments.
    Selections,
    /// Of an input object, with the fields it has so far.
    Object(HashSet<&'a str>),
    /// Of a list or of arguments.
    Other,
}

/// Names and numbers; `-` so that a negative number is one token.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn until_line_end(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(bytes.len())
}

/// The length of the string that starts here, quotes included.
fn string(bytes: &[u8]) -> Result<usize, Refusal> {
    let length = if bytes.starts_with(b"\"\"\"") { block_string(bytes) } else { plain_string(bytes) };
    length.ok_or_else(|| Refusal::new("GRAPHQL_PARSE_FAILED", "Syntax error: a string does not end."))
}

fn block_string(bytes: &[u8]) -> Option<usize> {
    let mut at = 3;
    loop {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        if rest.starts_with(b"\"\"\"") {
            return Some(at + 3);
        }
        at += if rest.starts_with(b"\\\"\"\"") { 4 } else { 1 };
    }
}

fn plain_string(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\n' | b'\r' => return None,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
