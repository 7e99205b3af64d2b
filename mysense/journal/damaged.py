"""A damaged journal is set aside, and what can be read of it is carried over."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mysense.journal import Dating

_TABLES = {
    "ident": ("id", "id, node, digest, since, body"),
    "entry": ("seq", "seq, kind, ident, time, body, boot"),
    "boot": ("number", "number, id, start, dating"),
    "written": ("seq", "seq, time"),
    "rejected": ("number", "number, cursor, seq, time, reason, body"),
    "node": ("", "name, ident, newest"),
    "cursor": ("", "name, seq, rejected, lost, seen"),
    "lane": ("", "cursor, name, seq, nodes, reason, blocked"),
    "state": ("", "owner, key, value"),
    "source": ("", "name, position"),
}
"""The tables worth saving: their number, if they have one, and their columns."""

_PAGE = 200


def looks_sound(db: sqlite3.Connection) -> bool:
    """Whether the newest entries and all cursors can be read: what a start can afford to look at."""
    try:
        db.execute(
            "SELECT max(length(body)), max(time) FROM (SELECT * FROM entry ORDER BY seq DESC LIMIT 1000)"
        ).fetchone()
        db.execute("SELECT count(*), max(seq) FROM cursor").fetchone()
        db.execute("SELECT count(body) FROM (SELECT body FROM ident ORDER BY id DESC LIMIT 1000)").fetchone()
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # busy, or the disk: not what a damaged file gives
            raise
        return False
    return True


def set_aside(path: Path, mark: str) -> Path:
    """Rename the file, and what belongs to it; where it is now."""
    aside = path.with_name(f"{path.name}.damaged-{mark}")
    for end in ("-wal", "-shm", ""):
        part = path.with_name(path.name + end)
        if part.exists():
            part.rename(aside.with_name(aside.name + end))
    return aside


def carry_over(aside: Path, db: sqlite3.Connection) -> str:
    """Copy what can be read into a new journal; a sentence with the numbers."""
    try:
        old = sqlite3.connect(f"{aside.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    except sqlite3.Error:
        return "nothing of it could be read"
    counts, failed = {}, False
    db.execute("BEGIN IMMEDIATE")
    for table, (number, columns) in _TABLES.items():
        counts[table] = 0
        columns = _there(old, table, columns)
        marks = ",".join("?" * (columns.count(",") + 1))
        for row in _rows(old, table, number, columns) if columns else ():
            if row is None:
                failed = True
                continue
            db.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", row)
            counts[table] += 1
    db.execute("DELETE FROM entry WHERE ident NOT IN (SELECT id FROM ident)")
    db.execute(  # where it cannot be read when a machine was started: behind all that is known
        "INSERT INTO boot SELECT DISTINCT boot, 'lost ' || boot,"
        " ifnull((SELECT max(time) FROM entry WHERE boot IS NULL), 0), ? FROM entry"
        " WHERE boot IS NOT NULL AND boot NOT IN (SELECT number FROM boot)",
        (Dating.OVER,),
    )
    db.execute("DELETE FROM node WHERE ident NOT IN (SELECT id FROM ident)")
    highest = db.execute(
        "SELECT max(coalesce((SELECT max(seq) FROM entry), 0), coalesce((SELECT max(seq) FROM cursor), 0),"
        " coalesce((SELECT max(seq) FROM lane), 0), ?)",
        (_sequence(old),),
    ).fetchone()[0]
    db.execute("DELETE FROM sqlite_sequence WHERE name = 'entry'")  # it has no key that would replace
    db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('entry', ?)", (highest,))
    db.execute("COMMIT")
    old.close()
    lost = "; some of it could not be read" if failed else ""
    return (
        f"{counts['entry']} entries and {counts['cursor']} cursors were carried over{lost}; it goes on at {highest + 1}"
    )


def _there(old: sqlite3.Connection, table: str, columns: str) -> str:
    """Those of the columns that the file has: one of an older mysense has fewer, and no boots."""
    try:
        there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.Error:
        return columns
    return columns if table != "boot" and not there else ", ".join(n for n in columns.split(", ") if n in there)


def _rows(old: sqlite3.Connection, table: str, number: str, columns: str) -> Iterator[tuple[Any, ...] | None]:
    """The rows that can be read; None for a place that cannot."""
    if not number:
        try:
            yield from old.execute(f"SELECT {columns} FROM {table}")
        except sqlite3.Error:
            yield None
        return
    after, most = 0, _highest(old, table, number)
    while after < most:
        upto = after + _PAGE
        try:
            page = old.execute(
                f"SELECT {columns} FROM {table} WHERE {number} > ? AND {number} <= ?",
                (after, upto),
            ).fetchall()
        except sqlite3.Error:
            page = [None]
        yield from page
        after = upto


def _highest(old: sqlite3.Connection, table: str, number: str) -> int:
    try:
        return old.execute(f"SELECT coalesce(max({number}), 0) FROM {table}").fetchone()[0]  # type: ignore[no-any-return]
    except sqlite3.Error:
        return _sequence(old) if table == "entry" else 100_000


def _sequence(old: sqlite3.Connection) -> int:
    try:
        row = old.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entry'").fetchone()
    except sqlite3.Error:
        return 0
    return int(row[0]) if row else 0
