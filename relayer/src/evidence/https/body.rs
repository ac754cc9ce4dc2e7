//! A JSON text with fields of a request in its strings.

use serde_json::{Map, Value};

use crate::evidence::{Facts, Field, Missing, Template, TemplateError};

/// Why it is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is no JSON.
    #[error("it is no JSON ({0})")]
    NoJson(String),
    /// The fields in it.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// What is sent.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Text(Template),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
    Fixed(Value),
}

impl Body {
    pub(super) fn parse(text: &str) -> Result<Self, BodyError> {
        Self::from_value(serde_json::from_str(text).map_err(|error| BodyError::NoJson(error.to_string()))?)
    }

    fn from_value(value: Value) -> Result<Self, BodyError> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::parse(&text)?),
            Value::Array(elements) => {
                Self::Array(elements.into_iter().map(Self::from_value).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| Ok((name, Self::from_value(value)?)));
                Self::Object(members.collect::<Result<_, BodyError>>()?)
            }
            fixed => Self::Fixed(fixed),
        })
    }

    /// What is sent for a request.
    pub(super) fn fill(&self, facts: &Facts) -> Result<Value, Missing> {
        Ok(match self {
            Self::Text(template) => Value::String(template.fill(facts, str::to_owned)?),
            Self::Array(elements) => {
                Value::Array(elements.iter().map(|element| element.fill(facts)).collect::<Result<_, _>>()?)
            }
            Self::Object(members) => {
                let members = members.iter().map(|(name, member)| Ok((name.clone(), member.fill(facts)?)));
                Value::Object(members.collect::<Result<Map<_, _>, Missing>>()?)
            }
            Self::Fixed(value) => value.clone(),
        })
    }

    pub(super) fn fields(&self) -> Vec<Field> {
        match self {
            Self::Text(template) => template.fields().collect(),
            Self::Array(elements) => elements.iter().flat_map(Self::fields).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, member)| member.fields()).collect(),
            Self::Fixed(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::samples::token_transfer;

    #[test]
    fn fields_are_filled_in_strings_and_nowhere_else() {
        let body =
            Body::parse(r#"{"order": "{id_hex}", "list": [1, null, "to {recipient}"], "{amount}": true}"#).unwrap();
        assert_eq!(
            body.fill(&token_transfer(1)).unwrap(),
            json!({
                "order": "0x0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
                "list": [1, null, "to 0x00000000000000000000000000000000000000b0"],
                "{amount}": true,
            })
        );
        assert_eq!(body.fields().len(), 2);
        assert!(Body::parse("{id}").is_err());
        assert!(Body::parse(r#"{"order": "{ido}"}"#).is_err());
    }
}
