"""Find a plugin by its name: a module of ours, or somebody's entry point.

A third-party package names its modules in the entry point groups ``mysense.sensors``,
``mysense.channels`` and ``mysense.processors``; they are treated like ours.
"""

import os
from functools import cache
from importlib import import_module
from types import ModuleType

from mysense.errors import ConfigError
from mysense.options import nearest
from mysense.plugin import Plugin, Processor, Publisher, Sensor, Subscriber

KINDS: dict[str, tuple[str, type[Plugin]]] = {
    "sensor": ("mysense.sensors", Sensor),
    "subscriber": ("mysense.channels", Subscriber),
    "processor": ("mysense.processors", Processor),
    "publisher": ("mysense.channels", Publisher),
}
"""The kinds of section, each with the package its plugins lie in and their base class."""


def find(kind: str, name: str) -> type[Plugin]:
    """The class of plugin *name*: ``find("publisher", "influxdb")``.

    Raises ConfigError with the nearest right word when there is none.
    """
    package, base = KINDS[kind]
    if name in builtin(package):  # no look at what is installed: that costs a Pi Zero 5 MB
        module = import_module(f"{package}.{name}")
    elif name in (installed := _installed(package)):
        module = _load(kind, name, installed[name])
    else:
        raise ConfigError(f"there is no {kind} {name!r}{nearest(name, names(kind))}")
    plugin = getattr(module, base.__name__, None)
    if not (isinstance(plugin, type) and issubclass(plugin, base)):
        raise ConfigError(f"{name!r} is no {kind}; those are {', '.join(names(kind))}")
    return plugin


def names(kind: str) -> list[str]:
    """The names of all plugins of one kind, ours and installed ones."""
    package, base = KINDS[kind]
    known = {*builtin(package), *_installed(package)}
    return sorted(name for name in known if hasattr(_module(kind, package, name), base.__name__))


def broken() -> list[str]:
    """A sentence for each installed plugin that cannot be loaded: ``names`` passes it over."""
    sentences = []
    for package in dict.fromkeys(package for package, _ in KINDS.values()):
        for name, module in sorted(_installed(package).items()):
            try:
                _load(package.rpartition(".")[2].removesuffix("s"), name, module)
            except ConfigError as error:
                sentences += [" ".join(problem.split()) for problem in error.problems]
    return sentences


@cache
def builtin(package: str) -> frozenset[str]:
    """The names of the modules in one of our own packages."""
    [folder] = import_module(package).__path__[:1]
    found = (name.removesuffix(".py") for name in os.listdir(folder))  # noqa: PTH208 (pathlib costs a Pi Zero time)
    return frozenset(name for name in found if name[0] not in "_." and "." not in name)


def _module(kind: str, package: str, name: str) -> ModuleType | None:
    if name in builtin(package):
        return import_module(f"{package}.{name}")
    try:
        return _load(kind, name, _installed(package)[name])
    except ConfigError:
        return None


def _load(kind: str, name: str, module: str) -> ModuleType:
    try:
        return import_module(module)
    except Exception as error:
        raise ConfigError(f"the {kind} {name!r} (module {module}) cannot be loaded: {error}") from error


@cache
def _installed(group: str) -> dict[str, str]:
    from importlib.metadata import entry_points

    return {entry.name: entry.value for entry in entry_points(group=group)}
