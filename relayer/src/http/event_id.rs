//! The names of events: the same wherever one is told, and no two seats have one in common.

use std::fmt;

use ring_contracts::{Address, hex};

use crate::store::Place;

/// The name of an event: the beginning of the seat's key, and the event's place in its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventId {
    seat: [u8; 4],
    place: Place,
}

impl EventId {
    pub(crate) fn new(key: Address, place: Place) -> Self {
        let [a, b, c, d, ..] = key.into_array();
        Self { seat: [a, b, c, d], place }
    }

    /// The place that an event of this seat has. `0` is before everything.
    pub(crate) fn parse(text: &str, key: Address) -> Option<Place> {
        if text == "0" {
            return Some(Place::START);
        }
        let (_, place) = text.split_once('-')?;
        let place = Place::parse(place)?;
        (Self::new(key, place).to_string() == text).then_some(place)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", hex::encode(self.seat), self.place)
    }
}
