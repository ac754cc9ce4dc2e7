//! A treasury with a ring of known keys on an Anvil.

use std::time::Duration;

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use ring_contracts::{
    Action, Call, Charter, CompactSignature, Domain, Effect, Equivocation, Execution, Halt, IRingMultisig, RequestId,
    RingMultisig, Seat, Turn, TurnId, creation_code, witness,
};
use ring_relayer::chain::{Finality, WatcherSettings};

use crate::anvil::Anvil;

pub(crate) const RING: u32 = 7;
pub(crate) const CHAIN_ID: u64 = 31_337;
pub(crate) const CAP: u128 = 10_000;
pub(crate) const POLL: Duration = Duration::from_millis(50);
const CALL_GAS: u32 = 100_000;
/// The code of what always reverts: `PUSH0 PUSH0 REVERT`.
pub(crate) const REVERTING: [u8; 3] = [0x5f, 0x5f, 0xfd];

pub(crate) struct Treasury {
    pub(crate) anvil: Anvil,
    pub(crate) domain: Domain,
    pub(crate) charter: Charter,
    epoch: u32,
    keys: Vec<PrivateKeySigner>,
}

impl Treasury {
    /// A ring of five, of which three sign, with the native coin as its main asset; one of its period's blocks is mined.
    pub(crate) async fn new() -> Self {
        Self::with_asset(Address::ZERO).await
    }

    pub(crate) async fn with_asset(asset: Address) -> Self {
        let anvil = Anvil::start(&[]).await;
        let master = anvil.accounts[0];
        let receipt = anvil.send(master, None, creation_code(master, Address::ZERO)).await;
        let contract = receipt.contract_address.expect("it was created");
        let keys: Vec<_> =
            (1..=5).map(|n| PrivateKeySigner::from_bytes(&B256::with_last_byte(n)).expect("a key")).collect();
        let seats = keys.iter().map(PrivateKeySigner::address).collect();
        let charter = Charter {
            window: 3,
            quorum: 3,
            asset,
            cap: CAP,
            period: 86_400,
            turns_per_period: 1_000,
            interval: 0,
            expires_at: Charter::NO_EXPIRY,
            last_nonce: Charter::NO_LAST_NONCE,
            seats,
        };
        let treasury = Self { anvil, domain: Domain { chain_id: CHAIN_ID, contract }, charter, epoch: 1, keys };
        treasury.act(Action::FormRing { ring: RING, epoch: 0, charter: treasury.charter.clone() }).await;
        treasury.anvil.set_balance(contract, U256::from(1_000_000)).await;
        treasury.anvil.set_code(Self::broken_payee(), REVERTING.into()).await;
        treasury
    }

    /// Has the master do something.
    pub(crate) async fn act(&self, action: Action) {
        let signer = self.anvil.accounts[0];
        let authorization = IRingMultisig::Authorization { signer, deadline: U256::ZERO, signature: Bytes::new() };
        let calldata = action.calldata(&self.charter, authorization);
        self.anvil.send(signer, Some(self.domain.contract), calldata).await;
    }

    /// The master forms the ring anew, changed; its next epoch is that of all turns made here.
    pub(crate) async fn reform(&mut self, change: impl FnOnce(&mut Charter)) {
        change(&mut self.charter);
        self.act(Action::FormRing { ring: RING, epoch: self.epoch, charter: self.charter.clone() }).await;
        self.epoch += 1;
    }

    /// Takes no coins.
    pub(crate) fn broken_payee() -> Address {
        Address::with_last_byte(0xbb)
    }

    pub(crate) fn payment(id: u8, to: Address, amount: u128) -> Call {
        Call { request_id: RequestId::with_last_byte(id), gas: CALL_GAS, effect: Effect::Pay { to, amount } }
    }

    /// Pays 100 to somebody.
    pub(crate) fn turn(&self, nonce: u64, request: u8) -> Turn {
        self.turn_of(nonce, vec![Self::payment(request, Address::with_last_byte(0xaa), 100)])
    }

    pub(crate) fn turn_of(&self, nonce: u64, calls: Vec<Call>) -> Turn {
        let id = TurnId { ring: RING, epoch: self.epoch, nonce, valid_until: TurnId::NO_EXPIRY };
        Turn::new(id, calls).expect("the calls are well-formed")
    }

    pub(crate) fn void(&self, nonce: u64) -> Turn {
        Turn::void(RING, self.epoch, nonce)
    }

    /// The call that executes a turn, signed by its window.
    pub(crate) fn execute(&self, turn: &Turn) -> Bytes {
        let digest = turn.digest(&self.domain);
        let sign =
            |seat: usize| self.keys[seat].sign_hash_sync(&digest).ok().map(CompactSignature::from).map(Seat::Signed);
        let witness = witness(&self.charter, turn.id().nonce, sign).expect("the whole window signs");
        Execution::new(turn, &self.charter, witness).calldata().expect("the calls are not too long")
    }

    /// The call that proves that a seat's key signed both of these turns.
    pub(crate) fn proof(&self, seat: usize, turns: [&Turn; 2]) -> Bytes {
        let [first, second] = turns.map(|turn| {
            let signature = self.keys[seat].sign_hash_sync(&turn.digest(&self.domain)).expect("a signature");
            turn.signed_by(CompactSignature::from(signature))
        });
        Equivocation { first, second }.calldata(&self.charter)
    }

    /// The call that halts the ring, signed by seat 0.
    pub(crate) fn halt(&self) -> Bytes {
        let halt = Halt { ring: RING, epoch: 1 };
        let signature = self.keys[0].sign_hash_sync(&halt.digest(&self.domain)).expect("a signature").as_bytes();
        halt.calldata(&self.charter, self.keys[0].address(), Bytes::copy_from_slice(&signature))
    }

    /// Has somebody execute a turn, in a block of its own.
    pub(crate) async fn executed(&self, turn: &Turn) -> B256 {
        let somebody = self.anvil.accounts[1];
        self.anvil.send(somebody, Some(self.domain.contract), self.execute(turn)).await.transaction_hash
    }

    pub(crate) fn watcher_settings(&self) -> WatcherSettings {
        WatcherSettings {
            domain: self.domain,
            ring: RING,
            seat: None,
            charter: self.charter.clone(),
            other_assets: Default::default(),
            finality: Finality::Finalized,
            poll_interval: POLL,
            rest: Duration::ZERO,
            most_blocks: 2_000,
            longest_disagreement: Duration::from_secs(600),
        }
    }

    pub(crate) async fn ring(&self) -> IRingMultisig::RingView {
        let contract = RingMultisig::new(self.domain.contract, &self.anvil.provider);
        contract.getRing(RING).call().await.expect("the ring answers")
    }
}

/// Balances of a token that exists only as its answer to every question: `PUSH2 … PUSH0 MSTORE PUSH1 32 PUSH0 RETURN`.
pub(crate) fn token_code(balance: u16) -> Bytes {
    let [high, low] = balance.to_be_bytes();
    vec![0x61, high, low, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3].into()
}
