"""A damaged journal is set aside, and what can be read of it is carried over."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mysense.journal import Dating

_TABLES = {
    "ident": ("id", "id, node, digest, since, body"),
    "boot": ("number", "number, id, start, dating"),
    "written": ("seq", "seq, time"),
    "rejected": ("number", "number, cursor, seq, time, reason, body"),
    "node": ("", "name, ident, newest"),
    "cursor": ("", "name, seq, rejected, lost, seen"),
    "lane": ("", "cursor, name, seq, nodes, reason, blocked"),
    "state": ("", "owner, key, value"),
    "source": ("", "name, position"),
    "entry": ("seq", "seq, kind, ident, time, body, boot"),
}
"""The tables worth saving: their number, if they have one, and their columns. The large one is the last."""

UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged file raises: it may spoil SQLite's own message, which quotes the names in it."""

_PAGE = 200


_GOOD = {
    "ident": "typeof(node) = 'text' AND typeof(since) IN ('integer', 'null') AND typeof(body) = 'text'",
    "entry": "kind IN (0, 1, 2) AND typeof(time) = 'integer' AND typeof(body) = 'text'"
    " AND typeof(boot) IN ('integer', 'null') AND ident IN (SELECT id FROM ident)",
    "boot": "typeof(id) = 'text' AND typeof(start) = 'integer' AND typeof(dating) = 'integer'",
    "written": "typeof(time) = 'integer'",
    "rejected": "typeof(seq) = 'integer' AND typeof(time) = 'integer' AND typeof(body) = 'text'",
    "node": "ident IN (SELECT id FROM ident) AND typeof(newest) IN ('integer', 'null')",
    "cursor": f"typeof(seq) = 'integer' AND seq BETWEEN 0 AND {2**62} AND typeof(rejected) = 'integer'"
    " AND typeof(lost) = 'integer' AND typeof(seen) = 'integer'",
    "lane": f"typeof(seq) = 'integer' AND seq BETWEEN 0 AND {2**62} AND json_valid(nodes)"
    " AND json_type(nodes) = 'array'",
    "state": "typeof(key) = 'text' AND typeof(value) = 'text'",
    "source": "typeof(position) = 'text'",
    "meta": "typeof(value) = 'text' AND (key = 'id' OR value GLOB '[0-9]*')",
    "ring": "length(hashes) % 8 = 0",
    "sqlite_sequence": f"typeof(seq) = 'integer' AND seq BETWEEN 0 AND {2**62}",
}
"""What is true of every row of a table, and of a row in which bits have tipped perhaps not."""

_TROUBLE = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip
"""What SQLite says when the file is perhaps sound, and something else is wrong."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite found a file in use to be damaged."""
    return not is_text(error) and _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_text(error: sqlite3.Error) -> bool:
    """Whether all that is wrong is a text that is not UTF-8."""
    return "decode" in str(error)


def readable(text: bytes) -> str:
    """A text in which bits have tipped."""
    return text.decode(errors="replace")


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)) & 0xFF


def looks_sound(db: sqlite3.Connection) -> bool:
    """Whether the newest entries and all cursors can be read: what a start can afford to look at."""
    try:
        for table, good in _GOOD.items():
            number = _TABLES.get(table, ("",))[0]
            newest = f"ORDER BY {number} DESC LIMIT 1000" if number else ""
            db.text_factory = bytes if number else str
            for *_, is_good in db.execute(f"SELECT *, {good} FROM (SELECT * FROM {table} {newest})"):
                if not is_good:
                    return False
        [(last, first, top)] = db.execute(
            "SELECT ifnull((SELECT max(seq) FROM entry), 0), ifnull((SELECT min(seq) FROM entry), 1),"
            " ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'entry'), 0)"
        )
    except UNREADABLE as error:
        return not may_be_damaged(error)
    finally:
        db.text_factory = str
    return bool(first > 0 and last <= top)


def may_be_damaged(error: Exception) -> bool:
    """Whether an error at the start is one that a damaged file gives; if it has another reason, it is raised again."""
    if is_trouble(error):
        raise error
    return True


def is_trouble(error: Exception) -> bool:
    """Whether SQLite fails for a reason that is not the file's, and that may go."""
    return isinstance(error, sqlite3.Error) and _code(error) in _TROUBLE


def set_aside(path: Path, mark: str) -> Path:
    """Rename the file, and then what belongs to it; where it is now."""
    aside = path.with_name(f"{path.name}.damaged-{mark}")
    for end in ("", "-wal", "-shm"):
        part = path.with_name(path.name + end)
        if part.exists():
            part.rename(aside.with_name(aside.name + end))
    return aside


def carry_over(damaged: Path, db: sqlite3.Connection, room: int) -> str:
    """Copy what can be read into a new journal; a sentence with the numbers.

    Where *room* on the disk, in bytes, is too little for all entries, the newest are taken that fit into it.
    """
    try:
        old = sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    except sqlite3.Error:
        return "nothing of it could be read"
    old.text_factory = readable
    counts, failed = {}, False
    first, last = _span(old, "entry", "seq")
    behind = max(first, last - int((last - first) * min(1.0, max(0, room) / _size(damaged))))
    db.execute("BEGIN IMMEDIATE")
    for table, (number, columns) in _TABLES.items():
        counts[table] = 0
        columns = _there(old, table, columns)
        marks = ",".join("?" * (columns.count(",") + 1))
        for row in _rows(old, table, number, columns, behind if table == "entry" else 0) if columns else ():
            if row is None:
                failed = True
                continue
            db.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", row)
            counts[table] += 1
    if behind > first:
        _leave(db, first, behind)
    for table in _TABLES:
        bad = db.execute(f"DELETE FROM {table} WHERE NOT ({_GOOD[table]})").rowcount
        counts[table], failed = counts[table] - bad, failed or bad > 0
    db.execute(  # where it cannot be read when a machine was started: behind all that is known
        "INSERT INTO boot SELECT DISTINCT boot, 'lost ' || boot,"
        " ifnull((SELECT max(time) FROM entry WHERE boot IS NULL), 0), ? FROM entry"
        " WHERE boot IS NOT NULL AND boot NOT IN (SELECT number FROM boot)",
        (Dating.OVER,),
    )
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
    if behind > first:
        lost += "; the disk has no room for what is older, which is only there"
    return (
        f"{counts['entry']} entries and {counts['cursor']} cursors were carried over{lost}; it goes on at {highest + 1}"
    )


def _size(path: Path) -> int:
    """Bytes of a journal, and of the log beside it."""
    parts = (path, path.with_name(f"{path.name}-wal"))
    return max(1, sum(part.stat().st_size for part in parts if part.exists()))


def _leave(db: sqlite3.Connection, first: int, last: int) -> None:
    """Entries behind *first* up to *last* are not carried over: who has not passed them has lost them."""
    sql = "UPDATE cursor SET lost = lost + :last - max(seq, :first), seq = :last WHERE seq < :last"
    db.execute(sql, {"first": first, "last": last})
    db.execute("UPDATE lane SET seq = :last + 1 WHERE seq <= :last", {"last": last})


def _there(old: sqlite3.Connection, table: str, columns: str) -> str:
    """Those of the columns that the file has: one of an older mysense has fewer, and no boots."""
    try:
        there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except UNREADABLE:
        return columns
    return columns if table != "boot" and not there else ", ".join(n for n in columns.split(", ") if n in there)


def _rows(
    old: sqlite3.Connection, table: str, number: str, columns: str, behind: int
) -> Iterator[tuple[Any, ...] | None]:
    """The rows that can be read, those of a table with numbers from *behind* one on; None for a place that cannot."""
    if not number:
        for order in ("", f"ORDER BY {columns.split(',')[0]} DESC"):  # up to the bad place, from either side
            try:
                yield from old.execute(f"SELECT {columns} FROM {table} {order}")
            except UNREADABLE:
                yield None
            else:
                return
        return
    after, last = _span(old, table, number)
    after = max(after, behind)
    while after < last:
        yield from _between(old, f"SELECT {columns} FROM {table} WHERE {number} > ? AND {number} <= ?", after, _PAGE)
        after += _PAGE


def _between(old: sqlite3.Connection, sql: str, after: int, count: int) -> list[tuple[Any, ...] | None]:
    """Rows by their numbers; where some cannot be read, the others."""
    try:
        return old.execute(sql, (after, after + count)).fetchall()
    except UNREADABLE:
        if count == 1:
            return [None]
    half = count // 2
    return _between(old, sql, after, half) + _between(old, sql, after + half, count - half)


def _span(old: sqlite3.Connection, table: str, number: str) -> tuple[int, int]:
    """Between which numbers rows can be: the first one that is too low, and the last.

    Numbers are given one after the other and go from the front, so there are not more than bytes.
    """
    most = _one(old, "SELECT page_count * page_size / 8 FROM pragma_page_count, pragma_page_size")
    last = _sequence(old) if table == "entry" else 0
    last = last or _one(old, f"SELECT max({number}) FROM {table}") or most
    first = _one(old, f"SELECT min({number}) FROM {table}")
    return max(first - 1 if 0 < first <= last else 0, last - most), last


def _one(old: sqlite3.Connection, sql: str) -> int:
    """A number, if it can be read and be true, else 0."""
    try:
        row = old.execute(sql).fetchone()
    except UNREADABLE:
        return 0
    return row[0] if row and isinstance(row[0], int) and 0 <= row[0] <= 2**62 else 0


def _sequence(old: sqlite3.Connection) -> int:
    return _one(old, "SELECT seq FROM sqlite_sequence WHERE name = 'entry'")
