//! Whether seats need gas money, on a real Anvil.

use std::time::Duration;

use alloy::{
    primitives::{Address, U256},
    signers::{SignerSync as _, local::PrivateKeySigner},
};
use futures::future::BoxFuture;
use ring_contracts::{Domain, Refill, Request, SignedRequest};
use ring_core::Evidence;
use ring_relayer::evidence::{Facts, Pace, Refills, Source, Sources, Trouble};

use crate::anvil::Anvil;

const DOMAIN: Domain = Domain { chain_id: 31_337, contract: Address::repeat_byte(0x11) };
const REFILL: Refill = Refill { amount: 1_000, period: 3_600 };
const BELOW: u64 = 500;
const PACE: Pace = Pace { parallel: 4, timeout: Duration::from_secs(20) };

/// Knows of nothing.
struct Books;

impl Source for Books {
    fn name(&self) -> &str {
        "books"
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn ask<'a>(&'a self, _: &'a Facts) -> BoxFuture<'a, Result<Evidence, Trouble>> {
        Box::pin(std::future::ready(Ok(Evidence::Refuted { reason: "no such order".into() })))
    }
}

fn sources(anvil: &Anvil, seat: &PrivateKeySigner) -> Sources {
    // Whichever test comes first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let rpcs = (vec![anvil.http().parse().unwrap()], 1);
    let refills = Refills::new(rpcs, DOMAIN, vec![seat.address()], REFILL, U256::from(BELOW), PACE);
    Sources::with_limits(DOMAIN, vec![Box::new(Books)], Vec::new(), Vec::new(), Some(refills))
}

fn signed(key: &PrivateKeySigner, request: Request) -> SignedRequest {
    let signature = key.sign_hash_sync(&request.digest(&DOMAIN)).unwrap();
    SignedRequest { request, signature: signature.as_bytes().into() }
}

#[tokio::test]
async fn a_refill_is_genuine_while_the_account_has_too_little_and_its_period_has_begun() {
    let anvil = Anvil::start(&[]).await;
    let seat = PrivateKeySigner::random();
    let sources = sources(&anvil, &seat);
    sources.check().await.unwrap();
    let now = anvil.time().await;
    let refill = |time| signed(&seat, REFILL.request(&DOMAIN, 1, seat.address(), time));
    for (wei, expected) in [(0, Evidence::Genuine), (BELOW - 1, Evidence::Genuine), (BELOW, Evidence::NotYet)] {
        anvil.set_balance(seat.address(), U256::from(wei)).await;
        anvil.mine(1).await;
        assert_eq!(sources.ask(&refill(now)).await, expected, "{wei}");
    }
    anvil.set_balance(seat.address(), U256::ZERO).await;
    let next = (now / REFILL.period + 1) * REFILL.period;
    for (time, expected) in [(next - 1, Evidence::NotYet), (next, Evidence::Genuine)] {
        anvil.set_next_time(time).await;
        anvil.mine(1).await;
        assert_eq!(sources.ask(&refill(next)).await, expected, "at {time}");
    }
}

#[tokio::test]
async fn what_is_no_refill_is_what_the_other_sources_say() {
    let anvil = Anvil::start(&[]).await;
    let seat = PrivateKeySigner::random();
    let right = REFILL.request(&DOMAIN, 1, seat.address(), anvil.time().await);
    let other = Request { value: REFILL.amount + 1, ..right };
    assert!(matches!(sources(&anvil, &seat).ask(&signed(&seat, other)).await, Evidence::Refuted { .. }));
}
