"""Frames on a serial line: the next good one is found, however the stream begins, breaks and goes on."""

import time
from collections import deque
from collections.abc import Callable
from logging import Logger
from typing import Any

TICK = 0.2
"""Seconds for which the port itself waits for a byte; what waits longer looks again."""
LONGEST = 4096
"""Bytes of which nothing was a frame, and that are not looked at again."""

Measure = Callable[[bytes], int | None]
"""How many bytes of what it is given are one good frame; 0: none begins here; None: more bytes must tell."""


def lines(parse: Callable[[bytes], object], longest: int) -> Measure:
    """The measure of lines that *parse* takes without a ValueError; *longest* bytes without an end are no line.

    >>> lines(int, 10)(b"12\\n3"), lines(int, 10)(b"x\\n"), lines(int, 10)(b"12")
    (3, 0, None)
    """

    def measure(stream: bytes) -> int | None:
        end = stream.find(b"\n")
        if end < 0:
            return None if len(stream) < longest else 0
        try:
            parse(stream[:end])
        except ValueError:
            return 0
        return end + 1

    return measure


def split(stream: bytes, head: bytes, measure: Measure) -> tuple[list[bytes], bytes, bytes]:
    """The good frames in *stream*, what was passed over, and the rest that may become one.

    >>> split(b"x<ab><a", b"<", lambda s: s.find(b">") + 1 or None)
    ([b'<ab>'], b'x', b'<a')
    """
    frames, passed, at = [], bytearray(), 0
    while at < len(stream):
        begin = stream.find(head[:1], at)
        if begin < 0:
            begin = len(stream)
        passed += stream[at:begin]
        at = begin
        here = stream[at:]
        length = measure(here) if here.startswith(head) else None if head.startswith(here) else 0
        if length is None:
            break
        if length:
            frames.append(here[:length])
        else:  # a byte that only looked like a beginning
            passed += here[:1]
        at += length or 1
    return frames, bytes(passed), stream[at:]


class Frames:
    """Reads the frames of a device from a serial port that was opened with a timeout of TICK.

    *head* begins every frame, *measure* says where it ends and whether it is good. *device*
    is what messages call it.
    """

    def __init__(self, port: Any, head: bytes, measure: Measure, device: str, log: Logger) -> None:
        self._port, self._head, self._measure, self._device, self._log = port, head, measure, device, log
        self._ready: deque[bytes] = deque()
        self._rest = b""
        self._silence = 0.0
        self.unanswered = False
        """Whether a question was asked to which nothing was said yet."""
        self._strange = False
        self._passed, self._told = 0, 0

    def next(self, patience: float) -> bytes | None:
        """The next good frame; None when none came within *patience* seconds (and TICK at most)."""
        now = begun = time.monotonic()
        while not self._ready:
            if now - begun >= patience:
                self._silence += now - begun
                return None
            self._hear(self._port.read(self._port.in_waiting or 1))
            now = time.monotonic()
        self._silence, self.unanswered = 0.0, False
        return self._ready.popleft()

    def send(self, question: bytes) -> None:
        """Ask something. From the first question that is not answered, silence counts."""
        if not self.unanswered:
            self._silence, self.unanswered = 0.0, True
        self._port.write(question)

    def ask(self, question: bytes, fits: Callable[[bytes], bool], patience: float) -> bytes | None:
        """Send a question; the first frame that *fits* as its answer, None when there is none in time."""
        self.send(question)
        end = time.monotonic() + patience
        while (left := end - time.monotonic()) > 0:
            frame = self.next(left)
            if frame is not None and fits(frame):
                return frame
        return None

    def forget(self) -> None:
        """Drop what came so far: it is older than the question that comes now."""
        while waiting := self._port.in_waiting:
            self._port.read(waiting)
        self._ready.clear()
        self._rest = b""

    def expect(self, patience: float) -> None:
        """TimeoutError that says what to look at, when *patience* seconds of waiting brought no good frame."""
        if self._silence < patience:
            return
        if self._strange:
            raise TimeoutError(
                f"{self._port.name}: what comes is no word of the {self._device}: is another device there?"
            )
        raise TimeoutError(
            f"{self._port.name}: the {self._device} does not answer: has it power, are RX and TX the right way round?"
        )

    def _hear(self, heard: bytes) -> None:
        if not heard:
            return
        frames, passed, self._rest = split(self._rest + heard, self._head, self._measure)
        if len(self._rest) > LONGEST:
            passed, self._rest = passed + self._rest, b""
        if frames:
            self._ready.extend(frames)
        self._strange = not frames and (self._strange or bool(passed))
        if passed:
            self._pass_over(passed)

    def _pass_over(self, passed: bytes) -> None:
        """Told at the first time, then each time it has become ten times as much."""
        self._passed += len(passed)
        if self._passed >= self._told * 10 + 1:
            shown = passed[:40].hex(" ") + (" …" if len(passed) > 40 else "")
            self._log.warning(
                "%s: passed over what is no good frame of a %s: %s (%d bytes so far)",
                self._port.name, self._device, shown, self._passed,
            )  # fmt: skip
            self._told = self._passed
