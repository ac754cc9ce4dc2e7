//! When a block is final.

use std::fmt;

use alloy::eips::BlockNumberOrTag;

/// When a block is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// When the node calls it `finalized`.
    Finalized,
    /// When the node calls it `safe`, which comes sooner and means less.
    Safe,
    /// When so many blocks are on top of it.
    Depth(u64),
}

impl Finality {
    /// What nodes call the newest final block. `None`: they are not asked.
    pub(crate) fn tag(self) -> Option<BlockNumberOrTag> {
        match self {
            Self::Finalized => Some(BlockNumberOrTag::Finalized),
            Self::Safe => Some(BlockNumberOrTag::Safe),
            Self::Depth(_) => None,
        }
    }
}

impl fmt::Display for Finality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finalized => f.write_str("finalized"),
            Self::Safe => f.write_str("safe"),
            Self::Depth(blocks) => write!(f, "{blocks} blocks"),
        }
    }
}
