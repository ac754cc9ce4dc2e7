//! The real process, asked for everything by a relayer that is no longer its owner's.

#![allow(clippy::unwrap_used)] // Here a panic is a test that fails, and says where.

mod process;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "memory")]
mod unlocked;
#[cfg(feature = "vsock")]
mod vsock;

use std::{
    fs,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Output},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    signers::{SignerSync as _, local::PrivateKeySigner},
    sol_types::SolCall as _,
};
use ring_contracts::{
    Call, Charter, Domain, Effect, Execution, Halt, IERC20, Request, RequestId, SignedRequest, Turn, TurnId,
};
use ring_signer::message::{self, Answer, Question, Transaction};

use process::{Enclave, PROGRAM, Way};

const DOMAIN: Domain = Domain { chain_id: 31_337, contract: Address::repeat_byte(1) };
const RING: u32 = 7;
const TOKEN: Address = Address::repeat_byte(0xaa);
const PAYEE: Address = Address::repeat_byte(0xb0);
const GWEI: u64 = 1_000_000_000;
const FAR: u64 = 4_000_000_000;

fn key(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[number; 32]).unwrap()
}

fn request(to: Address, amount: u64) -> Request {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = RequestId::left_padding_from(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let data = IERC20::transferCall { to, value: U256::from(amount) }.abi_encode().into();
    Request { id, ring: RING, target: TOKEN, value: 0, data, gas: 60_000, expiry: FAR }
}

fn signed(by: u8, request: &Request) -> SignedRequest {
    let signature = key(by).sign_hash_sync(&request.digest(&DOMAIN)).unwrap();
    SignedRequest { request: request.clone(), signature: signature.as_bytes().into() }
}

fn turn(nonce: u64, requests: &[&Request]) -> Turn {
    let id = TurnId { ring: RING, epoch: 1, nonce, valid_until: FAR };
    Turn::new(id, requests.iter().map(|request| request.to_call(TOKEN)).collect()).unwrap()
}

fn charter() -> Charter {
    Charter {
        seats: (0x11..=0x13).map(|number| key(number).address()).collect(),
        window: 2,
        quorum: 2,
        asset: TOKEN,
        cap: 1_000,
        period: 86_400,
        turns_per_period: 1_000,
        interval: 0,
        expires_at: Charter::NO_EXPIRY,
        last_nonce: Charter::NO_LAST_NONCE,
    }
}

fn transaction(calldata: Bytes) -> Transaction {
    Transaction { nonce: 0, gas_limit: 200_000, max_fee_per_gas: GWEI, max_priority_fee_per_gas: 1, calldata }
}

fn execution(turn: &Turn) -> Bytes {
    Execution::new(turn, &charter(), Bytes::new()).calldata().unwrap()
}

/// In each way that this build has: over a socket and over TLS, with the key in one process and one-shot.
fn in_each_way(test: impl Fn(Enclave)) {
    for way in Way::ALL {
        for one_shot in [false, true] {
            test(Enclave::started(*way, one_shot));
        }
    }
}

#[test]
fn a_relayer_that_asks_for_everything_gets_what_the_policy_allows_and_one_content_for_a_turn() {
    in_each_way(|mut enclave| {
        let wanted = request(PAYEE, 100);
        let right = turn(1, &[&wanted]);
        assert!(enclave.signs_turn(&right, &[signed(2, &wanted)]));
        assert!(enclave.signs_turn(&right, &[]), "the same again needs no proof");

        let other = request(PAYEE, 1);
        let second = Question::Turn { turn: turn(1, &[&other]), requests: vec![signed(2, &other)] };
        assert!(enclave.why(&second).contains("was signed with another content"));
        let later = Turn::new(TurnId { valid_until: FAR - 1, ..right.id() }, right.calls().to_vec()).unwrap();
        assert!(!enclave.signs_turn(&later, &[signed(2, &wanted)]), "another deadline is another content");

        // Nobody asked; somebody else did; too much; another token; another function; coin; another ring.
        assert!(!enclave.signs_turn(&turn(2, &[&other]), &[]));
        assert!(!enclave.signs_turn(&turn(2, &[&other]), &[signed(3, &other)]));
        let forbidden = [
            request(PAYEE, 101),
            Request { target: Address::repeat_byte(0xab), ..request(PAYEE, 1) },
            Request { data: vec![0x09, 0x5e, 0xa7, 0xb3].into(), ..request(PAYEE, 1) },
            Request { target: PAYEE, value: 1, data: Bytes::new(), ..request(PAYEE, 1) },
        ];
        for forbidden in forbidden {
            assert!(!enclave.signs_turn(&turn(2, &[&forbidden]), &[signed(2, &forbidden)]), "{forbidden:?}");
        }
        let elsewhere = Request { ring: 8, ..request(PAYEE, 1) };
        let of_another_ring =
            Turn::new(TurnId { ring: 8, nonce: 2, ..right.id() }, vec![elsewhere.to_call(TOKEN)]).unwrap();
        assert!(!enclave.signs_turn(&of_another_ring, &[signed(2, &elsewhere)]));
        assert!(!enclave.signs_turn(&Turn::void(8, 1, 2), &[]));
        assert!(
            !enclave.signs_turn(&Turn::new(TurnId { nonce: 9, ..right.id() }, vec![]).unwrap(), &[]),
            "an odd void"
        );

        // 100 of the day's 250 are spent.
        let [a, b] = [100, 51].map(|amount| request(PAYEE, amount));
        assert!(enclave.signs_turn(&turn(3, &[&a]), &[signed(2, &a)]));
        let over = Question::Turn { turn: turn(4, &[&b]), requests: vec![signed(2, &b)] };
        assert!(enclave.why(&over).contains("of this day"));

        assert!(enclave.signs(&Question::Halt { epoch: 5 }, Halt { ring: RING, epoch: 5 }.digest(&DOMAIN)));
        assert!(enclave.why(&Question::Refill { time: 1 }).contains("[policy.refill]"));

        // Not even by killing it, which a relayer's host can.
        enclave.kill();
        enclave.start();
        assert!(enclave.why(&second).contains("was signed with another content"));
        assert!(enclave.why(&over).contains("of this day"));
        assert!(enclave.signs_turn(&right, &[]));

        let void = Turn::void(RING, 1, 1);
        assert!(enclave.signs_turn(&void, &[]), "the void is always safe");
        assert!(enclave.signs_turn(&Turn::void(RING, 1, 2), &[]));
        let after = Question::Turn { turn: turn(2, &[&other]), requests: vec![signed(2, &other)] };
        assert!(enclave.why(&after).contains("voided"));
    });
}

#[test]
fn a_transaction_executes_what_was_signed_or_halts_and_nothing_else() {
    in_each_way(|enclave| {
        let wanted = request(PAYEE, 10);
        let (right, void) = (turn(1, &[&wanted]), Turn::void(RING, 1, 2));
        let ask = |transaction: &Transaction| {
            enclave.signs(&Question::Transaction(transaction.clone()), transaction.digest(&DOMAIN))
        };
        let executing = |turn: &Turn| transaction(execution(turn));
        assert!(!ask(&executing(&right)), "not signed yet");
        assert!(enclave.signs_turn(&right, &[signed(2, &wanted)]));
        assert!(enclave.signs_turn(&void, &[]));
        assert!(ask(&executing(&right)));
        assert!(ask(&executing(&void)));

        let other = turn(1, &[&request(PAYEE, 9)]);
        assert!(!ask(&executing(&other)));
        assert!(!ask(&executing(&Turn::void(RING, 1, 1))), "a void that was not signed");
        let mut dirty = Execution::decode(&execution(&right)).unwrap();
        dirty.id |= U256::ONE << 200;
        assert!(!ask(&transaction(dirty.calldata().unwrap())));
        let charter = charter();
        let halt = Halt { ring: RING, epoch: 1 }.calldata(&charter, key(0x11).address(), Bytes::new());
        assert!(ask(&transaction(halt.clone())));
        for calldata in [Bytes::new(), IERC20::transferCall { to: PAYEE, value: U256::ONE }.abi_encode().into()] {
            assert!(!ask(&transaction(calldata)));
        }
        for calldata in [halt, execution(&right)] {
            let dear = Transaction { max_fee_per_gas: GWEI + 1, ..transaction(calldata) };
            assert!(enclave.why(&Question::Transaction(dear)).contains("policy.max_fee"));
        }
    });
}

#[test]
fn there_is_no_question_that_has_a_bare_digest_signed() {
    in_each_way(|enclave| {
        let digest = keccak256("anything");
        let call = Call { request_id: RequestId::ZERO, gas: 1, effect: Effect::Pay { to: PAYEE, amount: 1 } };
        let packed = turn(1, &[]).packed_calls().clone();
        assert!(packed.is_empty());
        let broken = [&[9u8][..], &[0; 60]].concat();
        let id = serde_json::json!({ "ring": RING, "epoch": 1, "nonce": 1, "validUntil": FAR });
        for question in [
            serde_json::json!({ "type": "digest", "digest": digest }),
            serde_json::json!({ "type": "turn", "digest": digest }),
            serde_json::json!({ "type": "turn", "turn": { "id": id, "calls": digest }, "requests": [] }),
            serde_json::json!({ "type": "turn", "turn": { "id": id, "calls": Bytes::from(broken) }, "requests": [] }),
            serde_json::json!({ "type": "halt", "epoch": 1, "digest": digest }),
            serde_json::json!({ "type": "halt", "epoch": -1 }),
            serde_json::json!(null),
            serde_json::json!([1, 2]),
        ] {
            let mut connection = enclave.connect();
            message::write(&mut connection, &question).unwrap();
            let answer: Answer = message::read(&mut connection).unwrap();
            assert!(matches!(answer, Answer::Refused { .. }), "{question}: {answer:?}");
        }
        // Too long, nonsense, and nothing at all: others are still answered.
        let huge = [&u32::MAX.to_be_bytes()[..], b"[[[["].concat();
        for bytes in [huge, [&4u32.to_be_bytes()[..], b"\xff\xfe{{"].concat()] {
            let mut connection = enclave.connect();
            connection.write_all(&bytes).unwrap();
            connection.flush().unwrap();
            assert!(matches!(message::read(&mut connection), Ok(Answer::Refused { .. })));
        }
        drop(enclave.connect());
        let _silent: Vec<_> = (0..3).map(|_| enclave.connect()).collect();
        assert!(matches!(enclave.ask(&Question::Identity), Answer::Identity { ring: RING, .. }));
        assert!(!enclave.signs_turn(&Turn::new(turn(1, &[]).id(), vec![call]).unwrap(), &[]));
    });
}

#[test]
fn of_many_contents_at_once_one_is_signed() {
    in_each_way(|enclave| {
        let requests: Vec<Request> = (1..=20).map(|amount| request(PAYEE, amount)).collect();
        let signed: Vec<bool> = thread::scope(|scope| {
            let ask = |request| enclave.signs_turn(&turn(1, &[request]), &[signed(2, request)]);
            let asking: Vec<_> = requests.iter().map(|request| scope.spawn(move || ask(request))).collect();
            asking.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        assert_eq!(signed.iter().filter(|signed| **signed).count(), 1);
    });
}

#[test]
fn without_its_guard_or_with_anothers_key_it_does_not_start() {
    let enclave = Enclave::new(Way::Unix, false);
    assert!(enclave.run("--check").status.success());
    let said = |output: Output| String::from_utf8(output.stderr).unwrap();
    let again = enclave.run("--new-guard");
    assert!(!again.status.success() && said(again).contains("guard"), "a guard is never made twice");
    fs::rename(enclave.path("guard"), enclave.path("elsewhere")).unwrap();
    let without = enclave.run("--check");
    assert!(!without.status.success());
    assert!(said(without).contains("--new-guard"));
    fs::rename(enclave.path("elsewhere"), enclave.path("guard")).unwrap();
    fs::write(enclave.path("key"), "22".repeat(32)).unwrap();
    assert!(said(enclave.run("--check")).contains("one of them is wrong"));
    for arguments in [&[][..], &["--what"], &["--what", "file"], &["a", "b", "c"]] {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn another_user_is_not_answered() {
    let mut enclave = Enclave::new(Way::Unix, false);
    let path = enclave.path("signer.toml");
    let own = format!("client_uid = {}", rustix::process::getuid().as_raw());
    let text = fs::read_to_string(&path).unwrap().replace(&own, "client_uid = 4242424");
    fs::write(&path, text).unwrap();
    enclave.start();
    let mut connection = enclave.connect();
    let _ = message::write(&mut connection, &Question::Identity);
    assert!(message::read::<Answer>(&mut connection).is_err());
    let (theirs, _ours) = UnixStream::pair().unwrap();
    assert!(enclave.answers(OwnedFd::from(theirs)).unwrap_err().contains("client_uid is 4242424"));
}

/// Whatever one process of it knows, it is shut in, and nobody of the same user reads its memory.
#[test]
fn the_process_has_no_new_privileges_a_filter_of_system_calls_and_no_core_dumps() {
    for way in Way::ALL {
        let enclave = Enclave::started(*way, false);
        // It listens before it shuts itself in, and answers after that.
        assert!(matches!(enclave.ask(&Question::Identity), Answer::Identity { .. }));
        enclave.is_shut_in();
        let limits = fs::read_to_string(format!("/proc/{}/limits", enclave.id())).unwrap();
        assert!(limits.lines().any(|line| line.starts_with("Max core file size        0")), "{limits}");
        assert!(limits.lines().any(|line| line.starts_with("Max data size             268435456")), "{limits}");
    }
}
