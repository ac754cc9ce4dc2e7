//! What is signed, as a Trezor asks for it piece by piece: the members of each struct by its name, each value by the
//! path to it.

use alloy::{
    dyn_abi::{DynSolType, DynSolValue, eip712::Resolver},
    primitives::{B256, U256},
};
use ring_contracts::{Domain, NAME, TypedStruct, VERSION};
use trezor_client::protos::ethereum_typed_data_struct_ack::{
    EthereumDataType, EthereumFieldType, EthereumStructMember,
};

/// How EIP-712 calls the domain.
const DOMAIN: &str = "EIP712Domain";

/// A message and its domain, with the types of all there is in them.
#[derive(Debug)]
pub(super) struct TypedData {
    resolver: Resolver,
    domain: DynSolValue,
    message: DynSolValue,
    primary_type: &'static str,
}

impl TypedData {
    /// `None`: what is given is not what its type says.
    pub(super) fn new(domain: &Domain, message: &TypedStruct) -> Option<Self> {
        let mut resolver = Resolver::default();
        resolver.ingest_string(&message.encode_type).ok()?;
        resolver.ingest_string(domain.eip712().encode_type()).ok()?;
        let message_type = resolver.resolve(message.name).ok()?;
        let message_value = message_type.abi_decode(&message.encoded).ok()?;
        let domain = DynSolValue::CustomStruct {
            name: DOMAIN.to_owned(),
            prop_names: ["name", "version", "chainId", "verifyingContract"].map(str::to_owned).into(),
            tuple: vec![
                DynSolValue::String(NAME.to_owned()),
                DynSolValue::String(VERSION.to_owned()),
                DynSolValue::Uint(U256::from(domain.chain_id), 256),
                DynSolValue::Address(domain.contract),
            ],
        };
        Some(Self { resolver, domain, message: message_value, primary_type: message.name })
    }

    /// The type of the message.
    pub(super) fn primary_type(&self) -> &'static str {
        self.primary_type
    }

    /// The hashes of domain and message, of just those values that the device is told.
    pub(super) fn hashes(&self) -> Option<[B256; 2]> {
        let hash = |value| self.resolver.eip712_data_word(value).ok();
        Some([hash(&self.domain)?, hash(&self.message)?])
    }

    /// The members of a struct. `None`: there is no such struct.
    pub(super) fn members(&self, name: &str) -> Option<Vec<EthereumStructMember>> {
        let DynSolType::CustomStruct { prop_names, tuple, .. } = self.resolver.resolve(name).ok()? else { return None };
        prop_names
            .into_iter()
            .zip(&tuple)
            .map(|(name, of_type)| {
                let mut member = EthereumStructMember::new();
                member.set_name(name);
                member.type_ = Some(field_type(of_type)?).into();
                Some(member)
            })
            .collect()
    }

    /// The value at a path; of an array its length. `None`: nothing is there.
    pub(super) fn value(&self, path: &[u32]) -> Option<Vec<u8>> {
        let (root, path) = path.split_first()?;
        let root = match root {
            0 => &self.domain,
            1 => &self.message,
            _ => return None,
        };
        let at = |value: &DynSolValue, index: &u32| {
            let parts = match value {
                DynSolValue::CustomStruct { tuple: parts, .. }
                | DynSolValue::Array(parts)
                | DynSolValue::FixedArray(parts) => parts,
                _ => return None,
            };
            parts.get(usize::try_from(*index).ok()?).cloned()
        };
        let value = path.iter().try_fold(root.clone(), |value, index| at(&value, index))?;
        bytes(&value)
    }
}

fn field_type(of_type: &DynSolType) -> Option<EthereumFieldType> {
    let size = |size: usize| u32::try_from(size).ok();
    let mut field = EthereumFieldType::new();
    let (data_type, size) = match of_type {
        DynSolType::Uint(bits) => (EthereumDataType::UINT, size(bits / 8)),
        DynSolType::Int(bits) => (EthereumDataType::INT, size(bits / 8)),
        DynSolType::Bytes => (EthereumDataType::BYTES, None),
        DynSolType::FixedBytes(length) => (EthereumDataType::BYTES, size(*length)),
        DynSolType::String => (EthereumDataType::STRING, None),
        DynSolType::Bool => (EthereumDataType::BOOL, None),
        DynSolType::Address => (EthereumDataType::ADDRESS, None),
        DynSolType::Array(entry) | DynSolType::FixedArray(entry, _) => {
            field.entry_type = Some(field_type(entry)?).into();
            let length = if let DynSolType::FixedArray(_, length) = of_type { size(*length) } else { None };
            (EthereumDataType::ARRAY, length)
        }
        DynSolType::CustomStruct { name, tuple, .. } => {
            field.set_struct_name(name.clone());
            (EthereumDataType::STRUCT, size(tuple.len()))
        }
        _ => return None,
    };
    field.set_data_type(data_type);
    field.size = size;
    Some(field)
}

fn bytes(value: &DynSolValue) -> Option<Vec<u8>> {
    // The low bytes of a word, as many as the type has.
    let low = |word: [u8; 32], bits: usize| word.get(32 - bits / 8..).map(<[u8]>::to_vec);
    match value {
        DynSolValue::Uint(number, bits) => low(number.to_be_bytes(), *bits),
        DynSolValue::Int(number, bits) => low(number.to_be_bytes(), *bits),
        DynSolValue::Bytes(bytes) => Some(bytes.clone()),
        DynSolValue::FixedBytes(word, length) => word.get(..*length).map(<[u8]>::to_vec),
        DynSolValue::String(text) => Some(text.clone().into_bytes()),
        DynSolValue::Bool(flag) => Some(vec![u8::from(*flag)]),
        DynSolValue::Address(address) => Some(address.to_vec()),
        DynSolValue::Array(parts) => Some(u16::try_from(parts.len()).ok()?.to_be_bytes().to_vec()),
        _ => None,
    }
}
