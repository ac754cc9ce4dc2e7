//! What a theft can come to: design.md's bound, for any ring and any stolen seats.

use std::collections::BTreeSet;

/// The best that a thief can do alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// So many turns, beginning where the first seat of the window is `start`. 0 turns: nothing, ever.
    Turns {
        /// The seat that leads the first turn of the longest burst.
        start: usize,
        /// How many turns there are in it.
        turns: usize,
    },
    /// Every window of the ring can be signed: only the cap bounds the loss.
    OnlyTheCap,
}

/// How many turns in a row a thief of these seats executes at most.
pub fn bound(seats: usize, window: usize, quorum: usize, stolen: &BTreeSet<usize>) -> Bound {
    let can_sign = |nonce: usize| {
        let held = (0..window).filter(|position| stolen.contains(&((nonce + position) % seats))).count();
        held >= quorum
    };
    if (0..seats).all(can_sign) {
        return Bound::OnlyTheCap;
    }
    let burst = |start: usize| (start..start + seats).take_while(|nonce| can_sign(*nonce)).count();
    let best = (0..seats).map(|start| (burst(start), start)).max_by_key(|(turns, start)| (*turns, usize::MAX - start));
    best.map_or(Bound::OnlyTheCap, |(turns, start)| Bound::Turns { start, turns })
}

/// `count` neighbours around the ring, from `first` on.
pub fn neighbours(seats: usize, first: usize, count: usize) -> BTreeSet<usize> {
    (first..first + count).map(|seat| seat % seats).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_gives_its_length_less_the_window_and_one() {
        for seats in 2..9 {
            for window in 1..seats {
                for run in 1..seats {
                    for first in 0..seats {
                        let bound = bound(seats, window, window, &neighbours(seats, first, run));
                        let turns = (run + 1).saturating_sub(window);
                        assert!(matches!(bound, Bound::Turns { turns: found, .. } if found == turns), "{bound:?}");
                        if turns > 0 {
                            assert_eq!(bound, Bound::Turns { start: first, turns });
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn scattered_keys_are_worth_nothing() {
        assert!(matches!(bound(6, 2, 2, &BTreeSet::from([0, 2, 4])), Bound::Turns { turns: 0, .. }));
    }

    #[test]
    fn a_smaller_quorum_has_its_price() {
        assert_eq!(bound(7, 3, 2, &neighbours(7, 2, 3)), Bound::Turns { start: 1, turns: 3 });
        assert_eq!(bound(3, 2, 1, &neighbours(3, 0, 2)), Bound::OnlyTheCap);
        assert_eq!(bound(3, 3, 3, &neighbours(3, 0, 3)), Bound::OnlyTheCap);
    }
}
