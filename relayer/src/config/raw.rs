//! The configuration as it is written: shape and types, nothing about sense.

use std::{collections::BTreeMap, fmt};

use ring_key::{
    aws_kms::AwsKmsSettings,
    settings::{AzureKvTable, GcpKmsTable, Pkcs11Table, VaultTable},
};
use serde::{Deserialize, Deserializer, de};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) chain: Chain,
    pub(super) ring: Ring,
    pub(super) signer: Signer,
    pub(super) next: Option<Next>,
    pub(super) store: Store,
    pub(super) api: Api,
    pub(super) peers: Option<Peers>,
    #[serde(default)]
    pub(super) policy: Policy,
    #[serde(default)]
    pub(super) webhook: Vec<Webhook>,
    #[serde(default)]
    pub(super) notify_command: Vec<NotifyCommand>,
    pub(super) traces: Option<Traces>,
    pub(super) refill: Option<Refill>,
    #[serde(default)]
    pub(super) evidence: Evidence,
    #[serde(default)]
    pub(super) requester: Vec<Requester>,
    #[serde(default)]
    pub(super) recipient_limit: Vec<RecipientLimit>,
}

// No `Debug` of the URLs: they may hold a provider's access token.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chain {
    pub(super) rpc: List,
    pub(super) agree: Option<Whole>,
    pub(super) chain_id: Whole,
    pub(super) contract: String,
    #[serde(default)]
    pub(super) from_block: Whole,
    pub(super) finality: WholeOrWord,
    pub(super) poll_seconds: Option<Whole>,
    pub(super) disagreement_seconds: Option<Whole>,
    pub(super) l1_fee: Option<String>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("chain_id", &self.chain_id)
            .field("contract", &self.contract)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ring {
    pub(super) id: Whole,
    pub(super) window: Whole,
    pub(super) quorum: Whole,
    pub(super) asset: String,
    pub(super) cap: WholeOrWord,
    pub(super) period: Whole,
    pub(super) turns_per_period: Whole,
    pub(super) interval: Whole,
    pub(super) expires_at: WholeOrWord,
    pub(super) last_nonce: WholeOrWord,
    pub(super) seats: List,
    #[serde(default)]
    pub(super) other_assets: List,
    #[serde(default)]
    pub(super) masters: List,
    #[serde(default)]
    pub(super) caps: Vec<Cap>,
}

/// What the ring is to be next; what is left out stays as it is in [`Ring`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Next {
    pub(super) ring: NextRing,
    pub(super) signer: Option<Signer>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NextRing {
    pub(super) window: Option<Whole>,
    pub(super) quorum: Option<Whole>,
    pub(super) cap: Option<WholeOrWord>,
    pub(super) period: Option<Whole>,
    pub(super) turns_per_period: Option<Whole>,
    pub(super) interval: Option<Whole>,
    pub(super) expires_at: Option<WholeOrWord>,
    pub(super) last_nonce: Option<WholeOrWord>,
    pub(super) seats: Option<List>,
}

impl Raw {
    /// As it is to be written once the ring has become what is announced.
    pub(super) fn succeeded(&self) -> Option<Self> {
        let Next { ring: next, signer } = self.next.clone()?;
        let mut raw = Self { next: None, ..self.clone() };
        let ring = &mut raw.ring;
        ring.window = next.window.unwrap_or(ring.window);
        ring.quorum = next.quorum.unwrap_or(ring.quorum);
        ring.period = next.period.unwrap_or(ring.period);
        ring.turns_per_period = next.turns_per_period.unwrap_or(ring.turns_per_period);
        ring.interval = next.interval.unwrap_or(ring.interval);
        replace(&mut ring.cap, next.cap);
        replace(&mut ring.expires_at, next.expires_at);
        replace(&mut ring.last_nonce, next.last_nonce);
        replace(&mut ring.seats, next.seats);
        replace(&mut raw.signer, signer);
        Some(raw)
    }
}

fn replace<T>(old: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *old = new;
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cap {
    pub(super) asset: String,
    pub(super) cap: WholeOrWord,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signer {
    pub(super) keystore: Option<String>,
    pub(super) password_file: Option<String>,
    #[serde(default)]
    pub(super) password_prompt: bool,
    pub(super) aws_kms: Option<AwsKmsSettings>,
    pub(super) azure_kv: Option<AzureKvTable>,
    pub(super) enclave: Option<Enclave>,
    pub(super) gcp_kms: Option<GcpKmsTable>,
    pub(super) memory: Option<Memory>,
    pub(super) pkcs11: Option<Pkcs11Table>,
    pub(super) vault: Option<VaultTable>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Enclave {
    pub(super) socket: Option<String>,
    pub(super) vsock_cid: Option<Whole>,
    pub(super) vsock_port: Option<Whole>,
    pub(super) address: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) private_key: Option<String>,
    pub(super) enclave_certificate: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Memory {
    pub(super) address: String,
    pub(super) socket: String,
    pub(super) lease_seconds: Whole,
    pub(super) warning_seconds: Option<Whole>,
    pub(super) shares: Option<Whole>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) path: Option<String>,
    pub(super) url_file: Option<String>,
    pub(super) authorities_file: Option<String>,
    pub(super) backups: Option<Backups>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Backups {
    pub(super) folder: String,
    pub(super) every_hours: Option<Whole>,
    pub(super) keep: Option<Whole>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    pub(super) listen: String,
    #[serde(default)]
    pub(super) requesters: List,
    pub(super) accept_timeout_ms: Option<Whole>,
    pub(super) requests_per_second: Option<Whole>,
    pub(super) burst: Option<Whole>,
    #[serde(default)]
    pub(super) token: Vec<Token>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    pub(super) name: String,
    pub(super) sha256: String,
    pub(super) scopes: Vec<String>,
}

// No `Debug` of the URL: its path may be all that keeps others from posting there.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) secret_file: String,
    pub(super) events: Vec<String>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NotifyCommand {
    pub(super) name: String,
    pub(super) command: Vec<String>,
    pub(super) events: Vec<String>,
}

// No `Debug` of the URL: it may hold a token.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Traces {
    pub(super) endpoint: String,
    pub(super) headers_file: Option<String>,
    pub(super) authorities_file: Option<String>,
    pub(super) one_in: Option<Whole>,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("one_in", &self.one_in).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Peers {
    pub(super) listen: String,
    pub(super) certificate: String,
    pub(super) private_key: String,
    #[serde(default)]
    pub(super) seat: Vec<PeerSeat>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeerSeat {
    pub(super) seat: Whole,
    pub(super) url: String,
    pub(super) certificate: List,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) evidence: Option<bool>,
    pub(super) copies: Option<Whole>,
    pub(super) max_calls: Option<Whole>,
    pub(super) max_gas: Option<Whole>,
    pub(super) validity_seconds: Option<Whole>,
    pub(super) tick_ms: Option<Whole>,
    pub(super) resend_ticks: Option<Whole>,
    pub(super) patience_ticks: Option<Whole>,
    pub(super) grace_ticks: Option<Whole>,
    pub(super) max_fee_gwei: Option<Whole>,
    pub(super) min_priority_fee_gwei: Option<Whole>,
    pub(super) low_balance_turns: Option<Whole>,
    #[serde(default)]
    pub(super) unwatched_assets: List,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refill {
    pub(super) below: WholeOrWord,
    pub(super) amount: WholeOrWord,
    pub(super) period_seconds: Option<Whole>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Evidence {
    #[serde(default)]
    pub(super) sql: Vec<Sql>,
    #[serde(default)]
    pub(super) https: Vec<Https>,
    #[serde(default)]
    pub(super) event: Vec<Event>,
    pub(super) simulation: Option<Simulation>,
    pub(super) confirmed_seconds: Option<Whole>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Simulation {
    pub(super) most_fee_basis_points: Option<Whole>,
    #[serde(default)]
    pub(super) allow: Vec<AllowedEvents>,
    pub(super) timeout_ms: Option<Whole>,
    pub(super) parallel: Option<Whole>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AllowedEvents {
    pub(super) contract: String,
    pub(super) events: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sql {
    pub(super) name: String,
    pub(super) url_file: String,
    pub(super) authorities_file: Option<String>,
    pub(super) query: String,
    pub(super) timeout_ms: Option<Whole>,
    pub(super) parallel: Option<Whole>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Https {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) method: Option<String>,
    pub(super) body: Option<String>,
    pub(super) headers_file: Option<String>,
    pub(super) authorities_file: Option<String>,
    #[serde(default)]
    pub(super) expect: Vec<Condition>,
    #[serde(default)]
    pub(super) refute: Vec<Condition>,
    pub(super) not_yet_status: Option<Vec<Whole>>,
    pub(super) timeout_ms: Option<Whole>,
    pub(super) parallel: Option<Whole>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    pub(super) pointer: String,
    pub(super) equals: Literal,
    pub(super) otherwise: Option<String>,
}

// No `Debug` of the URL: it may hold a provider's access token.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) rpc: String,
    pub(super) chain_id: Whole,
    pub(super) contract: String,
    pub(super) event: String,
    #[serde(rename = "match")]
    pub(super) compared: BTreeMap<String, String>,
    pub(super) confirmations: WholeOrWord,
    #[serde(default)]
    pub(super) from_block: Whole,
    pub(super) timeout_ms: Option<Whole>,
    pub(super) parallel: Option<Whole>,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("name", &self.name).field("event", &self.event).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Requester {
    pub(super) address: String,
    #[serde(default)]
    pub(super) assets: List,
    #[serde(default)]
    pub(super) recipients: List,
    pub(super) max_amount: Option<WholeOrWord>,
    pub(super) per_hour: Option<WholeOrWord>,
    pub(super) per_day: Option<WholeOrWord>,
    pub(super) expires_at: Option<WholeOrWord>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecipientLimit {
    pub(super) asset: String,
    #[serde(default)]
    pub(super) recipients: List,
    pub(super) amount: WholeOrWord,
    pub(super) period: WholeOrWord,
}

/// A text, a whole number, or true or false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    Number(i64),
    Truth(bool),
}

/// A whole number. Not a plain integer type: `config` rounds fractions to those and makes 1 of `true`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Whole(pub(super) u64);

/// A whole number, or a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WholeOrWord(pub(super) String);

/// Strings: an array in the file, separated by commas in the environment. One may do without an array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, 0 or more")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole, E> {
                u64::try_from(number).map(Whole).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Whole, E> {
                decimal(text).map(Whole).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for WholeOrWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = WholeOrWord;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a whole number, 0 or more")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<WholeOrWord, E> {
                Ok(WholeOrWord(number.to_string()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<WholeOrWord, E> {
                Ok(WholeOrWord(number.to_string()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<WholeOrWord, E> {
                Ok(WholeOrWord(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Literal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a whole number, true or false")
            }

            fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Literal, E> {
                Ok(Literal::Truth(truth))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Literal, E> {
                Ok(Literal::Number(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Literal, E> {
                Ok(Literal::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = List;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or an array of strings")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<List, E> {
                Ok(List(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<List, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Decimal digits and nothing else: `parse` alone would take a leading plus.
pub(super) fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
