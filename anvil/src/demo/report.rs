//! What came out: figures for machines, a table for people, and whether all of it held.

use std::path::Path;

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use eyre::{Result, WrapErr};
use serde::Serialize;

use crate::token;

/// The figures. Amounts are decimal digits of the token's smallest unit, as strings: JSON numbers would lose some.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// N.
    pub n: usize,
    /// W.
    pub w: usize,
    /// Q.
    pub q: usize,
    /// How many orders there were.
    pub orders: usize,
    /// How many were paid exactly once, and the right amount.
    pub paid: usize,
    /// How many were paid more than once.
    pub paid_twice: usize,
    /// How many were never paid.
    pub lost: usize,
    /// How many were paid another amount.
    pub wrong_amount: usize,
    /// How many payments went to nobody that is known.
    pub strays: usize,
    /// For how many orders a relayer's answer differs from the chain.
    pub misreported: usize,
    /// What the orders come to.
    #[serde(serialize_with = "decimal")]
    pub ordered_value: u128,
    /// What was paid to the customers.
    #[serde(serialize_with = "decimal")]
    pub paid_value: u128,
    /// How many turns were executed, the thief's included.
    pub turns: usize,
    /// Which seats' keys were stolen.
    pub stolen_seats: Vec<usize>,
    /// How many turns the thief executed.
    pub stolen_turns: usize,
    /// How many turns the stolen keys are worth at most.
    pub bound: usize,
    /// What the thief got.
    #[serde(serialize_with = "decimal")]
    pub stolen_value: u128,
    /// The cap at the time of the theft.
    #[serde(serialize_with = "decimal")]
    pub cap: u128,
    /// What was left of it.
    #[serde(serialize_with = "decimal")]
    pub left_of_cap_at_theft: u128,
    /// The cap after the ring was formed anew.
    #[serde(serialize_with = "decimal")]
    pub cap_afterwards: u128,
    /// How often an honest turn came before the thief's.
    pub races_lost: usize,
    /// What else the thief tried.
    pub attempts: usize,
    /// How much of that was refused.
    pub attempts_refused: usize,
    /// How often the backend was told that the ring is halted.
    pub refused_by_halt: u64,
    /// Whether every relayer and the ring halted by themselves.
    pub halted: bool,
    /// Whether the ring paid again after the master had re-formed it.
    pub resumed: bool,
    /// The epoch it ended in.
    pub epoch: u32,
    /// How long all of it took.
    pub seconds: u64,
}

fn decimal<S: serde::Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// A promise, and whether it was kept.
#[derive(Clone, Debug)]
pub struct Check {
    /// The promise.
    pub promise: String,
    /// Whether it was kept.
    pub kept: bool,
}

impl Report {
    /// The promises.
    pub fn checks(&self) -> Vec<Check> {
        let check = |kept: bool, promise: String| Check { promise, kept };
        vec![
            check(
                self.paid == self.orders && self.paid_value == self.ordered_value,
                format!("each of {} orders is paid exactly once ({} are)", self.orders, self.paid),
            ),
            check(self.paid_twice == 0, format!("none is paid twice ({} are)", self.paid_twice)),
            check(self.lost == 0, format!("none is lost ({} are)", self.lost)),
            check(
                self.wrong_amount == 0 && self.strays == 0,
                format!("nobody else is paid ({} wrong amounts, {} strays)", self.wrong_amount, self.strays),
            ),
            check(self.misreported == 0, format!("the relayers say what the chain says ({} differ)", self.misreported)),
            check(
                self.stolen_turns == self.bound,
                format!("the thief executes exactly {} turn(s) ({})", self.bound, self.stolen_turns),
            ),
            check(
                self.stolen_value <= self.left_of_cap_at_theft,
                format!(
                    "and gets no more than {} DEMO, what was left of the cap ({})",
                    token::in_words(self.left_of_cap_at_theft),
                    token::in_words(self.stolen_value)
                ),
            ),
            check(
                self.attempts_refused == self.attempts,
                format!("whatever else it tries is refused ({} of {})", self.attempts_refused, self.attempts),
            ),
            check(self.halted, "the relayers halt by themselves, and the ring on chain".to_owned()),
            check(self.resumed, "the master sets it right, and payouts go on to the last order".to_owned()),
        ]
    }

    /// The report in a table.
    pub fn in_words(&self) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header(["", "promise"]);
        for Check { promise, kept } in self.checks() {
            table.add_row([if kept { "✓" } else { "BROKEN" }, &promise]);
        }
        format!(
            "{table}\n{} turns in {} s, {} DEMO paid to customers, ring of {} with windows of {} and a quorum of {}",
            self.turns,
            self.seconds,
            token::in_words(self.paid_value),
            self.n,
            self.w,
            self.q
        )
    }

    /// Writes the figures as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self).wrap_err("the report cannot be put down")?;
        std::fs::write(file, format!("{json}\n")).wrap_err_with(|| format!("{} cannot be written", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Report {
        Report {
            n: 3,
            w: 2,
            q: 2,
            orders: 10,
            paid: 10,
            paid_twice: 0,
            lost: 0,
            wrong_amount: 0,
            strays: 0,
            misreported: 0,
            ordered_value: 100,
            paid_value: 100,
            turns: 5,
            stolen_seats: vec![0, 1],
            stolen_turns: 1,
            bound: 1,
            stolen_value: 50,
            cap: 125,
            left_of_cap_at_theft: 50,
            cap_afterwards: 60,
            races_lost: 0,
            attempts: 3,
            attempts_refused: 3,
            refused_by_halt: 1,
            halted: true,
            resumed: true,
            epoch: 4,
            seconds: 1,
        }
    }

    #[test]
    fn each_figure_that_is_wrong_breaks_a_promise() {
        assert!(good().checks().iter().all(|check| check.kept));
        let spoil: [fn(&mut Report); 13] = [
            |report| report.paid = 9,
            |report| report.paid_twice = 1,
            |report| report.lost = 1,
            |report| report.wrong_amount = 1,
            |report| report.strays = 1,
            |report| report.misreported = 1,
            |report| report.paid_value = 101,
            |report| report.stolen_turns = 2,
            |report| report.stolen_turns = 0,
            |report| report.stolen_value = 51,
            |report| report.attempts_refused = 2,
            |report| report.halted = false,
            |report| report.resumed = false,
        ];
        for (index, spoil) in spoil.into_iter().enumerate() {
            let mut report = good();
            spoil(&mut report);
            assert!(report.checks().iter().any(|check| !check.kept), "{index}");
        }
    }

    #[test]
    fn amounts_are_strings_in_the_report() {
        let json = serde_json::to_value(good()).unwrap();
        assert_eq!(json["stolen_value"], "50");
        assert_eq!(json["orders"], 10);
    }
}
