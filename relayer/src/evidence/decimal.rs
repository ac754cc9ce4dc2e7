//! Numbers as they are written, exactly: no floats, no rounding, no bound but their length.

use std::{fmt, str::FromStr};

/// A decimal number, in the one form that equal numbers share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    /// The power of ten of the last digit.
    exponent: i64,
}

/// A text is no number as JSON writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotANumber;

/// No number that means anything has a larger power of ten.
const MOST_EXPONENT: i64 = 9_999;

impl FromStr for Decimal {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, parse_power(power)?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return Err(NotANumber),
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || (whole.len() > 1 && whole.starts_with('0'))
        {
            return Err(NotANumber);
        }
        let exponent = power - fraction.len() as i64;
        Ok(Self::normal(is_negative, format!("{whole}{fraction}"), exponent))
    }
}

fn parse_power(text: &str) -> Result<i64, NotANumber> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotANumber);
    }
    let power: i64 = digits.parse().map_err(|_| NotANumber)?;
    if power <= MOST_EXPONENT { Ok(sign * power) } else { Err(NotANumber) }
}

impl Decimal {
    fn normal(is_negative: bool, digits: String, exponent: i64) -> Self {
        let significant = digits.trim_end_matches('0');
        let exponent = exponent + (digits.len() - significant.len()) as i64;
        match significant.trim_start_matches('0') {
            "" => Self { is_negative: false, digits: String::new(), exponent: 0 },
            digits => Self { is_negative, digits: digits.to_owned(), exponent },
        }
    }

    /// The number with its decimal point so many places further left.
    pub(super) fn shifted(self, places: u8) -> Self {
        let Self { is_negative, digits, exponent } = self;
        Self::normal(is_negative, digits, exponent - i64::from(places))
    }
}

/// Without an exponent.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative {
            f.write_str("-")?;
        }
        if self.digits.is_empty() {
            return f.write_str("0");
        }
        let zeros = |count: i64| "0".repeat(count.max(0) as usize);
        let point = self.digits.len() as i64 + self.exponent;
        match self.exponent {
            0.. => write!(f, "{}{}", self.digits, zeros(self.exponent)),
            _ if point <= 0 => write!(f, "0.{}{}", zeros(-point), self.digits),
            _ => {
                let (whole, fraction) = self.digits.split_at(point as usize);
                write!(f, "{whole}.{fraction}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<Decimal> {
        text.parse().ok()
    }

    #[test]
    fn the_same_number_is_equal_however_it_is_written() {
        for same in [["1", "1.000"], ["1000", "1e3"], ["10.5", "1050E-2"], ["0", "-0.0e7"], ["-2.50", "-25e-1"]] {
            assert_eq!(parse(same[0]), parse(same[1]), "{same:?}");
            assert!(parse(same[0]).is_some(), "{same:?}");
        }
    }

    #[test]
    fn numbers_that_a_float_would_confuse_differ() {
        assert_ne!(parse("9007199254740993"), parse("9007199254740992"));
        assert_ne!(parse("0.1"), parse("0.1000000000000000055511151231257827"));
        assert_ne!(parse("1"), parse("-1"));
    }

    #[test]
    fn what_json_does_not_take_for_a_number_is_none() {
        for text in
            ["", "-", "+1", "01", ".5", "1.", "1e", "1e+", "1e10000", "0x1", "1 ", " 1", "1,0", "NaN", "--1", "1e--1"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_number_is_itself_after_being_written(digits in "[0-9]{1,80}", places in 0u8..=80) {
            let digits = match digits.trim_start_matches('0') { "" => "0", digits => digits };
            let number = parse(digits).unwrap().shifted(places);
            prop_assert_eq!(parse(&number.to_string()), Some(number.clone()));
            let written = format!("{digits}e-{places}");
            prop_assert_eq!(parse(&written), Some(number));
        }

        #[test]
        fn any_text_is_parsed_without_a_panic(text in "[-+0-9.eE]{0,12}|.{0,12}") {
            if let Some(number) = parse(&text) {
                prop_assert_eq!(parse(&number.to_string()), Some(number));
            }
        }
    }
}
