//! What can go wrong in talking to an RPC, classified by type and code, never by the wording of a message.

use std::{error::Error, time::Duration};

use alloy::{
    primitives::Bytes,
    transports::{RpcError, TransportError, TransportErrorKind},
};

use super::disagreement::Contradiction;

/// JSON-RPC code of a call that reverted.
const CODE_REVERTED: i64 = 3;
/// JSON-RPC code of a method that the node does not know (JSON-RPC 2.0).
pub(super) const CODE_NO_METHOD: i64 = -32601;
/// JSON-RPC code of a block that the node does not know (execution-apis).
pub(super) const CODE_UNKNOWN_BLOCK: i64 = -39001;
const TOO_MANY_REQUESTS: u16 = 429;
const MOST_TEXT: usize = 200;

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// There was none in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The RPC cannot be reached, or the connection broke.
    #[error("not reachable: {0}")]
    Unreachable(String),
    /// The RPC wants to be asked less.
    #[error("asked too often")]
    Throttled {
        /// How long it wants to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
    /// The RPC answered with an error.
    #[error("refused: {message} (code {code})")]
    Refused {
        /// The JSON-RPC code, or the HTTP status.
        code: i64,
        /// For people.
        message: String,
    },
    /// The call was made and reverted.
    #[error("reverted with {0}")]
    Reverted(Bytes),
    /// The answer is not what it should be.
    #[error("nonsensical answer: {0}")]
    Malformed(String),
    /// A contract answered, but not what it was asked for.
    #[error("not the answer of such a contract: {0}")]
    Undecodable(String),
    /// The answers of one RPC contradict one another.
    #[error("contradictory answers: {0}")]
    Inconsistent(String),
    /// The chain moved while it was looked at.
    #[error("block {0} was reorganised away while it was looked at")]
    Reorganised(u64),
    /// The RPC knows less than was known before.
    #[error("behind: it is at block {at}, block {known} was seen before")]
    Behind {
        /// Where the RPC is.
        at: u64,
        /// What was seen.
        known: u64,
    },
    /// The RPC serves another chain than before.
    #[error("it serves chain {actual} and not {expected}: nothing that it says is used")]
    WrongChain {
        /// As configured.
        expected: u64,
        /// As the RPC answers.
        actual: u64,
    },
    /// The RPCs are on different blocks, none of which is final.
    #[error("less than {agree} RPCs are on one chain at block {block}: waiting for them to meet")]
    Forked {
        /// How many have to agree.
        agree: usize,
        /// The highest block that so many have.
        block: u64,
    },
    /// Too few RPCs answered sensibly.
    #[error("{answers} RPCs answered, {agree} have to agree ({faults})")]
    TooFew {
        /// How many answered.
        answers: usize,
        /// How many have to agree.
        agree: usize,
        /// What is wrong with the others.
        faults: String,
        /// How long the one that asked for it longest wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Two RPCs state what cannot both be true.
    #[error("two RPCs contradict each other: {0}")]
    Disagreement(Box<Contradiction>),
}

impl From<TransportError> for Fault {
    fn from(error: TransportError) -> Self {
        match error {
            RpcError::ErrorResp(answer) => {
                let data = answer.try_data_as().and_then(Result::ok).and_then(revert_data);
                Self::from_answer(answer.code, data, &answer.message)
            }
            RpcError::NullResp => Self::Malformed("null".into()),
            RpcError::DeserError { err, text } => Self::Malformed(cut(&format!("{err}: {text}"))),
            RpcError::Transport(kind) => Self::from_transport(&kind),
            RpcError::UnsupportedFeature(feature) => Self::Malformed(format!("it does not support {feature}")),
            RpcError::LocalUsageError(error) => Self::Malformed(cut(&error.to_string())),
            RpcError::SerError(error) => Self::Malformed(cut(&error.to_string())),
        }
    }
}

impl Fault {
    fn from_answer(code: i64, data: Option<Bytes>, message: &str) -> Self {
        match (code, data) {
            (code, _) if code == i64::from(TOO_MANY_REQUESTS) => Self::Throttled { retry_after: None },
            (_, Some(data)) => Self::Reverted(data),
            (CODE_REVERTED, None) => Self::Reverted(Bytes::new()),
            (code, None) => Self::Refused { code, message: cut(message) },
        }
    }

    fn from_transport(kind: &TransportErrorKind) -> Self {
        if let Some(error) = kind.as_http_error() {
            return match error.status {
                TOO_MANY_REQUESTS => Self::Throttled { retry_after: kind.retry_after() },
                status @ 400..500 => {
                    Self::Refused { code: i64::from(status), message: cut(&format!("HTTP, {}", error.body)) }
                }
                status => Self::Unreachable(format!("HTTP status {status}")),
            };
        }
        match kind {
            TransportErrorKind::Custom(error) | TransportErrorKind::NonRetryable(error) => {
                Self::Unreachable(describe(error.as_ref()))
            }
            other => Self::Unreachable(cut(&other.to_string())),
        }
    }

    /// Whether the RPC itself is not there, or wants to be asked less.
    pub(super) fn is_outage(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::Unreachable(_) | Self::Throttled { .. })
    }

    /// How long the RPC wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::TooFew { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What went wrong with a connection, without its URL: RPC providers put their API keys into it.
pub(super) fn describe(error: &(dyn Error + 'static)) -> String {
    // reqwest names the URL in its own message, not in those of the causes.
    let mut cause = if error.is::<reqwest::Error>() { error.source() } else { Some(error) };
    let mut texts = Vec::new();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    let text = texts.join(": ");
    if text.is_empty() { "the request failed".into() } else { cut(&text) }
}

/// What a reverted call returned, in the forms that nodes give it.
fn revert_data(data: String) -> Option<Bytes> {
    let hex = data.strip_prefix("Reverted ").unwrap_or(&data);
    hex.starts_with("0x").then(|| hex.parse().ok()).flatten()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(json: &str) -> Fault {
        TransportError::ErrorResp(serde_json::from_str(json).unwrap()).into()
    }

    #[test]
    fn an_error_is_classified_by_its_code_whatever_it_says() {
        let refused = Fault::Refused { code: -32000, message: "execution reverted, 429 too many requests".into() };
        assert_eq!(response(r#"{"code":-32000,"message":"execution reverted, 429 too many requests"}"#), refused);
        assert_eq!(response(r#"{"code":429,"message":"nonce too low"}"#), Fault::Throttled { retry_after: None });
        assert_eq!(response(r#"{"code":3,"message":"hello"}"#), Fault::Reverted(Bytes::new()));
    }

    #[test]
    fn revert_data_is_found_as_hex_and_as_old_nodes_give_it() {
        let reverted = Fault::Reverted(Bytes::from_static(&[0xab, 0xcd]));
        assert_eq!(response(r#"{"code":3,"message":"","data":"0xabcd"}"#), reverted);
        assert_eq!(response(r#"{"code":-32015,"message":"","data":"Reverted 0xabcd"}"#), reverted);
    }

    #[test]
    fn a_server_that_fails_is_not_reachable_and_one_that_refuses_says_so() {
        let fault = |status| Fault::from(TransportErrorKind::http_error(status, "body".into()));
        assert_eq!(fault(503), Fault::Unreachable("HTTP status 503".into()));
        assert_eq!(fault(413), Fault::Refused { code: 413, message: "HTTP, body".into() });
        assert_eq!(fault(429), Fault::Throttled { retry_after: None });
    }

    #[tokio::test]
    async fn the_url_of_an_rpc_is_never_told() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let error = reqwest::get("http://127.0.0.1:1/v3/secret-key").await.unwrap_err();
        assert!(error.to_string().contains("secret-key"), "nothing to hide: {error}");
        let text = Fault::from(TransportErrorKind::custom(error)).to_string();
        assert!(!text.contains("secret-key"), "{text}");
        assert!(text.contains("refused"), "{text}");
    }
}
