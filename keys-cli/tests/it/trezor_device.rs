//! The device's side of what Trezor and computer say to one another, made from the descriptions of its messages
//! (trezor-firmware, common/protob) and of how it hashes typed data (EIP-712), with nothing of the library or the code
//! under test: an emulator's socket, packets of 64 bytes, messages, and a key. It shows what it is told, and may lie.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use alloy::{
    primitives::{B256, keccak256},
    signers::{SignerSync as _, local::PrivateKeySigner},
};

/// How a device behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As it should.
    Honest,
    /// As it should, being the first model, which is given hashes.
    FirstModel,
    /// It asks in another order, and for some things twice.
    Roundabout,
    /// It signs something else than it was told.
    WrongMessage,
    /// It signs with another of its keys.
    OtherKey,
    /// Its signature is short.
    ShortSignature,
    /// Its owner says no.
    Declines,
    /// It asks for a value that is not there.
    NoSuchValue,
    /// It asks for a value of something that is neither the domain nor the message.
    NoSuchRoot,
    /// It asks for a struct that is not there.
    NoSuchStruct,
    /// It asks for more of the call data than there is.
    MoreData,
    /// It asks and asks.
    Endless,
    /// It answers with something else.
    OffTheTopic,
    /// It has no seed.
    Empty,
}

/// A device that runs.
pub(crate) struct Device {
    address: SocketAddr,
    shown: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Device {
    pub(crate) fn start(key: PrivateKeySigner, manner: Manner) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a port");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("it can");
        let address = socket.local_addr().expect("it has one");
        let (shown, over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let mut wire = Wire { socket, host: None, over: Arc::clone(&over) };
        let screen = Arc::clone(&shown);
        let thread = thread::spawn(move || {
            let mut session = Session { key, manner, shown: screen };
            while let Some(message) = wire.receive() {
                if session.answer(&mut wire, &message).is_none() {
                    break;
                }
            }
        });
        Self { address, shown, over, thread: Some(thread) }
    }

    /// What `--trezor=` has.
    pub(crate) fn place(&self) -> String {
        format!("udp:{}", self.address)
    }

    /// What it showed, line by line.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.shown.lock().expect("nobody panicked").clone()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A message: its number and its content.
type Message = (u16, Vec<u8>);

struct Wire {
    socket: UdpSocket,
    host: Option<SocketAddr>,
    over: Arc<AtomicBool>,
}

impl Wire {
    fn packet(&mut self) -> Option<Vec<u8>> {
        let mut packet = [0; 64];
        loop {
            if self.over.load(Ordering::Relaxed) {
                return None;
            }
            match self.socket.recv_from(&mut packet) {
                Ok((8, host)) if &packet[..8] == b"PINGPING" => {
                    self.socket.send_to(b"PONGPONG", host).expect("it listens");
                }
                Ok((length, host)) => {
                    self.host = Some(host);
                    return Some(packet[..length].to_vec());
                }
                Err(_) => {}
            }
        }
    }

    fn receive(&mut self) -> Option<Message> {
        let first = self.packet()?;
        assert_eq!((first.len(), &first[..3]), (64, &b"?##"[..]), "a message begins like this");
        let number = u16::from_be_bytes([first[3], first[4]]);
        let length = u32::from_be_bytes([first[5], first[6], first[7], first[8]]) as usize;
        let mut content = first[9..].to_vec();
        while content.len() < length {
            let next = self.packet()?;
            assert_eq!((next.len(), next[0]), (64, b'?'), "a message goes on like this");
            content.extend_from_slice(&next[1..]);
        }
        content.truncate(length);
        Some((number, content))
    }

    fn send(&mut self, number: u16, content: &[u8]) {
        let mut bytes = b"##".to_vec();
        bytes.extend(number.to_be_bytes());
        bytes.extend((content.len() as u32).to_be_bytes());
        bytes.extend_from_slice(content);
        for part in bytes.chunks(63) {
            let mut packet = [0; 64];
            packet[0] = b'?';
            packet[1..=part.len()].copy_from_slice(part);
            self.socket.send_to(&packet, self.host.expect("somebody asked")).expect("it listens");
        }
    }
}

/// The fields of a message, each as often as it is there: numbers, or bytes.
#[derive(Default)]
struct Fields {
    numbers: BTreeMap<u64, Vec<u64>>,
    bytes: BTreeMap<u64, Vec<Vec<u8>>>,
}

impl Fields {
    fn read(mut content: &[u8]) -> Self {
        let mut fields = Self::default();
        while !content.is_empty() {
            let key = varint(&mut content);
            match key & 7 {
                0 => fields.numbers.entry(key >> 3).or_default().push(varint(&mut content)),
                2 => {
                    let length = varint(&mut content) as usize;
                    let (value, rest) = content.split_at(length);
                    fields.bytes.entry(key >> 3).or_default().push(value.to_vec());
                    content = rest;
                }
                other => panic!("no message has a field of kind {other}"),
            }
        }
        fields
    }

    fn number(&self, field: u64) -> Option<u64> {
        self.numbers.get(&field)?.last().copied()
    }

    fn bytes(&self, field: u64) -> Vec<u8> {
        self.bytes.get(&field).and_then(|all| all.last()).cloned().unwrap_or_default()
    }

    fn text(&self, field: u64) -> String {
        String::from_utf8(self.bytes(field)).expect("it is text")
    }
}

fn varint(content: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = content.split_first().expect("a number ends");
        *content = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn number(field: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, field << 3);
    put_varint(&mut out, value);
    out
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, field << 3 | 2);
    put_varint(&mut out, value.len() as u64);
    out.extend_from_slice(value);
    out
}

// The numbers of messages.
const FAILURE: u16 = 3;
const FEATURES: u16 = 17;
const BUTTON_REQUEST: u16 = 26;
const BUTTON_ACK: u16 = 27;
const ADDRESS: u16 = 57;
const TX_REQUEST: u16 = 59;
const TX_ACK: u16 = 60;
const STRUCT_REQUEST: u16 = 465;
const STRUCT_ACK: u16 = 466;
const VALUE_REQUEST: u16 = 467;
const VALUE_ACK: u16 = 468;
const TYPED_DATA_SIGNATURE: u16 = 469;

/// m/44'/60'/0'/0/0.
const PATH: [u64; 5] = [0x8000_002c, 0x8000_003c, 0x8000_0000, 0, 0];

struct Session {
    key: PrivateKeySigner,
    manner: Manner,
    shown: Arc<Mutex<Vec<String>>>,
}

/// A type of a member, as the computer described it.
#[derive(Clone)]
struct Kind {
    data_type: u64,
    size: Option<u64>,
    entry: Option<Box<Kind>>,
    struct_name: String,
}

type Structs = BTreeMap<String, Vec<(String, Kind)>>;

impl Session {
    /// `None`: it is over.
    fn answer(&mut self, wire: &mut Wire, (number_of, content): &Message) -> Option<()> {
        let asked = Fields::read(content);
        match number_of {
            0 => {
                let model: &[u8] = if self.manner == Manner::FirstModel { b"T1B1" } else { b"T3T1" };
                let seed = u64::from(self.manner != Manner::Empty);
                let version = [number(2, 2), number(3, 8), number(4, 9)].concat();
                wire.send(FEATURES, &[version, number(12, seed), bytes(44, model)].concat());
            }
            56 => {
                self.check_path(&asked);
                let address = self.key.address().to_checksum(None);
                if asked.number(2) == Some(1) && !self.agree(wire, &format!("address {address}"))? {
                    return Some(());
                }
                wire.send(ADDRESS, &bytes(2, address.as_bytes()));
            }
            464 => {
                self.check_path(&asked);
                if self.manner == Manner::FirstModel {
                    wire.send(FAILURE, &[number(1, 1), bytes(2, b"Unknown message")].concat());
                    return Some(());
                }
                let digest = self.typed_data(wire, &asked)?;
                self.sign(wire, digest, b"the whole message")?;
            }
            470 => {
                self.check_path(&asked);
                let (domain, message) = (asked.bytes(2), asked.bytes(3));
                self.show(format!("domain hash {}", alloy::hex::encode_upper(&domain)));
                self.show(format!("message hash {}", alloy::hex::encode_upper(&message)));
                self.sign(wire, keccak256([&[0x19, 1][..], &domain, &message].concat()), b"both hashes")?;
            }
            452 => self.transaction(wire, &asked)?,
            other => panic!("nobody asks for {other}"),
        }
        Some(())
    }

    fn check_path(&self, asked: &Fields) {
        assert_eq!(asked.numbers.get(&1).map(Vec::as_slice), Some(&PATH[..]), "the key that was asked for");
    }

    fn show(&self, line: String) {
        self.shown.lock().expect("nobody panicked").push(line);
    }

    /// Has its owner press a button. Answers what he says; if it is no, the computer is told.
    fn agree(&self, wire: &mut Wire, what: &str) -> Option<bool> {
        self.show(what.to_owned());
        if self.manner == Manner::Declines {
            wire.send(FAILURE, &[number(1, 4), bytes(2, b"Cancelled")].concat());
            return Some(false);
        }
        wire.send(BUTTON_REQUEST, &number(1, 8));
        let (number_of, _) = wire.receive()?;
        assert_eq!(number_of, BUTTON_ACK, "a button is waited for");
        Some(true)
    }

    fn ask(&self, wire: &mut Wire, question: Message, expected: u16) -> Option<Fields> {
        wire.send(question.0, &question.1);
        let (number_of, content) = wire.receive()?;
        if number_of != expected {
            // The computer gave up, and somebody asks anew.
            return None;
        }
        Some(Fields::read(&content))
    }

    fn signature(&self, digest: B256) -> [u8; 65] {
        let digest = if self.manner == Manner::WrongMessage { keccak256(digest) } else { digest };
        let other = PrivateKeySigner::from_slice(&[9; 32]).expect("it is a key");
        let key = if self.manner == Manner::OtherKey { &other } else { &self.key };
        key.sign_hash_sync(&digest).expect("it signs").as_bytes()
    }

    fn sign(&self, wire: &mut Wire, digest: B256, what: &[u8]) -> Option<()> {
        if !self.agree(wire, &format!("sign {}", String::from_utf8_lossy(what)))? {
            return Some(());
        }
        let signature = self.signature(digest);
        let length = if self.manner == Manner::ShortSignature { 64 } else { 65 };
        let address = self.key.address().to_checksum(None);
        wire.send(TYPED_DATA_SIGNATURE, &[bytes(1, &signature[..length]), bytes(2, address.as_bytes())].concat());
        Some(())
    }

    fn typed_data(&self, wire: &mut Wire, asked: &Fields) -> Option<B256> {
        let primary = asked.text(2);
        let mut structs = Structs::new();
        match self.manner {
            Manner::NoSuchStruct => {
                self.ask(wire, (STRUCT_REQUEST, bytes(1, b"Permit")), STRUCT_ACK)?;
            }
            Manner::NoSuchValue => {
                self.value(wire, &[1, 99])?;
            }
            Manner::NoSuchRoot => {
                self.value(wire, &[2, 0])?;
            }
            Manner::OffTheTopic => {
                self.ask(wire, (TX_REQUEST, number(1, 5)), TX_ACK)?;
            }
            Manner::Endless => loop {
                self.value(wire, &[0, 0])?;
            },
            Manner::Roundabout => {
                self.value(wire, &[0, 3])?;
                self.collect(wire, &primary, &mut structs)?;
                self.value(wire, &[1, 0])?;
                structs.clear();
            }
            _ => {}
        }
        self.collect(wire, "EIP712Domain", &mut structs)?;
        self.collect(wire, &primary, &mut structs)?;
        let domain = self.hash_struct(wire, &structs, "EIP712Domain", &[0])?;
        let message = self.hash_struct(wire, &structs, &primary, &[1])?;
        Some(keccak256([&[0x19, 1][..], domain.as_slice(), message.as_slice()].concat()))
    }

    fn collect(&self, wire: &mut Wire, name: &str, structs: &mut Structs) -> Option<()> {
        let answer = self.ask(wire, (STRUCT_REQUEST, bytes(1, name.as_bytes())), STRUCT_ACK)?;
        let members: Vec<(String, Kind)> = answer
            .bytes
            .get(&1)
            .into_iter()
            .flatten()
            .map(|member| Fields::read(member))
            .map(|member| (member.text(2), Kind::read(&member.bytes(1))))
            .collect();
        let kinds: Vec<Kind> = members.iter().map(|(_, kind)| kind.clone()).collect();
        structs.insert(name.to_owned(), members);
        for kind in kinds {
            let inner = kind.entry.as_deref().unwrap_or(&kind);
            if inner.data_type == 8 && !structs.contains_key(&inner.struct_name) {
                self.collect(wire, &inner.struct_name.clone(), structs)?;
            }
        }
        Some(())
    }

    fn value(&self, wire: &mut Wire, path: &[u64]) -> Option<Vec<u8>> {
        let question = path.iter().flat_map(|index| number(1, *index)).collect();
        Some(self.ask(wire, (VALUE_REQUEST, question), VALUE_ACK)?.bytes(1))
    }

    /// EIP-712: the hash of the type, then a word for each member.
    fn hash_struct(&self, wire: &mut Wire, structs: &Structs, name: &str, path: &[u64]) -> Option<B256> {
        let mut encoded = keccak256(encode_type(structs, name)).to_vec();
        for (index, (member, kind)) in structs[name].iter().enumerate() {
            let path: Vec<u64> = path.iter().copied().chain([index as u64]).collect();
            let word = self.word(wire, structs, &format!("{name}.{member}"), kind, &path)?;
            encoded.extend_from_slice(word.as_slice());
        }
        Some(keccak256(encoded))
    }

    fn word(&self, wire: &mut Wire, structs: &Structs, name: &str, kind: &Kind, path: &[u64]) -> Option<B256> {
        match kind.data_type {
            8 => return self.hash_struct(wire, structs, &kind.struct_name, path),
            7 => {
                let length = self.value(wire, path)?;
                assert_eq!(length.len(), 2, "a length has two bytes");
                let entry = kind.entry.as_deref().expect("an array has entries");
                let mut words = Vec::new();
                for index in 0..u64::from(u16::from_be_bytes([length[0], length[1]])) {
                    let path: Vec<u64> = path.iter().copied().chain([index]).collect();
                    words.extend(self.word(wire, structs, &format!("{name}[{index}]"), entry, &path)?.0);
                }
                return Some(keccak256(words));
            }
            _ => {}
        }
        let value = self.value(wire, path)?;
        self.show(format!("{name} = {}", alloy::hex::encode(&value)));
        let fits = match (kind.data_type, kind.size) {
            (1 | 2, Some(size @ 1..=32)) => value.len() as u64 == size,
            (3, Some(size @ 1..=32)) => value.len() as u64 == size,
            (3 | 4, None) => true,
            (5, None) => value == [0] || value == [1],
            (6, None) => value.len() == 20,
            _ => false,
        };
        assert!(fits, "{name} has {} bytes for type {} of size {:?}", value.len(), kind.data_type, kind.size);
        Some(match (kind.data_type, kind.size) {
            (3 | 4, None) => keccak256(value),
            (3, _) => B256::right_padding_from(&value),
            _ => B256::left_padding_from(&value),
        })
    }

    /// EIP-2718, EIP-1559: what is signed is the hash of the transaction without its signature.
    fn transaction(&self, wire: &mut Wire, asked: &Fields) -> Option<()> {
        self.check_path(asked);
        let length = asked.number(9).expect("it says how long") as usize;
        let mut data = asked.bytes(8);
        assert!(data.len() == length.min(1_024), "the first part is as long as it can be");
        if self.manner == Manner::MoreData {
            self.ask(wire, (TX_REQUEST, number(1, 100_000)), TX_ACK)?;
        }
        while data.len() < length {
            // Not always as much as could be.
            let wanted = (length - data.len()).min(700);
            let part = self.ask(wire, (TX_REQUEST, number(1, wanted as u64)), TX_ACK)?.bytes(1);
            assert_eq!(part.len(), wanted);
            data.extend(part);
        }
        let to: alloy::primitives::Address = asked.text(6).parse().expect("an address");
        let chain_id = asked.number(10).expect("a chain");
        self.show(format!("to {to}"));
        self.show(format!("chain {chain_id}"));
        if !self.agree(wire, "sign the transaction")? {
            return Some(());
        }
        let item = |bytes: Vec<u8>| rlp(&bytes, 0x80);
        let chain = chain_id.to_be_bytes().iter().copied().skip_while(|byte| *byte == 0).collect();
        let list = [
            item(chain),
            item(asked.bytes(2)),
            item(asked.bytes(4)),
            item(asked.bytes(3)),
            item(asked.bytes(5)),
            item(to.to_vec()),
            item(asked.bytes(7)),
            item(data),
            rlp(&[], 0xc0),
        ];
        let digest = keccak256([&[2][..], &rlp(&list.concat(), 0xc0)].concat());
        let signature = self.signature(digest);
        let parity = u64::from(signature[64] - 27);
        wire.send(TX_REQUEST, &[number(2, parity), bytes(3, &signature[..32]), bytes(4, &signature[32..64])].concat());
        Some(())
    }
}

/// A string (from 0x80) or a list (from 0xc0) of the Yellow Paper's RLP.
fn rlp(content: &[u8], base: u8) -> Vec<u8> {
    if base == 0x80 && content.len() == 1 && content[0] < 0x80 {
        return content.to_vec();
    }
    let length: Vec<u8> = content.len().to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    match content.len() {
        short @ 0..=55 => [&[base + short as u8][..], content].concat(),
        _ => [&[base + 55 + length.len() as u8][..], &length, content].concat(),
    }
}

impl Kind {
    fn read(content: &[u8]) -> Self {
        let fields = Fields::read(content);
        let entry = fields.bytes.get(&3).map(|entry| Box::new(Self::read(&entry[0])));
        let data_type = fields.number(1).expect("a type");
        assert_eq!(entry.is_some(), data_type == 7, "only arrays have entries");
        Self { data_type, size: fields.number(2), entry, struct_name: fields.text(4) }
    }

    fn name(&self) -> String {
        let bits = self.size.unwrap_or_default() * 8;
        match (self.data_type, self.size) {
            (1, _) => format!("uint{bits}"),
            (2, _) => format!("int{bits}"),
            (3, None) => "bytes".to_owned(),
            (3, Some(size)) => format!("bytes{size}"),
            (4, _) => "string".to_owned(),
            (5, _) => "bool".to_owned(),
            (6, _) => "address".to_owned(),
            (7, size) => {
                let size = size.map(|size| size.to_string()).unwrap_or_default();
                format!("{}[{size}]", self.entry.as_ref().expect("an array has entries").name())
            }
            _ => self.struct_name.clone(),
        }
    }
}

/// EIP-712, `encodeType`: the struct, then those in it by their names.
fn encode_type(structs: &Structs, name: &str) -> String {
    let one = |name: &str| {
        let members: Vec<String> =
            structs[name].iter().map(|(member, kind)| format!("{} {member}", kind.name())).collect();
        format!("{name}({})", members.join(","))
    };
    // No struct of the contract has structs in structs.
    let inner = structs[name].iter().map(|(_, kind)| kind.entry.as_deref().unwrap_or(kind));
    let mut others: Vec<String> =
        inner.filter(|kind| kind.data_type == 8).map(|kind| kind.struct_name.clone()).collect();
    others.sort();
    others.dedup();
    std::iter::once(one(name)).chain(others.iter().map(|other| one(other))).collect()
}
