//! The rules for e-mail addresses and telephone numbers.
//!
//! Invariant: pure and synchronous.

use icu_casemap::CaseMapper;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_security::{RestrictionLevel, RestrictionLevelDetection};

/// Bytes of an e-mail address, by RFC 5321.
pub const EMAIL_MAX: usize = 254;
/// Bytes before the `@`.
const LOCAL_MAX: usize = 64;
/// Characters of a telephone number as it is written.
const PHONE_MAX: usize = 32;
/// The least number of digits of a telephone number.
const PHONE_DIGITS_MIN: usize = 3;

/// ASCII characters that may be in an e-mail address before its `@` besides letters and digits (RFC 5322, `atext` and
/// the dot).
const LOCAL_SIGNS: &str = ".!#$%&'*+-/=?^_`{|}~";

/// Returns the e-mail address in its normal form, or `None` if it is invalid or imitates another one.
///
/// The normal form is NFKC, in lower case, with the domain's ASCII form. Invisible characters, direction marks and
/// combining marks on ASCII characters are refused. Words that mix scripts are refused, except scripts that are written
/// together, such as Latin and Han (Unicode TS 39, "highly restrictive").
pub fn email(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > EMAIL_MAX * 4 {
        return None;
    }
    let text: String = text.nfkc().collect::<String>().to_lowercase();
    // Lower case depends on the place of some letters, such as the Greek sigma. Folding makes them equal.
    let text: String = text.chars().map(|letter| CaseMapper::new().simple_fold(letter)).nfkc().collect();
    let (local, domain) = text.split_once('@')?;
    let is_local = (1..=LOCAL_MAX).contains(&local.len())
        && local.chars().all(|letter| !letter.is_ascii() || is_local_ascii(letter))
        && !has_decorated_ascii(local)
        && is_one_script(local);
    let domain = ascii_domain(domain).filter(|_| is_local)?;
    let email = format!("{local}@{domain}");
    (email.len() <= EMAIL_MAX).then_some(email)
}

/// Returns the form of an e-mail address in which addresses that look alike are equal.
///
/// Letters beyond ASCII are replaced by those that they resemble. ASCII letters stay, so that `modern` and `modem` are
/// different. Domains are not changed: a domain that looks alike has another owner, and is shown in its ASCII form.
pub fn skeleton(email: &str) -> String {
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    let mut skeleton = String::new();
    for letter in local.chars() {
        if letter.is_ascii() {
            skeleton.push(letter);
        } else {
            skeleton.extend(unicode_security::skeleton(letter.encode_utf8(&mut [0; 4])));
        }
    }
    format!("{}@{domain}", skeleton.nfc().collect::<String>().to_lowercase())
}

/// Returns whether a combining mark follows an ASCII character. After NFKC, accented letters such as `é` are one
/// character, so only marks that strike letters out or encircle them remain.
fn has_decorated_ascii(text: &str) -> bool {
    let letters = text.chars();
    letters.clone().zip(letters.skip(1)).any(|(letter, sign)| letter.is_ascii() && is_combining_mark(sign))
}

fn is_local_ascii(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || LOCAL_SIGNS.contains(letter)
}

/// Returns whether the letters are visible, and of one script or of scripts that are written together.
fn is_one_script(text: &str) -> bool {
    let letters: String = text.chars().filter(|letter| !LOCAL_SIGNS.contains(*letter)).collect();
    letters.as_str().check_restriction_level(RestrictionLevel::HighlyRestrictive)
}

/// Returns the domain's ASCII form (UTS 46), if it is a host name of at least two labels, each of one script.
fn ascii_domain(domain: &str) -> Option<String> {
    // The conversion removes invisible characters. Refuse them, as before the `@`.
    if !domain.split(['.', '\u{3002}']).all(is_one_script) {
        return None;
    }
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    let (unicode, result) = idna::domain_to_unicode(&ascii);
    let is_label = |label: &str| {
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.len() < 64
    };
    let good = result.is_ok()
        && ascii.contains('.')
        && ascii.split('.').all(is_label)
        && unicode.split('.').all(is_one_script);
    good.then_some(ascii)
}

/// Returns the trimmed telephone number, or `None` if it is invalid.
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
    fn e_mail_addresses_are_normalised() {
        for (text, kept) in [
            ("ada@example.org", "ada@example.org"),
            ("  Ada@EXAMPLE.org \n", "ada@example.org"),
            ("a.b+c@sub.example.co.uk", "a.b+c@sub.example.co.uk"),
            ("ÅSA@example.org", "åsa@example.org"),
            ("A\u{30a}sa@example.org", "åsa@example.org"),
            ("ａｄａ＠example．org", "ada@example.org"),
            ("müller@example.de", "müller@example.de"),
            ("o'neil+tag@example.ie", "o'neil+tag@example.ie"),
            ("用户@例子.公司", "用户@xn--fsqu00a.xn--55qx5d"),
            ("用户abc@example.com", "用户abc@example.com"),
            ("たろう太郎@例え.jp", "たろう太郎@xn--r8jz45g.jp"),
            ("ΝΊΚΟΣ.Α@example.gr", "νίκοσ.α@example.gr"),
            ("νίκος.α@example.gr", "νίκοσ.α@example.gr"),
            ("GROẞ@example.de", "groß@example.de"),
            ("MU\u{308}LLER@example.de", "müller@example.de"),
            ("иван@почта.рф", "иван@xn--80a1acny.xn--p1ai"),
            ("उपयोगकर्ता@example.in", "उपयोगकर्ता@example.in"),
            ("user@MÜNCHEN.de", "user@xn--mnchen-3ya.de"),
            ("user@xn--mnchen-3ya.de", "user@xn--mnchen-3ya.de"),
        ] {
            assert_eq!(email(text).as_deref(), Some(kept), "{text:?}");
        }
    }

    #[test]
    fn invalid_e_mail_addresses_are_refused() {
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
            "ada@example_.org",
            "a,b@example.org",
            "\"a b\"@example.org",
            &long,
            &longest,
        ] {
            assert_eq!(email(text), None, "{text:?}");
        }
    }

    #[test]
    fn addresses_that_imitate_others_are_refused() {
        for text in [
            "a\u{200b}da@example.org",  // zero-width space
            "a\u{200d}da@example.org",  // zero-width joiner
            "\u{feff}ada@example.org",  // byte-order mark
            "a\u{ad}da@example.org",    // soft hyphen
            "a\u{202e}da@example.org",  // right-to-left override
            "a\u{2066}da@example.org",  // isolate
            "a\u{3164}da@example.org",  // Hangul filler
            "a\u{fe0f}da@example.org",  // variation selector
            "a\u{e0061}da@example.org", // tag character
            "аda@example.org",          // Cyrillic а before Latin letters
            "pаypal@example.org",
            "αda@example.org",        // Greek α
            "ada@exаmple.org",        // Cyrillic а in the domain
            "ada@xn--exmple-4nf.org", // the same, spelled in ASCII
            "ada@exam\u{200b}ple.org",
            "a\u{336}da@example.org",  // struck out
            "ad\u{20dd}a@example.org", // in a circle
        ] {
            assert_eq!(email(text), None, "{text:?}");
        }
    }

    #[test]
    fn look_alikes_have_the_same_skeleton() {
        let of = |text: &str| skeleton(&email(text).unwrap_or_else(|| panic!("{text} is an address")));
        for (one, other) in [
            ("сосо@example.org", "coco@example.org"), // Cyrillic letters only
            ("οο@example.org", "oo@example.org"),     // Greek letters only
            ("kız@example.org", "kiz@example.org"),
            ("åsa@example.org", "A\u{30a}SA@example.org"),
        ] {
            assert_eq!(of(one), of(other), "{one} {other}");
        }
        for (one, other) in [
            ("modern@example.org", "modem@example.org"),
            ("anna1@example.org", "annal@example.org"),
            ("o0@example.org", "oo@example.org"),
            ("müller@example.de", "muller@example.de"),
            ("сосо@example.org", "coco@example.com"),
            ("иван@example.org", "ivan@example.org"),
        ] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
        for ascii in ["ada@example.org", "a.b+c@sub.example.co.uk", "x_1l0O@example.org"] {
            assert_eq!(skeleton(&ascii.to_lowercase()), ascii.to_lowercase());
        }
    }

    #[test]
    fn telephone_numbers_are_checked() {
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
