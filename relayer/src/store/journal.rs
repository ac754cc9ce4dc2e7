//! Records in rows, and the sums that show damage.

use ring_contracts::{B256, keccak256};
use ring_core::Record;

use super::{
    StoreError,
    database::{Database, Row, Transaction},
};

/// How many records are read at once.
const PAGE: i64 = 1_000;

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
    transaction.write(
        "INSERT INTO journal VALUES ($1, $2, $3, $4, $5)",
        vec![seq.into(), epoch.into(), nonce.map(|nonce| nonce as i64).into(), body.into(), checksum.as_slice().into()],
    )?;
    transaction.write("INSERT INTO live VALUES ($1, $2)", vec![seq.into(), checksum.as_slice().into()])?;
    totals.add(checksum);
    Ok(seq)
}

/// A restart does not need these records any more.
pub(super) fn retire(
    transaction: &Transaction<'_>,
    totals: &mut Totals,
    seqs: impl IntoIterator<Item = i64>,
) -> Result<(), StoreError> {
    let seqs: Vec<i64> = seqs.into_iter().collect();
    let delete = "DELETE FROM live WHERE seq = $1 RETURNING checksum";
    let deleted = transaction.each(delete, seqs.iter().map(|seq| vec![(*seq).into()]).collect())?;
    for (seq, rows) in seqs.into_iter().zip(deleted) {
        for row in rows {
            totals.retire(word(row.bytes(0), seq)?);
        }
    }
    Ok(())
}

/// A restart does not need the records about this nonce any more, in whatever epoch.
pub(super) fn retire_nonce(transaction: &Transaction<'_>, totals: &mut Totals, nonce: u64) -> Result<(), StoreError> {
    let about = transaction.query("SELECT seq FROM journal WHERE nonce = $1", vec![(nonce as i64).into()])?;
    retire(transaction, totals, about.iter().filter_map(|row| row.integer(0)))
}

pub(super) fn write_totals(transaction: &Transaction<'_>, totals: &Totals) -> Result<(), StoreError> {
    let Totals { last_seq, chain, live, live_sum } = totals;
    transaction.write(
        "UPDATE totals SET last_seq = $1, chain = $2, live = $3, live_sum = $4",
        vec![(*last_seq).into(), chain.as_slice().into(), (*live).into(), live_sum.as_slice().into()],
    )
}

/// The totals of a store without records.
pub(super) fn begin_totals(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let zero = B256::ZERO;
    transaction
        .write("INSERT INTO totals VALUES (1, 0, $1, 0, $2)", vec![zero.as_slice().into(), zero.as_slice().into()])
}

pub(super) fn read_totals(database: &Database) -> Result<Totals, StoreError> {
    let rows = database.query("SELECT last_seq, chain, live, live_sum FROM totals", Vec::new())?;
    let numbers = rows.first().and_then(|row| Some((row, row.integer(0)?, row.integer(2)?)));
    let (row, last_seq, live) = numbers.ok_or_else(|| StoreError::damaged(0, "its totals are missing"))?;
    Ok(Totals { last_seq, chain: word(row.bytes(1), 0)?, live, live_sum: word(row.bytes(3), 0)? })
}

/// The records that a restart needs, in order, with their numbers.
pub(super) fn read_live(database: &Database, totals: &Totals) -> Result<Vec<(i64, Record)>, StoreError> {
    let rows = database.query(
        "SELECT live.seq, live.checksum, journal.record FROM live LEFT JOIN journal ON journal.seq = live.seq ORDER BY live.seq",
        Vec::new(),
    )?;
    let mut records = Vec::with_capacity(rows.len());
    let mut found = Totals { live: 0, live_sum: B256::ZERO, ..*totals };
    for row in rows {
        let seq = seq(&row)?;
        let stored = word(row.bytes(1), seq)?;
        let Some(body) = row.text(2) else {
            return Err(StoreError::damaged(seq, "it is missing"));
        };
        if checksum(seq, body) != stored {
            return Err(StoreError::damaged(seq, "its checksum is wrong"));
        }
        found.live += 1;
        found.live_sum ^= stored;
        records.push((seq, decode(seq, body)?));
    }
    if found != *totals {
        let what = format!("{} records are live, {} should be, or they are not the ones", found.live, totals.live);
        return Err(StoreError::damaged(0, what));
    }
    let last = database.query("SELECT max(seq) FROM journal", Vec::new())?;
    let last = last.first().and_then(|row| row.integer(0)).unwrap_or(0);
    if last != totals.last_seq {
        return Err(StoreError::damaged(last, format!("the last should be {}", totals.last_seq)));
    }
    Ok(records)
}

/// The charter in the last record of a succession. A start looks for it before it knows whose store this is to be.
pub(super) fn last_succession(database: &Database) -> Result<Option<B256>, StoreError> {
    let last = "SELECT journal.seq, journal.record FROM live JOIN journal ON journal.seq = live.seq
         WHERE journal.record LIKE '{\"record\":\"succeeded\"%' ORDER BY live.seq DESC LIMIT 1";
    let rows = database.query(last, Vec::new())?;
    match rows.first().map(read).transpose()? {
        Some((_, Record::Succeeded { charter, .. })) => Ok(Some(charter)),
        _ => Ok(None),
    }
}

/// Reads every record ever written, and returns how many there are.
pub(super) fn verify(database: &Database, totals: &Totals) -> Result<i64, StoreError> {
    let mut found = Totals::default();
    loop {
        let page = "SELECT seq, record, checksum FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2";
        let rows = database.query(page, vec![found.last_seq.into(), PAGE.into()])?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let seq = seq(&row)?;
            let body = text(&row, 1, seq)?;
            let stored = word(row.bytes(2), seq)?;
            if seq != found.last_seq + 1 {
                return Err(StoreError::damaged(seq, "records before it are missing"));
            }
            if checksum(seq, body) != stored {
                return Err(StoreError::damaged(seq, "its checksum is wrong"));
            }
            decode(seq, body)?;
            found.add(stored);
        }
    }
    if (found.last_seq, found.chain) != (totals.last_seq, totals.chain) {
        return Err(StoreError::damaged(found.last_seq, format!("{} records should be there", totals.last_seq)));
    }
    Ok(found.last_seq)
}

/// A record's number, in the first column.
pub(super) fn seq(row: &Row) -> Result<i64, StoreError> {
    row.integer(0).ok_or_else(|| StoreError::damaged(0, "a record has no number"))
}

/// The record of a row whose columns are its number and itself.
pub(super) fn read(row: &Row) -> Result<(i64, Record), StoreError> {
    let seq = seq(row)?;
    Ok((seq, decode(seq, text(row, 1, seq)?)?))
}

fn text(row: &Row, column: usize, seq: i64) -> Result<&str, StoreError> {
    row.text(column).ok_or_else(|| StoreError::damaged(seq, "it is missing"))
}

fn decode(seq: i64, body: &str) -> Result<Record, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::damaged(seq, error))
}

fn checksum(seq: i64, body: &str) -> B256 {
    keccak256([&seq.to_be_bytes()[..], body.as_bytes()].concat())
}

fn word(bytes: Option<&[u8]>, seq: i64) -> Result<B256, StoreError> {
    bytes.and_then(|bytes| B256::try_from(bytes).ok()).ok_or_else(|| StoreError::damaged(seq, "a checksum is no word"))
}
