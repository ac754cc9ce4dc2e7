//! Where passwords and keys come from: a file or a terminal, never an argument or the environment.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// The most that is read of a file that should hold a secret.
const MAX_SECRET_FILE: u64 = 4_096;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {reason}", path = path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The file is no short text.
    #[error("{path} is not a text file of at most {MAX_SECRET_FILE} bytes: is it the right file?", path = .0.display())]
    NotText(PathBuf),
    /// There is nothing in it.
    #[error("{0} is empty")]
    Empty(String),
    /// The two entries differ.
    #[error("the two entries of the password differ: start again")]
    Differ,
    /// Nobody can be asked.
    #[error("there is no terminal to ask for {what} ({reason}): give {option}")]
    NoTerminal {
        /// What was wanted.
        what: String,
        /// Why the terminal cannot be used.
        reason: io::Error,
        /// The option that names a file.
        option: &'static str,
    },
}

/// Reads a secret from a file: all of it but one line break at its end.
///
/// # Errors
/// `Unreadable`, `NotText`, `Empty`.
pub fn from_file(path: &Path) -> Result<SecretString, SecretError> {
    let unreadable = |reason| SecretError::Unreadable { path: path.to_owned(), reason };
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_FILE as usize + 1));
    File::open(path).and_then(|file| file.take(MAX_SECRET_FILE + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::NotText(path.to_owned()))?;
    if bytes.len() as u64 > MAX_SECRET_FILE {
        return Err(SecretError::NotText(path.to_owned()));
    }
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(SecretError::Empty(path.display().to_string()));
    }
    Ok(SecretString::from(text))
}

/// The password of a keystore: from the file, if one is named, otherwise from the terminal.
///
/// # Errors
/// Any [`SecretError`].
pub fn password(file: Option<&Path>, keystore: &Path) -> Result<SecretString, SecretError> {
    match file {
        Some(file) => from_file(file),
        None => from_terminal(&format!("the password of {}", keystore.display()), "--password-file"),
    }
}

/// The password of a keystore that is to be made: from the terminal it is asked for twice.
///
/// # Errors
/// Any [`SecretError`].
pub fn new_password(file: Option<&Path>, keystore: &Path) -> Result<SecretString, SecretError> {
    let password = password(file, keystore)?;
    if file.is_none() {
        let again = from_terminal(&format!("the password of {}, again", keystore.display()), "--password-file")?;
        if password.expose_secret() != again.expose_secret() {
            return Err(SecretError::Differ);
        }
    }
    Ok(password)
}

/// Asks on the terminal, without showing what is typed.
///
/// # Errors
/// `NoTerminal`, `Empty`.
pub fn from_terminal(what: &str, option: &'static str) -> Result<SecretString, SecretError> {
    let entered = rpassword::prompt_password(format!("Enter {what}: ")).map_err(|reason| SecretError::NoTerminal {
        what: what.to_owned(),
        reason,
        option,
    })?;
    if entered.is_empty() {
        return Err(SecretError::Empty(what.to_owned()));
    }
    Ok(SecretString::from(entered))
}
