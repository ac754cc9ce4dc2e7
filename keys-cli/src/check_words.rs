//! Words that people compare where digits would be skipped: they say what a hash is, and are no secret.

use alloy::{
    primitives::{Address, B256, keccak256},
    signers::local::coins_bip39::{English, Wordlist as _},
};

/// Each word of BIP-39's list stands for so many bits.
const BITS: usize = 11;

/// Two words for an address: they find what was mistyped, not what was forged.
pub fn of_address(address: Address) -> String {
    words(keccak256(address), 2)
}

/// Six words for what is to be signed, 66 bits of its digest: more than can be forged in the time in which it is signed.
pub fn of_digest(digest: B256) -> String {
    words(digest, 6)
}

/// The words of the first bits of a hash, eleven each.
fn words(hash: B256, count: usize) -> String {
    let bit = |place: usize| usize::from(hash[place / 8] >> (7 - place % 8) & 1);
    let index = |word: usize| (word * BITS..(word + 1) * BITS).fold(0, |index, place| index << 1 | bit(place));
    let words: Vec<&str> = (0..count).map(|word| English::get(index(word)).unwrap_or_default()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_the_next_eleven_bits() {
        // As BIP-39 numbers them: 0 is "abandon", 1 "ability", 2047 "zoo".
        assert_eq!(of_digest(B256::ZERO), ["abandon"; 6].join(" "));
        assert_eq!(of_digest(B256::repeat_byte(0xff)), ["zoo"; 6].join(" "));
        let mut second = B256::ZERO;
        second[2] = 1 << 2;
        assert_eq!(of_digest(second), "abandon ability abandon abandon abandon abandon");
    }

    #[test]
    fn those_of_an_address_are_of_nothing_else() {
        let [one, other] = [1, 2].map(Address::with_last_byte);
        assert_eq!(of_address(one), of_address(one));
        assert_ne!(of_address(one), of_address(other));
        assert_eq!(of_address(one).split(' ').count(), 2);
    }
}
