"""The journal's file: opened, made, upgraded, and replaced when it is damaged."""

import logging
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from mysense.errors import JournalError, UnavailableError
from mysense.journal import Changes, schema
from mysense.journal.damaged import carry_over, looks_sound, may_be_damaged, set_aside
from mysense.journal.locks import Locks

PRIVATE = 0o640
"""The rights of a new journal: it holds addresses, and not everybody on this machine is to read it."""

log = logging.getLogger("mysense")


def open_sound(path: Path, locks: Locks, mark: str) -> tuple[sqlite3.Connection, list[str]]:
    """A connection to write with, and what there is to tell.

    A damaged file is set aside, named after *mark*, and replaced, if no other process has it open.
    """
    told = _finish(path, mark) if locks.alone() else []
    db = connect(path)
    try:
        prepare(db, path)
        sound = not spoiled(path).exists() and looks_sound(db)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        db.close()
        try:
            sound = not may_be_damaged(error)
        except sqlite3.Error:
            raise UnavailableError(f"the journal {path}: {error}") from error
    except BaseException:
        db.close()
        raise
    if sound:
        return db, told
    db.close()
    if not locks.alone():
        raise JournalError(f"the journal {path} is damaged; stop the other processes that use it")
    told = [_replace(path, mark)]
    log.error(told[0])
    db = connect(path)
    prepare(db, path)
    return db, told


def spoiled(path: Path) -> Path:
    """The file that says that a journal was found to be damaged while it was in use."""
    return path.with_name(f"{path.name}.is-damaged")


def _fresh(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _replace(path: Path, mark: str) -> str:
    """Put a new journal, with what can be read of the damaged one, in its place; what was done.

    It is made beside it and takes its name when it is complete: the power may go at any moment.
    """
    fresh = _fresh(path)
    fresh.touch(PRIVATE)
    with closing(connect(fresh)) as db:
        prepare(db, fresh)
        carried = carry_over(path, db)
    aside = set_aside(path, mark)
    fresh.rename(path)
    spoiled(path).unlink(missing_ok=True)
    return f"the journal was damaged and is set aside as {aside}: {carried}"


def _finish(path: Path, mark: str) -> list[str]:
    """Finish, or forget, the replacement of a damaged journal that was broken off."""
    fresh = _fresh(path)
    if not fresh.exists():
        return []
    if path.exists() and path.stat().st_size > 0:  # what was begun beside it is perhaps not complete
        for end in ("-wal", "-shm", ""):
            fresh.with_name(fresh.name + end).unlink(missing_ok=True)
        return []
    path.unlink(missing_ok=True)
    aside = set_aside(path, mark)
    fresh.rename(path)
    spoiled(path).unlink(missing_ok=True)
    return [f"the journal was damaged and is set aside beside {aside}"]


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
