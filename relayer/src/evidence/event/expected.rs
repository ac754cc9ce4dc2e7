//! An event's signature, and what its parameters have to be.

use alloy::{
    dyn_abi::{DynSolType, DynSolValue, EventExt as _},
    json_abi::Event,
    primitives::{B256, U256},
    rpc::types::Filter,
};

use crate::evidence::{Facts, Field, Missing, Placeholder, Template, TemplateError};

/// Why an event cannot be looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpectedError {
    /// The signature.
    #[error("{0:?} is no event ({1}): write for instance Deposit(bytes16 indexed id, uint256 amount)")]
    Signature(String, String),
    /// A parameter that is not there.
    #[error("the event has no parameter {0}")]
    NoParameter(String),
    /// A value is no template.
    #[error("{0}: {1}")]
    Template(String, TemplateError),
    /// A value does not fit.
    #[error("{parameter} is {kind}, and {value:?} is not: {hint}")]
    Unfit {
        /// The parameter.
        parameter: String,
        /// Its type.
        kind: String,
        /// What it should be compared with.
        value: String,
        /// What fits.
        hint: &'static str,
    },
    /// Nothing tells one request's event from another's.
    #[error("no indexed parameter is compared with {{id}}: the event could be any request's")]
    NoId,
    /// Nothing compares the amount.
    #[error("no parameter is compared with {{amount}}: whoever may ask could ask for any amount")]
    NoAmount,
}

/// An event that is there for genuine requests.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    event: Event,
    rules: Vec<Rule>,
}

/// What one parameter has to be.
#[derive(Clone, Debug)]
struct Rule {
    name: String,
    place: Place,
    kind: DynSolType,
    value: Wanted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The number of its topic, the first after the event's own being 1.
    Topic(usize),
    /// Its number in the data.
    Data(usize),
}

#[derive(Clone, Debug)]
enum Wanted {
    Field(Placeholder),
    Constant(DynSolValue),
}

const HINT: &str = "bytes16, bytes32, uint128 or uint256 go with {id}, address with {recipient} and other addresses, \
                    uint… with {amount}, {ring}, {value} and {expiry}, and constants are written as in Solidity";

impl Expected {
    /// Reads a signature and what is compared: parameter and value.
    pub(super) fn parse<'a>(
        signature: &str,
        compared: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ExpectedError> {
        let unreadable = |reason: String| ExpectedError::Signature(signature.to_owned(), reason);
        let event = Event::parse(signature).map_err(|error| unreadable(error.to_string()))?;
        if event.anonymous || event.num_topics() > 4 {
            return Err(unreadable("anonymous, or more than three indexed parameters".into()));
        }
        let rules = compared.into_iter().map(|(name, value)| rule(&event, name, value));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        if !rules.iter().any(Rule::selects) {
            return Err(ExpectedError::NoId);
        }
        if !rules.iter().any(|rule| rule.field() == Some(Field::Amount)) {
            return Err(ExpectedError::NoAmount);
        }
        Ok(Self { event, rules })
    }

    /// The fields of a request that are compared.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.rules.iter().filter_map(Rule::field)
    }

    /// Finds the events of a request's id, whatever else is in them.
    pub(super) fn filter(&self, facts: &Facts) -> Result<Filter, Missing> {
        let mut filter = Filter::new().event_signature(self.event.selector());
        for rule in self.rules.iter().filter(|rule| rule.selects()) {
            if let (Place::Topic(topic), Some(value)) =
                (rule.place, rule.value(facts)?.and_then(|value| value.as_word()))
            {
                filter.topics[topic] = value.into();
            }
        }
        Ok(filter)
    }

    /// Whether a log is the event that a request needs; if not, why.
    pub(super) fn compare(&self, facts: &Facts, topics: &[B256], data: &[u8]) -> Result<Result<(), String>, Missing> {
        let decoded = match self.event.decode_log_parts(topics.iter().copied(), data) {
            Ok(decoded) => decoded,
            Err(error) => return Ok(Err(format!("an event with its id cannot be decoded ({error})"))),
        };
        for rule in &self.rules {
            let found = match rule.place {
                Place::Topic(topic) => decoded.indexed.get(topic - 1),
                Place::Data(index) => decoded.body.get(index),
            };
            let wanted = rule.value(facts)?;
            if found.is_none() || found != wanted.as_ref() {
                let show = |value: Option<&DynSolValue>| value.map_or("out of range".into(), for_people);
                let (found, wanted) = (show(found), show(wanted.as_ref()));
                return Ok(Err(format!("{} of the event is {found}, not {wanted}", rule.name)));
            }
        }
        Ok(Ok(()))
    }
}

fn rule(event: &Event, name: &str, value: &str) -> Result<Rule, ExpectedError> {
    let (mut topic, mut data) = (0, 0);
    let found = event.inputs.iter().find_map(|input| {
        let place = if input.indexed {
            topic += 1;
            Place::Topic(topic)
        } else {
            data += 1;
            Place::Data(data - 1)
        };
        (input.name == name && !name.is_empty()).then_some((input, place))
    });
    let (input, place) = found.ok_or_else(|| ExpectedError::NoParameter(name.to_owned()))?;
    let unfit = || ExpectedError::Unfit {
        parameter: name.to_owned(),
        kind: input.ty.clone(),
        value: value.to_owned(),
        hint: HINT,
    };
    let kind: DynSolType = input.ty.parse().map_err(|_| unfit())?;
    let template = Template::parse(value).map_err(|error| ExpectedError::Template(name.to_owned(), error))?;
    let is_word = matches!(
        kind,
        DynSolType::Uint(_) | DynSolType::Int(_) | DynSolType::Address | DynSolType::FixedBytes(_) | DynSolType::Bool
    );
    let value = match template.only_field() {
        _ if !is_word => return Err(unfit()),
        Some(field) if fits(field, &kind) => Wanted::Field(field),
        Some(_) => return Err(unfit()),
        None if template.fields().next().is_some() => return Err(unfit()),
        None => Wanted::Constant(kind.coerce_str(value).map_err(|_| unfit())?),
    };
    Ok(Rule { name: name.to_owned(), place, kind, value })
}

fn fits(placeholder: Placeholder, kind: &DynSolType) -> bool {
    let field = placeholder.field;
    match kind {
        // A moved decimal point would leave fractions.
        _ if placeholder.places > 0 => false,
        DynSolType::FixedBytes(length) => field.is_id() && *length >= 16,
        DynSolType::Uint(bits) => field.is_number() || (field.is_id() && *bits >= 128),
        DynSolType::Address => !field.is_number() && !field.is_id(),
        _ => false,
    }
}

impl Rule {
    fn field(&self) -> Option<Field> {
        match self.value {
            Wanted::Field(placeholder) => Some(placeholder.field),
            Wanted::Constant(_) => None,
        }
    }

    /// Whether it says which request an event is for, and nodes can look for it.
    fn selects(&self) -> bool {
        matches!(self.place, Place::Topic(_)) && self.field().is_some_and(Field::is_id)
    }

    /// What the parameter has to be; `None`: nothing of its type is.
    fn value(&self, facts: &Facts) -> Result<Option<DynSolValue>, Missing> {
        let placeholder = match &self.value {
            Wanted::Constant(value) => return Ok(Some(value.clone())),
            Wanted::Field(placeholder) => *placeholder,
        };
        let text = placeholder.text(facts)?;
        Ok(match self.kind {
            DynSolType::FixedBytes(length) => {
                let mut word = B256::ZERO;
                word[..16].copy_from_slice(facts.id.as_slice());
                Some(DynSolValue::FixedBytes(word, length))
            }
            DynSolType::Uint(bits) => {
                let number = match placeholder.field.is_id() {
                    true => Some(U256::from_be_slice(facts.id.as_slice())),
                    false => text.parse::<U256>().ok(),
                };
                number.filter(|number| number.bit_len() <= bits).map(|number| DynSolValue::Uint(number, bits))
            }
            DynSolType::Address => text.parse().ok().map(DynSolValue::Address),
            _ => None,
        })
    }
}

fn for_people(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Uint(number, _) => number.to_string(),
        DynSolValue::Int(number, _) => number.to_string(),
        DynSolValue::Address(address) => address.to_string(),
        DynSolValue::Bool(truth) => truth.to_string(),
        DynSolValue::FixedBytes(word, length) => alloy::primitives::hex::encode_prefixed(&word[..*length]),
        _ => "of another type".into(),
    }
}

#[cfg(test)]
mod tests {
    use alloy::{primitives::keccak256, sol_types::SolValue as _};
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::samples::{facts, token_transfer};

    const DEPOSIT: &str = "Deposit(bytes16 indexed id, uint256 amount)";
    const COMPARED: [(&str, &str); 2] = [("id", "{id}"), ("amount", "{amount}")];

    fn topics(facts: &Facts) -> [B256; 2] {
        let mut id = B256::ZERO;
        id[..16].copy_from_slice(facts.id.as_slice());
        [keccak256("Deposit(bytes16,uint256)"), id]
    }

    #[test]
    fn a_log_is_looked_for_by_its_id_alone() {
        let expected = Expected::parse(DEPOSIT, COMPARED).unwrap();
        let facts = token_transfer(1_000);
        let filter = expected.filter(&facts).unwrap();
        let [signature, id] = topics(&facts);
        assert_eq!(filter.topics[0], signature.into());
        assert_eq!(filter.topics[1], id.into());
        assert!(filter.topics[2].is_empty() && filter.topics[3].is_empty());
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let error = |signature: &str, compared: &[(&'static str, &'static str)]| {
            Expected::parse(signature, compared.iter().copied()).unwrap_err().to_string()
        };
        assert!(error("Deposit(", &COMPARED).contains("is no event"));
        assert!(error("Deposit(bytes17.5 indexed id)", &COMPARED).contains("is no event"));
        assert!(error(DEPOSIT, &[("to", "{recipient}")]).contains("no parameter to"));
        assert!(error(DEPOSIT, &[("amount", "{amount}")]).contains("{id}"));
        assert!(error(DEPOSIT, &[("id", "{id}")]).contains("{amount}"));
        assert!(error(DEPOSIT, &[("id", "{recipient}")]).contains("id is bytes16"));
        assert!(error(DEPOSIT, &[("id", "{id}"), ("amount", "{amount:2}")]).contains("amount is uint256"));
        assert!(error("D(bytes15 indexed id, uint256 amount)", &COMPARED).contains("id is bytes15"));
        assert!(error("D(string indexed id, uint256 amount)", &COMPARED).contains("id is string"));
        assert!(error("D(bytes16 id, uint256 amount)", &COMPARED).contains("no indexed parameter"));
        let anonymous = "event D(bytes16 indexed id, uint256 amount) anonymous";
        assert!(error(anonymous, &COMPARED).contains("anonymous"));
    }

    #[test]
    fn constants_are_compared_too() {
        let signature = "Deposit(uint128 indexed id, address token, uint96 amount, bool paid)";
        let token = "0x00000000000000000000000000000000000000aa";
        let compared = [("id", "{id_hex}"), ("token", token), ("amount", "{amount}"), ("paid", "true")];
        let expected = Expected::parse(signature, compared).unwrap();
        let facts = token_transfer(77);
        let topics = [expected.event.selector(), U256::from_be_slice(facts.id.as_slice()).into()];
        let data = |token: u8, amount: u64, paid: bool| {
            (alloy::primitives::Address::with_last_byte(token), U256::from(amount), paid).abi_encode()
        };
        let compare = |data: Vec<u8>| expected.compare(&facts, &topics, &data).unwrap();
        assert_eq!(compare(data(0xaa, 77, true)), Ok(()));
        assert_eq!(compare(data(0xaa, 78, true)), Err("amount of the event is 78, not 77".into()));
        assert!(compare(data(0xab, 77, true)).unwrap_err().contains("token of the event"));
        assert!(compare(data(0xaa, 77, false)).unwrap_err().contains("paid of the event"));
        assert!(compare(vec![1, 2, 3]).unwrap_err().contains("cannot be decoded"));
    }

    proptest! {
        #[test]
        fn only_the_very_event_is_the_one(facts in facts(), other in any::<[u8; 32]>(), id in any::<[u8; 16]>()) {
            let expected = Expected::parse(DEPOSIT, COMPARED).unwrap();
            let amount = facts.transfer.unwrap().amount;
            prop_assert_eq!(expected.compare(&facts, &topics(&facts), &amount.abi_encode()), Ok(Ok(())));
            let other = U256::from_be_bytes(other);
            prop_assume!(other != amount && id != facts.id.0);
            prop_assert!(expected.compare(&facts, &topics(&facts), &other.abi_encode()).unwrap().is_err());
            let of_another = topics(&Facts { id: id.into(), ..facts.clone() });
            prop_assert!(expected.compare(&facts, &of_another, &amount.abi_encode()).unwrap().is_err());
        }

        #[test]
        fn any_signature_is_parsed_without_a_panic(text in "[A-Z][a-z]{0,3}\\(([a-z]{0,7}[0-9]{0,3}( indexed)? ?[a-z]{0,3},?){0,5}\\)|.{0,24}") {
            let _ = Expected::parse(&text, COMPARED);
        }

        #[test]
        fn any_log_is_compared_without_a_panic(
            topics in prop::collection::vec(any::<[u8; 32]>(), 0..5),
            data in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let topics: Vec<B256> = topics.into_iter().map(B256::from).collect();
            let expected = Expected::parse(DEPOSIT, COMPARED).unwrap();
            prop_assert!(expected.compare(&token_transfer(1), &topics, &data).unwrap().is_err());
        }
    }
}
