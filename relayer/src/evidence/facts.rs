//! A request as sources see it: decoded, and every field in one way of writing.

use ring_contracts::{Address, Bytes, Domain, Request, RequestError, RequestId, SignedRequest, Transfer, hex};
use uuid::Uuid;

use super::decimal::Decimal;

/// What a source may be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The request's id.
    pub id: RequestId,
    /// The ring that is to make the call.
    pub ring: u32,
    /// Whom it calls: the token, or who gets the native coin.
    pub target: Address,
    /// How much of the native coin goes with the call, in wei.
    pub value: u128,
    /// The call data.
    pub data: Bytes,
    /// The gas that the call gets.
    pub gas: u32,
    /// The last second at which the call may be made, in Unix seconds.
    pub expiry: u64,
    /// Who signed the request.
    pub requester: Address,
    /// What it transfers; `None` if the call is no transfer.
    pub transfer: Option<Transfer>,
}

impl Facts {
    /// What a request asks for, and who.
    ///
    /// # Errors
    /// The signature recovers to no key.
    pub fn of(signed: &SignedRequest, domain: &Domain) -> Result<Self, RequestError> {
        let requester = signed.requester(domain)?;
        let Request { id, ring, target, value, data, gas, expiry } = signed.request.clone();
        // Only what the core takes for a transfer is one.
        let transfer = signed.request.transfers().ok();
        Ok(Self { id, ring, target, value, data, gas, expiry, requester, transfer })
    }

    /// A field as it is written for a source. `None`: a call that is no transfer has no such field.
    pub fn text(&self, field: Field) -> Option<String> {
        let transfer = self.transfer.as_ref();
        let address = |address: &Address| format!("{address:#x}");
        Some(match field {
            Field::Id => Uuid::from_bytes(self.id.0).hyphenated().to_string(),
            Field::IdHex => hex::encode_prefixed(self.id),
            Field::Ring => self.ring.to_string(),
            Field::Target => address(&self.target),
            Field::Value => self.value.to_string(),
            Field::Expiry => self.expiry.to_string(),
            Field::Requester => address(&self.requester),
            Field::Asset => address(&transfer?.asset),
            Field::Recipient => address(&transfer?.recipient),
            Field::Amount => transfer?.amount.to_string(),
        })
    }

    /// The same of a field that is a number.
    pub(super) fn number(&self, field: Field) -> Option<Decimal> {
        field.is_number().then(|| self.text(field)).flatten().and_then(|text| text.parse().ok())
    }
}

/// A field of a request that configurations can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `id`: the id as a UUID, in lower case with hyphens.
    Id,
    /// `id_hex`: the id as 0x and 32 hexadecimal digits.
    IdHex,
    /// `ring`: the ring's number.
    Ring,
    /// `target`: whom the call is to. Addresses are 0x and 40 hexadecimal digits in lower case.
    Target,
    /// `value`: how much of the native coin goes with the call, in wei.
    Value,
    /// `expiry`: the last second at which the call may be made, in Unix seconds.
    Expiry,
    /// `requester`: the address of the key that signed the request.
    Requester,
    /// `asset`: the token; the zero address is the native coin.
    Asset,
    /// `recipient`: who gets the asset.
    Recipient,
    /// `amount`: how much of it, in its smallest unit.
    Amount,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Id,
        Self::IdHex,
        Self::Ring,
        Self::Target,
        Self::Value,
        Self::Expiry,
        Self::Requester,
        Self::Asset,
        Self::Recipient,
        Self::Amount,
    ];

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::IdHex => "id_hex",
            Self::Ring => "ring",
            Self::Target => "target",
            Self::Value => "value",
            Self::Expiry => "expiry",
            Self::Requester => "requester",
            Self::Asset => "asset",
            Self::Recipient => "recipient",
            Self::Amount => "amount",
        }
    }

    /// The field of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Whether it is a number in decimal digits; the others are hexadecimal, and their case does not matter.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Ring | Self::Value | Self::Expiry | Self::Amount)
    }

    /// Whether it says which request it is.
    pub fn is_id(self) -> bool {
        matches!(self, Self::Id | Self::IdHex)
    }
}
