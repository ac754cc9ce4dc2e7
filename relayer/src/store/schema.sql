-- The journal is the state: its records, applied in order. The other tables say again, as constraints, what the code
-- promises: a request id has one content, a key signs one content and one void for a nonce, and nothing that is not
-- reserved.

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
    -- What the record is about, to find it without reading all: a request's id, a turn's (epoch, nonce).
    subject  TEXT,
    record   TEXT NOT NULL,
    -- keccak256(checksum of the record before ‖ record): a damaged, missing or inserted record shows.
    checksum BLOB NOT NULL
) STRICT;

CREATE INDEX journal_subject ON journal (subject) WHERE subject IS NOT NULL;

CREATE TABLE requests (
    id TEXT PRIMARY KEY
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
