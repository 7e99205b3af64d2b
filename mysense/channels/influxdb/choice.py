"""Which databases of a server are to be read, and which nodes share one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from mysense.channels._influx import points
from mysense.channels.influxdb.api import Api, RefusedError, UnknownError
from mysense.channels.influxdb.feed import whose
from mysense.channels.influxdb.layout import Layout
from mysense.errors import UnavailableError


def pattern(text: str) -> str:
    """*text* if it is a regular expression, else ValueError."""
    try:
        re.compile(f"(?:{text})")  # it will stand amid others
    except re.error as error:
        raise ValueError(f"{text!r} is no pattern: {error}") from None
    return text


@dataclass(frozen=True)
class Choice:
    """Nodes whose names match as a whole; or what lies in databases that are *named*."""

    projects: str
    serials: str
    named: Sequence[str]
    measurement: str
    layout: Layout

    def databases(self, api: Api) -> list[str]:
        """The databases that may hold what is wanted."""
        if self.named:
            return list(self.named)
        wanted = re.compile(f"(?:{self.projects})(?:_(?:{self.serials}))?")
        try:
            return [name for name in api.databases() if wanted.fullmatch(name)]
        except UnknownError:
            raise
        except RefusedError as error:
            raise UnavailableError(f"{error}; name the databases: databases = <project>_<serial>, …") from None

    def __str__(self) -> str:
        if self.named:
            return f"databases = {', '.join(self.named)}"
        return f"projects = {self.projects}, serials = {self.serials}"

    def nodes(self, api: Api, database: str) -> list[dict[str, str]]:
        """The tags of the nodes that share a database; of a database of one node there are none.

        A tag that others have is empty for those that do not have it.
        """
        tags = [tag for tag, item in self.layout.naming.items() if item != "label"]
        if self.measurement != points.DATA:
            tags += [tag for tag in points.NODE_TAGS if tag not in self.layout.naming]
        found = api.tag_values(database, self.measurement, tags) if tags else []
        if not found:
            return [{}] if self._takes(database, {}) else []
        used = {tag for some in found for tag in some}
        return [dict.fromkeys(used, "") | some for some in found if self._takes(database, some)]

    def _takes(self, database: str, tags: Mapping[str, str]) -> bool:
        """Whether a node is wanted, by its tags in a database; one that has none, by the name of the database."""
        if self.named:
            return True
        if not tags and self.measurement == points.DATA:
            return bool(re.fullmatch(f"(?:{self.projects})_(?:{self.serials})", database))
        node, _ = whose(self.layout, database, self.measurement, tags)
        return bool(re.fullmatch(self.projects, node.project) and re.fullmatch(self.serials, node.serial))


def key(database: str, tags: Mapping[str, str]) -> str:
    """What the rows of a node are called in the state of a reader."""
    return " ".join([quote(database), *(f"{name}={quote(value)}" for name, value in sorted(tags.items()) if value)])
