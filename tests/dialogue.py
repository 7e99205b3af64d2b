"""A command in a terminal of its own, and a person who answers it."""

import os
import subprocess
import sys
import threading
import time
from typing import Any, Self

SPAWN = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


class Dialogue:
    """``mysense`` with these arguments; *said* is all that stood on its screen."""

    def __init__(self, *args: object, **kwargs: Any) -> None:
        command = [sys.executable, "-c", SPAWN, sys.executable, "-m", "mysense", *map(str, args)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs
        )
        self.said = ""
        self._read = 0
        self._more = threading.Condition()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        while part := os.read(self.process.stdout.fileno(), 4096):
            with self._more:
                self.said += part.decode(errors="replace").replace("\r\n", "\n")
                self._more.notify()

    def hear(self, text: str, seconds: float = 60) -> str:
        """What stands on the screen up to *text*, from where the last look ended."""
        end = time.monotonic() + seconds
        with self._more:
            while (at := self.said.find(text, self._read)) < 0:
                assert time.monotonic() < end, f"{text!r} did not come: {self.said}"
                self._more.wait(0.1)
            heard, self._read = self.said[self._read : at], at + len(text)
            return heard

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, and type a line."""
        self.hear(question)
        self.process.stdin.write(f"{text}\n".encode())
        self.process.stdin.flush()

    def ends(self, code: int = 0) -> str:
        """Wait for the end; everything that was said."""
        assert self.process.wait(60) == code, self.said
        self._listener.join()
        return self.said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)
        self._listener.join()
        self.process.stdin.close()
        self.process.stdout.close()
