//! Requests tried out on a real Anvil, with tokens that do more than they say.

use std::{collections::BTreeSet, time::Duration};

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::SolCall as _,
};
use ring_contracts::{Domain, IERC20::transferCall, Request, SignedRequest};
use ring_core::Evidence;
use ring_relayer::evidence::{EVENTS, Facts, Pace, Simulation, SimulationSettings, Source as _, Sources};
use serde_json::json;

use crate::{
    anvil::Anvil,
    proxy::{Proxy, Verdict},
    requests::{RECIPIENT, TOKEN, requester},
};

const TREASURY: Address = Address::repeat_byte(0x11);
const OTHER: Address = Address::with_last_byte(0xcc);
const BALANCE: u64 = 1_000_000;
const DOMAIN: Domain = Domain { chain_id: 31_337, contract: TREASURY };
/// What a contract is that pays: its code does not matter here. `STOP`
const STOP: [u8; 1] = [0x00];

/// A token that keeps an account's balance in the slot of its address. It transfers all but `fee`, and then does `more`.
fn token(fee: u8, more: &[u8]) -> Bytes {
    // The selector: PUSH0 CALLDATALOAD PUSH1 e0 SHR; that of balanceOf: PUSH4 EQ; to its place: PUSH1 … JUMPI
    let begin = |place: u8| [0x5f, 0x35, 0x60, 0xe0, 0x1c, 0x63, 0x70, 0xa0, 0x82, 0x31, 0x14, 0x60, place, 0x57];
    // From whom: PUSH1 24 CALLDATALOAD DUP1 CALLER SLOAD SUB CALLER SSTORE
    let take = [0x60, 0x24, 0x35, 0x80, 0x33, 0x54, 0x03, 0x33, 0x55];
    // To whom: PUSH1 fee SWAP1 SUB PUSH1 4 CALLDATALOAD SLOAD ADD PUSH1 4 CALLDATALOAD SSTORE
    let give = [0x60, fee, 0x90, 0x03, 0x60, 0x04, 0x35, 0x54, 0x01, 0x60, 0x04, 0x35, 0x55];
    // True: PUSH1 1 PUSH0 MSTORE PUSH1 20 PUSH0 RETURN
    let end = [0x60, 0x01, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];
    // The balance: JUMPDEST PUSH1 4 CALLDATALOAD SLOAD PUSH0 MSTORE PUSH1 20 PUSH0 RETURN
    let balance = [0x5b, 0x60, 0x04, 0x35, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];
    let place = begin(0).len() + take.len() + give.len() + more.len() + end.len();
    [&begin(place as u8)[..], &take, &give, more, &end, &balance].concat().into()
}

/// Emits an event with the caller and a thief in its topics, and one as its data: PUSH1 1 PUSH0 MSTORE, then
/// PUSH1 thief CALLER PUSH32 topic PUSH1 20 PUSH0 LOG3
fn emit(event: &str) -> Vec<u8> {
    let topic = keccak256(event);
    [&[0x60, 0x01, 0x5f, 0x52, 0x60, 0xbd, 0x33, 0x7f], topic.as_slice(), &[0x60, 0x20, 0x5f, 0xa3]].concat()
}

/// Calls the other token without any data, which takes all that the origin has:
/// PUSH0 PUSH0 PUSH0 PUSH0 PUSH0 PUSH1 other GAS CALL POP
const CALL_OTHER: [u8; 10] = [0x5f, 0x5f, 0x5f, 0x5f, 0x5f, 0x60, 0xcc, 0x5a, 0xf1, 0x50];

/// A token that takes all that the origin has if it is called without data:
/// CALLDATASIZE PUSH1 08 JUMPI PUSH0 ORIGIN SSTORE STOP JUMPDEST, then PUSH1 4 CALLDATALOAD SLOAD PUSH0 MSTORE PUSH1 20 PUSH0 RETURN
const OTHER_CODE: [u8; 19] =
    [0x36, 0x60, 0x08, 0x57, 0x5f, 0x32, 0x55, 0x00, 0x5b, 0x60, 0x04, 0x35, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];

struct World {
    anvil: Anvil,
    settings: SimulationSettings,
}

impl World {
    async fn new(code: Bytes) -> Self {
        let anvil = Anvil::start(&[]).await;
        anvil.set_code(TREASURY, STOP.into()).await;
        anvil.set_balance(TREASURY, U256::from(BALANCE)).await;
        anvil.set_code(TOKEN, code).await;
        anvil.set_code(OTHER, OTHER_CODE.into()).await;
        for token in [TOKEN, OTHER] {
            let (slot, value) = (TREASURY.into_word(), B256::from(U256::from(BALANCE)));
            anvil.ask("anvil_setStorageAt", json!([token, slot, value])).await;
        }
        anvil.mine(1).await;
        let settings = SimulationSettings {
            rpcs: vec![anvil.http().parse().unwrap()],
            agree: 1,
            domain: DOMAIN,
            assets: BTreeSet::from([TOKEN, OTHER]),
            most_fee: 0,
            allowed: BTreeSet::new(),
            pace: Pace { parallel: 4, timeout: Duration::from_secs(20) },
        };
        Self { anvil, settings }
    }

    fn sources(&self) -> Sources {
        // Whichever test comes first installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Sources::new(DOMAIN, vec![Box::new(Simulation::new(self.settings.clone()))])
    }

    async fn ask(&self, request: &SignedRequest) -> Evidence {
        self.sources().ask(request).await
    }

    /// Why a payment of a thousand tokens is refused.
    async fn refused(&self) -> String {
        match self.ask(&payment(1_000)).await {
            Evidence::Refuted { reason } => reason,
            other => panic!("{other:?}"),
        }
    }
}

fn signed(request: Request) -> SignedRequest {
    use alloy::signers::SignerSync as _;
    let signature = requester().sign_hash_sync(&request.digest(&DOMAIN)).unwrap();
    SignedRequest { request, signature: signature.as_bytes().into() }
}

fn native(wei: u128) -> Request {
    let data = Bytes::new();
    Request { id: [1; 16].into(), ring: 1, target: RECIPIENT, value: wei, data, gas: 100_000, expiry: 2_000_000_000 }
}

/// A payment of so many tokens.
fn payment(amount: u64) -> SignedRequest {
    let data = transferCall { to: RECIPIENT, value: U256::from(amount) }.abi_encode().into();
    signed(Request { target: TOKEN, data, ..native(0) })
}

#[tokio::test]
async fn a_payment_that_does_what_it_says_is_genuine() {
    let world = World::new(token(0, &[])).await;
    world.sources().check().await.unwrap();
    assert_eq!(world.ask(&payment(1_000)).await, Evidence::Genuine);
    assert_eq!(world.ask(&payment(BALANCE)).await, Evidence::Genuine);
    assert_eq!(world.ask(&signed(native(BALANCE.into()))).await, Evidence::Genuine);
}

#[tokio::test]
async fn what_the_treasury_has_not_waits() {
    let world = World::new([0x5f, 0x5f, 0xfd].into()).await; // PUSH0 PUSH0 REVERT, also instead of a balance
    let wei = u128::from(BALANCE) + 1;
    let source = Simulation::new(world.settings.clone());
    let facts = Facts::of(&signed(native(wei)), &DOMAIN).unwrap();
    assert_eq!(source.ask(&facts).await, Ok(Evidence::NotYet), "that is no trouble with the node");
    world.anvil.set_balance(TREASURY, U256::from(wei)).await;
    world.anvil.mine(1).await;
    assert_eq!(world.ask(&signed(native(wei))).await, Evidence::Genuine);
    assert_eq!(world.ask(&payment(1)).await, Evidence::NotYet, "it reverts");
}

#[tokio::test]
async fn a_fee_is_refused_unless_it_is_allowed() {
    let mut world = World::new(token(10, &[])).await;
    assert!(world.refused().await.contains("990 of asset"));
    world.settings.most_fee = 100;
    assert_eq!(world.ask(&payment(1_000)).await, Evidence::Genuine);
    world.settings.most_fee = 99;
    assert!(world.refused().await.contains("990 of asset"));
}

#[tokio::test]
async fn whoever_takes_another_asset_on_the_way_is_refused() {
    let world = World::new(token(0, &CALL_OTHER)).await;
    let reason = world.refused().await;
    assert!(reason.contains(&format!("it takes {BALANCE} of asset {OTHER} from the treasury")), "{reason}");
}

#[tokio::test]
async fn approvals_and_new_owners_are_refused_unless_they_are_allowed() {
    for (event, name) in [
        ("Approval(address,address,uint256)", "Approval"),
        ("OwnershipTransferred(address,address)", "OwnershipTransferred"),
        ("RoleGranted(bytes32,address,address)", "RoleGranted"),
    ] {
        let mut world = World::new(token(0, &emit(event))).await;
        let reason = world.refused().await;
        assert!(reason.contains(&format!("{TOKEN} emits {name}")), "{reason}");
        let (_, topic) = EVENTS.into_iter().find(|(known, _)| *known == name).unwrap();
        world.settings.allowed.insert((TOKEN, topic));
        assert_eq!(world.ask(&payment(1_000)).await, Evidence::Genuine);
    }
}

#[tokio::test]
async fn nodes_that_do_not_say_the_same_confirm_nothing() {
    let mut world = World::new(token(0, &[])).await;
    let fork = world.anvil.fork().await;
    // The same blocks, and another token: what a node says that lies.
    fork.set_code(TOKEN, token(10, &[])).await;
    world.settings.rpcs.push(fork.http().parse().unwrap());
    for agree in [1, 2] {
        world.settings.agree = agree;
        assert_eq!(world.ask(&payment(1_000)).await, Evidence::NotYet);
    }
}

#[tokio::test]
async fn a_node_that_cannot_try_calls_out_is_said_to_be_of_no_use() {
    let mut world = World::new(token(0, &[])).await;
    let proxy = Proxy::start(world.anvil.http(), |method, _| match method {
        "eth_simulateV1" => Verdict::Refuse(-32601, "the method does not exist"),
        _ => Verdict::Forward,
    });
    let proxy = proxy.await;
    world.settings.rpcs = vec![proxy.url().parse().unwrap()];
    let error = world.sources().check().await.unwrap_err();
    assert!(error.to_string().contains("does not know eth_simulateV1"), "{error}");
    assert_eq!(world.ask(&payment(1_000)).await, Evidence::NotYet);
}

#[tokio::test]
async fn a_node_of_another_chain_confirms_nothing() {
    let mut world = World::new(token(0, &[])).await;
    world.settings.domain.chain_id = 1;
    assert!(!world.sources().check().await.unwrap().is_empty(), "it is told of");
    assert_eq!(world.ask(&payment(1_000)).await, Evidence::NotYet);
}
