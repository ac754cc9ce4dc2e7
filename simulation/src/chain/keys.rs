//! Keys and signatures, by the C library: simulations sign a lot.

use alloy::primitives::Signature;
use ring_contracts::{Address, B256, CompactSignature, FixedBytes, keccak256};
use secp256k1::{Message, PublicKey, SECP256K1, SecretKey, ecdsa::RecoveryId};

/// A key, from a number.
#[derive(Clone, Debug)]
pub struct Key {
    secret: SecretKey,
    address: Address,
}

impl Key {
    /// The key of a number, which is not zero.
    ///
    /// # Panics
    /// The number is zero.
    pub fn new(number: u64) -> Self {
        let secret = SecretKey::from_byte_array(keccak256(number.to_be_bytes()).0);
        let secret =
            secret.unwrap_or_else(|error| unreachable!("no number below 2^64 hashes to an impossible key: {error}"));
        let public = PublicKey::from_secret_key_global(&secret).serialize_uncompressed();
        Self { secret, address: Address::from_raw_public_key(&public[1..]) }
    }

    /// Its address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Signs a digest. The same digest, the same signature (RFC 6979).
    pub fn sign(&self, digest: &B256) -> CompactSignature {
        self.signature(digest).into()
    }

    /// The same as 65 bytes r ‖ s ‖ v, as clients and the master sign.
    pub fn sign_long(&self, digest: &B256) -> FixedBytes<65> {
        self.signature(digest).as_bytes().into()
    }

    fn signature(&self, digest: &B256) -> Signature {
        let message = Message::from_digest(digest.0);
        let signed = SECP256K1.sign_ecdsa_recoverable(message, &self.secret);
        let (recovery, bytes) = signed.serialize_compact();
        Signature::from_bytes_and_parity(&bytes, recovery == RecoveryId::One)
    }
}
