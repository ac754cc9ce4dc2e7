//! What a person reads before signing. Only what the signature covers is stated as fact.

use alloy::{
    hex,
    primitives::{Address, Bytes, U256},
    sol,
    sol_types::SolCall,
};
use ring_contracts::{Action, BARE_TRANSFER, Charter, IERC20, LimitSetting, Permission};

use super::document::{Document, Statement};
use crate::{amount::in_words, check_words, rules, terms, time};

sol! {
    /// What a token's owner lets somebody take.
    function approve(address spender, uint256 value) external returns (bool);
}

const NEW_EPOCH: &str = "A new epoch begins: turns and halts that were signed before are dead.";

/// The whole of a document in words, for whoever is asked to sign it.
pub(crate) fn describe(document: &Document, now: u64) -> String {
    let validity = match &document.statement {
        Statement::Halt { .. } => "until the epoch ends, however often and by whomever it is sent".to_owned(),
        Statement::Action { nonce, deadline, .. } => {
            let over = if *deadline < now { ": OVER, by this machine's clock" } else { "" };
            format!("once (nonce {nonce}), until {}{over}", time::in_utc(*deadline))
        }
    };
    format!(
        "{}\nsigned by    {}\nvalid        {validity}\ndigest       {}\nfingerprint  {}",
        announce(document, now),
        document.signer,
        document.digest(),
        check_words::of_digest(document.digest())
    )
}

/// What is done, for whoever does it at once.
pub(super) fn announce(document: &Document, now: u64) -> String {
    let Document { domain, statement, .. } = document;
    let lines = match statement {
        Statement::Halt { ring, epoch } => vec![
            format!("HALT ring {ring} in its epoch {epoch}."),
            "No turn of it executes until the master resumes or re-forms it.".to_owned(),
        ],
        Statement::Action { action, .. } => act(action, now),
    };
    let mut text = format!("Ring Window contract {} on chain {}\n\n", domain.contract, domain.chain_id);
    for line in lines {
        text.push_str("  ");
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn act(action: &Action, now: u64) -> Vec<String> {
    match action {
        Action::FormRing { ring, epoch, charter } => form(*ring, *epoch, charter, now),
        Action::Resume { ring, epoch } => vec![
            format!("RESUME ring {ring} in its epoch {epoch}: the ring runs again."),
            NEW_EPOCH.to_owned(),
            "Whoever made the ring halt can act again if their keys still have seats.".to_owned(),
        ],
        Action::Revoke { ring, key } => vec![
            format!("REVOKE the key {key} of ring {ring}."),
            "Its seat is left empty: every window that holds it is blocked until the master gives it a new key."
                .to_owned(),
            format!("{NEW_EPOCH} The ring is neither halted nor resumed."),
        ],
        Action::Replace { ring, epoch, seat, key, and_resume } => vec![
            format!("REPLACE the key of seat {seat} of ring {ring}, in its epoch {epoch}, by {key}."),
            match and_resume {
                true => format!("{NEW_EPOCH} If the ring is halted, IT RUNS AGAIN."),
                false => format!("{NEW_EPOCH} The ring is neither halted nor resumed."),
            },
        ],
        Action::SetPermissions { ring, permissions } => permit(*ring, permissions),
        Action::SetLimits { ring, limits } => allow(*ring, limits),
        Action::PermitPayment { ring, epoch, request_id, asset, to, amount } => vec![
            format!("PERMIT ring {ring}, in its epoch {epoch}, one payment over its cap:"),
            format!("{} to {to},", in_words(*asset, U256::from(*amount))),
            format!("for request {request_id}, and no other."),
            "It does not count against the cap. The ring has to take the turn itself; the permit ends with the epoch."
                .to_owned(),
        ],
        Action::SetGuardian { guardian } if guardian.is_zero() => {
            vec!["REMOVE the guardian: then only the master can revoke keys.".to_owned()]
        }
        Action::SetGuardian { guardian } => vec![
            format!("Name {guardian} the GUARDIAN, in the place of any other."),
            "It can halt rings and revoke keys, and nothing else.".to_owned(),
        ],
        Action::TransferMaster { new_master } if new_master.is_zero() => {
            vec!["WITHDRAW the transfer of the master's role that was not accepted yet.".to_owned()]
        }
        Action::TransferMaster { new_master } => vec![
            format!("HAND OVER the master's role to {new_master}."),
            "Once it accepts, it controls all rings and all funds, and the present master controls nothing.".to_owned(),
        ],
        Action::AcceptMaster {} => vec!["ACCEPT the master's role: control of all rings and all funds.".to_owned()],
        Action::MasterExecute { target, value, data, gas } => execute(*target, *value, data, *gas),
    }
}

fn form(ring: u32, epoch: u32, charter: &Charter, now: u64) -> Vec<String> {
    let Charter { window, quorum, asset, cap, period, seats, .. } = charter;
    let mut lines = vec![
        format!("FORM ring {ring} with {} seats, window {window}, quorum {quorum}:", seats.len()),
        format!("spending at most {} a {}", in_words(*asset, U256::from(*cap)), time::period_in_words(*period)),
        format!("taking {},", terms::velocity(charter)),
        format!("of which one key can sign {},", terms::turns_of_one_key(charter)),
        format!("{}.", terms::lease(charter, now)),
    ];
    lines.extend(seats.iter().enumerate().map(|(seat, key)| format!("seat {seat:>2}  {key}")));
    lines.push(match epoch {
        0 => "It is a new ring.".to_owned(),
        epoch => format!(
            "The ring is in epoch {epoch}. These are all its keys and terms from now on, and if it is halted, the ring runs again."
        ),
    });
    lines.push(format!(
        "{NEW_EPOCH} What it spent and how many turns it took so far counts no more; its permissions, and its limits on \
         other assets, stay."
    ));
    lines
}

fn permit(ring: u32, permissions: &[Permission]) -> Vec<String> {
    let mut lines = Vec::new();
    for permission in permissions {
        let verb = if permission.allowed { "PERMIT" } else { "FORBID" };
        lines.push(format!("{verb} ring {ring} {}.", rules::call_in_words(permission)));
        if !permission.allowed {
            continue;
        }
        lines.push(rules::metering_in_words(permission));
        if permission.selector != BARE_TRANSFER && permission.metered().is_none() {
            lines.push(
                "NOTHING of it is metered: it may do whatever this function can do, as often as the ring takes turns."
                    .to_owned(),
            );
        }
    }
    lines
}

fn allow(ring: u32, limits: &[LimitSetting]) -> Vec<String> {
    let mut lines = Vec::new();
    for LimitSetting { asset, cap, period } in limits {
        let asset_name = if asset.is_zero() { "the native coin".to_owned() } else { format!("token {asset}") };
        lines.push(format!("ALLOW ring {ring}, in {asset_name}:"));
        lines.push(match cap {
            0 => "nothing at all.".to_owned(),
            cap => format!("at most {} a {}.", in_words(*asset, U256::from(*cap)), time::period_in_words(*period)),
        });
    }
    lines.push(
        "What it spent so far counts no more. Across the edge of two periods it can spend twice a cap. What spends it needs \
         a permission, too."
            .to_owned(),
    );
    lines
}

fn execute(target: Address, value: U256, data: &Bytes, gas: u64) -> Vec<String> {
    let mut lines = vec![format!("EXECUTE a call from the contract to {target}.")];
    if !value.is_zero() {
        lines.push(format!("It carries {}.", in_words(Address::ZERO, value)));
    }
    if let Ok(transfer) = IERC20::transferCall::abi_decode(data) {
        lines.push(format!("If it is a token: transfer {} to {}.", transfer.value, transfer.to));
    } else if let Ok(approval) = approveCall::abi_decode(data) {
        lines.push(format!(
            "If it is a token: let {} take up to {} of it, at any time.",
            approval.spender, approval.value
        ));
    } else if data.is_empty() {
        lines.push("It has no call data.".to_owned());
    }
    if !data.is_empty() {
        lines.push(format!("Its call data: {}", hex::encode_prefixed(data)));
    }
    lines.push(match gas {
        0 => "It gets whatever gas there is: whoever sends the transaction decides how much.".to_owned(),
        gas => format!("It gets at least {gas} gas, or nothing happens."),
    });
    lines.push("No cap and no ring limits this.".to_owned());
    lines
}
