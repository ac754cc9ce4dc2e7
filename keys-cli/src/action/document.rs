//! The file that goes from the online machine to the offline one and back.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, Bytes, Signature, U256};
use ring_contracts::{Action, Charter, Domain, Halt, IRingMultisig::Authorization, TypedStruct};
use serde::{Deserialize, Serialize};

use super::wish::Intent;
use ring_keystore::files::{self, FileError};

const VERSION: u32 = 1;

/// Something prepared to be signed, and its signature once it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    version: u32,
    /// The contract and its chain.
    pub domain: Domain,
    /// Who is to sign.
    pub signer: Address,
    /// What is to be signed.
    pub statement: Statement,
    /// The ring's current charter, where the contract wants to see it. Not signed; the contract compares its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charter: Option<Charter>,
    digest: B256,
    /// The signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Bytes>,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Statement {
    /// An action, once, and until a time.
    Action {
        /// What is done.
        action: Action,
        /// The signer's nonce.
        nonce: u64,
        /// The last second at which it can be done.
        deadline: u64,
    },
    /// A halt, for as long as the epoch lasts.
    Halt {
        /// Which ring.
        ring: u32,
        /// Which epoch.
        epoch: u32,
    },
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is something else.
    #[error("{path} is not a file of `ring-keys prepare` or `ring-keys sign`: {reason}", path = path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
    /// Another release wrote it.
    #[error("{path} has version {found}, and this release reads version {VERSION}: use the release that wrote it", path = path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The digest is not that of the fields.
    #[error(
        "{path} was changed after it was prepared: its digest is {written}, and what it says has the digest {computed}. \
         Nothing was signed or sent; prepare it again",
        path = path.display()
    )]
    Tampered {
        /// Which file.
        path: PathBuf,
        /// The digest in the file.
        written: B256,
        /// The digest of what the file says.
        computed: B256,
    },
    /// What it says cannot be, whatever the digest.
    #[error("{path} cannot be right: {reason}", path = path.display())]
    Impossible {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It is signed already.
    #[error("{path} is signed already: submit it with `ring-keys submit --in {path}`", path = .0.display())]
    SignedAlready(PathBuf),
    /// It is not signed.
    #[error("{path} is not signed: sign it with `ring-keys sign --in {path} --out …`", path = .0.display())]
    NotSigned(PathBuf),
}

impl Statement {
    /// What is signed (EIP-712).
    pub fn digest(&self, domain: &Domain) -> B256 {
        match self {
            Self::Action { action, nonce, deadline } => {
                action.digest(domain, U256::from(*nonce), U256::from(*deadline))
            }
            Self::Halt { ring, epoch } => Halt { ring: *ring, epoch: *epoch }.digest(domain),
        }
    }

    /// The same without the domain (EIP-712, `hashStruct`).
    fn struct_hash(&self) -> B256 {
        match self {
            Self::Action { action, nonce, deadline } => action.struct_hash(U256::from(*nonce), U256::from(*deadline)),
            Self::Halt { ring, epoch } => Halt { ring: *ring, epoch: *epoch }.struct_hash(),
        }
    }

    /// The same with its fields, for a device that shows them.
    pub(crate) fn typed(&self) -> TypedStruct {
        match self {
            Self::Action { action, nonce, deadline } => action.typed(U256::from(*nonce), U256::from(*deadline)),
            Self::Halt { ring, epoch } => Halt { ring: *ring, epoch: *epoch }.typed(),
        }
    }

    /// What is to be done.
    pub(super) fn intent(&self) -> Intent {
        match self {
            Self::Action { action, .. } => Intent::Act(action.clone()),
            Self::Halt { ring, epoch } => Intent::Halt(Halt { ring: *ring, epoch: *epoch }),
        }
    }
}

impl Document {
    /// A document that nobody has signed yet.
    pub fn new(domain: Domain, signer: Address, statement: Statement, charter: Option<Charter>) -> Self {
        let digest = statement.digest(&domain);
        Self { version: VERSION, domain, signer, statement, charter, digest, signature: None }
    }

    /// What is signed (EIP-712). Computed, never taken from a file.
    pub fn digest(&self) -> B256 {
        self.statement.digest(&self.domain)
    }

    /// The same without the domain (EIP-712, `hashStruct`).
    pub fn struct_hash(&self) -> B256 {
        self.statement.struct_hash()
    }

    /// Whose key made a signature of this: 65 bytes, or 64 as in ERC-2098, with low s (EIP-2).
    pub fn recover(&self, signature: &Bytes) -> Option<Address> {
        let signature = match signature.len() {
            64 => Signature::from_erc2098(signature),
            65 => Signature::from_raw(signature).ok()?,
            _ => return None,
        };
        let is_low = signature.normalize_s().is_none();
        is_low.then(|| signature.recover_address_from_prehash(&self.digest()).ok()).flatten()
    }

    /// Reads a document and checks that it is consistent.
    ///
    /// # Errors
    /// Any [`DocumentError`] but those about signatures.
    pub fn read(path: &Path) -> Result<Self, DocumentError> {
        Self::from_bytes(&files::read(path)?, path)
    }

    /// Reads a document from what was in a file, or came otherwise, and checks that it is consistent. `path` is how errors
    /// name it.
    ///
    /// # Errors
    /// Any [`DocumentError`] but those about files and signatures.
    pub fn from_bytes(content: &[u8], path: &Path) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        struct Head {
            version: u64,
        }
        let malformed = |reason| DocumentError::Malformed { path: path.to_owned(), reason };
        let Head { version: found } = serde_json::from_slice(content).map_err(malformed)?;
        if found != u64::from(VERSION) {
            return Err(DocumentError::Version { path: path.to_owned(), found });
        }
        let document: Self = serde_json::from_slice(content).map_err(malformed)?;
        let computed = document.digest();
        if computed != document.digest {
            return Err(DocumentError::Tampered { path: path.to_owned(), written: document.digest, computed });
        }
        document.check().map_err(|reason| DocumentError::Impossible { path: path.to_owned(), reason })?;
        Ok(document)
    }

    /// The document as short as it can be read.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .unwrap_or_else(|error| unreachable!("a document is made of strings and numbers: {error}"))
    }

    /// Writes the document to a new file.
    ///
    /// # Errors
    /// The file exists, or cannot be written.
    pub fn write_new(&self, path: &Path) -> Result<(), FileError> {
        let mut json = serde_json::to_vec_pretty(self)
            .unwrap_or_else(|error| unreachable!("a document is made of strings and numbers: {error}"));
        json.push(b'\n');
        files::write_new(path, &json)
    }

    /// The call data for the contract. With an empty signature the signer has to send it.
    pub fn calldata(&self, signature: Bytes) -> Bytes {
        let absent = Charter {
            window: 0,
            quorum: 0,
            asset: Address::ZERO,
            cap: 0,
            period: 0,
            turns_per_period: 0,
            interval: 0,
            expires_at: 0,
            last_nonce: 0,
            seats: Vec::new(),
        };
        let charter = self.charter.as_ref().unwrap_or(&absent);
        match &self.statement {
            Statement::Action { action, deadline, .. } => {
                let deadline = U256::from(*deadline);
                action.calldata(charter, Authorization { signer: self.signer, deadline, signature })
            }
            Statement::Halt { ring, epoch } => {
                Halt { ring: *ring, epoch: *epoch }.calldata(charter, self.signer, signature)
            }
        }
    }

    /// Numbers too large for their type would be signed cut, that is as something else than is shown.
    fn check(&self) -> Result<(), String> {
        let charter_wanted = match &self.statement {
            Statement::Action { action, .. } => {
                action.check().map_err(|error| error.to_string())?;
                action.needs_charter()
            }
            Statement::Halt { .. } => self.charter.is_some(),
        };
        match (&self.charter, charter_wanted) {
            (None, true) => Err("the ring's current charter is missing".to_owned()),
            (Some(_), false) => Err("there is a charter that this action does not take".to_owned()),
            _ => Ok(()),
        }
    }
}
