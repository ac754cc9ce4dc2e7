//! Certificates that are pinned: one is good because it is exactly the one that was given, and for nothing else.

#[cfg(feature = "authorities")]
pub mod authorities;

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};

/// Why a certificate or its key is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not one certificate.
    #[error("not exactly one PEM certificate: give the file that `ring-relayer certificate` wrote as --out-cert")]
    NotOneCertificate,
    /// Not one key.
    #[error("no PEM private key: give the file that `ring-relayer certificate` wrote as --out-key")]
    NoKey,
    /// One that the other side of a connection would not take.
    #[error(
        "the certificate cannot be pinned ({0}): it has to be self-signed, for server and client, and no authority's"
    )]
    Unusable(Error),
    /// Good at another time only.
    #[error("{reason}")]
    Expired {
        /// The certificate.
        certificate: CertificateDer<'static>,
        /// What the clock has to do with it.
        reason: Error,
    },
    /// The key is of another certificate, or damaged.
    #[error("the private key does not work with the certificate ({0}): they have to be made together")]
    Key(Error),
    /// The configuration of TLS was refused.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// What one side of a connection shows the other.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// A certificate and its private key in PEM.
    ///
    /// # Errors
    /// `NoKey`, or `Key` if the two do not belong together.
    pub fn new(certificate: CertificateDer<'static>, key_pem: &[u8]) -> Result<Self, TlsError> {
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| TlsError::NoKey)?;
        let certified = CertifiedKey::from_der(vec![certificate], key, &PROVIDER).map_err(TlsError::Key)?;
        Ok(Self(Arc::new(certified)))
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        // `new` puts exactly one in.
        &self.0.cert[0]
    }
}

/// Reads one certificate in PEM and checks that it can be pinned.
///
/// # Errors
/// `NotOneCertificate`, `Unusable`, `Expired`.
pub fn read_certificate(pem: &[u8]) -> Result<CertificateDer<'static>, TlsError> {
    let mut found = CertificateDer::pem_slice_iter(pem);
    let (Some(Ok(certificate)), None) = (found.next(), found.next()) else { return Err(TlsError::NotOneCertificate) };
    let now = UnixTime::now();
    let checks = || -> Result<(), Error> {
        // Each side of a connection checks the other; this certificate will be on both.
        PinnedServer::new(std::slice::from_ref(&certificate))?.check(&certificate, &[], now)?;
        PinnedClients::new(std::slice::from_ref(&certificate))?.check(&certificate, &[], now)
    };
    match checks() {
        Ok(()) => Ok(certificate),
        Err(reason) if is_about_time(&reason) => Err(TlsError::Expired { certificate, reason }),
        Err(reason) => Err(TlsError::Unusable(reason)),
    }
}

/// When a certificate ends, in the time since 1970. `None`: it has no end, or none that can be told.
pub fn end_of(certificate: &CertificateDer<'static>) -> Option<Duration> {
    let far = UnixTime::since_unix_epoch(NO_END);
    let refused = PinnedServer::new(std::slice::from_ref(certificate)).ok()?.check(certificate, &[], far);
    match refused {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(Duration::from_secs(not_after.as_secs()))
        }
        _ => None,
    }
}

fn is_about_time(error: &Error) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    let Error::InvalidCertificate(reason) = error else { return false };
    matches!(reason, Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
}

/// The last second of the year 9999, which stands for no end (RFC 5280).
const NO_END: Duration = Duration::from_secs(253_402_300_799);

/// The one set of algorithms, whatever the process installed as its default.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// TLS of whoever is connected to: it shows its certificate, and takes those with a pinned one. `protocol` is that which is spoken
/// inside (ALPN).
///
/// # Errors
/// `Setup`.
pub fn server(
    identity: &Identity,
    pins: &[CertificateDer<'static>],
    protocol: &[u8],
) -> Result<ServerConfig, TlsError> {
    let setup = |error: &dyn fmt::Display| TlsError::Setup(error.to_string());
    let clients = PinnedClients::new(pins).map_err(|error| setup(&error))?;
    let mut config = ServerConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| setup(&error))?
        .with_client_cert_verifier(Arc::new(clients))
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(identity.0.clone())));
    // A resumed connection would not have its certificate checked again: nothing is given out to resume with.
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// TLS of whoever connects: it shows its certificate, and takes only those with a pinned one: two while the other side changes
/// from one to the other.
///
/// # Errors
/// `Setup`.
pub fn client(
    identity: &Identity,
    pins: &[CertificateDer<'static>],
    protocol: &[u8],
) -> Result<ClientConfig, TlsError> {
    let setup = |error: &dyn fmt::Display| TlsError::Setup(error.to_string());
    let server = PinnedServer::new(pins).map_err(|error| setup(&error))?;
    let mut config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| setup(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(server))
        .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(identity.0.clone())));
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

fn roots(pins: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    pins.iter().try_for_each(|pin| roots.add(pin.clone()))?;
    Ok(Arc::new(roots))
}

fn not_pinned() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

/// Takes clients with one of the pinned certificates.
#[derive(Debug)]
struct PinnedClients {
    pins: Vec<CertificateDer<'static>>,
    inner: Arc<dyn ClientCertVerifier>,
}

impl PinnedClients {
    fn new(pins: &[CertificateDer<'static>]) -> Result<Self, Error> {
        let inner = WebPkiClientVerifier::builder_with_provider(roots(pins)?, PROVIDER.clone())
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { pins: pins.to_vec(), inner })
    }

    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        // Being signed by a pinned key is not enough: it has to be the pinned certificate.
        if !self.pins.iter().any(|pin| pin == end_entity) {
            return Err(not_pinned());
        }
        self.inner.verify_client_cert(end_entity, intermediates, now).map(drop)
    }
}

impl ClientCertVerifier for PinnedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Whoever is meant to connect has one certificate and needs no hint.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Takes the server with one of the pinned certificates, under whatever name it was reached.
#[derive(Debug)]
struct PinnedServer {
    pins: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
    inner: Arc<WebPkiServerVerifier>,
}

impl PinnedServer {
    fn new(pins: &[CertificateDer<'static>]) -> Result<Self, Error> {
        let roots = roots(pins)?;
        let inner = WebPkiServerVerifier::builder_with_provider(roots.clone(), PROVIDER.clone())
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { pins: pins.to_vec(), roots, inner })
    }

    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if !self.pins.iter().any(|pin| pin == end_entity) {
            return Err(not_pinned());
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = PROVIDER.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
