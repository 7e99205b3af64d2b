"""Files of the original MySense, read as they are: a table of names, and what has no successor yet.

In such a file a section is a plugin's name, ``input = true`` or ``output = true`` switches
it on, and the interval of ``[process]`` is minutes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mysense import ini, options, registry
from mysense.errors import ConfigError
from mysense.ini import Section
from mysense.settings import Identity

PLUGINS = {
    "arduino": "sensor:arduino", "dht": "sensor:dht22", "bme280": "sensor:bme280", "sht31": "sensor:sht31",
    "dylos": "sensor:dylos", "sds011": "sensor:sds011", "pms7003": "sensor:pms7003", "spec": "sensor:spec",
    "alphasense": "sensor:alphasense", "dbgrove": "sensor:dbgrove", "gps": "sensor:gps", "rssi": "sensor:rssi",
    "console": "publisher:console", "csv": "publisher:csv", "db": "publisher:mysql", "influxpub": "publisher:influxdb",
    "influxsub": "subscriber:influxdb", "mqttpub": "publisher:mqtt", "mqttsub": "subscriber:mqtt",
    "broker": "publisher:webhook", "email": "publisher:email", "gspread": "publisher:gspread",
    "display": "publisher:display", "luftdaten": "publisher:sensorcommunity", "ttn_mqtt": "subscriber:ttn",
    "raw": "publisher:raw",
}  # fmt: skip
"""The sections of old, and today's. Which of them exist the registry knows."""

CORE = ("process", "id", "logging")
_SWITCH = ("input", "output")
_NAMES = {"pass": "password", "host": "hostname"}
_LEVELS = {
    "notset": "debug", "debug": "debug", "info": "info", "attent": "info", "warning": "warning", "error": "error",
    "critical": "error", "fatal": "error",
}  # fmt: skip
_GONE = {
    "home": "the state directory keeps what must survive",
    "pid": "'mysense status' knows the process",
    "start_dir": "paths are relative to where mysense is started",
    "raw": "the journal keeps what was measured",
    "bufsize": "[daemon] interval is the window of the mean",
    "sync": "every sensor has a thread of its own",
    "type": "the plugin knows its device",
    "units": "the plugin knows its units",
    "ttl": "files are daily",
    "debug": "'mysense read' shows what one sensor reads",
    "influxpub database": "every node has a database of its own, <project>_<serial>",
    "console file": "standard output, as ever",
    "dylos interval": "the counter itself sends a line a minute",
}
"""Options that have no meaning any more, and why."""


class _New(NamedTuple):
    """A section of today's form."""

    name: str
    texts: dict[str, str]


def recognises(text: str) -> bool:
    """Whether a text is a MySense.conf of the original."""
    sections, _ = ini.read(text)
    old = [s for s in sections.values() if s.name.lower() in PLUGINS or s.name.lower() == "process"]
    return bool(old) and not any(":" in name for name in sections)


def translate(text: str) -> tuple[str, list[str]]:
    """The text in today's form, and a sentence for everything that was passed over."""
    notices: list[str] = []
    sections, mistakes = ini.read(_uncommented(text))
    if mistakes:
        notices += [f"line {line}: {sentence}; passed over" for line, sentence in mistakes]
    made = [new for section in sections.values() for new in _sections(section, notices)]
    steps = [new.name.removeprefix("processor:") for new in made if new.name.startswith("processor:")]
    lines: list[str] = []
    for new in made:
        texts = new.texts
        if steps and new.name.startswith("publisher:"):
            texts = {**texts, "processors": ", ".join(steps)}
        indented = (f"{name} = {value}".rstrip().replace("\n", "\n    ") for name, value in texts.items())
        lines += [f"[{new.name}]", *indented, ""]
    return "\n".join(lines), notices


def migrate(text: str) -> str:
    """The text as a file of today's form, with what was passed over as comments."""
    if not recognises(text):
        return text
    made, notices = translate(text)
    return (
        "\n".join(["# Made from a MySense.conf of the original.", *(f"# {n}" for n in notices), "", made]).rstrip()
        + "\n"
    )


def _uncommented(text: str) -> str:
    """The text without the comments behind values: ' ;' began one."""
    return "\n".join(re.sub(r"\s+;.*$", "", line) for line in text.splitlines())


def _sections(section: Section, notices: list[str]) -> Iterator[_New]:
    name = section.name.lower()
    match name:
        case "process":
            yield _New("daemon", dict(_daemon(section, notices)))
        case "id":
            yield from _identity(section)
        case "logging":
            yield _New("logging", dict(_logging(section, notices)))
        case _ if name in PLUGINS:
            yield from _plugin(section, PLUGINS[name], notices)
        case "daemon" | "journal" | "meta":
            yield _New(name, section.texts)
        case _:
            notices.append(f"[{section.name}] is no section of MySense; passed over")


def _daemon(section: Section, notices: list[str]) -> Iterator[tuple[str, str]]:
    for name, text in section.texts.items():
        if name == "interval":
            try:
                yield name, f"{float(text) * 60:g}"  # it was minutes
            except ValueError:
                notices.append(f"[process] interval {text!r} is not a number of minutes; the default is used")
        elif name in ("user", "group"):
            yield name, text
        else:
            notices.append(_gone(section, name))


def _identity(section: Section) -> Iterator[_New]:
    known = options.declared(Identity)
    own = {k: v for k, v in section.texts.items() if v}
    yield _New("id", {k: v for k, v in own.items() if k in known})
    if extra := {k: v for k, v in own.items() if k not in known}:
        yield _New("meta", extra)


def _logging(section: Section, notices: list[str]) -> Iterator[tuple[str, str]]:
    for name, text in section.texts.items():
        if name == "level" and text.lower() in _LEVELS:
            yield name, _LEVELS[text.lower()]
        elif name == "file":
            if text not in ("/dev/stderr", "/dev/stdout"):
                yield name, text
        else:
            notices.append(f"[logging] {name} = {text} has no meaning any more; passed over")


def _plugin(section: Section, target: str, notices: list[str]) -> Iterator[_New]:
    kind, _, name = target.partition(":")
    texts = {_NAMES.get(k, k): v for k, v in section.texts.items() if k not in _SWITCH}
    on = any(options.BOOLEANS.get(section.texts.get(switch, "").lower()) for switch in _SWITCH)
    if target == "sensor:dylos" and texts.get("file"):
        target, name = "sensor:replay", "replay"  # lines of a file instead of a serial line
        texts = {k: v for k, v in texts.items() if k not in ("usbid", "port")}
    if name not in registry.builtin(registry.KINDS[kind][0]) or not _exists(kind, name):
        notices.append(
            f"[{section.name}] is passed over: its place will be taken by [{target}], which is not there yet"
        )
        return
    yield from _calibration(section, texts, notices)
    known = options.declared(registry.find(kind, name))
    if name == "csv":
        texts = _csv(texts)
    kept: dict[str, str] = {} if on else {"enabled": "no"}
    if "unit" in known and "m3" in texts.get("units", ""):
        kept["unit"] = "ug/m3"
    for option, text in texts.items():
        gone = option in _GONE or f"{section.name.lower()} {option}" in _GONE
        if option in known and text and not gone and _fits(known[option], text):
            kept[option] = text
        elif option != "calibrations" and text:
            notices.append(_gone(section, option))
    yield _New(target, kept)


def _exists(kind: str, name: str) -> bool:
    try:
        registry.find(kind, name)
    except ConfigError:
        return False
    return True


def _fits(option: options.Option, text: str) -> bool:
    if "${" in text:
        return True
    try:
        option.convert(text)
    except ValueError:
        return False
    return True


def _csv(texts: Mapping[str, str]) -> dict[str, str]:
    """The original named a file, or made a folder of the project's name."""
    folder = texts.get("file", "").rpartition("/")[0] or "."
    return {"directory": folder, **{k: v for k, v in texts.items() if k not in ("file", "directory")}}


def _calibration(section: Section, texts: Mapping[str, str], notices: list[str]) -> Iterator[_New]:
    """Calibrations were parallel to the fields; today they go by name, and on the way out."""
    said = texts.get("calibrations", "")
    if not said:
        return
    try:
        lists = json.loads(said)
        names = [name.strip() for name in texts.get("fields", "").split(",")] if texts.get("fields") else []
        pairs = {
            n: [float(x) for x in terms] for n, terms in zip(names, lists, strict=False) if terms not in ([0, 1], None)
        }
    except (ValueError, TypeError):
        notices.append(f"[{section.name}] calibrations {said!r} cannot be read; passed over")
        return
    factors = "; ".join(f"{name}: {' '.join(f'{x:g}' for x in terms)}" for name, terms in pairs.items() if terms)
    if not names:
        notices.append(f"[{section.name}] calibrations without fields say nothing; passed over")
    elif factors:
        yield _New(f"processor:calibrate:{section.name.lower()}", {"factors": factors})


def _gone(section: Section, option: str) -> str:
    why = _GONE.get(f"{section.name.lower()} {option}") or _GONE.get(option)
    return f"[{section.name}] {option} has no successor{f' ({why})' if why else ''}; passed over"
