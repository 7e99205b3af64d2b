"""Telegrams on the screen or in a file: as text for people, or as JSON Lines for programs."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, ClassVar, Literal

from mysense import exact, plugin, wire
from mysense.fields import shown
from mysense.plugin import option
from mysense.shown import printable, printable_json
from mysense.telegram import SECOND, Data, Field, Ident, Note, Telegram, ident_of
from mysense.units import unit_sign


def text(telegram: Telegram) -> str:
    """A telegram for people, some lines of it; times are those of this machine's zone."""
    return "".join(f"{printable(line)}\n" for line in _lines(telegram))


def _lines(telegram: Telegram) -> Iterator[str]:
    if isinstance(telegram, Ident):
        yield f"{telegram.node} is"
        yield from _aligned({name: (_items(value), "") for name, value in _said(telegram)})
        yield ""
    elif isinstance(telegram, Note):
        values = "".join(f", {name} {value}" for name, value in telegram.values.items())
        yield f"{_time(telegram.time)} {telegram.ident.node} {telegram.kind}: {telegram.text}{values}"
    else:
        doubt = f" (doubted: {telegram.flags['time']})" if "time" in telegram.flags else ""
        single = f", one reading of {telegram.raw}" if telegram.raw else ""
        yield f"{_time(telegram.time)}{doubt} {telegram.ident.node}{single}"
        yield from _aligned(dict(_values(telegram)))


def _said(ident: Ident) -> Iterator[tuple[str, object]]:
    """What an ident says, item by item."""
    yield from (("project", ident.project), ("serial", ident.serial))
    if ident.label:
        yield "label", ident.label
    if ident.geolocation:
        yield "geolocation", ident.geolocation
    yield from ident.meta.items()
    if ident.fields:
        yield "fields", tuple(f"{f.name} ({unit_sign(f.unit)})" if f.unit else f.name for f in ident.fields)


def _items(value: object) -> str:
    return ", ".join(map(str, value)) if type(value) is tuple else str(value)


def _values(data: Data) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each value with what follows it; in the order of the ident, then what that does not name."""
    fields = {field.name: field for field in data.ident.fields}
    for name in [*(name for name in fields if name in data.values), *(n for n in data.values if n not in fields)]:
        field = fields.get(name, Field(name))
        device = f"({field.device})" if field.device else ""
        doubt = f"doubted: {data.flags[name]}" if name in data.flags else ""
        after = [part for part in (unit_sign(field.unit), device, doubt) if part]
        yield name, (shown(name, data.values[name]), " ".join(after))


def _aligned(rows: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    width = max(map(len, rows), default=0)
    for name, (value, after) in rows.items():
        yield f"    {name:{width}} : {value} {after}".rstrip()


def _time(time: int) -> str:
    """A time with its zone and in seconds since 1970; only the latter where no calendar reaches.

    >>> _time(-(10**30))
    '-1000000000000000000000 s'
    """
    try:
        moment = datetime.fromtimestamp(time // SECOND, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return f"{exact.seconds(time)} s"
    return f"{moment.isoformat()} ({exact.seconds(time)})"


class Publisher(plugin.Publisher):
    """Print telegrams on standard output, or write them to a file."""

    accepts_raw: ClassVar[bool] = True
    idempotent: ClassVar[bool] = False

    format: Literal["text", "json"] = option("text", "text for people, or JSON Lines for programs")
    file: str = option("", "file to write to, at its end; empty: standard output")

    def open(self) -> None:
        self._nodes: dict[str, Ident] = {}
        if self.file:
            self._out: IO[bytes] = Path(self.file).expanduser().open("ab")
            return
        sys.stdout.flush()
        try:
            number = sys.stdout.fileno()
        except OSError:  # not a file: somebody collects what is printed
            number = None
        # A stream of our own: after a broken pipe nothing of ours is left in sys.stdout to fail at exit.
        self._out = sys.stdout.buffer if number is None else os.fdopen(number, "wb", closefd=False)

    def publish(self, batch: Sequence[Telegram]) -> None:
        lines = [printable_json(wire.encode(each)) for each in batch] if self.format == "json" else None
        said = "".join(f"{line}\n" for line in lines) if lines else "".join(self._texts(batch))
        self._out.write(said.encode("utf-8", "backslashreplace"))
        self._out.flush()

    def _texts(self, batch: Sequence[Telegram]) -> Iterator[str]:
        """The telegrams, and each ident where it is new."""
        for telegram in batch:
            ident = ident_of(telegram)
            known = self._nodes.get(ident.node)
            if known is None or (isinstance(telegram, Ident) and known.digest != ident.digest):
                yield text(ident)
                self._nodes[ident.node] = ident
            if not isinstance(telegram, Ident):
                yield text(telegram)

    def close(self) -> None:
        out = vars(self).pop("_out", None)
        if out and out is not sys.stdout.buffer:
            with suppress(OSError):  # what a broken pipe did not take is told already
                out.close()


if __name__ == "__main__":
    from mysense import tryout

    tryout.channel("console")
