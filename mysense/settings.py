"""What MySense.conf says, once it has been read and checked: the core's own sections."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mysense.options import option, seconds, size
from mysense.perfield import PerField, Range, count, per_field, span, word_of
from mysense.plugin import Plugin, Processor
from mysense.telegram import Ident, Item, Location, check_name
from mysense.window import OUTLIERS, STATISTICS

SYSTEM_STATE = Path("/var/lib/mysense")
"""Where the kit of the machine, with its MySense.conf in /etc/mysense, keeps what must survive."""


def state_folder() -> Path:
    """Where a daemon keeps what must survive: systemd's state directory, or the user's own."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "mysense"


def one_line(text: str) -> str:
    """*text*, or ValueError where it goes on in a second line."""
    if "\n" in text:
        raise ValueError("must stand on one line")
    return text


def cpu_serial() -> str:
    """The serial number of this Raspberry Pi, without leading zeros; else one made of the host's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("Serial"):
            return line.partition(":")[2].strip().lstrip("0") or "0"
    name = "".join(c for c in os.uname().nodename if c.isascii() and (c.isalnum() or c == "-"))
    return name.strip("-") or "undefined"


@dataclass(kw_only=True)
class Identity:
    """Who this kit is, and where it stands."""

    project: str = option("Demo", "name of the project the kit belongs to", parse=check_name)
    serial: str = option(
        "", "serial number of the kit; empty: that of the Pi's CPU, elsewhere the host's name", parse=check_name
    )
    label: str = option("", "a short name for people", parse=one_line)
    geolocation: Location | None = option(
        None, "where it stands: lat,lon,alt in degrees and metres", parse=Location.parse
    )
    description: str = option("", "a few words about the kit", parse=one_line)
    street: str = option("", "address; private, leaves the node only where a publisher's 'private' names it")
    housenr: str = option("", "private, as street")
    pcode: str = option("", "private, as street")
    village: str = option("", "private, as street")
    municipality: str = option("", "private, as street")
    province: str = option("", "private, as street")
    extra: dict[str, Item] = field(default_factory=dict)
    """Items of one's own: section [meta]."""

    def ident(self) -> Ident:
        """The ident of this node, without the fields that its sensors bring."""
        names = ("description", "street", "housenr", "pcode", "village", "municipality", "province")
        meta: dict[str, Item] = {name: text for name in names if (text := getattr(self, name))} | self.extra
        return Ident(self.project, self.serial or cpu_serial(), self.label, self.geolocation, meta=meta)


@dataclass(kw_only=True)
class DaemonOptions:
    """How often the kit reports, and as whom it runs."""

    interval: float = option(60.0, "seconds between two data telegrams", parse=seconds, least=1)
    processors: tuple[str, ...] = option((), "processor sections that data passes before the journal, in order")
    raw: bool = option(False, "yes: each reading of every sensor is kept as it comes, too")
    clock: Literal["auto", "trusted"] = option(
        "auto", "auto: where the clock is not set yet, measured data waits for it; trusted: it is right from the start"
    )
    clock_wait: float = option(
        120.0, "how long publishers to services that take nothing old wait for the clock", parse=seconds
    )
    user: str = option("", "user to become when started as root")
    group: str = option("", "group to become when started as root")


@dataclass(kw_only=True)
class JournalOptions:
    """Where telegrams are kept until every publisher has delivered them, and how long after."""

    path: Path = option(Path(), "the file; empty: journal.db in mysense's state directory")
    durability: Literal["full", "normal"] = option(
        "full", "full: a power cut loses nothing; normal: it may lose the last commits, and spares the SD card"
    )
    commit_interval: float = option(
        0.0, "seconds to collect telegrams before they are written together", parse=seconds, most=5
    )
    keep: float = option(30 * 86400.0, "how long delivered history is kept", parse=seconds)
    max_size: int = option(1_000_000_000, "bytes the journal may take; the oldest goes first", parse=size, least=10**6)
    forget: float = option(30 * 86400.0, "how long the cursor of a section that is gone is kept", parse=seconds)

    def file(self) -> Path:
        """The journal's file."""
        return state_folder() / "journal.db" if self.path == Path() else self.path


@dataclass(kw_only=True)
class LoggingOptions:
    """What is told, and where."""

    level: Literal["debug", "info", "warning", "error"] = option("info", "the least that is told")
    file: str = option("", "a file, or syslog; empty: standard error, which systemd keeps")


@dataclass(kw_only=True)
class EndOptions:
    """Options that every sensor, publisher and subscriber section has."""

    enabled: bool = option(True, "no switches the section off")


@dataclass(kw_only=True)
class SensorOptions(EndOptions):
    """Options that every sensor section has. Where fields are named, each stands before a colon: `mean, rain: sum`."""

    statistic: PerField[str | None] = option(
        PerField(None),
        f"what the readings of an interval become: {', '.join(STATISTICS)}; of some fields another: mean, gust: max; "
        "empty: what makes sense for each, mostly the mean",
        parse=per_field(word_of(*STATISTICS)),
    )
    outliers: PerField[str] = option(
        PerField("no"),
        "which readings of an interval are left out: no (none), tukey (beyond his fences), hampel (3 deviations "
        "from the median)",
        parse=per_field(word_of(*OUTLIERS), "no"),
    )
    counts: bool = option(False, "yes: <field>_n tells how many readings a value was made of")
    raw: bool = option(False, "yes: each reading is kept as it comes, too")
    ranges: PerField[Range | None] = option(
        PerField(None),
        "what can be true, where that is not what the sensor's datasheet says: temp: -10..50, co2: 250..5000; "
        "readings outside are left out, and told",
        parse=per_field(span),
    )
    static: PerField[int | None] = option(
        PerField(None),
        "readings in a row with the same value that are told as trouble; 0: none; empty: as its driver says",
        parse=per_field(count),
    )
    silent: float | None = option(
        None,
        "how long there may be no value before that is told as trouble; 0: for ever; empty: as its driver says, or "
        "as follows from interval, warm_up and sample",
        parse=seconds,
    )
    errors: int = option(5, "failed readings that are no trouble yet, if as many in a row are good after them", least=0)
    power_pin: str = option("", "GPIO line that switches its power: GPIO17, 17, or gpiochip0/17; empty: none")
    power_low: bool = option(False, "yes: it has power while the line is low")
    power_after: int = option(5, "failures in a row after which it is switched off and on", least=1)
    power_wait: float = option(5.0, "how long it stays off, and how long it gets to start", parse=seconds, most=600)


@dataclass(kw_only=True)
class PublisherOptions(EndOptions):
    """Options that every publisher section has."""

    start: Literal["oldest", "now"] = option("oldest", "where a new publisher begins in the journal")
    processors: tuple[str, ...] = option((), "processor sections that data passes on its way out, in order")
    private: tuple[str, ...] = option((), "private items of the ident to send all the same: street, extern_ip, …")
    raw: bool = option(True, "no: single readings, which sensors with raw = yes give, do not go there")


@dataclass(kw_only=True)
class SubscriberOptions(EndOptions):
    """Options that every subscriber section has."""

    processors: tuple[str, ...] = option((), "processor sections that data passes before the journal, in order")


END_OPTIONS: dict[str, type[EndOptions]] = {
    "sensor": SensorOptions,
    "publisher": PublisherOptions,
    "subscriber": SubscriberOptions,
}


@dataclass(kw_only=True)
class End:
    """One section that makes a worker: its plugin, and the processors on its way (each its own)."""

    section: str
    kind: str
    plugin: Plugin
    options: EndOptions
    processors: tuple[tuple[str, Processor], ...] = ()
    said: tuple[object, ...] = field(default=(), repr=False)
    """All that the file says of it, secrets included: equal means that its worker can stay."""


@dataclass(kw_only=True)
class Settings:
    """The whole of MySense.conf, checked."""

    path: Path | None = None
    identity: Identity = field(default_factory=Identity)
    daemon: DaemonOptions = field(default_factory=DaemonOptions)
    journal: JournalOptions = field(default_factory=JournalOptions)
    logging: LoggingOptions = field(default_factory=LoggingOptions)
    ends: tuple[End, ...] = ()
    intake: tuple[tuple[str, Processor], ...] = ()
    intake_said: tuple[object, ...] = field(default=(), repr=False)
    notices: tuple[str, ...] = ()
    """What was passed over without being a mistake: sections of old that have no successor yet."""

    def of(self, kind: str) -> tuple[End, ...]:
        """The enabled sections of one kind."""
        return tuple(end for end in self.ends if end.kind == kind and end.options.enabled)

    @property
    def idle(self) -> tuple[str, ...]:
        """What there is to tell where nothing comes in, or nothing goes out."""
        said = []
        if not self.of("sensor") and not self.of("subscriber"):
            said.append("nothing is measured: no [sensor:…] or [subscriber:…] is switched on")
        if not self.of("publisher"):
            said.append("nothing is published: no [publisher:…] is switched on")
        return tuple(said)


CORE: dict[str, type] = {
    "id": Identity,
    "daemon": DaemonOptions,
    "journal": JournalOptions,
    "logging": LoggingOptions,
}
"""The sections of the core, by name."""
