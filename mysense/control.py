"""Ask a running daemon: one JSON line each way, over a Unix socket beside the journal."""

import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mysense.errors import UnavailableError

log = logging.getLogger("mysense")

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]
PATIENCE = 5.0
"""Seconds in which a daemon answers."""
CREDENTIALS = struct.Struct("3i")
"""Of the process at the other end of a Unix socket: pid, user, group (unix(7))."""
_LIMIT = 100  # a Unix socket's path may have 107 bytes


def socket_path(journal: Path, only: str = "") -> Path:
    """Where the daemon on *journal* (or the process that runs *only* one half of it) listens."""
    return journal.with_name(f"{journal.name}.{only or 'daemon'}.sock")


def sockets(journal: Path) -> list[Path]:
    """Where daemons on *journal* may be listening."""
    return [p for p in (socket_path(journal, only) for only in ("", "subscribers", "publishers")) if p.is_socket()]


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """*path* as a socket can have it: if it is too long, through the open folder."""
    if len(os.fsencode(path)) < _LIMIT:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Listener:
    """Answers questions about the daemon until closed."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path, self._answer = path, answer
        self._socket = socket.socket(socket.AF_UNIX)
        with _short(path) as near:
            path.unlink(missing_ok=True)  # the section locks keep a second daemon away from here
            self._socket.bind(near)
        path.chmod(0o660)
        self._socket.listen(100)  # those who asked one that hangs stay here, also when they have gone
        threading.Thread(target=self._serve, name="control", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:  # closed
                return
            with peer:
                peer.settimeout(2)
                try:
                    with peer.makefile("rwb") as stream:
                        question = json.loads(stream.readline(65536))
                        stream.write(json.dumps(self._answer(question)).encode() + b"\n")
                except (OSError, ValueError, RecursionError):  # whoever asked has gone, or asked nonsense
                    continue
                except Exception:  # or nobody could ask any more
                    log.exception("a question was not answered: a bug in mysense; please report it")

    def close(self) -> None:
        """Stop listening."""
        self._path.unlink(missing_ok=True)
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class SilentError(UnavailableError):
    """A daemon is there, process *pid* (0 where that cannot be known), and does not answer."""

    def __init__(self, pid: int, seconds: float) -> None:
        who = f"the daemon, process {pid}," if pid else "the daemon"
        super().__init__(
            f"{who} does not answer within {seconds:.0f} s: maybe its disk is slow; ask again, or look into its log"
        )
        self.pid = pid


def ask(path: Path, question: Mapping[str, Any], timeout: float = PATIENCE) -> Any:
    """The daemon's answer; UnavailableError when none is running there, SilentError when one does not answer."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(timeout)
        try:
            with _short(path) as near:
                peer.connect(near)
            peer.sendall(json.dumps(question).encode() + b"\n")
            with peer.makefile("rb") as stream:
                return json.loads(stream.readline())
        except (TimeoutError, BlockingIOError):  # it took our question, or so many wait for it that it takes none
            pid, _, _ = CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
            raise SilentError(pid, timeout) from None
        except (OSError, ValueError) as error:
            raise UnavailableError(f"no daemon answers at {path}: {error}") from None


def ask_all(journal: Path, question: Mapping[str, Any], timeout: float = PATIENCE) -> list[Any]:
    """What each daemon on *journal* answers; SilentError when one of them does not."""
    answers = []
    for path in sockets(journal):
        try:
            answers.append(ask(path, question, timeout))
        except SilentError:
            raise
        except UnavailableError:  # left behind by a daemon that was killed
            continue
    return answers
