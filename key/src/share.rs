//! A key in shares (Shamir 1979, over GF(2^8) for each byte): any `threshold` of them make it, fewer say nothing about it.
//!
//! A share is one line of text, for files, paper and QR codes:
//!
//! ```text
//!  ring-share-1:0xADDRESS:THRESHOLD:NUMBER:64 HEXADECIMAL DIGITS:CHECKSUM
//! ```
//!
//! The checksum is the first four bytes of keccak256 of all before it: it finds what was mistyped, not what was forged. Whether
//! shares are right shows when they make the key of the address.

use std::{collections::BTreeMap, fmt, str::FromStr};

use alloy::{
    hex,
    primitives::{Address, keccak256},
    signers::local::PrivateKeySigner,
};
use blahaj::{Share, Sharks};
use zeroize::Zeroizing;

const FORMAT: &str = "ring-share-1";

/// Why shares do not make a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// It is no share.
    #[error("this is no share of a key: {0}")]
    NotAShare(&'static str),
    /// It was mistyped or damaged.
    #[error("share {0} is damaged: its checksum is another; compare it with the original")]
    Damaged(u8),
    /// It is a share of another key, or of another splitting of it.
    #[error(
        "share {number} is of the key of {address} with {threshold} shares needed, and others are wanted: {wanted}"
    )]
    OfAnother {
        /// Which share.
        number: u8,
        /// Of whose key.
        address: Address,
        /// How many it says are needed.
        threshold: u8,
        /// What is wanted.
        wanted: String,
    },
    /// It is there already.
    #[error("share {0} is there already: give another one")]
    Doubled(u8),
    /// Another share with this number is there.
    #[error("another share {0} is there already, and they differ: one of them is wrong, or of another splitting")]
    Contradicts(u8),
    /// They make another key.
    #[error(
        "shares {0:?} make no key of this address: one of them is wrong; give more of them, so that it can be found"
    )]
    Wrong(Vec<u8>),
    /// A key cannot be split like this.
    #[error(
        "a key is split into 2 to 255 shares, of which at least 2 and at most all are needed; not {threshold} of {count}"
    )]
    Count {
        /// How many should be needed.
        threshold: u8,
        /// How many there should be.
        count: u8,
    },
}

/// A share of a key. It is wiped when it is dropped, and not shown.
#[derive(Clone)]
pub struct KeyShare {
    address: Address,
    threshold: u8,
    number: u8,
    bytes: Zeroizing<[u8; 32]>,
}

impl KeyShare {
    /// Its number, from 1 on.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Whose key it is a share of.
    pub fn address(&self) -> Address {
        self.address
    }

    /// How many are needed.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// As text.
    pub fn to_text(&self) -> Zeroizing<String> {
        let Self { address, threshold, number, bytes } = self;
        let digits = Zeroizing::new(hex::encode(bytes.as_slice()));
        let text = Zeroizing::new(format!("{FORMAT}:{address}:{threshold}:{number}:{}", digits.as_str()));
        Zeroizing::new(format!("{}:{}", text.as_str(), checksum(&text)))
    }
}

impl fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyShare({} of the key of {})", self.number, self.address)
    }
}

impl FromStr for KeyShare {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let no = ShareError::NotAShare;
        let text = text.trim();
        let fields: Vec<&str> = text.split(':').collect();
        let [format, address, threshold, number, digits, sum] = fields[..] else {
            return Err(no("it does not have six parts with colons between them"));
        };
        if format != FORMAT {
            return Err(no("it does not begin with ring-share-1"));
        }
        let address = address.parse().map_err(|_| no("its address is none"))?;
        let threshold = threshold.parse().map_err(|_| no("how many are needed is no number"))?;
        let number = number.parse().map_err(|_| no("its number is none"))?;
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, bytes.as_mut()).map_err(|_| no("it does not have 64 hexadecimal digits"))?;
        let body = text.rsplit_once(':').map_or(text, |(body, _)| body);
        if checksum(body) != sum.to_ascii_lowercase() {
            return Err(ShareError::Damaged(number));
        }
        if threshold < 2 || number == 0 {
            return Err(no("its numbers make no sense"));
        }
        Ok(Self { address, threshold, number, bytes })
    }
}

fn checksum(text: &str) -> String {
    hex::encode(&keccak256(text.to_ascii_lowercase())[..4])
}

/// Splits a key into `count` shares, any `threshold` of which make it.
///
/// # Errors
/// `Count`.
pub fn split(key: &PrivateKeySigner, threshold: u8, count: u8) -> Result<Vec<KeyShare>, ShareError> {
    if threshold < 2 || threshold > count {
        return Err(ShareError::Count { threshold, count });
    }
    let secret = Zeroizing::new(key.to_bytes().0);
    let dealt = Sharks(threshold).dealer(secret.as_slice()).take(usize::from(count));
    let shares = dealt.filter_map(|share| {
        let text = Zeroizing::new(Vec::from(&share));
        let (number, bytes) = text.split_first()?;
        let bytes = Zeroizing::new(<[u8; 32]>::try_from(bytes).ok()?);
        Some(KeyShare { address: key.address(), threshold, number: *number, bytes })
    });
    Ok(shares.collect())
}

/// Shares that come one after the other, in any order.
#[derive(Debug)]
pub struct Gathering {
    address: Address,
    threshold: u8,
    shares: BTreeMap<u8, KeyShare>,
}

impl Gathering {
    /// Of the key of this address, `threshold` of whose shares are needed.
    pub fn new(address: Address, threshold: u8) -> Self {
        Self { address, threshold, shares: BTreeMap::new() }
    }

    /// The numbers of those that are there.
    pub fn numbers(&self) -> Vec<u8> {
        self.shares.keys().copied().collect()
    }

    /// How many are needed.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// Takes a share, and makes the key if there are enough. One that is refused changes nothing; wrong ones are thrown out
    /// as soon as the others show which they are.
    ///
    /// # Errors
    /// `OfAnother`, `Doubled`, `Contradicts`, `Wrong`.
    pub fn add(&mut self, share: KeyShare) -> Result<Option<PrivateKeySigner>, ShareError> {
        let number = share.number;
        if (share.address, share.threshold) != (self.address, self.threshold) {
            let wanted = format!("the key of {}, with {} needed", self.address, self.threshold);
            return Err(ShareError::OfAnother { number, address: share.address, threshold: share.threshold, wanted });
        }
        match self.shares.get(&number) {
            Some(known) if known.bytes == share.bytes => return Err(ShareError::Doubled(number)),
            Some(_) => return Err(ShareError::Contradicts(number)),
            None => drop(self.shares.insert(number, share)),
        }
        if self.shares.len() < usize::from(self.threshold) {
            return Ok(None);
        }
        // Of more than are needed, some make the key even where one is wrong.
        let all: Vec<&KeyShare> = self.shares.values().collect();
        match combinations(&all, usize::from(self.threshold)).find_map(|some| self.combine(&some)) {
            Some(key) => Ok(Some(key)),
            None => Err(ShareError::Wrong(self.numbers())),
        }
    }

    fn combine(&self, shares: &[&KeyShare]) -> Option<PrivateKeySigner> {
        let points = shares.iter().map(|share| {
            let point = Zeroizing::new([&[share.number], share.bytes.as_slice()].concat());
            Share::try_from(point.as_slice()).ok()
        });
        let points: Vec<Share> = points.collect::<Option<_>>()?;
        let secret = Zeroizing::new(Sharks(self.threshold).recover(&points).ok()?);
        PrivateKeySigner::from_slice(&secret).ok().filter(|key| key.address() == self.address)
    }
}

/// All choices of `count`, without order. There are few shares.
fn combinations<'a>(all: &'a [&'a KeyShare], count: usize) -> impl Iterator<Item = Vec<&'a KeyShare>> {
    let mut chosen: Option<Vec<usize>> = (count <= all.len()).then(|| (0..count).collect());
    std::iter::from_fn(move || {
        let current = chosen.take()?;
        let mut next = current.clone();
        if let Some(place) = (0..count).rev().find(|place| next[*place] < all.len() - count + place) {
            next[place] += 1;
            for later in place + 1..count {
                next[later] = next[later - 1] + 1;
            }
            chosen = Some(next);
        }
        Some(current.into_iter().map(|index| all[index]).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> PrivateKeySigner {
        PrivateKeySigner::from_slice(&[5; 32]).unwrap()
    }

    fn gathering() -> Gathering {
        Gathering::new(key().address(), 3)
    }

    #[test]
    fn any_three_of_five_make_the_key_in_any_order_and_two_do_not() {
        let shares = split(&key(), 3, 5).unwrap();
        for first in 0..5 {
            for second in 0..5 {
                for third in 0..5 {
                    if first == second || second == third || first == third {
                        continue;
                    }
                    let mut gathering = gathering();
                    assert!(gathering.add(shares[first].clone()).unwrap().is_none());
                    assert!(gathering.add(shares[second].clone()).unwrap().is_none());
                    let made = gathering.add(shares[third].clone()).unwrap().unwrap();
                    assert_eq!(made.to_bytes(), key().to_bytes());
                }
            }
        }
    }

    #[test]
    fn text_is_read_again_and_what_was_mistyped_is_named() {
        let share = split(&key(), 2, 2).unwrap().remove(1);
        let text = share.to_text();
        let again: KeyShare = format!(" {}\n", text.as_str()).parse().unwrap();
        assert_eq!((again.number(), again.bytes.as_slice()), (2, share.bytes.as_slice()));
        // Each digit, one after the other.
        for place in text.len() - 74..text.len() {
            let mut wrong: Vec<u8> = text.bytes().collect();
            match wrong[place] {
                b':' => continue,
                b'0' => wrong[place] = b'1',
                _ => wrong[place] = b'0',
            }
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(wrong.parse::<KeyShare>().unwrap_err(), ShareError::Damaged(2), "{place}");
        }
        for nonsense in ["", "ring-share-1", "ring-share-2:::::", "a:b:c:d:e:f", "ring-share-1:0x00:2:1:00:00"] {
            assert!(matches!(nonsense.parse::<KeyShare>(), Err(ShareError::NotAShare(_))), "{nonsense}");
        }
        assert!(!format!("{share:?}").contains(&hex::encode(share.bytes.as_slice())));
    }

    #[test]
    fn doubled_and_foreign_shares_are_named_and_change_nothing() {
        let shares = split(&key(), 3, 5).unwrap();
        let again = split(&key(), 3, 5).unwrap();
        let other = split(&PrivateKeySigner::from_slice(&[6; 32]).unwrap(), 3, 5).unwrap();
        let mut gathering = gathering();
        gathering.add(shares[0].clone()).unwrap();
        assert_eq!(gathering.add(shares[0].clone()).unwrap_err(), ShareError::Doubled(1));
        assert_eq!(gathering.add(again[0].clone()).unwrap_err(), ShareError::Contradicts(1));
        assert!(matches!(gathering.add(other[1].clone()).unwrap_err(), ShareError::OfAnother { number: 2, .. }));
        assert!(matches!(
            gathering.add(split(&key(), 2, 5).unwrap().remove(1)).unwrap_err(),
            ShareError::OfAnother { number: 2, threshold: 2, .. }
        ));
        assert_eq!(gathering.numbers(), [1]);
    }

    #[test]
    fn a_forged_share_makes_no_key_and_is_overcome_by_one_share_more() {
        let shares = split(&key(), 3, 5).unwrap();
        let mut forged = shares[1].clone();
        forged.bytes[0] ^= 1;
        let forged: KeyShare = forged.to_text().parse().unwrap();
        let mut gathering = gathering();
        gathering.add(shares[0].clone()).unwrap();
        gathering.add(forged).unwrap();
        assert_eq!(gathering.add(shares[2].clone()).unwrap_err(), ShareError::Wrong(vec![1, 2, 3]));
        assert_eq!(gathering.add(shares[3].clone()).unwrap().unwrap().address(), key().address());
    }

    #[test]
    fn a_key_is_not_split_so_that_one_share_is_the_key() {
        for (threshold, count) in [(0, 3), (1, 3), (4, 3)] {
            assert_eq!(split(&key(), threshold, count).unwrap_err(), ShareError::Count { threshold, count });
        }
    }
}
