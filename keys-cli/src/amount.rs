//! Amounts as people write them. Never floating point: digits are moved, not multiplied.
//!
//! | written | means |
//! |---|---|
//! | `1500000` | so many of the asset's smallest unit (wei, for the native coin) |
//! | `1.5ether`, `20gwei`, `7wei` | the native coin |
//! | `12.5tokens` | whole tokens, by the token's `decimals()` |
//!
//! A number without a unit never means whole coins, and a fraction without a unit is refused.

use std::{fmt, str::FromStr};

use alloy::primitives::{Address, U256};

/// An amount of some asset, with the unit as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
    text: String,
    whole: String,
    fraction: String,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Smallest,
    Native(u8),
    Tokens,
}

/// Why an amount cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// It is no number, or has an unknown unit.
    #[error(
        "{0:?} is not an amount: write 1500000 (smallest unit), 1.5ether, 20gwei or 7wei for the native coin, \
         or 12.5tokens for a token"
    )]
    Malformed(String),
    /// A fraction of the smallest unit.
    #[error(
        "{0} has no unit, so it counts the smallest unit, which has no fractions: write {0}ether, {0}gwei or {0}tokens"
    )]
    FractionWithoutUnit(String),
    /// More decimal places than the asset has.
    #[error("{text} has more decimal places than the asset, which has {decimals}")]
    TooPrecise {
        /// The amount as written.
        text: String,
        /// How many places there are.
        decimals: u8,
    },
    /// A unit of the native coin for a token.
    #[error(
        "{text} is an amount of the native coin, but the asset is the token {asset}: write tokens, or its smallest unit"
    )]
    NativeUnitOfToken {
        /// The amount as written.
        text: String,
        /// The token.
        asset: Address,
    },
    /// Tokens of the native coin.
    #[error("{0} is an amount of a token, but the asset is the native coin: write ether, gwei or wei")]
    TokensOfNative(String),
    /// Whole tokens, and nobody knows how many decimals they have.
    #[error("{text} cannot be converted, since the decimals of token {asset} are not known: give --decimals, or --rpc")]
    DecimalsUnknown {
        /// The amount as written.
        text: String,
        /// The token.
        asset: Address,
    },
    /// It needs too many bits.
    #[error("{text} is too large: it has to be below 2^{bits} of the smallest unit")]
    TooLarge {
        /// The amount as written.
        text: String,
        /// How many bits it may have.
        bits: usize,
    },
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let malformed = || AmountError::Malformed(text.to_owned());
        let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = match unit.trim() {
            "" => Unit::Smallest,
            "wei" => Unit::Native(0),
            "gwei" => Unit::Native(9),
            "ether" => Unit::Native(18),
            "token" | "tokens" => Unit::Tokens,
            _ => return Err(malformed()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let ends_in_point = number.contains('.') && fraction.is_empty();
        if whole.is_empty() || ends_in_point || fraction.contains('.') {
            return Err(malformed());
        }
        if unit == Unit::Smallest && !fraction.is_empty() {
            return Err(AmountError::FractionWithoutUnit(text.to_owned()));
        }
        Ok(Self { text: text.to_owned(), whole: whole.to_owned(), fraction: fraction.to_owned(), unit })
    }
}

impl Amount {
    /// Whether the token's decimals are needed.
    pub fn counts_tokens(&self) -> bool {
        self.unit == Unit::Tokens
    }

    /// The amount in the smallest unit of an asset (zero: the native coin), if it fits so many bits.
    ///
    /// # Errors
    /// Any [`AmountError`].
    pub fn of(&self, asset: Address, decimals: Option<u8>, bits: usize) -> Result<U256, AmountError> {
        let text = || self.text.clone();
        let decimals = match self.unit {
            Unit::Smallest => 0,
            Unit::Native(_) if !asset.is_zero() => return Err(AmountError::NativeUnitOfToken { text: text(), asset }),
            Unit::Native(decimals) => decimals,
            Unit::Tokens if asset.is_zero() => return Err(AmountError::TokensOfNative(text())),
            Unit::Tokens => decimals.ok_or(AmountError::DecimalsUnknown { text: text(), asset })?,
        };
        let missing = usize::from(decimals)
            .checked_sub(self.fraction.len())
            .ok_or(AmountError::TooPrecise { text: text(), decimals })?;
        let digits = format!("{}{}{}", self.whole, self.fraction, "0".repeat(missing));
        U256::from_str_radix(&digits, 10)
            .ok()
            .filter(|amount| amount.bit_len() <= bits)
            .ok_or(AmountError::TooLarge { text: text(), bits })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An amount in words, exact: of the native coin also in ether.
pub fn in_words(asset: Address, amount: U256) -> String {
    if asset.is_zero() {
        format!("{} ether ({amount} wei)", scaled(amount, 18))
    } else {
        format!("{amount} (smallest unit) of token {asset}")
    }
}

/// An amount with its decimal point moved, without trailing zeros.
pub fn scaled(amount: U256, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let digits = format!("{amount:0>width$}", amount = amount.to_string(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Address = Address::repeat_byte(0x11);

    fn of(text: &str, asset: Address, decimals: Option<u8>) -> Result<U256, AmountError> {
        text.parse::<Amount>()?.of(asset, decimals, 96)
    }

    #[test]
    fn each_unit_moves_the_point_exactly() {
        for (text, asset, decimals, expected) in [
            ("1500000", Address::ZERO, None, 1_500_000u128),
            ("1500000", TOKEN, None, 1_500_000),
            ("1500000", TOKEN, Some(6), 1_500_000),
            ("0.000000000000000001ether", Address::ZERO, None, 1),
            ("1.5ether", Address::ZERO, None, 1_500_000_000_000_000_000),
            ("1.5 ether", Address::ZERO, None, 1_500_000_000_000_000_000),
            ("20gwei", Address::ZERO, None, 20_000_000_000),
            ("7wei", Address::ZERO, None, 7),
            ("12.5tokens", TOKEN, Some(6), 12_500_000),
            ("1token", TOKEN, Some(0), 1),
            ("79228162514264337593543950335", TOKEN, None, (1 << 96) - 1),
        ] {
            assert_eq!(of(text, asset, decimals), Ok(U256::from(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_ambiguous_or_inexact_is_refused() {
        for text in
            ["", "ether", "-1", "+1", "1e18", "1_000", "1,5ether", ".5ether", "5.ether", "1.2.3ether", "1ETH", "0x10"]
        {
            assert!(matches!(of(text, Address::ZERO, None), Err(AmountError::Malformed(_))), "{text}");
        }
        assert!(matches!(of("12.5", TOKEN, Some(6)), Err(AmountError::FractionWithoutUnit(_))));
        assert!(matches!(of("1.5wei", Address::ZERO, None), Err(AmountError::TooPrecise { decimals: 0, .. })));
        assert!(matches!(of("1.1234567tokens", TOKEN, Some(6)), Err(AmountError::TooPrecise { decimals: 6, .. })));
        assert!(matches!(of("1ether", TOKEN, Some(18)), Err(AmountError::NativeUnitOfToken { .. })));
        assert!(matches!(of("1tokens", Address::ZERO, Some(18)), Err(AmountError::TokensOfNative(_))));
        assert!(matches!(of("1tokens", TOKEN, None), Err(AmountError::DecimalsUnknown { .. })));
        assert!(matches!(of("79228162514264337593543950336", TOKEN, None), Err(AmountError::TooLarge { .. })));
        assert!(matches!(of("1tokens", TOKEN, Some(255)), Err(AmountError::TooLarge { .. })));
    }

    #[test]
    fn words_are_exact() {
        assert_eq!(in_words(Address::ZERO, U256::from(1)), "0.000000000000000001 ether (1 wei)");
        assert_eq!(scaled(U256::from(1_500_000), 6), "1.5");
        assert_eq!(scaled(U256::from(2_000_000), 6), "2");
        assert_eq!(scaled(U256::from(7), 0), "7");
    }
}
