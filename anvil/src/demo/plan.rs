//! What is to be shown.

use std::path::PathBuf;

use eyre::{Result, bail};
use ring_contracts::MAX_SEATS;

use crate::{
    Custody,
    bound::{Bound, bound, neighbours},
};

/// The fewest orders with which all of the story fits in.
pub const FEWEST_ORDERS: u64 = 60;

/// What is to be shown.
#[derive(Clone, Debug)]
pub struct Plan {
    /// N: how many seats.
    pub seats: usize,
    /// W: how many of them may sign a turn, and how many keys are stolen.
    pub window: usize,
    /// Q: how many of the window must sign.
    pub quorum: usize,
    /// How many orders are paid.
    pub orders: u64,
    /// How the seats hold their keys, one after the other around the ring; empty: in keystores.
    pub custody: Vec<Custody>,
    /// Where everything is written.
    pub folder: PathBuf,
}

impl Plan {
    /// Whether there is something to show.
    ///
    /// # Errors
    /// The ring is impossible, too large or has no bound.
    pub fn check(&self) -> Result<()> {
        let &Self { seats, window, quorum, orders, .. } = self;
        if !(2..=MAX_SEATS).contains(&seats) {
            bail!("--n {seats}: the demonstration needs a ring of 2 to {MAX_SEATS} seats");
        }
        if window == 0 || window > seats {
            bail!("--w {window}: a window of {window} does not fit a ring of {seats} seats: choose 1 to {seats}");
        }
        if quorum == 0 || quorum > window {
            bail!("--q {quorum}: a quorum of {quorum} does not fit a window of {window}: choose 1 to {window}");
        }
        if orders < FEWEST_ORDERS {
            bail!("--orders {orders}: the story needs at least {FEWEST_ORDERS} orders");
        }
        match self.theft(0) {
            (_, Bound::Turns { .. }) => Ok(()),
            (_, Bound::OnlyTheCap) if window == seats => bail!(
                "--n {seats} --w {window}: the window is the whole ring, an ordinary {quorum}-of-{seats} multisig. Who \
                 steals {window} keys has them all, and only the cap bounds the loss: choose a window smaller than the ring"
            ),
            (_, Bound::OnlyTheCap) => bail!(
                "--n {seats} --w {window} --q {quorum}: with {window} stolen neighbours every window of this ring holds \
                 {quorum} stolen keys, and only the cap bounds the loss: choose more seats or a larger quorum"
            ),
        }
    }

    /// The neighbours to steal so that the best burst begins where seat `lead` leads, and what they are worth.
    pub fn theft(&self, lead: usize) -> (Vec<usize>, Bound) {
        let of = |first| bound(self.seats, self.window, self.quorum, &neighbours(self.seats, first, self.window));
        let first = match of(0) {
            Bound::Turns { start, .. } => (lead + self.seats - start) % self.seats,
            Bound::OnlyTheCap => 0,
        };
        ((first..first + self.window).map(|seat| seat % self.seats).collect(), of(first))
    }

    /// How many requests go into one turn: so that there are some fifty turns to look at.
    pub fn calls_per_turn(&self) -> usize {
        usize::try_from(self.orders / 48).unwrap_or(usize::MAX).clamp(1, 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seats: usize, window: usize, quorum: usize) -> Plan {
        Plan { seats, window, quorum, orders: 240, custody: Vec::new(), folder: PathBuf::new() }
    }

    #[test]
    fn what_cannot_be_shown_is_refused_with_a_reason() {
        assert!(plan(3, 2, 2).check().is_ok());
        assert!(plan(7, 3, 2).check().is_ok());
        let refusal = |seats, window, quorum| plan(seats, window, quorum).check().unwrap_err().to_string();
        assert!(refusal(3, 3, 3).contains("ordinary 3-of-3 multisig"));
        assert!(refusal(3, 2, 1).contains("only the cap"));
        assert!(refusal(1, 1, 1).contains("2 to 32"));
        assert!(refusal(3, 4, 4).contains("does not fit"));
        assert!(refusal(3, 2, 3).contains("does not fit"));
        assert!(Plan { orders: 1, ..plan(3, 2, 2) }.check().unwrap_err().to_string().contains("at least"));
    }

    #[test]
    fn the_best_burst_begins_where_it_is_wanted() {
        for (seats, window, quorum) in [(3, 2, 2), (7, 4, 4), (7, 3, 2), (9, 4, 3)] {
            for lead in 0..seats {
                let (stolen, bound) = plan(seats, window, quorum).theft(lead);
                assert_eq!(stolen.len(), window);
                let turns = 2 * (window - quorum) + 1;
                assert_eq!(bound, Bound::Turns { start: lead, turns });
            }
        }
    }
}
