//! Commands and answers over USB, in packets of 64 bytes as Ledger's devices want them (LedgerHQ, `@ledgerhq/devices`,
//! hid-framing):
//!
//! ```text
//!  channel (2) │ 0x05 │ number of the packet (2) │ [first: length of all (2)] │ a part of it, zeroes up to 64
//! ```

use hidapi::{DeviceInfo, HidApi, HidDevice};

use super::{LedgerError, Transport};

const VENDOR: u16 = 0x2c97;
/// The page of the interface that takes commands; where the system does not know pages, it is the first interface.
const USAGE_PAGE: u16 = 0xffa0;
const PACKET: usize = 64;
const CHANNEL: [u8; 2] = [0x01, 0x01];
const TAG: u8 = 0x05;
/// How long its owner may read what the device shows, in milliseconds.
const PATIENCE: i32 = 10 * 60 * 1_000;

/// A Ledger on USB.
pub struct Hid(HidDevice);

impl Hid {
    /// The one that is connected.
    ///
    /// # Errors
    /// `NotFound`, `Several`, `Connection`.
    pub fn open() -> Result<Self, LedgerError> {
        let api = HidApi::new().map_err(|error| LedgerError::Connection(error.to_string()))?;
        let is_it = |device: &&DeviceInfo| {
            device.vendor_id() == VENDOR && (device.usage_page() == USAGE_PAGE || device.interface_number() == 0)
        };
        let mut paths: Vec<_> = api.device_list().filter(is_it).map(DeviceInfo::path).collect();
        // One interface may have several pages.
        paths.sort_unstable();
        paths.dedup();
        let path = match paths[..] {
            [path] => path,
            [] => return Err(LedgerError::NotFound(udev_advice(&api))),
            _ => return Err(LedgerError::Several(paths.len())),
        };
        api.open_path(path).map(Self).map_err(|error| LedgerError::Connection(error.to_string()))
    }
}

fn udev_advice(api: &HidApi) -> &'static str {
    match cfg!(target_os = "linux") && api.device_list().next().is_none() {
        true => "; if it is, this user may not use it: install Ledger's udev rules",
        false => "",
    }
}

impl std::fmt::Debug for Hid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hid")
    }
}

impl Transport for Hid {
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, LedgerError> {
        let broken = |error: hidapi::HidError| LedgerError::Connection(error.to_string());
        for packet in packets(command)? {
            // The first byte is the number of the report: there is one.
            self.0.write(&[&[0][..], &packet].concat()).map_err(broken)?;
        }
        let mut answer = Answer::default();
        loop {
            let mut packet = [0; PACKET];
            let length = self.0.read_timeout(&mut packet, PATIENCE).map_err(broken)?;
            if length == 0 {
                return Err(LedgerError::Connection("nobody answered within ten minutes".to_owned()));
            }
            if let Some(answer) = answer.add(packet.get(..length).unwrap_or_default())? {
                return Ok(answer);
            }
        }
    }
}

/// A command in packets.
fn packets(command: &[u8]) -> Result<Vec<[u8; PACKET]>, LedgerError> {
    let length = u16::try_from(command.len())
        .map_err(|_| LedgerError::Answer("a command that is too long".to_owned()))?
        .to_be_bytes();
    let bytes = [&length[..], command].concat();
    let header = CHANNEL.len() + 1 + 2;
    Ok((0u16..)
        .zip(bytes.chunks(PACKET - header))
        .map(|(number, part)| {
            let mut packet = [0; PACKET];
            let filled = [&CHANNEL[..], &[TAG], &number.to_be_bytes(), part].concat();
            packet[..filled.len()].copy_from_slice(&filled);
            packet
        })
        .collect())
}

/// What has come of an answer.
#[derive(Default)]
struct Answer {
    number: u16,
    length: Option<usize>,
    bytes: Vec<u8>,
}

impl Answer {
    /// Adds a packet; the whole answer, if that was the last.
    fn add(&mut self, packet: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        let broken = |what: &str| Err(LedgerError::Answer(format!("a packet {what}")));
        let [a, b, tag, high, low, part @ ..] = packet else { return broken("that is too short") };
        if [*a, *b] != CHANNEL || *tag != TAG {
            return broken("of another channel");
        }
        if u16::from_be_bytes([*high, *low]) != self.number {
            return broken("out of order");
        }
        self.number = self.number.wrapping_add(1);
        let (length, part) = match (self.length, part) {
            (Some(length), part) => (length, part),
            (None, [high, low, part @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), part),
            (None, _) => return broken("that is too short"),
        };
        self.length = Some(length);
        self.bytes.extend_from_slice(part);
        if self.bytes.len() < length {
            return Ok(None);
        }
        self.bytes.truncate(length);
        Ok(Some(std::mem::take(&mut self.bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_command_is_one_packet_with_its_length() {
        let packets = packets(&[0xe0, 0x06, 0, 0, 0]).unwrap();
        let mut expected = [0; PACKET];
        expected[..12].copy_from_slice(&[1, 1, 5, 0, 0, 0, 5, 0xe0, 6, 0, 0, 0]);
        assert_eq!(packets, [expected]);
    }

    #[test]
    fn whatever_was_cut_into_packets_is_the_same_again() {
        for length in [0, 1, 56, 57, 58, 115, 116, 117, 255, 4_000] {
            let bytes: Vec<u8> = (0..length).map(|number: usize| number as u8).collect();
            let packets = packets(&bytes).unwrap();
            let mut answer = Answer::default();
            let (last, others) = packets.split_last().unwrap();
            for packet in others {
                assert_eq!(answer.add(packet).unwrap(), None, "{length}");
            }
            assert_eq!(answer.add(last).unwrap(), Some(bytes));
        }
    }

    #[test]
    fn packets_that_are_not_an_answers_next_are_refused() {
        let packets = packets(&[7; 200]).unwrap();
        Answer::default().add(&packets[1]).err().unwrap();
        let mut answer = Answer::default();
        answer.add(&packets[0]).unwrap();
        answer.add(&packets[0]).err().unwrap();
        for (at, length) in [(0, PACKET), (2, PACKET), (3, PACKET), (PACKET, 0), (PACKET, 4), (PACKET, 6)] {
            let mut packet = packets[0];
            if let Some(byte) = packet.get_mut(at) {
                *byte ^= 0xff;
            }
            Answer::default().add(&packet[..length]).err().unwrap();
        }
    }
}
