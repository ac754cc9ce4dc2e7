//! The call that executes a turn, `RingMultisig.execute`.

use alloy::{
    primitives::{B256, Bytes, U256},
    sol_types::SolCall,
};

use crate::{
    abi::RingMultisig,
    call::{Call, CallError},
    charter::Charter,
    turn::{Turn, TurnId},
};

/// Three bytes with the length of the calls come before them.
const LENGTH: usize = 3;

/// A turn as it is sent: what was signed, by whom, under which charter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The packed id; see [`TurnId::unpack`].
    pub id: U256,
    /// The charter's terms.
    pub terms: B256,
    /// The charter's budget.
    pub budget: B256,
    /// The packed calls.
    pub calls: Bytes,
    /// Who stands behind them; see [`witness`](crate::witness).
    pub witness: Bytes,
}

impl Execution {
    /// A turn of a ring with this charter.
    pub fn new(turn: &Turn, charter: &Charter, witness: Bytes) -> Self {
        let (terms, budget) = (charter.terms(), charter.budget());
        Self { id: turn.id().pack(), terms, budget, calls: turn.packed_calls().clone(), witness }
    }

    /// The call data of `execute`.
    ///
    /// # Errors
    /// `TooLong`: the length of the calls needs more than 24 bits.
    pub fn calldata(&self) -> Result<Bytes, CallError> {
        let Self { id, terms, budget, calls, witness } = self;
        let length = u32::try_from(calls.len()).ok().filter(|length| length >> 24 == 0);
        let length = length.ok_or(CallError::TooLong(calls.len()))?;
        let signed_calls = [&length.to_be_bytes()[1..], calls, witness].concat();
        let call =
            RingMultisig::executeCall { id: *id, terms: *terms, budget: *budget, signedCalls: signed_calls.into() };
        Ok(call.abi_encode().into())
    }

    /// Reads call data. `None`: it is no call of `execute`, or not well formed.
    pub fn decode(calldata: &[u8]) -> Option<Self> {
        let call = RingMultisig::executeCall::abi_decode(calldata).ok()?;
        let (length, rest) = call.signedCalls.split_at_checked(LENGTH)?;
        let length = u32::from_be_bytes([0, length[0], length[1], length[2]]) as usize;
        let (calls, witness) = rest.split_at_checked(length)?;
        let (calls, witness) = (Bytes::copy_from_slice(calls), Bytes::copy_from_slice(witness));
        let RingMultisig::executeCall { id, terms, budget, .. } = call;
        Some(Self { id, terms, budget, calls, witness })
    }

    /// Whether it executes this turn and no other.
    pub fn is_of(&self, turn: &Turn) -> bool {
        self.id == turn.id().pack() && self.calls == *turn.packed_calls()
    }

    /// Its calls.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn unpacked_calls(&self) -> Result<Vec<Call>, CallError> {
        Call::unpack(&self.calls)
    }

    /// Which turn, if the id is one.
    pub fn turn_id(&self) -> Option<TurnId> {
        TurnId::unpack(self.id)
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;
    use crate::Effect;

    fn turn(calls: usize) -> Turn {
        let effect = Effect::Call { target: Address::repeat_byte(1), value: 7, data: vec![5; 60].into() };
        let call = Call { request_id: Default::default(), gas: 9, effect };
        let id = TurnId { ring: 1, epoch: 2, nonce: 3, valid_until: 4 };
        Turn::new(id, vec![call; calls]).unwrap()
    }

    fn execution(turn: &Turn, witness: &[u8]) -> Execution {
        let (terms, budget) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let witness = Bytes::copy_from_slice(witness);
        Execution { id: turn.id().pack(), terms, budget, calls: turn.packed_calls().clone(), witness }
    }

    #[test]
    fn what_is_sent_is_read_as_it_was() {
        for (calls, witness) in [(0, &[][..]), (1, &[2]), (3, &[1; 65]), (900, &[2, 1])] {
            let execution = execution(&turn(calls), witness);
            let read = Execution::decode(&execution.calldata().unwrap());
            assert_eq!(read.as_ref(), Some(&execution));
            assert!(execution.is_of(&turn(calls)) && !execution.is_of(&turn(calls + 1)));
            assert_eq!(execution.turn_id(), Some(turn(0).id()));
        }
    }

    #[test]
    fn call_data_that_ends_early_is_none() {
        let call = |signed_calls: &[u8]| RingMultisig::executeCall {
            id: U256::ZERO,
            terms: B256::ZERO,
            budget: B256::ZERO,
            signedCalls: Bytes::copy_from_slice(signed_calls),
        };
        assert!(Execution::decode(&call(&[0, 0, 0]).abi_encode()).is_some());
        for damaged in [&[][..], &[0, 0], &[0, 0, 1], &[0xff, 0xff, 0xff, 0]] {
            assert_eq!(Execution::decode(&call(damaged).abi_encode()), None);
        }
        assert_eq!(Execution::decode(&[1, 2, 3, 4]), None);
    }
}
