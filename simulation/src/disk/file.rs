//! One file: what its readers see, and what a power cut would leave of it.

use crate::random::Random;

/// What is written as one by a disk, in bytes: a power cut leaves all of a sector or nothing.
const SECTOR: usize = 512;

/// One change of a file that is not known to be on the medium.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

/// A file. Readers see all changes at once; the medium has them for sure only after a sync.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    seen: Vec<u8>,
    medium: Vec<u8>,
    unsynced: Vec<Change>,
}

impl File {
    pub(super) fn length(&self) -> usize {
        self.seen.len()
    }

    /// Fills `buffer` from `offset` on, with zeros after the end. Returns how many bytes there were.
    pub(super) fn read(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let rest = self.seen.get(offset..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        buffer[length..].fill(0);
        length
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let change = Change::Write { offset, bytes: bytes.to_vec() };
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }

    pub(super) fn truncate(&mut self, length: usize) {
        let change = Change::Truncate { length };
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.medium);
        }
    }

    /// A sync that failed: the system forgets that these changes are to be written, though readers still see them. The next
    /// sync succeeds without them.
    pub(super) fn fail_to_sync(&mut self) {
        self.unsynced.clear();
    }

    /// Whether a power cut now would leave all that readers see.
    pub(super) fn is_durable(&self) -> bool {
        self.unsynced.is_empty() && self.seen == self.medium
    }

    /// What the power cut leaves: of the changes that were not synced some, all or none, and of a write perhaps some of its
    /// sectors. Returns whether a write was torn.
    pub(super) fn lose_power(&mut self, random: &mut Random) -> bool {
        let mut torn = false;
        let keep = [0, 0, 500, 900][random.index(4)];
        for change in std::mem::take(&mut self.unsynced) {
            if !random.chance(keep) {
                continue;
            }
            match change {
                Change::Write { offset, bytes } if random.chance(400) => {
                    for (start, sector) in sectors(offset, &bytes) {
                        let kept = random.chance(500);
                        torn |= !kept;
                        if kept {
                            Change::Write { offset: start, bytes: sector.to_vec() }.apply(&mut self.medium);
                        }
                    }
                }
                whole => whole.apply(&mut self.medium),
            }
        }
        self.seen.clone_from(&self.medium);
        torn
    }

    /// The file as the worst power cut would leave it.
    pub(super) fn worst(&self) -> Self {
        Self { seen: self.medium.clone(), medium: self.medium.clone(), unsynced: Vec::new() }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncate { length } => content.resize(*length, 0),
        }
    }
}

/// The parts of a write that are in sectors of their own.
fn sectors(offset: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = bytes;
    let mut start = offset;
    std::iter::from_fn(move || {
        let length = rest.len().min(SECTOR - start % SECTOR);
        let (sector, after) = rest.split_at(length);
        let at = start;
        (rest, start) = (after, start + length);
        (length > 0).then_some((at, sector))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_start_where_the_disk_has_them() {
        let parts: Vec<_> = sectors(500, &[0; 1100]).map(|(start, part)| (start, part.len())).collect();
        assert_eq!(parts, [(500, 12), (512, 512), (1024, 512), (1536, 64)]);
    }

    #[test]
    fn only_what_was_synced_is_sure_to_survive() {
        for seed in 0..100 {
            let mut file = File::default();
            file.write(0, b"kept");
            file.sync();
            file.write(0, b"lost");
            assert!(!file.is_durable());
            assert_eq!(file.worst().seen, b"kept");
            file.lose_power(&mut Random::new(seed));
            assert!(file.seen == b"kept" || file.seen == b"lost");
        }
    }

    #[test]
    fn after_a_sync_that_failed_the_next_one_does_not_write_what_was_lost() {
        let mut file = File::default();
        file.write(0, b"ab");
        file.fail_to_sync();
        file.write(2, b"cd");
        file.sync();
        assert_eq!((file.seen.as_slice(), file.medium.as_slice()), (&b"abcd"[..], &b"\0\0cd"[..]));
        assert!(!file.is_durable());
    }
}
