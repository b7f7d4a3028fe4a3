//! Web addresses.

use std::fmt::{self, Display};

use url::Url;

use super::characters::{Allowed, character_fault};

/// The longest web address, in characters.
const LENGTH_MAX: usize = 2_000;

/// A text that is no https URL. `Display` writes a sentence for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebAddressFault;

/// Returns the https URL without blanks around it.
///
/// It has a host, no user name and no password. Blanks, quotation marks, angle brackets and invisible characters are
/// refused, so that it can be put into a page.
pub fn web_address(text: &str) -> Result<String, WebAddressFault> {
    let text = text.trim();
    let has_form = text.chars().count() <= LENGTH_MAX
        && text.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
        // The parser would skip more slashes.
        && !text.get(8..).is_some_and(|rest| rest.starts_with('/'))
        && !text.contains(|sign: char| sign.is_whitespace() || matches!(sign, '"' | '<' | '>' | '\\'))
        && character_fault(text, Allowed::Line).is_none();
    let url = Url::parse(text).map_err(|_| WebAddressFault)?;
    let is_public = url.host_str().is_some_and(|host| !host.is_empty())
        && url.username().is_empty()
        && url.password().is_none();
    if has_form && is_public { Ok(text.to_owned()) } else { Err(WebAddressFault) }
}

impl Display for WebAddressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be an https address of at most {LENGTH_MAX} characters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_addresses_are_unchanged() {
        for text in [
            "https://example.org",
            "https://example.org/a/b.png?c=d&e=%20#f",
            "HTTPS://EXAMPLE.ORG/",
            "https://example.org:8443/a",
            "https://müller.example/bild-ä.png",
            "https://xn--mller-kva.example/",
            "https://[2001:db8::1]/a",
        ] {
            assert_eq!(web_address(text).as_deref(), Ok(text));
        }
        assert_eq!(web_address(" https://example.org/ \n").as_deref(), Ok("https://example.org/"));
    }

    #[test]
    fn other_addresses_are_refused() {
        let long = format!("https://example.org/{}", "a".repeat(2_000));
        for text in [
            "",
            "https://",
            "https:///a",
            "https://?a",
            "http://example.org/",
            "javascript:alert(1)",
            "data:image/png;base64,AAAA",
            "//example.org/a",
            "example.org/a.png",
            "https:example.org",
            "https://ada:secret@example.org/",
            "https://ada@example.org/",
            "https://example.org/a b",
            "https://example.org/\"onload=",
            "https://example.org/<script>",
            "https://example.org\\@evil.example/",
            "https://exa\u{200b}mple.org/",
            "https://example.org/\u{202e}gnp.a",
            "https://example.org/a\nb",
            "https://example.org/a\0",
            "https://exa mple.org/",
            "https://example.org:99999/",
            &long,
        ] {
            assert_eq!(web_address(text), Err(WebAddressFault), "{text:?}");
        }
    }
}
