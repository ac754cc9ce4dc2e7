//! Whatever logs an RPC answers with: never a panic, and what is taken for a turn is what its log says, word for word.

use alloy::primitives::{Bytes, Log as Inner, LogData, U256};
use proptest::{
    prelude::*,
    sample::{Index, select},
};
use ring_contracts::{IERC20, Permissions};

use super::*;

const CONTRACT: Address = Address::repeat_byte(0xc0);
const RING: u32 = 7;
const HEAD: u64 = 20;

fn head() -> Header {
    Header { number: HEAD, hash: B256::repeat_byte(0x20), parent: B256::repeat_byte(0x1f), time: 1_000 }
}

fn read(logs: &[Log]) -> Result<Turns, Fault> {
    let pieces = Pieces { contract: CONTRACT, ring: RING, most_blocks: 100, chunk: 100 };
    pieces.turns_of(logs, 0..=HEAD, head())
}

fn log(topics: Vec<B256>, data: Vec<u8>) -> Log {
    Log {
        inner: Inner { address: CONTRACT, data: LogData::new_unchecked(topics, data.into()) },
        block_hash: Some(B256::repeat_byte(1)),
        block_number: Some(3),
        block_timestamp: None,
        transaction_hash: Some(B256::repeat_byte(2)),
        transaction_index: Some(0),
        log_index: Some(0),
        removed: false,
    }
}

fn of_event(event: &impl alloy::sol_types::SolEvent) -> Log {
    let data = event.encode_log_data();
    log(data.topics().to_vec(), data.data.to_vec())
}

prop_compose! {
    /// The event of a turn of this ring.
    fn executed()(
        epoch: u32, nonce in 0..1u64 << 40, valid_until in 0..1u64 << 40, digest: [u8; 32],
        ids in prop::collection::vec(any::<[u8; 16]>(), 0..5),
    ) -> RingMultisig::TurnExecuted {
        let id = TurnId { ring: RING, epoch, nonce, valid_until }.pack();
        RingMultisig::TurnExecuted { id, digest: digest.into(), requestIds: ids.concat().into() }
    }
}

/// Words that matter in an encoding: offsets, lengths, and such as no honest one has.
fn word() -> impl Strategy<Value = [u8; 32]> {
    prop_oneof![
        any::<[u8; 32]>(),
        select(vec![0u64, 1, 16, 31, 32, 33, 64, 96, 1 << 31, u64::MAX])
            .prop_map(|word| U256::from(word).to_be_bytes()),
        Just(U256::MAX.to_be_bytes()),
    ]
}

/// A log with any topics, known ones more often than not, and any data.
fn any_log() -> impl Strategy<Value = Log> {
    let known = vec![RingMultisig::TurnExecuted::SIGNATURE_HASH, RingMultisig::CallFailed::SIGNATURE_HASH];
    let first = prop_oneof![4 => select(known).boxed(), 1 => any::<[u8; 32]>().prop_map(B256::from).boxed()];
    let rest = prop::collection::vec(word().prop_map(B256::from), 0..3);
    let topics = prop_oneof![
        9 => (first, rest).prop_map(|(first, rest)| [vec![first], rest].concat()),
        1 => Just(Vec::new()),
    ];
    let words = prop::collection::vec(word(), 0..8).prop_map(|words| words.concat());
    let data = prop_oneof![words, prop::collection::vec(any::<u8>(), 0..200)];
    (topics, data).prop_map(|(topics, data)| log(topics, data))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_event_of_a_turn_is_read_as_it_was_written(event in executed()) {
        let turns = read(&[of_event(&event)]).unwrap();
        let turn = turns.into_values().next().unwrap();
        let id = TurnId::unpack(event.id).unwrap();
        prop_assert_eq!((turn.nonce, turn.digest), (id.nonce, event.digest));
        prop_assert_eq!(turn.requests.iter().flat_map(|id| id.0).collect::<Vec<u8>>(), event.requestIds.to_vec());
    }

    #[test]
    fn any_log_is_refused_or_says_the_same_when_it_is_written_again(any in any_log()) {
        check_alone(&any)?;
    }

    #[test]
    fn a_damaged_log_is_refused_or_says_the_same_when_it_is_written_again(
        event in executed(), changes in prop::collection::vec((any::<Index>(), word()), 1..3), cut in any::<Option<Index>>(),
    ) {
        let mut damaged = of_event(&event);
        let mut data = damaged.inner.data.data.to_vec();
        for (at, word) in changes {
            let start = 32 * at.index(data.len() / 32);
            data[start..start + 32].copy_from_slice(&word);
        }
        if let Some(at) = cut {
            data.truncate(at.index(data.len()));
        }
        damaged.inner.data.data = data.into();
        check_alone(&damaged)?;
    }

    #[test]
    fn many_logs_are_refused_or_are_turns_of_different_nonces(
        turns in prop::collection::vec(executed(), 0..3), others in prop::collection::vec(any_log(), 0..2),
        missing: bool, removed: bool, block in prop::option::of(0u64..30),
    ) {
        let mut logs: Vec<Log> = turns.iter().map(of_event).chain(others).collect();
        if let Some(first) = logs.first_mut() {
            first.block_hash = (!missing).then_some(B256::repeat_byte(1));
            first.removed = removed;
            first.block_number = block;
            let is_wrong = missing || removed || block.is_none_or(|block| block >= HEAD);
            prop_assert!(!is_wrong || read(&logs).is_err());
        }
        let _ = read(&logs);
    }

    #[test]
    fn a_failed_call_without_its_turn_is_refused(nonce in 0u64..1 << 40, index: u64, id: [u8; 16]) {
        let failed = RingMultisig::CallFailed {
            ring: RING,
            nonce: alloy::primitives::aliases::U40::from(nonce),
            index: U256::from(index),
            requestId: id.into(),
        };
        prop_assert!(matches!(read(&[of_event(&failed)]), Err(Fault::Inconsistent(_))));
    }

    #[test]
    fn no_answer_of_a_contract_makes_its_decoder_panic(
        words in prop::collection::vec(word(), 0..12), rest in prop::collection::vec(any::<u8>(), 0..31),
    ) {
        use alloy::sol_types::SolCall as _;
        let answer = [words.concat(), rest].concat();
        let _ = RingMultisig::getRingCall::abi_decode_returns(&answer);
        let _ = RingMultisig::getLimitsCall::abi_decode_returns(&answer);
        let _ = RingMultisig::masterCall::abi_decode_returns(&answer);
        let _ = IERC20::balanceOfCall::abi_decode_returns(&answer);
        if let Ok(permissions) = RingMultisig::getPermissionsCall::abi_decode_returns(&answer) {
            let permissions = Permissions::new(permissions.into_iter().map(Into::into));
            let _ = permissions.charges(CONTRACT, U256::ZERO, &answer);
        }
    }
}

/// One log: refused, or of another ring, or exactly the log of the turn that was understood.
fn check_alone(log: &Log) -> Result<(), TestCaseError> {
    let Ok(turns) = read(std::slice::from_ref(log)) else { return Ok(()) };
    let Some(turn) = turns.into_values().next() else { return Ok(()) };
    let requests: Bytes = turn.requests.iter().flat_map(|id| id.0).collect::<Vec<u8>>().into();
    let id = U256::from_be_slice(&log.inner.data.data[..32]);
    let again = RingMultisig::TurnExecuted { id, digest: turn.digest, requestIds: requests };
    prop_assert_eq!(&again.encode_log_data(), &log.inner.data);
    prop_assert_eq!(TurnId::unpack(id).map(|id| (id.ring, id.nonce)), Some((RING, turn.nonce)));
    Ok(())
}
