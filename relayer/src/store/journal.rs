//! Records in rows, and the sums that show damage.

use ring_contracts::{B256, keccak256};
use ring_core::Record;
use rusqlite::{Connection, Transaction, params};

use super::StoreError;

/// What the rows have to add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) last_seq: i64,
    chain: B256,
    live: i64,
    live_sum: B256,
}

impl Totals {
    fn add(&mut self, checksum: B256) {
        self.last_seq += 1;
        self.chain = keccak256([self.chain, checksum].concat());
        self.live += 1;
        self.live_sum ^= checksum;
    }

    fn retire(&mut self, checksum: B256) {
        self.live -= 1;
        self.live_sum ^= checksum;
    }
}

/// Writes a record behind the others. Live, until it is retired.
pub(super) fn append(
    transaction: &Transaction<'_>,
    totals: &mut Totals,
    record: &Record,
    epoch: Option<u32>,
) -> Result<i64, StoreError> {
    let seq = totals.last_seq + 1;
    let body = serde_json::to_string(record).map_err(|error| StoreError::damaged(seq, error))?;
    let checksum = checksum(seq, &body);
    let nonce = record.about();
    let epoch = match record {
        Record::Content(turn) => Some(turn.id().epoch),
        _ => epoch.filter(|_| nonce.is_some()),
    };
    transaction.prepare_cached("INSERT INTO journal VALUES (?, ?, ?, ?, ?)")?.execute(params![
        seq,
        epoch,
        nonce.map(|nonce| nonce as i64),
        body,
        checksum.as_slice()
    ])?;
    transaction.prepare_cached("INSERT INTO live VALUES (?, ?)")?.execute(params![seq, checksum.as_slice()])?;
    totals.add(checksum);
    Ok(seq)
}

/// A restart does not need this record any more.
pub(super) fn retire(transaction: &Transaction<'_>, totals: &mut Totals, seq: i64) -> Result<(), StoreError> {
    let mut delete = transaction.prepare_cached("DELETE FROM live WHERE seq = ? RETURNING checksum")?;
    let mut rows = delete.query([seq])?;
    while let Some(row) = rows.next()? {
        totals.retire(word(row.get_ref(0)?.as_blob_or_null().map_err(rusqlite::Error::from)?, seq)?);
    }
    Ok(())
}

/// A restart does not need the records about this nonce any more, in whatever epoch.
pub(super) fn retire_nonce(transaction: &Transaction<'_>, totals: &mut Totals, nonce: u64) -> Result<(), StoreError> {
    let about = "SELECT seq FROM journal WHERE nonce = ?";
    let seqs: Vec<i64> =
        transaction.prepare_cached(about)?.query_map([nonce as i64], |row| row.get(0))?.collect::<Result<_, _>>()?;
    seqs.into_iter().try_for_each(|seq| retire(transaction, totals, seq))
}

pub(super) fn write_totals(transaction: &Transaction<'_>, totals: &Totals) -> Result<(), StoreError> {
    let Totals { last_seq, chain, live, live_sum } = totals;
    transaction
        .prepare_cached("UPDATE totals SET last_seq = ?, chain = ?, live = ?, live_sum = ?")?
        .execute(params![last_seq, chain.as_slice(), live, live_sum.as_slice()])?;
    Ok(())
}

pub(super) fn read_totals(connection: &Connection) -> Result<Totals, StoreError> {
    let row = connection.query_row("SELECT last_seq, chain, live, live_sum FROM totals", (), |row| {
        Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?))
    });
    match row {
        Ok((last_seq, chain, live, live_sum)) => {
            Ok(Totals { last_seq, chain: word(Some(&chain), 0)?, live, live_sum: word(Some(&live_sum), 0)? })
        }
        Err(rusqlite::Error::QueryReturnedNoRows) => Err(StoreError::damaged(0, "its totals are missing")),
        Err(error) => Err(error.into()),
    }
}

/// The records that a restart needs, in order, with their numbers.
pub(super) fn read_live(connection: &Connection, totals: &Totals) -> Result<Vec<(i64, Record)>, StoreError> {
    let mut select = connection.prepare(
        "SELECT live.seq, live.checksum, journal.record FROM live LEFT JOIN journal ON journal.seq = live.seq ORDER BY live.seq",
    )?;
    let mut rows = select.query(())?;
    let mut records = Vec::new();
    let mut found = Totals { live: 0, live_sum: B256::ZERO, ..*totals };
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        let stored = word(row.get_ref(1)?.as_blob_or_null().map_err(rusqlite::Error::from)?, seq)?;
        let Some(body) = row.get::<_, Option<String>>(2)? else {
            return Err(StoreError::damaged(seq, "it is missing"));
        };
        if checksum(seq, &body) != stored {
            return Err(StoreError::damaged(seq, "its checksum is wrong"));
        }
        found.live += 1;
        found.live_sum ^= stored;
        records.push((seq, decode(seq, &body)?));
    }
    if found != *totals {
        let what = format!("{} records are live, {} should be, or they are not the ones", found.live, totals.live);
        return Err(StoreError::damaged(0, what));
    }
    let last: Option<i64> = connection.query_row("SELECT max(seq) FROM journal", (), |row| row.get(0))?;
    if last.unwrap_or(0) != totals.last_seq {
        return Err(StoreError::damaged(last.unwrap_or(0), format!("the last should be {}", totals.last_seq)));
    }
    Ok(records)
}

/// Reads every record ever written, and returns how many there are.
pub(super) fn verify(connection: &Connection, totals: &Totals) -> Result<i64, StoreError> {
    let mut select = connection.prepare("SELECT seq, record, checksum FROM journal ORDER BY seq")?;
    let mut rows = select.query(())?;
    let mut found = Totals::default();
    while let Some(row) = rows.next()? {
        let (seq, body): (i64, String) = (row.get(0)?, row.get(1)?);
        let stored = word(row.get_ref(2)?.as_blob_or_null().map_err(rusqlite::Error::from)?, seq)?;
        if seq != found.last_seq + 1 {
            return Err(StoreError::damaged(seq, "records before it are missing"));
        }
        if checksum(seq, &body) != stored {
            return Err(StoreError::damaged(seq, "its checksum is wrong"));
        }
        decode(seq, &body)?;
        found.add(stored);
    }
    if (found.last_seq, found.chain) != (totals.last_seq, totals.chain) {
        return Err(StoreError::damaged(found.last_seq, format!("{} records should be there", totals.last_seq)));
    }
    Ok(found.last_seq)
}

pub(super) fn decode(seq: i64, body: &str) -> Result<Record, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::damaged(seq, error))
}

fn checksum(seq: i64, body: &str) -> B256 {
    keccak256([&seq.to_be_bytes()[..], body.as_bytes()].concat())
}

fn word(bytes: Option<&[u8]>, seq: i64) -> Result<B256, StoreError> {
    bytes.and_then(|bytes| B256::try_from(bytes).ok()).ok_or_else(|| StoreError::damaged(seq, "a checksum is no word"))
}
