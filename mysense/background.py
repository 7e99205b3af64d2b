"""Work in threads of its own that is told when it is over, and then lets go of its devices."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

LETTING_GO = 4.0
"""Seconds that ctrl-C leaves those who are at work, to let go of their devices."""


@contextmanager
def in_background(work: Callable[[str], None], names: Iterable[str], over: threading.Event) -> Iterator[None]:
    """``work(name)`` for each name, side by side, while what is in here goes on.

    It is *over* at the end, whatever ends it. Ctrl-C waits a little for those who are still at work: a thread
    that is cut off would leave a device awake. One that never comes back holds up nobody.
    """
    threads = [threading.Thread(target=work, args=(name,), name=name, daemon=True) for name in names]
    for thread in threads:
        thread.start()
    try:
        yield
    except BaseException:
        over.set()
        end = time.monotonic() + LETTING_GO
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        raise
    finally:
        over.set()
