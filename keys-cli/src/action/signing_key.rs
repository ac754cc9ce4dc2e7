//! What can sign a document: a keystore's key, or one in a Ledger.

use std::path::PathBuf;

use alloy::{
    primitives::{Address, Signature},
    signers::{SignerSync as _, local::PrivateKeySigner},
};

use super::document::Document;
use crate::{
    error::Error,
    ledger::{Ledger, Transport},
    output::tell,
};

/// A key that signs documents.
pub trait SigningKey {
    /// Where it is.
    fn place(&self) -> String;

    /// Whose it is.
    ///
    /// # Errors
    /// It cannot be asked.
    fn address(&mut self) -> Result<Address, Error>;

    /// Signs, with low s (EIP-2).
    ///
    /// # Errors
    /// It cannot, or its owner declines.
    fn sign(&mut self, document: &Document) -> Result<Signature, Error>;
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
        tell(format_args!(
            "\nThe Ledger shows two hashes. Agree only if they are these:\n  domain hash   {domain:X}\n  message hash  {message:X}"
        ));
        Ok(Ledger::sign(self, domain, message)?)
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, keccak256};
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
