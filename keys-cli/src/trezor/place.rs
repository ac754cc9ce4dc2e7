//! Where a Trezor is: on USB, or an emulator of one.

use std::{net::SocketAddr, str::FromStr};

use trezor_client::transport::{udp::UdpTransport, webusb::WebUsbTransport};

use super::TrezorError;

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrezorPlace {
    /// The one that is connected.
    Usb,
    /// Trezor's emulator, which listens here.
    Emulator(SocketAddr),
}

/// Why a text is no such place.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no place of a Trezor: leave it out for the one that is connected, or write udp:127.0.0.1:21324 for an \
     emulator"
)]
pub struct TrezorPlaceError(String);

impl FromStr for TrezorPlace {
    type Err = TrezorPlaceError;

    fn from_str(text: &str) -> Result<Self, TrezorPlaceError> {
        let wrong = || TrezorPlaceError(text.to_owned());
        match text.strip_prefix("udp:") {
            None if text == "usb" => Ok(Self::Usb),
            None => Err(wrong()),
            Some(address) => address.parse().ok().filter(SocketAddr::is_ipv4).map(Self::Emulator).ok_or_else(wrong),
        }
    }
}

impl TrezorPlace {
    pub(super) fn connect(self) -> Result<trezor_client::Trezor, TrezorError> {
        let broken = |error: &dyn std::error::Error| TrezorError::Connection(error.to_string());
        let mut devices = match self {
            Self::Usb => {
                // The library takes for granted that there is USB.
                rusb::Context::new().map_err(|error| broken(&error))?;
                WebUsbTransport::find_devices(false).map_err(|error| broken(&error))?
            }
            Self::Emulator(address) => {
                UdpTransport::find_devices(false, Some(&address.to_string())).map_err(|error| broken(&error))?
            }
        };
        match (devices.pop(), devices.len()) {
            (None, _) => Err(TrezorError::NotFound),
            (Some(device), 0) => Ok(device.connect()?),
            (Some(_), others) => Err(TrezorError::Several(others + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_usb_or_an_emulators_address() {
        assert_eq!("usb".parse::<TrezorPlace>().unwrap(), TrezorPlace::Usb);
        let emulator = "udp:127.0.0.1:21324".parse::<TrezorPlace>().unwrap();
        assert_eq!(emulator, TrezorPlace::Emulator("127.0.0.1:21324".parse().unwrap()));
        for text in ["", "udp", "udp:", "udp:localhost:1", "udp:127.0.0.1", "127.0.0.1:21324", "udp:[::1]:21324"] {
            let error = text.parse::<TrezorPlace>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }
}
