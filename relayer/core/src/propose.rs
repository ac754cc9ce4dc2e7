//! The lead's work: making a turn of the requests that wait.

use std::{collections::BTreeMap, sync::Arc};

use ring_contracts::{Address, B256, Call, Effect, Turn, TurnId, U256};

use crate::{
    effect::Action,
    event::ChainView,
    record::Record,
    state::{Resend, State, Step},
};

impl State {
    /// Proposes a turn for the nonce at the head, if this seat is to lead it and anything waits.
    pub(crate) fn propose(&mut self, step: &mut Step) {
        let Some((epoch, view)) = self.may_sign() else { return };
        let nonce = view.nonce;
        if !self.leads(nonce)
            || self.slots.get(&nonce).is_some_and(|slot| slot.reserved.is_some() || slot.void_reserved)
        {
            return;
        }
        let Some(turn) = self.next_turn(epoch, &view) else { return };
        let digest = turn.digest(&self.settings.domain);
        self.record(step, Record::Content(turn));
        self.reserve(step, nonce, digest, false);
    }

    /// The epoch and the view of the chain, if this seat may sign anything at all now: it takes part in the epoch of the
    /// head, which is final (until then a turn of the epoch before could still be executed), is not halted, and knows every
    /// turn that was executed.
    pub(crate) fn may_sign(&self) -> Option<(u32, Arc<ChainView>)> {
        let view = self.chain.clone()?;
        let epoch = self.epoch()?;
        let running = !view.halted && view.epoch == epoch && view.final_epoch == epoch;
        let may = running && self.halt.is_none() && self.unexplained.is_empty() && self.knows_what_is_taken(&view);
        may.then_some((epoch, view))
    }

    /// Whether this seat knows of each request that a turn of the chain, as it is or may yet be, carries. The turns before it
    /// took part have to be final for that. And where two contents of one nonce can both have their quorum, a turn can be
    /// reorganised away and one executed instead that this seat never heard of: then so have all turns.
    fn knows_what_is_taken(&self, view: &ChainView) -> bool {
        let charter = &self.settings.charter;
        let only_one_can_win = 2 * u16::from(charter.quorum) > u16::from(charter.window);
        match only_one_can_win {
            true => self.joined.is_some_and(|joined| self.first_open >= joined.nonce),
            false => self.first_open == view.nonce,
        }
    }

    /// Whether this seat may propose for the nonce at the head: the first of the window. Where not every seat of the window is
    /// needed, the next ones in turn, as long as nothing is to be seen of a content.
    fn leads(&self, nonce: u64) -> bool {
        let charter = &self.settings.charter;
        let Some(position) = charter.position_in_window(nonce, self.seat) else { return false };
        if charter.quorum == charter.window {
            return position == 0;
        }
        let known = self.slots.get(&nonce).is_some_and(|slot| !slot.contents.is_empty() || !slot.refused.is_empty());
        let waited = self.now.saturating_sub(self.head_since.1);
        !known && waited >= position as u64 * self.settings.patience_ticks
    }

    /// The turn that carries the first requests that fit: unbound, in time, within what may be spent.
    fn next_turn(&mut self, epoch: u32, view: &ChainView) -> Option<Turn> {
        let mut calls = Vec::new();
        let mut spending = Spending::default();
        let mut gas = 0u64;
        if self.lease_is_over(view) {
            return None;
        }
        // A turn that has to wait for its time still has all of its validity then.
        let time = view.turn_time();
        let latest = TurnId::NO_EXPIRY.min(self.settings.charter.expires_at);
        let mut valid_until = time.saturating_add(self.settings.validity).min(latest);
        let mut next = self.none_fits_before;
        for tracked in self.pool.waiting_from(self.none_fits_before) {
            next = tracked.arrival() + 1;
            let request = &tracked.signed.request;
            if calls.len() == self.settings.max_calls {
                break;
            }
            let genuine = tracked.is_verified() || self.check_genuine(&tracked.signed).is_ok();
            if request.expiry <= time || !genuine || !self.is_confirmed_in_window(tracked, view.nonce) {
                continue;
            }
            let call = request.to_call(self.settings.charter.asset);
            let gas_with = gas + u64::from(call.gas);
            let fits = gas_with <= self.settings.max_gas && spending.add(&call, self.settings.charter.asset, view);
            if fits {
                gas = gas_with;
                valid_until = valid_until.min(request.expiry);
                calls.push(call);
            }
        }
        if calls.is_empty() {
            self.none_fits_before = next;
            return None;
        }
        calls.iter().for_each(|call| self.pool.note_verified(call.request_id));
        Turn::new(TurnId { ring: self.settings.ring, epoch, nonce: view.nonce, valid_until }, calls).ok()
    }

    /// Writes down that this seat's key signs this and nothing else for the nonce, and has it signed.
    pub(crate) fn reserve(&mut self, step: &mut Step, nonce: u64, digest: B256, void: bool) {
        self.record(step, Record::Reserved { nonce, digest, void });
        self.last_sent.insert(Resend::Signing { digest }, self.now);
        step.actions.push(Action::Sign { nonce, digest });
    }
}

/// What a batch spends, asset by asset.
#[derive(Default)]
pub(crate) struct Spending(BTreeMap<Address, U256>);

impl Spending {
    /// Adds a call, if what is permitted and may be spent at this head allows it beside the others.
    pub(crate) fn add(&mut self, call: &Call, main_asset: Address, view: &ChainView) -> bool {
        if matches!(&call.effect, Effect::Call { target, .. } if *target == view.master) {
            return false;
        }
        let Some(charges) = call.charges(main_asset, &view.permissions) else { return false };
        let mut spent = self.0.clone();
        for (asset, amount) in charges {
            let Some(allowance) = view.allowances.get(&asset) else { return false };
            let total = spent.entry(asset).or_default();
            match total.checked_add(amount) {
                Some(sum) if sum <= allowance.left => *total = sum,
                _ => return false,
            }
        }
        self.0 = spent;
        true
    }
}
