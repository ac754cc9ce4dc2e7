//! How much happened.

use std::{collections::BTreeMap, ops::AddAssign};

/// Counts of one world, or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Worlds.
    pub worlds: u64,
    /// Things that happened.
    pub happenings: u64,
    /// Steps of state machines.
    pub steps: u64,
    /// Transactions of stores.
    pub commits: u64,
    /// Blocks.
    pub blocks: u64,
    /// Turns in them.
    pub turns: u64,
    /// Turns and requests that seats refused.
    pub refusals: u64,
    /// Faults, by what they are.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// A fault happened.
    pub fn fault(&mut self, what: &'static str) {
        *self.faults.entry(what).or_default() += 1;
    }
}

impl AddAssign<&Self> for Counts {
    fn add_assign(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.happenings += other.happenings;
        self.steps += other.steps;
        self.commits += other.commits;
        self.blocks += other.blocks;
        self.turns += other.turns;
        self.refusals += other.refusals;
        for (what, count) in &other.faults {
            *self.faults.entry(what).or_default() += count;
        }
    }
}
