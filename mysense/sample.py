"""Samples of MySense.conf and its reference, made from the classes and so never out of date."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mysense import options, registry
from mysense.errors import ConfigError
from mysense.options import Option, nearest
from mysense.settings import CORE, END_OPTIONS

HEADER = """\
# MySense.conf: what this kit measures, and where it publishes.
#
#   ## explains an option      # shows its default: take the # away to change it
#   enabled = no               switches a section off
#
# As it is, a simulated kit shows its telegrams on the screen: make run.
# For a Dylos and an InfluxDB server it takes two edits, marked with 1 and 2.
# When you have changed something, mysense check tells whether everything is there.
"""
KIT = {"id": {"project": "Demo"}, "daemon": {"interval": "10"}}
"""What the repository's file sets in the sections of the core."""
ENDS = (
    ("sensor:simulated", "A kit that is not there, for a first look.", True),
    ("sensor:dylos", "1. A Dylos on a serial line: enabled = yes here, and no above.", False),
    ("publisher:console", "Telegrams on the screen.", True),
    ("publisher:influxdb", "2. A database for this kit on an InfluxDB server: enabled = yes, and its hostname.", False),
    ("publisher:mqtt", "An MQTT broker, and with it Home Assistant: enabled = yes, and its hostname.", False),
    ("publisher:csv", "Files for a spreadsheet, one a day.", False),
)
"""The plugins of the repository's file: section, what to say about it, and whether it is on."""


def sample(plugins: Sequence[str] = ()) -> str:
    """A documented section for each plugin, such as ``sensor:dylos``; without names for everything there is.

    Raises ConfigError for a name that is no plugin's.
    """
    every = [f"{kind}:{name}" for kind in registry.KINDS for name in registry.names(kind)]
    wanted: list[str] = []
    for name in plugins:
        found = [section for section in every if name in (section, section.partition(":")[2])]
        if not found:
            raise ConfigError(f"there is no plugin {name!r}{nearest(name, every)}")
        wanted += found
    core = [] if plugins else ["\n".join(options.render(cls, name)) for name, cls in CORE.items()]
    return "\n\n".join([*core, *("\n".join(of_plugin(section)) for section in wanted or every)]) + "\n"


def repository() -> str:
    """The MySense.conf of the repository: a kit that runs at once."""
    parts = [HEADER.rstrip()]
    for name, cls in CORE.items():
        parts.append("\n".join(put(options.render(cls, name), KIT.get(name, {}))))
    for section, about, on in ENDS:
        lines = of_plugin(section)
        place = lines.index(f"[{section}]")
        rest = lines[place + 1 :]
        if not on:
            at = rest.index("#enabled = yes")  # below its explanation
            rest = ["enabled = no", *rest[: at - 1], *rest[at + 1 :]]
        parts.append("\n".join(["#" * 78, f"# {about}", "", *lines[: place + 1], *rest]))
    return "\n\n".join(parts) + "\n"


def of_plugin(section: str) -> list[str]:
    """The sample of a plugin: its own options first, then those that every such section has."""
    kind, name, *_ = section.split(":")
    lines = list(options.render(registry.find(kind, name), section))
    if kind in END_OPTIONS:
        common = list(options.render(END_OPTIONS[kind], section))
        lines += common[common.index(f"[{section}]") + 1 :]
    return lines


def put(lines: Iterable[str], values: Mapping[str, str]) -> Iterator[str]:
    """Sample lines with some options set."""
    for line in lines:
        name = line.removeprefix("#").partition(" =")[0]
        yield f"{name} = {values[name]}" if name in values else line


def reference() -> str:
    """docs/config.md: every section and every option."""
    parts = [
        "# MySense.conf\n",
        "Made from the classes by `make docs`; `mysense config sample` prints the same for your own plugins.",
        "A section is `[kind:plugin]`, or `[kind:plugin:label]` where there are two. Times are seconds, or `30 s`,",
        "`5 min`, `2 h`, `7 d`; lists are separated by commas; `${NAME}` is replaced by the environment's `NAME`.\n",
    ]
    for name, cls in CORE.items():
        parts += [f"## [{name}]\n", _about(cls), _table(options.declared(cls)), ""]
    parts += ["## [meta]\n", "Items of your own for the ident, `name = text`; they are published with it.\n"]
    for kind in registry.KINDS:
        if kind in END_OPTIONS:
            parts += [f"## Every {kind}\n", _about(END_OPTIONS[kind]), _table(options.declared(END_OPTIONS[kind])), ""]
        for name in sorted(set(registry.names(kind)) & registry.builtin(registry.KINDS[kind][0])):
            plugin = registry.find(kind, name)
            parts += [f"## [{kind}:{name}]\n", _about(plugin), _table(options.declared(plugin)), ""]
    return "\n".join(parts).rstrip() + "\n"


def _about(cls: type) -> str:
    return f"{' '.join((cls.__doc__ or '').partition(chr(10) * 2)[0].split())}\n"


def _table(known: dict[str, Option]) -> str:
    rows = []
    for o in known.values():
        text = o.help + (f" ({', '.join(o.choices)})" if o.choices else "")
        default = "required" if o.required else f"`{o.shown}`" if o.shown else ""
        rows.append(f"| `{o.name}` | {text} | {default} |".replace("||", "|").replace(" |  |", " | |"))
    return "\n".join(["| option | | default |", "|---|---|---|", *rows]) if rows else ""
