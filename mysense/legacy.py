"""Files of the original MySense, read as they are: a table of names, and what has no successor yet.

In such a file a section is a plugin's name, ``input = true`` or ``output = true`` switches
it on, and the interval of ``[process]`` is minutes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from mysense import ini, options, registry
from mysense.errors import ConfigError
from mysense.ini import Section
from mysense.settings import Identity

PLUGINS = {
    "arduino": "sensor:shinyei", "dht": "sensor:dht", "bme280": "sensor:bme280", "sht31": "sensor:sht31",
    "dylos": "sensor:dylos", "sds011": "sensor:sds011", "pms7003": "sensor:pms", "spec": "sensor:spec_dgs",
    "alphasense": "sensor:alphasense", "dbgrove": "sensor:dbgrove", "gps": "sensor:gpsd", "rssi": "sensor:wifi",
    "console": "publisher:console", "csv": "publisher:csv", "db": "publisher:mysql", "influxpub": "publisher:influxdb",
    "influxsub": "subscriber:influxdb", "mqttpub": "publisher:mqtt", "mqttsub": "subscriber:mqtt",
    "broker": "publisher:webhook", "email": "publisher:email", "gspread": "publisher:gspread",
    "display": "publisher:display", "luftdaten": "publisher:sensorcommunity", "ttn_mqtt": "subscriber:ttn",
    "raw": "publisher:raw",
}  # fmt: skip
"""The sections of old, and today's. Which of them exist the registry knows."""

CORE = ("process", "id", "logging")
_SWITCH = ("input", "output")
_NAMES = {"pass": "password", "host": "hostname", "is_stable": "warm_up"}
_LEVELS = {
    "notset": "debug", "debug": "debug", "info": "info", "attent": "info", "warning": "warning", "error": "error",
    "critical": "error", "fatal": "error",
}  # fmt: skip
_GONE = {
    "home": "the state directory keeps what must survive",
    "pid": "'mysense status' knows the process",
    "start_dir": "paths are relative to where mysense is started",
    "bufsize": "[daemon] interval is the window of the mean",
    "sync": "every sensor has a thread of its own",
    "type": "the plugin knows its device",
    "units": "the plugin knows its units",
    "ttl": "files are daily",
    "apikey": "user and password say who it is",
    "prefix": "client_id names the connection",
    "cert": "ssl and ca_file encrypt and say whom to trust",
    "debug": "'mysense read' shows what one sensor reads",
}
"""Options that have no meaning any more, and why."""
_OTHER = {
    "influxsub state": "how far each database was read is in the journal",
    "influxpub database": "the original passed it over, too: every node has a database of its own",
    "console file": "standard output, as ever",
    "dylos interval": "the counter itself sends a line a minute",
    "gps fields": "a position is lat, lon and alt",
    "ttn_mqtt timeout": "silence is told by the broker's own keep-alive",
    "ttn_mqtt file": "captured messages can be published at a broker of one's own",
    "ttn_mqtt adminfile": "list its devices in devices or devices_file, see docs/ttn.md",
    "ttn_mqtt all": "list the devices in devices or devices_file, then set it",
}
"""Options that today have the same name and another meaning."""
_BEFORE = {"ttn_mqtt": {"ssl": "no"}}
"""What was so without an option, where it is not what happens by itself today."""
_FIELDS = {
    "dylos": "pm_25,pm_10", "arduino": "pm25,pm10", "dht": "temp,rh", "bme280": "temp,rh,hpa", "sht31": "temp,rh",
    "sds011": "pm25,pm10", "pms7003": "pm1,pm25,pm10", "spec": "o3,no2,so2,co,eth,temp,rh", "alphasense": "nh3",
    "dbgrove": "dbv", "rssi": "rssi",
}  # fmt: skip
"""What a sensor's fields were where the section named none."""


def recognises(text: str) -> bool:
    """Whether a text is a MySense.conf of the original."""
    sections, _ = ini.read(text)
    old = [s for s in sections.values() if s.name.lower() in PLUGINS or s.name.lower() == "process"]
    return bool(old) and not any(":" in name for name in sections)


def sections(text: str) -> tuple[dict[str, Section], list[str]]:
    """The sections of today's form, with the lines of the old file, and a sentence for all that was passed over."""
    old, mistakes = ini.read(_uncommented(text))
    notices = [f"line {line}: {sentence}" for line, sentence in mistakes]
    off: list[str] = []
    made: dict[str, Section] = {}
    for section in old.values():
        for new in _sections(section, notices, off):
            there = made.setdefault(new.name, Section(new.name, new.line))
            there.texts |= new.texts
            there.lines |= new.lines
    if off:
        notices.append(f"switched off, and without a successor yet: {', '.join(off)}")
    _name_steps(made, notices)
    return made, notices


def translate(text: str) -> tuple[str, list[str]]:
    """The text in today's form, and a sentence for everything that was passed over."""
    made, notices = sections(text)
    lines: list[str] = []
    for new in made.values():
        indented = (f"{name} = {value}".rstrip().replace("\n", "\n    ") for name, value in new.texts.items())
        lines += [f"[{new.name}]", *indented, ""]
    return "\n".join(lines), notices


def migrate(text: str) -> str:
    """The text as a file of today's form, with what was passed over as comments."""
    if not recognises(text):
        return text
    made, notices = translate(text)
    comments = ["# Made from a MySense.conf of the original.", *(f"# {notice}" for notice in notices)]
    return "\n".join([*comments, "", made]).rstrip() + "\n"


def _uncommented(text: str) -> str:
    """The text without the comments behind values: the first ``;`` began one, if a blank stood before it."""
    lines = []
    for line in text.split("\n"):
        before, _, _ = line.partition(";")
        lines.append(before.rstrip() if before[-1:].isspace() else line)
    return "\n".join(lines)


def _sections(section: Section, notices: list[str], off: list[str]) -> Iterator[Section]:
    """What a section has become."""
    name = section.name.lower()
    match name:
        case "process":
            yield _new("daemon", section, dict(_daemon(section, notices)))
        case "id":
            known, own = options.declared(Identity), {k: v for k, v in section.texts.items() if v}
            yield _new("id", section, {k: v for k, v in own.items() if k in known})
            if extra := {k: v for k, v in own.items() if k not in known}:
                yield _new("meta", section, extra)
        case "logging":
            yield _new("logging", section, dict(_logging(section, notices)))
        case "raw":
            notices.append("[raw] is passed over: single readings go to every publisher, but to those with raw = no")
        case _ if name in PLUGINS:
            yield from _plugin(section, notices, off)
        case "daemon" | "journal" | "meta":
            yield replace(section, name=name)
        case _:
            notices.append(f"[{section.name}] is no section of MySense; passed over")


def _new(name: str, old: Section, texts: Mapping[str, str]) -> Section:
    """A section of today's form; its options stand where they stood."""
    lines = {option: old.lines.get(option, old.line) for option in texts}
    return Section(name, old.line, dict(texts), lines)


def _daemon(section: Section, notices: list[str]) -> Iterator[tuple[str, str]]:
    for name, text in section.texts.items():
        if name == "interval":
            try:
                yield name, f"{float(text) * 60:.15g}"  # it was minutes
            except ValueError:
                notices.append(f"[process] interval {text!r} is not a number of minutes; the default is used")
        elif name in ("user", "group"):
            yield name, text
        elif name == "raw":
            if options.BOOLEANS.get(text.lower()):
                yield name, "yes"
        else:
            notices.append(_gone(section, name))


def _logging(section: Section, notices: list[str]) -> Iterator[tuple[str, str]]:
    for name, text in section.texts.items():
        if name == "level" and text.lower() in _LEVELS:
            yield name, _LEVELS[text.lower()]
        elif name == "file":
            if text not in ("/dev/stderr", "/dev/stdout"):
                yield name, text
        else:
            notices.append(f"[{section.name}] {name} = {text!r} has no meaning any more; passed over")


def _plugin(section: Section, notices: list[str], off: list[str]) -> Iterator[Section]:
    old = section.name.lower()
    target = PLUGINS[old]
    on = any(options.BOOLEANS.get(section.texts.get(switch, "").lower()) for switch in _SWITCH)
    texts = {_NAMES.get(k, k): v for k, v in section.texts.items() if k not in (*_SWITCH, "calibrations")}
    if old == "dylos" and texts.get("file"):
        target = "sensor:replay"  # lines of a file instead of a serial line
        texts = {k: v for k, v in texts.items() if k not in ("usbid", "port")}
    if model := texts.pop("type", "") if old == "dht" else "":
        texts["model"] = "DHT22" if model.upper() == "AM2302" else model
    if old == "csv":  # it named a file, without its end
        texts = {"directory": texts.pop("file", "").rpartition("/")[0] or ".", **texts}
    if not (known := _known(target)):
        if on:
            notices.append(f"[{section.name}] is passed over: [{target}] will take its place, and is not there yet")
        else:
            off.append(f"[{section.name}] ({target})")
        return
    if old == "spec":
        texts["gas"] = _gases(texts.pop("serials", ""), texts.pop("fields", "") or _FIELDS["spec"])
        if not texts["gas"]:
            notices.append(f"[spec] is passed over: name its gas in a section [{target}]")
            return
    kept = ({} if on else {"enabled": "no"}) | _BEFORE.get(old, {})
    if "unit" in known and "m3" in texts.get("units", ""):
        kept["unit"] = "ug/m3"
    for option, text in texts.items():
        if not text:
            continue
        if option == "raw" and target.startswith("sensor:"):
            kept |= {"raw": "yes"} if options.BOOLEANS.get(text.lower()) else {}
        elif option not in known or f"{old} {option}" in _OTHER:
            notices.append(_gone(section, option))
        elif problems := _wrong(section, known[option], text):
            notices += problems
        else:
            kept[option] = text
    yield _new(target, section, kept)
    yield from _calibration(section, on, notices)


def _gases(serials: str, fields: str) -> str:
    """The gas of each serial number; they were two lists side by side."""
    pairs = zip(serials.split(","), fields.split(","), strict=False)
    return ", ".join(f"{serial.strip()}: {gas.strip()}" for serial, gas in pairs if serial.strip())


def _known(target: str) -> dict[str, options.Option]:
    """The options of a plugin of ours; none when it is not there yet."""
    kind, _, name = target.partition(":")
    if name not in registry.builtin(registry.KINDS[kind][0]):
        return {}
    try:
        return options.declared(registry.find(kind, name))
    except ConfigError:  # a channel with the other end only
        return {}


def _wrong(section: Section, option: options.Option, text: str) -> list[str]:
    """Why a text is no value of an option; one with ${NAME} is looked at later."""
    if "${" in text:
        return []
    found = options.convert({option.name: option}, {option.name: text}, lambda name: f"[{section.name}] {name}:")[1]
    return [f"{problem}; passed over" for problem in found]


def _calibration(section: Section, on: bool, notices: list[str]) -> Iterator[Section]:
    """Calibrations were parallel to the fields; today they go by name, and on the way out."""
    said = section.texts.get("calibrations", "")
    names = section.texts.get("fields") or _FIELDS.get(section.name.lower(), "")
    try:
        lists = json.loads(said or "[]")
        pairs = dict(zip((name.strip() for name in names.split(",")), lists, strict=False))
        factors = "; ".join(
            f"{name}: {' '.join(map(repr, map(float, terms)))}"
            for name, terms in pairs.items()
            if terms not in ([0, 1], [])
        )
    except (ValueError, TypeError):
        factors = said
    if not factors:
        return
    if not on:
        notices.append(f"[{section.name}] calibrations are passed over, for the section is switched off")
        return
    calibrate = _known("processor:calibrate")["factors"]
    if _wrong(section, calibrate, factors):
        notices.append(f"[{section.name}] calibrations cannot be read; passed over")
        return
    yield Section(
        f"processor:calibrate:{section.name.lower()}",
        section.line,
        {"factors": str(calibrate.convert(factors))},
        {"factors": section.lines["calibrations"]},
    )


def _name_steps(made: dict[str, Section], notices: list[str]) -> None:
    """Let every publisher name the calibrations; a field that two sensors have can only have one."""
    steps = [name for name in made if name.startswith("processor:")]
    publishers = [section for section in made.values() if section.name.startswith("publisher:")]
    taken: set[str] = set()
    for name in list(steps):
        short = name.rpartition(":")[2]
        parts = made[name].texts["factors"].split("; ")
        own = [part for part in parts if part.rpartition(":")[0] not in taken]
        if len(own) < len(parts):
            notices.append(f"[{short}] calibrations of fields that another sensor calibrates are passed over")
        if not publishers:
            notices.append(f"[{short}] calibrations are passed over: they belong to publishers, and there is none")
        if not own or not publishers:
            steps.remove(name)
            del made[name]
        else:
            made[name].texts["factors"] = "; ".join(own)
            taken |= {part.rpartition(":")[0] for part in own}
    for publisher in publishers if steps else ():
        publisher.texts["processors"] = ", ".join(step.removeprefix("processor:") for step in steps)


def _gone(section: Section, option: str) -> str:
    old = section.name.lower()
    sensor = PLUGINS.get(old, "sensor:").startswith("sensor:")
    why = _OTHER.get(f"{old} {option}") or (_GONE.get(option) if sensor or old == "csv" else None)
    return f"[{section.name}] {option} has no successor{f' ({why})' if why else ''}; passed over"
