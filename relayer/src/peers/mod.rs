//! What seats say to one another, over mutually authenticated TLS.
//!
//! Every seat has a self-signed certificate that all others were given; there is no other root of trust. So a message's
//! sender is known from the connection it came over, and nothing in the message can claim another. A message is answered
//! only once this seat has it on disk.
//!
//! Messages may be lost: the core sends them again. So a queue that is full drops the oldest, and nothing here retries.

mod client;
mod queue;
mod server;
mod tls;

pub use client::{Connection, Peers};
pub use server::serve;
pub use tls::{Identity, Peer, TlsError, read_certificate};

/// Where messages are posted.
const MESSAGES: &str = "/v1/messages";
/// What answers that it is there.
const PRESENCE: &str = "/v1/presence";

#[cfg(test)]
mod tests;
