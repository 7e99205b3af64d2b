"""The files that make mysense a service: where each goes, and what stands in it."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

CONF = Path("/etc/mysense/MySense.conf")
UNIT = Path("/etc/systemd/system/mysense.service")
PROGRAM = "/opt/mysense/bin/mysense"
"""Where docs/pi.md installs the program; the samples under contrib/ name it."""


class File(NamedTuple):
    """A file, and the commands after which those it is meant for know of it."""

    path: Path
    text: str
    then: Sequence[Sequence[str]] = ()


RULES = (
    File(
        Path("/etc/sysusers.d/mysense.conf"),
        "mysense.sysusers",
        [["systemd-sysusers", "/etc/sysusers.d/mysense.conf"]],
    ),
    File(
        Path("/etc/udev/rules.d/70-mysense.rules"),
        "mysense.rules",
        [
            ["udevadm", "control", "--reload"],
            ["udevadm", "trigger", *(f"--subsystem-match={name}" for name in ("tty", "i2c-dev", "spidev", "gpio"))],
        ],
    ),
)


def system(program: str = PROGRAM, conf: Path = CONF) -> list[File]:
    """The files of a service of the machine, in the order in which they are needed."""
    unit = File(UNIT, "mysense.service", [["systemctl", "daemon-reload"]])
    return [_filled(file, program, conf) for file in (*RULES, unit)]


def user(home: Path, program: str, conf: Path) -> list[File]:
    """The file of a service of one user; *home* is where his configuration lies, mostly ~/.config."""
    then = [["systemctl", "--user", "daemon-reload"]]
    unit = File(home / "systemd" / "user" / "mysense.service", "mysense-user.service", then)
    return [_filled(unit, program, conf)]


def _filled(file: File, program: str, conf: Path) -> File:
    text = files("mysense.systemd").joinpath(file.text).read_text(encoding="utf-8")
    return file._replace(text=text.replace("@program@", program).replace("@conf@", quoted(str(conf))))


def quoted(word: str) -> str:
    """A word of a command as a unit can have it, whatever is in it (systemd.service(5), COMMAND LINES).

    >>> quoted("/etc/MySense.conf"), quoted('/home/50% of "us"')
    ('/etc/MySense.conf', '"/home/50%% of \\\\"us\\\\""')
    """
    word = word.replace("%", "%%").replace("$", "$$")
    if any(character in word for character in " \t\"'\\;"):
        word = '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return word
