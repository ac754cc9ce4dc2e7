use std::{fs, os::unix::fs::PermissionsExt as _};

use super::*;

const TEXT: &str = r#"
socket = "sock"
client_uid = 1000
guard = "guard"
chain_id = 1
contract = "0x0101010101010101010101010101010101010101"
ring = 7

[key]
address = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
key_file = "key"

[policy]
main_asset = "0x0000000000000000000000000000000000000000"
max_fee = "10"
spend = [{ asset = "0x0000000000000000000000000000000000000000", per_day = "5" }]
"#;

fn read(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signer.toml");
    fs::write(&path, text).unwrap();
    Config::read(&path)
}

fn refused(old: &str, new: &str) -> String {
    assert!(TEXT.contains(old));
    read(&TEXT.replace(old, new)).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_is_named() {
    let config = read(TEXT).unwrap();
    assert_eq!((config.client_uid, config.owner.ring, config.policy.max_fee), (1000, 7, U256::from(10)));
    for (old, new, words) in [
        ("ring = 7", "rings = 7", "rings"),
        ("max_fee = \"10\"", "max_fee = \"0x10\"", "no amount"),
        ("max_fee = \"10\"", "max_fee = \"\"", "no amount"),
        ("max_fee = \"10\"\n", "", "max_fee"),
        ("key_file = \"key\"", "", "key_file"),
        ("key_file = \"key\"", "key_file = \"key\"\nkeystore = \"key\"", "nothing else"),
        ("per_day = \"5\" }", "}, { asset = \"0x0000000000000000000000000000000000000000\" }", "there twice"),
        (
            "[policy]",
            "[policy.refill]\namount = \"79228162514264337593543950336\"\nperiod_seconds = 1\nseats = []\n[policy]",
            "2^96",
        ),
        ("[policy]", "[policy.refill]\namount = \"1\"\nperiod_seconds = 0\nseats = []\n[policy]", "at least 1"),
    ] {
        let error = refused(old, new);
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_key_has_to_be_the_one_that_is_named_and_nobody_elses_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let (path, key) = (folder.path().join("signer.toml"), folder.path().join("key"));
    fs::write(&path, TEXT).unwrap();
    let config = Config::read(&path).unwrap();
    assert!(matches!(config.open_key(), Err(ConfigError::Unreadable { .. })));
    let write = |digit: &str, mode| {
        fs::write(&key, digit.repeat(64) + "\n").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    };
    write("2", 0o600);
    assert!(matches!(config.open_key(), Err(ConfigError::OtherKey { .. })));
    write("1", 0o604);
    assert!(matches!(config.open_key(), Err(ConfigError::Exposed { mode: 0o604, .. })));
    write("1", 0o640);
    assert_eq!(config.open_key().unwrap().address(), config.owner.address);
    write("g", 0o600);
    let error = config.open_key().unwrap_err();
    assert!(!error.to_string().contains("gg") && !format!("{error:?}").contains("gg"));
}

#[test]
fn the_example_is_a_configuration_also_with_what_is_commented_out() {
    let example = include_str!("../../../docs/signer.example.toml");
    read(example).unwrap();
    let of_policy = example.find("[policy]").unwrap();
    let (key, policy) = example.split_at(of_policy);
    let with_all: String = policy
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.starts_with('[') || setting.contains(" = ") => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let config = read(&format!("{key}{with_all}")).unwrap();
    assert!(config.policy.refill.is_some() && !config.policy.calls.is_empty());
    assert!(config.policy.spend.values().all(|spend| !spend.recipients.is_empty()));
}
