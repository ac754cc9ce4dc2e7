//! The token that is paid out: `contracts/test/tokens/DemoToken.sol`, and the artifact of it that is committed.

#![allow(missing_docs)]

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug, PartialEq, Eq)]
    DemoToken,
    "artifacts/DemoToken.json"
);

pub use DemoToken::{DemoTokenInstance, Transfer, constructorCall};

/// One token, in its smallest unit.
pub const ONE: u128 = 1_000_000_000_000_000_000;

/// An amount in whole tokens, with two decimal places, cut.
pub fn in_words(amount: u128) -> String {
    let (whole, hundredths) = (amount / ONE, amount % ONE / (ONE / 100));
    let digits = whole.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped}.{hundredths:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_easily() {
        assert_eq!(in_words(0), "0.00");
        assert_eq!(in_words(ONE * 999 + ONE / 2), "999.50");
        assert_eq!(in_words(ONE * 1_234_567 + ONE / 100 * 7), "1,234,567.07");
    }
}
