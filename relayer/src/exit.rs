//! With which code the process ends, for whoever watches it: sysexits.h, where that has a number for it.

use std::{error::Error, process::ExitCode};

use ring_key::KeyError;

use crate::{
    chain::ChainError,
    config::{ConfigError, SeatError},
    peers::TlsError,
    signer::SignerError,
    store::StoreError,
};

/// Why the process ends, as far as whoever watches it does something different about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Anything else.
    Other,
    /// The store is damaged: this seat must not sign again with this key.
    Damaged,
    /// There is no store where it should be: perhaps its disk is not there yet.
    NoStore,
    /// The chain does not answer, its nodes contradict each other, or what they serve is not the ring's: that may pass when
    /// nodes have caught up.
    Unavailable,
    /// The store could not be written or read.
    Store,
    /// Another process of this seat has the store.
    InUse,
    /// Configuration, key, certificate or place of the store are wrong, and stay so until somebody changes them.
    Config,
}

impl Exit {
    /// The code.
    pub fn code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Damaged => 65,
            Self::NoStore => 66,
            Self::Unavailable => 69,
            Self::Store => 74,
            Self::InUse => 75,
            Self::Config => 78,
        }
    }

    /// What an error is.
    pub fn of(error: &eyre::Report) -> Self {
        error.chain().find_map(known).unwrap_or(Self::Other)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

fn known(cause: &(dyn Error + 'static)) -> Option<Exit> {
    let is_config = cause.is::<ConfigError>() || cause.is::<SeatError>() || cause.is::<TlsError>();
    let of_signer = |error: &SignerError| match error {
        SignerError::Keystore(_)
        | SignerError::Password { .. }
        | SignerError::NoTerminal(_)
        | SignerError::SecretFile { .. }
        | SignerError::OtherEnclave { .. }
        | SignerError::Socket { .. } => Exit::Config,
        SignerError::Key(KeyError::Unavailable { .. }) => Exit::Unavailable,
        SignerError::Key(KeyError::Refused { .. } | KeyError::NotAKey { .. }) => Exit::Config,
        SignerError::OtherDomain | SignerError::NotWanted(_) | SignerError::Key(KeyError::OtherKey { .. }) => {
            Exit::Other
        }
    };
    let of_chain = |error: &ChainError| match error {
        ChainError::Url { .. } | ChainError::TooFew { .. } => Exit::Config,
        ChainError::Unreachable { .. }
        | ChainError::Rpc { .. }
        | ChainError::NoView(_)
        | ChainError::WrongChain { .. }
        | ChainError::Finality { .. }
        | ChainError::Code { .. } => Exit::Unavailable,
    };
    let of_store = |error: &StoreError| match error {
        StoreError::Damaged { .. } => Exit::Damaged,
        StoreError::InUse(_) | StoreError::TakenOver => Exit::InUse,
        StoreError::Database(_) | StoreError::File { .. } => Exit::Store,
        StoreError::Missing(_) => Exit::NoStore,
        StoreError::Exists(_)
        | StoreError::Network { .. }
        | StoreError::Unfit(_)
        | StoreError::NoCopies
        | StoreError::OtherIdentity { .. }
        | StoreError::OtherVersion { .. } => Exit::Config,
    };
    let known = is_config.then_some(Exit::Config);
    let known = known.or_else(|| cause.downcast_ref().map(of_signer));
    let known = known.or_else(|| cause.downcast_ref().map(of_chain));
    known.or_else(|| cause.downcast_ref().map(of_store))
}

#[cfg(test)]
mod tests {
    use eyre::WrapErr as _;

    use super::*;

    #[test]
    fn an_error_is_what_it_was_before_words_were_put_around_it() {
        let damaged = || StoreError::Damaged { seq: 3, what: "its sum is another".to_owned() };
        let wrapped = Err::<(), _>(damaged()).wrap_err("seat-0.toml").wrap_err("not started").unwrap_err();
        assert_eq!(Exit::of(&wrapped), Exit::Damaged);
        assert_eq!(Exit::of(&StoreError::InUse("here".to_owned()).into()), Exit::InUse);
        assert_eq!(Exit::of(&ChainError::NoView("no answer".to_owned()).into()), Exit::Unavailable);
        assert_eq!(Exit::of(&eyre::eyre!("anything")), Exit::Other);
    }
}
