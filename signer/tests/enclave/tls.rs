//! Over TLS: who is answered, and who is not waited for.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::Arc,
};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use ring_signer::message::{self, Answer, MAX_MESSAGE, PROTOCOL, Question};
use ring_tls::Identity;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    client::Resumption,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};

use crate::process::{Enclave, FOR_EVER, Way};

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// More strangers than there may be at a time.
const CROWD: usize = 100;

pub(crate) fn free_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn params() -> CertificateParams {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// As `ring-relayer certificate` makes them.
fn write_certificate(enclave: &Enclave, name: &str) {
    let key = KeyPair::generate().unwrap();
    fs::write(enclave.path(&format!("{name}.crt")), params().self_signed(&key).unwrap().pem()).unwrap();
    enclave.write_secret(&format!("{name}.key"), &key.serialize_pem());
}

/// What is in the configuration, with the certificates that it names.
pub(crate) fn listen(enclave: &Enclave) -> String {
    for name in ["enclave", "client", "stranger"] {
        write_certificate(enclave, name);
    }
    format!(
        "address = \"{}\"\ncertificate = \"enclave.crt\"\nprivate_key = \"enclave.key\"\nclient_certificate = \"client.crt\"",
        enclave.port
    )
}

fn certificate(enclave: &Enclave, name: &str) -> rustls::pki_types::CertificateDer<'static> {
    ring_tls::read_certificate(&fs::read(enclave.path(&format!("{name}.crt"))).unwrap()).unwrap()
}

fn config(enclave: &Enclave, name: &str, protocol: &[u8]) -> ClientConfig {
    let key = fs::read(enclave.path(&format!("{name}.key"))).unwrap();
    let identity = Identity::new(certificate(enclave, name), &key).unwrap();
    ring_tls::client(&identity, &[certificate(enclave, "enclave")], protocol).unwrap()
}

fn tcp(enclave: &Enclave) -> TcpStream {
    let stream = TcpStream::connect(enclave.port).unwrap();
    stream.set_read_timeout(Some(FOR_EVER)).unwrap();
    stream
}

fn open(enclave: &Enclave, config: ClientConfig) -> Stream {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp(enclave))
}

/// With the certificate of this name.
pub(crate) fn connect(enclave: &Enclave, name: &str) -> Stream {
    open(enclave, config(enclave, name, PROTOCOL))
}

fn asked(mut stream: Stream) -> Result<Answer, message::MessageError> {
    message::write(&mut stream, &Question::Identity)?;
    message::read(&mut stream)
}

fn in_both_forms(test: impl Fn(Enclave)) {
    for one_shot in [false, true] {
        test(Enclave::started(Way::Tls, one_shot));
    }
}

#[test]
fn the_pinned_certificate_is_answered_and_no_other_and_nobody_without_one() {
    in_both_forms(|enclave| {
        assert!(matches!(asked(connect(&enclave, "client")), Ok(Answer::Identity { .. })));
        asked(connect(&enclave, "stranger")).unwrap_err();
        // Its own is not its client's.
        asked(connect(&enclave, "enclave")).unwrap_err();
        asked(open(&enclave, config(&enclave, "client", b"http/1.1"))).unwrap_err();
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&enclave, "enclave")).unwrap();
        let mut nobody = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        nobody.alpn_protocols = vec![PROTOCOL.to_vec()];
        asked(open(&enclave, nobody)).unwrap_err();
        let mut in_the_clear = tcp(&enclave);
        message::write(&mut in_the_clear, &Question::Identity).unwrap();
        message::read::<Answer>(&mut in_the_clear).unwrap_err();
        assert!(matches!(asked(connect(&enclave, "client")), Ok(Answer::Identity { .. })), "it is still there");
    });
}

#[test]
fn a_connection_that_nobody_has_spoken_tls_with_is_not_answered() {
    let enclave = Enclave::new(Way::Tls, false);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let _theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    let why = enclave.answers(OwnedFd::from(ours)).unwrap_err();
    assert!(why.contains("--one-shot"), "{why}");
}

/// A certificate of the same name for another key, signed by the client's.
fn write_issued(enclave: &Enclave) {
    let issuer = KeyPair::from_pem(&fs::read_to_string(enclave.path("client.key")).unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let issued = params().signed_by(&key, &Issuer::new(params(), issuer)).unwrap();
    fs::write(enclave.path("issued.crt"), issued.pem()).unwrap();
    enclave.write_secret("issued.key", &key.serialize_pem());
}

#[test]
fn a_certificate_that_the_clients_key_signed_is_not_the_clients() {
    in_both_forms(|enclave| {
        write_issued(&enclave);
        let [certificate, key] = ["crt", "key"].map(|end| fs::read(enclave.path(&format!("issued.{end}"))).unwrap());
        let identity = Identity::new(CertificateDer::from_pem_slice(&certificate).unwrap(), &key).unwrap();
        let config = ring_tls::client(&identity, &[self::certificate(&enclave, "enclave")], PROTOCOL).unwrap();
        asked(open(&enclave, config)).unwrap_err();
        assert!(matches!(asked(connect(&enclave, "client")), Ok(Answer::Identity { .. })), "it is still there");
    });
}

#[test]
fn nobody_comes_back_without_showing_the_certificate_again() {
    in_both_forms(|enclave| {
        let mut config = config(&enclave, "client", PROTOCOL);
        config.resumption = Resumption::in_memory_sessions(8);
        for _ in 0..2 {
            let mut stream = open(&enclave, config.clone());
            message::write(&mut stream, &Question::Identity).unwrap();
            message::read::<Answer>(&mut stream).unwrap();
            assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Full));
        }
    });
}

#[test]
fn a_crowd_of_strangers_that_say_nothing_or_trickle_does_not_keep_the_client_waiting() {
    let enclave = Enclave::started(Way::Tls, false);
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(|_| tcp(&enclave)).collect();
    for stranger in &mut crowd {
        // The beginning of a handshake. Some are sent away already.
        let _ = stranger.write_all(&[0x16, 3, 1]);
    }
    assert!(matches!(asked(connect(&enclave, "client")), Ok(Answer::Identity { .. })));
    // Those who were there longest were sent away for the others; the rest are when their time is over.
    for mut stranger in crowd {
        let end = stranger.read(&mut [0; 64]);
        assert!(!matches!(&end, Err(error) if error.kind() == io::ErrorKind::WouldBlock), "{end:?}");
    }
}

#[test]
fn a_client_that_trickles_its_question_is_given_up_and_one_that_is_not_is_answered_meanwhile() {
    in_both_forms(|enclave| {
        let mut trickling = connect(&enclave, "client");
        trickling.write_all(&[0, 0]).unwrap();
        trickling.flush().unwrap();
        assert!(matches!(asked(connect(&enclave, "client")), Ok(Answer::Identity { .. })));
        // Its time is over whether there is one more byte or not.
        trickling.write_all(&[0]).unwrap();
        let end = trickling.read(&mut [0; 64]);
        assert!(!matches!(&end, Err(error) if error.kind() == io::ErrorKind::WouldBlock), "{end:?}");
    });
}

#[test]
fn a_question_that_is_too_long_is_refused_before_it_is_read() {
    in_both_forms(|enclave| {
        let mut connection = connect(&enclave, "client");
        connection.write_all(&(MAX_MESSAGE + 1).to_be_bytes()).unwrap();
        connection.flush().unwrap();
        let answer: Answer = message::read(&mut connection).unwrap();
        assert!(matches!(&answer, Answer::Refused { why } if why.contains("too long")), "{answer:?}");
    });
}

#[test]
fn it_does_not_start_with_a_key_that_others_can_read_or_that_is_not_its_certificates() {
    use std::{
        os::unix::fs::PermissionsExt as _,
        process::{Command, Stdio},
    };
    let enclave = Enclave::new(Way::Tls, false);
    let why = || {
        let mut command = Command::new(crate::PROGRAM);
        command.arg(enclave.path("signer.toml")).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    fs::set_permissions(enclave.path("enclave.key"), fs::Permissions::from_mode(0o604)).unwrap();
    assert!(why().contains("604"));
    fs::copy(enclave.path("client.key"), enclave.path("enclave.key")).unwrap();
    assert!(why().contains("made together"));
    fs::copy(enclave.path("enclave.key"), enclave.path("client.crt")).unwrap();
    assert!(why().contains("enclave.key") || why().contains("client.crt"));
}
