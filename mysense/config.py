"""MySense.conf to settings: every section is checked, and every mistake told, before anything starts."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from mysense import ini, legacy, options, registry, secrets
from mysense.errors import ConfigError
from mysense.ini import Section
from mysense.plugin import Plugin, Processor
from mysense.settings import CORE, END_OPTIONS, End, Settings
from mysense.telegram import Item

NAME = "MySense.conf"
PLACES = (Path(NAME), Path("/etc/mysense", NAME))

Recipes = dict[str, tuple[type[Plugin], dict[str, str]]]


def find(explicit: Path | None = None, env: Mapping[str, str] = os.environ) -> Path:
    """The file to read: the one that is named, $MYSENSE, or the first of ``PLACES`` that is there."""
    if explicit:
        return explicit
    if env.get("MYSENSE"):
        return Path(env["MYSENSE"])
    for path in PLACES:
        if path.exists():
            return path
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
    notices: list[str] = []
    if legacy.recognises(text):
        text, notices = legacy.translate(text)
    return _Reader(text, path, env, notices).settings()


class _Reader:
    """Reads one text; collects the problems on the way."""

    def __init__(self, text: str, path: Path | None, env: Mapping[str, str], notices: Sequence[str]) -> None:
        self.path, self.env, self.notices = path, env, list(notices)
        self.file = str(path or NAME)
        self.sections, mistakes = ini.read(text)
        self.problems = [f"{self.file}:{line}: {sentence}" for line, sentence in mistakes]
        self.used: set[str] = set()

    def settings(self) -> Settings:
        """Everything, or ConfigError with every problem."""
        core = {name: self._make(cls, name) for name, cls in CORE.items()}
        recipes = self._recipes()
        ends = [end for section in self.sections.values() if (end := self._end(section, recipes))]
        daemon = core["daemon"]
        intake = self._steps("daemon", daemon.processors if daemon else (), recipes)
        for name in recipes.keys() - self.used:
            self._problem(name, "", "no section names this processor in its 'processors ='")
        self._unknown()
        if self.problems:
            raise ConfigError(*sorted(self.problems, key=_line))
        extra: dict[str, Item] = dict(self.sections["meta"].texts) if "meta" in self.sections else {}
        identity = core["id"]
        identity.extra = extra
        return Settings(
            path=self.path, identity=identity, daemon=daemon, journal=core["journal"], logging=core["logging"],
            ends=tuple(ends), intake=intake, notices=tuple(self.notices),
        )  # fmt: skip

    def _make(self, cls: type, name: str) -> Any:
        section = self.sections.get(name, Section(name, 0))
        try:
            return options.parse(cls, self._texts(section), self._where(section))
        except ConfigError as error:
            self.problems += error.problems
            return None

    def _texts(self, section: Section, network: Mapping[str, str] | None = None) -> dict[str, str]:
        """The section's texts with the environment's, and with ${NAME} filled in."""
        texts = {}
        for name, text in ({**section.texts, **(network or {})}).items():
            try:
                texts[name] = secrets.fill(text, self.env)
            except KeyError as error:
                self._problem(section.name, name, f"the environment has no {error.args[0]}")
        return texts

    def _recipes(self) -> Recipes:
        """The processor sections: each end that names one gets an instance of its own."""
        recipes: Recipes = {}
        for section in self.sections.values():
            kind, _, rest = section.name.partition(":")
            if kind == "processor" and (cls := self._plugin(section, kind, rest)):
                texts = self._texts(section)
                try:
                    options.parse(cls, texts, self._where(section))
                except ConfigError as error:
                    self.problems += error.problems
                recipes[section.name] = cls, texts
        return recipes

    def _plugin(self, section: Section, kind: str, rest: str) -> type[Plugin] | None:
        try:
            return registry.find(kind, rest.partition(":")[0])
        except ConfigError as error:
            self.problems += [f"{self._where(section)('')} {problem}" for problem in error.problems]
            return None

    def _end(self, section: Section, recipes: Recipes) -> End | None:
        kind, _, rest = section.name.partition(":")
        if kind not in END_OPTIONS or not (cls := self._plugin(section, kind, rest)):
            return None
        name = rest.partition(":")[0]
        known = {option.name for option in options.declared(cls).values()}
        texts = self._texts(section, secrets.network(kind, name, known, self.env))
        common = options.declared(END_OPTIONS[kind])
        own = {name: text for name, text in texts.items() if name not in common}
        try:
            said = options.parse(END_OPTIONS[kind], _only(texts, common), self._where(section))
            if not said.enabled and any(o.required and not own.get(o.name) for o in options.declared(cls).values()):
                self.problems += options.convert(options.declared(cls), own, self._where(section))[1]
                return None  # switched off, and not complete yet
            plugin = options.parse(cls, own, self._where(section))
        except ConfigError as error:
            self.problems += error.problems
            return None
        self.notices += secrets.readable(plugin, section.name)
        steps = self._steps(section.name, getattr(said, "processors", ()), recipes)
        return End(section=section.name, kind=kind, plugin=plugin, options=said, processors=steps)

    def _steps(self, section: str, names: Sequence[str], recipes: Recipes) -> tuple[tuple[str, Processor], ...]:
        steps = []
        for name in names:
            full = name if name.startswith("processor:") else f"processor:{name}"
            found = full if full in recipes else next((k for k in recipes if k.rpartition(":")[2] == name), None)
            if found is None:
                short = [key.removeprefix("processor:") for key in recipes]
                near = options.nearest(name, [*short, *(key.rpartition(":")[2] for key in short)])
                self._problem(section, "processors", f"there is no section [processor:{name}]{near}")
                continue
            self.used.add(found)
            cls, texts = recipes[found]
            try:
                steps.append((found, cast(Processor, options.parse(cls, texts, lambda _: ""))))
            except ConfigError:  # told with the section itself
                continue
        return tuple(steps)

    def _unknown(self) -> None:
        kinds = [*END_OPTIONS, "processor"]
        for section in self.sections.values():
            kind, colon, _ = section.name.partition(":")
            if section.name in CORE or section.name == "meta" or (colon and kind in kinds):
                continue
            every = [*CORE, "meta", *(f"{k}:{name}" for k in kinds for name in registry.names(k))]
            near = options.nearest(section.name, every) or options.nearest(kind, every)
            self._problem(section.name, "", f"unknown section{near}")

    def _where(self, section: Section) -> Any:
        def where(name: str) -> str:
            line = section.lines.get(name, section.line)
            place = f"{self.file}:{line}:" if line else f"{self.file}:"
            return f"{place} [{section.name}]" + (f" {name}:" if name else "")

        return where

    def _problem(self, section: str, option: str, sentence: str) -> None:
        self.problems.append(f"{self._where(self.sections[section])(option)} {sentence}")


def _only(texts: Mapping[str, str], known: Mapping[str, object]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if name in known}


def _line(problem: str) -> tuple[int, str]:
    match = re.search(r":(\d+):", problem)
    return (int(match[1]) if match else 0), problem


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
    for name in filter(None, (part.strip() for part in names.split(","))):
        found = [
            end
            for end in ends
            if end.kind in kinds and name in (end.section, end.section.partition(":")[2], *end.section.split(":")[1:])
        ]
        for end in found:
            end.options.enabled = True
            yield end
        if not found:
            yield _bare(name, kinds)


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
    cls = registry.find(kind, name)
    known = options.declared(cls)
    said: dict[str, str] = {}
    if path:
        sections, _ = ini.read(text_of(path))
        section = next(
            (s for s in sections.values() if s.name == f"{kind}:{name}" or s.name.startswith(f"{kind}:{name}:")), None
        )
        if section is None:
            raise ConfigError(f"{path}: there is no section [{kind}:{name}]")
        said = {k: secrets.fill(v, env) for k, v in section.texts.items() if k in known}
    said |= secrets.network(kind, name, set(known), env)
    return options.parse(cls, {**said, **texts}, lambda option: f"--{option}:" if option else f"{name}:")


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
