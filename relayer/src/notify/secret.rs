//! What posts are signed with.

use std::fmt;

use hmac::{Hmac, Mac};
use ring_contracts::hex;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A secret that this seat and an endpoint share.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A secret of these bytes.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The value of the header `Ring-Signature` for a body sent at a time (Unix seconds).
    pub fn sign(&self, time: u64, body: &[u8]) -> String {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{time}.").as_bytes());
        mac.update(body);
        format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_hmac_of_time_and_body() {
        let secret = Secret::new(Zeroizing::new(b"whsec_0123456789abcdef".to_vec()));
        // From `printf '1700000000.{"id":"x"}' | openssl dgst -sha256 -hmac whsec_0123456789abcdef`.
        let expected = "t=1700000000,v1=770060346ddf9638ee9bbc8d6403946c9480679bbe3216ada9c05ceb9db9010e";
        assert_eq!(secret.sign(1_700_000_000, b"{\"id\":\"x\"}"), expected);
        assert_ne!(secret.sign(1_700_000_001, b"{\"id\":\"x\"}"), expected);
        assert!(!format!("{secret:?}").contains("0123"));
    }
}
