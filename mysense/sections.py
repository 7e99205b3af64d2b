"""Sections to settings: each is checked, and every mistake told at once, before anything starts."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from mysense import naming, options, registry, secrets
from mysense.errors import ConfigError
from mysense.ini import Section
from mysense.perfield import PerField
from mysense.plugin import Plugin, Processor, Sensor
from mysense.settings import CORE, END_OPTIONS, End, Settings
from mysense.telegram import Item

_LABEL = re.compile(r"[^:,]+")  # a list of names is separated by commas


class Filled(NamedTuple):
    """The texts of a section with the environment's, and what a message may quote of those."""

    texts: dict[str, str]
    shown: dict[str, str]


Recipes = dict[str, tuple[type[Plugin], Filled]]


def where(file: str, section: Section) -> Callable[[str], str]:
    """What a message about an option of a section begins with; of the section itself for ``''``."""

    def place(option: str) -> str:
        line = section.lines.get(option, section.line)
        return f"{file}:{f'{line}:' if line else ''} [{section.name}]" + (f" {option}:" if option else "")

    return place


def fill(section: Section, env: Mapping[str, str], file: str) -> tuple[Filled, list[str]]:
    """The texts of a section with each ${NAME} filled in, and a sentence for each that is not there."""
    filled, problems = Filled({}, {}), []
    for name, text in section.texts.items():
        try:
            filled.texts[name] = secrets.fill(text, env)
        except KeyError as error:
            problems.append(f"{where(file, section)(name)} the environment has no {error.args[0]}")
        else:
            if filled.texts[name] != text:
                filled.shown[name] = text
    return filled, problems


class Reader:
    """Reads the sections of one file; collects the problems on the way."""

    def __init__(self, sections: Mapping[str, Section], file: str, env: Mapping[str, str]) -> None:
        self.sections, self.file, self.env = sections, file, env
        self.problems: list[str] = []
        self.notices: list[str] = []
        self._used: set[str] = set()
        self._written: list[str] = []  # the secrets that stand in the file itself
        self._filled: dict[str, Filled] = {}
        for name, section in sections.items():
            self._filled[name], problems = fill(section, env, file)
            self.problems += problems

    def settings(self, path: Path | None) -> Settings:
        """Everything, or ConfigError with every problem, in the order of the lines."""
        core = {name: self._make(cls, self.sections.get(name, Section(name, 0))) for name, cls in CORE.items()}
        recipes = self._recipes()
        ends = [end for section in self.sections.values() if (end := self._end(section, recipes))]
        intake = self._steps("daemon", self._listed("daemon"), recipes)
        for name in recipes.keys() - self._used:
            self._problem(name, "", "no section names this processor in its 'processors ='")
        self._unknown()
        if self.problems:
            raise ConfigError(*sorted(self.problems, key=self._line))
        if path and self._written and (command := secrets.closing(path)):
            self.notices.append(f"{path} holds {' and '.join(self._written)}, and can be read by others: {command}")
        self._look_at_fields([end for end in ends if end.options.enabled])
        if meta := self._filled.get("meta"):
            extra: dict[str, Item] = dict(meta.texts)
            core["id"].extra = extra
        return Settings(
            path=path, identity=core["id"], daemon=core["daemon"], journal=core["journal"], logging=core["logging"],
            ends=tuple(ends), intake=intake, intake_said=self._said(intake), notices=tuple(self.notices),
        )  # fmt: skip

    def _make(self, cls: type, section: Section, filled: Filled | None = None) -> Any:
        """A *cls* of what a section says, or None and its problems."""
        filled = filled or self._filled.get(section.name, Filled({}, {}))
        try:
            return options.parse(cls, filled.texts, where(self.file, section), filled.shown)
        except ConfigError as error:
            self.problems += error.problems
            return None

    def _recipes(self) -> Recipes:
        """The processor sections: each end that names one gets an instance of its own."""
        recipes: Recipes = {}
        for section in self.sections.values():
            if section.name.startswith("processor:") and (cls := self._plugin(section)):
                self._make(cls, section)
                recipes[section.name] = cls, self._filled[section.name]
        return recipes

    def _plugin(self, section: Section) -> type[Plugin] | None:
        kind, name, *label = section.name.split(":", 2)
        if label and not _LABEL.fullmatch(label[0]):
            self._problem(section.name, "", "behind the second colon stands a label, without colons and commas")
        try:
            return registry.find(kind, name)
        except ConfigError as error:
            for problem in error.problems:
                self._problem(section.name, "", " ".join(problem.split()))
            return None

    def _end(self, section: Section, recipes: Recipes) -> End | None:
        kind, colon, _ = section.name.partition(":")
        if not colon or kind not in END_OPTIONS:
            return None
        texts, shown = self._filled[section.name]
        place = where(self.file, section)
        common = options.declared(END_OPTIONS[kind])
        values, problems = options.convert(common, _only(texts, common), place, shown)
        self.problems += problems
        steps = self._steps(section.name, self._listed(section.name), recipes)
        if not (cls := self._plugin(section)):
            return None
        known = options.declared(cls)
        for name in texts.keys() - known.keys() - common.keys():
            self._problem(section.name, name, f"unknown option{options.nearest(name, [*known, *common])}")
        filled = self._network(section, Filled(_only(texts, known), dict(shown)), set(known))
        self._written += [
            f"[{section.name}] {o.name}"
            for o in known.values()
            if o.secret and (text := section.texts.get(o.name)) and "${" not in text
        ]
        if values.get("enabled") is False and any(o.required and not texts.get(o.name) for o in known.values()):
            self.problems += options.convert(known, filled.texts, place, filled.shown)[1]
            return None  # switched off, and not complete yet
        if not (plugin := self._make(cls, section, filled)):
            return None
        if values.get("enabled") is not False:
            self.notices += [*secrets.readable(plugin, section.name), *secrets.unverified(plugin, section.name)]
        said = (*sorted({**texts, **filled.texts}.items()), *secrets.contents(plugin), *self._said(steps))
        return End(
            section=section.name, kind=kind, plugin=plugin, options=END_OPTIONS[kind](**values), processors=steps,
            said=said,
        )  # fmt: skip

    def _said(self, steps: Sequence[tuple[str, Processor]]) -> tuple[object, ...]:
        """What the sections of processors say, in their order."""
        return tuple((section, *sorted(self._filled[section].texts.items())) for section, _ in steps)

    def _look_at_fields(self, ends: Sequence[End]) -> None:
        """What there is to tell of fields that several sensors measure, or that are named and nobody measures."""
        sensors = {end.section: end.plugin for end in ends if isinstance(end.plugin, Sensor)}
        self.notices += naming.told(sensors)
        published = naming.names(sensors)
        for end in ends:
            own = published.get(end.section)
            if own and isinstance(end.plugin, Sensor):  # of some it is known only when they are open
                known = dict.fromkeys([*own, *(field.name for field in end.plugin.named()), *own.values()])
                for option, said in vars(end.options).items():
                    for name in said.named.keys() - known.keys() if isinstance(said, PerField) else ():
                        self.notices.append(
                            f"[{end.section}] {option}: it measures no {name!r}{options.nearest(name, known)}"
                        )

    def _network(self, section: Section, filled: Filled, known: set[str]) -> Filled:
        """With what the environment says of the far end; of two sections it means the one without a label."""
        kind, name, *label = section.name.split(":")
        like = [other for other in self.sections if other.split(":")[:2] == [kind, name]]
        if label and len(like) > 1:
            return filled
        for option, variable in secrets.network(kind, name, known, self.env).items():
            filled.texts[option], filled.shown[option] = self.env[variable], f"${variable}"
        return filled

    def _listed(self, section: str) -> Sequence[str]:
        """The processors that a section names, whatever else is wrong with it."""
        text = self._filled[section].texts.get("processors", "") if section in self._filled else ""
        kind = CORE["daemon"] if section == "daemon" else END_OPTIONS[section.partition(":")[0]]
        option = options.declared(kind).get("processors")
        return cast(Sequence[str], option.convert(text)) if option else ()

    def _steps(self, section: str, names: Sequence[str], recipes: Recipes) -> tuple[tuple[str, Processor], ...]:
        steps = []
        for name in names:
            full = name if name.startswith("processor:") else f"processor:{name}"
            found = [full] if full in recipes else [key for key in recipes if key.rpartition(":")[2] == name]
            self._used.update(found)
            if len(found) > 1:
                self._problem(section, "processors", f"{name!r} may be [{'] or ['.join(found)}]: say which")
            elif not found and full in self.sections:
                continue  # told with the section itself
            elif not found:
                short = [key.removeprefix("processor:") for key in recipes]
                near = options.nearest(name, [*short, *(key.rpartition(":")[2] for key in short)])
                self._problem(section, "processors", f"there is no section [{full}]{near}")
            else:
                cls, filled = recipes[found[0]]
                try:
                    steps.append((found[0], cast(Processor, options.parse(cls, filled.texts, lambda _: ""))))
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
            meant = [f"[{name}]" for name in every if name.partition(":")[2] == section.name.lower()]
            near = f", it is written {' or '.join(meant)}" if meant else ""
            near = near or options.nearest(section.name, every) or options.nearest(kind, every)
            self._problem(section.name, "", f"unknown section{near}")

    def _line(self, problem: str) -> tuple[int, str]:
        match = re.match(r"(\d+):", problem.removeprefix(f"{self.file}:"))
        return (int(match[1]) if match else 0), problem

    def _problem(self, section: str, option: str, sentence: str) -> None:
        self.problems.append(f"{where(self.file, self.sections[section])(option)} {sentence}")


def _only(texts: Mapping[str, str], known: Mapping[str, object]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if name in known}
