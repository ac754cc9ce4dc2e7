//! What an answer has to say, and what it must not.

use ring_core::Evidence;
use serde_json::value::RawValue;

use super::pointer::{Pointer, PointerError, Unclear};
use crate::evidence::{Facts, Missing, Template, TemplateError, Trouble, decimal::Decimal};

/// A value in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A text, perhaps with fields of the request in it.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Truth(bool),
}

/// What it means that an expectation is not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It may be met later.
    NotYet,
    /// The request is not genuine.
    Refute,
}

/// A condition as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionSettings {
    /// Where in the answer.
    pub pointer: String,
    /// What has to be there.
    pub equals: Literal,
    /// What it means if it is not; `None`: it refutes if what has to be there depends on the request.
    pub otherwise: Option<Otherwise>,
}

/// Why a condition cannot be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// Where it points to.
    #[error(transparent)]
    Pointer(#[from] PointerError),
    /// What it expects.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// A value at a place.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pointer: Pointer,
    wanted: Wanted,
    pub(super) otherwise: Otherwise,
}

#[derive(Clone, Debug)]
enum Wanted {
    Number(Decimal),
    Truth(bool),
    Text(Template),
}

/// What is at a place.
enum Leaf {
    Absent,
    Number(Decimal),
    Truth(bool),
    Text(String),
    Composite,
}

impl Condition {
    pub(super) fn new(settings: &ConditionSettings) -> Result<Self, ConditionError> {
        let wanted = match &settings.equals {
            Literal::Number(number) => number.to_string().parse().map_or_else(
                // Every whole number is one.
                |_| Template::parse(&number.to_string()).map(Wanted::Text),
                |number| Ok(Wanted::Number(number)),
            )?,
            Literal::Truth(truth) => Wanted::Truth(*truth),
            Literal::Text(text) => Wanted::Text(Template::parse(text)?),
        };
        let depends = matches!(&wanted, Wanted::Text(template) if template.fields().next().is_some());
        let usual = if depends { Otherwise::Refute } else { Otherwise::NotYet };
        let pointer = settings.pointer.parse()?;
        Ok(Self { pointer, wanted, otherwise: settings.otherwise.unwrap_or(usual) })
    }

    /// The fields of a request that it compares.
    pub(super) fn template(&self) -> Option<&Template> {
        match &self.wanted {
            Wanted::Text(template) => Some(template),
            Wanted::Number(_) | Wanted::Truth(_) => None,
        }
    }

    /// `None`: nothing is there. Else whether it is what is wanted, and what to say if it is not.
    fn compare(&self, facts: &Facts, document: &RawValue) -> Result<Option<Result<(), String>>, Trouble> {
        let at = |unclear: Unclear| Trouble::Useless(format!("at {} of the answer, {unclear}", self.pointer));
        let leaf = self.pointer.find(document).and_then(Leaf::read).map_err(at)?;
        let (is_met, wanted) = match &self.wanted {
            Wanted::Number(wanted) => (matches!(&leaf, Leaf::Number(found) if found == wanted), wanted.to_string()),
            Wanted::Truth(wanted) => (matches!(&leaf, Leaf::Truth(found) if found == wanted), wanted.to_string()),
            Wanted::Text(template) => compare_text(&leaf, template, facts)?,
        };
        Ok(match leaf {
            Leaf::Absent => None,
            _ if is_met => Some(Ok(())),
            other => Some(Err(format!("{} is {}, not {wanted}", self.pointer, other.for_people()))),
        })
    }
}

/// A field of a request alone is compared by what it means, everything else letter by letter.
fn compare_text(leaf: &Leaf, template: &Template, facts: &Facts) -> Result<(bool, String), Missing> {
    let wanted = template.fill(facts, str::to_owned)?;
    let is_met = match (template.only_field(), leaf) {
        (Some(field), _) if field.field.is_number() => {
            let number = field.number(facts)?;
            match leaf {
                Leaf::Number(found) => *found == number,
                Leaf::Text(found) => found.parse().is_ok_and(|found: Decimal| found == number),
                _ => false,
            }
        }
        (Some(_), Leaf::Text(found)) => found.eq_ignore_ascii_case(&wanted),
        (None, Leaf::Text(found)) => *found == wanted,
        _ => false,
    };
    Ok((is_met, wanted))
}

impl Leaf {
    fn read(value: Option<&RawValue>) -> Result<Self, Unclear> {
        let Some(text) = value.map(|value| value.get().trim()) else { return Ok(Self::Absent) };
        Ok(match text.as_bytes().first() {
            Some(b'n') | None => Self::Absent,
            Some(b't') => Self::Truth(true),
            Some(b'f') => Self::Truth(false),
            Some(b'"') => Self::Text(serde_json::from_str(text).map_err(|_| Unclear::NoJson)?),
            Some(b'{' | b'[') => Self::Composite,
            Some(_) => Self::Number(text.parse().map_err(|_| Unclear::NoJson)?),
        })
    }

    fn for_people(&self) -> String {
        match self {
            Self::Absent => "absent".into(),
            Self::Truth(truth) => truth.to_string(),
            Self::Composite => "an object or array".into(),
            Self::Text(text) => format!("{:?}", text.chars().take(MOST_SHOWN).collect::<String>()),
            // Its digits may be many, written out.
            Self::Number(number) => number.to_string().chars().take(MOST_SHOWN).collect(),
        }
    }
}

/// How much of an answer is repeated in a reason.
const MOST_SHOWN: usize = 100;

/// What an answer says of a request: refuted by any of `refute` that is met and by any expectation that is not and refutes,
/// genuine if all expectations are met.
pub(super) fn judge(
    expect: &[Condition],
    refute: &[Condition],
    facts: &Facts,
    document: &RawValue,
) -> Result<Evidence, Trouble> {
    for condition in refute {
        if let Some(Ok(())) = condition.compare(facts, document)? {
            return Ok(Evidence::Refuted { reason: format!("{} says so", condition.pointer) });
        }
    }
    let mut evidence = Evidence::Genuine;
    for condition in expect {
        match (condition.compare(facts, document)?, condition.otherwise) {
            (Some(Ok(())), _) => {}
            (Some(Err(reason)), Otherwise::Refute) => return Ok(Evidence::Refuted { reason }),
            (Some(Err(_)), Otherwise::NotYet) | (None, _) => evidence = Evidence::NotYet,
        }
    }
    Ok(evidence)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::samples::{facts, token_transfer};

    fn condition(pointer: &str, equals: &str) -> Condition {
        literal(pointer, Literal::Text(equals.into()))
    }

    fn literal(pointer: &str, equals: Literal) -> Condition {
        Condition::new(&ConditionSettings { pointer: pointer.into(), equals, otherwise: None }).unwrap()
    }

    fn ask(expect: &[Condition], refute: &[Condition], document: &str) -> Result<Evidence, Trouble> {
        judge(expect, refute, &token_transfer(10_500_000), serde_json::from_str(document).unwrap())
    }

    fn paid() -> [Condition; 2] {
        [condition("/status", "succeeded"), condition("/amount", "{amount:4}")]
    }

    #[test]
    fn all_expectations_together_confirm() {
        for amount in ["1050", "1050.0", "105e1", "\"1050\"", "\"1050.00\""] {
            let document = format!(r#"{{"status": "succeeded", "amount": {amount}}}"#);
            assert_eq!(ask(&paid(), &[], &document), Ok(Evidence::Genuine), "{document}");
        }
    }

    #[test]
    fn a_wrong_amount_refutes_whatever_the_status() {
        for status in ["succeeded", "pending"] {
            for amount in ["1051", "1050.0000000000000000001", "\"1050 \"", "true", "[1050]", "\"0x41a\"", "1.05e300"] {
                let document = format!(r#"{{"status": "{status}", "amount": {amount}}}"#);
                assert!(matches!(ask(&paid(), &[], &document), Ok(Evidence::Refuted { .. })), "{document}");
            }
        }
        let reason = "/amount is 1051, not 1050".to_owned();
        let document = r#"{"status": "succeeded", "amount": 1051}"#;
        assert_eq!(ask(&paid(), &[], document), Ok(Evidence::Refuted { reason }));
    }

    #[test]
    fn another_status_or_nothing_at_all_is_not_yet() {
        for document in [
            r#"{"status": "pending", "amount": 1050}"#,
            r#"{"status": "Succeeded", "amount": 1050}"#,
            r#"{"status": "succeeded"}"#,
            r#"{"status": "succeeded", "amount": null}"#,
            r#"{"status": true, "amount": 1050}"#,
            "{}",
            "[]",
            "null",
            "\"succeeded\"",
        ] {
            assert_eq!(ask(&paid(), &[], document), Ok(Evidence::NotYet), "{document}");
        }
    }

    #[test]
    fn what_is_there_twice_says_nothing() {
        for document in [
            r#"{"status": "succeeded", "amount": 1, "amount": 1050}"#,
            r#"{"status": "succeeded", "amount": 1050, "\u0061mount": 1}"#,
            r#"{"status": "failed", "status": "succeeded", "amount": 1050}"#,
        ] {
            assert!(matches!(ask(&paid(), &[], document), Err(Trouble::Useless(_))), "{document}");
        }
    }

    #[test]
    fn a_condition_of_refute_refutes_before_all_else() {
        let refute = [condition("/status", "failed")];
        let reason = "/status says so".to_owned();
        assert_eq!(ask(&paid(), &refute, r#"{"status": "failed"}"#), Ok(Evidence::Refuted { reason }));
        assert_eq!(ask(&paid(), &refute, r#"{"status": "succeeded", "amount": 1050}"#), Ok(Evidence::Genuine));
    }

    #[test]
    fn hexadecimal_fields_may_have_any_case_and_constants_may_not() {
        let is_met = |condition: Condition, document: &str| ask(&[condition], &[], document) == Ok(Evidence::Genuine);
        let upper =
            r#"{"id": "0A0A0A0A-0A0A-0A0A-0A0A-0A0A0A0A0A0A", "to": "0x00000000000000000000000000000000000000B0"}"#;
        assert!(is_met(condition("/id", "{id}"), upper));
        assert!(is_met(condition("/to", "{recipient}"), upper));
        assert!(!is_met(condition("/id", "order {id}"), r#"{"id": "ORDER 0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"}"#));
        assert!(is_met(condition("/id", "order {id}"), r#"{"id": "order 0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"}"#));
    }

    #[test]
    fn numbers_and_truths_are_no_texts() {
        let is_met =
            |equals: Literal, document: &str| ask(&[literal("/x", equals)], &[], document) == Ok(Evidence::Genuine);
        assert!(is_met(Literal::Truth(true), r#"{"x": true}"#));
        assert!(!is_met(Literal::Truth(true), r#"{"x": "true"}"#));
        assert!(is_met(Literal::Number(-5), r#"{"x": -5.0}"#));
        assert!(!is_met(Literal::Number(5), r#"{"x": "5"}"#));
        assert!(!is_met(Literal::Text("5".into()), r#"{"x": 5}"#));
    }

    proptest! {
        /// No float is between the amount asked for and the amount paid.
        #[test]
        fn only_the_very_amount_confirms(facts in facts(), off in 1u8.., position in 0usize..78) {
            let amount = facts.text(crate::evidence::Field::Amount).unwrap();
            let expect = [condition("/a", "{amount}")];
            let judged = |amount: &str| judge(&expect, &[], &facts, serde_json::from_str(&format!("{{\"a\":{amount}}}")).unwrap());
            prop_assert_eq!(judged(&amount), Ok(Evidence::Genuine));
            let mut digits = amount.clone().into_bytes();
            let position = position % digits.len();
            digits[position] = b'0' + (digits[position] - b'0' + 1 + off % 9) % 10;
            let other = String::from_utf8(digits).unwrap();
            prop_assume!(!other.starts_with('0') || other.len() == 1);
            prop_assert!(matches!(judged(&other), Ok(Evidence::Refuted { .. })), "{}", other);
        }

        /// A tree of any JSON is judged without a panic.
        #[test]
        fn any_answer_is_judged(text in ".{0,40}") {
            let quoted = serde_json::to_string(&text).unwrap();
            let document = format!(r#"{{"status": {quoted}, "amount": {quoted}}}"#);
            let _ = ask(&paid(), &paid(), &document);
        }
    }
}
