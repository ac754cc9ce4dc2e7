//! A development chain: Anvil.

use std::{path::Path, time::Duration};

use alloy::{
    eips::BlockNumberOrTag,
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, Bytes, U256},
    providers::{DynProvider, Provider, ProviderBuilder, ext::AnvilApi},
    rpc::types::{TransactionReceipt, TransactionRequest},
    signers::local::{MnemonicBuilder, PrivateKeySigner},
};
use eyre::{Result, WrapErr, bail, eyre};
use tokio::process::Command;

use crate::{deadline, process::Process};

/// The chain id.
pub const CHAIN_ID: u64 = 31_337;

const START: Duration = Duration::from_secs(20);
const LISTENING: &str = "Listening on 127.0.0.1:";
/// How many blocks' states are kept: enough for everybody who reads at the finalized block.
const STATES: u32 = 256;

/// What a block may hold, as on the main network.
const BLOCK_GAS: u64 = 60_000_000;

/// When blocks are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mining {
    /// One at once for each transaction. For one transaction at a time: under a backlog Anvil then loses some.
    AtOnce,
    /// One after every so many seconds.
    Every(f64),
    /// Only when `evm_mine` is called.
    Never,
}

/// A running chain. Dropping it ends it.
#[derive(Debug)]
pub struct Chain {
    process: Process,
    port: u16,
    provider: DynProvider,
    bank: PrivateKeySigner,
}

impl Chain {
    /// Starts a chain on a free port. The block before the last but one is final.
    ///
    /// # Errors
    /// Anvil does not start.
    pub async fn start(anvil: &Path, log: &Path, mining: Mining) -> Result<Self> {
        let mut command = Command::new(anvil);
        command
            .args(["--host", "127.0.0.1", "--port", "0", "--accounts", "1", "--balance", "1000000000"])
            .args(["--chain-id", &CHAIN_ID.to_string(), "--slots-in-an-epoch", "1"])
            .args(["--prune-history", &STATES.to_string(), "--gas-limit", &BLOCK_GAS.to_string()]);
        match mining {
            Mining::AtOnce => &mut command,
            Mining::Every(seconds) => command.args(["--block-time", &seconds.to_string()]),
            Mining::Never => command.arg("--no-mining"),
        };
        let mut process = Process::spawn("anvil", command, log)?;
        let port = deadline::poll("anvil says where it listens", START, Duration::from_millis(20), async || {
            process.check_running()?;
            let said = std::fs::read_to_string(log).unwrap_or_default();
            let line = said.lines().find_map(|line| line.strip_prefix(LISTENING));
            line.map(|port| port.trim().parse().wrap_err("anvil listens on a port that is no number")).transpose()
        })
        .await?;
        let bank = MnemonicBuilder::english()
            .phrase("test test test test test test test test test test test junk")
            .build()
            .wrap_err("the development account cannot be derived")?;
        let url = http_url(port).parse().wrap_err("the chain's address is none")?;
        let provider = ProviderBuilder::new().connect_http(url).erased();
        Ok(Self { process, port, provider, bank })
    }

    /// The RPC over HTTP.
    pub fn http(&self) -> String {
        http_url(self.port)
    }

    /// The RPC over WebSocket.
    pub fn ws(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Reads the chain.
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// The process, to look at or to disturb.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// An account with plenty of the native coin.
    pub fn bank(&self) -> &PrivateKeySigner {
        &self.bank
    }

    /// Makes a block, of what waits.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn mine(&self) -> Result<()> {
        self.provider.evm_mine(None).await.map(drop).wrap_err("the chain makes no block")
    }

    /// Lets the chain make a block at once for each transaction, or stand still until it is told otherwise.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn mine_at_once(&self, at_once: bool) -> Result<()> {
        self.provider.anvil_set_auto_mine(at_once).await.wrap_err("the chain does not change when it makes blocks")
    }

    /// Gives an account this balance, at once and out of nothing.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn give(&self, account: Address, wei: U256) -> Result<()> {
        self.provider.anvil_set_balance(account, wei).await.wrap_err("the chain does not set a balance")
    }

    /// Sends a transaction and waits until it is executed. `to` is `None` to deploy a contract.
    ///
    /// # Errors
    /// It cannot be sent, or is reverted.
    pub async fn send(
        &self,
        from: &PrivateKeySigner,
        to: Option<Address>,
        value: U256,
        input: Bytes,
    ) -> Result<TransactionReceipt> {
        let url = self.http().parse().wrap_err("the chain's address is none")?;
        let wallet = ProviderBuilder::new().wallet(EthereumWallet::from(from.clone())).connect_http(url);
        let request = TransactionRequest::default().with_value(value).with_input(input);
        let request = match to {
            Some(to) => request.with_to(to),
            None => request.with_kind(alloy::primitives::TxKind::Create),
        };
        let sent = wallet.send_transaction(request).await.wrap_err("the chain refuses a transaction")?;
        let receipt = sent.with_timeout(Some(Duration::from_secs(60))).get_receipt().await;
        let receipt = receipt.wrap_err("a transaction is not executed")?;
        match receipt.status() {
            true => Ok(receipt),
            false => bail!("transaction {} was reverted", receipt.transaction_hash),
        }
    }

    /// The number and the time of a block.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn block(&self, which: BlockNumberOrTag) -> Result<(u64, u64)> {
        block(&self.provider, which).await
    }

    /// Waits until the block that is the newest now is final.
    ///
    /// # Errors
    /// That does not happen within a minute.
    pub async fn finalize(&self) -> Result<()> {
        let (newest, _) = self.block(BlockNumberOrTag::Latest).await?;
        deadline::until("the newest block is final", Duration::from_secs(60), Duration::from_millis(100), async || {
            Ok(self.block(BlockNumberOrTag::Finalized).await?.0 >= newest)
        })
        .await
    }
}

fn http_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The number and the time of a block.
pub(crate) async fn block(provider: &DynProvider, which: BlockNumberOrTag) -> Result<(u64, u64)> {
    let block = provider.get_block_by_number(which).await.wrap_err("the chain does not answer")?;
    let block = block.ok_or_else(|| eyre!("the chain has no {which} block"))?;
    Ok((block.header.number, block.header.timestamp))
}
