//! A thief who has copied some seats' keys, and takes what they are worth.

use std::{collections::BTreeMap, time::Duration};

use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::SolInterface,
    transports::TransportError,
};
use eyre::{Result, WrapErr, bail};
use ring_contracts::{
    Call, Charter, CompactSignature, Domain, Effect, Execution, RequestId, RingMultisig, Seat, Turn, TurnId, witness,
};

use crate::{
    deadline,
    deployment::{Deployment, RingNow},
};

const TRANSACTION_GAS: u64 = 1_000_000;
const CALL_GAS: u32 = 100_000;
/// Nobody who is honest pays as much to be first.
const TIP: u128 = 1_000_000_000_000;
const LOOK: Duration = Duration::from_millis(25);
const RECEIPT: Duration = Duration::from_secs(30);

/// The thief.
#[derive(Clone, Debug)]
pub struct Thief {
    keys: BTreeMap<usize, PrivateKeySigner>,
    account: PrivateKeySigner,
    wallet: DynProvider,
    deployment: Deployment,
    ring: u32,
    charter: Charter,
}

/// What the thief got away with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    /// The first turn.
    pub nonce: u64,
    /// In which epoch.
    pub epoch: u32,
    /// How many turns were executed.
    pub turns: usize,
    /// What was left of the cap just before.
    pub left_of_cap: u128,
    /// How often an honest turn came first.
    pub races_lost: usize,
}

/// Something that the thief tried and did not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What it was.
    pub form: &'static str,
    /// Whether it was executed nevertheless.
    pub succeeded: bool,
    /// The contract's error.
    pub refused_with: String,
}

impl Thief {
    /// A thief with these seats' keys, who pays gas and takes tokens with an account of its own.
    ///
    /// # Errors
    /// The RPC is none.
    pub fn new(
        keys: BTreeMap<usize, PrivateKeySigner>,
        account: PrivateKeySigner,
        rpc: &str,
        deployment: &Deployment,
        ring: u32,
        charter: Charter,
    ) -> Result<Self> {
        let url = rpc.parse().wrap_err("the chain's address is none")?;
        let wallet = ProviderBuilder::new().wallet(EthereumWallet::from(account.clone())).connect_http(url).erased();
        Ok(Self { keys, account, wallet, deployment: deployment.clone(), ring, charter })
    }

    /// The thief's own account.
    pub fn address(&self) -> Address {
        self.account.address()
    }

    /// Waits until the seat `start` leads, then sends `turns` turns at once: the first pays all that is left of the cap.
    /// Tries again if an honest turn comes first.
    ///
    /// # Errors
    /// It does not succeed in time.
    pub async fn strike(&self, start: usize, turns: usize, patience: Duration) -> Result<Strike> {
        let mut races_lost = 0;
        let mut tried = None;
        deadline::poll("the thief's turn", patience, LOOK, async || {
            let now = self.deployment.ring(self.ring).await?;
            if now.halted {
                bail!("the ring was halted before the thief got anything, after {races_lost} lost races");
            }
            if now.nonce % self.charter.seats.len() as u64 != start as u64 || tried == Some(now.nonce) {
                return Ok(None);
            }
            tried = Some(now.nonce);
            let left_of_cap = now.left_of_cap(&self.charter, self.deployment.time().await?);
            let executed = self.burst(now, turns, left_of_cap).await?;
            if executed == 0 {
                races_lost += 1;
                return Ok(None);
            }
            let RingNow { nonce, epoch, .. } = now;
            Ok(Some(Strike { nonce, epoch, turns: executed, left_of_cap, races_lost }))
        })
        .await
    }

    async fn burst(&self, now: RingNow, turns: usize, left_of_cap: u128) -> Result<usize> {
        let mut calldata = Vec::new();
        for later in 0..turns as u64 {
            let amount = if later == 0 { left_of_cap } else { 0 };
            let turn = self.turn(now.epoch, now.nonce + later, amount)?;
            calldata.push(self.execute(&turn, &self.charter, |seat| self.sign(&turn, seat))?);
        }
        let transactions = self.send(calldata).await?;
        let outcomes = futures::future::try_join_all(transactions.into_iter().map(|hash| self.succeeded(hash))).await?;
        Ok(outcomes.into_iter().filter(|success| *success).count())
    }

    /// Tries whatever else could be done with these keys, each thing as a transaction of its own.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn try_everything(&self, used: &Strike) -> Result<Vec<Attempt>> {
        let now = self.deployment.ring(self.ring).await?;
        let forms = self.forms(now, used)?;
        let mut attempts = Vec::new();
        for (form, calldata) in &forms {
            attempts.push(Attempt { form, succeeded: false, refused_with: self.refusal(calldata.clone()).await? });
        }
        // Simulated is not sent: they all go out.
        let transactions = self.send(forms.into_iter().map(|(_, calldata)| calldata).collect()).await?;
        for (attempt, transaction) in attempts.iter_mut().zip(transactions) {
            attempt.succeeded = self.succeeded(transaction).await?;
        }
        Ok(attempts)
    }

    /// The next turns in every form that the thief can think of.
    fn forms(&self, now: RingNow, used: &Strike) -> Result<Vec<(&'static str, Bytes)>> {
        let seats = self.charter.seats.len();
        let next = self.turn(now.epoch, now.nonce, 1)?;
        let lowered = Charter { quorum: 1, ..self.charter.clone() };
        let mine = |seat| self.sign(&next, seat);
        let mut forms = Vec::new();

        // As many signatures as there are, and no more: the window lacks honest ones.
        let held = self.charter.window_of(now.nonce).filter(|seat| self.keys.contains_key(seat)).count();
        if held > 0 {
            let fewer = Charter { quorum: held as u8, ..self.charter.clone() };
            forms.push(("the next turn with the stolen signatures alone", self.execute(&next, &fewer, mine)?));
        }
        let any_key = self.keys.keys().next().copied().unwrap_or_default();
        let everywhere = |_: usize| self.sign(&next, any_key);
        forms.push(("the next turn with a stolen key in every seat", self.execute(&next, &self.charter, everywhere)?));

        // As if the window were where the stolen seats are.
        let elsewhere = Charter { window: seats as u8, quorum: self.charter.quorum, ..self.charter.clone() };
        let outside =
            self.encode(&next, &self.charter, witness(&elsewhere, now.nonce, mine).wrap_err("too few keys")?)?;
        forms.push(("the next turn with signatures from outside the window", outside));

        // Terms of the thief's own making.
        let wider = self.encode(&next, &elsewhere, witness(&elsewhere, now.nonce, mine).wrap_err("too few keys")?)?;
        forms.push(("the next turn with a window as wide as the ring", wider));
        if held > 0 {
            let calldata =
                self.encode(&next, &lowered, witness(&lowered, now.nonce, mine).wrap_err("too few keys")?)?;
            forms.push(("the next turn with a quorum of one", calldata));
        }

        let at = |nonce: u64, epoch: u32, amount: u128| -> Result<Bytes> {
            let turn = self.turn(epoch, nonce, amount)?;
            self.execute(&turn, &self.charter, |seat| self.sign(&turn, seat))
        };
        forms.push(("the stolen turn once more", at(used.nonce, used.epoch, 1)?));
        forms.push(("the thief's next window, ahead of its time", at(used.nonce + seats as u64, now.epoch, 1)?));
        forms.push(("the thief's next window, in the next epoch", at(used.nonce + seats as u64, now.epoch + 1, 1)?));
        Ok(forms)
    }

    /// The turn `used` was, for a later nonce and the epoch it was stolen in: what a thief signs ahead.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn try_signed_ahead(&self, used: &Strike, nonce: u64) -> Result<Attempt> {
        let seats = self.charter.seats.len() as u64;
        let start = used.nonce % seats;
        let nonce = nonce + (start + seats - nonce % seats) % seats;
        let turn = self.turn(used.epoch, nonce, 1)?;
        let calldata = self.execute(&turn, &self.charter, |seat| self.sign(&turn, seat))?;
        let refused_with = self.refusal(calldata.clone()).await?;
        let mut succeeded = false;
        for transaction in self.send(vec![calldata]).await? {
            succeeded |= self.succeeded(transaction).await?;
        }
        Ok(Attempt { form: "a turn signed ahead in the old epoch", succeeded, refused_with })
    }

    /// A turn with one signature less than the quorum, asked for where the thief could do it with all of them.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn try_one_signature_less(&self, start: usize) -> Result<Attempt> {
        let now = self.deployment.ring(self.ring).await?;
        let seats = self.charter.seats.len() as u64;
        let nonce = now.nonce + (start as u64 + seats - now.nonce % seats) % seats;
        let turn = self.turn(now.epoch, nonce, 1)?;
        let fewer = Charter { quorum: self.charter.quorum.saturating_sub(1), ..self.charter.clone() };
        let calldata = self.execute(&turn, &fewer, |seat| self.sign(&turn, seat))?;
        let refused_with = self.refusal(calldata.clone()).await?;
        let mut succeeded = false;
        for transaction in self.send(vec![calldata]).await? {
            succeeded |= self.succeeded(transaction).await?;
        }
        Ok(Attempt { form: "one signature less than the quorum", succeeded, refused_with })
    }

    fn domain(&self) -> &Domain {
        &self.deployment.domain
    }

    fn turn(&self, epoch: u32, nonce: u64, amount: u128) -> Result<Turn> {
        let id = TurnId { ring: self.ring, epoch, nonce, valid_until: TurnId::NO_EXPIRY };
        let effect = Effect::Pay { to: self.address(), amount };
        let call = Call { request_id: random_id(), gas: CALL_GAS, effect };
        Turn::new(id, vec![call]).wrap_err("the thief's turn cannot be written")
    }

    fn sign(&self, turn: &Turn, seat: usize) -> Option<Seat> {
        let key = self.keys.get(&seat)?;
        let signature = key.sign_hash_sync(&turn.digest(self.domain())).ok()?;
        Some(Seat::Signed(CompactSignature::from(signature)))
    }

    /// The call data of a turn. `counted` says how many signatures go in; the terms are always the ring's.
    fn execute(&self, turn: &Turn, counted: &Charter, seats: impl Fn(usize) -> Option<Seat>) -> Result<Bytes> {
        let witness = witness(counted, turn.id().nonce, seats).wrap_err("the thief has too few keys for this turn")?;
        self.encode(turn, &self.charter, witness)
    }

    fn encode(&self, turn: &Turn, terms: &Charter, witness: Bytes) -> Result<Bytes> {
        Execution::new(turn, terms, witness).calldata().wrap_err("the thief's turn cannot be written")
    }

    /// Sends transactions in order, without waiting for one before the next.
    async fn send(&self, calldata: Vec<Bytes>) -> Result<Vec<B256>> {
        let first = self.wallet.get_transaction_count(self.address()).pending().await;
        let first = first.wrap_err("the chain does not answer the thief")?;
        let mut transactions = Vec::new();
        for (nonce, input) in (first..).zip(calldata) {
            let request = TransactionRequest::default()
                .with_to(self.domain().contract)
                .with_input(input)
                .with_nonce(nonce)
                .with_chain_id(self.domain().chain_id)
                .with_gas_limit(TRANSACTION_GAS)
                .with_max_priority_fee_per_gas(TIP)
                .with_max_fee_per_gas(2 * TIP);
            let sent = self.wallet.send_transaction(request).await.wrap_err("the thief's transaction is not taken")?;
            transactions.push(*sent.tx_hash());
        }
        Ok(transactions)
    }

    async fn succeeded(&self, transaction: B256) -> Result<bool> {
        deadline::poll("the thief's transaction is in a block", RECEIPT, LOOK, async || {
            let receipt =
                self.wallet.get_transaction_receipt(transaction).await.wrap_err("the chain does not answer")?;
            Ok(receipt.map(|receipt| receipt.status()))
        })
        .await
    }

    /// What the contract says to this.
    async fn refusal(&self, calldata: Bytes) -> Result<String> {
        let request = TransactionRequest::default().with_from(self.address()).with_to(self.domain().contract);
        match self.wallet.call(request.with_input(calldata)).await {
            Ok(_) => Ok("nothing: it would be executed".to_owned()),
            Err(error) => refusal_in(&error).map_or_else(|| Err(error).wrap_err("the chain does not answer"), Ok),
        }
    }
}

fn refusal_in(error: &TransportError) -> Option<String> {
    let data = error.as_error_resp()?.as_revert_data()?;
    Some(match RingMultisig::RingMultisigErrors::abi_decode(&data) {
        Ok(error) => format!("{error:?}").split(['(', ' ']).next().unwrap_or_default().to_owned(),
        Err(_) => format!("revert {data}"),
    })
}

fn random_id() -> RequestId {
    let mut id = [0; 16];
    rand::RngCore::fill_bytes(&mut rand::rngs::OsRng, &mut id);
    RequestId::from(id)
}

/// How much the thief's account needs for its gas, in wei.
pub fn gas_money() -> U256 {
    U256::from(1_000 * crate::token::ONE)
}
