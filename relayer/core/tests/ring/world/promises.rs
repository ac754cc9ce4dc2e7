//! What has to hold, whatever happens.

use super::*;

impl World {
    pub(super) fn check(&self, holds: bool, promise: &str, what: impl FnOnce() -> String) {
        if !holds {
            let log: Vec<&str> = self.log.iter().map(String::as_str).collect();
            panic!("promise ({promise}) broken: {}\n{:?}\nlately:\n  {}", what(), self.plan, log.join("\n  "));
        }
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.log.len() == 400 {
            self.log.pop_front();
        }
        self.log.push_back(what());
    }

    pub(super) fn void(&self, epoch: u32, nonce: u64) -> B256 {
        Turn::void(RING, epoch, nonce).digest(&domain())
    }

    /// Whether seats halt before their peers had their chance to explain a turn: messages are lost for longer than that.
    pub(crate) fn is_impatient(&self) -> bool {
        self.plan.grace < self.plan.steps as u64
    }

    /// (d) Without a theft, a change by the master or an order, nobody halts.
    /// (l) What a seat withholds it reserves in no turn.
    pub(super) fn check_records(&self, seat: usize, records: &[Record]) {
        let disk = &self.hosts[seat].disk;
        let mut withheld = disk.withheld.clone();
        for (at, record) in records.iter().enumerate() {
            match record {
                Record::Withheld { request, .. } => drop(withheld.insert(*request)),
                Record::Reserved { digest, void: false, .. } => {
                    let earlier = records[..at].iter().filter_map(|record| match record {
                        Record::Content(turn) => Some(turn),
                        _ => None,
                    });
                    let turn = disk.contents.iter().chain(earlier).find(|turn| turn.digest(&domain()) == *digest);
                    let calls = turn.map(Turn::calls).unwrap_or_default();
                    let free = calls.iter().all(|call| !withheld.contains(&call.request_id));
                    self.check(free, "l", || format!("seat {seat} reserves {digest} with what was cancelled"));
                }
                _ => {}
            }
            let Record::Halted(halt) = record else { continue };
            let excused = self.struck
                || matches!(
                    halt,
                    ring_core::Halt::Ordered { .. }
                        | ring_core::Halt::ChainDisputed(_)
                        | ring_core::Halt::Shortfall(_)
                        | ring_core::Halt::TermsChanged(_)
                )
                || self.is_impatient() && matches!(halt, ring_core::Halt::UnknownTurn { own_key_used: false, .. })
                || matches!(halt, ring_core::Halt::RingChanged { .. }) && self.plan.changes > self.changes_left
                || matches!(halt, ring_core::Halt::HaltedOnChain) && self.is_impatient();
            self.check(excused, "d", || format!("seat {seat} halts without cause: {halt}"));
        }
    }

    /// (o) A seat goes on in an announced epoch only once the one before is finally over, and from its first turn on.
    pub(super) fn check_succession(&mut self, seat: usize, epoch: u32, nonce: u64) {
        let ledger = self.chain.final_ledger().clone();
        let right = (epoch, nonce) == (ledger.epoch, ledger.epoch_start);
        self.check(right, "o", || {
            format!(
                "seat {seat} goes on in epoch {epoch} from turn {nonce}, and it is {} from {}",
                ledger.epoch, ledger.epoch_start
            )
        });
        let open =
            (0..nonce).filter(|nonce| !self.hosts[seat].journal.iter().any(|record| record.closes() == Some(*nonce)));
        let open: Vec<u64> = open.filter(|nonce| *nonce >= self.hosts[seat].disk.joined).collect();
        self.check(open.is_empty(), "o", || format!("seat {seat} goes on without having settled turns {open:?}"));
    }

    /// (a) Reserved before, one content a key and nonce; (e) nothing after a halt, nor after a turn of a thief that was
    /// seen; (i) nothing over the allowance.
    pub(super) fn check_signing(&mut self, seat: usize, nonce: u64, digest: B256) {
        let host = &self.hosts[seat];
        let epoch = host.disk.epoch;
        let reserved = host.disk.reserved.contains(&(epoch, nonce, digest));
        self.check(reserved, "a", || format!("seat {seat} signs for turn {nonce} what it has not reserved"));
        self.check(!host.disk.halted, "e", || format!("seat {seat} signs for turn {nonce} though it is halted"));
        // After a crash in the middle of its actions a seat has no view any more.
        if let Some(view) = &host.view {
            let judged = |turn: &&ring_core::ObservedTurn| turn.nonce >= host.disk.joined;
            let stolen = view.turns.iter().filter(judged).any(|turn| self.foreign.contains(&turn.digest));
            self.check(!stolen, "e", || format!("seat {seat} signs turn {nonce} after one of the thief"));
            let turn = host.disk.contents.iter().find(|turn| turn.digest(&domain()) == digest);
            let mut spent: BTreeMap<Address, U256> = BTreeMap::new();
            for call in turn.map(Turn::calls).unwrap_or_default() {
                let charges = call.charges(host.settings.charter.asset, &view.permissions);
                for (asset, amount) in charges.unwrap() {
                    *spent.entry(asset).or_default() += amount;
                }
            }
            let within = |(asset, amount): (&Address, &U256)| *amount <= view.allowances[asset].left;
            // What was reserved once may be signed again after a reorg has changed what is left: it is the same turn.
            let first =
                !self.signed.get(&(host.signer.address(), epoch, nonce)).is_some_and(|all| all.contains(&digest));
            self.check(!first || spent.iter().all(within), "i", || {
                format!("seat {seat} signs turn {nonce} over the cap")
            });
        }
        if digest != self.void(epoch, nonce) {
            let contents = self.signed.entry((self.hosts[seat].signer.address(), epoch, nonce)).or_default();
            contents.insert(digest);
            let once = contents.len() == 1;
            self.check(once, "a", || format!("seat {seat} signs two contents for turn {nonce} of epoch {epoch}"));
        }
    }

    /// (k) A seat's own sources confirm what it reserves.
    pub(super) fn check_evidence(&self, seat: usize, digest: B256) {
        let host = &self.hosts[seat];
        let turn = host.disk.contents.iter().find(|turn| turn.digest(&domain()) == digest);
        let calls = turn.map(Turn::calls).unwrap_or_default();
        let is_recent = |at: &u64| self.plan.confirmed_ticks.is_none_or(|lasts| host.ticks < at + lasts);
        let confirmed = calls.iter().all(|call| host.confirmed.get(&call.request_id).is_some_and(is_recent));
        self.check(!self.plan.evidence || confirmed, "k", || format!("seat {seat} reserves {digest} without evidence"));
    }

    /// (b) On no head is a request executed twice; (h) nor after its expiry; nor anything that nobody asked for.
    pub(super) fn check_chain(&self) {
        let ledger = self.chain.ledger();
        let mut executed = BTreeSet::new();
        for turn in ledger.turns.iter().filter(|turn| !self.foreign.contains(&turn.digest)) {
            for call in turn.turn.calls() {
                let id = call.request_id;
                let request = &self.posted[&id].request;
                self.check(request.to_call(ledger.charter.asset) == *call, "b", || {
                    format!("{id}: nobody asked for {call:?}")
                });
                self.check(executed.insert(id), "b", || format!("{id} is executed twice"));
                self.check(!self.cancelled.contains(&id), "l", || {
                    format!("{id} is executed although it was called cancelled")
                });
                self.check(turn.block.time <= request.expiry, "h", || format!("{id} is executed after its expiry"));
            }
        }
    }

    /// (j) An end that was told of stays.
    pub(super) fn check_ends(&mut self, seat: usize) {
        let host = &mut self.hosts[seat];
        if host.state.is_none() {
            return;
        }
        let mut changed = None;
        for id in self.posted.keys() {
            let phase = host.status(*id).map(|status| status.phase);
            match (host.ends.get(id), phase) {
                (Some(end), now) if now != Some(*end) => changed = Some(format!("{id}: {end:?} became {now:?}")),
                (Some(_), _) => {}
                (None, Some(phase)) if is_end(phase) => {
                    host.ends.insert(*id, phase);
                    if phase == Phase::Cancelled && self.given_up.len() < usize::from(self.plan.quorum) {
                        self.cancelled.insert(*id);
                    }
                }
                (None, _) => {}
            }
        }
        self.check(changed.is_none(), "j", || changed.unwrap_or_default());
        self.check_chain();
    }

    /// (n) What the disk says is what the process knows.
    pub(super) fn check_replay(&mut self, seat: usize) {
        let host = &self.hosts[seat];
        let (Some(live), Some(view)) = (&host.state, &host.view) else { return };
        let (mut live, mut restored) = (live.clone(), host.restored());
        for state in [&mut live, &mut restored] {
            state.step([Event::Chain(view.clone())], &Past::new());
        }
        // How long it has waited for a silent lead, a seat does not remember: live, it may be about to lead itself.
        let may_lead = self.plan.quorum < self.plan.window;
        let plain = |state: &ring_core::State| {
            let mut overview = serde_json::to_value(state.overview()).unwrap();
            // Who else holds a request, and which contents were refused, is asked again after a restart.
            overview["unexplained"] = serde_json::Value::Null;
            if may_lead {
                (overview["waiting"], overview["bound"]) = Default::default();
            }
            let phases = self.posted.keys().map(|id| {
                state.request_status(*id).map(|status| match status.phase {
                    Phase::Received => Phase::Accepted,
                    Phase::Signing { .. } if may_lead => Phase::Accepted,
                    phase => phase,
                })
            });
            (overview.to_string(), phases.collect::<Vec<_>>())
        };
        let (left, right) = (plain(&live), plain(&restored));
        // A halted seat looks at no more turns; what it could not explain then, it leaves at that until it starts again.
        self.check(left == right || host.disk.halted, "n", || {
            format!("seat {seat}: {left:?}, from its disk {right:?}")
        });
        let order = || Event::HaltOrdered { reason: "to compare".to_owned() };
        let (left, right) =
            (live.step([order()], &Past::new()).records, restored.step([order()], &Past::new()).records);
        self.check(left == right, "n", || format!("seat {seat} does {left:?}, from its disk {right:?}"));
    }
}

pub(super) fn is_end(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Final { .. } | Phase::Failed { .. } | Phase::Expired | Phase::Cancelled | Phase::Disputed { .. }
    )
}
