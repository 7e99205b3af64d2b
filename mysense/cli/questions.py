"""What `mysense init` says to a person and asks: little, each with a default; nobody there, the defaults are taken."""

import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click

from mysense import config, draft, options, registry
from mysense.cli.common import table
from mysense.errors import ConfigError
from mysense.finding import Places
from mysense.settings import Identity
from mysense.trying import Trial

IDENTITY = options.declared(Identity)
QUESTIONS = {"project": "Project", "label": "Label, a short name for people", "geolocation": "Location, as lat,lon,alt"}
ASKED = ("hostname", "user", "password")
"""What is asked of a publisher besides what it must be told."""

Sections = dict[str, dict[str, str]]


class Talk:
    """With a person, on standard error; or without one."""

    def __init__(self, silent: bool, asks: bool) -> None:
        self.silent, self.asks = silent, asks
        if asks and not (sys.stdin and sys.stdin.isatty()):
            raise click.UsageError("there is nobody to ask here: --yes takes the defaults, --json only shows")

    def say(self, text: str = "") -> None:
        if not self.silent:
            click.echo(text, err=True)

    def table(self, rows: Iterable[Iterable[object]]) -> None:
        """A table, with room around it."""
        if not self.silent and (every := list(rows)):
            self.say()
            table(every, err=True)
            self.say()

    def confirm(self, question: str, default: bool) -> bool:
        return click.confirm(question, default=default, err=True) if self.asks else default

    def ask(self, question: str, option: options.Option, default: str = "") -> str:
        """An answer that the option takes; without a person the default."""
        if not self.asks:
            return default
        answer = click.prompt(
            question, default=default, show_default=bool(default), hide_input=option.secret, err=True,
            value_proc=lambda text: valid(option, text),
        )  # fmt: skip
        return str(answer)


def valid(option: options.Option, text: str) -> str:
    """What somebody typed, if the option can be that; else click asks again."""
    text = text.strip()
    if "${" in text:
        raise click.UsageError("${ stands for a variable of the environment there; a password with it goes into a file")
    if option.required and not text:
        raise click.UsageError("it must be set")
    try:
        option.convert(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return text


def nothing(places: Places, talk: Talk) -> Sections:
    """No sensor was found: say what may be missing, and offer the one that needs nothing."""
    talk.say("No sensor was found.")
    if not places.named and not places.buses:
        on = (
            "; to switch it on: sudo raspi-config nonint do_i2c 0, and a reboot" if shutil.which("raspi-config") else ""
        )
        talk.say(f"  There is no I2C bus{on}.")
    if not (places.named or places.ports or places.pins):
        talk.say("  No serial adapter is plugged in.")
    talk.say()
    if not talk.confirm("Begin with a simulated sensor?", default=True):
        raise click.Abort
    return {"sensor:simulated": {}}


def identity(said: Mapping[str, str | None], path: Path, trials: Sequence[Trial], talk: Talk) -> dict[str, str]:
    """Who the kit is: as a flag says, or a person, or a GPS receiver, or the file that is written anew."""
    flags = {name: text for name, text in said.items() if text is not None}
    for name, text in flags.items():
        try:
            IDENTITY[name].convert(text)
        except ValueError as error:
            raise click.UsageError(f"--{name}: {error}") from None
    before: dict[str, str] = {}
    if place := next((trial.values for trial in trials if {"lat", "lon"} <= trial.values.keys()), {}):
        before["geolocation"] = f"{place['lat']:.5f},{place['lon']:.5f},{place.get('alt', 0):.0f}"
    with suppress(ConfigError):
        old = config.load(path).identity
        before |= {name: text for name in IDENTITY if (text := options.show(getattr(old, name)))}
    for name, question in QUESTIONS.items():
        default = before.get(name) or IDENTITY[name].shown
        before[name] = flags[name] if name in flags else talk.ask(question, IDENTITY[name], default)
    return {name: text for name, text in before.items() if text}


def completed(sections: Mapping[str, Mapping[str, str]], talk: Talk) -> Sections:
    """The sections, with what must be known and cannot be found."""
    whole = {section: dict(texts) for section, texts in sections.items()}
    for section, texts in whole.items():
        for option in draft.missing(section, texts):
            if talk.asks:
                texts[option.name] = talk.ask(f"[{section}] {option.name}: {option.help}", option)
            else:
                talk.say(f"[{section}] is switched off until its {option.name} is set: {option.help}")
    return whole


def publishers(said: str | None, talk: Talk) -> Sections:
    """A section for each publisher that is wanted, with what has to be known of its far end."""
    if said is None and talk.asks:
        question = f"Publish to ({', '.join(registry.names('publisher'))}; several with commas)"
        names = click.prompt(question, default="console", value_proc=_publishers, err=True)
    else:
        names = _publishers("console" if said is None else said)
    return completed({f"publisher:{name}": _far_end(name, talk) for name in names}, talk)


def _publishers(text: str) -> list[str]:
    known = registry.names("publisher")
    names = list(dict.fromkeys(filter(None, (part.strip().lower() for part in text.split(",")))))
    for name in names:
        if name not in known:
            raise click.UsageError(f"there is no publisher {name!r}{options.nearest(name, known)}")
    return names


def _far_end(name: str, talk: Talk) -> dict[str, str]:
    """Where it is, and who we are there, as far as anybody says."""
    texts: dict[str, str] = {}
    for option in options.declared(registry.find("publisher", name)).values():
        if not talk.asks or (option.name == "password" and not texts.get("user")):
            continue
        if option.required or option.name in ASKED:
            texts[option.name] = talk.ask(f"  {name}: {option.name}, {option.help}", option, option.shown)
    return {option: text for option, text in texts.items() if text}
