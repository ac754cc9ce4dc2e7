//! A contract and a token on a chain, and what the chain tells about them.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider},
    rpc::types::{Filter, Log},
    sol_types::{SolConstructor, SolEvent},
};
use eyre::{Result, WrapErr, eyre};
use ring_contracts::{Charter, Domain, RequestId, RingMultisig, TurnId};

use crate::{
    chain::{self, Chain},
    keys::{KeyFiles, RingKeys},
    token::{self, DemoToken, Transfer},
};

/// A contract and a token.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The contract and its chain.
    pub domain: Domain,
    /// The token.
    pub token: Address,
    /// The block that the contract was deployed in.
    pub block: u64,
    provider: DynProvider,
}

/// How a ring stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingNow {
    /// The next turn.
    pub nonce: u64,
    /// The epoch.
    pub epoch: u32,
    /// Whether it is halted.
    pub halted: bool,
    /// What hash its charter has.
    pub charter: B256,
    /// What it spent of its main asset when it last did, and in which period that was.
    pub spent: u128,
    /// Which period `spent` is of.
    pub period_index: u64,
}

impl RingNow {
    /// What may still be spent of the main asset, at a time of the chain.
    pub fn left_of_cap(&self, charter: &Charter, time: u64) -> u128 {
        let current = time / u64::from(charter.period.max(1)) == self.period_index;
        charter.cap.saturating_sub(if current { self.spent } else { 0 })
    }
}

/// A turn that was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedTurn {
    /// Its number.
    pub nonce: u64,
    /// What was signed.
    pub digest: B256,
    /// Whose requests it carried.
    pub requests: Vec<RequestId>,
    /// By which transaction.
    pub transaction: B256,
    /// Who sent that.
    pub sender: Address,
}

/// A payment of the token out of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// To whom.
    pub to: Address,
    /// How much.
    pub amount: U256,
    /// By which transaction.
    pub transaction: B256,
}

impl Deployment {
    /// Deploys the token from the chain's bank and the contract by `ring-keys deploy`, and gives the contract `supply` of
    /// the token and some of the native coin.
    ///
    /// # Errors
    /// Something is not deployed or not sent.
    pub async fn create(
        chain: &Chain,
        keys: &RingKeys,
        master: Address,
        payer: &KeyFiles,
        supply: U256,
    ) -> Result<Self> {
        let constructor = token::constructorCall { supply }.abi_encode();
        let code: Bytes = [DemoToken::BYTECODE.as_ref(), &constructor].concat().into();
        let receipt = chain.send(chain.bank(), None, U256::ZERO, code).await.wrap_err("the token is not deployed")?;
        let token = receipt.contract_address.ok_or_else(|| eyre!("the token has no address"))?;
        let deployed = keys.deploy(master, payer).await?;
        let domain = Domain { chain_id: deployed.chain_id, contract: deployed.contract };
        let deployment = Self { domain, token, block: deployed.block, provider: chain.provider().clone() };
        let instance = DemoToken::new(token, chain.provider());
        let fill = instance.transfer(domain.contract, supply).calldata().clone();
        chain.send(chain.bank(), Some(token), U256::ZERO, fill).await.wrap_err("the treasury gets no tokens")?;
        let coin = U256::from(10 * token::ONE);
        chain
            .send(chain.bank(), Some(domain.contract), coin, Bytes::new())
            .await
            .wrap_err("the treasury gets no coin")?;
        Ok(deployment)
    }

    /// Reads the chain.
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// How a ring stands in the newest block.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn ring(&self, ring: u32) -> Result<RingNow> {
        let contract = RingMultisig::new(self.domain.contract, &self.provider);
        let view = contract.getRing(ring).call().await.wrap_err("the ring cannot be read")?;
        Ok(RingNow {
            nonce: view.nonce.to(),
            epoch: view.epoch,
            halted: view.halted,
            charter: view.charter,
            spent: view.spent.to(),
            period_index: view.periodIndex.to(),
        })
    }

    /// The time of the newest block.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn time(&self) -> Result<u64> {
        Ok(chain::block(&self.provider, BlockNumberOrTag::Latest).await?.1)
    }

    /// How much of the token an account has.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn balance(&self, account: Address) -> Result<U256> {
        let token = DemoToken::new(self.token, &self.provider);
        token.balanceOf(account).call().await.wrap_err("a balance cannot be read")
    }

    /// Every turn of a ring that was ever executed, in order.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn turns(&self, ring: u32) -> Result<Vec<ExecutedTurn>> {
        let filter =
            Filter::new().address(self.domain.contract).event_signature(RingMultisig::TurnExecuted::SIGNATURE_HASH);
        let mut turns = Vec::new();
        for log in self.logs(filter).await? {
            let event = RingMultisig::TurnExecuted::decode_log(&log.inner).wrap_err("a turn's event cannot be read")?;
            let id = TurnId::unpack(event.id).ok_or_else(|| eyre!("{:#x} is no id of a turn", event.id))?;
            if id.ring != ring {
                continue;
            }
            let transaction = log.transaction_hash.unwrap_or_default();
            let receipt =
                self.provider.get_transaction_receipt(transaction).await.wrap_err("the chain does not answer")?;
            turns.push(ExecutedTurn {
                nonce: id.nonce,
                digest: event.digest,
                requests: event.requestIds.chunks_exact(16).map(RequestId::from_slice).collect(),
                transaction,
                sender: receipt.ok_or_else(|| eyre!("transaction {transaction} has no receipt"))?.from,
            });
        }
        turns.sort_by_key(|turn| turn.nonce);
        Ok(turns)
    }

    /// Every payment of the token out of the contract, in order.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn payments(&self) -> Result<Vec<Payment>> {
        let filter = Filter::new()
            .address(self.token)
            .event_signature(Transfer::SIGNATURE_HASH)
            .topic1(self.domain.contract.into_word());
        let read = |log: Log| {
            let event = Transfer::decode_log(&log.inner).wrap_err("a transfer's event cannot be read")?;
            Ok(Payment { to: event.to, amount: event.value, transaction: log.transaction_hash.unwrap_or_default() })
        };
        self.logs(filter).await?.into_iter().map(read).collect()
    }

    async fn logs(&self, filter: Filter) -> Result<Vec<Log>> {
        let filter = filter.from_block(self.block).to_block(BlockNumberOrTag::Latest);
        self.provider.get_logs(&filter).await.wrap_err("the chain does not tell its events")
    }
}
