"""The tables of the journal, and the way from older ones to these."""

import sqlite3
from collections.abc import Callable

_BOOT = """\
CREATE TABLE boot (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, start INTEGER NOT NULL,
    dating INTEGER NOT NULL);
CREATE VIEW dated AS SELECT seq, kind, ident, time + ifnull(start, 0) AS time, body, boot, dating
    FROM entry LEFT JOIN boot ON number = boot;
"""

# AUTOINCREMENT: a plain rowid starts again at 1 when the table is trimmed empty, and every
# cursor would then pass over the new entries in silence.
TABLES = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE ident (id INTEGER PRIMARY KEY, node TEXT NOT NULL, digest TEXT NOT NULL, since INTEGER,
    body TEXT NOT NULL);
CREATE INDEX ident_digest ON ident (digest);
CREATE TABLE node (name TEXT PRIMARY KEY, ident INTEGER NOT NULL REFERENCES ident, newest INTEGER) WITHOUT ROWID;
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, ident INTEGER NOT NULL REFERENCES ident,
    time INTEGER NOT NULL, body TEXT NOT NULL, boot INTEGER);
{_BOOT}CREATE TABLE written (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL);
CREATE TABLE cursor (name TEXT PRIMARY KEY, seq INTEGER NOT NULL, rejected INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0, seen INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE lane (cursor TEXT, name TEXT, seq INTEGER NOT NULL, nodes TEXT NOT NULL, reason TEXT NOT NULL,
    blocked INTEGER NOT NULL, PRIMARY KEY (cursor, name)) WITHOUT ROWID;
CREATE TABLE state (owner TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (owner, key)) WITHOUT ROWID;
CREATE TABLE source (name TEXT PRIMARY KEY, position TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rejected (number INTEGER PRIMARY KEY AUTOINCREMENT, cursor TEXT NOT NULL, seq INTEGER NOT NULL,
    time INTEGER NOT NULL, reason TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE ring (node TEXT PRIMARY KEY, hashes BLOB NOT NULL) WITHOUT ROWID;
"""


def _boots(db: sqlite3.Connection) -> None:
    """Entries whose *time* counts from a start of the machine, and a view of all with their time of day."""
    run(db, f"ALTER TABLE entry ADD COLUMN boot INTEGER; {_BOOT}")


def run(db: sqlite3.Connection, statements: str) -> None:
    """Execute several statements, inside whatever transaction there is."""
    for statement in statements.split(";"):
        db.execute(statement)


UPGRADES: list[Callable[[sqlite3.Connection], None]] = [_boots]
"""What makes version n+2 of version n+1: the first entry upgrades version 1."""

VERSION = 1 + len(UPGRADES)

VERSION_1 = """\
CREATE TEMP TABLE boot (number, id, start, dating);
CREATE TEMP VIEW dated AS SELECT seq, kind, ident, time, body, NULL AS boot, NULL AS dating FROM entry;
"""
"""What a connection that may not upgrade a file of version 1 needs to read it as one of today."""
