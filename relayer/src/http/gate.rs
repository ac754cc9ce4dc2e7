//! Who may do what here, and how often.

use std::{
    collections::BTreeSet,
    fmt,
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::{Code, Error};

/// How many wrong tokens an address may send at once, and how many a minute beyond that. A right one always counts.
const FAILURES: u32 = 10;
/// After how many requests those who have been quiet are forgotten.
const FORGET_EVERY: u32 = 4_096;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Posting requests.
    Submit,
    /// Asking how far requests are, and for lists of them.
    Read,
    /// Following what happens.
    Events,
    /// What an operator does. Never without a token.
    Operate,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Submit, Self::Read, Self::Events, Self::Operate];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Read => "read",
            Self::Events => "events",
            Self::Operate => "operate",
        }
    }
}

/// The SHA-256 of a token: all that a relayer knows of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// That of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// A token and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose it is.
    pub name: String,
    /// Its hash.
    pub hash: TokenHash,
    /// What it is for.
    pub scopes: BTreeSet<Scope>,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many times a second, in the long run.
    pub per_second: NonZeroU32,
    /// How many times at once.
    pub burst: NonZeroU32,
}

/// From which address a connection comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client(pub(super) IpAddr);

/// Lets through whoever may, as often as they may.
#[derive(Clone)]
pub(super) struct Gate(Arc<Inner>);

struct Inner {
    tokens: Vec<Token>,
    /// By the place of a token in `tokens`; by the address of a client where there are none.
    uses: Option<Limiter<Key>>,
    failures: Limiter<IpAddr>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Token(usize),
    Address(IpAddr),
}

impl Gate {
    /// Without tokens it is open to everybody.
    pub(super) fn new(tokens: Vec<Token>, rate: Option<Rate>) -> Self {
        let uses = rate.map(|rate| Limiter::new(Quota::per_second(rate.per_second).allow_burst(rate.burst)));
        let failures = NonZeroU32::new(FAILURES).unwrap_or(NonZeroU32::MIN);
        Self(Arc::new(Inner { tokens, uses, failures: Limiter::new(Quota::per_minute(failures)) }))
    }

    fn admit(&self, headers: &HeaderMap, client: Client, scope: Scope) -> Result<(), Error> {
        let Inner { tokens, uses, failures } = &*self.0;
        let key = match tokens.is_empty() {
            true if scope == Scope::Operate => {
                let reason =
                    "this takes a token with the scope operate, and there are none: make one with `ring-relayer token`";
                return Err(Error::new(Code::Unauthorized, reason));
            }
            true => Key::Address(network(client.0)),
            false => match self.find(headers) {
                Ok(index) => Key::Token(index),
                Err(error) => {
                    failures.take(network(client.0))?;
                    return Err(error);
                }
            },
        };
        let token = match key {
            Key::Token(index) => tokens.get(index),
            Key::Address(_) => None,
        };
        if let Some(limiter) = uses {
            limiter.take(key)?;
        }
        match token {
            Some(token) if !token.scopes.contains(&scope) => Err(Error::scope_missing(&token.name, scope)),
            _ => Ok(()),
        }
    }

    /// The place of the token that came with the request.
    fn find(&self, headers: &HeaderMap) -> Result<usize, Error> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(Code::Unauthorized.into()) };
        let token = value.to_str().ok().and_then(|text| text.split_once(' '));
        let Some((_, token)) = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            return Err(Code::Unauthorized.into());
        };
        let hash = TokenHash::of(token.trim());
        // All are compared, and each as a whole: how long it takes says nothing about any of them.
        let mut found = None;
        for (index, known) in self.0.tokens.iter().enumerate() {
            if bool::from(known.hash.0.ct_eq(&hash.0)) {
                found = Some(index);
            }
        }
        found.ok_or_else(|| Error::new(Code::Unauthorized, "nobody has this token"))
    }
}

/// The middleware of a route that needs a scope.
pub(super) async fn pass(
    State((gate, scope)): State<(Gate, Scope)>,
    Extension(client): Extension<Client>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    gate.admit(request.headers(), client, scope)?;
    Ok(next.run(request).await)
}

/// What one client can be told apart by: whoever has an IPv6 address has a network of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        },
        v4 => v4,
    }
}

/// Counts by key, and forgets those who have been quiet.
struct Limiter<K: Clone + Eq + std::hash::Hash> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    calls: AtomicU32,
}

impl<K: Clone + Eq + std::hash::Hash> Limiter<K> {
    fn new(quota: Quota) -> Self {
        Self { limiter: RateLimiter::keyed(quota), clock: DefaultClock::default(), calls: AtomicU32::new(0) }
    }

    fn take(&self, key: K) -> Result<(), Error> {
        if self.calls.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
        }
        let wait = |early: governor::NotUntil<_>| -> Duration { early.wait_time_from(self.clock.now()) };
        self.limiter.check_key(&key).map_err(|early| Error::too_many_requests(wait(early)))
    }
}
