"""What is told, and where: the standard library's logging, set up once."""

import logging
import logging.handlers
import os
import queue
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mysense.settings import LoggingOptions

log = logging.getLogger("mysense")
SYSLOG = "/dev/log"


@contextmanager
def setup(options: LoggingOptions) -> Iterator[None]:
    """Log as MySense.conf says, until the end of the ``with``.

    Records go through a queue, so that a slow SD card does not hold up a sensor.
    """
    handler = _handler(options.file)
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    door = logging.handlers.QueueHandler(waiting)
    listener = logging.handlers.QueueListener(waiting, handler)
    root = logging.getLogger()
    level = root.level
    set_level(options)
    root.addHandler(door)
    listener.start()
    if options.file == "syslog" and not isinstance(handler, logging.handlers.SysLogHandler):
        log.warning("[logging] file: there is no %s on this machine; standard error is used", SYSLOG)
    try:
        yield
    finally:
        listener.stop()
        root.removeHandler(door)
        root.setLevel(level)
        handler.close()


def set_level(options: LoggingOptions) -> None:
    """The least that is told from now on."""
    logging.getLogger().setLevel(options.level.upper())


def _handler(file: str) -> logging.Handler:
    handler: logging.Handler
    if file == "syslog" and not Path(SYSLOG).exists():
        file = ""  # each line would fail
    if file == "syslog":
        handler = logging.handlers.SysLogHandler(SYSLOG)
        handler.setFormatter(logging.Formatter("mysense: %(levelname)s: %(message)s"))
        return handler
    if file:
        Path(file).expanduser().parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.WatchedFileHandler(Path(file).expanduser(), encoding="utf-8")
    else:
        handler = logging.StreamHandler(sys.stderr)
    # systemd's journal adds the time by itself
    when = "" if not file and os.environ.get("JOURNAL_STREAM") else "%(asctime)s "
    handler.setFormatter(logging.Formatter(f"{when}%(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    return handler
