//! Keys of a ring are stolen: halt, revoke, form the ring anew, let the seats go on.

use alloy::primitives::Address;

use super::{
    CeremonyError,
    arguments::CompromiseDrillArgs,
    check::{Check, Effect},
    first_deployment::{charter_options, emergency_kit},
    minutes::{Line, Minutes},
    situation::Situation,
    step::{Invocation, Place, Step, ThreeSteps, key},
};
use crate::{error::Error, ring::Ring};

/// Which keys are stolen, and what takes their place.
#[derive(Debug)]
pub(super) struct CompromiseDrill {
    ring: u32,
    stolen: Vec<Address>,
    new: Vec<Address>,
}

impl CompromiseDrill {
    pub(super) fn new(args: &CompromiseDrillArgs) -> Result<Self, CeremonyError> {
        let CompromiseDrillArgs { ring, stolen, new, .. } = args;
        let all: std::collections::BTreeSet<&Address> = stolen.iter().chain(new).collect();
        if stolen.len() != new.len() || all.len() != 2 * stolen.len() {
            return Err(CeremonyError::Replacement { stolen: stolen.len(), new: new.len() });
        }
        Ok(Self { ring: *ring, stolen: stolen.clone(), new: new.clone() })
    }

    pub(super) fn subject(&self) -> Vec<Line> {
        vec![("ring", self.ring.to_string()), ("stolen", listed(&self.stolen)), ("new keys", listed(&self.new))]
    }

    /// How the ring is before, and the seats that it is to have.
    pub(super) async fn baseline(&self, situation: &Situation) -> Result<Vec<Line>, Error> {
        let found = Ring::read(&situation.chain().await?, self.ring).await?;
        let mut seats = found.charter.seats.clone();
        for (stolen, new) in self.stolen.iter().zip(&self.new) {
            let seat = seats.iter_mut().find(|seat| *seat == stolen);
            *seat.ok_or(CeremonyError::NoSeat { key: *stolen, ring: self.ring })? = *new;
        }
        if let Some(key) = self.new.iter().find(|key| found.charter.seat_of(**key).is_some()) {
            return Err(CeremonyError::HasSeat { key: *key, ring: self.ring }.into());
        }
        let (epoch, nonce) = (found.view.epoch.to_string(), found.nonce().to_string());
        Ok(vec![("epoch", epoch), ("next turn", nonce), ("seats to be", listed(&seats))])
    }

    pub(super) async fn steps(&self, situation: &Situation, minutes: &Minutes) -> Result<Vec<Step>, Error> {
        let Self { ring, stolen, new } = self;
        let (epoch, nonce) = (number(minutes, "epoch"), number(minutes, "next turn"));
        let chain = situation.chain().await?;
        let authorities = chain.authorities().await?;
        let found = Ring::read(&chain, *ring).await?;
        let seats: Vec<Address> =
            minutes.value("seats to be").unwrap_or_default().split(", ").filter_map(|seat| seat.parse().ok()).collect();
        let charter = ring_contracts::Charter { seats, ..found.charter };
        let by_contract = situation.is_contract(authorities.master).await?;
        let contract = situation.contract.to_string();
        let number_of_ring = ring.to_string();
        let three = |id: String, title: String, action: Vec<String>, effect: Effect| {
            let sign_with = &situation.how.sign_with;
            ThreeSteps { id, title, action, whose: "the master's", sign_with, effect, kept: false, by_contract }
                .into_steps(situation)
        };
        let guarded = |words: &[&str]| {
            Invocation::new(words.iter().copied()).and(["--contract", &contract]).and(situation.how.guard_with.words())
        };

        let halted = Effect::Halted { ring: *ring, epoch: epoch as u32 };
        let mut steps =
            vec![
            Step::new("halt", Place::Here, format!("halt ring {ring}"), Check::Chain(halted))
                .say("By whoever is there first: the guardian as below, an operator, or a sheet of the emergency kit.")
                .by(guarded(&["halt", "--ring", &number_of_ring])),
            Step::new("evidence", Place::Elsewhere("at the host of each seat"), "the evidence is kept", Check::Said)
                .say("Hosts that were taken go off the network, and are not switched off. Logs of all seats; \
                    `ring-seat SEAT explain`.")
                .say("Say what is known: which seats, since when, how many keys in a row around the ring."),
        ];
        for stolen in stolen {
            let title = format!("revoke {stolen}");
            let effect = Effect::Revoked { ring: *ring, key: *stolen };
            let key = stolen.to_string();
            if authorities.guardian.is_zero() {
                let action = ["revoke", "--ring", &number_of_ring, "--key", &key].map(str::to_owned).into();
                steps.extend(three(format!("revoke-{stolen}"), title, action, effect));
                continue;
            }
            let step = Step::new(format!("revoke-{stolen}"), Place::Here, title, Check::Chain(effect));
            steps.push(step.by(guarded(&["revoke", "--ring", &number_of_ring, "--key", &key])));
        }
        for new in new {
            let place = Place::Elsewhere("at a new host");
            steps.push(key(format!("key-{new}"), place, "a seat that gets a new one", *new));
            let title = format!("coin for gas on {new}");
            steps.push(Step::new(
                format!("coin-{new}"),
                Place::Elsewhere("from any account"),
                title,
                Check::Coin(*new),
            ));
        }
        let mut action: Vec<String> = ["ring", "set", "--ring", &number_of_ring].map(str::to_owned).into();
        action.extend(charter_options(&charter));
        let effect = Effect::Formed { ring: *ring, charter, after_epoch: epoch as u32 };
        steps.extend(three(
            format!("form-{ring}"),
            format!("form ring {ring} anew, so that it runs again"),
            action,
            effect,
        ));
        steps.push(
            Step::new("hosts", Place::Elsewhere("at the host of each seat"), "the seats go on", Check::Said)
                .say(format!(
                    "`[ring]` has the new seats; `ring-seat SEAT check` says `as announced`, in epoch \
                    {}.",
                    found.view.epoch
                ))
                .say(format!(
                    "A seat that keeps its key: `ring-seat SEAT resume --epoch {}`. One with a new key: \
                    `ring-seat SEAT init`.",
                    found.view.epoch
                ))
                .say("Start all; `GET /v1/health` answers 200."),
        );
        let turned = Effect::Turned { ring: *ring, nonce };
        steps.push(
            Step::new(
                "payment",
                Place::Elsewhere("where the backend is"),
                format!("ring {ring} pays again"),
                Check::Chain(turned),
            )
            .say("The clients post again, with the same ids, what was not final.")
            .or_skip(),
        );
        if !authorities.guardian.is_zero() && !situation.is_contract(authorities.guardian).await? {
            steps.extend(emergency_kit(situation, authorities.guardian, std::iter::once(*ring)));
        }
        steps.push(
            Step::new("lessons", Place::Elsewhere("with everybody who was there"), "what was learnt", Check::Said).say(
                "`ring-keys describe --out contract.new.toml` takes the place of contract.toml. What took \
                    longest? Who could not be reached?",
            ),
        );
        Ok(steps)
    }
}

fn listed(addresses: &[Address]) -> String {
    addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(", ")
}

fn number(minutes: &Minutes, label: &str) -> u64 {
    minutes.value(label).and_then(|value| value.parse().ok()).unwrap_or_default()
}
