//! SoftHSM 2: an HSM in software, behind the same PKCS#11 as those in hardware. `SOFTHSM2_CONF` has to name its configuration
//! when this process starts.

use std::path::{Path, PathBuf};

use alloy::{
    primitives::Address,
    signers::k256::{EncodedPoint, PublicKey, elliptic_curve::sec1::FromEncodedPoint as _},
};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
    mechanism::Mechanism,
    object::{Attribute, AttributeType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
};
use eyre::{Result, WrapErr as _, bail, eyre};
use ring_key::{
    Key, KeyError, SecretSource,
    pkcs11::{Pkcs11Key, Pkcs11Settings, Token},
};
use secrecy::SecretString;

use super::{Fate, Keeper, Missing};

/// The token that a seat opens itself.
pub(crate) const SEATS: &str = "seat-0";
/// The token that the enclave opens.
pub(crate) const ENCLAVES: &str = "enclave-0";
pub(super) const PIN: &str = "a pin that is only for trying";
const SECURITY_OFFICER: &str = "another pin for trying";
const LABEL: &str = "operator";
/// secp256k1, as an object identifier in DER.
const CURVE: [u8; 7] = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];

/// A token with a key.
pub(crate) struct SoftHsm {
    module: PathBuf,
    token: &'static str,
    version: String,
    session: Session,
    address: Address,
}

impl SoftHsm {
    /// Makes a token of this label, and a key in it.
    pub(crate) fn start(module: Option<&Path>, token: &'static str) -> Result<Self, Missing> {
        let module =
            module.ok_or_else(|| Missing("SoftHSM 2 is not on this machine: apt-get install softhsm2".into()))?;
        Ok(Self::make(module, token)?)
    }

    fn make(module: &Path, token: &'static str) -> Result<Self> {
        let context = Pkcs11::new(module).wrap_err_with(|| format!("{} cannot be loaded", module.display()))?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => {
                return Err(error).wrap_err("SoftHSM does not start: does SOFTHSM2_CONF name its configuration?");
            }
        }
        let info = context.get_library_info()?;
        let version = format!("{} {}", info.library_description().trim(), info.library_version());
        let slot = *context.get_all_slots()?.last().ok_or_else(|| eyre!("it has no slot"))?;
        context.init_token(slot, &SecretString::from(SECURITY_OFFICER), token)?;
        // A token that was made is in another slot than it was made in.
        let slots = context.get_slots_with_initialized_token()?;
        let mut named =
            slots.into_iter().filter(|slot| context.get_token_info(*slot).is_ok_and(|info| info.label() == token));
        let slot = named.next().ok_or_else(|| eyre!("the token that was made is not there"))?;
        let session = context.open_rw_session(slot)?;
        session.login(UserType::So, Some(&SecretString::from(SECURITY_OFFICER)))?;
        session.init_pin(&SecretString::from(PIN))?;
        session.logout()?;
        session.login(UserType::User, Some(&SecretString::from(PIN)))?;
        let address = generate(&session, LABEL)?;
        Ok(Self { module: module.to_owned(), token, version, session, address })
    }

    async fn open_with(&self, pin: &'static str) -> Result<Box<dyn Key>, KeyError> {
        let settings = Pkcs11Settings {
            module: self.module.clone(),
            token: Token::Label(self.token.to_owned()),
            label: LABEL.to_owned(),
            pin: SecretSource::new(move || Ok(SecretString::from(pin))),
        };
        Ok(Box::new(Pkcs11Key::open(settings).await?))
    }

    /// As a configuration has it, but for the PIN.
    pub(super) fn table(&self) -> String {
        let Self { module, token, .. } = self;
        format!("module = \"{}\"\ntoken = \"{token}\"\nkey = \"{LABEL}\"", module.display())
    }

    fn objects(&self, label: &str) -> Result<Vec<ObjectHandle>> {
        Ok(self.session.find_objects(&[Attribute::Label(label.as_bytes().to_vec())])?)
    }

    fn set_signing(&self, is_allowed: bool) -> Result<()> {
        let private = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(LABEL.as_bytes().to_vec())];
        for object in self.session.find_objects(&private)? {
            self.session.update_attributes(object, &[Attribute::Sign(is_allowed)])?;
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let objects = self.objects(from)?;
        if objects.is_empty() {
            bail!("nothing has the label {from:?}");
        }
        for object in objects {
            self.session.update_attributes(object, &[Attribute::Label(to.as_bytes().to_vec())])?;
        }
        Ok(())
    }
}

/// A key that never leaves the token.
fn generate(session: &Session, label: &str) -> Result<Address> {
    let label = || Attribute::Label(label.as_bytes().to_vec());
    let public = [
        Attribute::Token(true),
        Attribute::Private(false),
        label(),
        Attribute::EcParams(CURVE.to_vec()),
        Attribute::Verify(true),
    ];
    let private = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        label(),
        Attribute::Sign(true),
        Attribute::Modifiable(true),
    ];
    let (public, _) = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
    let [Attribute::EcPoint(point)] = &session.get_attributes(public, &[AttributeType::EcPoint])?[..] else {
        bail!("it does not tell the public key");
    };
    let point = EncodedPoint::from_bytes(point.get(2..).unwrap_or_default())
        .map_err(|error| eyre!("the public key: {error}"))?;
    let key = PublicKey::from_encoded_point(&point).into_option().ok_or_else(|| eyre!("the public key is no point"))?;
    Ok(Address::from_public_key(&key.into()))
}

impl Keeper for SoftHsm {
    fn real(&self) -> String {
        format!("{}, {}", self.version, self.module.display())
    }

    fn address(&self) -> Address {
        self.address
    }

    async fn open(&self) -> Result<Box<dyn Key>, KeyError> {
        self.open_with(PIN).await
    }

    /// The process is logged in already, which is the end of what a PIN is asked for: another token than this one is needed.
    async fn open_with_wrong_secret(&self) -> Option<Result<Box<dyn Key>, KeyError>> {
        if self.session.logout().is_err() {
            return None;
        }
        let opened = self.open_with("a wrong pin").await;
        self.session.login(UserType::User, Some(&SecretString::from(PIN))).ok()?;
        Some(opened)
    }

    fn secrets(&self) -> Vec<String> {
        vec![PIN.to_owned()]
    }

    /// A logout is of all sessions of the process, and loses the handles of private objects.
    async fn end_sessions(&mut self) -> Result<bool> {
        self.session.logout()?;
        Ok(true)
    }

    async fn change(&mut self, fate: Fate) -> Result<bool> {
        match fate {
            Fate::Exchanged => {
                self.rename(LABEL, "put aside")?;
                generate(&self.session, LABEL)?;
                // Who was logged in has the handle of the right key.
                self.session.logout()?;
                self.session.login(UserType::User, Some(&SecretString::from(PIN)))?;
            }
            Fate::AsItWas => {
                self.set_signing(true)?;
                if !self.objects("put aside")?.is_empty() {
                    for object in self.objects(LABEL)? {
                        self.session.destroy_object(object)?;
                    }
                    self.rename("put aside", LABEL)?;
                    self.session.logout()?;
                    self.session.login(UserType::User, Some(&SecretString::from(PIN)))?;
                }
            }
            Fate::Deleted => {
                for object in self.objects(LABEL)? {
                    self.session.destroy_object(object)?;
                }
            }
            Fate::Forbidden => self.set_signing(false)?,
        }
        Ok(true)
    }
}
