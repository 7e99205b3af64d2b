"""``mysense check`` and ``mysense plugins``: is everything there that the kit needs?"""

import sys
from typing import Any

import click

from mysense import config, options, registry
from mysense.cli.common import config_option, json_option, settings, show_json, table
from mysense.cli.service import clock_of, running
from mysense.clock import Clock
from mysense.errors import ConfigError
from mysense.journal.sqlite import SqliteJournal
from mysense.plugin import Publisher, Sensor
from mysense.power import Power
from mysense.settings import SensorOptions, Settings
from mysense.shown import masked
from mysense.timekeeping import doubt, waiting
from mysense.worker import reason


@click.command()
@config_option
@json_option
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Try everything MySense.conf names: the file, libraries, devices, servers. One line each."""
    chosen = settings(ctx)
    rows = [("config", True, str(config.find(ctx.find_root().obj)))]
    rows += [("config", True, notice) for notice in chosen.notices]
    daemons = running(chosen.journal.file())
    if chosen.of("sensor") and (said := clock_of(daemons) if daemons else _clock(chosen)):
        rows.append(("clock", False, said))
    working = {w["section"]: d["pid"] for d in daemons for w in d["workers"] if _well(w)}
    own = chosen.identity.ident() if chosen.of("sensor") else None
    for end in chosen.ends:
        if not end.options.enabled:
            continue
        if isinstance(end.plugin, Publisher):
            end.plugin.own = own
        try:
            rows.append((end.section, True, masked(end.plugin.check())))
            if isinstance(end.options, SensorOptions) and end.options.power_pin:
                rows.append((end.section, True, Power(end.options.power_pin).check()))
        except (OSError, ImportError, ConfigError) as error:
            pid = working.get(end.section)  # which has what only one can have: the port, the serial line
            at_work = pid and end.kind != "publisher"
            rows.append(
                (end.section, True, f"at work in process {pid}") if at_work else (end.section, False, reason(error))
            )
        except Exception as error:  # a plugin's bug must not hide what the others say
            rows.append((end.section, False, f"{type(error).__name__}: {reason(error)}"))
    if as_json:
        show_json([{"section": section, "ok": ok, "text": text} for section, ok, text in rows])
    else:
        table((section, "ok" if ok else "FAILED", "" if text == "ok" else text) for section, ok, text in rows)
    sys.exit(0 if all(ok for _, ok, _ in rows) else 1)


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
    return bool(worker["state"] == "running")


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


def _fixed(plugin: type[Sensor]) -> bool:
    """Whether what it measures is known without an instance."""
    return isinstance(plugin.measures, tuple)
