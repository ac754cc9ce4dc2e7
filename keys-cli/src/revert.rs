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
        Refusal::CallNotPermitted(e) => {
            format!("the ring may not call {} with the selector {}", e.target, selector(e.selector))
        }
        Refusal::CallsMalformed(e) => format!("the batch of calls is damaged at byte {}", e.offset),
        Refusal::CapExceeded(e) => format!(
            "{} more would exceed the cap of {} in this period, of which {} is spent",
            amount::in_words(e.asset, e.amount),
            amount::in_words(e.asset, e.cap),
            e.spent
        ),
        Refusal::CharterInvalid(e) => format!(
            "a charter with {} seats, window {}, quorum {} and a period of {} seconds cannot work: \
             1 to 32 seats, quorum ≤ window ≤ seats, a period of at least 3600 seconds",
            e.seats, e.window, e.quorum, e.period
        ),
        Refusal::CharterMismatch(e) => format!(
            "the charter given is not the ring's current one (its hash is {}, the chain has {}): \
             the ring was changed meanwhile, prepare again",
            e.actual, e.expected
        ),
        Refusal::EpochMismatch(e) => format!("the ring is in epoch {}, not {}: sign anew", e.expected, e.actual),
        Refusal::GasTooLow(e) => format!(
            "the transaction leaves {} gas for call {}, which needs {}: send it with more gas",
            e.available, e.index, e.required
        ),
        Refusal::KeyUnknown(e) => {
            format!("{} has no seat in ring {}: `ring-keys ring show --ring {}` lists the seats", e.key, e.ring, e.ring)
        }
        Refusal::MasterCallFailed(e) => format!("the master's call failed: {}", foreign(&e.reason)),
        Refusal::MasterInvalid(e) => format!("{} cannot be the master", address(e.master)),
        Refusal::NonceMismatch(e) => format!("the ring is at nonce {}, not {}", e.expected, e.actual),
        Refusal::NotEntitled(e) => format!("{} may not do that", address(e.signer)),
        Refusal::PeriodInvalid(e) => format!("a period has 3600 to 16777215 seconds, not {}", e.period),
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
        Refusal::TurnExpired(e) => {
            format!("the turn was valid until {} and the chain's time is {}", date(e.validUntil), date(e.timestamp))
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
