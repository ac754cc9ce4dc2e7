//! From what services answer to signatures as Ethereum wants them.

use alloy::{
    primitives::{Address, B256, Signature, U256},
    signers::k256::ecdsa,
};

use crate::KeyError;

/// The signature of `digest` by the key of `address` that has this r and s, each of 32 bytes, big-endian. Services give either
/// of two values for s, and no recovery id: the lower s is taken (EIP-2), and the id that recovers the address.
///
/// # Errors
/// `OtherKey`: there is none.
pub(crate) fn of_key(
    keeper: &str,
    address: Address,
    digest: B256,
    r_and_s: &ecdsa::Signature,
) -> Result<Signature, KeyError> {
    let low = r_and_s.normalize_s().unwrap_or(*r_and_s);
    let (r, s) = (U256::from_be_slice(&low.r().to_bytes()), U256::from_be_slice(&low.s().to_bytes()));
    let either = [false, true].map(|parity| Signature::new(r, s, parity));
    let recovers =
        |signature: &Signature| signature.recover_address_from_prehash(&digest).is_ok_and(|by| by == address);
    either.into_iter().find(recovers).ok_or_else(|| KeyError::OtherKey { keeper: keeper.to_owned(), address })
}

#[cfg(test)]
mod tests {
    use alloy::signers::{SignerSync as _, local::PrivateKeySigner};

    use super::*;

    #[test]
    fn of_both_values_of_s_the_low_one_is_taken_with_its_recovery_id() {
        let key = PrivateKeySigner::from_slice(&[7; 32]).unwrap();
        let mut parities = [false; 2];
        for number in 0..64u8 {
            let digest = B256::repeat_byte(number);
            let expected = key.sign_hash_sync(&digest).unwrap();
            parities[usize::from(expected.v())] = true;
            let low = expected.to_k256().unwrap();
            let high = ecdsa::Signature::from_scalars(low.r().to_bytes(), (-*low.s()).to_bytes()).unwrap();
            for given in [low, high] {
                assert_eq!(of_key("it", key.address(), digest, &given).unwrap(), expected);
            }
        }
        assert_eq!(parities, [true; 2], "both recovery ids occur");
    }

    #[test]
    fn a_signature_by_another_key_or_of_another_digest_is_refused() {
        let (key, other) = ([1; 32], [2; 32]);
        let [key, other] = [key, other].map(|secret| PrivateKeySigner::from_slice(&secret).unwrap());
        let digest = B256::repeat_byte(3);
        let theirs = other.sign_hash_sync(&digest).unwrap().to_k256().unwrap();
        assert!(matches!(of_key("it", key.address(), digest, &theirs), Err(KeyError::OtherKey { .. })));
        let elsewhere = key.sign_hash_sync(&B256::repeat_byte(4)).unwrap().to_k256().unwrap();
        assert!(matches!(of_key("it", key.address(), digest, &elsewhere), Err(KeyError::OtherKey { .. })));
    }
}
