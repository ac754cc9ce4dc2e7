//! Requests in the order of their arrival, the newest first.

use ring_contracts::{Address, RequestId};

use super::{
    StoreError,
    database::{Database, Values},
    journal,
};

const ALL: &str = "SELECT seq, id FROM requests WHERE seq < $1 ORDER BY seq DESC LIMIT $2";
const OPEN: &str = "SELECT seq, id FROM requests WHERE ending IS NULL AND seq < $1 ORDER BY seq DESC LIMIT $2";
const ENDED: &str = "SELECT seq, id FROM requests WHERE ending = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";
const OPEN_OF: &str =
    "SELECT seq, id FROM requests WHERE requester = $1 AND ending IS NULL AND seq < $2 ORDER BY seq DESC LIMIT $3";
const ENDED_OF: &str =
    "SELECT seq, id FROM requests WHERE requester = $1 AND ending = $2 AND seq < $3 ORDER BY seq DESC LIMIT $4";

/// How a request ended, as the store names it; `None`: it has no end yet.
pub(crate) type Ending = Option<&'static str>;

/// All there are.
pub(crate) const ENDINGS: [Ending; 6] =
    [None, Some("executed"), Some("failed"), Some("expired"), Some("cancelled"), Some("disputed")];

/// A request and the number of its record, which is its place in the order of arrival.
pub(crate) type Arrival = (i64, RequestId);

/// At most `limit` requests before a place, the newest first. Of one requester or of all; with one of these endings, or
/// whatever theirs is. Takes as long as what it finds, however many requests there are.
pub(super) fn read(
    database: &Database,
    requester: Option<Address>,
    endings: Option<&[Ending]>,
    before: i64,
    limit: usize,
) -> Result<Vec<Arrival>, StoreError> {
    let limit = limit as i64;
    let mut found = Vec::new();
    let whose = || requester.map(|requester| requester.as_slice().into());
    let place = || [before.into(), limit.into()];
    match (requester, endings) {
        (None, None) => collect(database, &mut found, ALL, place().into())?,
        (_, endings) => {
            for ending in endings.unwrap_or(&ENDINGS) {
                let sql = match (requester, ending) {
                    (None, None) => OPEN,
                    (None, Some(_)) => ENDED,
                    (Some(_), None) => OPEN_OF,
                    (Some(_), Some(_)) => ENDED_OF,
                };
                let values = whose().into_iter().chain(ending.map(Into::into)).chain(place()).collect();
                collect(database, &mut found, sql, values)?;
            }
        }
    }
    // Each ending came in order.
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.truncate(limit as usize);
    Ok(found)
}

fn collect(database: &Database, found: &mut Vec<Arrival>, sql: &'static str, values: Values) -> Result<(), StoreError> {
    for row in database.query(sql, values)? {
        let seq = journal::seq(&row)?;
        let id = row.bytes(1).and_then(|id| RequestId::try_from(id).ok());
        found.push((seq, id.ok_or_else(|| StoreError::damaged(seq, "the id of its request is none"))?));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, params};

    use super::{super::database::Sqlite, *};

    /// A table of the store's with a thousand requests of ten requesters.
    fn filled() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("database/sqlite.sql")).unwrap();
        for seq in 1..=1_000i64 {
            let id = RequestId::left_padding_from(&seq.to_be_bytes());
            let requester = Address::with_last_byte((seq % 10) as u8);
            let outcome = ENDINGS[(seq % 7) as usize % ENDINGS.len()].map(|name| format!("{{\"outcome\":\"{name}\"}}"));
            let insert = "INSERT INTO requests (id, seq, requester, outcome) VALUES (?, ?, ?, ?)";
            connection.execute(insert, params![id.as_slice(), seq, requester.as_slice(), outcome]).unwrap();
        }
        connection
    }

    fn seqs(database: &Database, requester: Option<Address>, endings: Option<&[Ending]>) -> Vec<i64> {
        let (mut all, mut before) = (Vec::new(), i64::MAX);
        loop {
            let page = read(database, requester, endings, before, 7).unwrap();
            assert!(page.len() <= 7);
            let Some((last, _)) = page.last() else { return all };
            before = *last;
            all.extend(page.into_iter().map(|(seq, _)| seq));
        }
    }

    #[test]
    fn pages_hold_everything_that_matches_once_and_the_newest_first() {
        let database = Database::new(Sqlite::of(filled()));
        let ending = |seq: i64| ENDINGS[(seq % 7) as usize % ENDINGS.len()];
        let two: [Ending; 2] = [None, Some("failed")];
        for requester in [None, Some(3)] {
            for endings in [None, Some(&two[..]), Some(&ENDINGS[2..3]), Some(&[])] {
                let expected: Vec<i64> = (1..=1_000i64)
                    .rev()
                    .filter(|seq| requester.is_none_or(|requester| seq % 10 == requester))
                    .filter(|seq| endings.is_none_or(|endings| endings.contains(&ending(*seq))))
                    .collect();
                let requester = requester.map(|requester| Address::with_last_byte(requester as u8));
                assert_eq!(seqs(&database, requester, endings), expected, "{requester:?} {endings:?}");
            }
        }
    }

    #[test]
    fn no_list_reads_the_whole_table_or_sorts_it() {
        let connection = filled();
        for sql in [ALL, OPEN, ENDED, OPEN_OF, ENDED_OF] {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let count = explain.parameter_count();
            let plan: Vec<String> = explain
                .query_map(rusqlite::params_from_iter(std::iter::repeat_n(1, count)), |row| row.get(3))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            let [step] = &plan[..] else { panic!("{sql}: {plan:?}") };
            assert!(step.starts_with("SEARCH") && step.contains("INDEX") && step.contains("seq<?"), "{step}");
        }
    }
}
