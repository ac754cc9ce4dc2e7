//! What a call may do: transfer what it says to whom it says, and give nobody power over anything.

use std::collections::BTreeSet;

use alloy::{
    primitives::{Address, B256, LogData, U256, address},
    sol,
    sol_types::SolEvent as _,
};

use super::{super::Transfer, calls::Effects};

mod event {
    #![allow(missing_docs)]
    super::sol! {
        event Transfer(address from, address to, uint256 amount);
        event Approval(address owner, address spender, uint256 amount);
        event ApprovalForAll(address owner, address operator, bool approved);
        event OwnershipTransferred(address before, address owner);
        event OwnershipTransferStarted(address before, address owner);
        event RoleGranted(bytes32 role, address account, address sender);
        event RoleRevoked(bytes32 role, address account, address sender);
        event Upgraded(address implementation);
        event AdminChanged(address before, address admin);
        event BeaconUpgraded(address beacon);
    }
}

/// Events that tell of power over something, with their topics: of ERC-20, ERC-721 and ERC-1155 (of the treasury's own
/// assets), ERC-173, ERC-1967, and the usual libraries.
pub const EVENTS: [(&str, B256); 9] = [
    ("Approval", event::Approval::SIGNATURE_HASH),
    ("ApprovalForAll", event::ApprovalForAll::SIGNATURE_HASH),
    ("OwnershipTransferred", event::OwnershipTransferred::SIGNATURE_HASH),
    ("OwnershipTransferStarted", event::OwnershipTransferStarted::SIGNATURE_HASH),
    ("RoleGranted", event::RoleGranted::SIGNATURE_HASH),
    ("RoleRevoked", event::RoleRevoked::SIGNATURE_HASH),
    ("Upgraded", event::Upgraded::SIGNATURE_HASH),
    ("AdminChanged", event::AdminChanged::SIGNATURE_HASH),
    ("BeaconUpgraded", event::BeaconUpgraded::SIGNATURE_HASH),
];
/// Who emits transfers of the native coin where they are traced (ERC-7528).
const NATIVE: Address = address!("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE");
const BASIS_POINTS: u64 = 10_000;

/// What calls may do.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) treasury: Address,
    /// The assets that are looked at; zero is the native coin.
    pub(super) assets: BTreeSet<Address>,
    /// How much less than the amount may arrive, in basis points of it.
    pub(super) most_fee: u16,
    /// Contracts, and the events among [`EVENTS`] that they may emit.
    pub(super) allowed: BTreeSet<(Address, B256)>,
}

/// What is thought of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does what the request says.
    Fine,
    /// It would not succeed now.
    NotNow(String),
    /// It does something else.
    Never(String),
}

/// Whether a call with these effects is the transfer that the request asks for, and nothing else.
pub(super) fn judge(rules: &Rules, transfer: &Transfer, effects: &Effects) -> Verdict {
    if !effects.succeeded {
        return Verdict::NotNow("the call reverts".into());
    }
    match compare_balances(rules, transfer, effects).and_then(|()| read_logs(rules, transfer, effects)) {
        Ok(()) => Verdict::Fine,
        Err(reason) => Verdict::Never(reason),
    }
}

fn compare_balances(rules: &Rules, transfer: &Transfer, effects: &Effects) -> Result<(), String> {
    let Transfer { asset, recipient, amount } = *transfer;
    for (&(account, looked_at), balances) in &effects.balances {
        let named = name(looked_at);
        let (before, after) = match *balances {
            (Some(before), Some(after)) => (before, after),
            // What never tells has nothing to compare; but the asset that is paid has to.
            (None, None) if looked_at != asset => continue,
            _ => return Err(format!("{named} does not tell the balance of {account}: is it a token?")),
        };
        let fallen = before.saturating_sub(after);
        if account == rules.treasury && recipient != rules.treasury {
            let most = if looked_at == asset { amount } else { U256::ZERO };
            if fallen > most {
                return Err(format!(
                    "it takes {fallen} of {named} from the treasury ({before} before, {after} after), not {most}"
                ));
            }
        }
        if account == recipient && looked_at == asset && recipient != rules.treasury {
            let fee = amount.saturating_mul(U256::from(rules.most_fee)) / U256::from(BASIS_POINTS);
            let arrived = after.saturating_sub(before);
            if arrived < amount.saturating_sub(fee) {
                return Err(format!("{arrived} of {named} arrive at {recipient}, not {amount}"));
            }
        }
    }
    Ok(())
}

fn read_logs(rules: &Rules, transfer: &Transfer, effects: &Effects) -> Result<(), String> {
    let mut moved = U256::ZERO;
    for (emitter, log) in &effects.logs {
        let Some(&topic) = log.topics().first() else { continue };
        let of_treasury = log.topics().get(1).is_some_and(|word| Address::from_word(*word) == rules.treasury);
        if topic == event::Transfer::SIGNATURE_HASH && of_treasury {
            // An ERC-721 names its token in a topic, and has no amount.
            let amount = value(log).unwrap_or(U256::MAX);
            let asset = if *emitter == NATIVE { Address::ZERO } else { *emitter };
            if asset != transfer.asset {
                return Err(format!("it moves {} from the treasury, which the request does not ask for", name(asset)));
            }
            moved = moved.saturating_add(amount);
            if moved > transfer.amount {
                let asset = name(asset);
                return Err(format!("it moves {moved} of {asset} from the treasury, not {}", transfer.amount));
            }
        }
        let Some((event, _)) = EVENTS.iter().find(|(_, known)| *known == topic) else { continue };
        let is_about_assets = matches!(topic, event::Approval::SIGNATURE_HASH | event::ApprovalForAll::SIGNATURE_HASH);
        // What others let their assets be used for, and what is taken back, is no matter.
        let is_harmless = is_about_assets && (!of_treasury || value(log) == Some(U256::ZERO));
        if !is_harmless && !rules.allowed.contains(&(*emitter, topic)) {
            return Err(format!("{emitter} emits {event}, which evidence.simulation.allow does not list"));
        }
    }
    Ok(())
}

/// The one word of data, if that is what there is.
fn value(log: &LogData) -> Option<U256> {
    (log.data.len() == 32).then(|| U256::from_be_slice(&log.data))
}

fn name(asset: Address) -> String {
    match asset.is_zero() {
        true => "the native coin".into(),
        false => format!("asset {asset}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TREASURY: Address = Address::repeat_byte(1);
    const RECIPIENT: Address = Address::repeat_byte(2);
    const TOKEN: Address = Address::repeat_byte(3);
    const OTHER: Address = Address::repeat_byte(4);
    const THIEF: Address = Address::repeat_byte(5);

    fn rules(most_fee: u16, allowed: &[(Address, B256)]) -> Rules {
        let assets = BTreeSet::from([Address::ZERO, TOKEN, OTHER]);
        Rules { treasury: TREASURY, assets, most_fee, allowed: allowed.iter().copied().collect() }
    }

    fn transfer(amount: u64) -> Transfer {
        Transfer { asset: TOKEN, recipient: RECIPIENT, amount: U256::from(amount) }
    }

    /// A transfer that takes this much and brings that much.
    fn effects(taken: u64, arrived: u64) -> Effects {
        let balance = |before: u64, after: u64| (Some(U256::from(before)), Some(U256::from(after)));
        let balances = [
            ((TREASURY, Address::ZERO), balance(5, 5)),
            ((TREASURY, TOKEN), balance(1_000_000, 1_000_000 - taken)),
            ((TREASURY, OTHER), balance(7, 7)),
            ((RECIPIENT, TOKEN), balance(10, 10 + arrived)),
        ];
        Effects { succeeded: true, balances: balances.into(), logs: Vec::new() }
    }

    fn emits(emitter: Address, topics: &[B256], data: &[u8]) -> Effects {
        let log = LogData::new_unchecked(topics.to_vec(), data.to_vec().into());
        Effects { logs: vec![(emitter, log)], ..effects(100, 100) }
    }

    fn word(number: u64) -> [u8; 32] {
        U256::from(number).to_be_bytes()
    }

    fn is_refused(verdict: &Verdict, part: &str) -> bool {
        matches!(verdict, Verdict::Never(reason) if reason.contains(part))
    }

    proptest! {
        #[test]
        fn only_what_takes_no_more_and_brings_no_less_is_fine(
            amount in 0..1_000_000u64, taken in 0..1_000_000u64, arrived in 0..1_000_000u64, fee in 0..10_000u16,
        ) {
            let least = amount - (u128::from(amount) * u128::from(fee) / 10_000) as u64;
            let is_fine = taken <= amount && arrived >= least;
            let verdict = judge(&rules(fee, &[]), &transfer(amount), &effects(taken, arrived));
            prop_assert_eq!(verdict == Verdict::Fine, is_fine, "{:?}", verdict);
        }
    }

    #[test]
    fn what_reverts_may_succeed_later() {
        let reverts = Effects { succeeded: false, ..effects(0, 0) };
        assert!(matches!(judge(&rules(0, &[]), &transfer(100), &reverts), Verdict::NotNow(_)));
    }

    #[test]
    fn no_other_asset_of_the_treasury_may_fall_and_any_may_rise() {
        for asset in [Address::ZERO, OTHER] {
            for (after, is_fine) in [(6, false), (7, true), (8, true)] {
                let mut effects = effects(100, 100);
                effects.balances.insert((TREASURY, asset), (Some(U256::from(7)), Some(U256::from(after))));
                let verdict = judge(&rules(0, &[]), &transfer(100), &effects);
                assert_eq!(verdict == Verdict::Fine, is_fine, "{verdict:?}");
            }
        }
    }

    #[test]
    fn an_asset_that_does_not_tell_its_balances_is_not_paid_and_does_not_keep_others_from_it() {
        for (balances, is_fine) in [((None, None), true), ((Some(U256::from(7)), None), false)] {
            let mut effects = effects(100, 100);
            effects.balances.insert((TREASURY, OTHER), balances);
            assert_eq!(judge(&rules(0, &[]), &transfer(100), &effects) == Verdict::Fine, is_fine, "{balances:?}");
        }
        let mut effects = effects(100, 100);
        effects.balances.insert((RECIPIENT, TOKEN), (None, None));
        assert!(is_refused(&judge(&rules(0, &[]), &transfer(100), &effects), "is it a token?"));
    }

    #[test]
    fn whoever_gives_power_is_refused_unless_it_is_listed() {
        for (event, topic) in EVENTS {
            let effects = emits(OTHER, &[topic, TREASURY.into_word(), THIEF.into_word()], &word(1));
            let verdict = judge(&rules(0, &[]), &transfer(100), &effects);
            assert!(is_refused(&verdict, event), "{event}: {verdict:?}");
            for (allowed, is_fine) in [((OTHER, topic), true), ((TOKEN, topic), false), ((OTHER, B256::ZERO), false)] {
                let verdict = judge(&rules(0, &[allowed]), &transfer(100), &effects);
                assert_eq!(verdict == Verdict::Fine, is_fine, "{event}: {verdict:?}");
            }
        }
    }

    #[test]
    fn approvals_of_others_and_those_taken_back_are_no_matter_but_an_erc_721s_is() {
        let [approval, for_all] = [event::Approval::SIGNATURE_HASH, event::ApprovalForAll::SIGNATURE_HASH];
        let (treasury, thief) = (TREASURY.into_word(), THIEF.into_word());
        for (topics, data, is_fine) in [
            (vec![approval, thief, treasury], word(1).to_vec(), true),
            (vec![approval, treasury, thief], word(0).to_vec(), true),
            (vec![for_all, treasury, thief], word(0).to_vec(), true),
            (vec![for_all, treasury, thief], word(1).to_vec(), false),
            (vec![approval, treasury, thief, word(9).into()], Vec::new(), false),
        ] {
            let verdict = judge(&rules(0, &[]), &transfer(100), &emits(TOKEN, &topics, &data));
            assert_eq!(verdict == Verdict::Fine, is_fine, "{verdict:?}");
        }
    }

    #[test]
    fn only_the_asset_that_is_paid_moves_and_no_more_of_it() {
        let topics = [event::Transfer::SIGNATURE_HASH, TREASURY.into_word(), THIEF.into_word()];
        let unknown = Address::repeat_byte(9);
        for (emitter, data, is_fine) in [
            (TOKEN, word(100).to_vec(), true),
            (TOKEN, word(101).to_vec(), false),
            (unknown, word(1).to_vec(), false),
            (NATIVE, word(1).to_vec(), false),
            (TOKEN, Vec::new(), false),
        ] {
            let verdict = judge(&rules(0, &[]), &transfer(100), &emits(emitter, &topics, &data));
            assert_eq!(verdict == Verdict::Fine, is_fine, "{emitter}: {verdict:?}");
        }
        let incoming = [event::Transfer::SIGNATURE_HASH, THIEF.into_word(), TREASURY.into_word()];
        assert_eq!(judge(&rules(0, &[]), &transfer(100), &emits(unknown, &incoming, &word(1))), Verdict::Fine);
    }
}
