//! E-mail addresses.
//!
//! A crate such as `email_address` accepts more than people can type: quoted local parts, comments, addresses of
//! machines. This rule accepts what mailbox providers assign.

use std::fmt::{self, Display};

use icu_casemap::CaseMapper;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_security::{RestrictionLevel, RestrictionLevelDetection};

/// Bytes of an e-mail address, by RFC 5321.
pub const EMAIL_MAX: usize = 254;
/// Bytes before the `@`.
const LOCAL_MAX: usize = 64;
/// ASCII characters that may be in an e-mail address before its `@` besides letters and digits (RFC 5322, `atext` and
/// the dot).
const LOCAL_SIGNS: &str = ".!#$%&'*+-/=?^_`{|}~";

/// A text that is no e-mail address. `Display` writes a sentence for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailFault {
    /// It has another form, or imitates another address.
    Form,
    /// It is a `mailto:` URL.
    Scheme,
    /// A name, a comment or angle brackets are around it.
    DisplayName,
    /// A dot is at the beginning or the end of a part, or next to another dot.
    Dots,
}

/// Returns the e-mail address in its normal form, or a fault if it is invalid or imitates another one.
///
/// The normal form is NFKC, in lower case, with the domain's ASCII form. Invisible characters, direction marks and
/// combining marks on ASCII characters are refused. Words that mix scripts are refused, except scripts that are written
/// together, such as Latin and Han (Unicode TS 39, "highly restrictive").
pub fn email(text: &str) -> Result<String, EmailFault> {
    let text = text.trim();
    if text.len() > EMAIL_MAX * 4 {
        return Err(EmailFault::Form);
    }
    let text: String = text.nfkc().collect::<String>().to_lowercase();
    // Lower case depends on the place of some letters, such as the Greek sigma. Folding makes them equal.
    let text: String = text.chars().map(|letter| CaseMapper::new().simple_fold(letter)).nfkc().collect();
    if text.starts_with("mailto:") {
        return Err(EmailFault::Scheme);
    }
    if text.contains(['<', '>', '(', ')', '"']) {
        return Err(EmailFault::DisplayName);
    }
    let (local, domain) = text.split_once('@').ok_or(EmailFault::Form)?;
    if has_odd_dots(local) || has_odd_dots(domain) {
        return Err(EmailFault::Dots);
    }
    normal_form(local, domain).ok_or(EmailFault::Form)
}

fn has_odd_dots(part: &str) -> bool {
    let is_dot = |sign| matches!(sign, '.' | '\u{3002}');
    part.starts_with(is_dot) || part.ends_with(is_dot) || part.contains("..")
}

fn normal_form(local: &str, domain: &str) -> Option<String> {
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
        && ascii.rsplit_once('.').is_some_and(|(_, last)| !last.bytes().all(|byte| byte.is_ascii_digit()))
        && ascii.split('.').all(is_label)
        && unicode.split('.').all(is_one_script);
    good.then_some(ascii)
}

impl Display for EmailFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "must be an e-mail address, such as ada@example.org",
            Self::Scheme => "must be an e-mail address, without mailto: before it",
            Self::DisplayName => "must be an e-mail address, without a name or angle brackets",
            Self::Dots => "must be an e-mail address, with single dots between other characters only",
        })
    }
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
            assert_eq!(email(text).as_deref(), Ok(kept), "{text:?}");
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
            assert!(email(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_around_an_address_is_refused_with_the_cause() {
        use EmailFault::{DisplayName, Dots, Form, Scheme};
        for (text, fault) in [
            ("ada@example.org.", Dots),
            (".ada@example.org", Dots),
            ("ada.@example.org", Dots),
            ("a..da@example.org", Dots),
            ("ada@example..org", Dots),
            ("ada@.example.org", Dots),
            ("ada@example.org\u{3002}", Dots),
            ("<ada@example.org>", DisplayName),
            ("Ada <ada@example.org>", DisplayName),
            ("\"Ada\" <ada@example.org>", DisplayName),
            ("\"ada\"@example.org", DisplayName),
            ("ada(comment)@example.org", DisplayName),
            ("ada@example.org (Ada)", DisplayName),
            ("mailto:ada@example.org", Scheme),
            ("MAILTO:ada@example.org?subject=x", Scheme),
            ("ada@example.org, bob@example.org", Form),
            ("ada@example.org;bob@example.org", Form),
            ("ada @example.org", Form),
            ("ada@ example.org", Form),
            ("ada\n@example.org", Form),
            ("ada@example.org\0", Form),
            ("ada@[127.0.0.1]", Form),
            ("ada@127.0.0.1", Form),
            ("ada@localhost", Form),
            ("ada@example.org/path", Form),
            ("ada@example.org:25", Form),
            ("ada@exam!ple.org", Form),
            ("https://ada@example.org", Form),
            ("ada at example.org", Form),
            ("ada@example,org", Form),
            ("ada\\@example.org", Form),
        ] {
            assert_eq!(email(text), Err(fault), "{text:?}");
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
            assert!(email(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn look_alikes_have_the_same_skeleton() {
        let of = |text: &str| skeleton(&email(text).unwrap_or_else(|_| panic!("{text} is an address")));
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
}
