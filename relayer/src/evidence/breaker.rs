//! Leaving a source alone that does not work.

use std::time::Duration;

use tokio::time::Instant;

/// After so many failures in a row a source is left alone.
const MOST_FAILURES: u32 = 3;
/// How long at first; twice as long after each further failure.
const FIRST_REST: Duration = Duration::from_secs(1);
/// But no longer.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// Nor longer than that if the source itself asks for it.
const LONGEST_OBEDIENCE: Duration = Duration::from_secs(3_600);

/// What may be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// Ask.
    Ask,
    /// Nothing, until then.
    RestUntil(Instant),
    /// Nothing, until it is known whether the source works again: somebody is finding out.
    Wait,
}

/// Whether a source is worth asking.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// In a row.
    failures: u32,
    resting_until: Option<Instant>,
    /// Somebody asks after a rest: one question is enough to see whether it works.
    is_probed: bool,
}

impl Breaker {
    /// Whoever is let ask has to come back with [`worked`](Self::worked), [`failed`](Self::failed) or
    /// [`gave_up`](Self::gave_up).
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match self.resting_until {
            None => Admission::Ask,
            Some(until) if now < until => Admission::RestUntil(until),
            Some(_) if self.is_probed => Admission::Wait,
            Some(_) => {
                self.is_probed = true;
                Admission::Ask
            }
        }
    }

    /// It answered. Returns whether that is news.
    pub(super) fn worked(&mut self) -> bool {
        let was_resting = self.resting_until.is_some();
        *self = Self::default();
        was_resting
    }

    /// It did not. Returns for how long it is left alone, if that is news.
    pub(super) fn failed(&mut self, now: Instant, retry_after: Option<Duration>) -> Option<Duration> {
        // What was asked before the rest and failed late says nothing new.
        if self.resting_until.is_some() && !self.is_probed {
            return None;
        }
        self.is_probed = false;
        self.failures = self.failures.saturating_add(1);
        let doublings = self.failures.saturating_sub(MOST_FAILURES).min(16);
        let own = (self.failures >= MOST_FAILURES).then(|| (FIRST_REST * 2u32.pow(doublings)).min(LONGEST_REST));
        let rest = own.max(retry_after.map(|after| after.min(LONGEST_OBEDIENCE)))?;
        self.resting_until = Some(now + rest);
        Some(rest)
    }

    /// Whoever asked does not know.
    pub(super) fn gave_up(&mut self) {
        self.is_probed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn broken(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.failed(now, None), None);
        assert_eq!(breaker.failed(now, None), None);
        assert_eq!(breaker.failed(now, None), Some(SECOND));
        breaker
    }

    #[test]
    fn some_failures_between_answers_are_nothing() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..9 {
            assert_eq!(breaker.failed(now, None), None);
            assert_eq!(breaker.failed(now, None), None);
            assert!(!breaker.worked());
        }
        assert_eq!(breaker.admit(now), Admission::Ask);
    }

    #[test]
    fn after_three_failures_it_rests_and_then_one_finds_out() {
        let now = Instant::now();
        let mut breaker = broken(now);
        assert_eq!(breaker.admit(now), Admission::RestUntil(now + SECOND));
        assert_eq!(breaker.admit(now + SECOND), Admission::Ask);
        assert_eq!(breaker.admit(now + SECOND), Admission::Wait);
        assert!(breaker.worked());
        assert_eq!(breaker.admit(now + SECOND), Admission::Ask);
        assert_eq!(breaker.admit(now + SECOND), Admission::Ask);
    }

    #[test]
    fn each_failure_more_doubles_the_rest_up_to_a_minute() {
        let mut now = Instant::now();
        let mut breaker = broken(now);
        now += SECOND;
        for expected in [2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(breaker.admit(now), Admission::Ask);
            assert_eq!(breaker.failed(now, None), Some(SECOND * expected));
            now += SECOND * expected;
        }
    }

    #[test]
    fn what_fails_late_does_not_prolong_the_rest() {
        let now = Instant::now();
        let mut breaker = broken(now);
        assert_eq!(breaker.failed(now + SECOND / 2, None), None);
        assert_eq!(breaker.admit(now + SECOND), Admission::Ask);
    }

    #[test]
    fn a_source_that_asks_for_rest_gets_it_at_once_within_reason() {
        let now = Instant::now();
        let rest = |after| Breaker::default().failed(now, Some(after));
        assert_eq!(rest(SECOND * 30), Some(SECOND * 30));
        assert_eq!(rest(SECOND * 1_000_000), Some(LONGEST_OBEDIENCE));
    }

    #[test]
    fn a_probe_that_was_given_up_is_made_again() {
        let now = Instant::now();
        let mut breaker = broken(now);
        assert_eq!(breaker.admit(now + SECOND), Admission::Ask);
        breaker.gave_up();
        assert_eq!(breaker.admit(now + SECOND), Admission::Ask);
    }
}
