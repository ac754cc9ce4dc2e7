//! A key on paper: a mnemonic (BIP-39, English), printed as a sheet with a QR code, checked by typing it again.

use std::path::Path;

use alloy::{
    primitives::Address,
    signers::local::{
        PrivateKeySigner,
        coins_bip39::{English, Mnemonic, Wordlist as _},
    },
};
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use rand::rngs::OsRng;
use ring_keystore::{
    KeystoreError,
    files::{self, FileError},
};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::check_words;

/// How many words a mnemonic may have here: 128 bits of entropy, which is as much as the curve has, or 256.
pub const WORDS: [usize; 2] = [12, 24];
/// How many words stand beside one another.
const COLUMNS: usize = 3;

/// Why there is no key on paper.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // The variants that only pass on say nothing of their own.
pub enum PaperError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// Too many words, or too few.
    #[error("these are {0} words, and a mnemonic has 12, 15, 18, 21 or 24: look which is missing or doubled")]
    Count(usize),
    /// A word that is none. Which one it is is not repeated.
    #[error("word {0} is not in the list of BIP-39: look how it is spelt on the sheet")]
    Word(usize),
    /// All are words, and do not belong together.
    #[error(
        "each of these is a word of the list, and together they are no mnemonic: one is another than on the sheet, or two are exchanged"
    )]
    Checksum,
    /// Another mnemonic.
    #[error(
        "these words make the key of {actual}, and that of {expected} is wanted: is it the right sheet, and the right --index?"
    )]
    OtherAddress {
        /// Of these words.
        actual: Address,
        /// As was said.
        expected: Address,
    },
}

/// A key that was made for paper.
pub(crate) struct Paper {
    phrase: SecretString,
    /// The first key of the mnemonic.
    pub(crate) address: Address,
}

impl Paper {
    /// Makes a new one.
    pub(crate) fn generate(words: usize) -> Result<Self, PaperError> {
        let mnemonic = Mnemonic::<English>::new_with_count(&mut OsRng, words).map_err(|_| PaperError::Count(words))?;
        let phrase = SecretString::from(mnemonic.to_phrase());
        let address = ring_keystore::from_mnemonic(&phrase, 0)?.address();
        Ok(Self { phrase, address })
    }

    /// Writes the sheet into a new file, which is to be printed and deleted.
    pub(crate) fn write(&self, path: &Path) -> Result<(), PaperError> {
        Ok(files::write_new(path, self.sheet().as_bytes())?)
    }

    fn sheet(&self) -> Zeroizing<String> {
        let words: Vec<&str> = self.phrase.expose_secret().split(' ').collect();
        // Down the columns, as people number.
        let rows = words.len().div_ceil(COLUMNS);
        let mut table = Zeroizing::new(String::new());
        for row in 0..rows {
            for place in (row..words.len()).step_by(rows) {
                let cell = Zeroizing::new(format!("{:>4}  {:<12}", place + 1, words[place]));
                table.push_str(&cell);
            }
            let length = table.trim_end().len();
            table.truncate(length);
            table.push('\n');
        }
        let (address, check, count) = (self.address, check_words::of_address(self.address), words.len());
        let code = Zeroizing::new(qr_code(self.phrase.expose_secret()));
        Zeroizing::new(format!(
            "A key on paper. Whoever reads this has it: keep it like money, in two places, and nowhere on a computer.\n\n\
             address      {address}\n\
             check words  {check}\n\
             derivation   m/44'/60'/0'/0/0 of {count} words (BIP-39, English), no passphrase\n\n{}\n{}\n\n\
             Check it, without a network:   ring-keys paper check --address {address}\n\
             Use it, without a network:     ring-keys import --out FILE\n",
            table.as_str(),
            code.as_str()
        ))
    }
}

/// The key of what was typed, each mistake told apart.
///
/// # Errors
/// `Count`, `Word`, `Checksum`, `OtherAddress`, `Keystore`.
pub(crate) fn check(typed: &SecretString, index: u32, expected: Address) -> Result<PrivateKeySigner, PaperError> {
    let words: Vec<Zeroizing<String>> =
        typed.expose_secret().split_whitespace().map(|word| Zeroizing::new(word.to_lowercase())).collect();
    if !(words.len() >= 12 && words.len() <= 24 && words.len().is_multiple_of(3)) {
        return Err(PaperError::Count(words.len()));
    }
    if let Some(place) = words.iter().position(|word| English::get_index(word).is_err()) {
        return Err(PaperError::Word(place + 1));
    }
    let phrase = words.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(" ");
    let phrase = SecretString::from(phrase);
    Mnemonic::<English>::new_from_phrase(phrase.expose_secret()).map_err(|_| PaperError::Checksum)?;
    let key = ring_keystore::from_mnemonic(&phrase, index)?;
    match key.address() {
        actual if actual == expected => Ok(key),
        actual => Err(PaperError::OtherAddress { actual, expected }),
    }
}

fn qr_code(text: &str) -> String {
    // 24 words are some 170 letters, of 1,273 that fit at most with this much room for damage.
    QrCode::with_error_correction_level(text, EcLevel::H)
        .or_else(|_| QrCode::new(text))
        .map(|code| code.render::<Dense1x2>().build())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_all_words_in_their_order_and_its_address_and_nothing_shows_them_by_chance() {
        for count in WORDS {
            let paper = Paper::generate(count).unwrap();
            let sheet = paper.sheet();
            assert!(
                sheet.contains(&paper.address.to_string()) && sheet.contains(&check_words::of_address(paper.address))
            );
            for (place, word) in (1..).zip(paper.phrase.expose_secret().split(' ')) {
                assert!(sheet.contains(&format!("{place:>4}  {word}")), "word {place}");
            }
            let key = check(&paper.phrase, 0, paper.address).unwrap();
            assert_eq!(key.address(), paper.address);
        }
    }

    #[test]
    fn each_mistake_of_typing_is_told_apart_and_no_word_is_repeated() {
        // The mnemonic of every development chain.
        let right = "test test test test test test test test test test test junk";
        let address: Address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
        let typed = |text: &str, index| check(&SecretString::from(text), index, address).map(|_| ());
        typed(&format!("  {}\n", right.to_uppercase().replace(' ', "  ")), 0).unwrap();
        assert!(matches!(typed(right, 1), Err(PaperError::OtherAddress { .. })));
        assert!(matches!(typed("test test", 0), Err(PaperError::Count(2))));
        assert!(matches!(typed("", 0), Err(PaperError::Count(0))));
        let misspelt = typed(&right.replacen("test", "tset", 1), 0).unwrap_err();
        assert!(matches!(misspelt, PaperError::Word(1)) && !misspelt.to_string().contains("tset"));
        assert!(matches!(typed(&right.replace("junk", "abandon"), 0), Err(PaperError::Checksum)));
    }
}
