//! Telling a peer something in pieces: one message at a time, the next when the last was answered, all over again what got no
//! answer.

/// How far a peer has been told things that are numbered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sharing {
    /// The number from which on nothing has been sent yet.
    next: u64,
    /// Since which tick the last message waits for its answer.
    unanswered_since: Option<u64>,
    /// At which tick the last message was sent.
    sent_at: u64,
}

impl Sharing {
    /// The last message was answered.
    pub(crate) fn answered(&mut self) {
        self.unanswered_since = None;
    }

    /// What is to be sent now, if anything: the first `most` of what `untold` has from a number on. Sent again is what
    /// waited for its answer for `period` ticks, and what was left out of one.
    pub(crate) fn take<T, I: Iterator<Item = (u64, T)>>(
        &mut self,
        (now, period): (u64, u64),
        most: usize,
        untold: impl Fn(u64) -> I,
    ) -> Vec<T> {
        match self.unanswered_since {
            Some(since) if now < since + period => return Vec::new(),
            Some(_) => self.next = 0,
            None => {}
        }
        let mut batch: Vec<_> = untold(self.next).take(most).collect();
        if batch.is_empty() && self.next > 0 && now >= self.sent_at + period {
            batch = untold(0).take(most).collect();
        }
        if let Some((last, _)) = batch.last() {
            (self.next, self.unanswered_since, self.sent_at) = (last + 1, Some(now), now);
        }
        batch.into_iter().map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(sharing: &mut Sharing, now: u64, untold: &[u64]) -> Vec<u64> {
        let from = |next| untold.iter().copied().filter(move |number| *number >= next).map(|number| (number, number));
        sharing.take((now, 4), 2, from)
    }

    #[test]
    fn one_message_waits_for_the_answer_to_the_one_before() {
        let mut sharing = Sharing::default();
        assert_eq!(take(&mut sharing, 0, &[1, 2, 3, 4]), [1, 2]);
        assert!(take(&mut sharing, 3, &[1, 2, 3, 4]).is_empty());
        sharing.answered();
        assert_eq!(take(&mut sharing, 3, &[3, 4]), [3, 4]);
    }

    #[test]
    fn what_got_no_answer_is_sent_again() {
        let mut sharing = Sharing::default();
        take(&mut sharing, 0, &[1, 2, 3]);
        assert_eq!(take(&mut sharing, 4, &[1, 2, 3]), [1, 2]);
    }

    #[test]
    fn what_an_answer_left_out_is_sent_again_once_all_else_is_told() {
        let mut sharing = Sharing::default();
        take(&mut sharing, 0, &[1, 2, 3]);
        sharing.answered();
        assert_eq!(take(&mut sharing, 1, &[1, 3]), [3]);
        sharing.answered();
        assert!(take(&mut sharing, 2, &[1]).is_empty());
        assert_eq!(take(&mut sharing, 5, &[1]), [1]);
    }
}
