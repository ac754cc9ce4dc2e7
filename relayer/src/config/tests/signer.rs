//! Where a seat's key may be.

use ring_key::{
    azure_kv::Credential,
    pkcs11::Token,
    vault::{Login, Transit},
};

use super::*;

const KEYSTORE: &str = "keystore = \"seat-0.json\"\npassword_file = \"seat-0.password\"";
const PKCS11: &str = "module = \"seat-0.json\"\nkey = \"operator\"\npin_file = \"seat-0.password\"\n";
const MEMORY: &str =
    "address = \"0x0000000000000000000000000000000000000001\"\nsocket = \"unlock.sock\"\nlease_seconds = 28800\n";
const VAULT: &str = "url = \"https://vault.example:8200\"\npath = \"rings/1/seat-0\"\n";
const GOOGLE: &str = "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/seat-0/cryptoKeyVersions/1";
const AZURE: &str = "key = \"https://rings.vault.azure.net/keys/seat-0/0123\"\n";

fn with_signer(text: &str) -> String {
    with(KEYSTORE, text)
}

#[test]
fn the_password_of_a_keystore_is_in_a_file_or_typed() {
    let source = |text: &str| match load(&with_signer(text)).unwrap().signer {
        Signer::Keystore { password, .. } => password,
        other => panic!("{other:?}"),
    };
    assert!(matches!(source(KEYSTORE), PasswordSource::File(path) if path.ends_with("seat-0.password")));
    assert_eq!(source("keystore = \"seat-0.json\"\npassword_prompt = true"), PasswordSource::Prompt);
}

#[test]
fn an_hsm_is_named_by_its_module_and_its_token_by_label_or_serial_number() {
    let config = load(&with_signer(&format!("[signer.pkcs11]\n{PKCS11}token = \"rings\""))).unwrap();
    let Signer::Pkcs11(settings) = config.signer else { panic!("{:?}", config.signer) };
    assert_eq!((settings.token, &*settings.label), (Token::Label("rings".into()), "operator"));
    let config = load(&with_signer(&format!("[signer.pkcs11]\n{PKCS11}serial = \"0123\""))).unwrap();
    let Signer::Pkcs11(settings) = config.signer else { panic!("{:?}", config.signer) };
    assert_eq!(settings.token, Token::Serial("0123".into()));
}

#[test]
fn a_vault_is_logged_in_to_by_a_token_or_a_role_and_may_wrap_the_key() {
    let config = load(&with_signer(&format!("[signer.vault]\n{VAULT}token_file = \"seat-0.password\""))).unwrap();
    let Signer::Vault(vault) = config.signer else { panic!("{:?}", config.signer) };
    assert_eq!((&*vault.mount, &*vault.path, &*vault.field), ("secret", "rings/1/seat-0", "key"));
    assert!(matches!(vault.login, Login::Token(_)) && vault.transit.is_none());
    let role = "role_id = \"r\"\nsecret_id_file = \"seat-0.password\"\ntransit_key = \"seat-0\"";
    let config = load(&with_signer(&format!("[signer.vault]\n{VAULT}{role}"))).unwrap();
    let Signer::Vault(vault) = config.signer else { panic!("{:?}", config.signer) };
    assert!(matches!(&vault.login, Login::AppRole { mount, role_id, .. } if mount == "approle" && role_id == "r"));
    assert_eq!(vault.transit, Some(Transit { mount: "transit".into(), key: "seat-0".into() }));
}

#[test]
fn a_key_in_aws_is_named_by_its_id_and_the_rest_is_the_chains_business() {
    let config = load(&with_signer("[signer.aws_kms]\nkey_id = \"alias/seat-0\"")).unwrap();
    let Signer::AwsKms(settings) = config.signer else { panic!("{:?}", config.signer) };
    assert_eq!((&*settings.key_id, settings.region, settings.endpoint), ("alias/seat-0", None, None));
}

#[test]
fn a_key_in_googles_cloud_is_named_by_its_version() {
    let text = format!("[signer.gcp_kms]\nkey_version = \"{GOOGLE}\"\ncredentials_file = \"seat-0.password\"");
    let config = load(&with_signer(&text)).unwrap();
    let Signer::GcpKms(settings) = config.signer else { panic!("another signer") };
    assert_eq!((&*settings.key_version, settings.endpoint), (GOOGLE, None));
    assert!(settings.credentials.is_some());
}

#[test]
fn a_key_in_azure_is_asked_for_as_the_host_unless_another_credential_is_named() {
    let azure = |more: &str| match load(&with_signer(&format!("[signer.azure_kv]\n{AZURE}{more}"))).unwrap().signer {
        Signer::AzureKv(azure) => azure.credential,
        other => panic!("{other:?}"),
    };
    assert!(matches!(azure(""), Credential::ManagedIdentity { client_id: None }));
    assert!(matches!(azure("client_id = \"a\""), Credential::ManagedIdentity { client_id: Some(id) } if id == "a"));
    assert!(matches!(azure("credential = \"workload_identity\""), Credential::WorkloadIdentity));
    assert!(matches!(azure("credential = \"developer_tools\""), Credential::DeveloperTools));
    let text = "credential = \"client_secret\"\ntenant_id = \"t\"\nclient_id = \"a\"\nclient_secret_file = \"seat-0.password\"";
    let Credential::ClientSecret { tenant_id, client_id, .. } = azure(text) else { panic!() };
    assert_eq!((&*tenant_id, &*client_id), ("t", "a"));
}

#[test]
fn a_key_in_memory_has_a_place_to_be_unlocked_at_and_a_time() {
    let text = format!("[signer.memory]\n{MEMORY}");
    let Signer::Memory(memory) = load(&with_signer(&text)).unwrap().signer else { panic!("another signer") };
    assert_eq!((memory.lease.as_secs(), memory.warning.as_secs(), memory.shares), (28_800, 3_600, None));
    let Signer::Memory(memory) = load(&with_signer(&format!("{text}shares = 3"))).unwrap().signer else { panic!() };
    assert_eq!(memory.shares, Some(3));
}

/// The certificates need not be an enclave's to be read.
const TLS: &str = "address = \"enclave.internal:7443\"\ncertificate = \"seat-0.crt\"\nprivate_key = \"seat-0.key\"\n\
                   enclave_certificate = \"seat-1.crt\"";

#[test]
fn an_enclave_is_named_by_its_socket_its_machine_or_its_address_and_need_not_be_there_yet() {
    let enclave = |text: &str| match load(&with_signer(&format!("[signer.enclave]\n{text}"))).unwrap().signer {
        Signer::Enclave(enclave) => enclave,
        other => panic!("{other:?}"),
    };
    let Enclave::Unix(socket) = enclave("socket = \"enclave.sock\"") else { panic!("another way") };
    assert!(socket.is_absolute() && socket.ends_with("enclave.sock"), "{socket:?}");
    assert!(matches!(enclave("vsock_cid = 16\nvsock_port = 7443"), Enclave::Vsock { cid: 16, port: 7443 }));
    assert!(matches!(enclave(TLS), Enclave::Tls { address, .. } if address == "enclave.internal:7443"));
}

#[test]
fn what_is_wrong_with_a_signer_is_said_with_its_field() {
    let token = "token_file = \"seat-0.password\"\n";
    let vault = |more: &str| format!("[signer.vault]\n{VAULT}{more}");
    let at = |url: &str| format!("[signer.vault]\nurl = \"{url}\"\npath = \"a\"\n{token}");
    for (text, field, part) in [
        (String::new(), "signer", "no key"),
        (format!("{KEYSTORE}\n{}", vault(token)), "signer", "several"),
        ("keystore = \"seat-0.json\"".into(), "signer.password_file", "missing"),
        (format!("{KEYSTORE}\npassword_prompt = true"), "signer.password_prompt", "leave one"),
        (format!("{KEYSTORE}\n[signer.enclave]\nsocket = \"/a\""), "signer", "several"),
        ("[signer.enclave]".into(), "signer.enclave", "one of them"),
        ("[signer.enclave]\nsocket = \"/a\"\nvsock_cid = 3\nvsock_port = 1".into(), "signer.enclave", "one of them"),
        ("[signer.enclave]\nvsock_cid = 3".into(), "signer.enclave", "one of them"),
        ("[signer.enclave]\nvsock_cid = 4294967296\nvsock_port = 1".into(), "signer.enclave.vsock_cid", "too large"),
        ("[signer.enclave]\naddress = \"a:1\"".into(), "signer.enclave", "one of them"),
        (format!("[signer.enclave]\n{}", TLS.replace(":7443", "")), "signer.enclave.address", "HOST:PORT"),
        (
            format!("[signer.enclave]\n{}", TLS.replace("seat-1.crt", "seat-0.key")),
            "signer.enclave.enclave_certificate",
            "not exactly one",
        ),
        (
            format!("[signer.enclave]\n{}", TLS.replace("seat-0.crt", "seat-1.crt")),
            "signer.enclave.private_key",
            "made together",
        ),
        ("[signer.aws_kms]\nkey_id = \"a\"\nendpoint = \"http://a\"".into(), "signer.aws_kms.endpoint", "https://"),
        (
            "[signer.gcp_kms]\nkey_version = \"projects/p/cryptoKeys/k\"".into(),
            "signer.gcp_kms.key_version",
            "no version",
        ),
        (
            format!("[signer.gcp_kms]\nkey_version = \"{}\"", GOOGLE.replace("/1", "/")),
            "signer.gcp_kms.key_version",
            "no version",
        ),
        (
            format!("[signer.gcp_kms]\nkey_version = \"{GOOGLE}\"\nendpoint = \"http://a\""),
            "signer.gcp_kms.endpoint",
            "https://",
        ),
        (
            format!("[signer.gcp_kms]\nkey_version = \"{GOOGLE}\"\ncredentials_file = \"no.json\""),
            "signer.gcp_kms.credentials_file",
            "no.json",
        ),
        (format!("[signer.azure_kv]\n{}", AZURE.replace("/0123", "")), "signer.azure_kv.key", "VERSION"),
        (format!("[signer.azure_kv]\n{}", AZURE.replace("https", "http")), "signer.azure_kv.key", "https://"),
        (format!("[signer.azure_kv]\n{AZURE}authority = \"http://a\""), "signer.azure_kv.authority", "https://"),
        (format!("[signer.azure_kv]\n{AZURE}tenant_id = \"t\""), "signer.azure_kv.credential", "at most"),
        (
            format!("[signer.azure_kv]\n{AZURE}credential = \"client_secret\"\nclient_id = \"a\""),
            "signer.azure_kv.credential",
            "client_secret_file",
        ),
        (format!("[signer.memory]\n{}", MEMORY.replace("0001", "")), "signer.memory.address", "not an address"),
        (format!("[signer.memory]\n{}", MEMORY.replace("28800", "0")), "signer.memory.lease_seconds", "at least 1"),
        (format!("[signer.memory]\n{MEMORY}shares = 1"), "signer.memory.shares", "2 to 255"),
        (format!("[signer.memory]\n{MEMORY}shares = 256"), "signer.memory.shares", "2 to 255"),
        (format!("[signer.pkcs11]\n{PKCS11}"), "signer.pkcs11", "`serial`"),
        (format!("[signer.pkcs11]\n{PKCS11}token = \"a\"\nserial = \"b\""), "signer.pkcs11", "one of them"),
        (
            format!("[signer.pkcs11]\n{}token = \"a\"", PKCS11.replace("seat-0.json", "nowhere.so")),
            "signer.pkcs11.module",
            "nowhere.so",
        ),
        (
            format!("[signer.pkcs11]\n{}token = \"a\"", PKCS11.replace("seat-0.password", "no.pin")),
            "signer.pkcs11.pin_file",
            "no.pin",
        ),
        (vault(""), "signer.vault", "one of them"),
        (vault("role_id = \"r\""), "signer.vault", "one of them"),
        (vault(&format!("{token}role_id = \"r\"")), "signer.vault", "one of them"),
        (vault("token_file = \"no.token\""), "signer.vault.token_file", "no.token"),
        (vault(&format!("{token}transit_mount = \"t\"")), "signer.vault.transit_mount", "transit_key"),
        (vault(&format!("{token}authorities_file = \"no.crt\"")), "signer.vault.authorities_file", "no.crt"),
        (at("http://vault.example:8200"), "signer.vault.url", "https://"),
        (at("http://127.0.0.1.example:8200"), "signer.vault.url", "https://"),
        (at("vault"), "signer.vault.url", "no URL"),
    ] {
        let problems = problems(&with_signer(&text));
        let is_it = |(at, reason): &(String, String)| at == field && reason.contains(part);
        assert!(problems.iter().any(is_it), "{text}: {problems:?}");
    }
    load(&with_signer(&at("http://127.0.0.1:8200"))).unwrap();
}
