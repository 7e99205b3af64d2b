"""Which topics to subscribe, and what a topic says about who sent a message there."""

import re
from collections.abc import Iterator, Mapping

from mysense.telegram import check_name

ENDS = ("", "/ident", "/data", "/station")
"""What follows a node's topic: one message for all, or one each for who it is, data and notes."""
_PLACE = re.compile(r"\{(\w+)\}")
_ALTERNATIVES = re.compile(r"[A-Za-z0-9_-]+(?:\|[A-Za-z0-9_-]+)*")
OTHERS = ("/status", "/state")
MOST = 20
"""Nodes or projects that are subscribed one by one; where there are more, all are, and some passed over."""


def checked(text: str) -> str:
    """The topic of a node, with {project} and {serial}; ValueError for one that cannot be.

    A topic without them, as the original has it, gets both behind it. A slash in front is a level
    of its own, and stays.

    >>> checked("IoS"), checked("kits/+/{serial}")
    ('IoS/{project}/{serial}', 'kits/+/{serial}')
    """
    text = text.rstrip("/")
    if text.startswith("$share"):
        raise ValueError(f"{text!r}: the option group makes a shared subscription")
    if text != "#" and not any(sign in text for sign in "{+#"):
        text = f"{text}/{{project}}/{{serial}}"
    if wrong := next((name for name in _PLACE.findall(text) if name not in ("project", "serial")), ""):
        raise ValueError(f"{text!r}: {{{wrong}}} means nothing here; {{project}} and {{serial}} do")
    levels = text.split("/")
    for n, level in enumerate(levels):
        plain = _PLACE.sub("", level)
        if (not level and n != 0) or "{" in plain or "}" in plain or "\0" in level:
            raise ValueError(f"{text!r} is no topic: a level of it is empty, or a brace stands alone")
        if (("+" in level or "#" in level) and level not in ("+", "#")) or (level == "#" and n < len(levels) - 1):
            raise ValueError(f"{text!r} is no topic: + stands for a whole level, and # for all that follow")
        if _PLACE.search(level) and not _PLACE.fullmatch(level):
            raise ValueError(f"{text!r}: {{project}} and {{serial}} each stand for a whole level")
    return text


def possible(text: str) -> str:
    """*text* as it is, if it can be the topic of a node; else ValueError."""
    checked(text)
    return text


class Topics:
    """The filters for a topic (see ``checked``), and a look at the names in what comes by them.

    *projects* and *serials* are patterns that match as a whole.
    """

    def __init__(self, topic: str, projects: str, serials: str) -> None:
        self._topic, self._projects, self._serials = topic, projects, serials
        self._levels = topic.split("/")
        self._open = self._levels[-1] == "#"
        self.others = OTHERS if self._open else ()
        """How topics end by which no telegrams come, but what the publisher says beside them."""

    def filters(self, group: str = "") -> list[str]:
        """What to subscribe; *group* shares it with others, but for idents, which everybody wants."""
        filters = []
        for names in self._names():
            plain = "/".join(names.get(level, level) for level in self._levels)
            for end in ("",) if self._open else ENDS:
                shared = group and end != "/ident"
                filters.append(f"$share/{group}/{plain}{end}" if shared else plain + end)
        return filters

    def _names(self) -> Iterator[Mapping[str, str]]:
        """What the places of the topic stand for: names where there are few, else anything."""
        projects, serials = (
            each.split("|") if _ALTERNATIVES.fullmatch(each) else ["+"] for each in (self._projects, self._serials)
        )
        if len(projects) * len(serials) > MOST:
            projects, serials = (projects if len(projects) <= MOST else ["+"]), ["+"]
        for project in projects if "{project}" in self._levels else ["+"]:
            for serial in serials if "{serial}" in self._levels else ["+"]:
                yield {"{project}": project, "{serial}": serial}

    def wants(self, project: str, serial: str) -> bool:
        """Whether a node is one of those that were asked for."""
        return bool(re.fullmatch(self._projects, project) and re.fullmatch(self._serials, serial))

    def check(self, topic: str, project: str, serial: str) -> None:
        """ValueError for a node that cannot be, or that another topic belongs to.

        The broker's rights are by topic: who may write one must not speak for others.
        """
        check_name(project), check_name(serial)
        for place, level in zip(self._levels, topic.split("/"), strict=False):
            said = {"{project}": project, "{serial}": serial}.get(place, level)
            if said != level:
                raise ValueError(f"it is of {project}_{serial}, and this topic is not")


def shared(text: str) -> str:
    """The name of a group if it can be one, else ValueError."""
    if text and not re.fullmatch(r"[A-Za-z0-9._-]+", text):
        raise ValueError(f"{text!r} cannot be a group: use letters, digits, '-', '_' and '.'")
    return text
