//! Country codes.

use std::fmt::{self, Display};

use iso_country::data;

/// Codes that are often written instead of the assigned one.
const REPLACED: [(&str, &str); 2] = [("UK", "GB"), ("EL", "GR")];

/// A text that is no country code. `Display` writes a sentence for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountryFault {
    /// The code that the client probably means.
    pub meant: Option<&'static str>,
}

/// Returns the country's code, if ISO 3166-1 assigns it: two upper-case letters. Blanks around it are ignored.
///
/// Codes that are only reserved (`UK`, `EU`) or for private use (`XK`, `ZZ`) are refused.
pub fn country(code: &str) -> Result<&'static str, CountryFault> {
    let code = code.trim();
    let known = || data::all().into_iter();
    if let Some(assigned) = known().find(|country| country.alpha2 == code) {
        return Ok(assigned.alpha2);
    }
    let is_meant = |country: &data::CountryCode<'static>| {
        let spellings = [country.alpha2, country.alpha3, country.name];
        spellings.into_iter().any(|spelling| spelling.eq_ignore_ascii_case(code))
    };
    let replaced =
        REPLACED.iter().find(|(wrong, _)| wrong.eq_ignore_ascii_case(code)).map(|(_, right)| *right);
    Err(CountryFault { meant: replaced.or_else(|| known().find(is_meant).map(|country| country.alpha2)) })
}

impl Display for CountryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be an assigned ISO 3166-1 code of two letters")?;
        match self.meant {
            Some(meant) => write!(f, ": use {meant}"),
            None => f.write_str(", such as DE"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigned_codes_are_accepted() {
        for code in ["DE", "GB", "AT", "SS", "BQ", "CW", "TW", "PS", "AX", "ZW"] {
            assert_eq!(country(code), Ok(code));
        }
        assert_eq!(country(" CH\n"), Ok("CH"));
        assert_eq!(data::all().len(), 249);
    }

    #[test]
    fn other_codes_are_refused_with_a_hint() {
        for (code, meant) in [
            ("UK", Some("GB")),
            ("uk", Some("GB")),
            ("EL", Some("GR")),
            ("de", Some("DE")),
            ("DEU", Some("DE")),
            ("Germany", Some("DE")),
            ("ZZ", None),
            ("XK", None),
            ("EU", None),
            ("AN", None),
            ("SU", None),
            ("AA", None),
            ("", None),
            ("D", None),
            ("D\u{200b}E", None),
            ("ＤＥ", None),
            ("D\0", None),
        ] {
            assert_eq!(country(code), Err(CountryFault { meant }), "{code:?}");
        }
        let why = |code| country(code).map_err(|fault| fault.to_string());
        assert_eq!(why("UK"), Err("must be an assigned ISO 3166-1 code of two letters: use GB".to_owned()));
        assert_eq!(
            why("ZZ"),
            Err("must be an assigned ISO 3166-1 code of two letters, such as DE".to_owned())
        );
    }
}
