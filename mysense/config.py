"""MySense.conf: found, read, chosen from, and shown again."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mysense import ini, legacy, options, registry, secrets
from mysense.errors import ConfigError
from mysense.ini import Section
from mysense.plugin import Plugin
from mysense.sections import Reader, fill, where
from mysense.settings import END_OPTIONS, SYSTEM_STATE, End, Settings

NAME = "MySense.conf"
OLD = "this is a file of the original MySense; 'mysense config migrate FILE' prints it in today's form"
SYSTEM = Path("/etc/mysense")
PLACES = (Path(NAME), SYSTEM / NAME)


def find(explicit: Path | None = None, env: Mapping[str, str] = os.environ) -> Path:
    """The file to read: the one that is named, $MYSENSE, or the first of ``PLACES`` that is there."""
    if explicit:
        return explicit
    if env.get("MYSENSE"):
        return Path(env["MYSENSE"])
    hidden = None
    for path in PLACES:
        try:
            if path.exists():
                return path
        except PermissionError:  # a folder of somebody else's; if there is none elsewhere, whoever reads it is told
            hidden = path
    if hidden:
        return hidden
    raise ConfigError(
        f"there is no {' or '.join(map(str, PLACES))}; name the file with -c FILE, or see 'mysense config sample'"
    )


def load(path: Path, env: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a file. Raises ConfigError with everything that is wrong with it."""
    return parse(text_of(path), path, env)


def text_of(path: Path) -> str:
    """The text of a file, or ConfigError with the reason there is none."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; 'mysense config sample > {path}' makes one") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: this is not UTF-8 text") from None


def parse(text: str, path: Path | None = None, env: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a text, today's or that of an original MySense.conf."""
    sections, mistakes, notices = _sections(text)
    reader = Reader(sections, str(path or NAME), env)
    reader.problems += [f"{reader.file}:{line}: {sentence}" for line, sentence in mistakes]
    reader.notices += notices
    settings = reader.settings(path)
    if path and path.absolute().parent == SYSTEM and settings.journal.path == Path():
        settings.journal.path = SYSTEM_STATE / "journal.db"  # where its service and whoever asks for it both look
    return settings


def _sections(text: str) -> tuple[dict[str, Section], list[tuple[int, str]], list[str]]:
    """The sections, the mistakes and the notices of a text."""
    if not legacy.recognises(text):
        return *ini.read(text), []
    sections, notices = legacy.sections(text)
    return sections, [], [OLD, *notices]


def choose(settings: Settings, inputs: str | None, outputs: str | None) -> Settings:
    """The settings with only the sections that a command line names (plugins, or whole sections).

    One that has no section is used with its defaults.
    """
    ends = list(settings.ends)
    for names, kinds in ((inputs, ("sensor", "subscriber")), (outputs, ("publisher",))):
        if names is not None:
            wanted = list(_wanted(ends, names, kinds))
            ends = [end for end in ends if end.kind not in kinds] + wanted
    return replace(settings, ends=tuple(ends))


def _wanted(ends: Sequence[End], names: str, kinds: Sequence[str]) -> Iterator[End]:
    chosen: dict[str, End] = {}
    for name in filter(None, (part.strip() for part in names.split(","))):
        found = [
            end
            for end in ends
            if end.kind in kinds and name in (end.section, end.section.partition(":")[2], *end.section.split(":")[1:])
        ]
        for end in found or [_bare(name, kinds)]:
            chosen[end.section] = replace(end, options=replace(end.options, enabled=True))
    yield from chosen.values()


def _bare(name: str, kinds: Sequence[str]) -> End:
    for kind in kinds:
        if name in registry.names(kind):
            plugin = single(kind, name, {}, None)
            return End(section=f"{kind}:{name}", kind=kind, plugin=plugin, options=END_OPTIONS[kind]())
    known = [name for kind in kinds for name in registry.names(kind)]
    raise ConfigError(f"there is no {' or '.join(kinds)} {name!r}{options.nearest(name, known)}")


def single(
    kind: str, name: str, texts: Mapping[str, str], path: Path | None, env: Mapping[str, str] = os.environ
) -> Plugin:
    """One plugin: the options of its section in *path*, if a file is given, then the environment's, then *texts*."""
    known = options.declared(registry.find(kind, name))
    common = options.declared(END_OPTIONS[kind]) if kind in END_OPTIONS else {}
    section = _section(path, f"{kind}:{name}") if path else Section(name, 0)
    variables = secrets.network(kind, name, set(known), env)
    own = {o: text for o, text in section.texts.items() if o not in {**common, **variables, **texts}}
    filled, problems = fill(replace(section, texts=own), env, str(path))
    if problems:
        raise ConfigError(*problems)
    said = {**filled.texts, **{option: env[variable] for option, variable in variables.items()}, **texts}
    shown = {
        **filled.shown,
        **{option: f"${variable}" for option, variable in variables.items() if option not in texts},
    }

    def begin(option: str) -> str:
        if option in own:
            return where(str(path), section)(option)
        return f"--{option}:" if option else f"{name}:"

    return options.parse(registry.find(kind, name), said, begin, shown)


def _section(path: Path, name: str) -> Section:
    sections, _, _ = _sections(text_of(path))
    for section in sections.values():
        if section.name == name or section.name.startswith(f"{name}:"):
            return section
    raise ConfigError(f"{path}: there is no section [{name}]")


def show(path: Path, env: Mapping[str, str] = os.environ) -> str:
    """The configuration in force as text: defaults included, secrets masked."""
    settings = load(path, env)
    lines: list[str] = []
    core = {
        "id": settings.identity,
        "daemon": settings.daemon,
        "journal": settings.journal,
        "logging": settings.logging,
    }
    for name, values in core.items():
        lines += [f"[{name}]", *_shown(values), ""]
    if settings.identity.extra:
        lines += ["[meta]", *(f"{k} = {v}" for k, v in settings.identity.extra.items()), ""]
    shown: set[str] = set()
    for section, step in (
        step for steps in (settings.intake, *(e.processors for e in settings.ends)) for step in steps
    ):
        if section not in shown:
            lines += [f"[{section}]", *_shown(step), ""]
            shown.add(section)
    for end in settings.ends:
        lines += [f"[{end.section}]", *_shown(end.options), *_shown(end.plugin), ""]
    return "\n".join(lines)


def _shown(values: Any) -> Iterator[str]:
    for o in options.declared(type(values)).values():
        text = options.show(getattr(values, o.name)).replace("\n", "\n    ")
        yield f"{o.name} = {'********' if o.secret and text else text}".rstrip()
