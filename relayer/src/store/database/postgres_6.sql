-- The tables of sqlite_6.sql, which says what they are for, in PostgreSQL's words.

CREATE TABLE alarms (
    number BIGINT PRIMARY KEY,
    reason TEXT NOT NULL UNIQUE
);

CREATE TABLE alarm_deliveries (
    name   TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    missed BIGINT NOT NULL
);
