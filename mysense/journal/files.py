"""The journal's file: opened, made, upgraded, and replaced when it is damaged."""

import logging
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from mysense.errors import JournalError, UnavailableError
from mysense.journal import Changes, schema
from mysense.journal.damaged import UNREADABLE, carry_over, looks_sound, may_be_damaged, set_aside
from mysense.journal.locks import Locks
from mysense.journal.reserve import Reserve

PRIVATE = 0o640
"""The rights of a new journal: it holds addresses, and not everybody on this machine is to read it."""

log = logging.getLogger("mysense")


def open_sound(path: Path, locks: Locks, reserve: Reserve, mark: str) -> tuple[sqlite3.Connection, list[str]]:
    """A connection to write with, and what there is to tell.

    A damaged file is set aside, named after *mark*, and replaced, if no other process has it open.
    Where the disk is full, the *reserve* gives the room that this takes. UnavailableError if it cannot be had now.
    """
    try:
        return _opened(path, locks, reserve, mark)
    except UnavailableError as error:
        if not reserve.short():
            raise
        if not reserve.give():
            raise UnavailableError(f"{error}: the disk is full") from error
        return _opened(path, locks, reserve, mark)
    finally:
        reserve.take(part=True)


def _opened(path: Path, locks: Locks, reserve: Reserve, mark: str) -> tuple[sqlite3.Connection, list[str]]:
    told = _finish(path, mark) if locks.alone() else []
    db = connect(path)
    try:
        prepare(db, path)
        sound = not spoiled(path).exists() and looks_sound(db)
    except UNREADABLE as error:
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
    try:
        told = [_replace(path, reserve, mark)]
        log.error(told[0])
        db = connect(path)
        prepare(db, path)
    except sqlite3.Error as error:
        raise UnavailableError(f"the journal {path} is damaged and could not be replaced: {error}") from error
    return db, told


def spoiled(path: Path) -> Path:
    """The file that says that a journal was found to be damaged while it was in use."""
    return path.with_name(f"{path.name}.is-damaged")


def _fresh(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _replace(path: Path, reserve: Reserve, mark: str) -> str:
    """Put a new journal, with what can be read of the damaged one, in its place; what was done.

    It is made beside it and takes its name when it is complete: the power may go at any moment.
    """
    fresh = _fresh(path)
    reserve.give()
    room = reserve.room() - reserve.size // 2  # for what comes besides the entries
    fresh.touch(PRIVATE)
    with closing(connect(fresh)) as db:
        prepare(db, fresh)
        db.execute("PRAGMA journal_mode = MEMORY")  # a log would take the same room once more
        carried = carry_over(path, db, room)
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


def connect(path: Path) -> sqlite3.Connection:
    """A connection that several threads may use, one at a time."""
    db = _connected(path, "rwc")
    db.execute("PRAGMA secure_delete = OFF")  # some builds overwrite what they delete: twice the bytes
    return db


def connect_to_look(path: Path) -> sqlite3.Connection:
    """The same, only to read. UnavailableError where that is not possible.

    SQLite makes files beside one that is read, too. Where they cannot be made (on a full disk, or in a folder of
    somebody else) a file that nobody has open is read without them.
    """
    try:
        db = _connected(path, "ro")
        try:
            db.execute("PRAGMA user_version").fetchone()
        except sqlite3.OperationalError:
            db.close()
            log_of_it = path.with_name(f"{path.name}-wal")
            if log_of_it.exists() and log_of_it.stat().st_size:
                raise
            db = _connected(path, "ro&immutable=1")
    except sqlite3.OperationalError as error:
        raise UnavailableError(f"the journal {path} cannot be read: {error}") from error
    return db


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10)


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
