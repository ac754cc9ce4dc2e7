//! From keys to rings that pay: until the chain is what a description says.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use ring_contracts::Charter;

use super::{
    CeremonyError,
    arguments::FirstDeploymentArgs,
    check::{Check, Effect},
    minutes::Line,
    situation::Situation,
    step::{Invocation, Place, Step, ThreeSteps, key},
};
use crate::{
    chain::Chain,
    deploy::Plan,
    description::{self, Description, DescriptionFile},
    error::Error,
    rpc::Connection,
    time,
};

/// What is to be deployed.
#[derive(Debug)]
pub(super) struct FirstDeployment {
    path: std::path::PathBuf,
    file: DescriptionFile,
    description: Description,
    plan: Plan,
}

impl FirstDeployment {
    pub(super) async fn read(args: &FirstDeploymentArgs, connection: &Connection) -> Result<Self, Error> {
        let path = args.description.clone();
        let file = description::read(&path)?;
        file.check_chain(connection)?;
        let description = file.resolve(&Chain::to_be(connection.clone(), file.domain().contract)).await?;
        let wrong = |reason: String| Error::from(CeremonyError::Description { path: path.clone(), reason });
        let plan = description
            .deployment
            .ok_or_else(|| wrong("it has no [deployment]: from what is the address to be made?".to_owned()))?;
        if plan.address() != description.domain.contract {
            return Err(wrong(format!(
                "its [deployment] makes the address {}, and contract is another",
                plan.address()
            )));
        }
        if description.master != plan.master || !description.pending_master.is_zero() {
            return Err(wrong("a first deployment has one master, who is no successor and has none".to_owned()));
        }
        if let Some(ring) = description.rings.iter().find(|ring| ring.charter.check().is_err()) {
            return Err(wrong(format!("ring {} has a seat without a key", ring.id)));
        }
        // What could never be permitted is found before anything begins.
        description.rings.iter().try_for_each(|ring| file.permit_options(ring.id).map(drop))?;
        Ok(Self { path, file, description, plan })
    }

    pub(super) fn contract(&self) -> Address {
        self.plan.address()
    }

    pub(super) fn subject(&self) -> Vec<Line> {
        vec![("description", self.path.display().to_string()), ("master", self.plan.master.to_string())]
    }

    pub(super) async fn steps(&self, situation: &Situation) -> Result<Vec<Step>, Error> {
        let Description { guardian, rings, .. } = &self.description;
        let by_contract = situation.is_contract(self.plan.master).await?;
        let mut steps = self.keys(by_contract);
        steps.push(self.deployment(situation));
        if self.plan.guardian.unwrap_or_default() != *guardian {
            let name = if guardian.is_zero() { "none".to_owned() } else { guardian.to_string() };
            let title = format!("the guardian is {name}");
            steps.extend(self.by_master(
                situation,
                by_contract,
                "guardian",
                title,
                &["guardian", &name],
                Effect::Guarded(*guardian),
            ));
        }
        for ring in rings {
            let id = ring.id;
            let options = charter_options(&ring.charter);
            let mut action = vec!["ring".to_owned(), "set".to_owned(), "--ring".to_owned(), id.to_string()];
            action.extend(options);
            let effect = Effect::Formed { ring: id, charter: ring.charter.clone(), after_epoch: 0 };
            steps.extend(self.by_master(
                situation,
                by_contract,
                &format!("form-{id}"),
                format!("form ring {id}"),
                &action,
                effect,
            ));
            for (number, (permission, options)) in
                ring.permissions.iter().zip(self.file.permit_options(id)?).enumerate()
            {
                let mut action = vec!["permit".to_owned(), "--ring".to_owned(), id.to_string()];
                action.extend(options);
                let title = format!("ring {id} may {}", crate::rules::call_in_words(permission));
                let effect = Effect::Permitted { ring: id, permission: *permission };
                let name = format!("permit-{id}-{}", number + 1);
                steps.extend(self.by_master(situation, by_contract, &name, title, &action, effect));
            }
            for (number, limit) in ring.limits.iter().enumerate() {
                let asset = asset_option(limit.asset);
                let (ring, cap, period) = (id.to_string(), limit.cap.to_string(), limit.period.to_string());
                let action = ["allow", "--ring", &ring, "--asset", &asset, "--cap", &cap, "--period", &period];
                let effect = Effect::Limited { ring: id, limit: *limit };
                let name = format!("allow-{id}-{}", number + 1);
                steps.extend(self.by_master(
                    situation,
                    by_contract,
                    &name,
                    format!("ring {id}: the limit on {asset}"),
                    &action,
                    effect,
                ));
            }
        }
        let verify = Invocation::new(["verify", &self.path.display().to_string()]);
        steps.push(
            Step::new(
                "verify",
                Place::Here,
                "the chain is what the description says",
                Check::Described(self.path.clone()),
            )
            .say("If it is not, find out why before anything else.")
            .by(verify),
        );
        if !guardian.is_zero() && !situation.is_contract(*guardian).await? {
            steps.extend(emergency_kit(situation, *guardian, rings.iter().map(|ring| ring.id)));
        }
        steps.extend(self.hosts_and_money(situation));
        Ok(steps)
    }

    /// Every key that the description names, each once.
    fn keys(&self, by_contract: bool) -> Vec<Step> {
        let mut seats: BTreeMap<Address, String> = BTreeMap::new();
        for ring in &self.description.rings {
            for (seat, address) in ring.charter.seats.iter().enumerate() {
                seats.entry(*address).or_insert_with(|| format!("seat {seat} of ring {}", ring.id));
            }
        }
        let mut steps = Vec::new();
        if !by_contract {
            steps.push(
                key("master-key".to_owned(), Place::Offline("the master's"), "the master", self.plan.master)
                    .say(
                        "`ring-keys paper new --out sheet.txt`, print it twice, `ring-keys paper check`, delete \
                        the file; or `new`, or a device.",
                    )
                    .say("A second copy goes to a second place before anything is signed."),
            );
        }
        let guardian = self.description.guardian;
        if !guardian.is_zero() {
            let place = Place::Offline("the guardian's");
            steps.push(key("guardian-key".to_owned(), place, "the guardian", guardian));
        }
        for (address, whose) in &seats {
            let place = Place::Elsewhere("at the host of the seat");
            let say = "`ring-keys new --out operator.json`, or where CUSTODY.md says that a key can be.";
            steps.push(key(format!("key-{address}"), place, whose, *address).say(say));
        }
        for (address, whose) in &seats {
            let title = format!("coin for gas on {address}, {whose}");
            steps.push(Step::new(
                format!("coin-{address}"),
                Place::Elsewhere("from any account"),
                title,
                Check::Coin(*address),
            ));
        }
        steps
    }

    fn deployment(&self, situation: &Situation) -> Step {
        let Plan { master, guardian, salt } = self.plan;
        let mut command = Invocation::new(["deploy", "--master", &master.to_string()]);
        if let Some(guardian) = guardian {
            command = command.and(["--guardian", &guardian.to_string()]);
        }
        let command = command.and(["--salt", &salt.to_string()]).and(situation.how.pay_with.words());
        let title = format!("deploy the contract, at {}", self.plan.address());
        Step::new("deploy", Place::Here, title, Check::Deployed(self.plan)).by(command)
    }

    fn by_master(
        &self,
        situation: &Situation,
        by_contract: bool,
        id: &str,
        title: String,
        action: &[impl AsRef<str>],
        effect: Effect,
    ) -> Vec<Step> {
        let action = action.iter().map(|word| word.as_ref().to_owned()).collect();
        let sign_with = &situation.how.sign_with;
        ThreeSteps {
            id: id.to_owned(),
            title,
            action,
            whose: "the master's",
            sign_with,
            effect,
            kept: false,
            by_contract,
        }
        .into_steps(situation)
    }

    fn hosts_and_money(&self, situation: &Situation) -> Vec<Step> {
        let mut assets: Vec<Address> = self.description.rings.iter().map(|ring| ring.charter.asset).collect();
        assets.sort_unstable();
        assets.dedup();
        let contract = situation.contract;
        let funded = Check::Funded { contract, assets };
        let mut steps = vec![
            Step::new("hosts", Place::Elsewhere("at the host of each seat"), "the relayers run", Check::Said)
                .say(
                    "The configuration names the contract, the ring and its seats: `ring-seat SEAT check` says `as \
                    announced`.",
                )
                .say(
                    "`ring-seat SEAT init`, once; start it; `GET /v1/health` answers 200 at all, with their peers \
                    connected.",
                ),
            Step::new("alerts", Place::Elsewhere("where the alerts come"), "the alerts come", Check::Said)
                .say("Stop one seat, see the alert come, start it."),
            Step::new(
                "treasury",
                Place::Elsewhere("from any account"),
                format!("a little money for {contract}"),
                funded,
            )
            .or_skip(),
        ];
        for ring in &self.description.rings {
            let effect = Effect::Turned { ring: ring.id, nonce: 0 };
            let title = format!("ring {} pays for the first time", ring.id);
            let step = Step::new(
                format!("payment-{}", ring.id),
                Place::Elsewhere("where the backend is"),
                title,
                Check::Chain(effect),
            );
            let (ring, asset) = (ring.id, asset_option(ring.charter.asset));
            steps.push(
                step.say(format!(
                    "ring-keys request --relayer http://SEAT:8080 --keystore requester.json --ring {ring} --pay \
                     {asset} --to 0xYOU \
                     --amount 1 --wait"
                ))
                .or_skip(),
            );
        }
        steps
    }
}

/// The steps that make a new kit for these rings, by the guardian.
pub(super) fn emergency_kit(situation: &Situation, guardian: Address, rings: impl Iterator<Item = u32>) -> Vec<Step> {
    let rings: Vec<u32> = rings.collect();
    let mut steps = Vec::new();
    let sheet = situation.file("kit.txt");
    let mut command = Invocation::new(["emergency-kit"]);
    for ring in &rings {
        let id = format!("halt-{ring}");
        let [_, signed] = ThreeSteps::files(&id, situation);
        command = command.file("--in", &signed);
        let action = ["halt", "--ring", &ring.to_string(), "--signer", &guardian.to_string()].map(str::to_owned).into();
        let effect = Effect::Halted { ring: *ring, epoch: 0 };
        let (title, sign_with) = (format!("a halt of ring {ring} for the emergency kit"), &situation.how.guard_with);
        let three = ThreeSteps {
            id,
            title,
            action,
            whose: "the guardian's",
            sign_with,
            effect,
            kept: true,
            by_contract: false,
        };
        steps.extend(three.into_steps(situation));
    }
    let command = command.file("--out", &sheet);
    let check = Check::Kit { sheet: sheet.clone(), rings };
    steps.push(
        Step::new("kit", Place::Here, "the emergency kit", check)
            .say(format!(
                "An old {} is moved away before. Print it for every shift and one safe elsewhere; burn the old one.",
                sheet.display()
            ))
            .by(command),
    );
    steps
}

/// What `ring set` has for this charter.
pub(super) fn charter_options(charter: &Charter) -> Vec<String> {
    let Charter { window, quorum, asset, cap, period, turns_per_period, interval, expires_at, last_nonce, seats } =
        charter;
    let expires = match *expires_at {
        Charter::NO_EXPIRY => "never".to_owned(),
        at => time::in_utc(at).replacen(' ', "T", 1).replace(" UTC", "Z"),
    };
    let interval = if *interval == 0 { "0".to_owned() } else { format!("{interval}s") };
    let mut options: Vec<String> = [
        ("--window", window.to_string()),
        ("--quorum", quorum.to_string()),
        ("--asset", asset_option(*asset)),
        ("--cap", cap.to_string()),
        ("--period", period.to_string()),
        ("--turns-per-period", turns_per_period.to_string()),
        ("--interval", interval),
        ("--expires", expires),
    ]
    .into_iter()
    .flat_map(|(option, value)| [option.to_owned(), value])
    .collect();
    if *last_nonce != Charter::NO_LAST_NONCE {
        options.extend(["--last-nonce".to_owned(), last_nonce.to_string()]);
    }
    options.extend(seats.iter().flat_map(|seat| ["--seat".to_owned(), seat.to_string()]));
    options
}

pub(super) fn asset_option(asset: Address) -> String {
    if asset.is_zero() { "native".to_owned() } else { asset.to_string() }
}
