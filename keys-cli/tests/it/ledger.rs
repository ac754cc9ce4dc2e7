//! Transactions signed by a Ledger, on a real chain: with a stand-in for the device's Ethereum app, that decodes what
//! it gets.

use alloy::{
    consensus::{SignableTransaction as _, TxEip1559},
    primitives::{Address, keccak256},
    rlp::Decodable as _,
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use ring_contracts::Action;
use ring_keys::{
    action::{Wish, direct},
    address_book::AddressBook,
    chain::Chain,
    error::Error,
    ledger::{Ledger, LedgerError, Transport},
    rpc::Connection,
    signing_key::SigningKey,
};

use crate::harness::{Bench, MNEMONIC, address, lower};

/// How the app behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Honest,
    /// It signs another transaction.
    OtherFee,
    /// It signs with another of its keys.
    OtherKey,
    Declines,
}

struct App {
    key: PrivateKeySigner,
    manner: Manner,
    transaction: Vec<u8>,
}

impl Transport for App {
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, LedgerError> {
        let [0xe0, instruction, first, 0, length, data @ ..] = command else { panic!("{command:?} is no command") };
        assert_eq!(usize::from(*length), data.len());
        let answer = match instruction {
            0x02 => {
                let point = self.key.credential().verifying_key().to_encoded_point(false);
                let address = self.key.address().to_checksum(None);
                [&[65][..], point.as_bytes(), &[40], &address.as_bytes()[2..]].concat()
            }
            0x04 => {
                if *first == 0 {
                    assert_eq!(data[0], 5, "so many steps has the path");
                    self.transaction = data[21..].to_vec();
                } else {
                    self.transaction.extend_from_slice(data);
                }
                match self.sign() {
                    Some(signature) => signature,
                    None if self.manner == Manner::Declines => return Ok(vec![0x69, 0x85]),
                    // It waits for the rest.
                    None => Vec::new(),
                }
            }
            other => panic!("{other} is not asked for here"),
        };
        Ok([answer, vec![0x90, 0]].concat())
    }
}

impl App {
    fn sign(&self) -> Option<Vec<u8>> {
        let mut rest = self.transaction.strip_prefix(&[2])?;
        // Seven fields, the data and an access list in one list: it is whole once it can be decoded.
        let mut transaction = TxEip1559::decode(&mut rest).ok().filter(|_| rest.is_empty())?;
        if self.manner == Manner::Declines {
            return None;
        }
        if self.manner == Manner::OtherFee {
            transaction.max_fee_per_gas += 1;
        }
        let digest = match self.manner {
            Manner::OtherFee => transaction.signature_hash(),
            _ => keccak256(&self.transaction),
        };
        let other = PrivateKeySigner::from_slice(&[9; 32]).expect("it is a key");
        let key = if self.manner == Manner::OtherKey { &other } else { &self.key };
        let signature = key.sign_hash_sync(&digest).expect("it signs").as_bytes();
        Some([&[signature[64] - 27][..], &signature[..64]].concat())
    }
}

fn key(name: &str, manner: Manner) -> Box<dyn SigningKey> {
    let index = crate::harness::NAMES.iter().position(|other| *other == name).expect("it is one of the names");
    let mnemonic = secrecy::SecretString::from(MNEMONIC);
    let key = ring_keystore::from_mnemonic(&mnemonic, index as u32).expect("it is a mnemonic");
    let app = App { key, manner, transaction: Vec::new() };
    Box::new(Ledger::new(app, "m/44'/60'/0'/0/0".parse().expect("it is a path")))
}

/// Names a guardian, by a transaction of this key.
fn name_guardian(bench: &Bench, guardian: Address, key: Box<dyn SigningKey>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let connection = Connection::open(bench.url()).await?;
        let chain = Chain::at(connection, bench.contract.parse().expect("an address")).await?;
        let wish = Wish::Act(Action::SetGuardian { guardian });
        direct(&chain, wish, &AddressBook::default(), key, None).await.map(drop)
    })
}

fn guardian(bench: &Bench) -> serde_json::Value {
    bench.run("status --json").json()["guardian"].clone()
}

#[test]
fn a_master_in_a_ledger_sends_its_actions_itself() {
    let bench = Bench::new();
    name_guardian(&bench, address("spare"), key("master", Manner::Honest)).expect("it is sent");
    assert_eq!(guardian(&bench), lower(address("spare")));
}

#[test]
fn whatever_a_ledger_signs_instead_is_not_sent() {
    let bench = Bench::new();
    let before = (bench.block(), guardian(&bench));
    for manner in [Manner::OtherFee, Manner::OtherKey] {
        let error = name_guardian(&bench, address("spare"), key("master", manner)).expect_err("it is refused");
        assert!(matches!(error, Error::SigningFailed { .. }), "{manner:?}: {error}");
    }
    let error = name_guardian(&bench, address("spare"), key("master", Manner::Declines)).expect_err("it is refused");
    assert!(matches!(error, Error::Ledger(LedgerError::Declined)), "{error}");
    assert_eq!((bench.block(), guardian(&bench)), before);
}

#[test]
fn both_halves_of_r_and_s_are_found_whatever_the_device_says_of_them() {
    // Signatures of both parities: the nonce changes with each, and with it the signature.
    let bench = Bench::new();
    for number in 0..6 {
        let name = if number % 2 == 0 { "spare" } else { "op0" };
        name_guardian(&bench, address(name), key("master", Manner::Honest)).expect("it is sent");
        assert_eq!(guardian(&bench), lower(address(name)));
    }
}
