//! What the contract says when it refuses, in sentences.

use alloy::{
    hex,
    primitives::{Address, Bytes, FixedBytes, U256},
    sol_types::{Panic, Revert as Message, SolError, SolInterface},
};
use ring_contracts::RingMultisig::{self, RingMultisigErrors as Refusal};

use crate::{amount, time};

/// Data that a contract reverted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert(pub Bytes);

impl std::fmt::Display for Revert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match RingMultisig::RingMultisigErrors::abi_decode(&self.0) {
            Ok(refusal) => f.write_str(&sentence(refusal)),
            Err(_) => f.write_str(&foreign(&self.0)),
        }
    }
}

fn sentence(refusal: Refusal) -> String {
    match refusal {
        Refusal::ActionExpired(e) => format!(
            "the signature was valid until {} and the chain's time is {}: prepare and sign again",
            date(e.deadline),
            date(e.timestamp)
        ),
        Refusal::AssetInvalid(e) => format!("{} is the contract itself, which cannot be an asset", e.asset),
        Refusal::ArgumentMalformed(e) => format!(
            "the call data for {} with the selector {} has no word {} of arguments, or that word is no address though the \
             permission says so: encode the arguments as the function's signature says",
            e.target,
            selector(e.selector),
            e.word
        ),
        Refusal::CallNotPermitted(e) => format!(
            "the ring may not call {} with the selector {}: the master permits it with `ring-keys permit`",
            e.target,
            selector(e.selector)
        ),
        Refusal::CallsMalformed(e) => format!("the batch of calls is damaged at byte {}", e.offset),
        Refusal::CapExceeded(e) => format!(
            "{} more would exceed the cap of {} in this period, of which {} is spent: wait for the next period, or have the \
             master raise it (`ring-keys allow`, or for one payment `ring-keys permit-payment`)",
            amount::in_words(e.asset, e.amount),
            amount::in_words(e.asset, e.cap),
            e.spent
        ),
        Refusal::CharterInvalid(e) => format!(
            "a charter with {} seats, window {}, quorum {}, a period of {} seconds and {} turns in it cannot work: \
             1 to 32 seats, quorum ≤ window ≤ seats, a period of at least 3600 seconds, 1 to 8388607 turns",
            e.seats, e.window, e.quorum, e.period, e.turnsPerPeriod
        ),
        Refusal::CharterMismatch(e) => format!(
            "the charter given is not the ring's current one (its hash is {}, the chain has {}): \
             the ring was changed meanwhile, prepare again",
            e.actual, e.expected
        ),
        Refusal::ContentsCompatible(e) => format!(
            "the two turns ({} and {}) are one and the same, or one is void: an honest key may sign both, so they prove nothing",
            e.firstDigest, e.secondDigest
        ),
        Refusal::EpochMismatch(e) => format!("the ring is in epoch {}, not {}: sign anew", e.expected, e.actual),
        Refusal::GasTooLow(e) => format!(
            "the transaction leaves {} gas for call {}, which needs {}: send it with more gas",
            e.available, e.index, e.required
        ),
        Refusal::KeyUnknown(e) => {
            format!("{} has no seat in ring {}: `ring-keys ring show --ring {}` lists the seats", e.key, e.ring, e.ring)
        }
        Refusal::LastNonceInvalid(e) => {
            format!("{} cannot be the last nonce: it is at most 2^40 - 2, which means no end", e.lastNonce)
        }
        Refusal::LeaseExpired(e) => format!(
            "the ring's lease ended at {} and the chain's time is {}: the master forms it anew with `ring-keys ring set`",
            date(e.expiresAt),
            date(e.timestamp)
        ),
        Refusal::LeaseUsedUp(e) => format!(
            "the ring's last turn was to be {}, and this would be {}: the master forms it anew with `ring-keys ring set`",
            e.lastNonce, e.nonce
        ),
        Refusal::MasterCallFailed(e) => format!("the master's call failed: {}", foreign(&e.reason)),
        Refusal::MasterGasTooLow(e) => format!(
            "the transaction leaves {} gas for the master's call, which needs {}: send it with more gas",
            e.available, e.required
        ),
        Refusal::MasterInvalid(e) => format!("{} cannot be the master", address(e.master)),
        Refusal::NonceMismatch(e) => format!("the ring is at nonce {}, not {}", e.expected, e.actual),
        Refusal::NotEntitled(e) => format!("{} may not do that", address(e.signer)),
        Refusal::PeriodInvalid(e) => format!("a period has 3600 to 16777215 seconds, not {}", e.period),
        Refusal::PermissionInvalid(e) => format!(
            "calls of {} with the selector {} cannot be permitted: the target is the contract itself, its master or nobody, or \
             a bare transfer says more than where to",
            address(e.target),
            selector(e.selector)
        ),
        Refusal::QuorumMismatch(e) => format!("{} seats have to sign, {} did", e.expected, e.actual),
        Refusal::Reentrancy(_) => "a call made by the contract tried to enter it again".to_owned(),
        Refusal::RingIsHalted(e) => format!("ring {} is halted: the master has to resume it", e.ring),
        Refusal::SeatIsRevoked(e) => {
            format!(
                "the key of seat {} is revoked, and blocks its windows: the master has to give the seat a new key",
                e.seat
            )
        }
        Refusal::RingUnknown(e) => {
            format!(
                "ring {} was never formed: the master forms it with `ring-keys ring set --ring {} …`",
                e.ring, e.ring
            )
        }
        Refusal::SeatInvalid(e) => format!(
            "{} cannot take seat {}: the seat does not exist, or the key is zero, the contract, the master, the guardian, \
             or has a seat already",
            address(e.key),
            e.seat
        ),
        Refusal::SeatOutsideWindow(e) => format!("seat {} is not in the window of this turn", e.seat),
        Refusal::SelfCall(_) => "the contract does not call itself: choose another target".to_owned(),
        Refusal::SenderIsNotSigner(e) => {
            format!("{} was to send the transaction itself, since there is no signature; {} did", e.signer, e.sender)
        }
        Refusal::SignatureInvalid(_) => "the signature is not the signer's, or not of this action".to_owned(),
        Refusal::SignersDiffer(e) => {
            format!("the two turns were signed by two keys, {} and {}: each may be honest", e.first, e.second)
        }
        Refusal::TooManyTurns(e) => format!(
            "all {} turns of this period are taken: send it again when the next begins, at {}",
            e.turnsPerPeriod,
            date(e.nextPeriodAt)
        ),
        Refusal::TurnExpired(e) => {
            format!("the turn was valid until {} and the chain's time is {}", date(e.validUntil), date(e.timestamp))
        }
        Refusal::TurnIdMalformed(e) => {
            format!("the turn's id {:#x} has bits set above the ring: pack it as TurnIdLib.sol says", e.id)
        }
        Refusal::TurnTooSoon(e) => format!(
            "the turn follows the last one too soon: send it again at {}, the chain's time is {}",
            date(e.earliest),
            date(e.timestamp)
        ),
        Refusal::TurnsUnrelated(e) => {
            let turn = |id: U256| {
                format!("ring {}, epoch {}, nonce {}", part(id, 112, 32), part(id, 80, 32), part(id, 40, 40))
            };
            format!(
                "the two turns are not of one nonce ({}; {}): both may be honest, so they prove nothing",
                turn(e.first),
                turn(e.second)
            )
        }
        Refusal::WitnessMalformed(e) => format!("the witness is damaged at byte {}", e.offset),
    }
}

/// What another contract than ours reverted with: a message, a panic, or bytes.
fn foreign(data: &Bytes) -> String {
    if let Ok(message) = Message::abi_decode(data) {
        // Written by whoever wrote the contract: shown as a quotation, so that it cannot pass for our words.
        format!("the contract called answered {:?}", message.reason)
    } else if let Ok(panic) = Panic::abi_decode(data) {
        format!("the contract called panicked: {panic}")
    } else if data.is_empty() {
        "the contract called gave no reason (it lacks code, funds or gas, or refuses without one)".to_owned()
    } else {
        format!("the contract called answered {data}")
    }
}

/// Some bits of a packed word.
fn part(word: U256, shift: usize, bits: usize) -> U256 {
    word >> shift & ((U256::ONE << bits) - U256::ONE)
}

fn date(unix: U256) -> String {
    u64::try_from(unix).ok().filter(|unix| *unix < 1 << 40).map_or_else(|| unix.to_string(), time::in_utc)
}

fn address(address: Address) -> String {
    if address.is_zero() { "the zero address".to_owned() } else { address.to_string() }
}

fn selector(selector: FixedBytes<4>) -> String {
    if selector.is_zero() { "0x00000000 (a bare transfer)".to_owned() } else { hex::encode_prefixed(selector) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_names_its_values() {
        let key = Address::repeat_byte(0x22);
        let text = |data: Vec<u8>| Revert(data.into()).to_string();
        let unknown = text(RingMultisig::KeyUnknown { ring: 7, key }.abi_encode());
        assert!(unknown.contains(&key.to_string()) && unknown.contains("ring 7"), "{unknown}");
        let expired =
            text(RingMultisig::ActionExpired { deadline: U256::from(1), timestamp: U256::from(86_400) }.abi_encode());
        assert!(expired.contains("1970-01-01 00:00:01") && expired.contains("1970-01-02"), "{expired}");
        let cap = U256::from(5);
        let exceeded =
            RingMultisig::CapExceeded { asset: Address::ZERO, cap, spent: U256::from(4), amount: U256::from(2) };
        assert!(text(exceeded.abi_encode()).contains("(2 wei) more would exceed the cap"));
    }

    #[test]
    fn each_refusal_of_the_lease_and_the_velocity_says_until_when_and_what_next() {
        let text = |data: Vec<u8>| Revert(data.into()).to_string();
        let (one, day) = (U256::from(1), U256::from(86_400));
        let cases = [
            (
                RingMultisig::LeaseExpired { expiresAt: one, timestamp: day }.abi_encode(),
                ["1970-01-01 00:00:01", "1970-01-02", "ring set"],
            ),
            (RingMultisig::LeaseUsedUp { lastNonce: one, nonce: day }.abi_encode(), ["1,", "86400", "ring set"]),
            (
                RingMultisig::TurnTooSoon { earliest: day, timestamp: one }.abi_encode(),
                ["1970-01-02", "00:00:01", "again"],
            ),
            (
                RingMultisig::TooManyTurns { turnsPerPeriod: one, nextPeriodAt: day }.abi_encode(),
                ["all 1 turns", "1970-01-02", "again"],
            ),
        ];
        for (data, words) in cases {
            let text = text(data);
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
        let (target, selector) = (Address::repeat_byte(0x22), FixedBytes([1, 2, 3, 4]));
        let refused = text(RingMultisig::CallNotPermitted { target, selector }.abi_encode());
        assert!(refused.contains("0x01020304") && refused.contains("ring-keys permit"), "{refused}");
        let id = |nonce: u64| U256::from(7) << 112 | U256::from(2) << 80 | U256::from(nonce) << 40;
        let unrelated = text(RingMultisig::TurnsUnrelated { first: id(4), second: id(5) }.abi_encode());
        assert!(unrelated.contains("ring 7, epoch 2, nonce 4; ring 7, epoch 2, nonce 5"), "{unrelated}");
    }

    #[test]
    fn a_foreign_reason_is_quoted() {
        let inner = Message { reason: "no\nmoney".to_owned() }.abi_encode();
        let failed = RingMultisig::MasterCallFailed { reason: inner.into() }.abi_encode();
        assert_eq!(
            Revert(failed.into()).to_string(),
            "the master's call failed: the contract called answered \"no\\nmoney\""
        );
        assert!(Revert(Bytes::from_static(&[1, 2, 3])).to_string().contains("0x010203"));
        assert!(Revert(Bytes::new()).to_string().contains("no reason"));
    }
}
