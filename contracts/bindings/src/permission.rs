//! What the master lets a ring do beside paying its main asset: which calls, and how much of which assets.

use alloy::{
    primitives::{Address, FixedBytes, U256, aliases::U104},
    sol_types::private::primitives::aliases::U24,
};
use serde::{Deserialize, Serialize};

use crate::{
    abi::IRingMultisig,
    charter::{MAX_PERIOD_SECONDS, MIN_PERIOD_SECONDS},
    decimal,
};

/// The `amount_word` of a permission that meters nothing.
pub const NO_AMOUNT: u8 = u8::MAX;
/// The selector that stands for a bare transfer of the native coin: value and no call data.
pub const BARE_TRANSFER: FixedBytes<4> = FixedBytes::ZERO;
/// How many words of the arguments can be declared addresses.
pub const MAX_ADDRESS_WORDS: usize = 16;

const WORD: usize = 32;

/// That a ring may make calls of one kind, or no longer may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Permission {
    /// The contract called. With [`BARE_TRANSFER`] it may be zero: bare transfers to any address.
    pub target: Address,
    /// The function called, or [`BARE_TRANSFER`].
    pub selector: FixedBytes<4>,
    /// False takes the permission away.
    pub allowed: bool,
    /// Which 32-byte word of the arguments, from 0, is an amount to meter, or [`NO_AMOUNT`].
    pub amount_word: u8,
    /// What that word is an amount of: a token, or zero for the native coin. Zero without an amount.
    pub asset: Address,
    /// Bit i set: word i of the arguments is an address, and its upper 96 bits must be zero.
    pub address_words: u16,
}

/// A cap on an asset that is not the ring's main asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitSetting {
    /// A token, or zero for the native coin.
    pub asset: Address,
    /// The most of it in one period, in its smallest unit; below 2^104. 0: nothing, not even zero.
    #[serde(with = "decimal")]
    pub cap: u128,
    /// The length of the period in seconds, 3,600 … 16,777,215.
    pub period: u32,
}

/// Why the contract would refuse a permission or limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermissionError {
    /// A function of nobody.
    #[error("a function needs a contract to call: only bare transfers may go to anybody (the zero address)")]
    NoTarget,
    /// A bare transfer that says more than where to.
    #[error(
        "a bare transfer has no arguments: its value is always metered, and it takes neither an amount word nor address words"
    )]
    BareWithArguments,
    /// An asset, and nothing that is an amount of it.
    #[error("the asset {0} is given, and no word that is an amount of it: give both or none")]
    AssetWithoutAmount(Address),
    /// The cap needs more than 104 bits.
    #[error("the cap {0} is too large: it has to be below 2^104 of the asset's smallest unit")]
    Cap(u128),
    /// The period is too short or too long.
    #[error("a period has {MIN_PERIOD_SECONDS} to {MAX_PERIOD_SECONDS} seconds, not {0}: 86400 is a day")]
    Period(u32),
}

impl Permission {
    /// Bare transfers of the native coin to this address; zero: to any.
    pub fn bare(target: Address) -> Self {
        Self::function(target, BARE_TRANSFER)
    }

    /// Calls of this function, whatever its arguments.
    pub fn function(target: Address, selector: FixedBytes<4>) -> Self {
        Self { target, selector, allowed: true, amount_word: NO_AMOUNT, asset: Address::ZERO, address_words: 0 }
    }

    /// Transfers of a token by `transfer(address,uint256)`, metered.
    pub fn erc20_transfer(token: Address) -> Self {
        let selector = crate::call::ERC20_TRANSFER_SELECTOR.into();
        Self { amount_word: 1, asset: token, address_words: 1, ..Self::function(token, selector) }
    }

    /// Which word is an amount, and of what.
    pub fn metered(&self) -> Option<(usize, Address)> {
        (self.amount_word != NO_AMOUNT).then_some((self.amount_word.into(), self.asset))
    }

    /// Which words are addresses.
    pub fn addresses(&self) -> impl Iterator<Item = usize> + use<> {
        let words = self.address_words;
        (0..MAX_ADDRESS_WORDS).filter(move |word| words >> word & 1 == 1)
    }

    /// Checks what the contract checks, but for what it alone knows (itself and the master).
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), PermissionError> {
        let is_bare = self.selector == BARE_TRANSFER;
        let is_metered = self.amount_word != NO_AMOUNT;
        if self.target.is_zero() && !is_bare {
            Err(PermissionError::NoTarget)
        } else if is_bare && (is_metered || self.address_words != 0) {
            Err(PermissionError::BareWithArguments)
        } else if !is_metered && !self.asset.is_zero() {
            Err(PermissionError::AssetWithoutAmount(self.asset))
        } else {
            Ok(())
        }
    }

    /// What a call of this function with this data spends beside its value, as the contract meters it. `None`: the contract
    /// refuses the data, since it is too short or has an address that is none.
    fn charges(&self, data: &[u8]) -> Option<Option<(Address, U256)>> {
        let word = |index: usize| data.get(4 + WORD * index..4 + WORD * (index + 1));
        if !self.addresses().all(|index| word(index).is_some_and(|word| word[..12] == [0; 12])) {
            return None;
        }
        match self.metered() {
            Some((index, asset)) => Some(Some((asset, U256::from_be_slice(word(index)?)))),
            None => Some(None),
        }
    }
}

/// All permissions of a ring, to judge calls by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(Vec<Permission>);

impl Permissions {
    /// These; those that were taken away count for nothing.
    pub fn new(permissions: impl IntoIterator<Item = Permission>) -> Self {
        Self(permissions.into_iter().filter(|permission| permission.allowed).collect())
    }

    /// Those that are in force.
    pub fn iter(&self) -> impl Iterator<Item = &Permission> {
        self.0.iter()
    }

    /// What a call of kind 0 spends, asset by asset (zero is the native coin), as the contract meters it. `None`: it is not
    /// permitted. What the contract alone knows (that the target is itself or the master) is not looked at.
    pub fn charges(&self, target: Address, value: U256, data: &[u8]) -> Option<Vec<(Address, U256)>> {
        let find = |target: Address, selector| {
            self.0.iter().find(|permission| permission.target == target && permission.selector == selector)
        };
        if data.is_empty() {
            find(target, BARE_TRANSFER).or_else(|| find(Address::ZERO, BARE_TRANSFER))?;
            return Some(vec![(Address::ZERO, value)]);
        }
        let selector = data.get(..4).map(FixedBytes::<4>::from_slice).filter(|selector| *selector != BARE_TRANSFER)?;
        let metered = find(target, selector)?.charges(data)?;
        let value = (!value.is_zero()).then_some((Address::ZERO, value));
        Some(metered.into_iter().chain(value).collect())
    }
}

impl LimitSetting {
    /// Checks what the contract checks, but for the asset being the contract itself.
    ///
    /// # Errors
    /// `Cap`, `Period`.
    pub fn check(&self) -> Result<(), PermissionError> {
        if self.cap >> 104 != 0 {
            return Err(PermissionError::Cap(self.cap));
        }
        if !(MIN_PERIOD_SECONDS..=MAX_PERIOD_SECONDS).contains(&self.period) {
            return Err(PermissionError::Period(self.period));
        }
        Ok(())
    }
}

impl From<&Permission> for IRingMultisig::Permission {
    fn from(permission: &Permission) -> Self {
        let Permission { target, selector, allowed, amount_word, asset, address_words } = *permission;
        Self { target, selector, allowed, amountWord: amount_word, asset, addressWords: address_words }
    }
}

impl From<IRingMultisig::Permission> for Permission {
    fn from(permission: IRingMultisig::Permission) -> Self {
        let IRingMultisig::Permission { target, selector, allowed, amountWord, asset, addressWords } = permission;
        Self { target, selector, allowed, amount_word: amountWord, asset, address_words: addressWords }
    }
}

impl From<&LimitSetting> for IRingMultisig::LimitSetting {
    /// Numbers that are out of range are cut, as the contract's types would; [`LimitSetting::check`] tells before.
    fn from(limit: &LimitSetting) -> Self {
        Self { asset: limit.asset, cap: U104::wrapping_from(limit.cap), period: U24::wrapping_from(limit.period) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Address = Address::repeat_byte(0x11);
    const PAYEE: Address = Address::repeat_byte(0x22);

    fn transfer(to: Address, amount: u64) -> Vec<u8> {
        let words = [U256::from_be_slice(to.as_slice()), U256::from(amount)].map(|word| word.to_be_bytes::<32>());
        [&crate::call::ERC20_TRANSFER_SELECTOR[..], &words[0], &words[1]].concat()
    }

    #[test]
    fn what_is_not_permitted_spends_nothing() {
        let none = Permissions::default();
        assert_eq!(none.charges(PAYEE, U256::from(1), &[]), None);
        assert_eq!(none.charges(TOKEN, U256::ZERO, &transfer(PAYEE, 5)), None);
        let removed = Permission { allowed: false, ..Permission::erc20_transfer(TOKEN) };
        assert_eq!(Permissions::new([removed]).charges(TOKEN, U256::ZERO, &transfer(PAYEE, 5)), None);
        let other = Permissions::new([Permission::erc20_transfer(PAYEE)]);
        assert_eq!(other.charges(TOKEN, U256::ZERO, &transfer(PAYEE, 5)), None);
    }

    #[test]
    fn a_permitted_call_spends_its_amount_and_its_value() {
        let some = Permissions::new([Permission::erc20_transfer(TOKEN)]);
        let (amount, value) = ((TOKEN, U256::from(5)), (Address::ZERO, U256::from(7)));
        assert_eq!(some.charges(TOKEN, U256::ZERO, &transfer(PAYEE, 5)), Some(vec![amount]));
        assert_eq!(some.charges(TOKEN, U256::from(7), &transfer(PAYEE, 5)), Some(vec![amount, value]));
        let unmetered = Permissions::new([Permission::function(TOKEN, FixedBytes([1, 2, 3, 4]))]);
        assert_eq!(unmetered.charges(TOKEN, U256::ZERO, &[1, 2, 3, 4]), Some(Vec::new()));
    }

    #[test]
    fn arguments_that_are_cut_off_or_no_addresses_are_refused_as_by_the_contract() {
        let some = Permissions::new([Permission::erc20_transfer(TOKEN)]);
        let data = transfer(PAYEE, 5);
        assert_eq!(some.charges(TOKEN, U256::ZERO, &data[..67]), None);
        let mut dirty = data;
        dirty[4] = 1;
        assert_eq!(some.charges(TOKEN, U256::ZERO, &dirty), None);
    }

    #[test]
    fn bare_transfers_go_to_one_or_to_anybody() {
        let value = U256::from(7);
        let one = Permissions::new([Permission::bare(PAYEE)]);
        assert_eq!(one.charges(PAYEE, value, &[]), Some(vec![(Address::ZERO, value)]));
        assert_eq!(one.charges(TOKEN, value, &[]), None);
        let anybody = Permissions::new([Permission::bare(Address::ZERO)]);
        assert_eq!(anybody.charges(TOKEN, value, &[]), Some(vec![(Address::ZERO, value)]));
        // A selector of zeros, or a piece of one, is no bare transfer.
        assert_eq!(anybody.charges(TOKEN, value, &[0; 4]), None);
        assert_eq!(anybody.charges(TOKEN, value, &[0]), None);
    }

    #[test]
    fn each_impossible_permission_says_why() {
        let function = Permission::function(TOKEN, FixedBytes([1, 2, 3, 4]));
        assert_eq!(Permission { target: Address::ZERO, ..function }.check(), Err(PermissionError::NoTarget));
        let error = PermissionError::AssetWithoutAmount(PAYEE);
        assert_eq!(Permission { asset: PAYEE, ..function }.check(), Err(error));
        let bare = Permission::bare(PAYEE);
        assert_eq!(Permission { amount_word: 0, ..bare }.check(), Err(PermissionError::BareWithArguments));
        assert_eq!(Permission { address_words: 1, ..bare }.check(), Err(PermissionError::BareWithArguments));
        for right in [function, bare, Permission::bare(Address::ZERO), Permission::erc20_transfer(TOKEN)] {
            assert_eq!(right.check(), Ok(()));
        }
        let limit = LimitSetting { asset: TOKEN, cap: 1 << 104, period: 3_600 };
        assert_eq!(limit.check(), Err(PermissionError::Cap(1 << 104)));
        assert_eq!(LimitSetting { cap: 1, period: 3_599, ..limit }.check(), Err(PermissionError::Period(3_599)));
    }
}
