//! What leaves a treasury on a real Anvil, and whether it is told.

use std::{collections::BTreeSet, time::Duration};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use ring_contracts::{Action, IERC20::transferCall};
use ring_core::{Block, Shortfall};
use ring_relayer::chain::{Connection, Reconciler};
use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    anvil::connect_all,
    proxy::{Proxy, Verdict},
    treasury::Treasury,
};

const TOKEN: Address = Address::with_last_byte(0xcc);
const THIEF: Address = Address::with_last_byte(0xbd);

/// A token of the treasury's, from which everybody may take: it has one balance, in slot 0, and `transfer` is by the treasury
/// whoever calls it.
fn token(treasury: Address) -> Bytes {
    // CALLDATASIZE PUSH1 24 EQ, then to the balance: PUSH1 … JUMPI
    let begin = |place: u8| [0x36, 0x60, 0x24, 0x14, 0x60, place, 0x57];
    // PUSH1 24 CALLDATALOAD DUP1 PUSH0 SLOAD SUB PUSH0 SSTORE PUSH0 MSTORE
    let take = [0x60, 0x24, 0x35, 0x80, 0x5f, 0x54, 0x03, 0x5f, 0x55, 0x5f, 0x52];
    // PUSH1 04 CALLDATALOAD PUSH20 treasury PUSH32 topic PUSH1 20 PUSH0 LOG3
    let topic = keccak256("Transfer(address,address,uint256)");
    let tell = [&[0x60, 0x04, 0x35, 0x73], &treasury[..], &[0x7f], &topic[..], &[0x60, 0x20, 0x5f, 0xa3]].concat();
    // True: PUSH1 01 PUSH0 MSTORE PUSH1 20 PUSH0 RETURN
    let end = [0x60, 0x01, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];
    // JUMPDEST PUSH0 SLOAD PUSH0 MSTORE PUSH1 20 PUSH0 RETURN
    let balance = [0x5b, 0x5f, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3];
    let place = begin(0).len() + take.len() + tell.len() + end.len();
    [&begin(place as u8)[..], &take, &tell, &end, &balance].concat().into()
}

fn transfer(to: Address, amount: u64) -> Bytes {
    use alloy::sol_types::SolCall as _;
    transferCall { to, value: U256::from(amount) }.abi_encode().into()
}

struct World {
    treasury: Treasury,
    proxies: Vec<Proxy>,
    connection: watch::Sender<Connection>,
    shortfalls: mpsc::Receiver<Shortfall>,
}

impl World {
    /// A treasury whose main asset is this one, with 1,000,000 of the native coin and of the token.
    async fn new(asset: Address) -> Self {
        Self::with(asset, &[], [|_: &str, _: &_| Verdict::Forward]).await
    }

    /// One with so many RPCs, all of which have to agree.
    async fn with<const N: usize, Judge>(asset: Address, unwatched: &[Address], judges: [Judge; N]) -> Self
    where
        Judge: FnMut(&str, &serde_json::Value) -> Verdict + Send + 'static,
    {
        let treasury = Treasury::with_asset(asset).await;
        treasury.anvil.set_code(TOKEN, token(treasury.domain.contract)).await;
        set_tokens(&treasury, 1_000_000).await;
        let mut proxies = Vec::new();
        for judge in judges {
            proxies.push(Proxy::start(treasury.anvil.http(), judge).await);
        }
        let endpoints = connect_all(proxies.iter().map(Proxy::url), N).await;
        let mut settings = treasury.watcher_settings();
        settings.other_assets = if asset == TOKEN { BTreeSet::new() } else { BTreeSet::from([TOKEN]) };
        let (connection, receiver) = watch::channel(Connection::default());
        let (sender, shortfalls) = mpsc::channel(8);
        let unwatched = unwatched.iter().copied().collect();
        tokio::spawn(Reconciler::new(endpoints, &settings, &unwatched, receiver, sender).run());
        let mut world = Self { treasury, proxies, connection, shortfalls };
        world.step().await;
        world
    }

    /// Lets so many blocks pass that the balances are read, and those that were read before are compared.
    async fn step(&mut self) {
        let before: Vec<u64> = self.proxies.iter().map(|proxy| proxy.count("eth_getBalance")).collect();
        self.pass(None).await;
        for (proxy, before) in self.proxies.iter_mut().zip(before) {
            proxy.until_asked("eth_getBalance", before + 1).await;
        }
    }

    /// Lets blocks pass. All are final, or this one is the last that is.
    async fn pass(&self, last_final: Option<u64>) {
        self.treasury.anvil.mine(41).await;
        let number = self.treasury.anvil.head().await;
        let [head, finalized] = [number, last_final.unwrap_or(number)].map(|number| Some(Block { number, time: 0 }));
        self.connection.send_modify(|connection| (connection.head, connection.finalized) = (head, finalized));
    }

    /// What is told of what has happened so far.
    async fn told(&mut self) -> Vec<Shortfall> {
        // Read, compared, perhaps read and compared once more, and told before the next is read.
        for _ in 0..5 {
            self.step().await;
        }
        std::iter::from_fn(|| self.shortfalls.try_recv().ok()).collect()
    }

    /// Somebody takes tokens.
    async fn take(&self, amount: u64) -> B256 {
        let thief = self.treasury.anvil.accounts[2];
        self.treasury.anvil.send(thief, Some(TOKEN), transfer(THIEF, amount)).await.transaction_hash
    }
}

async fn set_tokens(treasury: &Treasury, amount: u64) {
    treasury.anvil.ask("anvil_setStorageAt", json!([TOKEN, B256::ZERO, B256::from(U256::from(amount))])).await;
}

#[tokio::test]
async fn what_turns_pay_and_what_the_master_moves_is_explained() {
    for asset in [Address::ZERO, TOKEN] {
        let mut world = World::new(asset).await;
        world.treasury.executed(&world.treasury.turn(0, 1)).await;
        world.treasury.executed(&world.treasury.turn(1, 2)).await;
        let pays = |target, value: u64, data| Action::MasterExecute { target, value: U256::from(value), data, gas: 0 };
        world.treasury.act(pays(THIEF, 5_000, Bytes::new())).await;
        world.treasury.act(pays(TOKEN, 0, transfer(THIEF, 5_000))).await;
        assert_eq!(world.told().await, []);
    }
}

#[tokio::test]
async fn what_somebody_else_takes_is_told_with_the_transaction_once() {
    let mut world = World::new(Address::ZERO).await;
    world.treasury.executed(&world.treasury.turn(0, 1)).await;
    let transaction = world.take(7).await;
    let told = world.told().await;
    let [Shortfall { asset: TOKEN, before, after, transactions, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!((*before - *after, &transactions[..]), (U256::from(7), &[transaction][..]));
    assert_eq!(world.told().await, []);
}

#[tokio::test]
async fn what_goes_without_a_word_is_told_too() {
    let mut world = World::new(Address::ZERO).await;
    set_tokens(&world.treasury, 999_999).await;
    let told = world.told().await;
    assert!(matches!(&told[..], [Shortfall { asset: TOKEN, transactions, .. }] if transactions.is_empty()), "{told:?}");
    // Of the native coin the turn pays 100, and one more is gone.
    world.treasury.executed(&world.treasury.turn(0, 1)).await;
    world.treasury.anvil.set_balance(world.treasury.domain.contract, U256::from(999_899)).await;
    let told = world.told().await;
    assert!(
        matches!(&told[..], [Shortfall { asset: Address::ZERO, explained, .. }] if explained.to::<u64>() == 100),
        "{told:?}"
    );
}

#[tokio::test]
async fn one_wrong_balance_halts_nobody() {
    let wrong = watch::Sender::new(false);
    let answers = wrong.subscribe();
    let judge = move |method: &str, _: &serde_json::Value| match *answers.borrow() && method == "eth_getBalance" {
        true => Verdict::Answer(json!("0x1")),
        false => Verdict::Forward,
    };
    let mut world = World::with(Address::ZERO, &[], [judge]).await;
    wrong.send_replace(true);
    world.step().await;
    wrong.send_replace(false);
    assert_eq!(world.told().await, []);
    wrong.send_replace(true);
    assert_eq!(world.told().await.len(), 1, "but two do");
}

#[tokio::test]
async fn what_is_not_watched_may_go() {
    let mut world = World::with(Address::ZERO, &[TOKEN], [|_: &str, _: &_| Verdict::Forward]).await;
    world.take(7).await;
    assert_eq!(world.told().await, []);
}

#[tokio::test]
async fn what_is_not_final_is_not_told_and_what_a_reorganisation_takes_back_has_not_happened() {
    let mut world = World::new(Address::ZERO).await;
    world.step().await;
    let before = world.treasury.anvil.head().await;
    world.take(7).await;
    world.step().await;
    for _ in 0..3 {
        world.pass(Some(before)).await;
        let told = timeout(Duration::from_millis(100), world.shortfalls.recv()).await;
        assert!(told.is_err(), "it is not final: {told:?}");
    }
    world.treasury.anvil.reorg(world.treasury.anvil.head().await - before).await;
    assert_eq!(world.told().await, []);
    world.take(8).await;
    assert_eq!(world.told().await.len(), 1);
}

#[tokio::test]
async fn balances_that_rpcs_do_not_agree_on_are_not_believed() {
    let lying = watch::Sender::new(false);
    let judge = |lies: Option<watch::Receiver<bool>>| {
        move |method: &str, _: &serde_json::Value| match &lies {
            Some(lies) if method == "eth_getBalance" && *lies.borrow() => Verdict::Answer(json!("0x1")),
            _ => Verdict::Forward,
        }
    };
    let mut world = World::with(Address::ZERO, &[], [judge(Some(lying.subscribe())), judge(None)]).await;
    lying.send_replace(true);
    assert_eq!(world.told().await, []);
    lying.send_replace(false);
    world.take(7).await;
    assert_eq!(world.told().await.len(), 1);
}
