//! What an e-mail address and a telephone number may look like.
//!
//! Invariant: pure and synchronous.

/// The longest e-mail address that can be delivered to.
const EMAIL_MAX: usize = 254;
/// The longest part before its `@`.
const LOCAL_MAX: usize = 64;
/// The most characters of a name.
pub const NAME_MAX: usize = 200;
/// The most characters of a telephone number as it is written.
const PHONE_MAX: usize = 32;
/// The fewest digits of a telephone number.
const PHONE_DIGITS_MIN: usize = 3;

/// The e-mail address as it is kept, trimmed and in lower case; none if mail cannot be delivered to it.
pub fn email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (local, domain) = email.split_once('@')?;
    let label = |label: &str| {
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.len() < 64
    };
    let good = email.len() <= EMAIL_MAX
        && (1..=LOCAL_MAX).contains(&local.len())
        && domain.contains('.')
        && domain.split('.').all(label)
        && !domain.contains('@')
        && !email.chars().any(|letter| letter.is_whitespace() || letter.is_control());
    good.then_some(email)
}

/// The telephone number as it is kept, trimmed; none if it cannot be one.
pub fn phone(text: &str) -> Option<String> {
    let phone = text.trim();
    let local = phone.strip_prefix('+').unwrap_or(phone);
    let good = phone.len() <= PHONE_MAX
        && local.bytes().all(|byte| byte.is_ascii_digit() || b" -()./".contains(&byte))
        && local.bytes().filter(u8::is_ascii_digit).count() >= PHONE_DIGITS_MIN;
    good.then(|| phone.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_mail_addresses_are_kept_in_one_spelling() {
        for (text, kept) in [
            ("ada@example.org", "ada@example.org"),
            ("  Ada@EXAMPLE.org \n", "ada@example.org"),
            ("a.b+c@sub.example.co.uk", "a.b+c@sub.example.co.uk"),
            ("ÅSA@example.org", "åsa@example.org"),
        ] {
            assert_eq!(email(text).as_deref(), Some(kept), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_delivered_to_is_no_e_mail_address() {
        let long = format!("{}@example.org", "x".repeat(65));
        let longest = format!("ada@{}org", "example.".repeat(40));
        for text in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example",
            "ada@@example.org",
            "ada@b@example.org",
            "a da@example.org",
            "ada@exam\0ple.org",
            "ada@.org",
            "ada@example.",
            "ada@-example.org",
            &long,
            &longest,
        ] {
            assert_eq!(email(text), None, "{text:?}");
        }
    }

    #[test]
    fn telephone_numbers_are_digits_and_what_stands_between_them() {
        for (text, kept) in [
            (" +49 (0)30 123-456 ", Some("+49 (0)30 123-456")),
            ("112", Some("112")),
            ("", None),
            ("+", None),
            ("12", None),
            ("+49+30", None),
            ("call me", None),
            ("123456789012345678901234567890123", None),
        ] {
            assert_eq!(phone(text).as_deref(), kept, "{text:?}");
        }
    }
}
