//! What was said before there were versions: it is read and written as it always was, whatever comes later.

use serde_json::Value;

use super::*;

/// One of each kind of message, and of each reason of a halt, as version 1 writes them. Never changed.
const MESSAGES: &str = include_str!("first_version.json");

#[test]
fn the_first_version_is_read_and_written_as_it_always_was() {
    let written: Vec<Value> = serde_json::from_str(MESSAGES).unwrap();
    for value in &written {
        let message: Message = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"));
        assert_eq!(serde_json::to_value(&message).unwrap(), *value);
        assert_eq!(message.since(), 1, "{value}");
    }
    let kinds = written.iter().map(|value| value["type"].as_str().unwrap());
    let kinds: std::collections::BTreeSet<_> = kinds.collect();
    assert_eq!(kinds.len(), 8);
    let reasons = written.iter().filter_map(|value| value["halt"]["kind"].as_str());
    assert_eq!(reasons.collect::<std::collections::BTreeSet<_>>().len(), 11);
}
