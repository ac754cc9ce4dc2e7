//! Halts that are signed in advance, on a sheet: whoever finds it can stop the rings, without a key and even without this
//! command.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, Bytes};
use ring_keystore::files::{self, FileError};
use serde::Serialize;

use crate::{
    action::{Document, DocumentError, Statement},
    address_book::AddressBook,
    check_words,
    qr::{Frames, QrError},
};

/// Why there is no kit.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // The variants that only pass on say nothing of their own.
pub enum KitError {
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Qr(#[from] QrError),
    /// It does something else than halting.
    #[error("{path} is no halt: only what stops a ring is put on a sheet that anybody may use", path = .0.display())]
    NotAHalt(PathBuf),
    /// Nobody knows whether it would be taken.
    #[error(
        "the signature in {path} is not by {signer}: it recovers to {found}. Sign again with the right key; a contract cannot \
         sign halts for a kit", path = path.display()
    )]
    WrongSignature {
        /// Which file.
        path: PathBuf,
        /// Who should have signed.
        signer: Address,
        /// Who has.
        found: String,
    },
    /// One ring, twice.
    #[error("{path} halts ring {ring} of {contract}, as another file does already", path = path.display())]
    Doubled {
        /// Which file.
        path: PathBuf,
        /// Which ring.
        ring: u32,
        /// Of which contract.
        contract: Address,
    },
}

/// A halt that is signed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedHalt {
    chain_id: u64,
    contract: Address,
    ring: u32,
    epoch: u32,
    signer: Address,
    file: PathBuf,
    fingerprint: String,
    calldata: Bytes,
    #[serde(skip)]
    codes: Vec<String>,
}

/// All of a sheet.
#[derive(Debug, Serialize)]
pub struct EmergencyKit {
    halts: Vec<SignedHalt>,
}

impl EmergencyKit {
    /// Reads signed halts.
    ///
    /// # Errors
    /// Any but those of writing.
    pub fn read(paths: &[PathBuf]) -> Result<Self, KitError> {
        let mut halts: Vec<SignedHalt> = Vec::new();
        for path in paths {
            let halt = SignedHalt::read(path)?;
            let is_it = |other: &SignedHalt| {
                (other.chain_id, other.contract, other.ring) == (halt.chain_id, halt.contract, halt.ring)
            };
            if halts.iter().any(is_it) {
                let SignedHalt { ring, contract, .. } = halt;
                return Err(KitError::Doubled { path: path.clone(), ring, contract });
            }
            halts.push(halt);
        }
        Ok(Self { halts })
    }

    /// Writes the sheet into a new file.
    ///
    /// # Errors
    /// The file exists, or cannot be written.
    pub fn write_new(&self, path: &Path, book: &AddressBook) -> Result<(), FileError> {
        files::write_new(path, book.annotate(&self.sheet()).as_bytes())
    }

    fn sheet(&self) -> String {
        let mut sheet = String::from(
            "EMERGENCY KIT: how to stop the rings below. Nothing here moves money, and no key is needed.\n\n\
             When to use it: a turn that nobody asked for, a key or a host in strange hands, or nobody knows what happens.\n\
             Stopping costs nothing but waiting; only the master's key lets a ring go on. So do not hesitate, and do not ask.\n\n\
             Keep it where strangers do not come: whoever has it can stop the rings. It is of no use once a ring is in another\n\
             epoch than named here: after every change of keys and every resumption a new one is needed, and this is to be burnt.\n\n\
             Afterwards: docs/RUNBOOK.md, and the holder of the master key.\n",
        );
        for halt in &self.halts {
            sheet.push_str(&halt.in_words());
        }
        sheet
    }

    /// For people.
    pub fn in_words(&self, sheet: &Path) -> String {
        let halts: Vec<String> = self
            .halts
            .iter()
            .map(|halt| format!("ring {} in its epoch {} ({})", halt.ring, halt.epoch, halt.fingerprint))
            .collect();
        format!(
            "{}: halts {}\nPrint it, and keep the signed files with it. Make a new one whenever an epoch ends",
            sheet.display(),
            halts.join(", ")
        )
    }
}

impl SignedHalt {
    fn read(path: &Path) -> Result<Self, KitError> {
        let document = Document::read(path)?;
        let Statement::Halt { ring, epoch } = document.statement else {
            return Err(KitError::NotAHalt(path.to_owned()));
        };
        let signature = document.signature.clone().ok_or_else(|| DocumentError::NotSigned(path.to_owned()))?;
        let signer = document.signer;
        match document.recover(&signature) {
            Some(found) if found == signer => {}
            found => {
                let found = found.map_or_else(|| "nobody".to_owned(), |found| found.to_string());
                return Err(KitError::WrongSignature { path: path.to_owned(), signer, found });
            }
        }
        Ok(Self {
            chain_id: document.domain.chain_id,
            contract: document.domain.contract,
            ring,
            epoch,
            signer,
            file: path.to_owned(),
            fingerprint: check_words::of_digest(document.digest()),
            codes: Frames::of(&document)?.for_paper().collect(),
            calldata: document.calldata(signature),
        })
    }

    fn in_words(&self) -> String {
        let Self { chain_id, contract, ring, epoch, signer, file, fingerprint, calldata, codes } = self;
        format!(
            "\n{line}\n\nHALT RING {ring} in its epoch {epoch}, signed by {signer}\n\nchain        {chain_id}\ncontract     {contract}\n\
             fingerprint  {fingerprint}\n\n\
             1. With this command, from any account with some coin for gas:\n\n     ring-keys submit --in {file} --keystore ANY.json \
             --rpc https://…\n\n   If the file is lost, the codes below are the same: `ring-keys qr read --out {file} PICTURE…`\n\n\
             2. With any wallet or `cast send`: a transaction of no value to the contract above, with this data:\n\n{data}\n\n\
             3. See that it worked: `ring-keys ring show --ring {ring}` says that it is halted; so does every relayer.\n\n{codes}\n",
            line = "=".repeat(80),
            file = file.display(),
            data = folded(&calldata.to_string()),
            codes = codes.join("\n\n")
        )
    }
}

/// In lines that fit on paper.
fn folded(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let lines: Vec<String> = letters.chunks(76).map(|line| format!("  {}", line.iter().collect::<String>())).collect();
    lines.join("\n")
}
