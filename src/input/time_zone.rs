//! Time zones.

use std::fmt::{self, Display};

use chrono_tz::{TZ_VARIANTS, Tz};

/// A text that is no name of a time zone. `Display` writes a sentence for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFault {
    /// The name that the client probably means.
    pub meant: Option<&'static str>,
}

/// Returns the IANA time zone with this name, such as `Europe/Berlin`. Blanks around it are ignored.
///
/// Older names such as `Asia/Calcutta` are accepted, and [`Tz::name`] returns them unchanged. Abbreviations such as
/// `CEST` are names only if IANA has them, such as `UTC`.
pub fn time_zone(name: &str) -> Result<Tz, ZoneFault> {
    let name = name.trim();
    name.parse().map_err(|_| {
        let name = name.replace(' ', "_");
        let mut names = TZ_VARIANTS.iter().map(|zone| zone.name());
        ZoneFault { meant: names.find(|known| known.eq_ignore_ascii_case(&name)) }
    })
}

impl Display for ZoneFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be the name of an IANA time zone")?;
        match self.meant {
            Some(meant) => write!(f, ": use {meant}"),
            None => f.write_str(", such as Europe/Berlin"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_zones_are_accepted_and_unchanged() {
        for name in [
            "Europe/Berlin",
            "Europe/Kyiv",
            "Europe/Kiev",
            "Asia/Calcutta",
            "Asia/Kolkata",
            "UTC",
            "Etc/UTC",
            "Etc/GMT+5",
            "GMT",
            "America/Argentina/Buenos_Aires",
            "America/Port-au-Prince",
            "America/Ciudad_Juarez",
            "Pacific/Kanton",
            "US/Eastern",
            "CET",
        ] {
            assert_eq!(time_zone(name).map(Tz::name), Ok(name));
        }
        assert_eq!(time_zone(" Asia/Tokyo\n"), Ok(Tz::Asia__Tokyo));
    }

    #[test]
    fn other_texts_are_refused_with_a_hint() {
        for (name, meant) in [
            ("Mars/Base", None),
            ("CEST", None),
            ("PST", None),
            ("BST", None),
            ("Europe", None),
            ("Europe/Munich", None),
            ("+02:00", None),
            ("GMT+2", None),
            ("UTC+2", None),
            ("", None),
            ("../etc/passwd", None),
            ("Europe/Ber\0lin", None),
            ("Europe/Berlin\u{200b}", None),
            ("europe/berlin", Some("Europe/Berlin")),
            ("America/New York", Some("America/New_York")),
            ("utc", Some("UTC")),
        ] {
            assert_eq!(time_zone(name), Err(ZoneFault { meant }), "{name:?}");
        }
        let why = |name| time_zone(name).map_err(|fault| fault.to_string());
        assert_eq!(
            why("CEST"),
            Err("must be the name of an IANA time zone, such as Europe/Berlin".to_owned())
        );
        assert_eq!(why("utc"), Err("must be the name of an IANA time zone: use UTC".to_owned()));
    }
}
