use serde::Deserialize;

use super::{Reader, wrong};
use crate::pkcs11::{Pkcs11Settings, Token};

/// The table `pkcs11`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pkcs11Table {
    module: String,
    token: Option<String>,
    serial: Option<String>,
    key: String,
    pin_file: String,
}

impl Pkcs11Table {
    /// What it says, if it can be.
    pub fn check(self, reader: &mut impl Reader) -> Option<Pkcs11Settings> {
        let module = reader.path(&self.module);
        if let Err(error) = std::fs::File::open(&module) {
            let reason = format!("cannot read {}: {error}; name the library that comes with the HSM", module.display());
            reader.problem("pkcs11.module", reason);
        }
        let pin = reader.secret("pkcs11.pin_file", &self.pin_file);
        let token = match (self.token, self.serial) {
            (Some(label), None) => Token::Label(label),
            (None, Some(serial)) => Token::Serial(serial),
            _ => {
                let reason = "name the token by its label, `token`, or by its `serial` number: by one of them";
                return wrong(reader, "pkcs11", reason);
            }
        };
        Some(Pkcs11Settings { module, token, label: self.key, pin })
    }
}
