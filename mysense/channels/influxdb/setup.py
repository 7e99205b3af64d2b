"""What a server is to have for each node: a database, a user who may write it, and means by the hour and the day."""

import errno
import os
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from math import inf
from pathlib import Path
from typing import NamedTuple

from mysense.channels.influxdb.api import Api
from mysense.channels.influxdb.server import Server
from mysense.shown import learn
from mysense.telegram import check_name

MEANS = {"hourly": "1h", "daily": "1d"}
"""What means are kept under, and the time that each of them is of."""
LATE = "1w"
"""How late data may come and still count: so far back are the means computed anew each time."""
LEAST = 8 * 24
"""The fewest hours that anything is kept beside means: what is computed anew must still be there whole."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)


class Kept(NamedTuple):
    """How many seconds something is kept, 0 for ever; where that was *said*, what is there already is changed to it."""

    seconds: float = 0.0
    said: bool = False

    def __str__(self) -> str:
        days = self.seconds / 86400
        return f"for {days:g} day{'s' * (days != 1)}" if self.seconds else "for ever"

    def instead_of(self, other: "Kept") -> str:
        """What changes, and what that means for what is there."""
        shorter = 0 < self.seconds < (other.seconds or inf)
        return f"kept {self} instead of {other}{': what is older is deleted' if shorter else ''}"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What one node needs: *means* says how long those of each name in ``MEANS`` are kept."""

    database: str
    user: str
    retention: Kept = Kept()
    means: Mapping[str, Kept] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (self.database, self.user):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of a database or a user")
        hours, why = (LEAST, " beside hourly and daily means") if self.means else (1, "")
        for kept in (self.retention, *self.means.values()):
            if 0 < kept.seconds < hours * 3600:
                least = f"{hours // 24}d" if hours >= 24 else f"{hours}h"
                raise ValueError(
                    f"kept {kept.seconds:g} s{why} is too short: write {least} or more (d is days), or 0 for ever"
                )


def names(node: str) -> tuple[str, str]:
    """The project and the serial of a node, or ValueError.

    >>> names("BdP_33004d45")
    ('BdP', '33004d45')
    """
    project, _, serial = node.partition("_")
    try:
        return check_name(project), check_name(serial)
    except ValueError:
        raise ValueError(f"{node!r} is no node: write <project>_<serial>") from None


@dataclass
class Step:
    """One thing that the server is to have, and the line by which an administrator makes it."""

    what: str
    typed: str
    do: Callable[[], object]
    hint: str = ""
    """What whoever types it must know besides."""
    state: str = "to do"
    """there, to do, or done"""


def there(what: str) -> Step:
    """Something that the server has already."""
    return Step(what, "", lambda: None, state="there")


class Setup(ABC):
    """One version's way to make all that. Raises RefusedError where the server does not allow it."""

    def __init__(self, server: Server, api: Api, secrets: "SecretsFolder") -> None:
        self.server, self.api, self.secrets = server, api, secrets
        self.notices: list[str] = []
        """What else an administrator should know, once it has looked."""

    @abstractmethod
    def look(self, wanted: Sequence[Wanted]) -> None:
        """Find out what is there; until then nothing is."""

    @abstractmethod
    def steps(self, wanted: Wanted) -> Iterator[Step]:
        """What a node needs, in the order in which it is made."""

    def close(self) -> None:
        """Let go of the server."""
        self.api.server.close()


def begin(server: Server, secrets: "SecretsFolder") -> Setup:
    """The set-up for the server's version; the server is asked for that, unless the options say it."""
    api = server.api(server.connection())
    ways: type[Setup] = import_module(f"mysense.channels.influxdb.setup_v{api.version}").Ways
    return ways(server, api, secrets)


def steps(setup: Setup, wanted: Sequence[Wanted]) -> list[Step]:
    """What all nodes need, each thing once: those of one project may share a database, or a user."""
    found: dict[str, Step] = {}
    for each in wanted:
        for step in setup.steps(each):
            found.setdefault(step.what, step)
    return list(found.values())


def carry_out(steps: Sequence[Step]) -> OSError | None:
    """Do what is to be done, in order; the failure that ended it, if there was one."""
    for step in steps:
        if step.state == "to do":
            try:
                step.do()
            except OSError as error:
                return error
            step.state = "done"
    return None


class SecretsFolder:
    """A folder of secrets, a file for each user, that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, user: str, kind: str = "password") -> Path:
        """Where the secret of a user lies."""
        return self.folder / f"{user}.{kind}"

    def password(self, user: str) -> str:
        """The password of a user: a new one, or that of an earlier attempt. It is on the disk before it is used."""
        file = self.file(user)
        if not file.exists() or not file.stat().st_size:
            self.write(file, secrets.token_urlsafe(24))
        password = file.read_text(encoding="utf-8").partition("\n")[0].strip()
        learn(password)
        return password

    def write(self, file: Path, secret: str) -> None:
        """A new file with a secret."""
        learn(secret)
        self.prepare(file)
        with file.open("w", encoding="utf-8") as out:
            out.write(f"{secret}\n")
            out.flush()
            os.fsync(out.fileno())

    def prepare(self, file: Path) -> None:
        """Make sure that a secret can be written, before it is made: it cannot be had again. None is overwritten."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size:
            raise FileExistsError(errno.EEXIST, "there is a secret in it already: move it away", str(file))
        file.touch(0o600)
        file.chmod(0o600)
