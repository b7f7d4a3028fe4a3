//! The id of a viewer's request, for the audit of changes.

/// A request id of at most 64 characters, the limit of `http`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestTag {
    length: u8,
    bytes: [u8; Self::MAX],
}

impl RequestTag {
    const MAX: usize = 64;

    /// Copies an id. Returns `None` if it is too long or not ASCII.
    pub(crate) fn of(id: &str) -> Option<Self> {
        let length = u8::try_from(id.len()).ok().filter(|_| id.len() <= Self::MAX && id.is_ascii())?;
        let mut bytes = [0; Self::MAX];
        bytes[..id.len()].copy_from_slice(id.as_bytes());
        Some(Self { length, bytes })
    }

    /// Returns the id.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length.into()]).unwrap_or_default()
    }
}

impl std::fmt::Debug for RequestTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ascii_id_is_kept() {
        let longest = "x".repeat(64);
        for id in ["", "a", "trace-1.a:b_c", longest.as_str()] {
            assert_eq!(RequestTag::of(id).expect("kept").as_str(), id);
        }
        assert_eq!(RequestTag::of(&"x".repeat(65)), None);
        assert_eq!(RequestTag::of("ä"), None);
    }
}
