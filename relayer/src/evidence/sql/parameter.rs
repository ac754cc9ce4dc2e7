//! What a query is given: the fields of a request, as values with a type. They are sent beside the query, never in it.

use std::error::Error;

use bytes::BytesMut;
use ring_contracts::hex;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

use crate::evidence::{Facts, Field};

/// The types of `$1`, `$2` ….
pub(super) const TYPES: [Type; 10] = [
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::NUMERIC,
    Type::TEXT,
    Type::INT8,
    Type::NUMERIC,
    Type::BYTEA,
    Type::INT8,
];

/// The values of a request for them.
pub(super) fn values(facts: &Facts) -> [Value; TYPES.len()] {
    let field = |field| Value(facts.text(field));
    [
        field(Field::Id),
        field(Field::Target),
        field(Field::Recipient),
        field(Field::Asset),
        field(Field::Amount),
        field(Field::Requester),
        field(Field::Ring),
        field(Field::Value),
        Value(Some(format!("\\x{}", hex::encode(&facts.data)))),
        field(Field::Expiry),
    ]
}

/// A value in PostgreSQL's text form, or NULL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Value(pub(super) Option<String>);

impl ToSql for Value {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Some(text) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}
