//! A turn of a ring: what a window signs.

use std::sync::LazyLock;

use alloy::{
    primitives::{B256, Bytes, U256, keccak256},
    sol,
    sol_types::SolStruct,
};
use serde::{Deserialize, Serialize, de::Error as _};

use crate::{
    call::{Call, CallError},
    domain::Domain,
    equivocation::SignedTurn,
    signature::CompactSignature,
};

mod eip712 {
    #![allow(missing_docs)]
    super::sol! {
        struct Turn {
            uint32 ring;
            uint32 epoch;
            uint40 nonce;
            uint40 validUntil;
            bytes calls;
        }
    }
}

const MAX_U40: u64 = (1 << 40) - 1;
/// The type hash of a turn (EIP-712).
static TYPE_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(eip712::Turn::eip712_root_type().as_bytes()));

/// Which turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TurnId {
    /// Of which ring.
    pub ring: u32,
    /// In which epoch.
    pub epoch: u32,
    /// The number of the turn; below 2^40.
    pub nonce: u64,
    /// The last second (Unix time) at which it may execute; below 2^40.
    pub valid_until: u64,
}

impl TurnId {
    /// The latest `valid_until` there is.
    pub const NO_EXPIRY: u64 = MAX_U40;

    /// The word that `TurnIdLib.sol` reads.
    pub fn pack(&self) -> U256 {
        U256::from(self.ring) << 112
            | U256::from(self.epoch) << 80
            | U256::from(self.nonce & MAX_U40) << 40
            | U256::from(self.valid_until & MAX_U40)
    }

    /// The turn of a packed word. `None`: bits that mean nothing are set.
    pub fn unpack(word: U256) -> Option<Self> {
        let part = |shift: usize, bits: usize| (word >> shift & ((U256::ONE << bits) - U256::ONE)).to::<u64>();
        (word >> 144 == U256::ZERO).then(|| Self {
            ring: part(112, 32) as u32,
            epoch: part(80, 32) as u32,
            nonce: part(40, 40),
            valid_until: part(0, 40),
        })
    }

    /// What the window signs for packed calls with this hash (EIP-712).
    pub fn digest(&self, calls_hash: B256, domain: &Domain) -> B256 {
        // Whoever has a signed turn need not have its calls, so the struct is hashed by hand.
        let numbers = [self.ring.into(), self.epoch.into(), self.nonce & MAX_U40, self.valid_until & MAX_U40];
        let mut encoded = TYPE_HASH.to_vec();
        encoded.extend(numbers.into_iter().flat_map(|number: u64| U256::from(number).to_be_bytes::<32>()));
        encoded.extend_from_slice(calls_hash.as_slice());
        keccak256([&[0x19, 0x01], domain.separator().as_slice(), keccak256(encoded).as_slice()].concat())
    }
}

/// A turn whose calls are known to be well-formed. Without calls it is *void*: it only uses its nonce up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    id: TurnId,
    calls: Vec<Call>,
    packed: Bytes,
}

impl Turn {
    /// A turn that makes these calls in this order.
    ///
    /// # Errors
    /// `Gas`, `Amount`, `Data` of [`CallError`].
    pub fn new(id: TurnId, calls: Vec<Call>) -> Result<Self, CallError> {
        let packed = Call::pack(&calls)?;
        Ok(Self { id, calls, packed })
    }

    /// A turn from its packed calls.
    ///
    /// # Errors
    /// `Malformed` of [`CallError`].
    pub fn from_packed(id: TurnId, packed: Bytes) -> Result<Self, CallError> {
        let calls = Call::unpack(&packed)?;
        Ok(Self { id, calls, packed })
    }

    /// The void turn of a nonce. It never expires, so there is just one.
    pub fn void(ring: u32, epoch: u32, nonce: u64) -> Self {
        let id = TurnId { ring, epoch, nonce, valid_until: TurnId::NO_EXPIRY };
        Self { id, calls: Vec::new(), packed: Bytes::new() }
    }

    /// Which turn.
    pub fn id(&self) -> TurnId {
        self.id
    }

    /// Its calls.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Its calls as they are signed and sent.
    pub fn packed_calls(&self) -> &Bytes {
        &self.packed
    }

    /// Whether it makes no call.
    pub fn is_void(&self) -> bool {
        self.calls.is_empty()
    }

    /// What the window signs (EIP-712).
    pub fn digest(&self, domain: &Domain) -> B256 {
        self.id.digest(keccak256(&self.packed), domain)
    }

    /// The turn with one key's signature, as it is shown to prove an equivocation.
    pub fn signed_by(&self, signature: CompactSignature) -> SignedTurn {
        SignedTurn { id: self.id, calls_hash: keccak256(&self.packed), signature }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    id: TurnId,
    calls: Bytes,
}

impl Serialize for Turn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire { id: self.id, calls: self.packed.clone() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Turn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { id, calls } = Wire::deserialize(deserializer)?;
        if id.nonce > MAX_U40 || id.valid_until > MAX_U40 {
            return Err(D::Error::custom("nonce and validUntil of a turn have to be below 2^40"));
        }
        Self::from_packed(id, calls).map_err(D::Error::custom)
    }
}
