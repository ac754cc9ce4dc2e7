mod evidence;
mod fuzz;
mod next;
mod signer;

use std::{os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use super::*;
use crate::notify::Means;

const RPC: &str = "\"ws://127.0.0.1:8545/secret-token\"";
const FILE: &str = r#"
[chain]
rpc = "ws://127.0.0.1:8545/secret-token"
chain_id = 31337
contract = "0x00000000000000000000000000000000000000c0"
from_block = 7
finality = "finalized"

[ring]
id = 1
window = 2
quorum = 2
asset = "0x0000000000000000000000000000000000000000"
cap = "1000000000000000000000"
period = 86400
turns_per_period = 5000
interval = 12
expires_at = 1798761600
last_nonce = "never"
seats = [
  "0x0000000000000000000000000000000000000001",
  "0x0000000000000000000000000000000000000002",
  "0x0000000000000000000000000000000000000003",
]

[signer]
keystore = "seat-0.json"
password_file = "seat-0.password"

[store]
path = "seat-0.sqlite"

[api]
listen = "127.0.0.1:8080"
requesters = ["0x00000000000000000000000000000000000000f1"]

[peers]
listen = "0.0.0.0:9080"
certificate = "seat-0.crt"
private_key = "seat-0.key"
[[peers.seat]]
seat = 1
url = "https://one.example:9081"
certificate = "seat-1.crt"
[[peers.seat]]
seat = 2
url = "https://two.example:9082"
certificate = "seat-2.crt"
"#;

/// A folder with everything that `FILE` names.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for seat in 0..3 {
        let (certificate, key) = (at(&format!("seat-{seat}.crt")), at(&format!("seat-{seat}.key")));
        crate::certificate::create(&certificate, &key, &["127.0.0.1".into()]).unwrap();
    }
    std::fs::write(at("seat-0.json"), "{}").unwrap();
    secret(&at("seat-0.password"), 0o600);
    folder
}

fn secret(path: &Path, mode: u32) {
    std::fs::write(path, "correct horse").unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn load_from(folder: &TempDir, text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let file = folder.path().join("seat-0.toml");
    std::fs::write(&file, text).unwrap();
    Config::load_with(&file, environment.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

fn load(text: &str) -> Result<Config, ConfigError> {
    load_from(&folder(), text, &[])
}

/// The same with one piece of it replaced.
fn with(old: &str, new: &str) -> String {
    assert!(FILE.contains(old), "{old}");
    FILE.replacen(old, new, 1)
}

/// The fields and reasons that a file is refused for.
fn problems(text: &str) -> Vec<(String, String)> {
    match load(text) {
        Err(ConfigError::Values { problems, .. }) => {
            problems.into_iter().map(|problem| (problem.field, problem.reason)).collect()
        }
        other => panic!("expected problems with values, got {other:?}"),
    }
}

/// What is said about a file of another shape.
fn shape(text: &str) -> String {
    match load(text) {
        Err(error @ ConfigError::Shape { .. }) => error.to_string(),
        other => panic!("expected a wrong shape, got {other:?}"),
    }
}

fn seat(number: u8) -> Address {
    Address::with_last_byte(number + 1)
}

#[test]
fn which_seat_this_is_can_be_told_without_its_key() {
    assert_eq!(load(FILE).unwrap().settings_by_peers().unwrap().key, seat(0));
    let other = with("seat = 1\n", "seat = 0\n").replace("\"seat-1.crt\"", "\"seat-0.crt\"");
    let own = other.replacen(
        "certificate = \"seat-0.crt\"\nprivate_key = \"seat-0.key\"",
        "certificate = \"seat-1.crt\"\nprivate_key = \"seat-1.key\"",
        1,
    );
    assert_eq!(load(&own).unwrap().settings_by_peers().unwrap().key, seat(1));
}

#[test]
fn a_full_file_becomes_settings() {
    let folder = folder();
    let config = load_from(&folder, FILE, &[]).unwrap();
    assert_eq!((config.chain.rpc.len(), config.chain.agree), (1, 1));
    assert_eq!(config.chain.from_block, 7);
    assert_eq!((config.chain.finality, config.chain.l1_fee), (Finality::Finalized, L1Fee::None));
    assert_eq!(config.chain.longest_disagreement, Duration::from_secs(600));
    assert!(
        matches!(&config.signer, Signer::Keystore { keystore, .. } if *keystore == folder.path().join("seat-0.json"))
    );
    assert_eq!(config.store.to_string(), folder.path().join("seat-0.sqlite").display().to_string());
    assert_eq!(config.api.accept_timeout, Duration::from_secs(5));
    assert_eq!((config.policy.max_fee, config.policy.min_priority_fee), (500_000_000_000, 0));
    assert_eq!(config.warnings, [""; 0]);
    let peers = config.peers.as_ref().unwrap();
    assert_eq!(peers.seats.iter().map(|peer| peer.seat).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(peers.seats[0].url.as_str(), "https://one.example:9081/");

    let settings = config.settings(seat(0)).unwrap();
    assert_eq!(settings.check(), Ok(0));
    assert_eq!(settings.domain, Domain { chain_id: 31337, contract: Address::with_last_byte(0xc0) });
    assert_eq!(settings.charter.cap, 1_000_000_000_000_000_000_000);
    assert_eq!((settings.copies, settings.max_calls, settings.max_gas, settings.validity), (2, 20, 8_000_000, 600));
    assert_eq!((settings.resend_ticks, settings.patience_ticks, settings.grace_ticks), (4, 20, 40));
}

#[test]
fn the_key_has_to_be_that_of_the_seat_that_is_not_listed() {
    let config = load(FILE).unwrap();
    assert_eq!(config.settings(seat(1)).unwrap_err(), SeatError::OtherSeat { key: 1, listed: 0 });
    let error = config.settings(seat(9)).unwrap_err();
    assert_eq!(error, SeatError::Settings(SettingsError::NoSeat(seat(9))));
}

#[test]
fn the_environment_goes_over_the_file() {
    let environment = [
        ("RING_RELAYER__CHAIN__RPC", "https://node.example/token, wss://other.example/token"),
        ("RING_RELAYER__CHAIN__FINALITY", "12"),
        ("RING_RELAYER__RING__CAP", "2000000000000000000000"),
        (
            "RING_RELAYER__API__REQUESTERS",
            "0x00000000000000000000000000000000000000f2, 0x00000000000000000000000000000000000000f3",
        ),
        ("RING_RELAYER__POLICY__MAX_CALLS", "7"),
        ("RING_RELAYER_CONFIG", "not ours"),
        ("PATH", "not ours"),
    ];
    let config = load_from(&folder(), FILE, &environment).unwrap();
    let rpcs: Vec<_> = config.chain.rpc.iter().map(|rpc| rpc.expose().as_str()).collect();
    assert_eq!(rpcs, ["https://node.example/token", "wss://other.example/token"]);
    assert_eq!(config.chain.agree, 2);
    assert_eq!(config.chain.finality, Finality::Depth(12));
    assert_eq!(config.ring.charter.cap, 2_000_000_000_000_000_000_000);
    assert_eq!(config.api.requesters, BTreeSet::from([Address::with_last_byte(0xf2), Address::with_last_byte(0xf3)]));
    assert_eq!(config.policy.max_calls, 7);
}

#[test]
fn a_value_from_the_environment_is_named_by_its_variable() {
    let error = load_from(&folder(), FILE, &[("RING_RELAYER__RING__WINDOW", "4")]).unwrap_err().to_string();
    assert!(error.contains("ring.window (RING_RELAYER__RING__WINDOW): the window of 4"), "{error}");
}

#[test]
fn a_misspelt_variable_is_refused() {
    let error = load_from(&folder(), FILE, &[("RING_RELAYER__CHAIN__RCP", "ws://x")]).unwrap_err().to_string();
    assert!(error.contains("rcp"), "{error}");
}

#[test]
fn unknown_missing_and_doubled_fields_are_refused_by_name() {
    for (old, new, named) in [
        ("[store]\n", "[store]\nkind = \"sqlite\"\n", "kind"),
        ("[store]\n", "[storage]\n", "stor"),
        ("chain_id = 31337\n", "", "chain_id"),
        ("chain_id = 31337\n", "chain_id = 31337\nchain_id = 1\n", "chain_id"),
        ("seat = 1\n", "seat = 1\nweight = 2\n", "weight"),
    ] {
        let error = shape(&with(old, new));
        assert!(error.contains(named) && error.contains("seat-0.toml"), "{error}");
    }
}

#[test]
fn a_number_has_to_be_whole() {
    for value in ["2.7", "-1", "true", "\"two\"", "\"+2\"", "[2]"] {
        let error = shape(&with("window = 2", &format!("window = {value}")));
        assert!(error.contains("window"), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load_with(Path::new("/nowhere/seat.toml"), []).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/seat.toml: cannot be read") && error.contains("--config"), "{error}");
}

#[test]
fn each_senseless_value_is_refused_with_its_field() {
    let url = "\"https://one.example:9081\"";
    for (old, new, field, reason) in [
        ("\"ws://127.0.0.1:8545/secret-token\"", "\"ftp://host\"", "chain.rpc", "ws://"),
        (RPC, "\"\"", "chain.rpc", "there is none"),
        (RPC, "[\"ws://a/1\", \"nonsense\"]", "chain.rpc[1]", "ws://"),
        (RPC, "[\"ws://a/1\", \"ws://a/1\"]", "chain.rpc[1]", "the same as chain.rpc[0]"),
        (RPC, "[\"ws://a/1\", \"ws://a/2\"]\nagree = 3", "chain.agree", "3 is not within 1 to 2"),
        (RPC, "\"ws://a/1\"\nagree = 0", "chain.agree", "0 is not within 1 to 1"),
        (RPC, "\"ws://a/1\"\nl1_fee = \"arbitrum\"", "chain.l1_fee", "\"op-stack\""),
        (RPC, "\"ws://a/1\"\ndisagreement_seconds = 0", "chain.disagreement_seconds", "at least 1"),
        ("chain_id = 31337", "chain_id = 0", "chain.chain_id", "0 is no chain"),
        ("00c0\"", "00c\"", "chain.contract", "is not an address"),
        (
            "\"0x00000000000000000000000000000000000000c0\"",
            "\"0x0000000000000000000000000000000000000000\"",
            "chain.contract",
            "zero address",
        ),
        ("\"0x00000000000000000000000000000000000000c0\"", "\"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\"", "", ""),
        (
            "\"0x00000000000000000000000000000000000000c0\"",
            "\"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD\"",
            "chain.contract",
            "checksum",
        ),
        ("\"finalized\"", "\"latest\"", "chain.finality", "\"latest\""),
        ("\"finalized\"", "12", "", ""),
        ("\"finalized\"", "\"safe\"", "", ""),
        ("window = 2", "window = 4", "ring.window", "the window of 4 does not fit a ring of 3 seats"),
        ("window = 2", "window = 256", "ring.window", "at most 255"),
        ("quorum = 2", "quorum = 3", "ring.quorum", "the quorum of 3"),
        ("period = 86400", "period = 60", "ring.period", "60"),
        ("cap = \"1000000000000000000000\"", "cap = \"1e21\"", "ring.cap", "\"1e21\" is not an amount"),
        ("cap = \"1000000000000000000000\"", "cap = \"79228162514264337593543950336\"", "ring.cap", "2^96"),
        ("0000002\"", "0000001\"", "ring.seats", "seats 0 and 1 have the same key"),
        ("0000002\"", "0000000\"", "ring.seats", "seat 1 has no key"),
        ("00f1\"]", "00f1\", \"0x00000000000000000000000000000000000000f1\"]", "api.requesters[1]", "twice"),
        ("[\"0x00000000000000000000000000000000000000f1\"]", "[]", "api.requesters", "nobody"),
        ("00f1\"]", "0003\"]", "api.requesters", "is the key of seat 2"),
        ("\"127.0.0.1:8080\"", "\"localhost\"", "api.listen", "\"localhost\""),
        ("seat = 2", "seat = 3", "peers.seat[1].seat", "3 is no seat of this ring"),
        ("seat = 2", "seat = 1", "peers.seat[1].seat", "seat 1 is listed twice"),
        (url, "\"http://one.example:9081\"", "peers.seat[0].url", "https://"),
        (url, "\"https://user:pass@one.example\"", "peers.seat[0].url", "https://"),
        (url, "\"https://one.example/path\"", "peers.seat[0].url", "no more"),
        ("\"seat-2.crt\"", "\"seat-1.crt\"", "peers.seat[1].certificate", "that of seat 1"),
        ("\"seat-2.crt\"", "\"seat-0.crt\"", "peers.seat[1].certificate", "this seat's own"),
        ("\"seat-2.crt\"", "[\"seat-2.crt\", \"seat-1.crt\"]", "peers.seat[1].certificate", "that of seat 1"),
        ("\"seat-2.crt\"", "[\"seat-2.crt\", \"seat-2.crt\"]", "peers.seat[1].certificate[1]", "twice"),
        ("\"seat-2.crt\"", "[\"seat-2.crt\", \"seat-9.crt\"]", "peers.seat[1].certificate[1]", "seat-9.crt"),
        ("\"seat-2.crt\"", "[]", "peers.seat[1].certificate", "there is none"),
        ("\"seat-2.crt\"", "\"seat-9.crt\"", "peers.seat[1].certificate", "seat-9.crt"),
        ("\"seat-2.crt\"", "\"seat-0.key\"", "peers.seat[1].certificate", "PEM"),
        ("\"seat-0.key\"", "\"seat-1.key\"", "peers.private_key", "does not work with the certificate"),
        ("\"seat-0.json\"", "\"seat-9.json\"", "signer.keystore", "seat-9.json"),
        ("\"seat-0.password\"", "\"seat-9.password\"", "signer.password_file", "seat-9.password"),
        ("path = \"seat-0.sqlite\"", "", "store", "nowhere"),
        ("path = \"seat-0.sqlite\"", "path = \"a\"\nurl_file = \"b\"", "store", "both"),
        ("path = \"seat-0.sqlite\"", "url_file = \"missing.url\"", "store.url_file", "missing.url"),
        ("path = \"seat-0.sqlite\"", "url_file = \"seat-0.password\"", "store.url_file", "postgres://USER"),
        ("[store]", "[store]\nauthorities_file = \"ca.crt\"", "store.authorities_file", "only with store.url_file"),
        ("[api]", "[store.backups]\nfolder = \"missing\"\n[api]", "store.backups.folder", "missing is no folder"),
        ("[api]", "[store.backups]\nfolder = \".\"\nkeep = 0\n[api]", "store.backups.keep", "0 is not within 1"),
        ("[api]", "[store.backups]\nfolder = \".\"\nevery_hours = 9000\n[api]", "store.backups.every_hours", "8760"),
        ("path = \"seat-0.sqlite\"", "url_file = \"b\"\nbackups = { folder = \".\" }", "store.backups", "pg_dump"),
        ("[store]", "[policy]\ncopies = 4\n[store]", "policy.copies", "4 is not within 1 to 3"),
        ("[store]", "[policy]\nmax_gas = 0\n[store]", "policy.max_gas", "at least 1"),
        ("[store]", "[policy]\ntick_ms = 1\n[store]", "policy.tick_ms", "10 to 60000"),
        ("[ring]", "[ring]\nmasters = [\"0x12\"]", "ring.masters[0]", "not an address"),
        (
            "[ring]",
            "[ring]\ncaps = [{ asset = \"0x00000000000000000000000000000000000000d0\", cap = 1 }]",
            "ring.caps[0].asset",
            "other_assets",
        ),
        ("[store]", "[policy]\nunwatched_assets = [\"0x12\"]\n[store]", "policy.unwatched_assets[0]", "not an address"),
        (
            "[store]",
            "[policy]\nmax_fee_gwei = 40\nmin_priority_fee_gwei = 25\n[store]",
            "policy.min_priority_fee_gwei",
            "25 is not within 0 to 20",
        ),
    ] {
        let text = with(old, new);
        if field.is_empty() {
            load(&text).unwrap_or_else(|error| panic!("{new}: {error}"));
            continue;
        }
        let problems = problems(&text);
        assert!(
            problems.iter().any(|(found, why)| found == field && why.contains(reason)),
            "{old} -> {new}: expected {field} with {reason:?}, found {problems:?}"
        );
    }
}

#[test]
fn a_peer_that_is_not_listed_is_missed() {
    let without_second = &FILE[..FILE.rfind("[[peers.seat]]").unwrap()];
    let found = problems(without_second);
    assert!(found.iter().any(|(field, why)| field == "peers.seat" && why.contains("1 seats are listed")), "{found:?}");
    let without_peers = &FILE[..FILE.find("[peers]").unwrap()];
    let found = problems(without_peers);
    assert!(found.iter().any(|(field, why)| field == "peers" && why.contains("missing")), "{found:?}");
}

#[test]
fn a_ring_of_one_needs_no_peers() {
    let text = &FILE[..FILE.find("[peers]").unwrap()];
    let start = text.find("seats = [").unwrap();
    let end = start + text[start..].find(']').unwrap() + 1;
    let seats = "seats = [\"0x0000000000000000000000000000000000000001\"]";
    let text =
        text.replace(&text[start..end], seats).replace("window = 2", "window = 1").replace("quorum = 2", "quorum = 1");
    let config = load(&text).unwrap();
    assert!(config.peers.is_none());
    assert_eq!(config.policy.copies, 1);
    config.settings(seat(0)).unwrap();
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = with("chain_id = 31337", "chain_id = 0").replace("window = 2", "window = 4").replace("00f1\"", "00f\"");
    let fields: Vec<_> = problems(&text).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["chain.chain_id", "ring.window", "api.requesters[0]"]);
}

#[test]
fn a_secret_that_everybody_can_read_is_refused_and_one_that_a_group_can_read_is_warned_of() {
    let folder = folder();
    for name in ["seat-0.password", "seat-0.key"] {
        let path = folder.path().join(name);
        let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        set(0o604);
        let error = load_from(&folder, FILE, &[]).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("chmod 600"), "{error}");
        set(0o640);
        let config = load_from(&folder, FILE, &[]).unwrap();
        assert!(config.warnings.iter().any(|warning| warning.contains(name)), "{:?}", config.warnings);
        set(0o400);
        assert_eq!(load_from(&folder, FILE, &[]).unwrap().warnings, [""; 0]);
    }
}

#[test]
fn a_secret_is_read_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    secret(&path, 0o600);
    assert_eq!(read_secret(&path).unwrap().as_slice(), b"correct horse");
    std::fs::write(&path, vec![b'x'; 64 * 1024 + 1]).unwrap();
    assert!(matches!(read_secret(&path), Err(SecretFileError::TooLong { .. })));
    assert!(matches!(read_secret(&folder.path().join("none")), Err(SecretFileError::Unreadable { .. })));
}

const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// The same with tokens behind the requesters.
fn with_tokens(tokens: &[(&str, &str, &str)]) -> String {
    let entry = |(name, sha256, scopes): &(&str, &str, &str)| {
        format!("[[api.token]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\nscopes = [{scopes}]\n")
    };
    with("[peers]", &(tokens.iter().map(entry).collect::<String>() + "[peers]"))
}

#[test]
fn tokens_and_rates_are_read() {
    let config = load(FILE).unwrap();
    assert!(config.api.tokens.is_empty());
    assert_eq!((config.api.rate.per_second.get(), config.api.rate.burst.get()), (1_000, 2_000));
    let text = with_tokens(&[("shop", HASH, "\"submit\", \"read\"")]);
    let text = text.replacen("[[api.token]]", "requests_per_second = 5\n[[api.token]]", 1);
    let config = load(&text).unwrap();
    assert_eq!(config.api.tokens[0].hash, crate::http::TokenHash::of("test"));
    assert_eq!(config.api.tokens[0].scopes.len(), 2);
    assert_eq!((config.api.rate.per_second.get(), config.api.rate.burst.get()), (5, 10));
}

#[test]
fn a_senseless_token_is_refused_with_its_field() {
    let other = HASH.replacen('9', "8", 1);
    for (tokens, field, reason) in [
        (&[("shop", "ring_123", "\"read\"")][..], "api.token[0].sha256", "not the token"),
        (&[("shop", &HASH[1..], "\"read\"")], "api.token[0].sha256", "64"),
        (&[("shop", HASH, "\"write\"")], "api.token[0].scopes", "submit, read, events, operate"),
        (&[("shop", HASH, "")], "api.token[0].scopes", "at least one"),
        (&[("a shop", HASH, "\"read\"")], "api.token[0].name", "no name"),
        (&[("shop", HASH, "\"read\""), ("shop", &other, "\"read\"")], "api.token[1].name", "twice"),
        (&[("shop", HASH, "\"read\""), ("other", HASH, "\"read\"")], "api.token[1].sha256", "the same"),
    ] {
        let found = problems(&with_tokens(tokens));
        let is_there = found.iter().any(|(found, why)| found == field && why.contains(reason));
        assert!(is_there, "{tokens:?}: {found:?}");
        assert!(found.iter().all(|(_, why)| !why.contains("ring_123")), "{found:?}");
    }
}

#[test]
fn an_open_interface_that_others_reach_is_warned_of() {
    let reached = ("127.0.0.1:8080", "0.0.0.0:8080");
    let open = load(&FILE.replacen(reached.0, reached.1, 1)).unwrap();
    assert!(open.warnings.iter().any(|warning| warning.contains("api.token")), "{:?}", open.warnings);
    let closed = with_tokens(&[("shop", HASH, "\"read\"")]).replacen(reached.0, reached.1, 1);
    assert_eq!(load(&closed).unwrap().warnings, [""; 0]);
}

/// The same with a webhook at the end, whose secret is in `seat-0.secret`.
fn with_webhook(name: &str, url: &str, events: &str) -> String {
    format!(
        "{FILE}[[webhook]]\nname = \"{name}\"\nurl = \"{url}\"\nsecret_file = \"seat-0.secret\"\nevents = [{events}]\n"
    )
}

fn load_webhook(secret: &str, text: &str) -> Result<Config, ConfigError> {
    let folder = folder();
    let path = folder.path().join("seat-0.secret");
    std::fs::write(&path, secret).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    load_from(&folder, text, &[])
}

#[test]
fn a_webhook_is_read_and_its_secret_does_not_show() {
    let text = with_webhook("shop", "https://shop.example/hidden", "\"final\", \"halted\"");
    let config = load_webhook("0123456789abcdef\n", &text).unwrap();
    assert_eq!(config.warnings, [""; 0]);
    let [Subscriber { means: Means::Webhook(webhook), .. }] = &config.subscribers[..] else { panic!("{config:?}") };
    let plain = crate::notify::Secret::new(zeroize::Zeroizing::new(b"0123456789abcdef".to_vec()));
    assert_eq!(webhook.secret().sign(1, b"x"), plain.sign(1, b"x"), "a line break at the end is not part of it");
    let shown = format!("{config:?}");
    assert!(!shown.contains("0123456789abcdef") && !shown.contains("hidden"), "{shown}");
}

fn with_command(name: &str, command: &str, events: &str) -> String {
    format!("{FILE}[[notify_command]]\nname = \"{name}\"\ncommand = [{command}]\nevents = [{events}]\n")
}

#[test]
fn a_command_is_a_program_by_its_whole_path() {
    let config = load(&with_command("pager", "\"/bin/sh\", \"-c\", \"true\"", "\"halted\"")).unwrap();
    let [Subscriber { means: Means::Program(program), .. }] = &config.subscribers[..] else { panic!("{config:?}") };
    assert_eq!(
        (program.path.to_str(), &program.arguments[..]),
        (Some("/bin/sh"), &["-c", "true"].map(String::from)[..])
    );
    let twice = with_command("pager", "\"/bin/sh\"", "\"halted\"");
    let twice = format!("{twice}{}", &twice[FILE.len()..]);
    for (text, field) in [
        (with_command("pager", "\"sh\"", "\"halted\""), "notify_command[0].command: \"sh\""),
        (with_command("pager", "\"/etc/passwd\"", "\"halted\""), "notify_command[0].command: /etc/passwd"),
        (with_command("pager", "\"/nowhere/sh\"", "\"halted\""), "notify_command[0].command: /nowhere/sh"),
        (with_command("pager", "", "\"halted\""), "notify_command[0].command: empty"),
        (with_command("pager", "\"/bin/sh\"", "\"paid\""), "notify_command[0].events"),
        (with_command("pager", "\"/bin/sh\"", ""), "notify_command[0].events"),
        (with_command("", "\"/bin/sh\"", "\"halted\""), "notify_command[0].name"),
        (twice, "notify_command[1].name"),
    ] {
        let Err(error @ ConfigError::Values { .. }) = load(&text) else { panic!("{text}") };
        assert!(error.to_string().contains(field), "{field}: {error}");
    }
    let both = format!(
        "{}{}",
        with_webhook("pager", "https://x.example", "\"halted\""),
        &with_command("pager", "\"/bin/sh\"", "\"halted\"")[FILE.len()..]
    );
    let Err(error) = load_webhook("0123456789abcdef", &both) else { panic!("{both}") };
    assert!(error.to_string().contains("notify_command[0].name"), "a command has a webhook's name: {error}");
}

#[test]
fn a_senseless_webhook_is_refused_with_its_field() {
    let url = "https://shop.example/hidden";
    let twice = with_webhook("shop", url, "\"final\"");
    let twice = format!("{twice}{}", &twice[FILE.len()..]);
    for (secret, text, field) in [
        ("0123456789abcde\n", with_webhook("shop", url, "\"final\""), "webhook[0].secret_file"),
        ("0123456789abcdef", with_webhook("shop", "ftp://x/hidden", "\"final\""), "webhook[0].url"),
        ("0123456789abcdef", with_webhook("shop", "https://u:hidden@x", "\"final\""), "webhook[0].url"),
        ("0123456789abcdef", with_webhook("shop", url, "\"executed\""), "webhook[0].events"),
        ("0123456789abcdef", with_webhook("shop", url, ""), "webhook[0].events"),
        ("0123456789abcdef", with_webhook("", url, "\"final\""), "webhook[0].name"),
        ("0123456789abcdef", twice, "webhook[1].name"),
    ] {
        let Err(error @ ConfigError::Values { .. }) = load_webhook(secret, &text) else { panic!("{text}") };
        let shown = error.to_string();
        assert!(shown.contains(field) && !shown.contains("hidden"), "{field}: {shown}");
    }
    let plain = load_webhook("0123456789abcdef", &with_webhook("shop", "http://shop.example", "\"final\"")).unwrap();
    assert!(plain.warnings.iter().any(|warning| warning.contains("https://")), "{:?}", plain.warnings);
}

/// The same with traces; the headers are in `seat-0.secret`.
fn with_traces(endpoint: &str, more: &str) -> String {
    format!("{FILE}[traces]\nendpoint = \"{endpoint}\"\nheaders_file = \"seat-0.secret\"\n{more}")
}

#[test]
fn a_collector_is_read_and_its_secrets_do_not_show() {
    let text = with_traces("https://collect.example:4318/hidden", "one_in = 100\n");
    let config = load_webhook("Authorization: Bearer hidden\n", &text).unwrap();
    assert_eq!(config.traces.as_ref().map(|collector| collector.one_in()), Some(100));
    assert!(!format!("{config:?}").contains("hidden"), "{config:?}");
    assert!(load(FILE).unwrap().traces.is_none());
}

#[test]
fn a_senseless_collector_is_refused_with_its_field() {
    let url = "https://collect.example/v1/traces";
    for (headers, text, field) in [
        ("", with_traces("collect.example:4318/hidden", ""), "traces.endpoint"),
        ("", with_traces("https://u:hidden@collect.example", ""), "traces.endpoint"),
        ("", with_traces(url, "one_in = 0\n"), "traces.one_in"),
        ("Authorization Bearer hidden", with_traces(url, ""), "traces.headers_file"),
        ("", with_traces(url, "authorities_file = \"nowhere.crt\"\n"), "traces.authorities_file"),
    ] {
        let Err(error @ ConfigError::Values { .. }) = load_webhook(headers, &text) else { panic!("{text}") };
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(field) && !shown.contains("hidden"), "{shown}");
    }
}

#[test]
fn finality_without_confirmations_is_warned_of() {
    let config = load(&with("\"finalized\"", "0")).unwrap();
    assert_eq!(config.chain.finality, Finality::Depth(0));
    assert_eq!(config.warnings.len(), 1);
}

#[test]
fn no_secret_shows_in_debug_or_errors() {
    let folder = folder();
    let config = load_from(&folder, FILE, &[]).unwrap();
    let shown = format!("{config:?} {}", config.chain.rpc[0]);
    assert!(!shown.contains("secret-token"), "{shown}");
    assert!(shown.contains("ws://127.0.0.1:8545"), "{shown}");
    let error = load(&with("\"ws://127.0.0.1:8545/secret-token\"", "\"wss//host/secret-token\"")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret-token"));
}

#[test]
fn most_of_several_nodes_have_to_agree_unless_it_is_said_otherwise() {
    for (rpc, agree) in [("[\"ws://a\", \"ws://b\"]", 2), ("[\"ws://a\", \"ws://b\", \"ws://c\"]", 2)] {
        let config = load(&with(RPC, rpc)).unwrap();
        assert_eq!((config.chain.agree, config.warnings), (agree, vec![]), "{rpc}");
    }
    let config = load(&with(RPC, "[\"ws://a\", \"ws://b\", \"ws://c\"]\nagree = 1")).unwrap();
    assert_eq!(config.chain.agree, 1);
    assert!(config.warnings[0].contains("chain.agree is 1 of 3"), "{:?}", config.warnings);
}

fn secret_file(folder: &TempDir, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A folder with everything that the configurations name that are shipped.
fn folder_of_shipped() -> TempDir {
    let folder = folder();
    std::fs::rename(folder.path().join("seat-0.json"), folder.path().join("operator.json")).unwrap();
    std::fs::rename(folder.path().join("seat-0.password"), folder.path().join("operator.password")).unwrap();
    secret_file(&folder, "webhook.secret", "sixteen bytes or more");
    secret_file(&folder, "collector.headers", "Authorization: Bearer of-nothing");
    secret_file(&folder, "orders.url", "postgres://seat@localhost/orders");
    secret_file(&folder, "provider.headers", "Authorization: Bearer of-nothing");
    folder
}

#[test]
fn every_configuration_that_is_shipped_is_one() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let shipped = [
        ("relayer.example.toml", 1, 2, Finality::Finalized, L1Fee::None, 0),
        ("config/ethereum.toml", 1, 2, Finality::Finalized, L1Fee::None, 0),
        ("config/op-stack.toml", 10, 2, Finality::Finalized, L1Fee::OpStack, 0),
        ("config/polygon.toml", 137, 2, Finality::Finalized, L1Fee::None, 25_000_000_000),
        ("config/anvil.toml", 31337, 1, Finality::Depth(1), L1Fee::None, 0),
    ];
    let names = std::fs::read_dir(docs.join("config")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.count(), shipped.len() - 1, "a file of docs/config is not tried here");
    let folder = folder_of_shipped();
    for (file, chain_id, agree, finality, l1_fee, tip) in shipped {
        let text = std::fs::read_to_string(docs.join(file)).unwrap();
        let config = load_from(&folder, &text, &[]).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(config.warnings, [""; 0], "{file}");
        let Chain { domain, agree: needed, finality: found, l1_fee: fee, .. } = &config.chain;
        assert_eq!((domain.chain_id, *needed, *found, *fee), (chain_id, agree, finality, l1_fee), "{file}");
        assert_eq!(config.policy.min_priority_fee, tip, "{file}");
        let key = config.ring.charter.seats[0];
        config.settings(key).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

fn with_refill(refill: &str) -> String {
    format!("{FILE}\n[refill]\n{refill}")
}

#[test]
fn a_refill_is_read() {
    let config = load(&with_refill("below = \"50000000000000000\"\namount = 7\n")).unwrap();
    let refilling = config.refill.unwrap();
    assert_eq!((refilling.below.to::<u64>(), refilling.refill.amount), (50_000_000_000_000_000, 7));
    assert_eq!(config.settings(config.ring.charter.seats[0]).unwrap().refill, Some(refilling.refill));
    assert!(load(FILE).unwrap().refill.is_none());
}

#[test]
fn a_senseless_refill_is_refused_with_its_field() {
    let of_tokens = with_refill("below = 1\namount = 1\n").replacen("asset = \"0x00", "asset = \"0x01", 1);
    for (text, field, reason) in [
        (of_tokens, "refill", "ring.other_assets"),
        (with_refill("below = 0\namount = 1\n"), "refill.below", "no amount in wei"),
        (with_refill("below = 1\namount = \"0.1ether\"\n"), "refill.amount", "no amount in wei"),
        (with_refill("below = 1\namount = \"79228162514264337593543950336\"\n"), "refill.amount", "2^96"),
        (with_refill("below = 1\namount = 1\nperiod_seconds = 60\n"), "refill.period_seconds", "3600"),
    ] {
        let Err(error @ ConfigError::Values { .. }) = load(&text) else { panic!("{text}") };
        let shown = error.to_string();
        assert!(shown.contains(field) && shown.contains(reason), "{shown}");
    }
}

#[test]
fn what_the_master_announced_is_read() {
    let asset = "0x00000000000000000000000000000000000000d0";
    let text = |caps: &str| {
        let lines = format!("[ring]\nother_assets = [\"{asset}\"]\nmasters = [\"{asset}\"]\ncaps = [{caps}]");
        FILE.replacen("[ring]", &lines, 1)
    };
    let cap = |cap: &str| format!("{{ asset = \"{asset}\", cap = {cap} }}");
    let announced = load(&text(&cap("\"100\""))).unwrap().ring.announced;
    let asset = asset.parse().unwrap();
    assert_eq!((announced.masters, announced.caps), ([asset].into(), [(asset, "100".parse().unwrap())].into()));
    for (caps, field) in [
        (cap("\"1.5\""), "ring.caps[0].cap"),
        (cap("\"0x10\""), "ring.caps[0].cap"),
        (format!("{}, {}", cap("1"), cap("2")), "ring.caps[1].asset"),
    ] {
        let Err(error @ ConfigError::Values { .. }) = load(&text(&caps)) else { panic!("{caps}") };
        assert!(error.to_string().contains(field), "{error}");
    }
}
