//! How long to leave alone what failed.

use std::time::Duration;

use super::fault::Fault;

/// The first pause after a fault; it doubles with each fault in a row.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The pause after this fault, which is the `failures`-th in a row: as long as the RPC asked for, or twice the last.
pub(super) fn pause(failures: u32, fault: &Fault) -> Duration {
    let doubled = SHORTEST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16));
    fault.retry_after().unwrap_or(doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_unless_the_rpc_says_how_long() {
        let fault = Fault::TimedOut(Duration::from_secs(10));
        assert_eq!(pause(1, &fault), SHORTEST_PAUSE);
        assert_eq!(pause(3, &fault), 4 * SHORTEST_PAUSE);
        assert_eq!(pause(u32::MAX, &fault), LONGEST_PAUSE);
        let throttled = |seconds| Fault::Throttled { retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(pause(9, &throttled(2)), Duration::from_secs(2));
        assert_eq!(pause(1, &throttled(3_600)), LONGEST_PAUSE);
    }
}
