//! One step of one seat.

use super::*;

impl World {
    /// An event for a seat: its step, its disk, its actions; between any two of them it may crash.
    pub(crate) fn feed(&mut self, seat: usize, event: Event) {
        let host = &mut self.hosts[seat];
        if host.state.is_none() {
            return;
        }
        host.ticks += u64::from(matches!(event, Event::Tick));
        let epoch = host.disk.epoch;
        let told = describe(&event);
        let Effects { records, mut actions } = host.step(event);
        if !records.is_empty() || !actions.is_empty() {
            self.note(|| format!("seat {seat}: {told} -> {} records, {} actions", records.len(), actions.len()));
        }
        let crashes = self.faults && self.random.chance(self.plan.crashes);
        if crashes && self.random.chance(300) {
            // Before anything was durable: nothing of it ever was.
            return self.crash(seat);
        }
        self.check_records(seat, &records);
        let reserved: Vec<B256> = records.iter().filter_map(reserved_content).collect();
        self.hosts[seat].write(records);
        reserved.into_iter().for_each(|digest| self.check_evidence(seat, digest));
        if crashes {
            let done = self.random.index(actions.len() + 1);
            actions.truncate(done);
            self.crash(seat);
        }
        for action in actions {
            self.perform(seat, action);
            // The process of the new epoch knows nothing of what the old one was about to do.
            if self.hosts[seat].disk.epoch != epoch {
                break;
            }
        }
        self.check_ends(seat);
    }

    pub(super) fn perform(&mut self, seat: usize, action: Action) {
        match action {
            Action::Sign { nonce, digest } => {
                self.check_signing(seat, nonce, digest);
                self.hosts[seat].signing.push((nonce, digest));
            }
            Action::Send { to, message } => {
                let turn_after_halt = matches!(message, Message::Turn { .. }) && self.hosts[seat].disk.halted;
                self.check(!turn_after_halt, "e", || format!("seat {seat} is halted and still spreads a turn"));
                self.network.push_back((seat, to, Letter::Message(message)));
            }
            Action::Submit { turn, digest, witness } => {
                self.check(turn.digest(&domain()) == digest, "a", || "the digest is of another turn".to_owned());
                let host = &mut self.hosts[seat];
                let reserved = host.disk.reserved.contains(&(host.disk.epoch, turn.id().nonce, digest));
                let sender = host.signer.address();
                let transaction = Transaction::Execute { turn, witness, sender };
                host.submission = Some(transaction.clone());
                self.check(reserved, "a", || format!("seat {seat} stands behind a turn it has not reserved"));
                self.send_transaction(transaction);
            }
            Action::HaltOnChain { epoch, proof } => {
                let halt = match proof.map(|proof| proof.check(&domain()).unwrap()) {
                    Some(key) => Transaction::Prove { epoch, key },
                    None => Transaction::Halt { epoch, by: self.hosts[seat].signer.address() },
                };
                self.hosts[seat].halting = Some(halt.clone());
                self.send_transaction(halt);
            }
            Action::Explain { to, nonce } => {
                let messages = self.hosts[seat].explanations(nonce);
                self.network.extend(messages.into_iter().map(|message| (seat, to, Letter::Message(message))));
            }
            Action::Objected { from, nonce, reason, .. } => {
                self.objections.push((seat, format!("turn {nonce} of seat {from}: {reason}")));
            }
            Action::Answer { request, submission } => {
                self.answers.insert((seat, request), submission);
            }
            Action::AnswerCancellation { request, answer } => {
                let disk = &self.hosts[seat].disk;
                let right = match &answer {
                    Cancelling::Kept => disk.withheld.contains(&request),
                    Cancelling::Done => self.cancelled.contains(&request) || !self.given_up.is_empty(),
                    Cancelling::Refused(_) => true,
                };
                self.check(right, "l", || format!("{request}: {answer:?}, which is not on the disk of seat {seat}"));
                self.cancel_answers.insert((seat, request), answer);
            }
            Action::TellCancelled { to, request, cancellation } => {
                let request = self.hosts[seat].disk.requests[&request].clone();
                let requests = vec![CancelledRequest { request, cancellation }];
                self.network.push_back((seat, to, Letter::Message(Message::Cancellations { requests })));
            }
            Action::Accepted { request } => {
                let Some(signed) = self.posted.get(&request).cloned() else { return };
                let holds = |host: &&Host| host.disk.requests.get(&request) == Some(&signed);
                let copies = self.hosts.iter().filter(holds).count();
                // A store that the master gave up took its copies with it.
                let given_up = self.plan.changes > self.changes_left;
                self.check(copies >= self.plan.copies || given_up, "c", || {
                    format!("{request} is called accepted with {copies} copies")
                });
                self.accepted.insert(request);
            }
            Action::Inquire { request } => self.hosts[seat].inquiries.push(request.request.id),
            Action::Refuted { request, reason } => {
                self.objections.push((seat, format!("request {request}: {reason}")));
            }
            Action::Succeed { epoch, nonce, charter } => {
                self.check_succession(seat, epoch, nonce);
                self.note(|| format!("seat {seat} goes on in epoch {epoch} from turn {nonce} on"));
                self.hosts[seat].succeed(Record::Succeeded { epoch, nonce, charter });
            }
            Action::Alarm { reason } => self.alarms.push((seat, reason)),
            Action::Changed { .. } => {}
        }
    }

    pub(super) fn send_transaction(&mut self, transaction: Transaction) {
        if !self.pool.contains(&transaction) {
            self.pool.push(transaction);
        }
    }
}

fn reserved_content(record: &Record) -> Option<B256> {
    match record {
        Record::Reserved { digest, void: false, .. } => Some(*digest),
        _ => None,
    }
}

fn describe(event: &Event) -> String {
    match event {
        Event::Submitted(signed) => format!("submitted {}", signed.request.id),
        Event::Cancelled(signed) => format!("cancelled {}", signed.cancellation.id),
        Event::Received { from, message } => match message {
            Message::Requests { requests } => format!("{} requests from {from}", requests.len()),
            Message::Turn { turn, votes, .. } => {
                let ids: Vec<_> = turn.calls().iter().map(|call| call.request_id[15]).collect();
                let votes: Vec<_> = votes.iter().map(|vote| vote.seat).collect();
                let TurnId { epoch, nonce, valid_until, .. } = turn.id();
                format!("turn {epoch}/{nonce} until {valid_until} with {ids:?}, votes {votes:?}, from {from}")
            }
            other => format!("{other:?} from {from}"),
        },
        Event::Delivered { to, requests, confirmed } => {
            format!("{} requests and {} confirmations delivered to {to}", requests.len(), confirmed.len())
        }
        Event::Found { request, evidence } => format!("{evidence:?} {request}"),
        Event::Signed { nonce, digest, .. } => format!("signed {nonce} {digest}"),
        Event::Chain(view) => format!(
            "chain at {} time {}: nonce {} epoch {} final {} {}",
            view.head.number, view.head.time, view.nonce, view.epoch, view.final_nonce, view.final_epoch
        ),
        Event::ChainDisputed(dispute) => format!("the chain is disputed: {dispute:?}"),
        Event::Shortfall(shortfall) => format!("the treasury is short: {shortfall:?}"),
        Event::Tick => "tick".to_owned(),
        Event::HaltOrdered { .. } => "ordered to halt".to_owned(),
    }
}
