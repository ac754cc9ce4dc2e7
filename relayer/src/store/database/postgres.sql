-- The tables of sqlite.sql, which says what they are for, in PostgreSQL's words; and the fence.

CREATE TABLE identity (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    version  BIGINT NOT NULL,
    chain_id TEXT NOT NULL,
    contract TEXT NOT NULL,
    ring     BIGINT NOT NULL,
    key      TEXT NOT NULL
);

-- Which process may write: each that takes over raises the number, and whoever has an older one writes nothing more. The
-- advisory lock that goes with it is on this table's oid.
CREATE TABLE fence (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    holder   BIGINT NOT NULL
);

INSERT INTO fence VALUES (1, 0);

CREATE TABLE journal (
    seq      BIGINT PRIMARY KEY,
    epoch    BIGINT,
    nonce    BIGINT,
    record   TEXT NOT NULL,
    checksum BYTEA NOT NULL
);

CREATE INDEX journal_turn ON journal (nonce, epoch) WHERE nonce IS NOT NULL;

CREATE TABLE live (
    seq      BIGINT PRIMARY KEY,
    checksum BYTEA NOT NULL
);

CREATE TABLE totals (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    last_seq BIGINT NOT NULL,
    chain    BYTEA NOT NULL,
    live     BIGINT NOT NULL,
    live_sum BYTEA NOT NULL
);

CREATE TABLE requests (
    id        BYTEA PRIMARY KEY,
    seq       BIGINT UNIQUE,
    digest    BYTEA,
    requester BYTEA,
    withheld  BIGINT,
    outcome   TEXT,
    ended     BIGINT,
    ending    TEXT GENERATED ALWAYS AS (outcome::jsonb ->> 'outcome') STORED
);

CREATE INDEX requests_ending ON requests (ending, seq) WHERE seq IS NOT NULL;
CREATE INDEX requests_requester ON requests (requester, ending, seq) WHERE seq IS NOT NULL;

CREATE TABLE webhooks (
    name  TEXT PRIMARY KEY,
    seq   BIGINT NOT NULL,
    place BIGINT NOT NULL
);

CREATE TABLE bookings (
    request   BYTEA PRIMARY KEY,
    requester BYTEA NOT NULL,
    asset     BYTEA NOT NULL,
    recipient BYTEA NOT NULL,
    amount    BYTEA NOT NULL,
    at        BIGINT NOT NULL,
    expiry    BIGINT NOT NULL
);

CREATE TABLE reservations (
    epoch  BIGINT NOT NULL,
    nonce  BIGINT NOT NULL,
    void   BIGINT NOT NULL CHECK (void IN (0, 1)),
    digest TEXT NOT NULL UNIQUE,
    PRIMARY KEY (epoch, nonce, void)
);

CREATE TABLE own_signatures (
    digest    TEXT PRIMARY KEY REFERENCES reservations (digest),
    signature TEXT NOT NULL
);
