//! What people have to look after, so that transactions go out again.

use alloy::primitives::{Address, B256, U256};

/// Why nothing moves, or soon will not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Alarm {
    /// The account can pay for few more transactions.
    #[error(
        "the account {account} has {balance} wei left, enough for {transactions} more transactions like this one: send it \
         some of the native coin"
    )]
    LowBalance {
        /// The account.
        account: Address,
        /// What it has, in wei.
        balance: U256,
        /// How many transactions that pays for, at what is offered now.
        transactions: u64,
    },
    /// Somebody else sent a transaction with the account's key.
    #[error(
        "the account {account} has used nonce {nonce} for a transaction that this process did not send: unless an earlier \
         run of this relayer sent it, somebody else has the key"
    )]
    ForeignTransaction {
        /// The account.
        account: Address,
        /// The account nonce of the transaction.
        nonce: u64,
    },
    /// The account cannot pay for its transaction.
    #[error(
        "the account {account} has {balance} wei and needs {needed} for its transaction: send it some of the native coin"
    )]
    NoFunds {
        /// The account.
        account: Address,
        /// What it has, in wei.
        balance: U256,
        /// What it needs, in wei: the gas limit times the highest fee offered, and what the chain takes for its L1.
        needed: U256,
    },
    /// The transaction is not mined, and may not offer more.
    #[error(
        "transaction {transaction} is not mined and offers {max_fee_per_gas} wei per gas already, the most it may: wait \
         for fees to fall, or raise the ceiling"
    )]
    FeeCeiling {
        /// The transaction.
        transaction: B256,
        /// What it offers, in wei per gas.
        max_fee_per_gas: u128,
    },
    /// No turn executes any more.
    #[error("the ring's lease is over ({0}): nothing is paid until the master forms the ring anew")]
    LeaseOver(String),
    /// The signer did not sign.
    #[error("the transaction could not be signed ({0}): check the signer")]
    Signer(String),
    /// No RPC answers, or all refuse.
    #[error("no RPC is of use now ({0}): check them")]
    Rpc(String),
}
