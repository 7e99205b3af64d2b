"""``mysense init``: finds what is plugged in, tries it, asks a little, and writes MySense.conf."""

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from mysense import config, draft, finding, options, registry
from mysense.cli import questions
from mysense.cli.common import config_option, json_option, progress, show_json
from mysense.cli.questions import Talk
from mysense.cli.service import pids
from mysense.errors import ConfigError
from mysense.finding import Device, Places
from mysense.settings import Settings
from mysense.systemd.files import CONF, UNIT
from mysense.trying import Trial, readings

SCREEN = Path("-")
"""The output that is no file."""


@click.command()
@config_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write [./MySense.conf]; - shows it.")
@click.option("--yes", is_flag=True, help="Ask nothing: take what is found and the defaults.")
@json_option
@click.option("--force", is_flag=True, help="Overwrite a file that is there, without asking.")
@click.option("--project", help="Name of the project the kit belongs to.")
@click.option("--label", help="A short name of the kit for people.")
@click.option("--geolocation", help="Where it stands: lat,lon,alt.")
@click.option("--publisher", "publishers", metavar="NAME,…", help="Where to publish: console, csv, influxdb, mqtt, …")
@click.option("--bus", "buses", multiple=True, help="Look at this I2C bus; with one of these four nowhere else.")
@click.option("--port", "ports", multiple=True, help="Look at this serial port.")
@click.option("--root", type=click.Path(path_type=Path), help="Look at the files of a kernel below this folder.")
@click.option("--gpsd", type=int, help="Ask the gpsd at this TCP port.")
@click.option("--patience", metavar="TIME", default="65", show_default=True,
              help="How long to listen where nothing answers: a Dylos speaks once a minute.")  # fmt: skip
@click.pass_context
def init(
    ctx: click.Context, /, output: Path | None, yes: bool, as_json: bool, force: bool, publishers: str | None,
    buses: Sequence[str], ports: Sequence[str], root: Path | None, gpsd: int | None, patience: str,
    **identity: str | None,
) -> None:  # fmt: skip
    """Find the sensors that are plugged in, try each, and write a MySense.conf for them.

    With --json the result is for programs: it asks nothing, and writes only with --yes or -o.
    """
    path = output or ctx.find_root().obj or Path(os.environ.get("MYSENSE") or config.NAME)
    places = _places(buses, ports, root, gpsd, patience)
    talk = Talk(silent=as_json, asks=not (yes or as_json))
    writes = yes or not as_json or output is not None
    if writes:
        _may_write(path, force, talk)
    if not places.named:
        _nobody_at_work()
    devices = _look(places, talk)
    sections: Mapping[str, Mapping[str, str]] = draft.sensors(devices)
    trials = _try(sections, talk)
    about = dict(zip(sections, map(_about, draft.known(devices)), strict=True))
    core = {"id": questions.identity(identity, path, trials, talk)}
    sensors = questions.completed(sections or questions.nothing(places, talk), talk)
    ends = sensors | questions.publishers(publishers, talk)
    text = draft.text(core, ends, about)
    settings = config.parse(text, path)  # what cannot be read is not written
    if writes:
        _write(path, text, _holds_secret(ends))
    if as_json:
        show_json(_as_json(devices, trials, path if writes else None))
    elif path != SCREEN:
        _next(path, settings, ends, talk)


def _places(buses: Sequence[str], ports: Sequence[str], root: Path | None, gpsd: int | None, patience: str) -> Places:
    try:
        wait = options.seconds(patience)
    except ValueError as error:
        raise click.UsageError(f"--patience: {error}") from None
    if buses or ports or root or gpsd:
        return Places(buses, ports, (), root, gpsd, wait)
    return finding.here(wait)


def _may_write(path: Path, force: bool, talk: Talk) -> None:
    """Whether there is a file to write: asked at once, not after all the work."""
    if path == SCREEN:
        return
    folder = path.absolute().parent
    if not folder.is_dir():
        raise click.ClickException(f"there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise click.ClickException(f"{folder} may not be written to: use sudo, or -o FILE to write elsewhere")
    if force or not path.exists():
        return
    if not talk.asks:
        raise click.ClickException(f"{path} is there already: --force overwrites it, -o FILE writes another")
    if not talk.confirm(f"{path} is there already. Write it anew?", default=False):
        raise click.ClickException(f"{path} stays as it is; -o FILE writes another")


def _nobody_at_work() -> None:
    """An error while a daemon has the devices: looking at them would disturb its readings."""
    with suppress(ConfigError, OSError):
        for pid in pids(config.load(config.find()).journal.file()):
            raise click.ClickException(
                f"process {pid} is at work with the sensors: stop it first "
                "(mysense stop, or sudo systemctl stop mysense)"
            )


def _look(places: Places, talk: Talk) -> list[Device]:
    """Everything that is found, in a table: first what has a section, in the order of these."""
    what = [f"I2C bus {bus}" for bus in places.buses] + [*places.ports, *places.pins]
    what += ["gpsd"] * (places.gpsd is not None) + ["the files of the kernel"] * (places.root is not None)
    talk.say(f"Looking at {', '.join(what)} …")
    waiting = set(places.ports)
    with progress(talk.silent) as show:

        def tell(name: str, _: Sequence[Device]) -> None:
            waiting.discard(name)
            if waiting:
                show(f"listening on {', '.join(sorted(waiting))}, for at most {places.patience:.0f} s")

        found = finding.find(places, tell)
    devices = [*draft.known(found), *(device for device in found if not device.sensor)]
    names = iter(draft.sensors(devices))
    talk.table((next(names, "-"), device.what, device.where) for device in devices)
    return devices


def _try(sections: Mapping[str, Mapping[str, str]], talk: Talk) -> list[Trial]:
    """One reading of each sensor."""
    whole = {section: texts for section, texts in sections.items() if not draft.missing(section, texts)}
    if not whole:
        return []
    waiting = set(whole)
    talk.say("Trying one reading of each …")
    with progress(talk.silent) as show:

        def tell(trial: Trial) -> None:
            waiting.discard(trial.section)
            show(f"waiting for {', '.join(sorted(waiting))}" if waiting else "")

        trials = readings(config.parse(draft.text({}, whole, {})).ends, tell=tell)
    talk.table((t.section, "ok" if t.ok else "FAILED", (t.ok and t.reading) or t.text) for t in trials)
    return trials


def _about(device: Device) -> str:
    return f"{device.what}, {device.where}" if device.where else device.what


def _holds_secret(ends: Mapping[str, Mapping[str, str]]) -> bool:
    plugins = ((registry.find(*section.split(":")[:2]), texts) for section, texts in ends.items())
    return any(o.secret and texts.get(o.name) for plugin, texts in plugins for o in options.declared(plugin).values())


def _write(path: Path, text: str, secret: bool) -> None:
    """The whole file or none, readable to others only without secrets; one that was there keeps its owner and mode."""
    if path == SCREEN:
        click.echo(text, nl=False)
        return
    path = path.resolve()  # a link stays one
    new = path.with_name(f".{path.name}.new")
    try:
        old = path.stat() if path.exists() else None
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            if old and (old.st_uid, old.st_gid) != (os.getuid(), os.getgid()):
                os.fchown(file.fileno(), old.st_uid, old.st_gid)
            mode = stat.S_IMODE(old.st_mode) if old else 0o600 if secret else 0o644
            os.fchmod(file.fileno(), mode & ~0o007 if secret else mode)
        new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None


def _as_json(devices: Sequence[Device], trials: Sequence[Trial], path: Path | None) -> dict[str, Any]:
    return {
        "found": [device._asdict() for device in devices],
        "tried": [trial._asdict() for trial in trials],
        "wrote": path and str(path),
    }


def _next(path: Path, settings: Settings, ends: Mapping[str, object], talk: Talk) -> None:
    """What was written, and what to type next."""
    program = "mysense" if path.absolute() in [place.absolute() for place in config.PLACES] else f"mysense -c {path}"
    talk.say(f"Wrote {path} for {settings.identity.ident().node}: {', '.join(ends)}")
    talk.say()
    if path.absolute() == CONF and UNIT.exists():
        talk.say(f"next: sudo -u mysense {program} check")
        talk.say("      sudo systemctl enable --now mysense")
    else:
        talk.say(f"next: {program} run")
        talk.say(f"      sudo {program} install-service")
