//! Keeps a lasting trouble from filling the log.

use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(60);

/// Lets one message a minute through.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    last: Option<Instant>,
    silenced: u32,
}

impl Quiet {
    /// Whether to say it now; and if so, how often it was not said since the last time.
    pub(super) fn ask(&mut self) -> Option<u32> {
        if self.last.is_some_and(|last| last.elapsed() < INTERVAL) {
            self.silenced += 1;
            return None;
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.silenced))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_at_once_is_silenced() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.ask(), Some(0));
        assert_eq!(quiet.ask(), None);
        quiet.last = quiet.last.map(|last| last - INTERVAL);
        assert_eq!(quiet.ask(), Some(1));
    }
}
