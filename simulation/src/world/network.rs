//! Letters between seats.

use ring_core::{Event, Message};

use super::{
    World,
    happening::{Body, Happening, Letter},
    plan::Fault,
    seat::Reply,
};

/// How many letters may come again.
const OLD: usize = 64;

impl World {
    /// A seat sends something. It may be lost, come twice, or take long.
    pub(super) fn send(&mut self, from: usize, to: usize, body: Body) {
        if let Body::Message(message) = &body {
            self.overhear(to, message);
        }
        let letter = Letter { from, to, body };
        if self.strength(Fault::Replay) > 0 {
            if self.old_letters.len() == OLD {
                self.old_letters.pop_front();
            }
            self.old_letters.push_back(letter.clone());
        }
        if self.strikes(Fault::Loss, 500) {
            self.counts.fault("letter lost");
            return;
        }
        if self.strikes(Fault::Doubling, 400) {
            self.counts.fault("letter doubled");
            self.post_letter(letter.clone());
        }
        self.post_letter(letter);
    }

    fn post_letter(&mut self, letter: Letter) {
        let mut delay = 5 + self.chance.network.below(150);
        if self.strikes(Fault::Delay, 400) {
            self.counts.fault("letter late");
            let most = 8 * self.plan.block_seconds * 1_000;
            delay += self.random(Fault::Delay).below(most);
        }
        self.queue.add(self.now + delay, Happening::Letter(letter));
    }

    /// An old letter comes again.
    pub(super) fn replay(&mut self) {
        let letters = self.old_letters.len();
        if letters > 0 {
            let index = self.random(Fault::Replay).index(letters);
            let letter = self.old_letters[index].clone();
            self.counts.fault("letter replayed");
            self.post_letter(letter);
        }
    }

    pub(super) fn deliver(&mut self, Letter { from, to, body }: Letter) {
        if self.partition.as_ref().is_some_and(|side| side[from] != side[to]) {
            self.counts.fault("letter cut off");
            return;
        }
        match body {
            Body::Message(message) => {
                // As the server does: the sender is answered once all of it is on disk.
                let reply = match &message {
                    Message::Requests { requests } => {
                        let requests = requests.iter().map(|signed| signed.request.id).collect();
                        Some(Reply { to: from, requests, confirmed: Vec::new() })
                    }
                    Message::Confirmed { requests } => {
                        Some(Reply { to: from, requests: Vec::new(), confirmed: requests.clone() })
                    }
                    _ => None,
                };
                self.feed(to, Event::Received { from, message }, reply);
            }
            Body::Kept { requests, confirmed } => {
                self.feed(to, Event::Delivered { to: from, requests, confirmed }, None);
            }
        }
    }
}
