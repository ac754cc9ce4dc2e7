//! What people have to hear of the edges to the chain: once, and what passes by itself only if it lasts.

use std::time::Duration;

use ring_core::Dispute;
use tokio::time::Instant;

use crate::chain::{Alarm, Connection, Disagreement, Sending};

/// For how long a transaction may not get on before people hear of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What they have heard.
#[derive(Debug, Default)]
pub(super) struct Worries {
    /// Since when the RPCs contradict each other.
    disputed_since: Option<u64>,
    /// Since when nothing gets on, and whether they heard of it.
    stuck: Option<(Instant, bool)>,
    warnings: Vec<Alarm>,
}

impl Worries {
    /// What is new about the connection, and what is worse than an alarm.
    pub(super) fn of_connection(&mut self, connection: &Connection) -> (Option<String>, Option<Dispute>) {
        let Some(Disagreement { since, is_lasting, contradiction }) = &connection.disagreement else {
            self.disputed_since = None;
            return (None, None);
        };
        let answers = contradiction.evidence.answers.iter();
        let dispute = Dispute {
            since: *since,
            what: contradiction.what.to_string(),
            block: contradiction.evidence.block,
            answers: answers.map(|answer| format!("{} says {}", answer.rpc, answer.answer)).collect(),
        };
        let news = self.disputed_since.replace(*since) != Some(*since);
        let alarm = || {
            format!(
                "the RPCs contradict each other about {} of block {} ({}): nothing is signed until they agree",
                dispute.what,
                dispute.block,
                dispute.answers.join(", but ")
            )
        };
        (news.then(alarm), is_lasting.then(|| dispute.clone()))
    }

    /// What is new about sending.
    pub(super) fn of_sending(&mut self, sending: &Sending, now: Instant) -> Vec<String> {
        let mut alarms = Vec::new();
        match (&sending.alarm, &mut self.stuck) {
            (None, stuck) => *stuck = None,
            (Some(_), stuck @ None) => *stuck = Some((now, false)),
            (Some(alarm), Some((since, told))) if !*told && now.duration_since(*since) >= PATIENCE => {
                *told = true;
                alarms.push(alarm.to_string());
            }
            (Some(_), Some(_)) => {}
        }
        let new = sending.warnings.iter().filter(|warning| !self.warnings.contains(warning));
        alarms.extend(new.map(ToString::to_string));
        self.warnings = sending.warnings.clone();
        alarms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{Answer, Contradiction, Evidence, Subject};

    fn disputed(since: u64, is_lasting: bool) -> Connection {
        let answer = |rpc: &str| Answer { rpc: rpc.into(), answer: "1".into() };
        let evidence = Evidence { block: 7, hash: None, answers: [answer("rpc[0]"), answer("rpc[1]")] };
        let contradiction = Contradiction { what: Subject::State, evidence };
        Connection { disagreement: Some(Disagreement { since, is_lasting, contradiction }), ..Connection::default() }
    }

    #[test]
    fn a_dispute_is_told_once_and_handed_on_when_it_lasts() {
        let mut worries = Worries::default();
        assert!(matches!(worries.of_connection(&disputed(5, false)), (Some(_), None)));
        assert_eq!(worries.of_connection(&disputed(5, false)), (None, None));
        assert!(matches!(worries.of_connection(&disputed(5, true)), (None, Some(Dispute { since: 5, block: 7, .. }))));
        assert_eq!(worries.of_connection(&Connection::default()), (None, None));
        assert!(matches!(worries.of_connection(&disputed(9, false)), (Some(_), None)));
    }

    #[test]
    fn what_does_not_get_on_is_told_once_it_lasts_and_a_warning_at_once() {
        let (mut worries, start) = (Worries::default(), Instant::now());
        let stuck = Sending { alarm: Some(Alarm::Rpc("down".into())), ..Sending::default() };
        assert!(worries.of_sending(&stuck, start).is_empty());
        assert!(worries.of_sending(&stuck, start + PATIENCE / 2).is_empty());
        assert_eq!(worries.of_sending(&stuck, start + PATIENCE).len(), 1);
        assert!(worries.of_sending(&stuck, start + 2 * PATIENCE).is_empty());
        assert!(worries.of_sending(&Sending::default(), start + 2 * PATIENCE).is_empty());
        let warned = Sending { warnings: vec![Alarm::Signer("locked".into())], ..Sending::default() };
        assert_eq!(worries.of_sending(&warned, start).len(), 1);
        assert!(worries.of_sending(&warned, start).is_empty());
    }
}
