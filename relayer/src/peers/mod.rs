//! What seats say to one another, over mutually authenticated TLS.
//!
//! Every seat has a self-signed certificate that all others were given; there is no other root of trust. So a message's
//! sender is known from the connection it came over, and nothing in the message can claim another. A message is answered
//! only once this seat has it on disk.
//!
//! Messages may be lost: the core sends them again. So a queue that is full drops the oldest, and nothing here retries.
//!
//! Seats of different releases talk in the newest version that both speak ([`Versions`]), so that a ring is upgraded seat by
//! seat; where there is none they say nothing to each other, and people are told which one is too old.

mod client;
mod expiry;
mod queue;
mod server;
mod version;

use reqwest::Url;
use rustls::pki_types::CertificateDer;

pub use client::{Connection, Peers};
pub use expiry::ExpiryWatch;
pub use ring_tls::{Identity, TlsError, read_certificate};
pub use server::serve;
pub use version::Versions;

/// Another seat.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its seat.
    pub seat: usize,
    /// Where it is: an https URL without a path.
    pub url: Url,
    /// Its certificate; two while it changes from one to the other. What names are in them does not matter.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// What is spoken inside of TLS.
const PROTOCOL: &[u8] = b"http/1.1";

/// What answers that it is there, and says which versions it speaks: whatever they are, it is asked here.
const PRESENCE: &str = "/v1/presence";

/// Where messages of a version are posted.
fn messages(version: u32) -> String {
    format!("/v{version}/messages")
}

#[cfg(test)]
mod tests;
