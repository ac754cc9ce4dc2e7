//! Texts with fields of a request in them: `/payments/{id}`, `{amount:2}`.

use super::{
    decimal::Decimal,
    facts::{Facts, Field},
};

/// The decimal point of an amount is moved by no more.
const MOST_PLACES: u8 = 77;

/// A text with fields in it. `{{` and `}}` are braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Placeholder),
}

/// Where a field goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// Which field.
    pub field: Field,
    /// So many places further left its decimal point is written: `{amount:6}` of 10500000 is 10.5.
    pub places: u8,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace has no other.
    #[error("a {0:?} stands alone: write it twice to mean itself")]
    LoneBrace(char),
    /// There is no such field.
    #[error("there is no field {{{name}}}: there are {}", Field::ALL.map(Field::name).join(", "))]
    UnknownField {
        /// As written.
        name: String,
    },
    /// A decimal point is moved where there is none, or too far.
    #[error("{{{0}}} moves the decimal point, which only amount and value have, and by at most {MOST_PLACES} places")]
    Places(String),
}

/// A request lacks a field: its call is no transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request has no {}: its call is no transfer", .0.name())]
pub struct Missing(pub Field);

impl Placeholder {
    fn parse(text: &str) -> Result<Self, TemplateError> {
        let (name, places) = text.split_once(':').map_or((text, None), |(name, places)| (name, Some(places)));
        let field = Field::named(name).ok_or_else(|| TemplateError::UnknownField { name: name.to_owned() })?;
        let places = match places {
            None => 0,
            Some(digits) => {
                let is_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                let places = is_digits.then(|| digits.parse().ok()).flatten().filter(|places| *places <= MOST_PLACES);
                let movable = matches!(field, Field::Amount | Field::Value);
                places.filter(|_| movable).ok_or_else(|| TemplateError::Places(text.to_owned()))?
            }
        };
        Ok(Self { field, places })
    }

    /// Its value.
    pub(super) fn text(self, facts: &Facts) -> Result<String, Missing> {
        let missing = Missing(self.field);
        match self.places {
            0 => facts.text(self.field).ok_or(missing),
            _ => self.number(facts).map(|number| number.to_string()),
        }
    }

    /// Its value, of a field that is a number.
    pub(super) fn number(self, facts: &Facts) -> Result<Decimal, Missing> {
        Ok(facts.number(self.field).ok_or(Missing(self.field))?.shifted(self.places))
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// As [`TemplateError`] says.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = if rest[at..].starts_with('{') { '{' } else { '}' };
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix(brace) {
                plain.push(brace);
                rest = after;
                continue;
            }
            let inner = (brace == '{').then(|| after.split_once('}')).flatten();
            let (inner, after) = inner.ok_or(TemplateError::LoneBrace(brace))?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Value(Placeholder::parse(inner)?));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The text with the request's values in it, each as `encode` writes it.
    pub(super) fn fill(&self, facts: &Facts, encode: impl Fn(&str) -> String) -> Result<String, Missing> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Value(placeholder) => filled.push_str(&encode(&placeholder.text(facts)?)),
            }
        }
        Ok(filled)
    }

    /// The fields in it.
    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(placeholder) => Some(placeholder.field),
        })
    }

    /// The field that it is, if it is one field and nothing else.
    pub(super) fn only_field(&self) -> Option<Placeholder> {
        match self.0[..] {
            [Part::Value(placeholder)] => Some(placeholder),
            _ => None,
        }
    }

    /// What stands before the first field.
    pub(super) fn leading_text(&self) -> &str {
        match self.0.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// All that is not a field.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Value(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::samples::{facts, token_transfer};

    fn fill(template: &str, facts: &Facts) -> String {
        Template::parse(template).unwrap().fill(facts, str::to_owned).unwrap()
    }

    #[test]
    fn fields_are_written_as_documented() {
        let facts = token_transfer(10_500_000);
        assert_eq!(fill("{id}", &facts), "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a");
        assert_eq!(fill("{id_hex}", &facts), "0x0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a");
        assert_eq!(fill("{recipient}", &facts), "0x00000000000000000000000000000000000000b0");
        assert_eq!(fill("{asset}", &facts), "0x00000000000000000000000000000000000000aa");
        assert_eq!(fill("a{amount}b{{{amount:6}}}", &facts), "a10500000b{10.5}");
    }

    #[test]
    fn what_is_no_template_is_refused_with_what_is_wrong() {
        let error = |text: &str| Template::parse(text).unwrap_err().to_string();
        assert!(error("{iban}").contains("there is no field {iban}: there are id, id_hex"), "{}", error("{iban}"));
        for lone in ["{", "}", "a{id", "{{}", "{{id}"] {
            assert!(error(lone).contains("stands alone"), "{lone}: {}", error(lone));
        }
        for moved in ["{id:2}", "{amount:}", "{amount:78}", "{amount:-1}", "{amount:+1}", "{ring:1}"] {
            assert!(error(moved).contains("moves the decimal point"), "{moved}: {}", error(moved));
        }
    }

    #[test]
    fn a_call_that_is_no_transfer_has_no_amount() {
        let facts = Facts { transfer: None, ..token_transfer(1) };
        let template = Template::parse("{amount:2}").unwrap();
        assert_eq!(template.fill(&facts, str::to_owned), Err(Missing(Field::Amount)));
    }

    proptest! {
        #[test]
        fn any_text_is_itself_with_its_braces_doubled(text in ".{0,40}", facts in facts()) {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(fill(&escaped, &facts), text);
        }

        #[test]
        fn any_text_is_parsed_without_a_panic(text in "[{}a-z:0-9]{0,12}|.{0,12}") {
            let _ = Template::parse(&text);
        }

        /// So that no value can be anything but a value, wherever it is written.
        #[test]
        fn no_value_has_a_character_that_means_something(facts in facts()) {
            for field in Field::ALL {
                let text = facts.text(field).unwrap();
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{}", text);
                prop_assert!(!text.is_empty());
            }
        }
    }
}
