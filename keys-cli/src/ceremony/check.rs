//! How one sees that a step is done: by the chain, by files, or because somebody says so.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, U256};
use ring_contracts::{Action, Charter, LimitSetting, Permission};

use super::situation::Situation;
use crate::{
    action::{self, Document, Statement},
    amount,
    chain::Chain,
    check_words, deploy, description,
    error::Error,
    ring,
    rules::Rules,
};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It is done, and this shows it.
    Done(String),
    /// It is not, and this is why.
    Missing(String),
}

use Finding::{Done, Missing};

/// How a step is checked.
#[derive(Clone, Debug)]
pub(super) enum Check {
    /// Somebody says so; nothing else can.
    Said,
    /// Somebody reads out the check words of a key.
    ReadOut(Address),
    /// An account has coin for gas.
    Coin(Address),
    /// A contract has something of one of these assets.
    Funded { contract: Address, assets: Vec<Address> },
    /// A contract has nothing of this asset any more.
    Emptied { contract: Address, asset: Address },
    /// The contract is there, with these authorities.
    Deployed(deploy::Plan),
    /// A contract of this release is there, of a master other than this.
    DeployedElsewhere { contract: Address, lost: Address },
    /// Something is so on the chain.
    Chain(Effect),
    /// A file was prepared that does this, or more than that happened since.
    Prepared { file: PathBuf, signed: PathBuf, effect: Effect, kept: bool },
    /// The same of a file that was signed.
    Signed { file: PathBuf, effect: Effect, kept: bool },
    /// A sheet is there that halts these rings in the epochs they are in.
    Kit { sheet: PathBuf, rings: Vec<u32> },
    /// The chain is what a description says.
    Described(PathBuf),
}

/// What an action is to bring about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// A ring has this charter, and runs, in a later epoch than this.
    Formed { ring: u32, charter: Charter, after_epoch: u32 },
    /// A key has no seat.
    Revoked { ring: u32, key: Address },
    /// The ring is halted, or has been since this epoch.
    Halted { ring: u32, epoch: u32 },
    /// A ring may call something.
    Permitted { ring: u32, permission: Permission },
    /// A ring has this limit.
    Limited { ring: u32, limit: LimitSetting },
    /// A ring took a turn after this one.
    Turned { ring: u32, nonce: u64 },
    /// This is the guardian.
    Guarded(Address),
    /// This is the successor whom the master named, or the master.
    SuccessorNamed(Address),
    /// This is the master.
    Ruled(Address),
}

impl Check {
    /// Whether a person has to say something, whatever the chain and the files say.
    pub(super) fn asks(&self) -> bool {
        matches!(self, Self::Said | Self::ReadOut(_))
    }

    /// Looks. What a person says is `answer`.
    pub(super) async fn look(&self, situation: &Situation, answer: &str) -> Result<Finding, Error> {
        match self {
            Self::Said => Ok(Done(answer.to_owned())),
            Self::ReadOut(address) => Ok(compare_words(*address, answer)),
            Self::Coin(account) => {
                let balance = situation.connection.balance(Address::ZERO, *account).await?;
                let words = amount::in_words(Address::ZERO, balance);
                Ok(if balance.is_zero() { Missing(format!("{account} has no coin for gas")) } else { Done(words) })
            }
            Self::Funded { contract, assets } => funded(situation, *contract, assets).await,
            Self::Emptied { contract, asset } => {
                let balance = situation.connection.balance(*asset, *contract).await?;
                let words = format!("{contract} has {}", amount::in_words(*asset, balance));
                Ok(if balance.is_zero() { Done(words) } else { Missing(words) })
            }
            Self::Deployed(plan) => deployed(situation, plan).await,
            Self::DeployedElsewhere { contract, lost } => {
                let chain = match Chain::at(situation.connection.clone(), *contract).await {
                    Ok(chain) => chain,
                    Err(error) => return missing(error.into()),
                };
                let master = chain.authorities().await?.master;
                let words = format!("the master of {contract} is {master}");
                Ok(if master == *lost { Missing(words) } else { Done(words) })
            }
            Self::Chain(effect) => effect.look(&situation.chain().await?).await,
            Self::Prepared { file, signed, effect, kept } => {
                if !kept && let Done(words) = effect.look(&situation.chain().await?).await? {
                    return Ok(Done(words));
                }
                match document(situation, signed, effect, true).await? {
                    Done(words) => Ok(Done(words)),
                    Missing(_) => document(situation, file, effect, false).await,
                }
            }
            Self::Signed { file, effect, kept } => {
                if !kept && let Done(words) = effect.look(&situation.chain().await?).await? {
                    return Ok(Done(words));
                }
                document(situation, file, effect, true).await
            }
            Self::Kit { sheet, rings } => kit(situation, sheet, rings).await,
            Self::Described(path) => {
                let file = description::read(path)?;
                let found = description::verify(&file, situation.connection.clone(), None).await?;
                Ok(if found.differences().is_empty() { Done(found.in_words()) } else { Missing(found.in_words()) })
            }
        }
    }
}

/// What our own checks refuse is missing; that the chain cannot be asked is an error.
fn missing(error: Error) -> Result<Finding, Error> {
    if error.exit_code() == 4 { Ok(Missing(error.to_string())) } else { Err(error) }
}

fn compare_words(address: Address, answer: &str) -> Finding {
    let expected = check_words::of_address(address);
    match answer.split_whitespace().map(str::to_lowercase).eq(expected.split(' ')) {
        true => Done(format!("its check words were read out: {expected}")),
        false => Missing(format!(
            "{answer:?} are not the check words of {address}: it is another key, or was misheard. Do not go on \
             before it is found"
        )),
    }
}

async fn funded(situation: &Situation, contract: Address, assets: &[Address]) -> Result<Finding, Error> {
    for asset in assets {
        let balance = situation.connection.balance(*asset, contract).await?;
        if balance > U256::ZERO {
            return Ok(Done(format!("{contract} has {}", amount::in_words(*asset, balance))));
        }
    }
    Ok(Missing(format!("{contract} has nothing yet of what its rings pay")))
}

async fn deployed(situation: &Situation, plan: &deploy::Plan) -> Result<Finding, Error> {
    let chain = match situation.chain().await {
        Ok(chain) => chain,
        Err(error) => return missing(error),
    };
    // The address says who was master first, whoever is now.
    let now = chain.authorities().await?;
    Ok(Done(format!(
        "{} has the code of this release; master {}, guardian {}",
        plan.address(),
        now.master,
        now.guardian
    )))
}

/// Whether a file holds what brings the effect about, now and here.
async fn document(situation: &Situation, file: &Path, effect: &Effect, signed: bool) -> Result<Finding, Error> {
    if !file.exists() {
        return Ok(Missing(format!("{} is not there", file.display())));
    }
    let again = |reason: String| Ok(Missing(format!("{reason}. Move {} away, and make it anew", file.display())));
    let document = match Document::read(file) {
        Ok(document) => document,
        Err(error) => return again(error.to_string()),
    };
    if document.domain.contract != situation.contract || document.domain.chain_id != situation.connection.chain_id() {
        return again(format!("{} is for another contract or chain", file.display()));
    }
    if !effect.is_of(&document.statement) {
        return again(format!("{} does something else than this step", file.display()));
    }
    if signed != document.signature.is_some() {
        return again(format!("{} is {}signed", file.display(), if signed { "not " } else { "already " }));
    }
    if let Err(error) = action::check_now(&situation.chain().await?, &document).await {
        return match missing(error)? {
            Missing(reason) => again(reason),
            done @ Done(_) => Ok(done),
        };
    }
    let digest = document.digest();
    Ok(Done(format!("{}: digest {digest}, fingerprint: {}", file.display(), check_words::of_digest(digest))))
}

async fn kit(situation: &Situation, sheet: &Path, rings: &[u32]) -> Result<Finding, Error> {
    let Ok(text) = std::fs::read_to_string(sheet) else {
        return Ok(Missing(format!("{} is not there, or is no text", sheet.display())));
    };
    let chain = situation.chain().await?;
    for ring in rings {
        let epoch = ring::read_view(&chain, *ring).await?.epoch;
        if !text.contains(&format!("HALT RING {ring} in its epoch {epoch},")) {
            return Ok(Missing(format!("{} does not halt ring {ring} in its epoch {epoch}", sheet.display())));
        }
    }
    Ok(Done(format!("{} halts {} rings in their present epochs", sheet.display(), rings.len())))
}

impl Effect {
    async fn look(&self, chain: &Chain) -> Result<Finding, Error> {
        let say = |done: bool, words: String| Ok(if done { Done(words) } else { Missing(words) });
        match self {
            Self::Formed { ring, charter, after_epoch } => {
                let view = ring::read_any_view(chain, *ring).await?;
                let is_so = view.charter == charter.commitment() && view.epoch > *after_epoch && !view.halted;
                let state = if view.halted { ", and it is halted" } else { "" };
                let is = if is_so { "has the keys and terms that it is to have" } else { "is not yet as it is to be" };
                say(is_so, format!("ring {ring} {is}, in epoch {}{state}", view.epoch))
            }
            Self::Revoked { ring, key } => {
                let found = ring::Ring::read(chain, *ring).await?;
                match found.charter.seat_of(*key) {
                    None => say(true, format!("{key} has no seat in ring {ring}, in epoch {}", found.view.epoch)),
                    Some(seat) => say(false, format!("{key} has seat {seat} of ring {ring}")),
                }
            }
            Self::Halted { ring, epoch } => {
                let view = ring::read_view(chain, *ring).await?;
                let state = if view.halted { "is halted" } else { "runs" };
                say(view.halted || view.epoch > *epoch, format!("ring {ring} {state}, in epoch {}", view.epoch))
            }
            Self::Permitted { ring, permission } => {
                let found = Rules::read(chain, *ring).await?.permissions.contains(permission);
                let is = if found { "is" } else { "is not" };
                say(found, format!("ring {ring} {is} permitted {}", crate::rules::call_in_words(permission)))
            }
            Self::Limited { ring, limit } => {
                let found = Rules::read(chain, *ring).await?.settings().any(|other| other == *limit);
                let has = if found { "has" } else { "does not have" };
                let words = amount::in_words(limit.asset, U256::from(limit.cap));
                say(found, format!("ring {ring} {has} the limit of {words} in {} s", limit.period))
            }
            Self::Turned { ring, nonce } => {
                let next: u64 = ring::read_view(chain, *ring).await?.nonce.to();
                say(next > *nonce, format!("the next turn of ring {ring} is {next}, and was {nonce}"))
            }
            Self::Guarded(guardian) => {
                let now = chain.authorities().await?.guardian;
                say(now == *guardian, format!("the guardian is {now}"))
            }
            Self::SuccessorNamed(successor) => {
                let now = chain.authorities().await?;
                let is_so = now.pending_master == *successor || now.master == *successor;
                say(
                    is_so,
                    format!(
                        "the master is {}, and the successor that has yet to accept {}",
                        now.master, now.pending_master
                    ),
                )
            }
            Self::Ruled(master) => {
                let now = chain.authorities().await?.master;
                say(now == *master, format!("the master is {now}"))
            }
        }
    }

    /// Whether this statement brings it about, and nothing else.
    fn is_of(&self, statement: &Statement) -> bool {
        let action = match statement {
            Statement::Halt { ring, .. } => return matches!(self, Self::Halted { ring: other, .. } if other == ring),
            Statement::Action { action, .. } => action,
        };
        match (self, action) {
            (Self::Formed { ring, charter, .. }, Action::FormRing { ring: other, charter: found, .. }) => {
                (ring, charter) == (other, found)
            }
            (Self::Revoked { ring, key }, Action::Revoke { ring: other, key: found }) => (ring, key) == (other, found),
            (Self::Permitted { ring, permission }, Action::SetPermissions { ring: other, permissions }) => {
                ring == other && permissions.as_slice() == std::slice::from_ref(permission)
            }
            (Self::Limited { ring, limit }, Action::SetLimits { ring: other, limits }) => {
                ring == other && limits.as_slice() == std::slice::from_ref(limit)
            }
            (Self::Guarded(guardian), Action::SetGuardian { guardian: found }) => guardian == found,
            (Self::SuccessorNamed(successor), Action::TransferMaster { new_master }) => successor == new_master,
            (Self::Ruled(_), Action::AcceptMaster {}) => true,
            _ => false,
        }
    }
}
