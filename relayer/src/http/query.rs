//! Queries: what comes after the question mark, and what else a path or a header may say.

use std::time::Duration;

use ring_contracts::{Address, RequestId};

use super::error::{Code, Error};
use crate::driver::{Goal, Listing, Status};

/// How many requests a page of a list has, if nobody says, and at most.
const PAGE: usize = 50;
const MOST_OF_PAGE: usize = 100;
/// How long a client may wait for a request, if it does not say, and at most.
const PATIENCE: u64 = 30;
pub(super) const MOST_PATIENCE: u64 = 60;

/// The pairs of a query, each name at most once and none that nobody knows.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: Option<&str>, known: &[&str]) -> Result<Self, Error> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let message = format!("nobody knows {name:?} here: there are {}", known.join(", "));
                return Err(Error::new(Code::InvalidQuery, message).at(name));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(refuse(&name, "it is there twice"));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// A number in decimal digits.
    fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Error> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_decimal.then(|| text.parse().ok()).flatten();
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(refuse(name, format!("{text:?} is no number from {least} to {most}"))),
        }
    }
}

fn refuse(name: &str, reason: impl std::fmt::Display) -> Error {
    Error::new(Code::InvalidQuery, format!("{name}: {reason}")).at(name)
}

/// What list is wanted.
pub(super) fn listing(query: Option<&str>) -> Result<Listing, Error> {
    let query = Query::parse(query, &["status", "requester", "limit", "cursor"])?;
    let names = || Status::ALL.map(Status::name).join(", ");
    let status = |text: &str| {
        let found = Status::ALL.into_iter().find(|status| status.name() == text);
        found.ok_or_else(|| refuse("status", format!("{text:?} is none: there are {}", names())))
    };
    let statuses = query.get("status").map(|list| list.split(',').map(status).collect()).transpose()?;
    let requester = query.get("requester").map(address).transpose()?;
    let limit = query.number("limit", 1, MOST_OF_PAGE as u64)?.map_or(PAGE, |limit| limit as usize);
    let before = query.get("cursor").map(|text| {
        parse_cursor(text).ok_or_else(|| {
            refuse("cursor", format!("{text:?} was never given out here: give back nextCursor as it was"))
        })
    });
    Ok(Listing { statuses: statuses.unwrap_or_default(), requester, before: before.transpose()?, limit })
}

fn address(text: &str) -> Result<Address, Error> {
    let is_address = text.len() == 42 && text.starts_with("0x");
    let address = is_address.then(|| text.parse().ok()).flatten();
    address.ok_or_else(|| refuse("requester", format!("{text:?} is no address: write 0x and 40 hexadecimal digits")))
}

/// Where a page of a list begins, as clients carry it around.
pub(super) fn cursor(before: i64) -> String {
    format!("c{before:x}")
}

fn parse_cursor(text: &str) -> Option<i64> {
    let before = i64::from_str_radix(text.strip_prefix('c')?, 16).ok()?;
    (before > 0 && cursor(before) == text).then_some(before)
}

/// How far a client wants to see a request before it is answered, and how long it waits for that.
pub(super) fn waiting(query: Option<&str>) -> Result<Option<(Goal, Duration)>, Error> {
    let query = Query::parse(query, &["wait", "timeout"])?;
    let timeout = query.number("timeout", 0, MOST_PATIENCE)?;
    let goal = match query.get("wait") {
        None if timeout.is_some() => return Err(refuse("timeout", "say with wait what for")),
        None => return Ok(None),
        Some("accepted") => Goal::Accepted,
        Some("executed") => Goal::Executed,
        Some("final") => Goal::Final,
        Some(text) => return Err(refuse("wait", format!("{text:?} is none: there are accepted, executed, final"))),
    };
    Ok(Some((goal, Duration::from_secs(timeout.unwrap_or(PATIENCE)))))
}

/// Where a client has been told of everything: from the query, for those who cannot set headers.
pub(super) fn last_event_id(query: Option<&str>) -> Result<Option<String>, Error> {
    Ok(Query::parse(query, &["lastEventId"])?.get("lastEventId").map(str::to_owned))
}

/// Nothing is asked for.
pub(super) fn nothing(query: Option<&str>) -> Result<(), Error> {
    match query {
        None | Some("") => Ok(()),
        Some(_) => Err(Error::new(Code::InvalidQuery, "nothing is asked for here: leave the query out")),
    }
}

/// 0x and 32 hexadecimal digits, or a UUID with hyphens.
pub(super) fn request_id(text: &str) -> Option<RequestId> {
    let bytes = if let Some(digits) = text.strip_prefix("0x") {
        let is_id = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_id.then(|| digits.parse().ok()).flatten()?
    } else {
        // 36 characters: not one of the other forms that a UUID can have.
        let uuid = (text.len() == 36).then(|| uuid::Uuid::try_parse(text).ok()).flatten()?;
        RequestId::from(uuid.into_bytes())
    };
    Some(bytes)
}
