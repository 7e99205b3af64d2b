"""Samples of MySense.conf and its reference, made from the classes and so never out of date."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from types import MappingProxyType

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

WIDTH = 100
"""Letters in a line of names."""


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
    core = [] if plugins else ["\n".join(of_class(cls, name)) for name, cls in CORE.items()]
    ends = ["\n".join(lines) for lines in of_plugins({section: {} for section in wanted or every})]
    return "\n\n".join([*core, *ends]) + "\n"


def repository() -> str:
    """The MySense.conf of the repository: a kit that runs at once."""
    parts = [HEADER.rstrip()]
    for name, cls in CORE.items():
        parts.append("\n".join(of_class(cls, name, KIT.get(name, {}))))
    sections = {section: {} if on else {"enabled": "no"} for section, _, on in ENDS}
    for (_, about, _), lines in zip(ENDS, of_plugins(sections), strict=True):
        parts.append("\n".join(["#" * 78, f"# {about}", "", *lines]))
    return "\n\n".join(parts) + "\n"


def of_plugins(sections: Mapping[str, Mapping[str, str]]) -> Iterator[list[str]]:
    """The sample of each section with its texts: its own options first, then those that every one of its kind has.

    These are explained in the first of a kind; the others name them.
    """
    explained: dict[str, str] = {}
    for section, texts in sections.items():
        kind, name, *_ = section.split(":")
        plugin = registry.find(kind, name)
        common = options.declared(END_OPTIONS[kind]) if kind in END_OPTIONS else {}
        lines = list(_heading(plugin, section))
        if "enabled" in common and "enabled" in texts:
            lines.append(f"enabled = {texts['enabled']}")
            del common["enabled"]
        lines += _lines(options.declared(plugin).values(), texts)
        where = explained.setdefault(kind, section)
        if where == section:
            lines += _lines(common.values(), texts)
        else:
            lines += [f"{option} = {texts[option]}" for option in common if option in texts]
            named = ", ".join(option for option in common if option not in texts)
            lines += (f"## {line}" for line in wrap(f"and, as explained in [{where}]: {named}", WIDTH))
        yield lines


def of_class(cls: type, section: str, texts: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """A section for the options of a class, some of them set.

    ``##`` explains, ``#`` shows a default, what else has no value must be given one.
    """
    return [*_heading(cls, section), *_lines(options.declared(cls).values(), texts)]


def _heading(cls: type, section: str) -> Iterator[str]:
    for line in (cls.__doc__ or "").partition("\n\n")[0].splitlines():
        yield f"## {line.strip()}"
    yield f"[{section}]"


def _lines(known: Iterable[Option], texts: Mapping[str, str]) -> Iterator[str]:
    for o in known:
        yield f"## {o.help}" + (f" ({' | '.join(o.choices)})" if o.choices else "")
        if o.name in texts or o.required:
            yield f"{o.name} = {texts.get(o.name, '')}".rstrip()
        else:
            yield f"#{o.name} = {o.shown}".rstrip()


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
