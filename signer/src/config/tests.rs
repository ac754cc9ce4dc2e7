use std::{fs, os::unix::fs::PermissionsExt as _};

use alloy::primitives::U256;

use super::*;

const TEXT: &str = r#"
guard = "guard"
chain_id = 1
contract = "0x0101010101010101010101010101010101010101"
ring = 7

[listen]
socket = "sock"
client_uid = 1000

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
    // It stands for secrets, too.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    Config::read(&path)
}

fn refused(old: &str, new: &str) -> String {
    assert!(TEXT.contains(old));
    read(&TEXT.replace(old, new)).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_is_named() {
    let config = read(TEXT).unwrap();
    assert_eq!((config.owner.ring, config.policy.max_fee), (7, U256::from(10)));
    for (old, new, words) in [
        ("ring = 7", "rings = 7", "rings"),
        ("max_fee = \"10\"", "max_fee = \"0x10\"", "no amount"),
        ("max_fee = \"10\"", "max_fee = \"\"", "no amount"),
        ("max_fee = \"10\"\n", "", "max_fee"),
        ("key_file = \"key\"", "", "key_file"),
        ("key_file = \"key\"", "key_file = \"key\"\nkeystore = \"key\"", "nothing else"),
        ("key_file = \"key\"", "keystore = \"key\"", "password_file"),
        ("key_file = \"key\"", "key_file = \"key\"\n[key.vault]\nurl = \"https://a\"\npath = \"a\"", "nothing else"),
        ("client_uid = 1000", "", "client_uid"),
        ("client_uid = 1000", "client_uid = 1000\nvsock_port = 1", "nothing else"),
        ("client_uid = 1000", "client_uid = 1000\naddress = \"127.0.0.1:1\"", "nothing else"),
        ("socket = \"sock\"\nclient_uid = 1000", "vsock_port = 1", "client_cid"),
        ("socket = \"sock\"\nclient_uid = 1000", "address = \"127.0.0.1:1\"", "client_certificate"),
        ("socket = \"sock\"\nclient_uid = 1000", "address = \"a:1\"", "address"),
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

const VSOCK: &str = "vsock_port = 7443\nclient_cid = 2";
const TLS: &str =
    "address = \"127.0.0.1:7443\"\ncertificate = \"a.crt\"\nprivate_key = \"a.key\"\nclient_certificate = \"b.crt\"";
const UNIX: &str = "socket = \"sock\"\nclient_uid = 1000";

#[test]
fn it_listens_in_one_way_if_this_build_has_it() {
    let listen = |text: &str| read(&TEXT.replace(UNIX, text)).map(|config| config.listen);
    assert!(matches!(listen(UNIX).unwrap(), Listen::Unix { client_uid: 1000, .. }));
    #[cfg(feature = "vsock")]
    assert_eq!(listen(VSOCK).unwrap(), Listen::Vsock { port: 7443, client_cid: 2 });
    #[cfg(not(feature = "vsock"))]
    assert!(listen(VSOCK).unwrap_err().to_string().contains("--features vsock"));
    #[cfg(feature = "tls")]
    assert!(matches!(listen(TLS).unwrap(), Listen::Tls(tls) if tls.client_certificate.ends_with("b.crt")));
    #[cfg(not(feature = "tls"))]
    assert!(listen(TLS).unwrap_err().to_string().contains("--features tls"));
}

/// Where a table is wrong, it is said with its field; where this build lacks the way, which feature has it.
#[test]
fn a_key_that_somebody_else_has_is_named_as_in_a_relayers_configuration() {
    let google = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1";
    for (table, right, wrong, field) in [
        ("aws_kms", "key_id = \"a\"".to_owned(), "key_id = \"a\"\nendpoint = \"http://a\"", "endpoint"),
        ("azure_kv", "key = \"https://a.vault.azure.net/keys/a/1\"".to_owned(), "key = \"https://a/keys/a\"", "key"),
        ("gcp_kms", format!("key_version = \"{google}\""), "key_version = \"a\"", "key_version"),
        (
            "memory",
            "socket = \"unlock\"\nlease_seconds = 60".to_owned(),
            "socket = \"unlock\"\nlease_seconds = 60\nshares = 1",
            "shares",
        ),
        (
            "pkcs11",
            "module = \"signer.toml\"\ntoken = \"a\"\nkey = \"a\"\npin_file = \"signer.toml\"".to_owned(),
            "module = \"signer.toml\"\ntoken = \"a\"\nkey = \"a\"\npin_file = \"none\"",
            "pin_file",
        ),
        (
            "vault",
            "url = \"https://a\"\npath = \"a\"\ntoken_file = \"signer.toml\"".to_owned(),
            "url = \"http://a\"\npath = \"a\"\ntoken_file = \"signer.toml\"",
            "url",
        ),
    ] {
        let with = |text: &str| read(&TEXT.replace("key_file = \"key\"", &format!("[key.{table}]\n{text}")));
        let feature = table.replace('_', "-");
        let is_built = [
            cfg!(feature = "aws-kms"),
            cfg!(feature = "azure-kv"),
            cfg!(feature = "gcp-kms"),
            cfg!(feature = "memory"),
            cfg!(feature = "pkcs11"),
            cfg!(feature = "vault"),
        ];
        let names = ["aws_kms", "azure_kv", "gcp_kms", "memory", "pkcs11", "vault"];
        let is_built = names.iter().zip(is_built).any(|(name, is_built)| *name == table && is_built);
        match is_built {
            true => {
                with(&right).unwrap();
                let error = with(wrong).unwrap_err().to_string();
                assert!(error.contains(&format!("key.{table}.{field}")), "{error}");
                assert!(with("nobody = 1").unwrap_err().to_string().contains("nobody"));
            }
            false => {
                let error = with(&right).unwrap_err().to_string();
                assert!(error.contains(&format!("--features {feature}")), "{error}");
            }
        }
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
