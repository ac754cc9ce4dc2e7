//! A contract as master: what it is to call, as a batch for Safe's Transaction Builder.
//!
//! A Safe needs no signature for the contract: it is the sender. Its owners load the batch in the Transaction Builder, which
//! shows and simulates it, and sign as they sign everything else.

use std::path::Path;

use alloy::primitives::{Address, Bytes};
use ring_keystore::files::{self, FileError};
use serde::Serialize;

use crate::{action::Document, check_words};

/// A batch of one transaction (version 1.0 of the Transaction Builder's file).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    version: &'static str,
    chain_id: String,
    /// Unix time in milliseconds.
    created_at: u64,
    meta: Meta,
    transactions: [Transaction; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    name: String,
    description: String,
    created_from_safe_address: Address,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    to: Address,
    value: &'static str,
    data: Bytes,
    contract_method: Option<()>,
    contract_inputs_values: Option<()>,
}

impl Batch {
    /// The call that does what the document says, for the contract that is its signer. `words` is what it says; `now` in
    /// Unix seconds.
    pub fn new(document: &Document, words: String, now: u64) -> Self {
        let name = format!("Ring Window: {}", check_words::of_digest(document.digest()));
        Self {
            version: "1.0",
            chain_id: document.domain.chain_id.to_string(),
            created_at: now.saturating_mul(1_000),
            meta: Meta { name, description: words, created_from_safe_address: document.signer },
            transactions: [Transaction {
                to: document.domain.contract,
                value: "0",
                data: document.calldata(Bytes::new()),
                contract_method: None,
                contract_inputs_values: None,
            }],
        }
    }

    /// Writes it to a new file.
    ///
    /// # Errors
    /// The file exists, or cannot be written.
    pub fn write_new(&self, path: &Path) -> Result<(), FileError> {
        let mut json = serde_json::to_vec_pretty(self)
            .unwrap_or_else(|error| unreachable!("a batch is made of strings and numbers: {error}"));
        json.push(b'\n');
        files::write_new(path, &json)
    }
}
