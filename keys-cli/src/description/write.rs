//! A file written from the chain.

use std::fmt::Write as _;

use alloy::{
    primitives::{Address, B256},
    rpc::types::Filter,
    sol_types::SolEvent,
};
use ring_contracts::{BARE_TRANSFER, Charter, LimitSetting, NO_AMOUNT, Permission, RingMultisig};

use super::{Description, RingDescription};
use crate::{
    chain::{Authorities, Chain},
    deploy::Plan,
    error::Error,
    function::{Function, Meter},
    ring::Ring,
    rules::{self, Rules},
    status, time,
};

/// The last second of the year 9999.
const LAST_DATE: u64 = 253_402_300_799;

/// Reads the whole contract and writes it down.
///
/// # Errors
/// What an RPC can answer.
pub async fn describe(chain: &Chain) -> Result<String, Error> {
    let Authorities { master, guardian, pending_master } = chain.authorities().await?;
    let mut rings = Vec::new();
    for id in status::rings_in_events(chain).await? {
        let charter = Ring::read(chain, id).await?.charter;
        let rules = Rules::read(chain, id).await?;
        let limits = rules.settings().collect();
        rings.push(RingDescription { id, charter, permissions: rules.permissions, limits });
    }
    let deployment = deployment(chain).await?;
    let domain = *chain.domain();
    Ok(text(&Description { domain, master, guardian, pending_master, deployment, rings }))
}

/// What the address was made of, from the first events and the transaction that they are in. `None`: it was not deployed by
/// the deployment proxy, or the RPC does not tell.
async fn deployment(chain: &Chain) -> Result<Option<Plan>, Error> {
    let transfers = Filter::new().event_signature(RingMultisig::MasterTransferred::SIGNATURE_HASH);
    let guardians = Filter::new().event_signature(RingMultisig::GuardianChanged::SIGNATURE_HASH);
    let (transfers, guardians) = (chain.events(&transfers).await?, chain.events(&guardians).await?);
    let (Some(transfer), Some(guardian)) = (transfers.first(), guardians.first()) else { return Ok(None) };
    let (Ok(master), Ok(guardian)) = (
        RingMultisig::MasterTransferred::decode_log(&transfer.inner),
        RingMultisig::GuardianChanged::decode_log(&guardian.inner),
    ) else {
        return Ok(None);
    };
    let Some(transaction) = transfer.transaction_hash else { return Ok(None) };
    let Some(input) = chain.connection().input_of(transaction).await? else { return Ok(None) };
    let Some(salt) = input.get(..32).map(B256::from_slice) else { return Ok(None) };
    let guardian = Some(guardian.data.newGuardian).filter(|guardian| !guardian.is_zero());
    let plan = Plan { master: master.data.newMaster, guardian, salt };
    Ok(Some(plan).filter(|plan| plan.address() == chain.domain().contract))
}

fn text(description: &Description) -> String {
    let Description { domain, master, guardian, pending_master, deployment, rings } = description;
    let mut text = format!(
        "# What the contract is to be: compare with the chain by `ring-keys verify FILE`.\n\
         chain_id = {}\ncontract = \"{}\"\nmaster = \"{master}\"\nguardian = \"{}\"\npending_master = \"{}\"\n",
        domain.chain_id,
        domain.contract,
        or(*guardian, "none"),
        or(*pending_master, "none"),
    );
    // Writing to a string does not fail.
    match deployment {
        Some(Plan { master, guardian, salt }) => {
            let guardian = or(guardian.unwrap_or_default(), "none");
            let _ = write!(
                text,
                "\n# What the address was made of: the same everywhere for the same three.\n[deployment]\n\
                 master = \"{master}\"\nguardian = \"{guardian}\"\nsalt = \"{salt}\"\n"
            );
        }
        None => {
            text.push_str("\n# The contract was not deployed by `ring-keys deploy`, or the RPC does not tell how.\n")
        }
    }
    rings.iter().for_each(|ring| add_ring(&mut text, ring));
    text
}

fn add_ring(text: &mut String, ring: &RingDescription) {
    let Charter { window, quorum, asset, cap, period, turns_per_period, interval, expires_at, last_nonce, seats } =
        &ring.charter;
    let expires_at = match *expires_at {
        Charter::NO_EXPIRY => "\"never\"".to_owned(),
        // Of years with more than four digits dates are not read.
        at if at > LAST_DATE => at.to_string(),
        at => format!("\"{}\"", time::in_utc(at).replacen(' ', "T", 1).replace(" UTC", "Z")),
    };
    let last_nonce = match *last_nonce {
        Charter::NO_LAST_NONCE => "\"none\"".to_owned(),
        nonce => nonce.to_string(),
    };
    let _ = write!(
        text,
        "\n[[ring]]\nid = {}\nwindow = {window}\nquorum = {quorum}\nasset = \"{}\"\ncap = \"{cap}\"\nperiod = {}\n\
         turns_per_period = {turns_per_period}\ninterval = {interval}\nexpires_at = {expires_at}\n\
         last_nonce = {last_nonce}\nseats = [\n",
        ring.id,
        or(*asset, "native"),
        written_period(*period),
    );
    for seat in seats {
        let _ = writeln!(text, "  \"{}\",", or(*seat, "revoked"));
    }
    text.push_str("]\n");
    ring.permissions.iter().for_each(|permission| add_permission(text, permission));
    for LimitSetting { asset, cap, period } in &ring.limits {
        let (asset, period) = (or(*asset, "native"), written_period(*period));
        let _ = write!(text, "\n[[ring.limit]]\nasset = \"{asset}\"\ncap = \"{cap}\"\nperiod = {period}\n");
    }
}

fn add_permission(text: &mut String, permission: &Permission) {
    let Permission { target, selector, amount_word, asset, address_words, .. } = permission;
    let _ = write!(text, "\n[[ring.permission]]\ntarget = \"{}\"\n", or(*target, "anybody"));
    if *selector == BARE_TRANSFER {
        text.push_str("call = \"bare\"\n");
        return;
    }
    // By its name if it is a well-known function, permitted in the usual way.
    let named = rules::well_known(*selector).filter(|name| {
        let meter = (*amount_word != NO_AMOUNT).then(|| (Meter::Word((*amount_word).into()), *asset));
        let usual = name.parse::<Function>().ok().and_then(|function| {
            function.permission(*target, meter.as_ref().map(|(meter, asset)| (meter, *asset))).ok()
        });
        usual == Some(*permission)
    });
    match named {
        Some(name) => {
            let _ = writeln!(text, "call = \"{name}\"");
        }
        None => {
            let words: Vec<_> = permission.addresses().map(|word| word.to_string()).collect();
            let _ = writeln!(text, "call = \"{selector}\"");
            if *address_words != 0 {
                let _ = writeln!(text, "address_words = [{}]", words.join(", "));
            }
        }
    }
    if let Some((word, asset)) = permission.metered() {
        let _ = write!(text, "meter = {word}\nasset = \"{}\"\n", or(asset, "native"));
    }
}

fn or(address: Address, zero: &str) -> String {
    if address.is_zero() { zero.to_owned() } else { address.to_string() }
}

fn written_period(seconds: u32) -> String {
    match seconds {
        3_600 => "\"hour\"".to_owned(),
        86_400 => "\"day\"".to_owned(),
        604_800 => "\"week\"".to_owned(),
        _ => seconds.to_string(),
    }
}
