"""The journal's file: opened, made, upgraded, and replaced when it is damaged."""

import logging
import secrets
import sqlite3
from pathlib import Path

from mysense.errors import JournalError, UnavailableError
from mysense.journal import Changes, schema
from mysense.journal.damaged import carry_over, looks_sound, set_aside
from mysense.journal.locks import Locks

PRIVATE = 0o640
"""The rights of a new journal: it holds addresses, and not everybody on this machine is to read it."""

log = logging.getLogger("mysense")


def open_sound(path: Path, locks: Locks, mark: str) -> tuple[sqlite3.Connection, list[str]]:
    """A connection to write with, and what there is to tell.

    A damaged file is set aside, named after *mark*, and replaced, if no other process has it open.
    """
    db = connect(path)
    try:
        prepare(db, path)
        sound = looks_sound(db)
    except sqlite3.OperationalError as error:
        db.close()
        raise UnavailableError(f"the journal {path}: {error}") from error
    except sqlite3.DatabaseError:
        sound = False
    except BaseException:
        db.close()
        raise
    if sound:
        return db, []
    db.close()
    if not locks.alone():
        raise JournalError(f"the journal {path} is damaged; stop the other processes that use it")
    aside = set_aside(path, mark)
    path.touch(PRIVATE)
    db = connect(path)
    prepare(db, path)
    told = f"the journal was damaged and is set aside as {aside}: {carry_over(aside, db)}"
    log.error(told)
    return db, [told]


def connect(path: Path, reading: bool = False) -> sqlite3.Connection:
    """A connection that several threads may use, one at a time."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if reading else 'rwc'}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
    db.execute("PRAGMA secure_delete = OFF")  # some builds overwrite what they delete: twice the bytes
    return db


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables, or upgrade older ones."""
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA journal_size_limit = 2000000")
    db.execute("PRAGMA wal_autocheckpoint = 500")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > schema.VERSION:
        raise JournalError(f"{path} was written by a newer mysense (schema {version}); upgrade mysense")
    if version == schema.VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]  # another process may have been quicker
    if version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
        schema.run(db, schema.TABLES)
        set_meta(db, "id", secrets.token_hex(4))
    for upgrade in schema.UPGRADES[max(0, version - 1) :] if version else ():
        upgrade(db)
    db.execute(f"PRAGMA user_version = {schema.VERSION}")
    db.execute("COMMIT")


def written() -> int:
    """Bytes that this process has had written to disk so far."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))
    except (OSError, StopIteration):
        return 0


def meta(db: sqlite3.Connection, key: str, default: str) -> str:
    """One of the journal's own values."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else default


def set_meta(db: sqlite3.Connection, key: str, value: str) -> None:
    """Set one of the journal's own values."""
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def change(db: sqlite3.Connection, owner: str, changes: Changes | None) -> None:
    """Store changes of a state."""
    for key, value in (changes or {}).items():
        if value is None:
            db.execute("DELETE FROM state WHERE owner = ? AND key = ?", (owner, key))
        else:
            db.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (owner, key, value))
