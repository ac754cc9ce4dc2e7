//! Sources of evidence, and limits.

use std::collections::BTreeSet;

use super::*;

const SOURCES: &str = r#"
[policy]
evidence = true

[[evidence.sql]]
name = "orders"
url_file = "orders.url"
query = "SELECT 'genuine' AS verdict"
timeout_ms = 500

[[evidence.https]]
name = "provider"
url = "https://pay.example/v1/payments/{id}"
headers_file = "provider.headers"
expect = [
  { pointer = "/status", equals = "succeeded" },
  { pointer = "/amount", equals = "{amount:4}" },
  { pointer = "/to", equals = "{recipient}", otherwise = "not yet" },
]
refute = [{ pointer = "/disputed", equals = true }]
not_yet_status = [404, 409]

[[evidence.event]]
name = "deposits"
rpc = "https://node.example/token-of-node"
chain_id = 10
contract = "0x00000000000000000000000000000000000000d0"
event = "Deposit(bytes16 indexed orderId, address to, uint256 amount)"
match = { orderId = "{id}", to = "{recipient}", amount = "{amount}" }
confirmations = 12

[evidence.simulation]
most_fee_basis_points = 30
allow = [{ contract = "0x00000000000000000000000000000000000000d0", events = ["RoleGranted", "Upgraded"] }]
"#;

const LIMITS: &str = r#"
[policy]
evidence = true

[[requester]]
address = "0x00000000000000000000000000000000000000f2"
max_amount = "100000000000000000000000000"
per_hour = 1000
per_day = "5000"
expires_at = 1798761600
assets = ["0x0000000000000000000000000000000000000000"]
recipients = ["0x00000000000000000000000000000000000000b0"]

[[recipient_limit]]
asset = "0x0000000000000000000000000000000000000000"
amount = "700"
period = "day"
"#;

fn folder_with_secrets() -> TempDir {
    let folder = folder();
    for (name, text) in [
        ("orders.url", "postgres://seat:geheim@127.0.0.1/orders\n"),
        ("provider.headers", "Authorization: Bearer geheim\n"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

fn load_with(more: &str) -> Result<Config, ConfigError> {
    load_from(&folder_with_secrets(), &format!("{FILE}{more}"), &[])
}

/// What is said when one piece of a part of the file is replaced.
fn refusal(part: &str, old: &str, new: &str) -> Vec<(String, String)> {
    assert!(part.contains(old), "{old}");
    match load_with(&part.replacen(old, new, 1)) {
        Err(ConfigError::Values { problems, .. }) => {
            problems.into_iter().map(|problem| (problem.field, problem.reason)).collect()
        }
        other => panic!("expected problems with values, got {other:?}"),
    }
}

#[track_caller]
fn assert_refused(part: &str, old: &str, new: &str, field: &str, words: &str) {
    let problems = refusal(part, old, new);
    assert!(problems.iter().any(|(at, reason)| at == field && reason.contains(words)), "{problems:?}");
    assert!(problems.iter().all(|(_, reason)| !reason.contains("geheim")), "{problems:?}");
}

#[test]
fn a_store_at_a_server_is_shown_without_its_password_and_keeps_limits_too() {
    let file = FILE.replace("path = \"seat-0.sqlite\"", "url_file = \"orders.url\"");
    let config = load_from(&folder_with_secrets(), &file, &[]).unwrap();
    assert_eq!(config.store.to_string(), "postgres://127.0.0.1:5432/orders");
    assert!(!format!("{config:?}").contains("geheim"));
    load_from(&folder_with_secrets(), &format!("{file}{LIMITS}"), &[]).unwrap();
}

#[test]
fn sources_of_every_kind_are_read() {
    let config = load_with(SOURCES).unwrap();
    assert_eq!(format!("{:?}", config.evidence), r#"["orders", "provider", "deposits", "simulation"]"#);
    assert!(config.policy.evidence);
    assert_eq!(config.warnings, Vec::<String>::new());
}

#[test]
fn sources_and_limits_need_the_whole_ring_to_ask() {
    let words = "set it to true at every seat";
    assert_refused(SOURCES, "evidence = true", "evidence = false", "policy.evidence", words);
    assert_refused(LIMITS, "evidence = true\n", "", "policy.evidence", words);
}

#[test]
fn names_are_of_one_source_and_fit_into_metrics() {
    assert_refused(SOURCES, r#""provider""#, r#""orders""#, "evidence.https[0].name", "of another source too");
    for name in ["", "Orders", "or ders", "or-ders", "o\\nrders"] {
        let name = format!("{name:?}").replace("\\\\", "\\");
        assert_refused(SOURCES, r#""orders""#, &name, "evidence.sql[0].name", "no name for metrics");
    }
    assert_refused(SOURCES, r#""orders""#, r#""simulation""#, "evidence.simulation.name", "of another source too");
}

#[test]
fn what_is_wrong_with_a_source_is_said_at_its_field() {
    for (old, new, field, words) in [
        ("timeout_ms = 500", "timeout_ms = 1", "evidence.sql[0].timeout_ms", "not within 10 to 60000"),
        ("timeout_ms = 500", "parallel = 65", "evidence.sql[0].parallel", "not within 1 to 64"),
        ("orders.url", "missing.url", "evidence.sql[0].url_file", "cannot read"),
        ("https://pay", "http://pay", "evidence.https[0].url", "has to be https://"),
        ("{id}\"\nheaders", "{ido}\"\nheaders", "evidence.https[0].url", "no field {ido}"),
        ("\"/amount\"", "\"amount\"", "evidence.https[0].expect", "number 2"),
        ("\"not yet\"", "\"never\"", "evidence.https[0].expect[2].otherwise", "neither \"not yet\" nor"),
        ("not_yet_status = [404, 409]", "method = \"PUT\"", "evidence.https[0].method", "neither \"GET\" nor"),
        ("404", "200", "evidence.https[0].not_yet_status", "200 is no status"),
        ("uint256 amount)", "uint256 amount", "evidence.event[0].event", "is no event"),
        ("orderId = ", "other = ", "evidence.event[0].match", "no parameter other"),
        ("confirmations = 12", "confirmations = \"some\"", "evidence.event[0].confirmations", "neither a number"),
        ("https://node.example/token-of-node", "node", "evidence.event[0].rpc", "not the URL of a node"),
        ("= 30", "= 10001", "evidence.simulation.most_fee_basis_points", "not within 0 to 10000"),
        ("\"Upgraded\"", "\"Transfer\"", "evidence.simulation.allow[0].events", "there are Approval, "),
        ("= 30", "= 30\ntimeout_ms = 1", "evidence.simulation.timeout_ms", "not within 10 to 60000"),
        ("0x00000000000000000000000000000000000000d0", "0xd0", "evidence.event[0].contract", "not an address"),
    ] {
        assert_refused(SOURCES, old, new, field, words);
    }
    assert!(
        load_with(&SOURCES.replace("equals = true", "equals = 1.5"))
            .unwrap_err()
            .to_string()
            .contains("a string, a whole number")
    );
}

#[test]
fn a_source_that_lets_anybody_be_paid_is_worth_a_word() {
    let expected = ["evidence.https[0].expect", "evidence.event[0].match"];
    let file = SOURCES.replace("equals = \"{recipient}\"", "equals = \"us\"").replace(" to = \"{recipient}\",", "");
    let warnings = load_with(&file).unwrap().warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    for (warning, field) in warnings.iter().zip(expected) {
        assert!(warning.starts_with(field) && warning.contains("whoever may ask says who is paid"), "{warning}");
    }
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let folder = folder_with_secrets();
    let path = folder.path().join("orders.url");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = load_from(&folder, &format!("{FILE}{SOURCES}"), &[]).unwrap_err().to_string();
    assert!(error.contains("evidence.sql[0].url_file") && error.contains("chmod 600"), "{error}");
}

#[test]
fn requesters_with_limits_count_beside_the_plain_ones() {
    let config = load_with(LIMITS).unwrap();
    let both = [0xf1, 0xf2].map(Address::with_last_byte);
    assert_eq!(config.api.requesters, BTreeSet::from(both));
    let only = FILE.replace("requesters = [\"0x00000000000000000000000000000000000000f1\"]\n", "");
    let config = load_from(&folder(), &format!("{only}{LIMITS}"), &[]).unwrap();
    assert_eq!(config.api.requesters, BTreeSet::from([both[1]]));
    let nobody = load_from(&folder(), &only, &[]).unwrap_err().to_string();
    assert!(nobody.contains("api.requesters: nobody may ask for anything"), "{nobody}");
}

#[test]
fn what_is_wrong_with_a_limit_is_said_at_its_field() {
    for (old, new, field, words) in [
        ("0f2\"", "0f1\"", "api.requesters", "keep one of the entries"),
        ("00f2\"", "0001\"", "api.requesters", "is the key of seat 0"),
        ("0x00000000000000000000000000000000000000f2", "0xf2", "requester[0].address", "not an address"),
        ("per_hour = 1000", "per_hour = \"-1\"", "requester[0].per_hour", "not an amount"),
        ("per_hour = 1000", "per_hour = \"0x10\"", "requester[0].per_hour", "not an amount"),
        ("expires_at = 1798761600", "expires_at = \"soon\"", "requester[0].expires_at", "neither a time"),
        ("\"day\"", "\"month\"", "recipient_limit[0].period", "neither \"hour\""),
        ("\"day\"", "0", "recipient_limit[0].period", "neither \"hour\""),
        ("\"700\"", "\"many\"", "recipient_limit[0].amount", "not an amount"),
    ] {
        assert_refused(LIMITS, old, new, field, words);
    }
    let entry = "\n[[requester]]\naddress = \"0x00000000000000000000000000000000000000f2\"\n";
    let asset = "assets = [\"0x00000000000000000000000000000000000000aa\"]\n";
    assert!(load_with(&format!("{LIMITS}{entry}{asset}")).is_ok());
    let error = load_with(&format!("{LIMITS}{entry}")).unwrap_err().to_string();
    assert!(error.contains("requester[1].assets") && error.contains("which one counts"), "{error}");
}

#[test]
fn the_example_is_right() {
    let folder = folder_with_secrets();
    std::fs::write(folder.path().join("operator.json"), "{}").unwrap();
    secret(&folder.path().join("operator.password"), 0o600);
    super::secret_file(&folder, "webhook.secret", "sixteen bytes or more");
    let config = load_from(&folder, include_str!("../../../../docs/relayer.example.toml"), &[]).unwrap();
    assert_eq!(format!("{:?}", config.evidence), r#"["orders", "provider", "deposits", "simulation"]"#);
    assert_eq!(config.warnings, Vec::<String>::new());
}
