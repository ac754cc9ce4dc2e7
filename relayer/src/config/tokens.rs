//! Who may use the HTTP interface, and how often.

use std::{collections::BTreeSet, num::NonZeroU32};

use ring_contracts::hex;

use super::{check::Check, raw};
use crate::http::{Rate, Scope, Token, TokenHash};

/// How many requests a second each client may make if nobody says, and at most.
const USUAL: u64 = 1_000;
const MOST: u64 = 1_000_000;

impl Check<'_> {
    pub(super) fn rate(&mut self, raw: &raw::Api) -> Option<Rate> {
        let per_second = self.within("api.requests_per_second", raw.requests_per_second, USUAL, 1, MOST)?;
        let burst = self.within("api.burst", raw.burst, 2 * per_second, 1, 2 * MOST)?;
        let positive = |number: u64| u32::try_from(number).ok().and_then(NonZeroU32::new);
        Some(Rate { per_second: positive(per_second)?, burst: positive(burst)? })
    }

    pub(super) fn tokens(&mut self, raw: &[raw::Token]) -> Option<Vec<Token>> {
        let mut tokens: Vec<Token> = Vec::new();
        let mut is_complete = true;
        for (index, entry) in raw.iter().enumerate() {
            let Some(token) = self.token(index, entry) else {
                is_complete = false;
                continue;
            };
            if tokens.iter().any(|other| other.name == token.name) {
                let reason = format!("{:?} is listed twice: give each token a name of its own", token.name);
                self.problem::<()>(format!("api.token[{index}].name"), reason);
            }
            if let Some(other) = tokens.iter().find(|other| other.hash == token.hash) {
                let reason =
                    format!("the same as that of {:?}: make a token for each with `ring-relayer token`", other.name);
                self.problem::<()>(format!("api.token[{index}].sha256"), reason);
            }
            tokens.push(token);
        }
        is_complete.then_some(tokens)
    }

    fn token(&mut self, index: usize, raw: &raw::Token) -> Option<Token> {
        let field = |name: &str| format!("api.token[{index}].{name}");
        let name = self.name(&field("name"), &raw.name);
        let hash = match hex::decode_to_array(&raw.sha256) {
            Ok(hash) if raw.sha256.len() == 64 => Some(TokenHash(hash)),
            // It is not repeated: it might be the token itself.
            _ => self.problem(
                field("sha256"),
                "not 64 hexadecimal digits: take the line that `ring-relayer token` printed, not the token",
            ),
        };
        let mut scopes = BTreeSet::new();
        let names = || Scope::ALL.map(Scope::name).join(", ");
        for text in &raw.scopes {
            match Scope::ALL.into_iter().find(|scope| scope.name() == text) {
                Some(scope) => drop(scopes.insert(scope)),
                None => {
                    return self.problem(field("scopes"), format!("{text:?} is no scope: there are {}", names()));
                }
            }
        }
        if scopes.is_empty() {
            return self.problem(field("scopes"), format!("none: a token is for at least one of {}", names()));
        }
        Some(Token { name: name?, hash: hash?, scopes })
    }

    /// A name for logs and messages.
    pub(super) fn name(&mut self, field: &str, text: &str) -> Option<String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        match text {
            name if (1..=64).contains(&name.len()) && name.bytes().all(is_plain) => Some(name.to_owned()),
            _ => self.problem(field, format!("{text:?} is no name: write 1 to 64 letters, digits, and any of - _ .")),
        }
    }
}
