"""Whole things are damaged in every way, and what then takes for ever is found out."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from hypothesis import strategies as st

PATIENCE = 20.0
"""Seconds that the processor may work on one example; what else this machine has to do does not count."""

Examples = st.SearchStrategy[Any]
Check = Callable[[Any], None]


class Hang(BaseException):
    """An example that does not come to an end."""


@contextmanager
def within(seconds: float = PATIENCE) -> Iterator[None]:
    """Raise Hang where something takes longer, in seconds of the processor; only in the main thread."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise Hang(f"no end after {seconds:g} s of work")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


COMMON = [
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b"\\",
    b'"',
    b"'",
    b"=",
    b",",
    b" ",
    b"\x1b[2J",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"../../",
    b"/etc/passwd",
    b"${HOME}",
    b"%s%n",
    b"-1",
    b"0",
    b"1e309",
    b"NaN",
    b"9" * 400,
    b"'; DROP DATABASE x; --",
    b"a" * 300,
]
"""What does harm somewhere in the world."""


@st.composite
def damaged(draw: Any, whole: Sequence[bytes], words: Sequence[bytes] = ()) -> bytes:
    """One of the whole ones, with some damage done to it, or several one behind the other."""
    data = b"".join(draw(st.lists(st.sampled_from(whole), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 1, 1, 2, 4, 10, 50]))
        match draw(st.integers(0, 4)):
            case 0:
                data = data[:at] + data[at + length :]
            case 1:
                data = data[:at] + draw(st.sampled_from([*COMMON, *words])) + data[at:]
            case 2:
                data = data[:at] + draw(st.binary(max_size=8)) + data[at + length :]
            case 3:
                data = data[:at] + data[at : at + length] * draw(st.sampled_from([2, 3, 100])) + data[at + length :]
            case 4:
                data = data[:at]
    return data


def text(strategy: st.SearchStrategy[bytes]) -> st.SearchStrategy[str]:
    """The same as text."""
    return strategy.map(lambda data: data.decode("utf-8", "replace"))
