//! Clients: they post requests, the same again, and some two contents under one id.

use ring_contracts::{
    Address, B256, Cancellation, ERC20_TRANSFER_SELECTOR, Request, RequestId, SignedCancellation, SignedRequest, U256,
};
use ring_core::{Cancelling, Event, Outcome, Refusal, Submission};

use super::{World, driver::Answers, happening::Happening, plan::Fault, promise::Promise, words::name};
use crate::chain::{GENESIS_TIME, RING, UNWILLING};

/// An expiry that no world reaches.
pub(super) const FAR: u64 = GENESIS_TIME + 1_000_000_000;

/// What a client has to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// It is known.
    Known,
    /// It has ended so.
    Ended(Outcome),
    /// The id has another content.
    Conflict,
}

impl World {
    /// A new request, at some seat; at two seats with two contents, where clients are that careless.
    pub(super) fn post_new(&mut self) {
        let number = self.posted.len() as u8 + 1;
        let torn = self.strikes(Fault::TwoContents, 500);
        let first = self.request(number, 0, torn);
        let mut contents = vec![first];
        if torn {
            self.counts.fault("two contents for one id");
            contents.push(self.request(number, 1, true));
        }
        let id = contents[0].request.id;
        self.posted.insert(id, contents.clone());
        for signed in contents {
            let seat = self.chance.clients.index(self.seats.len());
            self.feed(seat, Event::Submitted(signed), None);
        }
        if self.strikes(Fault::Cancel, 600) {
            // While it is on its way to its first turn, or any time later.
            let most = if self.random(Fault::Cancel).chance(600) { 3_000 } else { 20_000 * self.plan.block_seconds };
            let at = self.now + self.random(Fault::Cancel).below(most);
            self.queue.add(at, Happening::Cancel { id });
        }
        // Before anybody has signed anything for it.
        if self.strikes(Fault::Theft, 500) {
            self.propose_altered();
        }
    }

    /// One of the requests again, at some seat; or, where that can only be refused, another content of its id.
    pub(super) fn post_again(&mut self) {
        let seat = self.chance.clients.index(self.seats.len());
        let ids: Vec<RequestId> = self.posted.keys().copied().collect();
        let Some(id) = self.chance.clients.choose(&ids).copied() else { return };
        let known = &self.seats[seat].known;
        let knows = known.requests.contains_key(&id);
        let signed = match knows && self.chance.clients.chance(300) {
            true => {
                let mut request = self.posted[&id][0].request.clone();
                request.gas += 1;
                self.sign_request(request)
            }
            false => {
                let contents = &self.posted[&id];
                contents[self.chance.clients.index(contents.len())].clone()
            }
        };
        self.feed(seat, Event::Submitted(signed), None);
    }

    /// One of a client's requests is cancelled, at some seat; often at another one too.
    pub(super) fn cancel(&mut self, id: RequestId) {
        let Some(contents) = self.posted.get(&id).cloned() else { return };
        let random = self.random(Fault::Cancel);
        let content = random.index(contents.len());
        let twice = random.chance(300);
        let Some(signed) = contents.get(content) else { return };
        let domain = self.chain.domain();
        let cancellation = Cancellation::of(&signed.request, &domain);
        let signature = self.requester.sign_long(&cancellation.digest(&domain));
        self.taken_back.insert(id);
        self.counts.fault("request cancelled");
        for _ in 0..=usize::from(twice) {
            let seats = self.seats.len();
            let seat = self.random(Fault::Cancel).index(seats);
            self.feed(seat, Event::Cancelled(SignedCancellation { cancellation, signature }), None);
        }
    }

    /// What a cancellation is answered is on disk.
    pub(super) fn check_cancelling(&mut self, seat: usize, id: RequestId, answer: &Cancelling) {
        self.note(|| format!("seat {seat} answers the cancellation of {}: {answer:?}", name(id)));
        let known = &self.seats[seat].known;
        let right = match answer {
            Cancelling::Kept => known.withheld.contains(&id),
            Cancelling::Done => matches!(known.ended.get(&id), Some(Outcome::Cancelled { .. })),
            Cancelling::Refused(_) => true,
        };
        self.check(right, Promise::CancelledForGood, || {
            format!("seat {seat} answers {answer:?} for {}, which is not on its disk", name(id))
        });
    }

    /// A payment to an account of its own, so that what it received says how often it was paid.
    fn request(&mut self, number: u8, variant: u8, soon: bool) -> SignedRequest {
        let now = GENESIS_TIME + self.now / 1_000;
        let random = &mut self.chance.clients;
        let amount = 1 + u128::from(random.below(40));
        let in_coin = random.chance(500);
        let unwilling = in_coin && random.chance(80);
        let expires = soon || random.chance(250);
        let expiry = match expires {
            true => now + self.plan.block_seconds * random.between(2, 40),
            false => FAR,
        };
        let to = if unwilling { UNWILLING } else { recipient(number, variant) };
        let (target, value, data) = match in_coin {
            true => (to, amount, Vec::new()),
            false => {
                let words = [to.into_word().0, U256::from(amount).to_be_bytes::<32>()].concat();
                (self.chain.token(), 0, [&ERC20_TRANSFER_SELECTOR[..], &words].concat())
            }
        };
        let id = RequestId::with_last_byte(number);
        self.sign_request(Request { id, ring: RING, target, value, data: data.into(), gas: 100_000, expiry })
    }

    pub(super) fn sign_request(&self, request: Request) -> SignedRequest {
        let signature = self.requester.sign_long(&request.digest(&self.chain.domain()));
        SignedRequest { request, signature }
    }

    /// What each of these has to be answered, as far as what is on the seat's disk says so.
    pub(super) fn expected_answers(&self, seat: usize, submitted: Vec<SignedRequest>) -> Answers {
        let known = &self.seats[seat].known;
        let mut answers = Answers::new();
        for signed in submitted {
            let id = signed.request.id;
            let expected = known.requests.get(&id).map(|kept| match known.ended.get(&id) {
                _ if kept.request != signed.request => Expected::Conflict,
                Some(outcome) => Expected::Ended(*outcome),
                None => Expected::Known,
            });
            answers.entry(id).or_default().push_back(expected);
        }
        answers
    }

    pub(super) fn check_answer(&mut self, seat: usize, id: RequestId, expected: Option<Expected>, answer: &Submission) {
        self.note(|| format!("seat {seat} answers for {}: {answer:?}", name(id)));
        let Some(expected) = expected else { return };
        let right = match (&expected, answer) {
            (Expected::Known, Submission::Known)
            // It ended in the very step that took the question: the client asks again.
            | (Expected::Known, Submission::Refused(Refusal::NotReady))
            | (Expected::Conflict, Submission::Refused(Refusal::Conflict(_) | Refusal::NotReady)) => true,
            (Expected::Ended(outcome), Submission::Ended(told)) => outcome == told,
            _ => false,
        };
        self.check(right, Promise::SameAnswer, || {
            format!("seat {seat} answers {answer:?} for {}, which has to be {expected:?}", name(id))
        });
    }

    /// A seat calls a request accepted: it has to be on as many disks as the settings say.
    pub(super) fn note_accepted(&mut self, seat: usize, id: RequestId) {
        let own = self.seats[seat].known.requests.get(&id).cloned();
        let holds = |seat: &&super::seat::Seat| {
            seat.known.requests.get(&id).is_some_and(|kept| Some(kept) == own.as_ref())
                || seat.known.ended.contains_key(&id)
        };
        let copies = self.seats.iter().filter(holds).count();
        // A thief says what it likes, a disk that was given up took its copies with it, and of two contents a seat keeps one.
        let torn = self.posted.get(&id).is_some_and(|contents| contents.len() > 1);
        let excused = !self.plan.stolen.is_empty() || self.changes > 0 || torn;
        self.check(copies >= self.plan.copies || excused, Promise::Copies, || {
            format!("{} is called accepted by seat {seat}, and is on {copies} disks", name(id))
        });
        if !torn {
            self.accepted.insert(id);
        }
    }
}

/// The account that a request pays.
pub(super) fn recipient(number: u8, variant: u8) -> Address {
    Address::from_word(B256::from(U256::from(0x7000_0000u64 + u64::from(variant) * 256 + u64::from(number))))
}
