//! What people have to hear of: kept until those who are to be told have been, over restarts and take-overs.
//!
//! Not in the journal, which keeps everything for ever: alarms repeat, and may come in floods. The same alarm is there once, where
//! it was raised last, and only the newest stay; whoever missed others is told how many.

use super::{
    Store, StoreError,
    database::{Row, Transaction},
};

/// How many alarms stay in a store: the newest.
pub const KEPT: usize = 256;
/// How many bytes of an alarm: an index of PostgreSQL's takes no more.
const LONGEST: usize = 2_000;

/// An alarm that a subscriber has not been told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Its number: the later it was raised the higher, over all restarts.
    pub number: i64,
    /// What happened.
    pub reason: String,
}

/// What a subscriber has not been told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// How many alarms at most it never will be, since too many others came after them.
    pub missed: u64,
    /// The alarms, in order.
    pub alarms: Vec<Alarm>,
}

/// Alarms that are not in the store yet: they go there with whatever is written next.
#[derive(Clone, Debug, Default)]
pub struct Raised {
    reasons: Vec<String>,
    /// How many did not stay.
    lost: i64,
}

impl Raised {
    /// Adds one. The same again is one.
    pub fn add(&mut self, reason: &str) {
        let mut end = reason.len().min(LONGEST);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let reason = &reason[..end];
        self.reasons.retain(|other| other != reason);
        if self.reasons.len() == KEPT {
            self.reasons.remove(0);
            self.lost += 1;
        }
        self.reasons.push(reason.to_owned());
    }

    /// Whether there is nothing to be written.
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }
}

impl Store {
    /// Has a subscriber told of alarms, from now on if that is new; or not any more.
    ///
    /// # Errors
    /// `Database`, `TakenOver`.
    pub fn follow_alarms(&mut self, name: &str, wanted: bool) -> Result<(), StoreError> {
        let transaction = self.database.begin()?;
        match wanted {
            true => transaction.write(
                "INSERT INTO alarm_deliveries SELECT $1, COALESCE(max(number), 0), 0 FROM alarms WHERE true
                 ON CONFLICT (name) DO NOTHING",
                vec![name.into()],
            )?,
            false => transaction.write("DELETE FROM alarm_deliveries WHERE name = $1", vec![name.into()])?,
        }
        transaction.commit()
    }

    /// What a subscriber has not been told of.
    ///
    /// # Errors
    /// `Damaged`, `Database`.
    pub fn untold(&self, name: &str) -> Result<Untold, StoreError> {
        let place = "SELECT number, missed FROM alarm_deliveries WHERE name = $1";
        let rows = self.database.query(place, vec![name.into()])?;
        let Some((told, missed)) = rows.first().and_then(|row| Some((row.integer(0)?, row.integer(1)?))) else {
            return Ok(Untold::default());
        };
        let rows = self
            .database
            .query("SELECT number, reason FROM alarms WHERE number > $1 ORDER BY number", vec![told.into()])?;
        let alarm = |row: &Row| Some(Alarm { number: row.integer(0)?, reason: row.text(1)?.to_owned() });
        let alarms = rows.iter().map(|row| alarm(row).ok_or_else(|| StoreError::damaged(0, "an alarm cannot be read")));
        Ok(Untold { missed: u64::try_from(missed).unwrap_or(0), alarms: alarms.collect::<Result<_, _>>()? })
    }
}

/// Writes alarms behind the others.
pub(super) fn raise(transaction: &Transaction<'_>, raised: &Raised) -> Result<(), StoreError> {
    let Some(mut number) = last(transaction)? else {
        return Err(StoreError::damaged(0, "its alarms cannot be counted"));
    };
    for reason in &raised.reasons {
        number += 1;
        transaction.write(
            "INSERT INTO alarms VALUES ($1, $2) ON CONFLICT (reason) DO UPDATE SET number = excluded.number",
            vec![number.into(), reason.as_str().into()],
        )?;
    }
    if raised.lost > 0 {
        transaction.write("UPDATE alarm_deliveries SET missed = missed + $1", vec![raised.lost.into()])?;
    }
    let kept = i64::try_from(KEPT).unwrap_or(i64::MAX);
    let first = "SELECT number FROM alarms ORDER BY number DESC LIMIT 1 OFFSET $1";
    let rows = transaction.query(first, vec![kept.into()])?;
    if let Some(old) = rows.first().and_then(|row| row.integer(0)) {
        transaction.write(
            "UPDATE alarm_deliveries SET missed = missed + (
               SELECT count(*) FROM alarms WHERE alarms.number > alarm_deliveries.number AND alarms.number <= $1)",
            vec![old.into()],
        )?;
        transaction.write("DELETE FROM alarms WHERE number <= $1", vec![old.into()])?;
    }
    Ok(())
}

/// Remembers up to which alarm a subscriber has been told, and of how many that it has missed them.
pub(super) fn note_told(
    transaction: &Transaction<'_>,
    name: &str,
    number: Option<i64>,
    missed: i64,
) -> Result<(), StoreError> {
    if let Some(number) = number {
        let update = "UPDATE alarm_deliveries SET number = $1 WHERE name = $2";
        transaction.write(update, vec![number.into(), name.into()])?;
    }
    if missed > 0 {
        let update = "UPDATE alarm_deliveries SET missed = missed - $1 WHERE name = $2";
        transaction.write(update, vec![missed.into(), name.into()])?;
    }
    Ok(())
}

fn last(transaction: &Transaction<'_>) -> Result<Option<i64>, StoreError> {
    let rows = transaction.query("SELECT COALESCE(max(number), 0) FROM alarms", Vec::new())?;
    Ok(rows.first().and_then(|row| row.integer(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_that_is_not_written_yet_is_bounded_and_its_newest_stay() {
        let mut raised = Raised::default();
        (0..KEPT + 3).for_each(|number| raised.add(&number.to_string()));
        raised.add("4");
        assert_eq!((raised.reasons.len(), raised.lost), (KEPT, 3));
        assert_eq!((&raised.reasons[0][..], &raised.reasons[KEPT - 1][..]), ("3", "4"));
    }
}
