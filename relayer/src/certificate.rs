//! A seat's TLS certificate: self-signed, and pinned by every other seat.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rcgen::{
    CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::ServerName;
use zeroize::Zeroizing;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Nothing to put into it.
    #[error("no name is given: name at least one host or IP address at which the other seats reach this one")]
    NoName,
    /// A name that is none.
    #[error("{0:?} is neither a host name nor an IP address")]
    Name(String),
    /// It could not be made.
    #[error("the certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// It could not be written. Nothing is ever overwritten.
    #[error("cannot write {file}: {source}", file = file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A certificate and its key, as PEM. It has no end that a clock could reach: what ends it is that the others drop it.
pub struct Certificate {
    /// The certificate, for everybody.
    pub certificate: String,
    /// The key, for nobody else.
    pub private_key: Zeroizing<String>,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Makes a certificate for a seat that is reached under these names.
///
/// # Errors
/// `NoName`, `Name`, `Make`.
pub fn make(names: &[String]) -> Result<Certificate, CertificateError> {
    let first = names.first().ok_or(CertificateError::NoName)?;
    if let Some(name) = names.iter().find(|name| ServerName::try_from(name.as_str()).is_err()) {
        return Err(CertificateError::Name(name.clone()));
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, DnValue::Utf8String(format!("Ring Window seat at {first}")));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&key)?.pem();
    Ok(Certificate { certificate, private_key: Zeroizing::new(key.serialize_pem()) })
}

/// Makes a certificate and writes it and its key into new files, the key readable by its owner alone.
///
/// # Errors
/// As [`make`], and `Write`: also if one of the files exists.
pub fn create(certificate: &Path, private_key: &Path, names: &[String]) -> Result<(), CertificateError> {
    let made = make(names)?;
    write_new(private_key, 0o600, made.private_key.as_bytes())?;
    write_new(certificate, 0o644, made.certificate.as_bytes()).inspect_err(|_| {
        // A key whose certificate was never seen is of no use, and would be in the way of the next try.
        let _ = std::fs::remove_file(private_key);
    })
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), CertificateError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| CertificateError::Write { file: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names() -> Vec<String> {
        vec!["seat-0.example".into(), "127.0.0.1".into(), "::1".into()]
    }

    #[test]
    fn a_new_certificate_is_one_that_peers_accept() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("seat.crt"), folder.path().join("seat.key"));
        create(&certificate, &key, &names()).unwrap();
        let read = crate::peers::read_certificate(&std::fs::read(certificate).unwrap()).unwrap();
        crate::peers::Identity::new(read, &std::fs::read(key).unwrap()).unwrap();
    }

    #[test]
    fn only_the_owner_can_read_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("seat.key");
        create(&folder.path().join("seat.crt"), &key, &names()).unwrap();
        assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn nothing_is_overwritten_and_no_orphan_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("seat.crt"), folder.path().join("seat.key"));
        std::fs::write(&certificate, "mine").unwrap();
        assert!(matches!(create(&certificate, &key, &names()), Err(CertificateError::Write { .. })));
        assert_eq!(std::fs::read(&certificate).unwrap(), b"mine");
        assert!(!key.exists());

        std::fs::write(&key, "mine too").unwrap();
        assert!(matches!(create(&folder.path().join("new.crt"), &key, &names()), Err(CertificateError::Write { .. })));
        assert_eq!(std::fs::read(&key).unwrap(), b"mine too");
    }

    #[test]
    fn a_name_is_needed_and_has_to_be_one() {
        assert!(matches!(make(&[]), Err(CertificateError::NoName)));
        assert!(matches!(make(&["seat 0".into()]), Err(CertificateError::Name(name)) if name == "seat 0"));
    }

    #[test]
    fn the_key_does_not_show_in_debug() {
        let made = make(&names()).unwrap();
        assert!(!format!("{made:?}").contains("PRIVATE"));
    }
}
