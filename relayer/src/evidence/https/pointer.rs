//! JSON pointers (RFC 6901) into a document that is read as it is written: numbers keep their digits, and what is there
//! twice is not there.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A way through a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer(Vec<String>);

/// Why a text is no pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no JSON pointer (RFC 6901): write /member/0/member, with ~0 for ~ and ~1 for /")]
pub struct PointerError(String);

/// Why nothing can be said about what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    /// An object on the way has the member twice.
    #[error("a member is there twice")]
    Doubled,
    /// It is no JSON.
    #[error("it is no JSON")]
    NoJson,
}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        let wrong = || PointerError(text.to_owned());
        let mut steps = text.split('/');
        // What stands before the first slash is nothing.
        if steps.next() != Some("") {
            return Err(wrong());
        }
        let steps = steps.map(|step| {
            let escapes = step.split('~').skip(1);
            escapes.clone().all(|rest| rest.starts_with(['0', '1'])).then(|| step.replace("~1", "/").replace("~0", "~"))
        });
        steps.collect::<Option<_>>().map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

impl Pointer {
    /// What it points to.
    pub(super) fn find<'a>(&self, document: &'a RawValue) -> Result<Option<&'a RawValue>, Unclear> {
        let mut here = document;
        for step in &self.0 {
            let mut text = serde_json::Deserializer::from_str(here.get());
            let found = match here.get().trim_start().as_bytes().first() {
                Some(b'{') => Member(step).deserialize(&mut text),
                Some(b'[') => match index(step) {
                    Some(index) => Element(index).deserialize(&mut text),
                    None => return Ok(None),
                },
                _ => return Ok(None),
            };
            match found.map_err(|_| Unclear::NoJson)? {
                Found::Once(value) => here = value,
                Found::Nothing => return Ok(None),
                Found::Twice => return Err(Unclear::Doubled),
            }
        }
        Ok(Some(here))
    }
}

/// The index that a step means in an array.
fn index(step: &str) -> Option<usize> {
    let is_canonical = step == "0" || !step.starts_with('0');
    (is_canonical && step.bytes().all(|byte| byte.is_ascii_digit())).then(|| step.parse().ok()).flatten()
}

enum Found<'a> {
    Nothing,
    Once(&'a RawValue),
    Twice,
}

struct Member<'p>(&'p str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Found<'de>, A::Error> {
        let mut found = Found::Nothing;
        while let Some(name) = members.next_key::<Name<'de>>()? {
            if name.0 != self.0 {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = members.next_value()?;
            found = match found {
                Found::Nothing => Found::Once(value),
                Found::Once(_) | Found::Twice => Found::Twice,
            };
        }
        Ok(found)
    }
}

/// A member's name, with its escapes resolved.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct Element(usize);

impl<'de> DeserializeSeed<'de> for Element {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Element {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Found<'de>, A::Error> {
        let mut found = Found::Nothing;
        let mut position = 0;
        while let Some(element) = elements.next_element::<&'de RawValue>()? {
            if position == self.0 {
                found = Found::Once(element);
            }
            position += 1;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn find(document: &str, pointer: &str) -> Result<Option<String>, Unclear> {
        let document: &RawValue = serde_json::from_str(document).unwrap();
        let pointer: Pointer = pointer.parse().unwrap();
        pointer.find(document).map(|found| found.map(|found| found.get().to_owned()))
    }

    #[test]
    fn the_examples_of_the_standard() {
        let document = r#"{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8}"#;
        for (pointer, value) in [
            ("", document),
            ("/foo", r#"["bar", "baz"]"#),
            ("/foo/0", "\"bar\""),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            assert_eq!(find(document, pointer), Ok(Some(value.to_owned())), "{pointer:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for pointer in ["/x", "/a/x", "/a/2", "/a/-", "/a/01", "/a/+1", "/a/", "/b/c", "/a/0/0"] {
            assert_eq!(find(r#"{"a": [1, 2], "b": null}"#, pointer), Ok(None), "{pointer:?}");
        }
    }

    #[test]
    fn a_member_that_is_there_twice_is_unclear() {
        assert_eq!(find(r#"{"amount": 1, "amount": 1}"#, "/amount"), Err(Unclear::Doubled));
        assert_eq!(find(r#"{"a": {"b": 1}, "\u0061": {"b": 2}}"#, "/a/b"), Err(Unclear::Doubled));
        assert_eq!(find(r#"{"x": 1, "x": 2, "amount": 3}"#, "/amount"), Ok(Some("3".into())));
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["a", "a/b", "/~", "/~2", "/a~", "#/a", " /a"] {
            assert!(text.parse::<Pointer>().is_err(), "{text:?}");
        }
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,5}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            let array = prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
            let object = prop::collection::btree_map("[~/a0\"\\\\]{0,3}", inner, 0..4);
            prop_oneof![array, object.prop_map(|members| json!(members))]
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_another_reader_finds(document in documents(), pointer in "(/([~][01]|[a0\"\\\\]){0,3}){0,4}") {
            let found = find(&document.to_string(), &pointer).unwrap();
            let found = found.map(|text| serde_json::from_str::<Value>(&text).unwrap());
            prop_assert_eq!(found.as_ref(), document.pointer(&pointer));
        }

        #[test]
        fn any_text_is_parsed_without_a_panic_and_written_again(text in "[/~01a]{0,12}|.{0,12}") {
            if let Ok(pointer) = text.parse::<Pointer>() {
                prop_assert_eq!(pointer.to_string(), text);
            }
        }
    }
}
