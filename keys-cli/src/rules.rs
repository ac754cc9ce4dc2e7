//! What the master lets a ring do beside its charter: permissions and limits, as they stand on the chain.

use alloy::{
    hex,
    primitives::{Address, FixedBytes, U256},
};
use ring_contracts::{BARE_TRANSFER, IRingMultisig::LimitView, LimitSetting, Permission};
use serde::Serialize;

use crate::{amount, chain::Chain, rpc::ChainError, time};

/// Functions that everybody knows by their names.
const KNOWN: [(FixedBytes<4>, &str); 6] = [
    (FixedBytes([0xa9, 0x05, 0x9c, 0xbb]), "transfer(address,uint256)"),
    (FixedBytes([0x23, 0xb8, 0x72, 0xdd]), "transferFrom(address,address,uint256)"),
    (FixedBytes([0x09, 0x5e, 0xa7, 0xb3]), "approve(address,uint256)"),
    (FixedBytes([0x39, 0x50, 0x93, 0x51]), "increaseAllowance(address,uint256)"),
    (FixedBytes([0xa2, 0x2c, 0xb4, 0x65]), "setApprovalForAll(address,bool)"),
    (FixedBytes([0xac, 0x96, 0x50, 0xd8]), "multicall(bytes[])"),
];

/// A limit of a ring, and what is spent of it. Amounts are strings of decimal digits in the smallest unit.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitReport {
    ring: u32,
    asset: Address,
    cap: String,
    period: u32,
    spent: String,
    period_index: u32,
}

/// A permission of a ring.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionReport {
    ring: u32,
    #[serde(flatten)]
    permission: Permission,
}

/// A ring's permissions in force and its limits.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Which ring.
    pub ring: u32,
    /// The permissions in force, in the order in which they were first given.
    pub permissions: Vec<Permission>,
    /// The limits, in the order in which the assets first had one.
    pub limits: Vec<LimitView>,
}

impl Rules {
    /// Reads the rules of a ring.
    ///
    /// # Errors
    /// What an RPC can answer.
    pub async fn read(chain: &Chain, ring: u32) -> Result<Self, ChainError> {
        let functions = chain.functions();
        let failure = |error| chain.call_failure(error);
        let permissions = functions.getPermissions(ring).call().await.map_err(failure)?;
        let permissions =
            permissions.into_iter().map(Permission::from).filter(|permission| permission.allowed).collect();
        let limits = functions.getLimits(ring).call().await.map_err(failure)?;
        Ok(Self { ring, permissions, limits })
    }

    /// The limits without what is spent of them.
    pub fn settings(&self) -> impl Iterator<Item = LimitSetting> {
        self.limits.iter().map(|limit| LimitSetting {
            asset: limit.asset,
            cap: limit.cap.to(),
            period: limit.period.to(),
        })
    }

    /// The limits as printed for machines.
    pub fn limit_reports(&self) -> impl Iterator<Item = LimitReport> {
        self.limits.iter().map(|limit| LimitReport {
            ring: self.ring,
            asset: limit.asset,
            cap: limit.cap.to_string(),
            period: limit.period.to(),
            spent: limit.spent.to_string(),
            period_index: limit.periodIndex.to(),
        })
    }

    /// The permissions as printed for machines.
    pub fn permission_reports(&self) -> impl Iterator<Item = PermissionReport> {
        self.permissions.iter().map(|permission| PermissionReport { ring: self.ring, permission: *permission })
    }

    /// The rules as printed for people, at this time of the chain.
    pub fn in_words(&self, now: u64) -> Vec<String> {
        let permissions = self
            .permissions
            .iter()
            .map(|permission| format!("  permitted: {}. {}", call_in_words(permission), metering_in_words(permission)));
        let limits = self.limits.iter().map(|limit| {
            let (cap, period) = (U256::from(limit.cap), limit.period.to::<u32>());
            let is_current = now / u64::from(period.max(1)) == limit.periodIndex.to::<u64>();
            let spent = if is_current { U256::from(limit.spent) } else { U256::ZERO };
            let (cap, period) = (amount::in_words(limit.asset, cap), time::period_in_words(period));
            format!("  limit: {cap} a {period}, of which {spent} spent")
        });
        permissions.chain(limits).collect()
    }
}

/// What a permission is about: "to call transfer(address,uint256) of 0x…".
pub fn call_in_words(permission: &Permission) -> String {
    match (permission.selector, permission.target) {
        (BARE_TRANSFER, Address::ZERO) => "to send the native coin, without call data, to ANYBODY".to_owned(),
        (BARE_TRANSFER, target) => format!("to send the native coin, without call data, to {target}"),
        (selector, target) => format!("to call {} of {target}", function_in_words(selector)),
    }
}

/// The signature of a function that everybody knows.
pub(crate) fn well_known(selector: FixedBytes<4>) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| *known == selector).map(|(_, name)| *name)
}

/// A function's name if it is a well-known one, and its selector in any case: others can have the same.
fn function_in_words(selector: FixedBytes<4>) -> String {
    let hexadecimal = hex::encode_prefixed(selector);
    match well_known(selector) {
        Some(name) => format!("{hexadecimal}, which is {name} where it is a usual contract,"),
        None => format!("the function {hexadecimal}"),
    }
}

/// What of a permitted call is counted, and checked.
pub fn metering_in_words(permission: &Permission) -> String {
    let metered = match (permission.selector, permission.metered()) {
        (BARE_TRANSFER, _) => return "Its value counts against the limit on the native coin.".to_owned(),
        (_, Some((word, Address::ZERO))) => {
            format!("Word {word} of its arguments counts as an amount of the native coin")
        }
        (_, Some((word, asset))) => format!("Word {word} of its arguments counts as an amount of token {asset}"),
        (_, None) => "None of its arguments counts as spending".to_owned(),
    };
    let addresses: Vec<_> = permission.addresses().map(|word| word.to_string()).collect();
    match addresses.as_slice() {
        [] => format!("{metered}."),
        [word] => format!("{metered}; word {word} has to be an address."),
        words => format!("{metered}; words {} have to be addresses.", words.join(", ")),
    }
}
