//! Every question that is asked of an RPC. Each is answered in time or is a [`Fault`].

use std::{future::IntoFuture, time::Duration};

use alloy::{
    consensus::Transaction as _,
    eips::{BlockId, BlockNumberOrTag, eip1559::Eip1559Estimation},
    network::TransactionBuilder as _,
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider as _},
    rpc::types::{
        self, Filter, Log, TransactionRequest,
        simulate::{SimCallResult, SimulatePayload},
    },
    sol_types::SolCall,
    transports::TransportResult,
};
use ring_core::Block;
use tokio::sync::watch;

use super::fault::{CODE_UNKNOWN_BLOCK, Fault};

/// How long an answer may take. A WebSocket that is reconnecting does not answer either.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A block, and what tells it from another of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) hash: B256,
    /// The hash of the block before.
    pub(super) parent: B256,
    pub(super) number: u64,
    /// In Unix seconds.
    pub(super) time: u64,
}

impl From<&types::Header> for Header {
    fn from(header: &types::Header) -> Self {
        Self { hash: header.hash, parent: header.parent_hash, number: header.number, time: header.timestamp }
    }
}

impl From<Header> for Block {
    fn from(header: Header) -> Self {
        Self { number: header.number, time: header.time }
    }
}

/// What became of a transaction that was mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mined {
    pub(super) block: u64,
    pub(super) succeeded: bool,
}

/// An RPC.
#[derive(Clone, Debug)]
pub(super) struct Rpc {
    /// `None` until the first connection is made.
    provider: watch::Receiver<Option<DynProvider>>,
}

impl Rpc {
    pub(super) fn new(provider: watch::Receiver<Option<DynProvider>>) -> Self {
        Self { provider }
    }

    /// Waits for the first connection. `None`: nobody makes it any more.
    pub(super) async fn connected(&mut self) -> Option<DynProvider> {
        self.provider.wait_for(Option::is_some).await.ok().and_then(|provider| provider.clone())
    }

    fn provider(&self) -> Result<DynProvider, Fault> {
        self.provider.borrow().clone().ok_or_else(|| Fault::Unreachable("there is no connection yet".into()))
    }

    async fn ask<T>(&self, question: impl IntoFuture<Output = TransportResult<T>>) -> Result<T, Fault> {
        match tokio::time::timeout(TIMEOUT, question.into_future()).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Fault::TimedOut(TIMEOUT)),
        }
    }

    pub(super) async fn chain_id(&self) -> Result<u64, Fault> {
        self.ask(self.provider()?.get_chain_id()).await
    }

    pub(super) async fn code(&self, address: Address) -> Result<Bytes, Fault> {
        self.ask(self.provider()?.get_code_at(address).latest()).await
    }

    pub(super) async fn head(&self) -> Result<Header, Fault> {
        let head = self.header(BlockNumberOrTag::Latest).await?;
        head.ok_or_else(|| Fault::Malformed("there is no latest block".into()))
    }

    /// `None`: there is no such block.
    pub(super) async fn header(&self, block: BlockNumberOrTag) -> Result<Option<Header>, Fault> {
        match self.ask(self.provider()?.get_block_by_number(block)).await {
            Ok(answer) => Ok(answer.map(|block| Header::from(&block.header))),
            Err(Fault::Refused { code: CODE_UNKNOWN_BLOCK, .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// What a view function answers in this very block. `None`: there is no code.
    pub(super) async fn view<C: SolCall>(&self, to: Address, call: &C, at: B256) -> Result<Option<C::Return>, Fault> {
        let request = TransactionRequest::default().with_to(to).with_input(call.abi_encode());
        let answer = self.ask(self.provider()?.call(request).block(BlockId::hash(at))).await?;
        if answer.is_empty() {
            return Ok(None);
        }
        let decoded = C::abi_decode_returns(&answer).map_err(|error| Fault::Undecodable(error.to_string()))?;
        Ok(Some(decoded))
    }

    pub(super) async fn balance_at(&self, address: Address, at: B256) -> Result<U256, Fault> {
        self.ask(self.provider()?.get_balance(address).hash(at)).await
    }

    pub(super) async fn balance(&self, address: Address) -> Result<U256, Fault> {
        self.ask(self.provider()?.get_balance(address).latest()).await
    }

    pub(super) async fn logs(&self, filter: &Filter) -> Result<Vec<Log>, Fault> {
        self.ask(self.provider()?.get_logs(filter)).await
    }

    /// How many transactions of the account are in the chain up to this block: the nonce of its next one.
    pub(super) async fn transaction_count(&self, account: Address, block: u64) -> Result<u64, Fault> {
        self.ask(self.provider()?.get_transaction_count(account).number(block)).await
    }

    /// Makes the call after this block, and forgets it.
    pub(super) async fn rehearse(&self, request: TransactionRequest, block: u64) -> Result<(), Fault> {
        self.ask(self.provider()?.call(request).block(BlockId::number(block))).await.map(drop)
    }

    /// Makes the calls of blocks that follow this one, and forgets them: the results of all (`eth_simulateV1`).
    pub(super) async fn simulate(
        &self,
        payload: &SimulatePayload,
        block: BlockId,
    ) -> Result<Vec<SimCallResult>, Fault> {
        let blocks = self.ask(self.provider()?.simulate(payload).block_id(block)).await?;
        Ok(blocks.into_iter().flat_map(|block| block.calls).collect())
    }

    /// How much gas the transaction takes after this block.
    pub(super) async fn estimate(&self, request: TransactionRequest, block: u64) -> Result<u64, Fault> {
        self.ask(self.provider()?.estimate_gas(request).block(BlockId::number(block))).await
    }

    /// How much gas the transaction takes in the next block, with its time.
    pub(super) async fn estimate_pending(&self, request: TransactionRequest) -> Result<u64, Fault> {
        self.ask(self.provider()?.estimate_gas(request).block(BlockId::pending())).await
    }

    /// Checks that the RPC serves this chain.
    pub(super) async fn check_chain(&self, expected: u64) -> Result<(), Fault> {
        match self.chain_id().await? {
            actual if actual == expected => Ok(()),
            actual => Err(Fault::WrongChain { expected, actual }),
        }
    }

    /// Checks that a block is still in the chain: what was asked by its number was about it.
    pub(super) async fn check_in_chain(&self, block: Header) -> Result<(), Fault> {
        match self.header(BlockNumberOrTag::Number(block.number)).await? {
            Some(now) if now.hash == block.hash => Ok(()),
            _ => Err(Fault::Reorganised(block.number)),
        }
    }

    pub(super) async fn fees(&self) -> Result<Eip1559Estimation, Fault> {
        self.ask(self.provider()?.estimate_eip1559_fees()).await
    }

    pub(super) async fn broadcast(&self, raw: &[u8]) -> Result<(), Fault> {
        self.ask(self.provider()?.send_raw_transaction(raw)).await.map(drop)
    }

    /// Whom a transaction that was mined calls, and with what.
    pub(super) async fn call_of(&self, transaction: B256) -> Result<(Option<Address>, Bytes), Fault> {
        let found = self.ask(self.provider()?.get_transaction_by_hash(transaction)).await?;
        let found = found.ok_or_else(|| Fault::Malformed(format!("transaction {transaction} is not there")))?;
        Ok((found.to(), found.input().clone()))
    }

    /// `None`: it is not in the chain.
    pub(super) async fn mined(&self, transaction: B256) -> Result<Option<Mined>, Fault> {
        let receipt = self.ask(self.provider()?.get_transaction_receipt(transaction)).await?;
        Ok(receipt.and_then(|receipt| Some(Mined { block: receipt.block_number?, succeeded: receipt.status() })))
    }
}
