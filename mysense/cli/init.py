"""``mysense init``: finds what is plugged in, tries it, asks a little, and writes MySense.conf."""

import os
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from mysense import config, draft, finding, options, registry
from mysense.cli.common import config_option, json_option, progress, show_json, table
from mysense.errors import ConfigError
from mysense.finding import Device, Places
from mysense.settings import Identity, Settings, cpu_serial
from mysense.trying import Trial, readings

ASKED = ("hostname", "user", "password", "token", "org", "database")
"""What is asked of a publisher besides what it must be told."""
IDENTITY = options.declared(Identity)


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
@click.option("--bus", "buses", multiple=True, help="Look at this I2C bus; with one of these five nowhere else.")
@click.option("--port", "ports", multiple=True, help="Look at this serial port.")
@click.option("--root", type=click.Path(path_type=Path), help="Look at the files of a kernel below this folder.")
@click.option("--gpsd", type=int, help="Ask the gpsd at this TCP port.")
@click.option("--patience", metavar="TIME", default="65", show_default=True,
              help="How long to listen on a serial line where nothing answers: a Dylos speaks once a minute.")  # fmt: skip
@click.pass_context
def init(
    ctx: click.Context, output: Path | None, yes: bool, as_json: bool, force: bool, publishers: str | None,
    buses: Sequence[str], ports: Sequence[str], root: Path | None, gpsd: int | None, patience: str, **said: str | None,
) -> None:  # fmt: skip
    """Find the sensors that are plugged in, try each, and write a MySense.conf for them.

    With --json the result is for programs: it asks nothing, and writes only with --yes or -o.
    """
    path = output or ctx.find_root().obj or Path(os.environ.get("MYSENSE") or config.NAME)
    places = _places(buses, ports, root, gpsd, patience)
    writes = yes or not as_json or output is not None
    talk = _Talk(silent=as_json, asks=not (yes or as_json))
    if writes:
        _may_write(path, force, talk)
    devices = _look(places, talk)
    sections = draft.sensors(devices)
    trials = _try(sections, talk)
    if not sections:
        sections = talk.nothing(places, devices)
    core = {"id": _identity({name: text for name, text in said.items() if text is not None}, path, trials, talk)}
    ends = _complete(sections, talk) | _publishers(publishers, talk)
    about = {name: _about(device) for name, device in zip(sections, draft.ordered(devices), strict=False)}
    text = draft.text(core, ends, about)
    settings = config.parse(text, path)  # what cannot be read is not written
    if writes:
        _write(path, text, _holds_secret(ends))
    if as_json:
        show_json(_as_json(devices, trials, path if writes else None))
    elif str(path) != "-":
        _next(path, settings, ends)


class _Talk:
    """With a person, or not."""

    def __init__(self, silent: bool, asks: bool) -> None:
        self._silent, self.asks = silent, asks
        if asks and not (sys.stdin and sys.stdin.isatty()):
            raise click.UsageError("there is nobody to ask here: --yes takes the defaults, --json only shows")

    def say(self, text: str = "") -> None:
        if not self._silent:
            click.echo(text, err=True)

    def table(self, rows: Iterable[Iterable[object]]) -> None:
        """A table, with room around it."""
        if not self._silent and (every := list(rows)):
            self.say()
            table(every, err=True)
            self.say()

    def ask(self, question: str, option: options.Option, default: str = "") -> str:
        """An answer that the option takes; without a person the default."""
        if not self.asks:
            return default
        answer = click.prompt(
            question, default=default, show_default=bool(default), hide_input=option.secret, err=True,
            value_proc=lambda text: _valid(option, text),
        )  # fmt: skip
        return str(answer)

    def nothing(self, places: Places, devices: Sequence[Device]) -> dict[str, dict[str, str]]:
        """No sensor: say what may be missing, and offer the one that needs nothing."""
        self.say("No sensor was found.")
        if not places.named:
            if not places.buses:
                self.say("  I2C is off: sudo raspi-config nonint do_i2c 0, then a reboot")
            if not places.ports:
                self.say("  No serial adapter is plugged in")
        if self.asks and not click.confirm("Begin with a simulated sensor?", default=True, err=True):
            raise click.Abort
        return {"sensor:simulated": {}}


def _valid(option: options.Option, text: str) -> str:
    text = text.strip()
    if "${" in text:
        raise click.UsageError("${ stands for a variable of the environment there; a password with it goes into a file")
    try:
        if text or option.required:
            option.convert(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if option.required and not text:
        raise click.UsageError(f"it must be set: {option.help}")
    return text


def _places(buses: Sequence[str], ports: Sequence[str], root: Path | None, gpsd: int | None, patience: str) -> Places:
    try:
        wait = options.seconds(patience)
    except ValueError as error:
        raise click.UsageError(f"--patience: {error}") from None
    if buses or ports or root or gpsd:
        return Places(buses, ports, root, gpsd, wait)
    return finding.here(wait)


def _may_write(path: Path, force: bool, talk: _Talk) -> None:
    """Whether there is a file to write; asked at once, not after all the work."""
    if str(path) == "-" or force or not path.exists():
        return
    if not talk.asks:
        raise click.ClickException(f"{path} is there already: --force overwrites it, -o FILE writes another")
    if not click.confirm(f"{path} is there already. Write it anew?", default=False, err=True):
        raise click.ClickException(f"{path} stays as it is; -o FILE writes another")


def _look(places: Places, talk: _Talk) -> list[Device]:
    """Everything that is found, in a table."""
    what = [f"I2C bus {bus}" for bus in places.buses] + list(places.ports) + ["this machine"] * bool(places.root)
    talk.say(f"Looking at {', '.join(what) or 'gpsd'} …")
    waiting = set(what)

    with progress(not talk.asks) as show:

        def tell(name: str, _: Sequence[Device]) -> None:
            waiting.discard(name)
            if lines := sorted(waiting.intersection(places.ports)):
                show(f"still listening on {', '.join(lines)}: up to {places.patience:.0f} s, a Dylos speaks once a minute")

        devices = finding.find(places, tell)
    devices = [*draft.ordered(devices), *(device for device in devices if not device.sensor)]
    names = iter(draft.sensors(devices))
    talk.table((next(names, "-"), device.what, device.where) for device in devices)
    return devices


def _try(sections: Mapping[str, Mapping[str, str]], talk: _Talk) -> list[Trial]:
    """One reading of each sensor."""
    whole = {section: texts for section, texts in sections.items() if not draft.missing(section, texts)}
    if not whole:
        return []
    settings = config.parse(draft.text({}, whole, {}))
    talk.say("Trying one reading of each …")
    with progress(not talk.asks) as show:
        trials = readings(settings.ends, tell=lambda trial: show(f"{trial.section} has come"))
    talk.table((t.section, "ok" if t.ok else "FAILED", (t.ok and t.reading) or t.text) for t in trials)
    return trials


def _identity(said: Mapping[str, str], path: Path, trials: Sequence[Trial], talk: _Talk) -> dict[str, str]:
    """Who the kit is: as it was told, asked, or known from the file that is written anew."""
    for name, text in said.items():
        try:
            IDENTITY[name].convert(text)
        except ValueError as error:
            raise click.UsageError(f"--{name}: {error}") from None
    before: dict[str, str] = {}
    with suppress(ConfigError):
        old = config.load(path).identity
        before = {name: options.show(getattr(old, name)) for name in ("project", "serial", "label", "geolocation")}
    place = next((t.values for t in trials if {"lat", "lon"} <= t.values.keys()), {})
    if place:
        before.setdefault("geolocation", f"{place['lat']:.5f},{place['lon']:.5f},{place.get('alt', 0):.0f}")
    questions = {
        "project": ("Project", IDENTITY["project"].shown),
        "label": ("Label, a short name for people", ""),
        "geolocation": ("Location, as lat,lon,alt", ""),
    }
    found = {"serial": before.get("serial", "")}
    for name, (question, default) in questions.items():
        default = before.get(name) or default
        found[name] = said[name] if name in said else talk.ask(question, IDENTITY[name], default)
    return {name: text for name, text in found.items() if text}


def _complete(sections: Mapping[str, Mapping[str, str]], talk: _Talk) -> dict[str, dict[str, str]]:
    """The sections with what must be known and cannot be found."""
    whole = {section: dict(texts) for section, texts in sections.items()}
    for section, texts in whole.items():
        for option in draft.missing(section, texts):
            if talk.asks:
                texts[option.name] = talk.ask(f"[{section}] {option.help}", option)
            else:
                talk.say(f"[{section}] is switched off: set its {option.name}, {option.help}")
    return whole


def _publishers(said: str | None, talk: _Talk) -> dict[str, dict[str, str]]:
    """A section for each publisher that is wanted, with what has to be known of its far end."""
    known = registry.names("publisher")

    def valid(text: str) -> list[str]:
        names = list(dict.fromkeys(filter(None, (part.strip().lower() for part in text.split(",")))))
        for name in names:
            if name not in known:
                raise click.UsageError(f"there is no publisher {name!r}{options.nearest(name, known)}")
        return names

    if said is not None or not talk.asks:
        names = valid("console" if said is None else said)
    else:
        question = f"Publish to ({', '.join(known)}; several with commas)"
        names = click.prompt(question, default="console", value_proc=valid, err=True)
    sections: dict[str, dict[str, str]] = {}
    for name in names:
        declared = options.declared(registry.find("publisher", name))
        texts = sections[f"publisher:{name}"] = {}
        for option in declared.values():
            if talk.asks and (option.required or option.name in ASKED[:3]):
                if option.name == "password" and not texts.get("user"):
                    continue
                default = "" if option.required else option.shown
                texts[option.name] = talk.ask(f"  {name}: {option.name}, {option.help}", option, default)
    return _complete({s: {o: text for o, text in texts.items() if text} for s, texts in sections.items()}, talk)


def _about(device: Device) -> str:
    return f"{device.what}, {device.where}" if device.where else device.what


def _holds_secret(ends: Mapping[str, Mapping[str, str]]) -> bool:
    return any(
        texts.get(option.name)
        for section, texts in ends.items()
        for option in options.declared(registry.find(*section.split(":")[:2])).values()
        if option.secret
    )


def _write(path: Path, text: str, secret: bool) -> None:
    """The whole file or none, readable to others only without secrets; one that was there keeps its owner and mode."""
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    new = path.with_name(f".{path.name}.new")
    try:
        old = path.stat() if path.exists() else None
        mode = stat.S_IMODE(old.st_mode) if old else 0o644
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            if old and (old.st_uid, old.st_gid) != (os.getuid(), os.getgid()):
                os.fchown(file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(file.fileno(), (mode & ~0o007 if old else 0o600) if secret else mode)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None


def _as_json(devices: Sequence[Device], trials: Sequence[Trial], path: Path | None) -> dict[str, Any]:
    return {
        "found": [device._asdict() for device in devices],
        "tried": [trial._asdict() for trial in trials],
        "wrote": path and str(path),
    }


def _next(path: Path, settings: Settings, ends: Mapping[str, object]) -> None:
    """What was written, and what to type next."""
    where = "" if path.absolute() in [place.absolute() for place in config.PLACES] else f" -c {path}"
    click.echo(f"Wrote {path}: {', '.join(ends)}.", err=True)
    click.echo(f"This kit is {settings.identity.ident().node}.", err=True)
    click.echo(f"\nnext: mysense check{where}", err=True)
    click.echo(f"      mysense run{where}", err=True)
    click.echo(f"      sudo mysense{where} install-service", err=True)
