//! What was confirmed of what is limited in a period, so that neither a restart nor a standby forgets what limits were used for.

use ring_contracts::{Address, RequestId, U256};

use super::{Store, StoreError, database::Row};

/// A request that was confirmed, and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Which request.
    pub request: RequestId,
    /// Who asked for it.
    pub requester: Address,
    /// Of which asset; zero is the native coin.
    pub asset: Address,
    /// Who gets it.
    pub recipient: Address,
    /// How much, in the asset's smallest unit.
    pub amount: U256,
    /// When it was confirmed, in Unix seconds of the chain's time.
    pub at: u64,
    /// When the request expires, in Unix seconds.
    pub expiry: u64,
}

impl Store {
    /// Makes bookings durable, all or none. A request is booked once.
    ///
    /// # Errors
    /// `Database`: it is not known whether they are. `TakenOver`: they are not. The process has to end.
    pub fn book(&mut self, bookings: &[Booking]) -> Result<(), StoreError> {
        let transaction = self.database.begin()?;
        for Booking { request, requester, asset, recipient, amount, at, expiry } in bookings {
            transaction.write(
                "INSERT INTO bookings VALUES ($1, $2, $3, $4, $5, $6, $7)",
                vec![
                    request.as_slice().into(),
                    requester.as_slice().into(),
                    asset.as_slice().into(),
                    recipient.as_slice().into(),
                    amount.to_be_bytes::<32>().as_slice().into(),
                    seconds(*at),
                    seconds(*expiry),
                ],
            )?;
        }
        transaction.commit()
    }

    /// All bookings, but for those of before this time whose requests have expired: these are forgotten.
    ///
    /// # Errors
    /// `Damaged`, `Database`, `TakenOver`.
    pub fn bookings(&mut self, longest: u64) -> Result<Vec<Booking>, StoreError> {
        let newest = self.database.query("SELECT max(at) FROM bookings", Vec::new())?;
        let newest = newest.first().and_then(|row| row.integer(0)).unwrap_or(0);
        // The chain's time goes back a little when blocks are replaced.
        let old = newest.saturating_sub(i64::try_from(longest).unwrap_or(i64::MAX).saturating_mul(2));
        let transaction = self.database.begin()?;
        transaction.write("DELETE FROM bookings WHERE at < $1 AND expiry < $2", vec![old.into(), newest.into()])?;
        transaction.commit()?;
        let rows = self.database.query(
            "SELECT request, requester, asset, recipient, amount, at, expiry FROM bookings ORDER BY at, request",
            Vec::new(),
        )?;
        rows.iter().map(|row| read(row).ok_or_else(|| StoreError::damaged(0, "a booking cannot be read"))).collect()
    }
}

fn seconds(time: u64) -> super::database::Value {
    i64::try_from(time).unwrap_or(i64::MAX).into()
}

fn read(row: &Row) -> Option<Booking> {
    Some(Booking {
        request: row.bytes(0)?.try_into().ok()?,
        requester: row.bytes(1)?.try_into().ok()?,
        asset: row.bytes(2)?.try_into().ok()?,
        recipient: row.bytes(3)?.try_into().ok()?,
        amount: U256::try_from_be_slice(row.bytes(4)?)?,
        at: row.integer(5)?.try_into().ok()?,
        expiry: row.integer(6)?.try_into().ok()?,
    })
}
