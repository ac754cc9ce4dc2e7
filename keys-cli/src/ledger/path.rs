//! Which of a device's keys: a path of BIP-32, as BIP-44 lays it out.

use std::{fmt, str::FromStr};

/// The most that a Ledger's Ethereum app takes.
const MOST_STEPS: usize = 10;
const HARDENED: u32 = 1 << 31;

/// A path, such as `m/44'/60'/0'/0/0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivationPath(Vec<u32>);

/// Why a text is no path.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no derivation path: it looks like m/44'/60'/0'/0/0, with 1 to {MOST_STEPS} numbers below 2147483648")]
pub struct PathError(String);

impl DerivationPath {
    /// Its steps, with the highest bit for those that are hardened.
    pub(crate) fn steps(&self) -> &[u32] {
        &self.0
    }

    /// As the app wants it: how many steps, and each in four bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let steps = self.0.iter().flat_map(|step| step.to_be_bytes());
        // At most ten.
        std::iter::once(self.0.len() as u8).chain(steps).collect()
    }
}

impl FromStr for DerivationPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let wrong = || PathError(text.to_owned());
        let steps: Vec<u32> = text
            .strip_prefix("m/")
            .ok_or_else(wrong)?
            .split('/')
            .map(|step| {
                let number = step.strip_suffix(['\'', 'h']);
                let is_hardened = number.is_some();
                let number = number.unwrap_or(step);
                let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                let number = number.parse::<u32>().ok().filter(|number| is_plain && *number < HARDENED)?;
                Some(if is_hardened { number | HARDENED } else { number })
            })
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        if steps.len() > MOST_STEPS { Err(wrong()) } else { Ok(Self(steps)) }
    }
}

impl fmt::Display for DerivationPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("m")?;
        for step in &self.0 {
            let mark = if step & HARDENED == 0 { "" } else { "'" };
            write!(f, "/{}{mark}", step & !HARDENED)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_written() {
        for text in ["m/44'/60'/0'/0/0", "m/44'/60'/3'/0/0", "m/44'/60'/0'/2147483647", "m/1/2/3/4/5/6/7/8/9/10"] {
            assert_eq!(text.parse::<DerivationPath>().unwrap().to_string(), text);
        }
        assert_eq!("m/44h/60h/0h/0/0".parse::<DerivationPath>().unwrap().to_string(), "m/44'/60'/0'/0/0");
    }

    #[test]
    fn what_is_no_path_is_named() {
        for text in
            ["", "m", "m/", "44'/60'", "m/44'//0", "m/-1", "m/+1", "m/2147483648", "m/0x1", "m/1/2/3/4/5/6/7/8/9/10/11"]
        {
            let error = text.parse::<DerivationPath>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
