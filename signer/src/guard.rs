//! The sign-once guard: which content was signed for which turn, on disk before the signature leaves, and what was spent by it.
//!
//! ```text
//!  may this be signed? ──▶ the turn has a content: only the same, or the void
//!                     ──▶ it has only the void: only the void
//!                     ──▶ it is older than all that is kept: no
//!                     ──▶ it is new: a line, synced to disk, and then yes
//! ```
//!
//! The file is lines of text, each with a check that covers all before it. A last line without its end was never synced, so
//! nothing was signed for it. Anything else that is wrong with the file stops the signer: a guard that forgot is none.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use alloy::{
    hex,
    primitives::{Address, B256, U256, keccak256},
};
use ring_contracts::{Domain, TurnId};

/// How many turns are kept; older ones are refused. Turns come one after the other, and a reorganisation goes back by some tens.
pub const KEPT: usize = 1_024;
/// A file is written anew, shorter, when it has so many lines.
const MOST_LINES: usize = 4 * KEPT;

/// A turn's place in the order of all turns of a ring: its epoch and nonce.
type Place = (u32, u64);

/// Whose signatures are guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The contract and its chain.
    pub domain: Domain,
    /// The ring.
    pub ring: u32,
    /// The key's account.
    pub address: Address,
}

/// Why there is no guard.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The file cannot be read or written.
    #[error("the guard {path} cannot be used: {why}", path = path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// It is not there.
    #[error(
        "the guard {path} is not there. For a key that has signed nothing yet make it by --new-guard; for any other find it, or \
         replace the key: without its guard a key could sign a turn twice", path = .0.display()
    )]
    Missing(PathBuf),
    /// It is of another key, ring or contract.
    #[error("the guard {path} is not this key's: it begins with {found:?}, and should with {expected:?}", path = path.display())]
    Foreign {
        /// Where it is.
        path: PathBuf,
        /// Its first line.
        found: String,
        /// What that should be.
        expected: String,
    },
    /// Somebody else writes it.
    #[error("the guard {path} is in use: another ring-signer has this key", path = .0.display())]
    InUse(PathBuf),
    /// It was changed, or the disk lost some of it.
    #[error(
        "line {line} of the guard {path} is damaged: what was signed is not known any more, so nothing is signed; replace the key",
        path = path.display()
    )]
    Damaged {
        /// Where it is.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// Why a turn is not signed.
#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    /// Another content has this turn.
    #[error("turn {nonce} of epoch {epoch} was signed with another content, whose digest is {digest}")]
    Twice {
        /// Its epoch.
        epoch: u32,
        /// Its nonce.
        nonce: u64,
        /// What was signed.
        digest: B256,
    },
    /// It was given up.
    #[error("turn {nonce} of epoch {epoch} was voided: no content is signed for it any more")]
    AfterVoid {
        /// Its epoch.
        epoch: u32,
        /// Its nonce.
        nonce: u64,
    },
    /// It is too old.
    #[error("turn {nonce} of epoch {epoch} is older than what is remembered, which begins at turn {} of epoch {}", floor.1, floor.0)]
    TooOld {
        /// Its epoch.
        epoch: u32,
        /// Its nonce.
        nonce: u64,
        /// The oldest that may be signed.
        floor: Place,
    },
    /// A budget would be exceeded.
    #[error("{amount} of {asset} is too much: {spent} of the {cap} of this day (UTC) are signed for already")]
    OverBudget {
        /// Which asset; zero is the native coin.
        asset: Address,
        /// What is asked for.
        amount: U256,
        /// What was signed today.
        spent: U256,
        /// The most in a day.
        cap: U256,
    },
    /// The disk does not take it.
    #[error("the guard {path} cannot be written: {why}", path = path.display())]
    Disk {
        /// Where it is.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// A line may be on the disk in part.
    #[error("the guard could not be written before, and is not trusted until the signer is started anew")]
    Untrusted,
}

/// What a turn spends of an asset, and the most that may be signed for in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spending {
    /// The asset; zero is the native coin.
    pub asset: Address,
    /// How much, in its smallest unit.
    pub amount: U256,
    /// The most in a day; `None`: without end.
    pub cap: Option<U256>,
}

/// Days since 1970 (UTC), by this host's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u64);

/// The guard of one key. While there is one, no other process has it.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    owner: Owner,
    file: File,
    check: B256,
    lines: usize,
    memory: Memory,
    is_trusted: bool,
}

/// What the lines say.
#[derive(Debug, Default)]
struct Memory {
    signed: BTreeMap<Place, Signed>,
    /// Nothing before it may be signed.
    floor: Place,
    spent: BTreeMap<(Day, Address), U256>,
}

/// What was signed for a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// The digest of its content.
    pub content: Option<B256>,
    /// Whether the void, which makes no calls.
    pub void: bool,
}

enum Line {
    Content(Place, B256),
    Void(Place),
    Floor(Place),
    Spent(Day, Address, U256),
}

impl Guard {
    /// Makes the guard of a key that has signed nothing yet.
    ///
    /// # Errors
    /// `File`: also if there is one.
    pub fn create(path: &Path, owner: &Owner) -> Result<(), GuardError> {
        let unusable = |why| GuardError::File { path: path.to_owned(), why };
        let mut file = new_file(path, false).map_err(unusable)?;
        let (mut check, mut text) = (B256::ZERO, String::new());
        push(&mut text, &mut check, &title(owner));
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unusable)?;
        sync_folder(path).map_err(unusable)
    }

    /// Opens it, and keeps others out. With `waits`, waits until they are done.
    ///
    /// # Errors
    /// Any.
    pub fn open(path: &Path, owner: Owner, waits: bool) -> Result<Self, GuardError> {
        let unusable = |why| GuardError::File { path: path.to_owned(), why };
        let file = loop {
            let opened = OpenOptions::new().read(true).append(true).open(path);
            let file = opened.map_err(|why| match why.kind() {
                io::ErrorKind::NotFound => GuardError::Missing(path.to_owned()),
                _ => unusable(why),
            })?;
            match (waits, file.try_lock()) {
                (_, Ok(())) => {}
                (true, Err(fs::TryLockError::WouldBlock)) => file.lock().map_err(unusable)?,
                (false, Err(fs::TryLockError::WouldBlock)) => return Err(GuardError::InUse(path.to_owned())),
                (_, Err(fs::TryLockError::Error(why))) => return Err(unusable(why)),
            }
            // Whoever had it may have put a shorter one in its place.
            let (mine, there) = (file.metadata().map_err(unusable)?, fs::metadata(path).map_err(unusable)?);
            if (mine.dev(), mine.ino()) == (there.dev(), there.ino()) {
                break file;
            }
        };
        let memory = Memory::default();
        let mut guard =
            Self { path: path.to_owned(), owner, file, check: B256::ZERO, lines: 0, memory, is_trusted: true };
        guard.read()?;
        if guard.lines > MOST_LINES {
            guard.shorten().map_err(unusable)?;
        }
        Ok(guard)
    }

    fn read(&mut self) -> Result<(), GuardError> {
        let unusable = |path: &Path, why| GuardError::File { path: path.to_owned(), why };
        let mut text = Vec::new();
        self.file.read_to_end(&mut text).map_err(|why| unusable(&self.path, why))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let expected = title(&self.owner);
        for line in text[..whole].split_inclusive(|byte| *byte == b'\n') {
            self.lines += 1;
            let damaged = || GuardError::Damaged { path: self.path.clone(), line: self.lines };
            let line = std::str::from_utf8(line).map_err(|_| damaged())?.trim_end_matches('\n');
            let (content, check) = line.rsplit_once(' ').ok_or_else(damaged)?;
            self.check = next_check(self.check, content);
            if check != shown(self.check) {
                return Err(damaged());
            }
            if self.lines == 1 {
                if content != expected {
                    return Err(GuardError::Foreign { path: self.path.clone(), found: content.to_owned(), expected });
                }
            } else {
                let line = content.parse().map_err(|()| damaged())?;
                self.memory.learn(line);
            }
        }
        if self.lines == 0 {
            return Err(GuardError::Damaged { path: self.path.clone(), line: 1 });
        }
        if whole < text.len() {
            self.file
                .set_len(whole as u64)
                .and_then(|()| self.file.sync_all())
                .map_err(|why| unusable(&self.path, why))?;
        }
        Ok(())
    }

    /// What was signed for a turn.
    pub fn signed(&self, id: TurnId) -> Signed {
        self.memory.signed.get(&(id.epoch, id.nonce)).copied().unwrap_or_default()
    }

    /// Notes that the void is signed for a turn, whatever was before.
    ///
    /// # Errors
    /// `TooOld`, `Disk`, `Untrusted`; then it must not be signed.
    pub fn note_void(&mut self, id: TurnId) -> Result<(), NotSigned> {
        if self.signed(id).void {
            return Ok(());
        }
        self.check_floor(id)?;
        self.append(vec![Line::Void((id.epoch, id.nonce))])
    }

    /// Notes that this content is the one of its turn, and what it spends. When this returns, it is on disk. What is known
    /// already is not noted, and not counted, again.
    ///
    /// # Errors
    /// Any; then it must not be signed.
    pub fn note(&mut self, id: TurnId, digest: B256, today: Day, spendings: &[Spending]) -> Result<(), NotSigned> {
        let TurnId { epoch, nonce, .. } = id;
        match self.signed(id) {
            Signed { content: Some(signed), .. } if signed == digest => return Ok(()),
            Signed { content: Some(digest), .. } => return Err(NotSigned::Twice { epoch, nonce, digest }),
            Signed { content: None, void: true } => return Err(NotSigned::AfterVoid { epoch, nonce }),
            Signed { content: None, void: false } => self.check_floor(id)?,
        }
        let mut lines = Vec::with_capacity(spendings.len() + 1);
        for &Spending { asset, amount, cap } in spendings {
            let spent = self.memory.spent(today, asset);
            if let Some(cap) = cap
                && spent.checked_add(amount).is_none_or(|sum| sum > cap)
            {
                return Err(NotSigned::OverBudget { asset, amount, spent, cap });
            }
            lines.push(Line::Spent(today, asset, amount));
        }
        // The turn comes last: what is counted without it is counted too much, never too little.
        lines.push(Line::Content((epoch, nonce), digest));
        self.append(lines)
    }

    fn check_floor(&self, TurnId { epoch, nonce, .. }: TurnId) -> Result<(), NotSigned> {
        match self.memory.floor {
            floor if (epoch, nonce) < floor => Err(NotSigned::TooOld { epoch, nonce, floor }),
            _ => Ok(()),
        }
    }

    fn append(&mut self, lines: Vec<Line>) -> Result<(), NotSigned> {
        if !self.is_trusted {
            return Err(NotSigned::Untrusted);
        }
        self.write(lines).map_err(|why| NotSigned::Disk { path: self.path.clone(), why })?;
        if self.lines > MOST_LINES {
            // What is there is good; it is only long.
            let _ = self.shorten();
        }
        Ok(())
    }

    fn write(&mut self, lines: Vec<Line>) -> io::Result<()> {
        let (mut text, mut check) = (String::new(), self.check);
        lines.iter().for_each(|line| push(&mut text, &mut check, &line.to_string()));
        self.is_trusted = false;
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        self.is_trusted = true;
        self.check = check;
        self.lines += lines.len();
        lines.into_iter().for_each(|line| self.memory.learn(line));
        Ok(())
    }

    /// Writes the same anew, without what is over: all of it or nothing.
    fn shorten(&mut self) -> io::Result<()> {
        let (mut text, mut check, mut lines) = (String::new(), B256::ZERO, 0);
        let mut add = |content: &str| {
            push(&mut text, &mut check, content);
            lines += 1;
        };
        add(&title(&self.owner));
        add(&Line::Floor(self.memory.floor).to_string());
        self.memory.spent.iter().for_each(|((day, asset), sum)| add(&Line::Spent(*day, *asset, *sum).to_string()));
        for (place, Signed { content, void }) in &self.memory.signed {
            let lines = [content.map(|digest| Line::Content(*place, digest)), void.then_some(Line::Void(*place))];
            lines.iter().flatten().for_each(|line| add(&line.to_string()));
        }
        let new = self.path.with_extension("new");
        let mut file = new_file(&new, true)?;
        file.lock()?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        file.seek(SeekFrom::End(0))?;
        fs::rename(&new, &self.path)?;
        (self.file, self.check, self.lines) = (file, check, lines);
        sync_folder(&self.path)
    }
}

impl Memory {
    fn spent(&self, day: Day, asset: Address) -> U256 {
        self.spent.get(&(day, asset)).copied().unwrap_or_default()
    }

    fn learn(&mut self, line: Line) {
        match line {
            Line::Content(place, digest) => self.learn_signed(place, |signed| signed.content = Some(digest)),
            Line::Void(place) => self.learn_signed(place, |signed| signed.void = true),
            Line::Floor(floor) => self.floor = self.floor.max(floor),
            Line::Spent(day, asset, amount) => {
                let sum = self.spent(day, asset).saturating_add(amount);
                self.spent.insert((day, asset), sum);
                // A clock that is set back finds the day before still counted.
                let newest = self.spent.last_key_value().map_or(day, |((newest, _), _)| *newest);
                self.spent.retain(|(day, _), _| day.0 + 2 > newest.0);
            }
        }
    }

    fn learn_signed(&mut self, place: Place, learn: impl FnOnce(&mut Signed)) {
        learn(self.signed.entry(place).or_default());
        while self.signed.len() > KEPT
            && let Some(((epoch, nonce), _)) = self.signed.pop_first()
        {
            self.floor = self.floor.max((epoch, nonce.saturating_add(1)));
        }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Content((epoch, nonce), digest) => write!(f, "signed {epoch} {nonce} {digest}"),
            Self::Void((epoch, nonce)) => write!(f, "void {epoch} {nonce}"),
            Self::Floor((epoch, nonce)) => write!(f, "floor {epoch} {nonce}"),
            Self::Spent(Day(day), asset, amount) => write!(f, "spent {day} {asset:#x} {amount}"),
        }
    }
}

impl FromStr for Line {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        fn part<T: FromStr>(text: &str) -> Result<T, ()> {
            text.parse().map_err(|_| ())
        }
        match text.split(' ').collect::<Vec<_>>()[..] {
            ["signed", epoch, nonce, digest] => Ok(Self::Content((part(epoch)?, part(nonce)?), part(digest)?)),
            ["void", epoch, nonce] => Ok(Self::Void((part(epoch)?, part(nonce)?))),
            ["floor", epoch, nonce] => Ok(Self::Floor((part(epoch)?, part(nonce)?))),
            ["spent", day, asset, amount] => Ok(Self::Spent(Day(part(day)?), part(asset)?, part(amount)?)),
            _ => Err(()),
        }
    }
}

fn title(Owner { domain: Domain { chain_id, contract }, ring, address }: &Owner) -> String {
    format!("ring-signer 1 chain {chain_id} contract {contract:#x} ring {ring} key {address:#x}")
}

fn next_check(before: B256, content: &str) -> B256 {
    keccak256([before.as_slice(), content.as_bytes()].concat())
}

fn shown(check: B256) -> String {
    hex::encode(&check[..8])
}

fn push(text: &mut String, check: &mut B256, content: &str) {
    *check = next_check(*check, content);
    // Writing to a string does not fail.
    let _ = writeln!(text, "{content} {}", shown(*check));
}

fn new_file(path: &Path, replaces: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600);
    if replaces {
        // A crash before the rename left it.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    options.create_new(true).open(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
