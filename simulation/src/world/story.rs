//! What happened, in words. Told only on demand: most worlds nobody asks about.

use std::collections::VecDeque;

/// How many of the last lines are kept.
const LINES: usize = 400;

/// The story of a world.
#[derive(Clone, Debug)]
pub(super) struct Story {
    told: bool,
    lines: VecDeque<String>,
    hash: u64,
}

impl Story {
    /// An empty story; one that is not told stays so.
    pub(super) fn new(told: bool) -> Self {
        Self { told, lines: VecDeque::new(), hash: 0xcbf2_9ce4_8422_2325 }
    }

    /// Whether anybody wants to know.
    pub(super) fn is_told(&self) -> bool {
        self.told
    }

    /// Something happened at this time, in milliseconds.
    pub(super) fn note(&mut self, now: u64, what: impl FnOnce() -> String) {
        if !self.told {
            return;
        }
        let line = format!("{:>8}.{:03} {}", now / 1_000, now % 1_000, what());
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The last lines.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Of all lines there ever were (FNV-1a).
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }
}
