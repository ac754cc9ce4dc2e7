//! What seats let requesters ask for: the relayer's own limits, asked without a runtime.

use std::{
    collections::BTreeSet,
    iter,
    pin::pin,
    task::{Context, Poll, Waker},
};

use ring_contracts::{SignedRequest, U256};
use ring_core::Evidence;
use ring_relayer::{
    evidence::{Ledger, RequesterLimit, Sources},
    store::StoreError,
};

use super::{World, seat::Process};

impl World {
    /// The limits of a seat that starts.
    pub(super) fn limits(&self) -> (Sources, Option<Ledger>) {
        let Some(per_hour) = self.plan.requester_limit else { return (Sources::default(), None) };
        let limit = RequesterLimit {
            requester: self.requester.address(),
            assets: BTreeSet::new(),
            recipients: BTreeSet::new(),
            max_amount: None,
            per_hour: Some(U256::from(per_hour)),
            per_day: None,
            expires_at: None,
        };
        let sources = Sources::with_limits(self.chain.domain(), Vec::new(), vec![limit], Vec::new(), None);
        let ledger = sources.ledger();
        (sources, ledger)
    }
}

/// Whether a request is within a seat's limits; what it takes of them is written down, as the relayer's driver does.
pub(super) fn ask(process: &mut Process, request: &SignedRequest) -> Result<Evidence, StoreError> {
    let Process { limits: (sources, ledger), store, .. } = process;
    let mut asking = pin!(sources.ask(request));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(evidence) = asking.as_mut().poll(&mut context) {
            return Ok(evidence);
        }
        // It waits for the ledger, and for nothing else.
        let Some(ledger) = ledger else { return Ok(Evidence::NotYet) };
        let questions = iter::from_fn(|| ledger.waiting()).collect();
        ledger.answer(store, questions)?;
    }
}
