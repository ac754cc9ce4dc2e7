-- The journal is the truth: the records of this seat in the order of their writing, none ever changed or deleted. `live` says
-- which of them a restart needs; `requests` finds each request and its end. The other tables say again, as constraints, what
-- the code promises: a request id has one content and one end, a key signs one content and one void for a nonce, and nothing
-- that is not reserved.

CREATE TABLE identity (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    version  INTEGER NOT NULL,
    chain_id TEXT NOT NULL,
    contract TEXT NOT NULL,
    ring     INTEGER NOT NULL,
    key      TEXT NOT NULL
) STRICT;

CREATE TABLE journal (
    seq      INTEGER PRIMARY KEY,
    -- The turn that the record is about, if it is.
    epoch    INTEGER,
    nonce    INTEGER,
    record   TEXT NOT NULL,
    -- keccak256(seq ‖ record), seq as 8 bytes: a damaged record shows.
    checksum BLOB NOT NULL
) STRICT;

CREATE INDEX journal_turn ON journal (nonce, epoch) WHERE nonce IS NOT NULL;

CREATE TABLE live (
    seq      INTEGER PRIMARY KEY,
    checksum BLOB NOT NULL
) STRICT;

-- What the tables have to add up to: a missing or inserted record shows.
CREATE TABLE totals (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    last_seq INTEGER NOT NULL,
    -- keccak256(chain before ‖ checksum), over all records.
    chain    BLOB NOT NULL,
    live     INTEGER NOT NULL,
    -- The checksums of the live records, combined by exclusive or.
    live_sum BLOB NOT NULL
) STRICT;

CREATE TABLE requests (
    id      BLOB PRIMARY KEY,
    -- Its record in the journal. NULL: known from the chain alone.
    seq     INTEGER UNIQUE,
    digest  BLOB,
    -- Who signed it.
    requester BLOB,
    -- The record of its cancellation.
    withheld INTEGER,
    -- NULL: it has no end yet.
    outcome TEXT,
    -- The record that says so.
    ended   INTEGER,
    ending  TEXT GENERATED ALWAYS AS (outcome ->> '$.outcome') VIRTUAL
) STRICT, WITHOUT ROWID;

-- For lists, the newest first. What is known from the chain alone never arrived here, and is in none.
CREATE INDEX requests_ending ON requests (ending, seq) WHERE seq IS NOT NULL;
CREATE INDEX requests_requester ON requests (requester, ending, seq) WHERE seq IS NOT NULL;

-- Up to where each webhook has been delivered.
CREATE TABLE webhooks (
    name  TEXT PRIMARY KEY,
    seq   INTEGER NOT NULL,
    place INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was confirmed of what is limited in a period.
CREATE TABLE bookings (
    request   BLOB PRIMARY KEY,
    requester BLOB NOT NULL,
    asset     BLOB NOT NULL,
    recipient BLOB NOT NULL,
    amount    BLOB NOT NULL,
    at        INTEGER NOT NULL,
    expiry    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE reservations (
    epoch  INTEGER NOT NULL,
    nonce  INTEGER NOT NULL,
    void   INTEGER NOT NULL CHECK (void IN (0, 1)),
    digest TEXT NOT NULL UNIQUE,
    PRIMARY KEY (epoch, nonce, void)
) STRICT, WITHOUT ROWID;

CREATE TABLE own_signatures (
    digest    TEXT PRIMARY KEY REFERENCES reservations (digest),
    signature TEXT NOT NULL
) STRICT, WITHOUT ROWID;
