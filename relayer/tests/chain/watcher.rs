//! What the watcher reports of a chain that lives.

use alloy::primitives::{Address, U256};
use ring_contracts::{Action, Halt, LimitSetting, Permission, Permissions, RequestId, Turn};
use ring_core::{Allowance, ChainView, ObservedTurn};
use ring_relayer::chain::{Cursor, Finality, WatcherSettings};

use crate::{
    anvil::connect,
    follower::Follower,
    proxy::{Proxy, Verdict},
    treasury::{CAP, REVERTING, RING, Treasury, token_code},
};

fn digests(turns: &[ObservedTurn]) -> Vec<alloy::primitives::B256> {
    turns.iter().map(|turn| turn.digest).collect()
}

async fn reports_turns_over(url: String, treasury: &Treasury) {
    let mut follower = Follower::of(connect(&url).await, treasury.watcher_settings());
    let start = follower.view().await;
    assert_eq!((start.nonce, start.epoch, start.halted), (0, 1, false));
    assert_eq!(start.charter, treasury.charter.commitment());
    assert_eq!(start.turns, []);

    let payee = Address::with_last_byte(0xaa);
    let paying = treasury.turn_of(
        0,
        vec![
            Treasury::payment(1, payee, 100),
            Treasury::payment(2, Treasury::broken_payee(), 200),
            Treasury::payment(3, payee, 300),
        ],
    );
    let turns = [paying, treasury.void(1), treasury.turn(2, 4)];
    let mut expected = Vec::new();
    for turn in &turns {
        let transaction = treasury.executed(turn).await;
        expected.push(ObservedTurn {
            epoch: turn.id().epoch,
            nonce: turn.id().nonce,
            digest: turn.digest(&treasury.domain),
            requests: turn.calls().iter().map(|call| call.request_id).collect(),
            failed: Vec::new(),
            transaction,
            block: treasury.anvil.head().await,
        });
    }
    expected[0].failed = vec![RequestId::with_last_byte(2)];
    let view = follower.until("turn 2", |view| view.nonce == 3).await;
    assert_eq!(view.turns, expected);
    follower.stop().await;
}

#[tokio::test]
async fn turns_are_reported_in_order_with_requests_digests_and_failures_over_http() {
    let treasury = Treasury::new().await;
    reports_turns_over(treasury.anvil.http(), &treasury).await;
}

#[tokio::test]
async fn turns_are_reported_in_order_with_requests_digests_and_failures_over_ws() {
    let treasury = Treasury::new().await;
    reports_turns_over(treasury.anvil.ws(), &treasury).await;
}

#[tokio::test]
async fn over_ws_heads_are_told_and_not_polled() {
    let treasury = Treasury::new().await;
    let settings =
        WatcherSettings { poll_interval: std::time::Duration::from_secs(3_600), ..treasury.watcher_settings() };
    let mut follower = Follower::of(connect(&treasury.anvil.ws()).await, settings);
    let start = follower.view().await;
    treasury.anvil.mine(1).await;
    assert_eq!(follower.view().await.head.number, start.head.number + 1);
}

#[tokio::test]
async fn a_head_is_reported_once() {
    let treasury = Treasury::new().await;
    let mut proxy = Proxy::start(treasury.anvil.http(), |_, _| Verdict::Forward).await;
    let mut follower = Follower::of(connect(proxy.url()).await, treasury.watcher_settings());
    let mut last = follower.view().await.head.number;
    for _ in 0..3 {
        let looks = proxy.count("eth_getBlockByNumber");
        proxy.until_asked("eth_getBlockByNumber", looks + 10).await;
        assert_eq!(follower.sent(), None);
        treasury.anvil.mine(1).await;
        let head = follower.view().await.head.number;
        assert_eq!(head, last + 1);
        last = head;
    }
}

#[tokio::test]
async fn a_reorg_is_followed_and_leaves_no_hole() {
    let treasury = Treasury::new().await;
    let mut follower = Follower::of(connect(&treasury.anvil.ws()).await, treasury.watcher_settings());
    let turns: Vec<Turn> = (0..3).map(|nonce| treasury.turn(nonce, nonce as u8)).collect();
    for turn in &turns {
        treasury.executed(turn).await;
    }
    let before = follower.until("turn 2", |view| view.nonce == 3).await;

    treasury.anvil.reorg(2).await;
    // Anvil takes the blocks back first and mines the others then: a head in between can be seen, too.
    let reorganised = |view: &ChainView| view.nonce < 3 && view.head.number == before.head.number;
    let after = follower.until("the reorg", reorganised).await;
    assert_eq!((after.nonce, &after.turns[..]), (1, &before.turns[..1]));

    let other = treasury.turn(1, 0x77);
    treasury.executed(&other).await;
    treasury.executed(&turns[2]).await;
    let again = follower.until("turn 2 again", |view| view.nonce == 3).await;
    let digest = |turn: &Turn| turn.digest(&treasury.domain);
    assert_eq!(digests(&again.turns), [digest(&turns[0]), digest(&other), digest(&turns[2])]);
    assert_eq!(again.turns[1].requests, [RequestId::with_last_byte(0x77)]);
}

#[tokio::test]
async fn a_reorg_below_finality_shows_what_the_chain_says_now() {
    let treasury = Treasury::new().await;
    let settings = WatcherSettings { finality: Finality::Depth(1), ..treasury.watcher_settings() };
    let mut follower = Follower::of(connect(&treasury.anvil.http()).await, settings);
    treasury.executed(&treasury.turn(0, 1)).await;
    treasury.executed(&treasury.turn(1, 2)).await;
    treasury.anvil.mine(3).await;
    let before = follower.until("finality", |view| view.final_nonce == 2).await;

    // The turns kept as final are no longer there: nothing of them may be shown.
    treasury.anvil.reorg(4).await;
    let after = follower.until("the reorg", |view| view.nonce == 1).await;
    assert_eq!((after.final_nonce, after.turns), (1, before.turns[..1].to_vec()));
    let other = treasury.turn(1, 3);
    treasury.executed(&other).await;
    treasury.anvil.mine(1).await;
    let again = follower.until("the other turn", |view| view.final_nonce == 2).await;
    assert_eq!(again.turns[1].digest, other.digest(&treasury.domain));
}

#[tokio::test]
async fn what_is_final_follows_the_tag_or_the_depth() {
    let treasury = Treasury::new().await;
    let provider = connect(&treasury.anvil.http()).await;
    let mut by_tag = Follower::of(provider.clone(), treasury.watcher_settings());
    let settings = WatcherSettings { finality: Finality::Safe, ..treasury.watcher_settings() };
    let mut by_safe_tag = Follower::of(provider.clone(), settings);
    let settings = WatcherSettings { finality: Finality::Depth(4), ..treasury.watcher_settings() };
    let mut by_depth = Follower::of(provider, settings);
    treasury.anvil.mine(4).await;
    treasury.executed(&treasury.turn(0, 1)).await;
    let block = treasury.anvil.head().await;
    for number in block..block + 6 {
        let view = by_depth.until_block(number).await;
        assert_eq!((view.finalized.number, view.final_nonce), (number - 4, u64::from(number - 4 >= block)));
        let view = by_tag.until_block(number).await;
        assert_eq!(view.final_nonce, u64::from(view.finalized.number >= block), "{:?}", view.finalized);
        assert_eq!(view.final_epoch, 1);
        let finalized = view.finalized;
        let view = by_safe_tag.until_block(number).await;
        assert_eq!(view.final_nonce, u64::from(view.finalized.number >= block), "{:?}", view.finalized);
        assert!(view.finalized.number > finalized.number, "safe is final sooner");
        treasury.anvil.mine(1).await;
    }
    assert_eq!(by_tag.view().await.final_nonce, 1);
}

#[tokio::test]
async fn turns_before_the_cursor_are_not_reported() {
    let treasury = Treasury::new().await;
    let mut follower = Follower::of(connect(&treasury.anvil.http()).await, treasury.watcher_settings());
    for nonce in 0..3 {
        treasury.executed(&treasury.turn(nonce, nonce as u8)).await;
    }
    treasury.anvil.mine(3).await;
    let view = follower.until("finality", |view| view.final_nonce == 3).await;
    let from_block = view.turns[1].block;
    follower.cursor.send_replace(Cursor { first_open_nonce: 2, from_block });
    treasury.anvil.mine(1).await;
    let later = follower.until_block(view.head.number + 1).await;
    assert_eq!(later.turns, view.turns[2..]);

    // And so after a restart, where nothing is kept.
    let cursor = Cursor { first_open_nonce: 2, from_block };
    let mut restarted = Follower::start(treasury.anvil.endpoints.clone(), treasury.watcher_settings(), cursor);
    assert_eq!(restarted.view().await.turns, view.turns[2..]);
}

#[tokio::test]
async fn a_long_history_is_read_in_pieces_to_the_same_view() {
    let treasury = Treasury::new().await;
    for nonce in 0..4 {
        treasury.executed(&treasury.turn(nonce, nonce as u8)).await;
        treasury.anvil.mine(2).await;
    }
    let whole = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings()).view().await;
    for most_blocks in [1, 3, 5] {
        let settings = WatcherSettings { most_blocks, ..treasury.watcher_settings() };
        let pieces = Follower::of(treasury.anvil.endpoints.clone(), settings).view().await;
        assert_eq!(pieces, whole, "{most_blocks} at a time");
    }
}

#[tokio::test]
async fn turns_of_another_ring_are_not_reported() {
    let treasury = Treasury::new().await;
    treasury.act(Action::FormRing { ring: RING + 1, epoch: 0, charter: treasury.charter.clone() }).await;
    treasury.executed(&Turn::void(RING + 1, 1, 0)).await;
    treasury.executed(&treasury.turn(0, 1)).await;
    let view = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings()).view().await;
    assert_eq!(digests(&view.turns), [treasury.turn(0, 1).digest(&treasury.domain)]);
}

#[tokio::test]
async fn a_halt_and_a_new_epoch_are_reported() {
    let treasury = Treasury::new().await;
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings());
    let master = treasury.anvil.accounts[0];
    let halt = Halt { ring: RING, epoch: 1 }.calldata(&treasury.charter, master, Default::default());
    treasury.anvil.send(master, Some(treasury.domain.contract), halt).await;
    follower.until("the halt", |view| view.halted && view.epoch == 1).await;
    treasury.act(Action::Resume { ring: RING, epoch: 1 }).await;
    let view = follower.until("the resumption", |view| !view.halted).await;
    assert_eq!((view.epoch, view.final_epoch), (2, 1));
    treasury.anvil.mine(3).await;
    follower.until("finality", |view| view.final_epoch == 2).await;
}

#[tokio::test]
async fn allowances_are_what_cap_period_and_balance_leave() {
    let [token, no_limit, no_code, no_answer, nothing, unannounced] =
        [0x70, 0x71, 0x72, 0x73, 0x74, 0x75].map(Address::with_last_byte);
    let treasury = Treasury::with_asset(token).await;
    treasury.anvil.set_code(token, token_code(9_999)).await;
    treasury.anvil.set_code(no_limit, token_code(9_999)).await;
    treasury.anvil.set_code(nothing, token_code(9_999)).await;
    treasury.anvil.set_code(unannounced, token_code(9_999)).await;
    treasury.anvil.set_code(no_answer, REVERTING.into()).await;
    let limit = |asset, cap| LimitSetting { asset, cap, period: 86_400 };
    let limits = [(Address::ZERO, 500), (no_code, 500), (no_answer, 500), (nothing, 0), (unannounced, 500)];
    let limits = limits.map(|(asset, cap)| limit(asset, cap)).to_vec();
    treasury.act(Action::SetLimits { ring: RING, limits }).await;
    let permissions = vec![Permission::bare(Address::ZERO)];
    treasury.act(Action::SetPermissions { ring: RING, permissions }).await;
    let settings = WatcherSettings {
        other_assets: [Address::ZERO, no_limit, no_code, no_answer, nothing].into(),
        ..treasury.watcher_settings()
    };
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), settings);
    let allowance = |cap: u128, left: u128| Allowance { cap: U256::from(cap), left: U256::from(left) };
    let start = follower.view().await;
    // Of a token that does not answer nobody knows what is left.
    let expected = [(token, allowance(CAP, 9_999)), (Address::ZERO, allowance(500, 500))];
    assert_eq!(start.allowances, expected.into());

    let native =
        ring_contracts::Effect::Call { target: Address::with_last_byte(0xaa), value: 40, data: Default::default() };
    let calls = vec![
        Treasury::payment(1, Address::with_last_byte(0xaa), 300),
        ring_contracts::Call { effect: native, ..Treasury::payment(2, Address::ZERO, 0) },
    ];
    treasury.executed(&treasury.turn_of(0, calls)).await;
    let spent = follower.until("the turn", |view| view.nonce == 1).await;
    let expected = [(token, allowance(CAP, CAP - 300)), (Address::ZERO, allowance(500, 460))];
    assert_eq!(spent.allowances, expected.into());

    treasury.anvil.ask("evm_increaseTime", serde_json::json!([86_400])).await;
    treasury.anvil.mine(1).await;
    let next_day = follower.until_block(spent.head.number + 1).await;
    assert_eq!(next_day.allowances, start.allowances);
}

#[tokio::test]
async fn permissions_are_reported_as_the_master_gives_and_takes_them() {
    let treasury = Treasury::new().await;
    let token = Address::with_last_byte(0x70);
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings());
    let start = follower.view().await;
    assert_eq!(start.permissions, Permissions::default());
    assert_eq!(start.master, treasury.anvil.accounts[0]);
    let (transfer, bare) = (Permission::erc20_transfer(token), Permission::bare(token));
    let set = |permissions: &[Permission]| Action::SetPermissions { ring: RING, permissions: permissions.to_vec() };
    treasury.act(set(&[transfer, bare])).await;
    let given = follower.until_block(start.head.number + 1).await;
    assert_eq!(given.permissions, Permissions::new([transfer, bare]));
    treasury.act(set(&[Permission { allowed: false, ..transfer }])).await;
    let taken = follower.until_block(given.head.number + 1).await;
    assert_eq!(taken.permissions, Permissions::new([bare]));
}

#[tokio::test]
async fn the_view_says_when_the_next_turn_may_come() {
    let mut treasury = Treasury::new().await;
    treasury.reform(|charter| (charter.interval, charter.turns_per_period) = (100, 2)).await;
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings());
    follower.view().await;
    treasury.executed(&treasury.turn(0, 1)).await;
    let first = follower.until("the turn", |view| view.nonce == 1).await;
    assert_eq!(first.earliest, first.head.time + 100);
    treasury.anvil.set_next_time(first.earliest).await;
    treasury.executed(&treasury.turn(1, 2)).await;
    let second = follower.until("the turn", |view| view.nonce == 2).await;
    let next_day = (second.head.time / 86_400 + 1) * 86_400;
    assert_eq!(second.earliest, next_day.max(second.head.time + 100));
}

#[tokio::test]
async fn a_proof_of_equivocation_is_reported_as_a_halt_in_a_new_epoch_with_another_charter() {
    let treasury = Treasury::new().await;
    let mut follower = Follower::of(treasury.anvil.endpoints.clone(), treasury.watcher_settings());
    follower.view().await;
    let proof = treasury.proof(2, [&treasury.turn(4, 1), &treasury.turn(4, 2)]);
    let somebody = treasury.anvil.accounts[1];
    treasury.anvil.send(somebody, Some(treasury.domain.contract), proof).await;
    let view = follower.until("the proof", |view| view.epoch == 2).await;
    let mut charter = treasury.charter.clone();
    charter.seats[2] = Address::ZERO;
    assert!(view.halted);
    assert_eq!(view.charter, charter.commitment());
}
