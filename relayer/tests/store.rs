//! The store and the signer: what is signed was reserved on disk before, once.

#![allow(clippy::unwrap_used)] // Here a panic is a test that fails, and says where.

use std::{fs, path::PathBuf};

use alloy::{
    consensus::TxEip1559,
    primitives::{TxKind, U256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use ring_contracts::{
    Address, B256, Bytes, Call, Charter, CompactSignature, Domain, Effect, Execution, Halt, Request, RequestId,
    SignedRequest, Turn, TurnId,
};
use ring_core::{Halt as HaltReason, Message, Outcome, Record, Settled};
use ring_relayer::{
    chain::{TransactionSigner, Wanted},
    signer::{KeystoreSigner, Permit, Signer, SignerError},
    store::{Change, DurableReservation, Identity, Location, Place, Store, StoreError},
};
use tempfile::TempDir;

const DOMAIN: Domain = Domain { chain_id: 31_337, contract: Address::repeat_byte(0xcc) };
const PASSWORD: &str = "only for this test";

struct Bench {
    folder: TempDir,
    key: PrivateKeySigner,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let key = PrivateKeySigner::random();
        let (mut random, secret) = (rand::thread_rng(), key.to_bytes());
        PrivateKeySigner::encrypt_keystore(folder.path(), &mut random, secret, PASSWORD, Some("key.json")).unwrap();
        let bench = Self { folder, key };
        bench.write_secret("password", PASSWORD);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_secret(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn location(&self) -> Location {
        Location::file(self.path("store"))
    }

    fn identity(&self) -> Identity {
        Identity { domain: DOMAIN, ring: 1, key: self.key.address() }
    }

    fn signer(&self) -> KeystoreSigner {
        KeystoreSigner::open(&self.path("key.json"), &self.path("password"), DOMAIN).unwrap()
    }

    fn create(&self) -> Store {
        let mut store = Store::create(&self.location(), self.identity()).unwrap();
        store.set_own_seat(0);
        store.commit(&[Record::Joined { epoch: 3, nonce: 0 }]).unwrap();
        store
    }

    /// Damages the file.
    fn alter(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.path("store")).unwrap();
        assert_eq!(connection.execute(sql, ()).unwrap(), 1, "{sql}");
    }

    fn open(&self) -> Result<(Store, Vec<Record>), StoreError> {
        Store::open(&self.location(), self.identity())
    }
}

fn request(number: u8) -> SignedRequest {
    let request = Request {
        id: RequestId::repeat_byte(number),
        ring: 1,
        target: Address::repeat_byte(1),
        value: 1,
        data: Bytes::new(),
        gas: 50_000,
        expiry: 1_000,
    };
    // The store believes the state machine, which has checked it.
    SignedRequest { request, signature: Default::default() }
}

fn finality(nonce: u64, settled: Vec<(RequestId, Outcome)>) -> Record {
    Record::Final { nonce, digest: B256::ZERO, block: nonce, settled }
}

fn turn(nonce: u64, amount: u128) -> Turn {
    let effect = Effect::Pay { to: Address::repeat_byte(1), amount };
    let call = Call { request_id: RequestId::repeat_byte(7), gas: 50_000, effect };
    Turn::new(TurnId { ring: 1, epoch: 3, nonce, valid_until: 1_000 }, vec![call]).unwrap()
}

fn reserve(turn: &Turn) -> [Record; 2] {
    let digest = turn.digest(&DOMAIN);
    [Record::Content(turn.clone()), Record::Reserved { nonce: turn.id().nonce, digest, void: false }]
}

fn vote(turn: &Turn, key: &PrivateKeySigner) -> Record {
    let digest = turn.digest(&DOMAIN);
    let signature = CompactSignature::from(key.sign_hash_sync(&digest).unwrap());
    Record::Voted { nonce: turn.id().nonce, digest, seat: 0, signature }
}

fn reserved(store: &mut Store, turn: &Turn) -> DurableReservation {
    store.commit(&reserve(turn)).unwrap();
    store.reservation(turn.id().nonce, turn.digest(&DOMAIN)).unwrap().unwrap()
}

#[test]
fn what_was_committed_is_there_after_a_restart_in_order() {
    let bench = Bench::new();
    let mut store = bench.create();
    let mut expected = vec![Record::Joined { epoch: 3, nonce: 0 }];
    for nonce in 0..5 {
        let [content, reserved] = reserve(&turn(nonce, 1));
        let records = [content, reserved, vote(&turn(nonce, 1), &bench.key)];
        store.commit(&records).unwrap();
        expected.extend(records);
    }
    let halted = [Record::Halted(HaltReason::HaltedOnChain)];
    store.commit(&halted).unwrap();
    expected.extend(halted);
    store.close();
    assert_eq!(bench.open().unwrap().1, expected);
}

#[tokio::test]
async fn only_what_is_reserved_on_disk_can_be_signed() {
    let bench = Bench::new();
    let mut store = bench.create();
    let content = turn(0, 1);
    store.commit(&[Record::Content(content.clone())]).unwrap();
    let digest = content.digest(&DOMAIN);
    assert!(store.reservation(0, digest).unwrap().is_none(), "agreeing is not reserving");

    store.commit(&[Record::Reserved { nonce: 0, digest, void: false }]).unwrap();
    let reservation = store.reservation(0, digest).unwrap().unwrap();
    let signature = bench.signer().sign_turn(&reservation).await.unwrap();
    assert_eq!(signature.recover(&digest), Ok(bench.key.address()));
    assert!(store.reservation(1, digest).unwrap().is_none(), "another nonce is another reservation");
}

#[test]
fn a_nonce_has_one_content_and_beside_it_the_void() {
    let bench = Bench::new();
    let mut store = bench.create();
    store.commit(&reserve(&turn(0, 1))).unwrap();
    let void = Turn::void(1, 3, 0).digest(&DOMAIN);
    store.commit(&[Record::Reserved { nonce: 0, digest: void, void: true }]).unwrap();
    assert_eq!(*store.reservation(0, void).unwrap().unwrap().turn(), Turn::void(1, 3, 0));

    let second = store.commit(&reserve(&turn(0, 2)));
    assert!(matches!(second, Err(StoreError::Database(_))), "{second:?}");
    store.close();
    let (_, records) = bench.open().unwrap();
    assert!(!records.contains(&Record::Content(turn(0, 2))), "a refused commit leaves nothing behind");
}

#[test]
fn an_own_signature_without_a_reservation_cannot_be_written() {
    let bench = Bench::new();
    let mut store = bench.create();
    store.commit(&[Record::Content(turn(0, 1))]).unwrap();
    assert!(matches!(store.commit(&[vote(&turn(0, 1), &bench.key)]), Err(StoreError::Database(_))));
}

#[test]
fn a_missing_store_is_refused_and_an_existing_one_is_not_overwritten() {
    let bench = Bench::new();
    assert!(matches!(bench.open(), Err(StoreError::Missing(_))));
    bench.create().close();
    assert!(matches!(Store::create(&bench.location(), bench.identity()), Err(StoreError::Exists(_))));
    assert_eq!(bench.open().unwrap().1.len(), 1);
}

#[test]
fn a_second_process_of_the_seat_is_refused() {
    let bench = Bench::new();
    let store = bench.create();
    assert!(matches!(bench.open(), Err(StoreError::InUse(_))));
    store.close();
    bench.open().unwrap();
}

#[test]
fn a_store_of_another_seat_ring_or_chain_is_refused() {
    let bench = Bench::new();
    bench.create().close();
    let others = [
        Identity { key: Address::repeat_byte(9), ..bench.identity() },
        Identity { ring: 2, ..bench.identity() },
        Identity { domain: Domain { chain_id: 1, ..DOMAIN }, ..bench.identity() },
    ];
    for other in others {
        let opened = Store::open(&bench.location(), other);
        assert!(matches!(opened, Err(StoreError::OtherIdentity { .. })), "{opened:?}");
    }
}

#[tokio::test]
async fn a_record_changed_removed_or_inserted_is_found() {
    let damages = [
        "UPDATE journal SET record = replace(record, '\"nonce\":1', '\"nonce\":2') WHERE seq = 5",
        "DELETE FROM journal WHERE seq = 3",
        "DELETE FROM journal WHERE seq = 5",
        "DELETE FROM live WHERE seq = 3",
        "UPDATE live SET seq = 9 WHERE seq = 5",
        "INSERT INTO journal SELECT seq + 1, epoch, nonce, record, checksum FROM journal WHERE seq = 5",
        "UPDATE totals SET live = live + 1",
        "DELETE FROM totals",
    ];
    for damage in damages {
        let bench = Bench::new();
        let mut store = bench.create();
        store.commit(&reserve(&turn(0, 1))).unwrap();
        store.commit(&reserve(&turn(1, 1))).unwrap();
        store.close();
        bench.alter(damage);
        let opened = bench.open().map(|(_, records)| records);
        assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{damage}: {opened:?}");
    }
}

#[test]
fn damage_to_what_a_start_does_not_read_is_found_by_reading_all() {
    let bench = Bench::new();
    let mut store = bench.create();
    store.commit(&reserve(&turn(0, 1))).unwrap();
    store.commit(&[finality(0, vec![])]).unwrap();
    assert_eq!(store.verify().unwrap(), 4);
    store.close();
    for damage in [
        "UPDATE journal SET record = replace(record, '\"nonce\":0', '\"nonce\":7') WHERE seq = 2",
        "UPDATE journal SET checksum = zeroblob(32) WHERE seq = 3",
    ] {
        bench.alter(damage);
        let (store, _) = bench.open().unwrap();
        let verified = store.verify();
        assert!(matches!(verified, Err(StoreError::Damaged { .. })), "{damage}: {verified:?}");
        store.close();
    }
}

#[test]
fn a_start_reads_what_is_open_and_no_history() {
    let bench = Bench::new();
    let mut store = bench.create();
    let [ended, expired, open] = [1, 2, 3].map(request);
    store.commit(&[&ended, &expired, &open].map(|signed| Record::Request(signed.clone()))).unwrap();
    for nonce in 0..2 {
        store.commit(&reserve(&turn(nonce, 1))).unwrap();
        store.commit(&[vote(&turn(nonce, 1), &bench.key)]).unwrap();
    }
    let executed = Outcome::Executed { nonce: 0, transaction: B256::ZERO };
    let first = finality(0, vec![(ended.request.id, executed)]);
    let second = finality(1, vec![]);
    let settled = Record::Settled { request: expired.request.id, outcome: Outcome::Expired };
    store.commit(&[first, settled]).unwrap();
    let [content, reserved] = reserve(&turn(2, 1));
    store.commit(&[second.clone(), content.clone(), reserved.clone()]).unwrap();
    store.close();
    let joined = Record::Joined { epoch: 3, nonce: 0 };
    assert_eq!(bench.open().unwrap().1, [joined, Record::Request(open), second, content, reserved]);
}

#[test]
fn an_end_is_found_by_id_and_stays_the_first() {
    let bench = Bench::new();
    let mut store = bench.create();
    let (known, foreign) = (request(1), RequestId::repeat_byte(0xee));
    store.commit(&[Record::Request(known.clone())]).unwrap();
    let id = known.request.id;
    assert!(store.settled([id, foreign]).unwrap().is_empty());

    let executed = Outcome::Executed { nonce: 0, transaction: B256::ZERO };
    let again = Outcome::Disputed { nonce: 1, transaction: B256::ZERO };
    store.commit(&[finality(0, vec![(id, executed), (foreign, executed)])]).unwrap();
    store.commit(&[finality(1, vec![(id, again), (foreign, again)])]).unwrap();
    store.close();
    let (mut store, _) = bench.open().unwrap();
    let past = store.settled([id, foreign]).unwrap();
    assert_eq!(past[&id], Settled { digest: Some(known.request.digest(&DOMAIN)), outcome: executed });
    assert_eq!(past[&foreign], Settled { digest: None, outcome: executed });

    let taken_again = store.commit(&[Record::Request(known)]);
    assert!(matches!(taken_again, Err(StoreError::Database(_))), "{taken_again:?}");
}

/// What the store says of a request in a change.
fn told(history: &[Change]) -> Vec<String> {
    history.iter().map(|change| serde_json::to_value(&change.event).unwrap()["status"].to_string()).collect()
}

#[test]
fn the_history_is_read_in_pieces_from_any_place_and_a_request_ends_in_it_once() {
    let bench = Bench::new();
    let mut store = bench.create();
    let (one, two) = (request(1), request(2));
    let (one_id, two_id) = (one.request.id, two.request.id);
    let executed = Outcome::Executed { nonce: 0, transaction: B256::ZERO };
    let again = Outcome::Disputed { nonce: 1, transaction: B256::ZERO };
    let records =
        [Record::Request(one), Record::Request(two), finality(0, vec![(one_id, executed), (two_id, executed)])];
    store.commit(&records).unwrap();
    assert_eq!(told(&store.changes(&records).unwrap()), ["\"received\"", "\"received\"", "\"final\"", "\"final\""]);
    store.commit(&[finality(1, vec![(one_id, again)])]).unwrap();

    let start = Place::after(1);
    let whole = store.history(start, 100).unwrap();
    assert!(whole.is_all() && whole.reached == store.end());
    assert_eq!(told(&whole.changes), ["\"received\"", "\"received\"", "\"final\"", "\"final\""]);
    for (index, change) in whole.changes.iter().enumerate() {
        let mut rest = Vec::new();
        let mut place = change.place;
        while place < store.end() {
            let piece = store.history(place, 1).unwrap();
            rest.extend(piece.changes);
            // From inside a record on, the first piece is the rest of that record.
            place = piece.reached;
        }
        assert_eq!(rest, whole.changes[index + 1..], "after {}", change.place);
    }
}

#[test]
fn what_a_client_asked_for_is_there_with_who_signed_it() {
    let bench = Bench::new();
    let mut store = bench.create();
    let mut signed = request(1);
    let signature = bench.key.sign_hash_sync(&signed.request.digest(&DOMAIN)).unwrap();
    signed.signature = ring_contracts::FixedBytes(signature.as_bytes());
    store.commit(&[Record::Request(signed.clone())]).unwrap();
    let posted = store.posted(signed.request.id).unwrap().unwrap();
    assert_eq!((posted.request, posted.requester), (signed.request, Some(bench.key.address())));
    assert_eq!(store.posted(RequestId::repeat_byte(9)).unwrap(), None);
}

#[test]
fn what_a_peer_asks_for_is_there_after_it_is_final() {
    let bench = Bench::new();
    let mut store = bench.create();
    let signed = request(7);
    let effect = Effect::Pay { to: signed.request.target, amount: 1 };
    let call = Call { request_id: signed.request.id, gas: 50_000, effect };
    let turn = Turn::new(TurnId { ring: 1, epoch: 3, nonce: 0, valid_until: 1_000 }, vec![call]).unwrap();
    store.commit(&[Record::Request(signed.clone())]).unwrap();
    store.commit(&reserve(&turn)).unwrap();
    store.commit(&[vote(&turn, &bench.key)]).unwrap();
    let executed = Outcome::Executed { nonce: 0, transaction: B256::ZERO };
    store.commit(&[finality(0, vec![(signed.request.id, executed)])]).unwrap();
    let contents = store.contents(0).unwrap();
    let [Message::Turn { turn: told, requests, votes }] = &contents[..] else { panic!("{contents:?}") };
    assert_eq!((told, &requests[..], votes.len()), (&turn, &[signed][..], 1));
}

#[test]
fn a_copy_has_everything_and_halts_whoever_starts_from_it() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let mut store = bench.create();
    store.commit(&reserve(&turn(1, 1))).unwrap();
    let copy = bench.path("copy");
    store.copy_to(&copy).unwrap();
    assert!(matches!(store.copy_to(&copy), Err(StoreError::Exists(_))));
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    store.close();
    let (_, original) = bench.open().unwrap();
    let (store, mut copied) = Store::open(&Location::file(&copy), bench.identity()).unwrap();
    store.verify().unwrap();
    assert_eq!(copied.pop(), Some(Record::Halted(HaltReason::MemoryLost { through: None })));
    assert_eq!(copied, original);
    let names = fs::read_dir(copy.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("unfinished")));
}

#[test]
fn the_store_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let _store = bench.create();
    assert_eq!(fs::metadata(bench.path("store")).unwrap().permissions().mode() & 0o777, 0o600);
}

fn charter(key: Address) -> Charter {
    Charter {
        window: 1,
        quorum: 1,
        asset: Address::ZERO,
        cap: 1,
        period: 3_600,
        turns_per_period: 1,
        interval: 0,
        expires_at: Charter::NO_EXPIRY,
        last_nonce: Charter::NO_LAST_NONCE,
        seats: vec![key],
    }
}

fn executing(turn: &Turn) -> TxEip1559 {
    let input = Execution::new(turn, &charter(Address::ZERO), Bytes::new()).calldata().unwrap();
    TxEip1559 { chain_id: DOMAIN.chain_id, to: TxKind::Call(DOMAIN.contract), input, ..Default::default() }
}

#[tokio::test]
async fn a_transaction_is_signed_for_the_turn_reserved_and_nothing_else() {
    let bench = Bench::new();
    let signer = bench.signer();
    let reservation = reserved(&mut bench.create(), &turn(0, 1));
    let wanted = Wanted::Turn { nonce: 0, calldata: Bytes::new(), permit: Permit::Turn(reservation) };
    let right = executing(&turn(0, 1));
    let signed = signer.sign(right.clone(), &wanted).await.unwrap();
    let sender = alloy::consensus::transaction::SignerRecoverable::recover_signer(&signed).unwrap();
    assert_eq!(sender, bench.key.address());

    let halt = Halt { ring: 1, epoch: 3 };
    let halting = TxEip1559 {
        input: halt.calldata(&charter(bench.key.address()), bench.key.address(), Bytes::new()),
        ..right.clone()
    };
    let wrong = [
        ("another amount", executing(&turn(0, 2))),
        ("another nonce", executing(&turn(1, 1))),
        ("another chain", TxEip1559 { chain_id: 1, ..right.clone() }),
        ("another contract", TxEip1559 { to: TxKind::Call(Address::ZERO), ..right.clone() }),
        ("a creation", TxEip1559 { to: TxKind::Create, ..right.clone() }),
        ("value", TxEip1559 { value: U256::ONE, ..right.clone() }),
        ("no call", TxEip1559 { input: Bytes::new(), ..right.clone() }),
        ("a halt", halting.clone()),
    ];
    for (what, transaction) in wrong {
        let refused = signer.sign(transaction, &wanted).await.unwrap_err();
        assert!(matches!(refused.downcast_ref(), Some(SignerError::NotWanted(_))), "{what}: {refused}");
    }

    let wanted = Wanted::Halt { epoch: 3, calldata: Bytes::new(), permit: Permit::Halt };
    signer.sign(halting, &wanted).await.unwrap();
    assert!(signer.sign(right, &wanted).await.is_err(), "a permit to halt executes nothing");
}

#[test]
fn a_wrong_password_or_keystore_is_named() {
    let bench = Bench::new();
    let open = |keystore: &str, password: &str| {
        KeystoreSigner::open(&bench.path(keystore), &bench.path(password), DOMAIN).unwrap_err()
    };
    bench.write_secret("other", "not it");
    assert!(matches!(open("key.json", "other"), SignerError::Password { .. }));
    assert!(matches!(open("key.json", "missing"), SignerError::PasswordFile { .. }));
    assert!(matches!(open("missing.json", "password"), SignerError::Keystore(_)));
    for nonsense in ["", "{}", "[1]", "{\"version\":3,\"crypto\":{}}"] {
        bench.write_secret("nonsense.json", nonsense);
        assert!(matches!(open("nonsense.json", "password"), SignerError::Keystore(_)), "{nonsense}");
    }
    bench.write_secret("other", &format!("{PASSWORD}\n"));
    assert_eq!(
        KeystoreSigner::open(&bench.path("key.json"), &bench.path("other"), DOMAIN).unwrap().address(),
        bench.key.address(),
        "a line break at the end is not part of the password"
    );
}

#[test]
fn neither_key_nor_signature_is_shown() {
    let bench = Bench::new();
    let signature = CompactSignature::from(bench.key.sign_hash_sync(&B256::ZERO).unwrap());
    let secret = alloy::hex::encode(bench.key.to_bytes());
    assert!(!format!("{:?}", bench.signer()).contains(&secret));
    assert!(!format!("{signature:?}").contains(&alloy::hex::encode(signature.as_bytes())));
}
