//! The master's key is gone: hand over with a copy of it, or without one pay out what the rings still can.

use alloy::primitives::Address;

use super::{
    arguments::{MasterLostArgs, Options},
    check::{Check, Effect},
    first_deployment::asset_option,
    minutes::{Line, Minutes},
    situation::Situation,
    step::{Place, Step, ThreeSteps, key},
};
use crate::{error::Error, ring::Ring, status, terms};

/// What is left.
#[derive(Debug)]
pub(super) enum MasterLost {
    /// There is a copy.
    Copy { successor: Address, accept_with: Options },
    /// There is none.
    Nothing { to: Address },
}

impl MasterLost {
    pub(super) fn new(args: &MasterLostArgs) -> Self {
        let accept_with = args.accept_with.clone();
        match (args.successor, args.to) {
            (Some(successor), _) => Self::Copy { successor, accept_with },
            (None, to) => Self::Nothing { to: to.unwrap_or_default() },
        }
    }

    pub(super) fn subject(&self) -> Vec<Line> {
        match self {
            Self::Copy { successor, .. } => vec![("successor", successor.to_string())],
            Self::Nothing { to } => vec![("pays out to", to.to_string())],
        }
    }

    /// Whose key is lost.
    pub(super) async fn baseline(&self, situation: &Situation) -> Result<Vec<Line>, Error> {
        let master = situation.chain().await?.authorities().await?.master;
        Ok(vec![("master", master.to_string())])
    }

    pub(super) async fn steps(&self, situation: &Situation, minutes: &Minutes) -> Result<Vec<Step>, Error> {
        let lost: Address = minutes.value("master").and_then(|value| value.parse().ok()).unwrap_or_default();
        match self {
            Self::Copy { successor, accept_with } => with_copy(situation, lost, *successor, accept_with).await,
            Self::Nothing { to } => with_nothing(situation, lost, *to).await,
        }
    }
}

async fn with_copy(
    situation: &Situation,
    lost: Address,
    successor: Address,
    accept_with: &Options,
) -> Result<Vec<Step>, Error> {
    let three = |id: &str, title: String, action: &[&str], whose, sign_with, effect, by_contract| {
        let action = action.iter().map(|word| (*word).to_owned()).collect();
        ThreeSteps { id: id.to_owned(), title, action, whose, sign_with, effect, kept: false, by_contract }
            .into_steps(situation)
    };
    let (is_contract, successor_is) = (situation.is_contract(lost).await?, situation.is_contract(successor).await?);
    let mut steps = vec![
        Step::new("copy", Place::Elsewhere("at the second safe"), "a copy of the master's key", Check::Said)
            .say(
                "The paper (`ring-keys import`), the shares (`ring-keys import --share …`), the second keystore, \
                the device's seed.",
            )
            .say(
                "If somebody may have seen the key, he can do the same: go on without a break, and have the \
                guardian ready to halt.",
            ),
    ];
    if !is_contract {
        let step =
            key("master-key".to_owned(), Place::Offline("the master's"), "the present master, from the copy", lost);
        steps.push(step);
    }
    if !successor_is {
        let place = Place::Offline("the successor's");
        steps.push(
            key("successor-key".to_owned(), place, "the successor", successor)
                .say("It is kept better than the last one: on two papers in two places, in shares, or it is a Safe."),
        );
    }
    steps.push(
        Step::new(
            "announced",
            Place::Elsewhere("at the host of each seat"),
            "the relayers know the successor",
            Check::Said,
        )
        .say(format!(
            "`ring.masters` names {successor} beside {lost}, where it names anybody; `systemctl \
                reload`. Else the seats halt."
        )),
    );
    let name = successor.to_string();
    let title = format!("hand over to {successor}");
    let effect = Effect::SuccessorNamed(successor);
    let sign_with = &situation.how.sign_with;
    steps.extend(three(
        "transfer",
        title,
        &["master", "transfer", &name],
        "the master's",
        sign_with,
        effect,
        is_contract,
    ));
    let effect = Effect::Ruled(successor);
    let (title, action) = ("the successor accepts".to_owned(), ["master", "accept"]);
    steps.extend(three("accept", title, &action, "the successor's", accept_with, effect, successor_is));
    steps.push(
        Step::new("afterwards", Place::Elsewhere("everywhere"), "the lost key is of no use any more", Check::Said)
            .say(format!(
                "`ring.masters` without {lost}; contract.toml with the new master; halts that {lost} \
                signed in advance are burnt."
            ))
            .say("How was it lost? The same must not happen to the new one."),
    );
    Ok(steps)
}

async fn with_nothing(situation: &Situation, lost: Address, to: Address) -> Result<Vec<Step>, Error> {
    let chain = situation.chain().await?;
    let now = chain.connection().time().await?;
    let check = Check::DeployedElsewhere { contract: to, lost };
    let mut steps = vec![
        Step::new("search", Place::Elsewhere("everywhere"), "there is no copy", Check::Said)
            .say(
                "No paper, no shares, no keystore, no seed, at nobody. With any of them: `ring-keys ceremony \
                master-lost --successor …`.",
            )
            .say("Nobody halts anything from here on: a ring that is halted stays so for ever."),
        Step::new("new-contract", Place::Here, format!("another contract, of another master: {to}"), check)
            .say("`ring-keys ceremony first-deployment`, with a record of its own."),
    ];
    let mut assets: Vec<Address> = Vec::new();
    for id in status::rings_in_events(&chain).await? {
        let ring = Ring::read(&chain, id).await?;
        let asset = asset_option(ring.charter.asset);
        let over = if ring.view.halted { "It is HALTED, for ever." } else { "" };
        let amount = crate::amount::in_words(ring.charter.asset, alloy::primitives::U256::from(ring.charter.cap));
        let title = format!("ring {id} pays out what its cap and lease allow");
        steps.push(
            Step::new(format!("pay-out-{id}"), Place::Elsewhere("where the backend is"), title, Check::Said)
                .say(format!(
                    "At most {amount} in {} s, lease {}. {over}",
                    ring.charter.period,
                    terms::lease(&ring.charter, now)
                ))
                .say(format!(
                    "ring-keys request --relayer http://SEAT:8080 --keystore requester.json --ring {id} --pay \
                     {asset} --to {to} --amount …"
                ))
                .or_skip(),
        );
        if !assets.contains(&ring.charter.asset) {
            assets.push(ring.charter.asset);
        }
    }
    for asset in assets {
        let (contract, name) = (situation.contract, asset_option(asset));
        let title = format!("nothing is left of {name}");
        let check = Check::Emptied { contract, asset };
        let step = Step::new(format!("left-{name}"), Place::Here, title, check);
        steps.push(
            step.say("What cannot be paid out before the leases end is lost: then `skip` with the amount.").or_skip(),
        );
    }
    steps.push(Step::new(
        "clients",
        Place::Elsewhere("where the backends are"),
        "the clients ask the new contract's rings",
        Check::Said,
    ));
    Ok(steps)
}
