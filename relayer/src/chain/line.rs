//! Blocks of which each is the parent of the next.

use std::collections::VecDeque;

use super::rpc::Header;

/// How many blocks are remembered: on most chains a block is final before so many follow.
pub(super) const REMEMBERED: usize = 128;

/// The last heads, as long as each is the parent of the next: what is below a head follows from its parent's hash.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(VecDeque<Header>);

impl Line {
    /// Takes in a new head, and forgets what is not below it.
    pub(super) fn note(&mut self, head: Header) {
        if self.0.back().is_some_and(|last| last.hash != head.parent) {
            self.0.clear();
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(head);
    }

    /// The last head.
    pub(super) fn head(&self) -> Option<Header> {
        self.0.back().copied()
    }

    /// The block at this height that is below `head`, if it is known.
    pub(super) fn below(&self, head: Header, number: u64) -> Option<Header> {
        let last = self.0.back().filter(|last| last.hash == head.parent || **last == head)?;
        let back = usize::try_from(last.number.checked_sub(number)?).ok()?;
        self.0.iter().rev().nth(back).copied().filter(|block| block.number == number)
    }

    /// The blocks after `last`, up to `head` and with it, if all of them are known.
    pub(super) fn between(&self, last: Header, head: Header) -> Option<Vec<Header>> {
        let end = self.0.iter().rposition(|block| *block == head)?;
        let start = self.0.iter().take(end + 1).rposition(|block| block.parent == last.hash)?;
        Some(self.0.range(start..=end).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;

    use super::*;

    fn header(number: u8) -> Header {
        let hash = |number: u8| B256::repeat_byte(number);
        Header { number: number.into(), hash: hash(number), parent: hash(number - 1), time: number.into() }
    }

    fn line(numbers: impl IntoIterator<Item = u8>) -> Line {
        let mut line = Line::default();
        numbers.into_iter().for_each(|number| line.note(header(number)));
        line
    }

    #[test]
    fn blocks_between_two_heads_are_all_or_none() {
        let blocks = |numbers: &[u8]| Some(numbers.iter().map(|number| header(*number)).collect::<Vec<_>>());
        assert_eq!(line(3..=9).between(header(5), header(8)), blocks(&[6, 7, 8]));
        assert_eq!(line(3..=9).between(header(8), header(9)), blocks(&[9]));
        assert_eq!(line(3..=9).between(header(2), header(3)), blocks(&[3]));
        assert_eq!(line(3..=9).between(header(1), header(3)), None, "block 2 is not known");
        assert_eq!(line(3..=9).between(header(5), header(10)), None, "block 10 is not known");
        assert_eq!(line(3..=9).between(header(8), header(5)), None, "the chain does not go back");
        let other = Header { hash: B256::repeat_byte(0xff), ..header(5) };
        assert_eq!(line(3..=9).between(other, header(8)), None, "block 6 follows another block 5");
    }

    #[test]
    fn a_head_that_does_not_follow_makes_what_was_known_worthless() {
        assert_eq!(line([3, 4, 6, 7]).between(header(3), header(7)), None);
        assert_eq!(line([3, 4, 6, 7]).below(header(8), 4), None);
        assert_eq!(line([3, 4, 5]).below(header(6), 4), Some(header(4)));
    }

    #[test]
    fn no_more_is_remembered_than_is_ever_asked_for() {
        let all: u8 = 200;
        let line = line(1..=all);
        assert_eq!(line.below(header(all), u64::from(all) - REMEMBERED as u64 + 1).map(|block| block.number), Some(73));
        assert_eq!(line.below(header(all), u64::from(all) - REMEMBERED as u64), None);
    }
}
