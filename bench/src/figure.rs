//! A figure: what each run said, and what it has to be.

use serde::Serialize;

/// What was measured of one thing, once in each run.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// What it is.
    pub(crate) name: String,
    /// In which unit, `×` for a ratio.
    pub(crate) unit: &'static str,
    /// The value of each run; at least one.
    pub(crate) runs: Vec<f64>,
    /// What it has to be, and what it is wished to be. `None`: it is only shown.
    pub(crate) goal: Option<Goal>,
}

/// What a figure has to be, and what it is wished to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Goal {
    /// A miss is listed.
    pub(crate) must: Bound,
    /// A wish.
    pub(crate) aim: Bound,
}

/// A bound of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Bound {
    /// Not more than this.
    AtMost(f64),
    /// Not less than this.
    AtLeast(f64),
}

/// How a figure stands to its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is only shown.
    Shown,
    /// The must is missed.
    Missed,
    /// The must is met, the aim is not.
    Met,
    /// The aim is met.
    AimMet,
}

impl Goal {
    /// The less, the better.
    pub(crate) fn at_most(must: f64, aim: f64) -> Option<Self> {
        Some(Self { must: Bound::AtMost(must), aim: Bound::AtMost(aim) })
    }

    /// The more, the better.
    pub(crate) fn at_least(must: f64, aim: f64) -> Option<Self> {
        Some(Self { must: Bound::AtLeast(must), aim: Bound::AtLeast(aim) })
    }
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    /// `≤ 20` or `≥ 0.15`.
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::AtMost(bound) => format!("≤ {}", number(bound)),
            Self::AtLeast(bound) => format!("≥ {}", number(bound)),
        }
    }
}

impl Figure {
    /// A figure that has to be something.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, runs: Vec<f64>, goal: Option<Goal>) -> Self {
        Self { name: name.into(), unit, runs, goal }
    }

    /// A figure that is only shown.
    pub(crate) fn shown(name: impl Into<String>, unit: &'static str, runs: Vec<f64>) -> Self {
        Self::new(name, unit, runs, None)
    }

    /// The median of the runs.
    pub(crate) fn median(&self) -> f64 {
        median(&self.runs)
    }

    /// The least of the runs.
    pub(crate) fn min(&self) -> f64 {
        self.runs.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The most of the runs.
    pub(crate) fn max(&self) -> f64 {
        self.runs.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// How the median stands to the goal. What is no number misses it.
    pub(crate) fn verdict(&self) -> Verdict {
        let Some(goal) = self.goal else { return Verdict::Shown };
        let median = self.median();
        match (goal.must.holds(median), goal.aim.holds(median)) {
            (false, _) => Verdict::Missed,
            (true, false) => Verdict::Met,
            (true, true) => Verdict::AimMet,
        }
    }
}

/// The middle of some values, or the mean of the two in the middle; not a number if there are none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (length, half) if length % 2 == 1 => sorted[half],
        (_, half) => f64::midpoint(sorted[half - 1], sorted[half]),
    }
}

/// The least value that so many per cent of all are not above; not a number if there are none.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let sorted = sorted(values);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// A number with three significant digits or so.
pub(crate) fn number(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => grouped(&text),
    }
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=150).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 50), 75.0);
        assert_eq!(percentile(&values, 99), 149.0);
        assert_eq!(percentile(&[7.0], 99), 7.0);
        assert!(percentile(&[], 50).is_nan());
    }

    #[test]
    fn the_median_is_held_against_must_and_aim() {
        let at_most = |runs: &[f64]| Figure::new("", "", runs.to_vec(), Goal::at_most(20.0, 5.0)).verdict();
        assert_eq!(at_most(&[1.0, 20.5, 99.0]), Verdict::Missed);
        assert_eq!(at_most(&[1.0, 20.0, 99.0]), Verdict::Met);
        assert_eq!(at_most(&[1.0, 5.0, 99.0]), Verdict::AimMet);
        let at_least = |value| Figure::new("", "", vec![value], Goal::at_least(0.15, 0.5)).verdict();
        assert_eq!(at_least(0.1), Verdict::Missed);
        assert_eq!(at_least(0.15), Verdict::Met);
        assert_eq!(at_least(0.5), Verdict::AimMet);
        assert_eq!(at_least(f64::NAN), Verdict::Missed);
        assert_eq!(Figure::shown("", "", vec![1.0]).verdict(), Verdict::Shown);
    }

    #[test]
    fn numbers_are_as_exact_as_they_are_meant() {
        let cases = [(0.151_6, "0.152"), (1.0, "1"), (12.34, "12.3"), (250.0, "250"), (10_000.4, "10,000"), (0.0, "0")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(-1_234.0), "-1,234");
    }
}
