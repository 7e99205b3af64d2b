"""Which node a device is: by the list, else by a rule; never two devices one node."""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from hashlib import blake2b

from mysense.channels.ttn.uplink import Uplink
from mysense.options import nearest
from mysense.telegram import Ident, check_name

NAMES = ("application", "device", "eui")
"""What a project and a serial can be made of."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_STRANGE = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)


def template(text: str) -> str:
    """*text* if names can be made of it, else ValueError.

    >>> template("LoRa-{application}")
    'LoRa-{application}'
    """
    for name in _BRACES.findall(text):
        if name not in NAMES:
            raise ValueError(f"{text!r}: {{{name}}} is none of {', '.join(NAMES)}{nearest(name, NAMES)}")
    check_name(_BRACES.sub("x", text))
    return text


def serial(text: str) -> str:
    """*text* if serials can be made of it, else ValueError: each device needs its own."""
    if not {"device", "eui"}.intersection(_BRACES.findall(template(text))):
        raise ValueError(f"{text!r} is one serial for all devices: write {{device}} or {{eui}} into it")
    return text


@dataclass(frozen=True)
class Rule:
    """How nodes are named whose devices are not listed, and which nodes are wanted at all."""

    project: str = "{application}"
    serial: str = "{device}"
    unlisted: bool = True
    projects: str = ".*"
    serials: str = ".*"


class Nodes:
    """The idents of devices. What the rule has named is kept in *state*, so that it stays so."""

    def __init__(self, listed: Mapping[str, Ident], rule: Rule, state: MutableMapping[str, str]) -> None:
        self._listed, self._rule, self._state = listed, rule, state
        self._taken = {ident.node for ident in listed.values()}

    def of(self, uplink: Uplink) -> Ident | None:
        """Whose an uplink is; None where that is not wanted.

        Raises ValueError where the rule would give a device the node of another one.
        """
        ident = self._listed.get(uplink.name) or self._listed.get(uplink.device)
        if not ident and not self._rule.unlisted:
            return None
        found = ident or self._made(uplink)
        if not re.fullmatch(self._rule.projects, found.project) or not re.fullmatch(self._rule.serials, found.serial):
            return None
        if not ident:
            self._claim(found.node, uplink.name)
        return found

    def _made(self, uplink: Uplink) -> Ident:
        if "{eui}" in self._rule.project + self._rule.serial and not uplink.eui:
            raise ValueError(f"device {uplink.name} does not tell its eui")
        project = _name(_filled(self._rule.project, uplink), uplink.application)
        made = _name(text := _filled(self._rule.serial, uplink), uplink.name)
        return Ident(project, made, "" if made == text else uplink.device)

    def _claim(self, node: str, name: str) -> None:
        owner = "one that is listed" if node in self._taken else self._state.setdefault(f"node {node}", name)
        if owner != name:
            raise ValueError(f"device {name} would be node {node}, but so is {owner}: list it, or change the rule")


def _filled(text: str, uplink: Uplink) -> str:
    return _BRACES.sub(lambda found: str(getattr(uplink, found[1])), text)


def _name(text: str, whose: str) -> str:
    """*text* where it can be a name; else one made of it that no other device or application gets."""
    try:
        return check_name(text)
    except ValueError:
        mark = blake2b(whose.encode(), digest_size=4).hexdigest()
        return f"{_STRANGE.sub('-', text)[:55].strip('._-')}-{mark}".lstrip("-")
