//! The check before the parser: limits bytes, tokens and nested brackets.
//!
//! It must not mistake brackets for part of a string or comment. So it follows the parser's grammar for both, and
//! refuses a string that does not end, which the parser would read differently.
//!
//! It also refuses an input object with a repeated field: the parser keeps only the last one.

use std::collections::HashSet;

use super::{MAX_BYTES, MAX_NESTING, MAX_TOKENS, Refusal};
use crate::graphql::code::ApiCode;

/// Refuses a text with too many bytes, tokens or nested brackets.
pub fn scan(text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_BYTES {
        return Err(Refusal::new(
            ApiCode::DocumentTooLarge,
            format!("A document is at most {MAX_BYTES} bytes."),
        ));
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
                    return Err(Refusal::new(ApiCode::GraphqlValidationFailed, message));
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
                ApiCode::DocumentTooDeep,
                format!("Brackets nest at most {MAX_NESTING} levels deep."),
            ));
        }
        if tokens > MAX_TOKENS {
            return Err(Refusal::new(
                ApiCode::TooManyTokens,
                format!("A document has at most {MAX_TOKENS} tokens."),
            ));
        }
        at += length;
    }
    Ok(())
}

/// An open bracket.
enum Bracket<'a> {
    /// A selection set, which is never inside a list or arguments.
    Selections,
    /// An input object, with its fields so far.
    Object(HashSet<&'a str>),
    /// A list or arguments.
    Other,
}

/// Returns whether the byte is part of a name or number. `-` is, so that a negative number is one token.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn until_line_end(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(bytes.len())
}

/// Returns the length of the string that starts here, including quotes.
fn string(bytes: &[u8]) -> Result<usize, Refusal> {
    let length = if bytes.starts_with(b"\"\"\"") { block_string(bytes) } else { plain_string(bytes) };
    length.ok_or_else(|| Refusal::new(ApiCode::GraphqlParseFailed, "Syntax error: a string does not end."))
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
