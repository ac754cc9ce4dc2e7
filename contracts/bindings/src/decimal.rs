//! Amounts in JSON: decimal digits in a string. A JSON number would lose digits beyond 2^53 in many languages.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(crate) fn serialize<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    let text = String::deserialize(deserializer)?;
    // `parse` alone would take a leading plus.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(D::Error::custom(format!("{text:?} is not an amount: write decimal digits in a string")));
    }
    text.parse().map_err(|_| D::Error::custom(format!("the amount {text} is too large: it has to be below 2^96")))
}
