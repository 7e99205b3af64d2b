"""``mysense check`` and ``mysense plugins``: is everything there that the kit needs?"""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from mysense import config, options, registry
from mysense.cli.common import config_option, json_option, progress, settings, show_json, table
from mysense.cli.service import clock_of, running
from mysense.clock import Clock
from mysense.errors import ConfigError
from mysense.journal.sqlite import SqliteJournal
from mysense.plugin import Publisher, Sensor
from mysense.settings import End, Settings
from mysense.shown import masked, printable
from mysense.telegram import Ident, Value
from mysense.timekeeping import doubt, waiting
from mysense.trying import PATIENCE, readings
from mysense.worker import reason


class Row(NamedTuple):
    """One line: a section, whether it works, that in words, and what its sensor reads."""

    section: str
    ok: bool
    text: str
    values: Mapping[str, Value] = {}
    note: bool = False
    """It works, but there is something to tell of it."""

    @property
    def mark(self) -> str:
        return "FAILED" if not self.ok else "note" if self.note else "ok"


@click.command()
@config_option
@json_option
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Try everything MySense.conf names: the file, libraries, devices, servers. One line each.

    Of each sensor it shows a first reading, unless a daemon is at work with it.
    """
    chosen = settings(ctx)
    rows = [Row("config", True, str(config.find(ctx.find_root().obj)))]
    rows += [Row("config", True, notice, note=True) for notice in (*chosen.notices, *chosen.idle)]
    daemons = running(chosen.journal.file())
    if chosen.of("sensor") and (said := clock_of(daemons) if daemons else _clock(chosen)):
        rows.append(Row("clock", False, said))
    working = {w["section"]: d["pid"] for d in daemons for w in d["workers"] if _well(w)}
    own = chosen.identity.ident() if chosen.of("sensor") else None
    enabled = [end for end in chosen.ends if end.options.enabled]
    idle = [end for end in enabled if end.kind == "sensor" and end.section not in working]
    with progress(silent=as_json) as show:
        show(f"one reading of each sensor, within {PATIENCE:.0f} s …" if idle else "")
        tried = {trial.section: trial for trial in readings(idle)}
    for end in enabled:
        if end.section in tried:
            rows.append(Row(end.section, tried[end.section].ok, tried[end.section].text, tried[end.section].values))
        elif end.kind == "sensor":
            rows.append(Row(end.section, True, f"at work in process {working[end.section]}"))
        else:
            rows.append(_there(end, own, working))
    if as_json:
        show_json([{**row._asdict(), "values": dict(row.values)} for row in rows])
    else:
        table((row.section, row.mark, "" if row.text == "ok" else row.text) for row in rows)
    sys.exit(0 if all(row.ok for row in rows) else 1)


def _there(end: End, own: Ident | None, working: Mapping[str, int]) -> Row:
    """Whether the far end of a publisher or subscriber is there."""
    if isinstance(end.plugin, Publisher):
        end.plugin.own = own
    try:
        return Row(end.section, True, masked(end.plugin.check()))
    except (OSError, ImportError, ConfigError) as error:
        pid = working.get(end.section)  # which has what only one can have: the port
        at_work = pid and end.kind != "publisher"
        return Row(end.section, bool(at_work), f"at work in process {pid}" if at_work else reason(error))
    except Exception as error:  # a plugin's bug must not hide what the others say
        return Row(end.section, False, f"{type(error).__name__}: {reason(error)}")


def _clock(chosen: Settings) -> str:
    """What there is to tell of the clock where no daemon runs."""
    if chosen.daemon.clock == "trusted":
        return ""
    newest, path = 0, chosen.journal.file()
    if path.exists():
        journal = SqliteJournal.open_existing(path)
        newest = journal.newest(chosen.identity.ident().node) or 0
        journal.close()
    doubted = doubt(Clock(), newest)
    return doubted and waiting(doubted)


def _well(worker: dict[str, Any]) -> bool:
    return worker["state"] in ("running", "starting")


@click.command()
@json_option
def plugins(as_json: bool) -> None:
    """List the sensors, channels and processors there are, installed ones included."""
    rows = []
    for kind in registry.KINDS:
        for name in registry.names(kind):
            plugin = registry.find(kind, name)
            about = (plugin.__doc__ or "").strip().splitlines()[0]
            fields = [f.name for f in plugin.measures] if issubclass(plugin, Sensor) and _fixed(plugin) else []
            rows.append({"kind": kind, "name": name, "about": about, "module": plugin.__module__, "fields": fields,
                         "options": list(options.declared(plugin))})  # fmt: skip
    if as_json:
        show_json(rows)
    else:
        table((f"{row['kind']}:{row['name']}", row["about"]) for row in rows)
    for sentence in registry.broken():
        click.echo(printable(sentence), err=True)


def _fixed(plugin: type[Sensor]) -> bool:
    """Whether what it measures is known without an instance."""
    return isinstance(plugin.measures, tuple)
