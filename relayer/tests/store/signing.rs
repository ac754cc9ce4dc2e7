//! The signer: what is signed was reserved on disk before, once.

use std::fs;

use alloy::{
    consensus::TxEip1559,
    primitives::{TxKind, U256},
    signers::SignerSync,
};
use ring_contracts::{Address, B256, Bytes, Charter, CompactSignature, Execution, Halt, Turn};
use ring_relayer::{
    chain::{TransactionSigner, Wanted},
    config,
    signer::{self, Permit, SignerError},
    store::{DurableReservation, Store},
};

use crate::{
    bench::{Bench, DOMAIN, PASSWORD},
    suite::{reserve, turn},
};

fn reserved(store: &mut Store, turn: &Turn) -> DurableReservation {
    store.commit(&reserve(turn)).unwrap();
    store.reservation(turn.id().nonce, turn.digest(&DOMAIN)).unwrap().unwrap()
}

#[test]
fn the_store_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::sqlite();
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
    let bench = Bench::sqlite();
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

#[tokio::test]
async fn a_wrong_password_or_keystore_is_named() {
    let bench = Bench::sqlite();
    let signer_of = |keystore: &str, password: &str| config::Signer::Keystore {
        keystore: bench.path(keystore),
        password: config::PasswordSource::File(bench.path(password)),
    };
    let open = async |keystore: &str, password: &str| {
        signer::open(&signer_of(keystore, password), DOMAIN, 1).await.err().unwrap()
    };
    bench.write_secret("other", "not it");
    assert!(matches!(open("key.json", "other").await, SignerError::Password { .. }));
    assert!(matches!(open("key.json", "missing").await, SignerError::SecretFile { .. }));
    assert!(matches!(open("missing.json", "password").await, SignerError::Keystore(_)));
    for nonsense in ["", "{}", "[1]", "{\"version\":3,\"crypto\":{}}"] {
        bench.write_secret("nonsense.json", nonsense);
        assert!(matches!(open("nonsense.json", "password").await, SignerError::Keystore(_)), "{nonsense}");
    }
    bench.write_secret("other", &format!("{PASSWORD}\n"));
    assert_eq!(
        signer::open(&signer_of("key.json", "other"), DOMAIN, 1).await.unwrap().address(),
        bench.key.address(),
        "a line break at the end is not part of the password"
    );
}

#[test]
fn neither_key_nor_signature_is_shown() {
    let bench = Bench::sqlite();
    let signature = CompactSignature::from(bench.key.sign_hash_sync(&B256::ZERO).unwrap());
    let secret = alloy::hex::encode(bench.key.to_bytes());
    assert!(!format!("{:?}", bench.signer()).contains(&secret));
    assert!(!format!("{signature:?}").contains(&alloy::hex::encode(signature.as_bytes())));
}
