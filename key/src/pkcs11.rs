//! A key in an HSM, or any other token with PKCS#11 (OASIS PKCS #11 v2.40 and later). The key never leaves it.
//!
//! ```text
//!  sign ──▶ a session of the pool, or a new one ──▶ C_Sign ──▶ the session goes back
//!                       │ the HSM forgot it (restart, card pulled): all are thrown away,
//!                       ▼ one is opened anew and the digest signed once more
//!                    unavailable
//! ```
//!
//! A PIN that was refused is not tried again by this process: a few wrong ones lock the token.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use alloy::{
    primitives::{Address, B256, Signature},
    signers::k256::{EncodedPoint, PublicKey, ecdsa, elliptic_curve::sec1::FromEncodedPoint as _},
};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
    mechanism::Mechanism,
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
};
use futures::future::{BoxFuture, FutureExt as _};
use tokio::sync::Semaphore;

use crate::{Key, KeyError, PATIENCE, SecretSource, signature};

/// How many digests an HSM signs at once for one seat.
const SESSIONS: usize = 4;
/// The parameters of a key's curve, DER: the object identifier 1.3.132.0.10, secp256k1 (SEC 2).
const SECP256K1: [u8; 7] = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];
/// A point as an OCTET STRING of 65 bytes (DER), as the standard wants it; some tokens leave the first two away.
const OCTET_STRING_OF_65: [u8; 2] = [0x04, 0x41];

/// By what a token is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Its label.
    Label(String),
    /// Its serial number.
    Serial(String),
}

/// Where the key is.
#[derive(Clone, Debug)]
pub struct Pkcs11Settings {
    /// The library that comes with the HSM.
    pub module: PathBuf,
    /// The token, which can be in any slot.
    pub token: Token,
    /// The label of the private and the public key.
    pub label: String,
    /// The user's PIN, read at each login.
    pub pin: SecretSource,
}

/// A key in a token.
pub struct Pkcs11Key {
    pool: Arc<Pool>,
    address: Address,
    places: Arc<Semaphore>,
}

impl Pkcs11Key {
    /// Finds the key and learns its address from the public key beside it.
    ///
    /// # Errors
    /// `Unavailable`, `Refused`, `NotAKey`.
    pub async fn open(settings: Pkcs11Settings) -> Result<Self, KeyError> {
        let keeper = format!("the token {} of {}", named(&settings.token), settings.module.display());
        let places = Arc::new(Semaphore::new(SESSIONS));
        let pool = Pool { settings, keeper, idle: Mutex::default(), pin_refused: AtomicBool::new(false) };
        let pool = Arc::new(pool);
        let opening = pool.clone();
        let address = blocking(&pool.keeper, move || {
            let open = opening.open()?;
            let address = opening.address(&open.session)?;
            opening.put_back(open);
            Ok(address)
        })
        .await?;
        Ok(Self { pool, address, places })
    }
}

impl Key for Pkcs11Key {
    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, digest: B256) -> BoxFuture<'_, Result<Signature, KeyError>> {
        async move {
            let late =
                |_| self.pool.unavailable(format!("{SESSIONS} signatures are under way for {} s", PATIENCE.as_secs()));
            let place = tokio::time::timeout(PATIENCE, self.places.clone().acquire_owned()).await.map_err(late)?;
            let pool = self.pool.clone();
            let r_and_s = blocking(&self.pool.keeper, move || {
                // Held until the token answers, even if nobody waits any more: threads that hang stay few.
                let _place = place;
                pool.sign(digest)
            })
            .await?;
            signature::of_key(&self.pool.keeper, self.address, digest, &r_and_s)
        }
        .boxed()
    }
}

impl fmt::Debug for Pkcs11Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11Key({} in {})", self.address, self.pool.keeper)
    }
}

/// A session that is logged in, and the key as it is called there.
struct Open {
    session: Session,
    key: ObjectHandle,
}

struct Pool {
    settings: Pkcs11Settings,
    keeper: String,
    idle: Mutex<Vec<Open>>,
    pin_refused: AtomicBool,
}

impl Pool {
    fn sign(&self, digest: B256) -> Result<ecdsa::Signature, KeyError> {
        let idle = self.idle().pop();
        let signed = match idle {
            Some(open) => match sign(&open, digest) {
                Err(error) if is_forgotten(&error) => None,
                signed => Some((open, signed)),
            },
            None => None,
        };
        let (open, signed) = match signed {
            Some(signed) => signed,
            None => {
                // What one session lost, all have.
                self.idle().clear();
                let open = self.open()?;
                let signed = sign(&open, digest);
                (open, signed)
            }
        };
        let bytes = signed.map_err(|error| self.fault(&error))?;
        self.put_back(open);
        ecdsa::Signature::from_slice(&bytes)
            .map_err(|_| self.not_a_key(format!("it gave {} bytes that are no signature", bytes.len())))
    }

    fn open(&self) -> Result<Open, KeyError> {
        if self.pin_refused.load(Ordering::Relaxed) {
            return Err(self.refused(
                "the PIN was wrong; it is not tried again, since that locks the token: correct it and restart",
            ));
        }
        let context = context(&self.settings.module).map_err(|error| self.fault(&error))?;
        let slot = self.slot(&context)?;
        let session = context.open_ro_session(slot).map_err(|error| self.fault(&error))?;
        let pin = self.settings.pin.read().map_err(|why| self.refused(&why))?;
        match session.login(UserType::User, Some(&pin)) {
            // A login is of the whole process.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
                self.pin_refused.store(true, Ordering::Relaxed);
                return Err(
                    self.refused("the PIN is wrong: correct it before trying again, a few wrong ones lock the token")
                );
            }
            Err(Error::Pkcs11(RvError::PinLocked, _)) => {
                self.pin_refused.store(true, Ordering::Relaxed);
                return Err(
                    self.refused("the PIN is locked after too many wrong ones: its security officer has to unlock it")
                );
            }
            Err(error) => return Err(self.fault(&error)),
        }
        let key = self.object(&session, ObjectClass::PRIVATE_KEY, "private")?;
        Ok(Open { session, key })
    }

    fn slot(&self, context: &Pkcs11) -> Result<Slot, KeyError> {
        let slots = context.get_slots_with_initialized_token().map_err(|error| self.fault(&error))?;
        let is_it = |slot: &Slot| {
            context.get_token_info(*slot).is_ok_and(|info| match &self.settings.token {
                Token::Label(label) => info.label() == label,
                Token::Serial(serial) => info.serial_number() == serial,
            })
        };
        let mut found = slots.into_iter().filter(is_it);
        match (found.next(), found.next()) {
            (Some(slot), None) => Ok(slot),
            (None, _) => {
                Err(self.unavailable("no slot has this token: is it plugged in, and the name right?".to_owned()))
            }
            (Some(_), Some(_)) => Err(self.refused("two tokens have this name: name one by its serial number")),
        }
    }

    fn object(&self, session: &Session, class: ObjectClass, what: &str) -> Result<ObjectHandle, KeyError> {
        let label = &self.settings.label;
        let template =
            [Attribute::Class(class), Attribute::KeyType(KeyType::EC), Attribute::Label(label.as_bytes().to_vec())];
        match session.find_objects(&template).map_err(|error| self.fault(&error))?[..] {
            [key] => Ok(key),
            [] => Err(self.not_a_key(format!("no {what} key has the label {label:?}"))),
            _ => Err(self.not_a_key(format!("several {what} keys have the label {label:?}: give each its own"))),
        }
    }

    fn address(&self, session: &Session) -> Result<Address, KeyError> {
        let public = self.object(session, ObjectClass::PUBLIC_KEY, "public")?;
        let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
        let mut point = None;
        for attribute in session.get_attributes(public, &wanted).map_err(|error| self.fault(&error))? {
            match attribute {
                Attribute::EcParams(curve) if curve != SECP256K1 => {
                    return Err(self.not_a_key("it is of another curve than secp256k1".to_owned()));
                }
                Attribute::EcPoint(bytes) => point = Some(bytes),
                _ => {}
            }
        }
        let point = point.unwrap_or_default();
        let point = point.strip_prefix(&OCTET_STRING_OF_65).filter(|rest| rest.len() == 65).unwrap_or(&point);
        let key =
            EncodedPoint::from_bytes(point).ok().and_then(|point| PublicKey::from_encoded_point(&point).into_option());
        let key = key.ok_or_else(|| self.not_a_key("the public key is no point of secp256k1".to_owned()))?;
        Ok(Address::from_public_key(&key.into()))
    }

    fn put_back(&self, open: Open) {
        self.idle().push(open);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, error: &Error) -> KeyError {
        match error {
            Error::LibraryLoading(error) => self.refused(format!("the module cannot be loaded: {error}")),
            Error::Pkcs11(RvError::KeyFunctionNotPermitted, _) => {
                self.refused("the key there may not sign: CKA_SIGN is false")
            }
            Error::Pkcs11(error, function) => self.unavailable(format!("{function} failed with {error:?}")),
            error => self.unavailable(error.to_string()),
        }
    }

    fn unavailable(&self, why: String) -> KeyError {
        KeyError::Unavailable { keeper: self.keeper.clone(), why }
    }

    fn refused(&self, why: impl Into<String>) -> KeyError {
        KeyError::Refused { keeper: self.keeper.clone(), why: why.into() }
    }

    fn not_a_key(&self, why: String) -> KeyError {
        KeyError::NotAKey { keeper: self.keeper.clone(), why }
    }
}

fn sign(open: &Open, digest: B256) -> Result<Vec<u8>, Error> {
    open.session.sign(&Mechanism::Ecdsa, open.key, digest.as_slice())
}

/// Whether a session is no longer worth anything.
fn is_forgotten(error: &Error) -> bool {
    use RvError::{
        CryptokiNotInitialized, DeviceError, DeviceRemoved, KeyHandleInvalid, ObjectHandleInvalid, SessionClosed,
        SessionHandleInvalid, TokenNotPresent, UserNotLoggedIn,
    };
    let Error::Pkcs11(error, _) = error else { return false };
    matches!(
        error,
        CryptokiNotInitialized
            | DeviceError
            | DeviceRemoved
            | KeyHandleInvalid
            | ObjectHandleInvalid
            | SessionClosed
            | SessionHandleInvalid
            | TokenNotPresent
            | UserNotLoggedIn
    )
}

/// A module is initialised once a process, whatever number of seats uses it.
fn context(module: &Path) -> Result<Pkcs11, Error> {
    static CONTEXTS: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());
    let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(context) = contexts.get(module) {
        return Ok(context.clone());
    }
    let context = Pkcs11::new(module)?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(error),
    }
    contexts.insert(module.to_owned(), context.clone());
    Ok(context)
}

/// Where a module may hang as it likes.
async fn blocking<T: Send + 'static>(
    keeper: &str,
    work: impl FnOnce() -> Result<T, KeyError> + Send + 'static,
) -> Result<T, KeyError> {
    let unavailable = |why: String| KeyError::Unavailable { keeper: keeper.to_owned(), why };
    match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Err(unavailable(format!("its module broke: {error}"))),
        Err(_) => Err(unavailable(format!("it said nothing for {} s", PATIENCE.as_secs()))),
    }
}

fn named(token: &Token) -> String {
    match token {
        Token::Label(label) => format!("{label:?}"),
        Token::Serial(serial) => format!("with the serial number {serial}"),
    }
}
