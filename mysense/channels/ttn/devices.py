"""Devices that are listed by name: in MySense.conf as nodes, in a file as whole idents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mysense import exact, wire
from mysense.errors import ConfigError
from mysense.telegram import Ident, check_name


class Listed(NamedTuple):
    """A device, named ``device`` or ``application/device``, and the node that it is."""

    name: str
    project: str
    serial: str

    def __str__(self) -> str:
        return f"{self.name}: {self.project}/{self.serial}"


def devices(text: str) -> tuple[Listed, ...]:
    """Read ``device: project/serial, …``; ValueError says which part is wrong.

    >>> [str(device) for device in devices("lopy4-1: BdP/33004d45, garden/lopy4-1: BdP/30aea4")]
    ['lopy4-1: BdP/33004d45', 'garden/lopy4-1: BdP/30aea4']
    """
    found: dict[str, Listed] = {}
    for part in filter(None, map(str.strip, text.replace("\n", ",").split(","))):
        name, colon, node = (piece.strip() for piece in part.rpartition(":"))
        project, slash, serial = node.partition("/")
        if not (name and colon and slash):
            raise ValueError(f"{part!r}: write the device, a colon and its node, such as lopy4-1: BdP/33004d45")
        if name in found:
            raise ValueError(f"device {name!r} is there twice")
        found[name] = Listed(name, check_name(project), check_name(serial))
    return tuple(found.values())


def read(path: Path) -> dict[str, Ident]:
    """The devices of a file: an object of JSON, each member an ident by the name of its device.

    Lines that begin with ``//`` are comments. Raises ConfigError with all that is wrong.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        said = exact.loads("\n".join("" if line.lstrip().startswith("//") else line for line in lines))
    except OSError as error:
        raise ConfigError(f"devices_file {path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"devices_file {path} is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise ConfigError(f"devices_file {path}: write an object, each member a device and its ident")
    found, problems = dict[str, Ident](), list[str]()
    for name, ident in said.items():
        try:
            found[name] = _ident(ident)
        except (ValueError, TypeError) as error:
            problems.append(f"devices_file {path}: {name}: {error}")
        except KeyError as error:
            problems.append(f"devices_file {path}: {name}: {error.args[0]!r} is missing")
    if problems:
        raise ConfigError(*problems)
    return found


def _ident(said: Mapping[str, Any]) -> Ident:
    ident = wire.decode_ident(said) if isinstance(said, dict) else None
    if ident is None:
        raise ValueError("write an object with project, serial and what else is known of the kit")
    check_name(ident.project)
    check_name(ident.serial)
    return ident
