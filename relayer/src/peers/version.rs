//! Which versions of what seats say to one another there are.
//!
//! A version is a set of messages and of what may be in them: those whose `Message::since` it has reached. Each side says with
//! every request and every answer which versions it speaks, and the newest that both speak is used; messages are posted to a
//! path that names it. What the version in use has no words for is not said.

use std::fmt;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Where a side says which versions it speaks, as `OLDEST-NEWEST`. Whoever does not say speaks version 1: that had no header.
pub(super) const HEADER: HeaderName = HeaderName::from_static("ring-versions");

/// The versions that a seat speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    oldest: u32,
    newest: u32,
}

impl Versions {
    /// Those of this program. Raise the newest with a message, or something in one, that an older seat does not know, and say
    /// so in `Message::since`; raise the oldest a release later at the earliest, so that a ring can be upgraded seat by seat.
    pub const SPOKEN: Self = Self { oldest: 1, newest: 1 };

    #[cfg(test)]
    pub(super) const fn new(oldest: u32, newest: u32) -> Self {
        Self { oldest, newest }
    }

    /// Those that a side names.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, String> {
        let Some(value) = headers.get(HEADER) else { return Ok(Self { oldest: 1, newest: 1 }) };
        let bounds = value.to_str().ok().and_then(|text| text.split_once('-'));
        let versions = bounds.and_then(|(oldest, newest)| {
            let versions = Self { oldest: oldest.parse().ok()?, newest: newest.parse().ok()? };
            (versions.oldest <= versions.newest).then_some(versions)
        });
        versions.ok_or_else(|| format!("its header {HEADER} is {value:?}, and should name two numbers such as 1-2"))
    }

    pub(super) fn header(self) -> HeaderValue {
        // Digits and a hyphen: it always is one.
        HeaderValue::from_str(&format!("{}-{}", self.oldest, self.newest)).unwrap_or(HeaderValue::from_static("1-1"))
    }

    pub(super) fn has(self, version: u32) -> bool {
        (self.oldest..=self.newest).contains(&version)
    }

    /// The newest version that both speak.
    pub(super) fn shared(self, other: Self) -> Option<u32> {
        let newest = self.newest.min(other.newest);
        (self.has(newest) && other.has(newest)).then_some(newest)
    }

    /// Why nothing can be said between this seat and another that shares no version with it, and which of the two to upgrade.
    pub(super) fn refusal(self, other: Self, name: &str) -> String {
        let older = if self.newest < other.newest { "this seat" } else { name };
        format!("{name} speaks {other} of what seats say to one another, and this seat {self}: upgrade {older}")
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.oldest == self.newest {
            true => write!(f, "version {}", self.oldest),
            false => write!(f, "versions {} to {}", self.oldest, self.newest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_both_speak_is_used() {
        for (one, other, shared) in
            [((1, 1), (1, 1), Some(1)), ((1, 2), (1, 1), Some(1)), ((1, 3), (2, 5), Some(3)), ((1, 1), (2, 3), None)]
        {
            let (one, other) = (Versions::new(one.0, one.1), Versions::new(other.0, other.1));
            assert_eq!((one.shared(other), other.shared(one)), (shared, shared), "{one} and {other}");
        }
    }

    #[test]
    fn versions_are_read_as_they_are_written_and_nobody_who_says_nothing_speaks_more_than_the_first() {
        let read = |text: &'static str| Versions::of(&HeaderMap::from_iter([(HEADER, HeaderValue::from_static(text))]));
        assert_eq!(Versions::of(&HeaderMap::new()), Ok(Versions::new(1, 1)));
        assert_eq!(read("2-13"), Ok(Versions::new(2, 13)));
        assert_eq!(Versions::new(2, 13).header(), "2-13");
        for wrong in ["", "1", "1-", "3-2", "-1-2", "1-99999999999", "one-two"] {
            assert!(read(wrong).unwrap_err().contains("ring-versions"), "{wrong}");
        }
    }
}
