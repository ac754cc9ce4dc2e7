//! How the thief goes about it, and who does what about it when.

use ring_contracts::{Bytes, Effect, U256};

use super::{Attack, Outcome, PlainAttack, Share};
use crate::{
    chain::{Operation, PlainWallet, SWEEPER, THIEF, TREASURY},
    world::{Stage, Staged},
};

/// After so many seconds people act: the master, or whoever looks after a seat.
pub const REACTION_SECONDS: u64 = 3 * 3_600;
/// A thief that has got nothing in this time gets nothing.
const PATIENCE_SECONDS: u64 = 3_600;
/// For how long it is watched that nothing more is taken, once people have acted or the ring has halted.
pub(super) const AFTERMATH_SECONDS: u64 = 3_600;
/// What people did takes so long to be on chain.
const SETTLING_SECONDS: u64 = 5 * Staged::BLOCK_SECONDS;
/// Between two requests of honest clients, in seconds: the ring goes on, and brings the thief all the windows there are.
const PAUSE_SECONDS: u64 = 120;
/// What a forged request asks for: the cap in pieces.
const FORGED_AMOUNT: u128 = Staged::CAP as u128 / 20;

/// Robs a plain wallet.
pub(super) fn plain(threshold: usize, owners: usize, attack: PlainAttack) -> Share {
    let mut wallet = PlainWallet::new(threshold, owners);
    let (what, operation) = match attack {
        PlainAttack::Payment => ((THIEF, U256::from(TREASURY), Bytes::new()), Operation::Call),
        PlainAttack::DelegateCall => ((SWEEPER, U256::ZERO, Bytes::new()), Operation::DelegateCall),
    };
    let early = wallet.execute(threshold - 1, what.clone(), operation);
    assert!(early.is_err(), "{} signatures are enough for a wallet of {threshold}", threshold - 1);
    let done = wallet.execute(threshold, what, operation);
    assert!(done.is_ok(), "the wallet executes what its owners signed: {done:?}");
    share(wallet.stolen())
}

/// Robs a ring: again and again until it is halted, or people act, or it is plain that nothing is to be had.
pub(super) fn ring(stage: &Stage, attack: Attack) -> Outcome {
    let mut staged = Staged::new(stage);
    let (mut first, mut halted_after) = (None, None);
    let mut second = 0;
    while second < REACTION_SECONDS {
        step(&mut staged, attack, second);
        second += Staged::BLOCK_SECONDS;
        if first.is_none() && !staged.stolen().is_zero() {
            first = Some(second);
        }
        if staged.is_halted() {
            halted_after = first.map(|first| second - first);
            break;
        }
        if first.is_none() && second >= PATIENCE_SECONDS {
            break;
        }
    }
    if first.is_some() && staged.treasury() > U256::ZERO {
        if !staged.is_halted() {
            match stage.stolen.is_empty() {
                true => staged.order_halt(),
                false => staged.replace_keys(),
            }
            staged.pass(SETTLING_SECONDS);
        }
        watch(&mut staged, attack, second);
    }
    assert!(staged.broken().is_none(), "a promise is broken: {:?}", staged.broken());
    Outcome {
        stolen: share(staged.stolen()),
        halted_after,
        refusals: staged.refusals(),
        stolen_turns: staged.stolen_turns(),
        turns: staged.turns(),
    }
}

/// A block's time, and what the thief and the honest clients do in it.
fn step(staged: &mut Staged, attack: Attack, second: u64) {
    let asks = second.is_multiple_of(PAUSE_SECONDS);
    if asks {
        staged.ask();
    }
    match attack {
        Attack::Keys => staged.strike(),
        Attack::ForeignCode => {
            staged.strike_with(Effect::Call { target: SWEEPER, value: 0, data: Bytes::new() });
        }
        Attack::SwappedPayload => staged.swap_payload(),
        Attack::ForgedRequests if asks => staged.forge(FORGED_AMOUNT),
        Attack::ForgedRequests => {}
        Attack::DeceivedMaster if second == 0 => staged.deceive_master(),
        Attack::DeceivedMaster => {}
    }
    staged.pass(Staged::BLOCK_SECONDS);
}

/// The thief goes on, and gets nothing more.
fn watch(staged: &mut Staged, attack: Attack, from: u64) {
    let before = staged.stolen();
    for second in (from..from + AFTERMATH_SECONDS).step_by(Staged::BLOCK_SECONDS as usize) {
        step(staged, attack, second);
    }
    let more = staged.stolen() - before;
    assert!(more.is_zero(), "the thief got {more} more after the ring had halted or people had acted");
}

fn share(amount: U256) -> Share {
    Share::of(amount.saturating_to())
}
