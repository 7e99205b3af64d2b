"""Where names and passwords come from: the environment, ${NAME}, a file; and who else can read it."""

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mysense.errors import ConfigError
from mysense.shown import learn

_PLACE = re.compile(r"\$\{(\w+)\}")
_ENDS = {"publisher": "pub", "subscriber": "sub", "administrator": "admin"}
_NETWORK = {"HOST": "hostname", "USER": "user", "PASS": "password", "TOKEN": "token"}


def fill(text: str, env: Mapping[str, str]) -> str:
    """*text* with each ${NAME} replaced by the environment's; KeyError for one that is not set."""
    return _PLACE.sub(lambda match: env[match[1]], text) if "${" in text else text


def network(kind: str, name: str, known: set[str], env: Mapping[str, str]) -> dict[str, str]:
    """The variables of the environment that hold host, user, password and token, by option.

    Their names are the original's: INFLUXPUBHOST, INFLUXPUBUSER and INFLUXPUBPASS for
    [publisher:influxdb]; those of an administrator, who has no section, begin with INFLUXADMIN.
    """
    if kind not in _ENDS:
        return {}
    prefix = f"{name.removesuffix('db')}{_ENDS[kind]}".upper()
    return {option: prefix + word for word, option in _NETWORK.items() if env.get(prefix + word) and option in known}


def password(given: str, file: Path | None, option: str = "password_file") -> str:
    """The password: given, or the first line of *file*, which systemd may keep among its credentials.

    Raises ConfigError, in the words of the *option* that names the file, when it cannot be read.
    """
    if given or file is None:
        learn(given)
        return given
    for place in _places(file):
        try:
            found = place.read_text(encoding="utf-8").partition("\n")[0].strip()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise ConfigError(f"{option} {place}: {reason}") from None
        learn(found)
        return found
    raise ConfigError(f"{option} {file}: there is no such file")


def _places(file: Path) -> list[Path]:
    """Where a file with a secret may lie: among the credentials that systemd handed over, or where its name says."""
    if (folder := os.environ.get("CREDENTIALS_DIRECTORY")) and not file.is_absolute():
        return [Path(folder, file), file]
    return [file]


def contents(plugin: Any) -> list[tuple[str, str]]:
    """A digest of each file that the options of a plugin name (``…_file``): another one means another secret."""
    found = []
    for option, file in sorted(vars(plugin).items()):
        if option.endswith("_file") and isinstance(file, Path):
            for place in filter(Path.is_file, _places(file)):
                with suppress(OSError):  # whoever opens it tells why
                    found.append((option, blake2b(place.read_bytes()).hexdigest()))
                break
    return found


def readable(plugin: Any, section: str) -> list[str]:
    """A sentence about each file with a password, a token or a key that others can read."""
    told = []
    for option in ("password_file", "token_file", "key_file"):
        file = getattr(plugin, option, None)
        if isinstance(file, Path) and (command := closing(file)):
            told.append(f"[{section}] {option} {file} can be read by others: {command}")
    return told


def closing(file: Path) -> str:
    """The command that closes a file to others, and not to us; empty where they cannot read it.

    A group that is not our own was given the file on purpose: the service's, mostly.
    """
    try:
        said = file.stat()
    except OSError:
        return ""
    ours, group = said.st_uid == os.getuid(), said.st_gid == os.getgid()
    if not said.st_mode & (stat.S_IROTH | (stat.S_IRGRP if ours and group else 0)):
        return ""
    if ours:
        return f"chmod {'600' if group else '640'} {file}"
    return f"chmod 640 {file}" if group else f"chgrp {os.getgid()} {file}; chmod 640 {file}"


def unverified(plugin: Any, section: str) -> list[str]:
    """A sentence where a plugin does not look at the certificate of its far end."""
    if getattr(plugin, "verify", True) is not False:
        return []
    return [
        f"[{section}] verify = no: whoever stands in between can read and change everything, passwords included; "
        "give its own certificate a ca_file instead"
    ]
