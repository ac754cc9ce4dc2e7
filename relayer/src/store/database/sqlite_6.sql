-- What layout 6 adds.

-- What people have to hear of, in the order in which it was said last: the same again moves to the end, and only the newest stay.
CREATE TABLE alarms (
    number INTEGER PRIMARY KEY,
    reason TEXT NOT NULL UNIQUE
) STRICT;

-- Up to which alarm each subscriber has been told, and how many it has missed that did not stay.
CREATE TABLE alarm_deliveries (
    name   TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    missed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
