//! Checks the raw document: valid JSON, within the limits of size and depth. Removes white space.
//!
//! The document is never rebuilt from parsed values. So keys keep their order, numbers keep their digits, and unknown
//! keys keep their content.

use serde_json::value::RawValue;

use super::fault::{Fault, Path};
use super::model::{DEPTH_MAX, TEXT_BYTES_MAX};

/// Returns the plan in a document. The API of pretix returns a plan as the `layout` of an object. For all other documents,
/// returns the document itself.
pub(super) fn unwrapped(document: String) -> String {
    #[derive(serde::Deserialize)]
    struct Wrapper<'d> {
        #[serde(borrow)]
        layout: &'d RawValue,
        zones: Option<serde::de::IgnoredAny>,
    }
    let layout = match serde_json::from_str::<Wrapper<'_>>(&document) {
        Ok(Wrapper { layout, zones: None }) if layout.get().starts_with('{') => Some(layout.get().to_owned()),
        Ok(_) | Err(_) => None,
    };
    layout.unwrap_or(document)
}

/// Returns the document without insignificant white space. Applying it twice changes nothing more.
pub(super) fn compact(text: &str) -> Result<String, Fault> {
    let refuse = |why: String| Fault::new(Path::Root, why);
    if text.len() > TEXT_BYTES_MAX {
        return Err(refuse(format!("is {} bytes long; the maximum is {TEXT_BYTES_MAX}", text.len())));
    }
    // Windows editors may write a byte order mark, which is not valid JSON.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A raw value is only scanned, without recursion or allocation. So a malicious document costs no more memory than
    // its length.
    let valid: &RawValue =
        serde_json::from_str(text).map_err(|error| refuse(format!("is not JSON: {error}")))?;
    squeeze(valid.get())
        .ok_or_else(|| refuse(format!("nests more than {DEPTH_MAX} objects and lists into each other")))
}

/// Removes the white space between tokens of valid JSON. Returns `None` if the nesting is too deep.
fn squeeze(json: &str) -> Option<String> {
    let mut squeezed = String::with_capacity(json.len());
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for letter in json.chars() {
        if in_string {
            in_string = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
        } else {
            match letter {
                ' ' | '\t' | '\n' | '\r' => continue,
                '"' => in_string = true,
                '{' | '[' => depth += 1,
                '}' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > DEPTH_MAX {
                return None;
            }
        }
        squeezed.push(letter);
    }
    Some(squeezed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_between_tokens_is_dropped() {
        for (given, kept) in [
            ("{ \"a b\" :\t[ 1 , 2.50 ,\r\n null ] }", r#"{"a b":[1,2.50,null]}"#),
            (r#" "say \" { \\" "#, r#""say \" { \\""#),
            ("\u{feff}[ ]", "[]"),
            (r#"{"b":1e2, "a":-0.0, "b":"ü \u00fc"}"#, r#"{"b":1e2,"a":-0.0,"b":"ü \u00fc"}"#),
        ] {
            let once = compact(given).unwrap();
            assert_eq!(once, kept);
            assert_eq!(compact(&once).unwrap(), once);
        }
    }

    #[test]
    fn nesting_is_counted_outside_strings_only() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(compact(&nested(DEPTH_MAX)).is_ok());
        assert!(compact(&nested(DEPTH_MAX + 1)).unwrap_err().why.contains("nests more than 64"));
        assert!(compact(&nested(1_000_000)).is_err());
        assert!(compact(&format!("\"{}\"", "[".repeat(1_000))).is_ok());
    }

    #[test]
    fn text_that_is_not_json_is_refused_with_line_and_column() {
        let fault = compact("{\n  \"name\": nope\n}").unwrap_err();
        assert_eq!(fault.path, "$");
        assert!(fault.why.starts_with("is not JSON") && fault.why.contains("line 2 column"), "{fault}");
        assert!(compact("").is_err());
        assert!(compact("{} {}").is_err());
    }

    #[test]
    fn an_overlong_text_is_refused_unread() {
        let fault = compact(&" ".repeat(TEXT_BYTES_MAX + 1)).unwrap_err();
        assert!(fault.why.contains("16777216"), "{fault}");
    }
}
