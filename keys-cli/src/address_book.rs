//! Names for addresses, in a file of the person who signs.
//!
//! ```toml
//! treasury = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
//! "seat 0, Zurich" = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
//! ```

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use ring_keystore::files::{self, FileError};

use crate::cli::parse_address;

/// The length of an address in text.
const LENGTH: usize = 42;
/// The longest name, in letters.
const LONGEST_NAME: usize = 40;

/// Whose addresses are known.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    /// `None`: there is no book, so nobody is missing in it.
    names: Option<BTreeMap<Address, String>>,
}

/// What is wrong with an address book.
#[derive(Debug, thiserror::Error)]
pub enum AddressBookError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is no list of names.
    #[error("{path} is not an address book: {reason}. Each line is like: treasury = \"0x…\"", path = path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A line of it is wrong.
    #[error("{path}: {name:?}: {reason}", path = path.display())]
    Entry {
        /// Which file.
        path: PathBuf,
        /// Whose line.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl AddressBook {
    /// Reads a book. Without one, addresses stay as they are.
    ///
    /// # Errors
    /// Any.
    pub fn read(path: Option<&Path>) -> Result<Self, AddressBookError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let malformed = |reason: String| AddressBookError::Malformed { path: path.to_owned(), reason };
        let text = String::from_utf8(files::read(path)?).map_err(|_| malformed("it is no text".to_owned()))?;
        let entries: BTreeMap<String, String> =
            toml::from_str(&text).map_err(|error| malformed(error.message().to_owned()))?;
        let mut names = BTreeMap::new();
        for (name, address) in entries {
            let wrong = |reason| AddressBookError::Entry { path: path.to_owned(), name: name.clone(), reason };
            check_name(&name).map_err(wrong)?;
            let address = parse_address(&address).map_err(wrong)?;
            if let Some(other) = names.insert(address, name.clone()) {
                return Err(wrong(format!("{address} is {other:?}, too: one of them is wrong")));
            }
        }
        Ok(Self { names: Some(names) })
    }

    /// The text, with its name behind each address. One that the book does not have is told, too: it may be a wrong one.
    pub fn annotate(&self, text: &str) -> String {
        let Some(names) = &self.names else { return text.to_owned() };
        let mut annotated = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("0x") {
            let (before, at) = rest.split_at(start);
            let digits = at[2..].bytes().take_while(u8::is_ascii_hexdigit).count();
            let (found, after) = at.split_at(2 + digits);
            annotated.push_str(before);
            annotated.push_str(found);
            if let Some(address) = (found.len() == LENGTH).then(|| found.parse::<Address>().ok()).flatten() {
                match names.get(&address) {
                    Some(name) => annotated.push_str(&format!(" ({name})")),
                    None if address.is_zero() => {}
                    None => annotated.push_str(" (NOT IN THE ADDRESS BOOK)"),
                }
            }
            rest = after;
        }
        annotated.push_str(rest);
        annotated
    }
}

/// A name must not be able to look like something else that is shown.
fn check_name(name: &str) -> Result<(), String> {
    let letters = name.chars().count();
    if name.trim() != name || letters == 0 || letters > LONGEST_NAME {
        return Err(format!("a name has 1 to {LONGEST_NAME} letters, and no space around it"));
    }
    let is_fine = |letter: char| letter.is_alphanumeric() || " .,'-_#/&+:@".contains(letter);
    match name.chars().find(|letter| !is_fine(*letter)) {
        Some(letter) => Err(format!("{letter:?} cannot be in a name")),
        None if name.contains("0x") => Err("a name has no 0x in it: it could be taken for an address".to_owned()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    const UNKNOWN: &str = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";

    fn read(text: &str) -> Result<AddressBook, AddressBookError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names.toml");
        std::fs::write(&path, text).unwrap();
        AddressBook::read(Some(&path))
    }

    #[test]
    fn an_address_has_its_name_behind_it_and_a_strange_one_is_told() {
        let book = read(&format!("\"seat 0, Zürich\" = \"{KNOWN}\"")).unwrap();
        let data = format!("0x{}", "ab".repeat(32));
        let zero = Address::ZERO;
        assert_eq!(
            book.annotate(&format!("from {KNOWN} to {UNKNOWN}, {data}, {zero}, 0x.")),
            format!("from {KNOWN} (seat 0, Zürich) to {UNKNOWN} (NOT IN THE ADDRESS BOOK), {data}, {zero}, 0x.")
        );
        assert_eq!(AddressBook::default().annotate(UNKNOWN), UNKNOWN);
    }

    #[test]
    fn what_is_wrong_with_a_book_is_said_with_its_line() {
        let swapped = KNOWN.replace("5aA", "5aa");
        for (text, part) in [
            ("treasury".to_owned(), "not an address book"),
            ("treasury = 1".to_owned(), "not an address book"),
            (format!("a = \"{KNOWN}\"\na = \"{UNKNOWN}\""), "not an address book"),
            (format!("treasury = \"{swapped}\""), "checksum"),
            (format!("a = \"{KNOWN}\"\nb = \"{KNOWN}\""), "\"a\", too"),
            (format!("\"{UNKNOWN}\" = \"{KNOWN}\""), "letters"),
            (format!("\"0xab\" = \"{KNOWN}\""), "no 0x"),
            (format!("\"a) and (b\" = \"{KNOWN}\""), "')' cannot be"),
            (format!("\"a\\nb\" = \"{KNOWN}\""), "'\\n' cannot be"),
            (format!("\" a\" = \"{KNOWN}\""), "no space around"),
            (format!("\"{}\" = \"{KNOWN}\"", "a".repeat(41)), "1 to 40"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
