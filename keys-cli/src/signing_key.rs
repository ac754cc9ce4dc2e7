//! What can sign, whatever the key is in: a keystore, a Ledger or a Trezor. Documents, and the transactions that carry
//! them.

use std::path::PathBuf;

use alloy::{
    consensus::{SignableTransaction as _, Transaction as _, TypedTransaction},
    primitives::{Address, B256, Signature, U256},
    signers::{SignerSync as _, local::PrivateKeySigner},
};

use crate::{
    action::Document,
    amount,
    error::Error,
    ledger::{Ledger, Transport},
    output::tell,
    trezor::Trezor,
};

/// A key that signs.
pub trait SigningKey {
    /// Where it is.
    fn place(&self) -> String;

    /// Whose it is.
    ///
    /// # Errors
    /// It cannot be asked.
    fn address(&mut self) -> Result<Address, Error>;

    /// Signs a document, with low s (EIP-2).
    ///
    /// # Errors
    /// It cannot, or its owner declines.
    fn sign(&mut self, document: &Document) -> Result<Signature, Error>;

    /// Signs a transaction that its key sends, with low s (EIP-2).
    ///
    /// # Errors
    /// It cannot, its owner declines, or what came is no signature of this transaction by this key.
    fn sign_transaction(&mut self, transaction: &TypedTransaction) -> Result<Signature, Error>;
}

impl<K: SigningKey + ?Sized> SigningKey for Box<K> {
    fn place(&self) -> String {
        (**self).place()
    }

    fn address(&mut self) -> Result<Address, Error> {
        (**self).address()
    }

    fn sign(&mut self, document: &Document) -> Result<Signature, Error> {
        (**self).sign(document)
    }

    fn sign_transaction(&mut self, transaction: &TypedTransaction) -> Result<Signature, Error> {
        (**self).sign_transaction(transaction)
    }
}

/// A key that was in a keystore.
#[derive(Debug)]
pub struct KeystoreKey {
    /// Which file.
    pub path: PathBuf,
    /// What was in it.
    pub key: PrivateKeySigner,
}

impl SigningKey for KeystoreKey {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn address(&mut self) -> Result<Address, Error> {
        Ok(self.key.address())
    }

    fn sign(&mut self, document: &Document) -> Result<Signature, Error> {
        let signer = self.key.address();
        self.key.sign_hash_sync(&document.digest()).map_err(|_| Error::SigningFailed { signer })
    }

    fn sign_transaction(&mut self, transaction: &TypedTransaction) -> Result<Signature, Error> {
        let signer = self.key.address();
        self.key.sign_hash_sync(&transaction.signature_hash()).map_err(|_| Error::SigningFailed { signer })
    }
}

impl<T: Transport> SigningKey for Ledger<T> {
    fn place(&self) -> String {
        format!("the Ledger, at {},", self.path())
    }

    fn address(&mut self) -> Result<Address, Error> {
        Ok(Ledger::address(self, false)?)
    }

    fn sign(&mut self, document: &Document) -> Result<Signature, Error> {
        let (domain, message) = (document.domain.separator(), document.struct_hash());
        tell(format_args!("\nThe Ledger shows two hashes. {}", hashes(domain, message)));
        Ok(Ledger::sign(self, domain, message)?)
    }

    fn sign_transaction(&mut self, transaction: &TypedTransaction) -> Result<Signature, Error> {
        let signer = SigningKey::address(self)?;
        tell(format_args!("\nThe Ledger shows a transaction. {}", in_words(transaction)));
        let numbers = Ledger::sign_transaction(self, &transaction.encoded_for_signing())?;
        signature_by(signer, transaction.signature_hash(), numbers)
    }
}

impl SigningKey for Trezor {
    fn place(&self) -> String {
        format!("the Trezor, at {},", self.path())
    }

    fn address(&mut self) -> Result<Address, Error> {
        Ok(Trezor::address(self, false)?)
    }

    fn sign(&mut self, document: &Document) -> Result<Signature, Error> {
        match self.shows_hashes() {
            true => {
                let hashes = hashes(document.domain.separator(), document.struct_hash());
                tell(format_args!("\nThe Trezor shows two hashes. {hashes}"));
            }
            false => tell("\nThe Trezor shows what it signs, field by field. Agree only if it is what stands above"),
        }
        Ok(Trezor::sign(self, &document.domain, &document.statement.typed())?)
    }

    fn sign_transaction(&mut self, transaction: &TypedTransaction) -> Result<Signature, Error> {
        let signer = SigningKey::address(self)?;
        tell(format_args!("\nThe Trezor shows a transaction. {}", in_words(transaction)));
        let numbers = Trezor::sign_transaction(self, transaction)?;
        signature_by(signer, transaction.signature_hash(), numbers)
    }
}

fn hashes(domain: B256, message: B256) -> String {
    format!("Agree only if they are these:\n  domain hash   {domain:X}\n  message hash  {message:X}")
}

/// What whoever signs a transaction on a device has to compare.
fn in_words(transaction: &TypedTransaction) -> String {
    let to = transaction.to().map_or_else(|| "nobody".to_owned(), |to| to.to_string());
    let most = U256::from(transaction.max_fee_per_gas()) * U256::from(transaction.gas_limit());
    format!(
        "Agree only if it is this:\n  to        {to}\n  chain     {}\n  value     {}\n  fee       at most {}\n  \
         data      {} bytes\n  \
         hash      {:X}, where the device shows one",
        transaction.chain_id().unwrap_or_default(),
        amount::in_words(Address::ZERO, transaction.value()),
        amount::in_words(Address::ZERO, most),
        transaction.input().len(),
        transaction.signature_hash()
    )
}

/// The signature of this hash by this key, of the two that these numbers can be. A device could have signed something
/// else, or with another of its keys.
fn signature_by(signer: Address, hash: B256, (r, s): (U256, U256)) -> Result<Signature, Error> {
    let found = [false, true].into_iter().find_map(|parity| {
        let signature = Signature::new(r, s, parity);
        let signature = signature.normalize_s().unwrap_or(signature);
        (signature.recover_address_from_prehash(&hash).ok() == Some(signer)).then_some(signature)
    });
    found.ok_or(Error::SigningFailed { signer })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::keccak256;
    use ring_contracts::{Action, Domain};

    use super::*;
    use crate::{
        action::{ConsentError, DocumentError, Statement, sign},
        address_book::AddressBook,
        ledger::LedgerError,
    };

    /// A Ledger's Ethereum app as far as it is needed: it has one key, and may sign something else than it was given.
    struct App {
        key: PrivateKeySigner,
        lies: bool,
    }

    impl Transport for App {
        fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, LedgerError> {
            let data = &command[5..];
            let answer = match command[1] {
                0x02 => {
                    let point = self.key.credential().verifying_key().to_encoded_point(false);
                    let address = self.key.address().to_checksum(None);
                    [&[65][..], point.as_bytes(), &[40], &address.as_bytes()[2..]].concat()
                }
                _ => {
                    let mut hashes = data[data.len() - 64..].to_vec();
                    hashes[63] ^= u8::from(self.lies);
                    let digest = keccak256([&[0x19, 0x01][..], &hashes].concat());
                    let signature = self.key.sign_hash_sync(&digest).unwrap().as_bytes();
                    [&signature[64..], &signature[..64]].concat()
                }
            };
            Ok([answer, vec![0x90, 0]].concat())
        }
    }

    fn app(lies: bool) -> App {
        App { key: PrivateKeySigner::from_slice(&[7; 32]).unwrap(), lies }
    }

    fn signed(app: App, signer: Address, statement: Statement) -> Result<Document, Error> {
        let domain = Domain { chain_id: 31_337, contract: Address::repeat_byte(1) };
        let document = Document::new(domain, signer, statement, None);
        let ledger = Ledger::new(app, "m/44'/60'/0'/0/0".parse().unwrap());
        sign(document, std::path::Path::new("it.json"), &AddressBook::default(), true, || Ok(ledger))
    }

    fn statements() -> [Statement; 2] {
        let action = Action::Revoke { ring: 1, key: Address::repeat_byte(2) };
        [Statement::Action { action, nonce: 3, deadline: 4 }, Statement::Halt { ring: 1, epoch: 2 }]
    }

    #[test]
    fn a_ledger_signs_what_the_document_says() -> Result<(), DocumentError> {
        for statement in statements() {
            let app = app(false);
            let signer = app.key.address();
            let document = signed(app, signer, statement).unwrap();
            assert_eq!(document.recover(&document.signature.clone().unwrap()), Some(signer));
            let parts = [&[0x19, 0x01][..], &document.domain.separator()[..], &document.struct_hash()[..]].concat();
            assert_eq!(keccak256(parts), B256::from(document.digest()));
        }
        Ok(())
    }

    #[test]
    fn what_a_ledger_signed_instead_is_of_no_use_and_another_key_is_not_asked() {
        for statement in statements() {
            let (liar, honest) = (app(true), app(false));
            let signer = liar.key.address();
            let error = signed(liar, signer, statement.clone()).unwrap_err();
            assert!(matches!(error, Error::SigningFailed { .. }), "{error}");
            let error = signed(honest, Address::repeat_byte(9), statement).unwrap_err();
            let Error::Consent(ConsentError::OtherKey { place, .. }) = &error else { panic!("{error}") };
            assert!(place.contains("m/44'/60'/0'/0/0"), "{place}");
        }
    }
}
