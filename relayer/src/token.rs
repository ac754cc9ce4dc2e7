//! Tokens for clients of the HTTP interface.

use std::fmt;

use rand::{RngCore, rngs::OsRng};
use ring_contracts::hex;
use zeroize::Zeroizing;

use crate::http::{Scope, TokenHash};

/// What every token begins with, so that one that got where it does not belong is recognised.
const PREFIX: &str = "ring_";

/// A new token.
pub struct NewToken {
    /// The token itself: 256 random bits. For the client, and for nobody else.
    pub token: Zeroizing<String>,
    /// What belongs into the configuration.
    pub entry: String,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken").field("entry", &self.entry).finish_non_exhaustive()
    }
}

/// Makes a token that nobody can guess.
pub fn make(name: &str, scopes: &[Scope]) -> NewToken {
    let mut bytes = Zeroizing::new([0; 32]);
    OsRng.fill_bytes(&mut *bytes);
    let digits = Zeroizing::new(hex::encode(*bytes));
    let token = Zeroizing::new(format!("{PREFIX}{}", *digits));
    let scopes: Vec<String> = scopes.iter().map(|scope| format!("{:?}", scope.name())).collect();
    let entry = format!(
        "[[api.token]]\nname = {name:?}\nsha256 = \"{}\"\nscopes = [{}]",
        hex::encode(TokenHash::of(&token).0),
        scopes.join(", ")
    );
    NewToken { token, entry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_is_new_and_its_entry_holds_only_its_hash() {
        let (one, other) = (make("shop", &[Scope::Submit, Scope::Read]), make("shop", &[Scope::Read]));
        assert_ne!(*one.token, *other.token);
        assert_eq!(one.token.len(), PREFIX.len() + 64);
        let entry: toml::Value = toml::from_str(&one.entry).unwrap();
        let entry = &entry["api"]["token"][0];
        assert_eq!(entry["sha256"].as_str().unwrap(), hex::encode(TokenHash::of(&one.token).0));
        assert_eq!(entry["scopes"].as_array().unwrap().len(), 2);
        let digits = one.token.strip_prefix(PREFIX).unwrap();
        assert!(!one.entry.contains(digits) && !format!("{one:?}").contains(digits));
    }
}
