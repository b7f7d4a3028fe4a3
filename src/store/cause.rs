//! Why a database cannot be reached, in words for its operator, and whether that is temporary.

use std::io::{self, ErrorKind};

/// A reason why a connection was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// The reason as text.
    pub text: String,
    /// Whether it may pass by itself: the server is starting, full or out of reach. Otherwise a setting is wrong.
    pub is_passing: bool,
}

impl Cause {
    /// A temporary reason.
    pub(super) fn passing(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_passing: true }
    }

    /// Returns the reason of a failed attempt to connect.
    pub(super) fn of(error: &sqlx::Error) -> Self {
        if let sqlx::Error::Database(error) = error {
            let code = error.code().unwrap_or_default();
            let text = if code == "53300" {
                format!("too many connections: {}", error.message())
            } else {
                error.message().to_owned()
            };
            return Self { text, is_passing: is_passing(&code) };
        }
        if let sqlx::Error::Io(error) = error {
            return Self::passing(io_text(error));
        }
        let is_wrong_setting = matches!(error, sqlx::Error::Tls(_) | sqlx::Error::Configuration(_));
        Self { text: error.to_string(), is_passing: !is_wrong_setting }
    }
}

/// Returns whether a PostgreSQL error is temporary: no free connection, starting, stopping, or a lost connection.
fn is_passing(code: &str) -> bool {
    ["53", "57P", "08", "58"].iter().any(|class| code.starts_with(class))
}

fn io_text(error: &io::Error) -> String {
    let known = [
        (ErrorKind::ConnectionRefused, "connection refused"),
        (ErrorKind::NotFound, "connection refused: there is no such socket"),
        (ErrorKind::TimedOut, "the connection timed out"),
        (ErrorKind::ConnectionReset, "the server closed the connection"),
        (ErrorKind::UnexpectedEof, "the server closed the connection"),
        (ErrorKind::BrokenPipe, "the server closed the connection"),
    ];
    let known = known.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or_else(|| error.to_string(), |(_, text)| (*text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_causes_are_distinguished_from_wrong_settings() {
        let cases = [
            ("53300", true),
            ("57P03", true),
            ("57P01", true),
            ("08006", true),
            ("28P01", false),
            ("28000", false),
            ("3D000", false),
            ("42501", false),
            ("", false),
        ];
        for (code, expected) in cases {
            assert_eq!(is_passing(code), expected, "{code}");
        }
    }

    #[test]
    fn causes_contain_the_words_that_operators_search_for() {
        let io = |kind| Cause::of(&sqlx::Error::Io(io::Error::from(kind)));
        assert_eq!(io(ErrorKind::ConnectionRefused), Cause::passing("connection refused"));
        assert!(io(ErrorKind::NotFound).text.contains("no such socket"));
        assert!(io(ErrorKind::ConnectionReset).is_passing);
        assert!(!Cause::of(&sqlx::Error::Configuration("no".into())).is_passing);
    }
}
