//! Scans JSON without building values: the members of an object, the depth, and the number of values.
//!
//! A value such as `[0,0,…]` needs forty times the memory of its text. So a body is scanned first, in one pass, and only
//! declared variables are parsed. The scan accepts exactly what the JSON parser accepts. Numbers beyond the range of a
//! double, lone surrogates, and control characters in strings are refused.

use std::borrow::Cow;

/// Nested objects and lists of a body, including the body.
const DEPTH_MAX: usize = 16;
/// Values of a body: lists, objects, strings, numbers and literals. Large inputs are long strings.
const VALUES_MAX: usize = 10_000;
/// Characters of a number.
const NUMBER_MAX: usize = 400;

/// A member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member<'a> {
    pub(super) name: Cow<'a, str>,
    /// The text of its value.
    pub(super) value: &'a str,
}

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not JSON. Line and column are counted as the JSON parser does.
    Syntax { line: usize, column: usize },
    /// It is JSON, but not an object.
    NotAnObject,
    /// It nests too deeply.
    TooDeep,
    /// It has too many values.
    TooMany,
}

impl Fault {
    /// Returns a sentence about `what`.
    pub(super) fn describe(self, what: &str) -> String {
        match self {
            Self::Syntax { line, column } => {
                format!("{what} is not valid JSON (line {line}, column {column}).")
            }
            Self::NotAnObject => format!("{what} must be a JSON object."),
            Self::TooDeep => format!("{what} nests more than {DEPTH_MAX} levels deep."),
            Self::TooMany => format!("{what} holds more than {VALUES_MAX} values."),
        }
    }
}

/// Returns the members of an object in their order. If a name is repeated, the last member counts.
pub(super) fn members(text: &str) -> Result<Vec<Member<'_>>, Fault> {
    let mut found = Vec::new();
    Scan::of(text).whole(&mut found).map(|()| found)
}

/// Returns the member of this name from the beginning of an object, or `None` if the member is not complete.
pub(super) fn early_member<'a>(beginning: &'a [u8], name: &str) -> Option<&'a str> {
    let text = match std::str::from_utf8(beginning) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(beginning.get(..error.valid_up_to())?).ok()?,
    };
    let mut found = Vec::new();
    // This fails because the text is incomplete.
    let _ = Scan::of(text).whole(&mut found);
    found.into_iter().rev().find(|member| member.name == name).map(|member| member.value)
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    values: usize,
}

impl<'a> Scan<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0, values: 0 }
    }

    fn whole(&mut self, found: &mut Vec<Member<'a>>) -> Result<(), Fault> {
        self.blank();
        if self.peek() != Some(b'{') {
            self.value()?;
            self.end()?;
            return Err(Fault::NotAnObject);
        }
        self.object(&mut |member| found.push(member))?;
        self.end()
    }

    fn value(&mut self) -> Result<(), Fault> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(Fault::TooMany);
        }
        match self.peek() {
            Some(b'{') => self.object(&mut |_| {}),
            Some(b'[') => self.list(),
            Some(b'"') => self.string(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.fault()),
        }
    }

    fn object(&mut self, found: &mut dyn FnMut(Member<'a>)) -> Result<(), Fault> {
        self.enter()?;
        if !self.take(b'}') {
            loop {
                let from = self.at;
                if self.peek() != Some(b'"') {
                    return Err(self.fault());
                }
                self.string()?;
                let name = self.name(from)?;
                self.blank();
                self.expect(b':')?;
                self.blank();
                let from = self.at;
                self.value()?;
                found(Member { name, value: self.text.get(from..self.at).unwrap_or_default() });
                self.blank();
                if !self.take(b',') {
                    break;
                }
                self.blank();
            }
            self.expect(b'}')?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn list(&mut self) -> Result<(), Fault> {
        self.enter()?;
        if !self.take(b']') {
            loop {
                self.value()?;
                self.blank();
                if !self.take(b',') {
                    break;
                }
                self.blank();
            }
            self.expect(b']')?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Passes an opening bracket.
    fn enter(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::TooDeep);
        }
        self.at += 1;
        self.blank();
        Ok(())
    }

    /// Returns the name of a member whose text starts at `from`.
    fn name(&self, from: usize) -> Result<Cow<'a, str>, Fault> {
        let text = self.text.get(from + 1..self.at - 1).unwrap_or_default();
        if text.contains('\\') {
            let quoted = self.text.get(from..self.at).unwrap_or_default();
            serde_json::from_str(quoted).map(Cow::Owned).map_err(|_| self.fault())
        } else {
            Ok(Cow::Borrowed(text))
        }
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                0..=0x1f => return Err(self.fault_before()),
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.unit()? {
                0xdc00..=0xdfff => Err(self.fault_before()),
                0xd800..=0xdbff => {
                    self.expect(b'\\')?;
                    self.expect(b'u')?;
                    if (0xdc00..=0xdfff).contains(&self.unit()?) { Ok(()) } else { Err(self.fault_before()) }
                }
                _ => Ok(()),
            },
            _ => Err(self.fault_before()),
        }
    }

    /// Reads four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, Fault> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.next()?).to_digit(16).ok_or_else(|| self.fault_before())?;
            unit = unit * 16 + digit;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), Fault> {
        let from = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let number = self.text.get(from..self.at).unwrap_or_default();
        let finite = number.len() <= NUMBER_MAX && number.parse::<f64>().is_ok_and(f64::is_finite);
        if finite { Ok(()) } else { Err(self.fault_before()) }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(self.fault()) }
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        word.bytes().try_for_each(|byte| self.expect(byte))
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        self.blank();
        if self.at == self.text.len() { Ok(()) } else { Err(self.fault()) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, Fault> {
        let byte = self.peek().ok_or_else(|| self.fault())?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.take(byte) { Ok(()) } else { Err(self.fault()) }
    }

    /// Returns a fault at the next byte.
    fn fault(&self) -> Fault {
        self.fault_at(self.at + usize::from(self.at < self.text.len()))
    }

    /// Returns a fault at the previous byte.
    fn fault_before(&self) -> Fault {
        self.fault_at(self.at)
    }

    fn fault_at(&self, end: usize) -> Fault {
        let before = self.text.as_bytes().get(..end).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        Fault::Syntax { line, column }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn named<'a>(text: &'a str, name: &str) -> Option<&'a str> {
        let found = members(text).expect("an object");
        found.into_iter().rev().find(|member| member.name == name).map(|member| member.value)
    }

    #[test]
    fn members_are_found_with_their_texts() {
        let text = r#" { "a" : [1, {"a":2}] ,"b":"x\"}" , "\u0063":null, "a":-1.5e3 } "#;
        assert_eq!(named(text, "a"), Some("-1.5e3"));
        assert_eq!(named(text, "b"), Some(r#""x\"}""#));
        assert_eq!(named(text, "c"), Some("null"));
        assert_eq!(named("{}", "a"), None);
    }

    #[test]
    fn depth_and_values_are_bounded() {
        let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(members(&nested(DEPTH_MAX - 1)).is_ok());
        assert_eq!(members(&nested(DEPTH_MAX)), Err(Fault::TooDeep));
        assert_eq!(members(&nested(100_000)), Err(Fault::TooDeep));
        let list = |values: usize| format!("{{\"a\":[0{}]}}", ",0".repeat(values - 1));
        assert!(members(&list(VALUES_MAX - 1)).is_ok());
        assert_eq!(members(&list(VALUES_MAX)), Err(Fault::TooMany));
        let empty = format!("{{\"a\":[{}{{}}]}}", "{\"\":0},".repeat(VALUES_MAX / 2));
        assert_eq!(members(&empty), Err(Fault::TooMany));
    }

    #[test]
    fn strange_values_are_refused() {
        for value in [
            "1e400",
            "-1e999",
            "01",
            "+1",
            "1.",
            ".5",
            "NaN",
            "nul",
            "'a'",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\x\"",
            "\"\u{0}\"",
            "\"\n\"",
            "\"a",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "",
        ] {
            let text = format!("{{\"v\":{value}}}");
            assert!(matches!(members(&text), Err(Fault::Syntax { .. })), "{value}");
        }
        assert_eq!(members("[]"), Err(Fault::NotAnObject));
        assert!(members(&format!("{{\"v\":{}}}", "9".repeat(NUMBER_MAX + 1))).is_err());
    }

    #[test]
    fn member_is_found_before_the_text_is_complete() {
        let text = br#"{"query":"{a}","variables":{"x":[1,2"#;
        assert_eq!(early_member(text, "query"), Some("\"{a}\""));
        assert_eq!(early_member(text, "variables"), None);
        assert_eq!(early_member(&b"{\"query\":\"{a}\",\"x\":\"\xc3"[..], "query"), Some("\"{a}\""));
        assert_eq!(early_member(b"\xff", "query"), None);
    }

    proptest! {
        /// The scan accepts exactly what the parser accepts.
        #[test]
        fn scan_and_parser_agree(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"a\"", "\"b\":", "\"", "\\", "\\u0041", "\\ud83c\\udf9f", "\\ud800", "1", "-", "0",
            ".5", "e3", "e999", "true", "null", " ", "\n", "ü", "{\"a\":", "[1,2]",
        ]), 0..12)) {
            let text = pieces.concat();
            prop_assert_eq!(members(&text).is_ok(), serde_json::from_str::<Map<String, Value>>(&text).is_ok(), "{}", text);
            let text = format!("{{\"a\":{text}}}");
            prop_assert_eq!(members(&text).is_ok(), serde_json::from_str::<Map<String, Value>>(&text).is_ok(), "{}", text);
        }
    }
}
