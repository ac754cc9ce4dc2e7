//! A function's signature as people write it, `transfer(address to,uint256 amount)`, and where its arguments are in call data.

use std::str::FromStr;

use alloy::{
    dyn_abi::DynSolType,
    primitives::{FixedBytes, keccak256},
};
use ring_contracts::{Address, MAX_ADDRESS_WORDS, NO_AMOUNT, Permission};

/// A function, and the 32-byte words at the head of its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    selector: FixedBytes<4>,
    signature: String,
    words: Vec<Word>,
}

/// One word of the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Address,
    Amount,
    Other,
    /// Where something of changing length is: the thing itself has no fixed place.
    Offset,
}

/// Which argument is an amount: by its name, or by the number of its word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meter {
    /// A name in the signature; inside a struct without a place of its own, just the name.
    Name(String),
    /// The word, from 0.
    Word(usize),
}

/// Why a function or its amount cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// No signature.
    #[error(
        "{text:?} is not a function: write its name and parameters, \"transfer(address to,uint256 amount)\" ({reason})"
    )]
    Malformed {
        /// As written.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// A selector of zeros would be a bare transfer.
    #[error("{0} has the selector 0x00000000, which stands for bare transfers: the contract cannot permit it")]
    SelectorZero(String),
    /// No such argument.
    #[error("{signature} has no argument {name:?} at a fixed place: its words are {words}")]
    Unlocated {
        /// The function.
        signature: String,
        /// The argument.
        name: String,
        /// What there is.
        words: String,
    },
    /// Several of that name.
    #[error("{signature} has several arguments {name:?}: give the number of the word instead, {words}")]
    Ambiguous {
        /// The function.
        signature: String,
        /// The argument.
        name: String,
        /// What there is.
        words: String,
    },
    /// It is there, and is not a number of anything.
    #[error("word {word} of {signature} is no amount: only unsigned integers are; its words are {words}")]
    NotAnAmount {
        /// The function.
        signature: String,
        /// The word.
        word: usize,
        /// What there is.
        words: String,
    },
}

impl FromStr for Meter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Word).map_err(|_| format!("{text} is too large for the number of a word"));
        }
        match text.is_empty() {
            true => Err("write the argument's name, or the number of its word".to_owned()),
            false => Ok(Self::Name(text.to_owned())),
        }
    }
}

impl FromStr for Function {
    type Err = FunctionError;

    fn from_str(text: &str) -> Result<Self, FunctionError> {
        let malformed = |reason: String| FunctionError::Malformed { text: text.to_owned(), reason };
        let bare = text.trim().strip_prefix("function ").unwrap_or(text).trim();
        let (name, rest) = bare.split_once('(').ok_or_else(|| malformed("there are no parentheses".to_owned()))?;
        if !is_name(name) {
            return Err(malformed(format!("{name:?} is no name")));
        }
        let (list, after) = up_to_closing(rest).map_err(malformed)?;
        // "external returns (bool)" may follow: it is no part of what is called.
        if !after.is_empty() && !after.starts_with(char::is_whitespace) {
            return Err(malformed(format!("{after:?} follows the parameters")));
        }
        let parameters = parameters(list).map_err(malformed)?;
        let signature = format!("{name}{}", tuple_name(parameters.iter().map(|parameter| &parameter.kind)));
        let selector = FixedBytes::from_slice(&keccak256(&signature)[..4]);
        if selector.is_zero() {
            return Err(FunctionError::SelectorZero(signature));
        }
        let mut words = Vec::new();
        parameters.iter().for_each(|parameter| add_words(parameter, &mut words));
        Ok(Self { selector, signature, words })
    }
}

/// A parameter as it is written.
struct Parameter {
    name: String,
    kind: DynSolType,
    /// Of a struct by itself: its members.
    members: Vec<Parameter>,
}

/// What is inside the parenthesis that was opened, and what follows it.
fn up_to_closing(text: &str) -> Result<(&str, &str), String> {
    let mut depth = 1;
    for (index, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok((&text[..index], &text[index + 1..]));
        }
    }
    Err("a parenthesis is not closed".to_owned())
}

/// A list of parameters, whose commas in structs are their own.
fn parameters(list: &str) -> Result<Vec<Parameter>, String> {
    let (mut depth, mut start, mut pieces) = (0, 0, Vec::new());
    for (index, letter) in list.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                pieces.push(&list[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    if pieces.is_empty() && list.trim().is_empty() {
        return Ok(Vec::new());
    }
    pieces.push(&list[start..]);
    pieces.into_iter().map(parameter).collect()
}

/// `uint256 amount`, `address payable to`, `bytes calldata data`, `(address to,uint256 amount)[2] pairs`.
fn parameter(text: &str) -> Result<Parameter, String> {
    let text = text.trim();
    let text = text.strip_prefix("tuple").filter(|rest| rest.starts_with('(')).unwrap_or(text);
    let (kind, members, rest) = match text.strip_prefix('(') {
        Some(inner) => {
            let (list, rest) = up_to_closing(inner)?;
            let members = parameters(list)?;
            let (suffix, rest) = split_word(rest);
            let kind = parse_type(&format!("{}{suffix}", tuple_name(members.iter().map(|member| &member.kind))))?;
            (kind, if suffix.is_empty() { members } else { Vec::new() }, rest)
        }
        None => {
            let (kind, rest) = split_word(text);
            (parse_type(kind)?, Vec::new(), rest)
        }
    };
    let mut words = rest.split_whitespace().filter(|word| !["payable", "calldata", "memory"].contains(word));
    let name = words.next().unwrap_or_default();
    if words.next().is_some() || !(name.is_empty() || is_name(name)) {
        return Err(format!("{text:?} is no parameter"));
    }
    Ok(Parameter { name: name.to_owned(), kind, members })
}

fn split_word(text: &str) -> (&str, &str) {
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

fn parse_type(text: &str) -> Result<DynSolType, String> {
    DynSolType::parse(text).map_err(|_| format!("{text:?} is no type"))
}

/// A type as it stands in what is hashed. The library writes a struct of one member as `(bytes,)`, which hashes to another
/// selector.
fn type_name(kind: &DynSolType) -> String {
    match kind {
        DynSolType::Tuple(members) => tuple_name(members.iter()),
        DynSolType::Array(item) => format!("{}[]", type_name(item)),
        DynSolType::FixedArray(item, length) => format!("{}[{length}]", type_name(item)),
        other => other.sol_type_name().into_owned(),
    }
}

fn tuple_name<'a>(members: impl Iterator<Item = &'a DynSolType>) -> String {
    format!("({})", members.map(type_name).collect::<Vec<_>>().join(","))
}

fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    text.starts_with(is_letter) && text.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

/// What is encoded in place has its words at the head; of all else only an offset is there.
fn add_words(parameter: &Parameter, words: &mut Vec<Word>) {
    let Parameter { name, kind, members } = parameter;
    if is_dynamic(kind) {
        words.push(Word { name: name.clone(), kind: Kind::Offset });
    } else if members.is_empty() {
        add_item(name, kind, words);
    } else {
        members.iter().for_each(|member| add_words(member, words));
    }
}

/// The words of something of fixed length.
fn add_item(name: &str, item: &DynSolType, words: &mut Vec<Word>) {
    let kind = match item {
        DynSolType::Address => Kind::Address,
        DynSolType::Uint(_) => Kind::Amount,
        DynSolType::FixedArray(inner, length) => return (0..*length).for_each(|_| add_item(name, inner, words)),
        DynSolType::Tuple(members) => return members.iter().for_each(|member| add_item(name, member, words)),
        _ => Kind::Other,
    };
    words.push(Word { name: name.to_owned(), kind });
}

fn is_dynamic(kind: &DynSolType) -> bool {
    match kind {
        DynSolType::String | DynSolType::Bytes | DynSolType::Array(_) => true,
        DynSolType::FixedArray(item, _) => is_dynamic(item),
        DynSolType::Tuple(members) => members.iter().any(is_dynamic),
        _ => false,
    }
}

impl Function {
    /// Its selector.
    pub fn selector(&self) -> FixedBytes<4> {
        self.selector
    }

    /// Its canonical signature, `transfer(address,uint256)`.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// Which words are addresses, bit by bit: of the first 16, which are all that the contract can check.
    pub fn address_words(&self) -> u16 {
        let addresses = self.words.iter().take(MAX_ADDRESS_WORDS).enumerate();
        addresses.filter(|(_, word)| word.kind == Kind::Address).fold(0, |bits, (index, _)| bits | 1 << index)
    }

    /// The word of the amount.
    ///
    /// # Errors
    /// It has no fixed place, or is no amount.
    pub fn amount_word(&self, meter: &Meter) -> Result<u8, FunctionError> {
        let (signature, words) = (self.signature.clone(), self.words_in_words());
        let word = match meter {
            Meter::Word(word) if *word < self.words.len() => *word,
            Meter::Word(word) => {
                return Err(FunctionError::Unlocated { signature, name: format!("word {word}"), words });
            }
            Meter::Name(name) => {
                let mut found = self.words.iter().enumerate().filter(|(_, word)| word.name == *name);
                match (found.next(), found.next()) {
                    (Some((index, word)), None) if word.kind != Kind::Offset => index,
                    (Some(_), Some(_)) => {
                        return Err(FunctionError::Ambiguous { signature, name: name.clone(), words });
                    }
                    _ => return Err(FunctionError::Unlocated { signature, name: name.clone(), words }),
                }
            }
        };
        match u8::try_from(word) {
            Ok(index) if index != NO_AMOUNT && self.words[word].kind == Kind::Amount => Ok(index),
            _ => Err(FunctionError::NotAnAmount { signature, word, words }),
        }
    }

    /// The permission to call it, at this contract, metering an amount of an asset if there is one.
    ///
    /// # Errors
    /// As [`amount_word`](Self::amount_word).
    pub fn permission(&self, target: Address, meter: Option<(&Meter, Address)>) -> Result<Permission, FunctionError> {
        let mut permission =
            Permission { address_words: self.address_words(), ..Permission::function(target, self.selector) };
        if let Some((meter, asset)) = meter {
            (permission.amount_word, permission.asset) = (self.amount_word(meter)?, asset);
        }
        Ok(permission)
    }

    fn words_in_words(&self) -> String {
        let word = |(index, word): (usize, &Word)| {
            let kind = match word.kind {
                Kind::Address => "an address",
                Kind::Amount => "an amount",
                Kind::Other => "something else",
                Kind::Offset => "elsewhere, its length changes",
            };
            format!("{index} {:?} ({kind})", word.name)
        };
        let words: Vec<_> = self.words.iter().enumerate().map(word).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(text: &str) -> Function {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn amount(text: &str, name: &str) -> Result<u8, FunctionError> {
        function(text).amount_word(&name.parse().unwrap())
    }

    #[test]
    fn a_signature_gives_selector_amount_and_addresses() {
        let transfer = function("transfer(address to,uint256 amount)");
        assert_eq!(transfer.selector(), FixedBytes([0xa9, 0x05, 0x9c, 0xbb]));
        assert_eq!(transfer.signature(), "transfer(address,uint256)");
        let token = Address::repeat_byte(0x11);
        let by_name = transfer.permission(token, Some((&Meter::Name("amount".to_owned()), token)));
        assert_eq!(by_name, Ok(Permission::erc20_transfer(token)));
        assert_eq!(transfer.permission(token, Some((&Meter::Word(1), token))), by_name);
        let from = function("function transferFrom(address from, address to, uint amount) external returns (bool)");
        assert_eq!((from.selector(), from.address_words()), (FixedBytes([0x23, 0xb8, 0x72, 0xdd]), 0b011));
        assert_eq!(from.amount_word(&Meter::Name("amount".to_owned())), Ok(2));
    }

    #[test]
    fn a_signature_is_made_canonical() {
        for (written, canonical) in [
            ("f()", "f()"),
            ("f(uint a,int[] b)", "f(uint256,int256[])"),
            ("f((uint a,(bytes b)[2] c)[] d,address payable e)", "f((uint256,(bytes)[2])[],address)"),
            ("f(tuple(address to,uint256 amount) order,string memory note) payable", "f((address,uint256),string)"),
        ] {
            let parsed = written.parse::<Function>().map(|function| function.signature);
            assert_eq!(parsed.unwrap_or_default(), canonical, "{written}");
        }
    }

    #[test]
    fn what_is_encoded_in_place_is_counted_word_by_word() {
        let swap = "swap((address tokenIn,address tokenOut,uint24 fee,uint256 amountIn) order,address to,bool exact)";
        assert_eq!(amount(swap, "amountIn"), Ok(3));
        assert_eq!(function(swap).address_words(), 0b01_0011);
        // Of what has no fixed length there is one word here, and what follows it stays where it is.
        let note = "record(bytes data,uint256[2] pair,string note,uint96 price)";
        assert_eq!(amount(note, "price"), Ok(4));
        assert_eq!(amount(note, "2"), Ok(2));
        assert_eq!(function("f(uint8 a)").amount_word(&Meter::Word(0)), Ok(0));
    }

    #[test]
    fn an_amount_without_a_fixed_place_is_refused() {
        let batch = "pay(address[] to,uint256[] amounts,(bytes data,uint256 value) more)";
        for name in ["amounts", "value", "more", "3", "nothing"] {
            assert!(matches!(amount(batch, name), Err(FunctionError::Unlocated { .. })), "{name}");
        }
        // Its word is an offset: metering it would meter nothing.
        assert!(matches!(amount(batch, "1"), Err(FunctionError::NotAnAmount { .. })));
        for name in ["to", "0", "flag", "signed"] {
            let error = amount("f(address to,bool flag,int256 signed)", name);
            assert!(matches!(error, Err(FunctionError::NotAnAmount { .. })), "{name}");
        }
        let twice = amount("f(uint256 a,uint256 a)", "a");
        assert!(matches!(twice, Err(FunctionError::Ambiguous { .. })), "{twice:?}");
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        for text in [
            "",
            "transfer",
            "transfer(",
            "transfer(addres to)",
            "transfer(address to)x",
            "transfer(address to,)",
            "transfer(address to many)",
            "transfer(address 1)",
            "0xa9059cbb",
            "(address to)",
            "a b(address to)",
            "f((address to)",
            "f(uint257 a)",
        ] {
            assert!(matches!(text.parse::<Function>(), Err(FunctionError::Malformed { .. })), "{text}");
        }
    }
}
