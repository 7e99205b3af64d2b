"""``mysense run``: the daemon in the foreground."""

import gc
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import click

from mysense import config, logs
from mysense.cli.common import config_option, settings
from mysense.daemon import Daemon
from mysense.settings import Settings

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def operate(daemon: Daemon, signals: "Signals") -> int:
    """Run a daemon until a signal says stop; the exit code. SIGHUP means: read MySense.conf again."""
    on_screen = sys.stdin is not None and sys.stdin.isatty()  # there SIGHUP says that the terminal is gone

    def told_to_stop() -> bool:
        got = signals.next(1.0)
        if got == signal.SIGHUP and not on_screen:
            daemon.reload()
            return False
        return got is not None

    return daemon.run(told_to_stop)


class Signals:
    """The signals that came, in their order.

    A thread waits for them. A handler that sets an event may meet the main thread inside that
    very event's lock; and ``sigtimedwait`` tells of a signal that never was when the process was
    suspended meanwhile (ctrl-Z and fg).
    """

    def __init__(self) -> None:
        self._came: queue.SimpleQueue[int] = queue.SimpleQueue()
        threading.Thread(target=self._wait, name="signals", daemon=True).start()

    def _wait(self) -> None:
        while True:
            self._came.put(signal.sigwait(SIGNALS))

    def next(self, seconds: float) -> int | None:
        """The next signal, or None when there is none in time."""
        with suppress(queue.Empty):
            return self._came.get(timeout=seconds)
        return None


def relax_collector() -> None:
    """Look for garbage less often: a backlog is a hundred thousand small objects, and none of them is any.

    By default the collector takes as long as reading and encoding a backlog together.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def serve(read: Callable[[], Settings], only: str = "", once: bool = False) -> None:
    """Run the daemon of the settings that *read* gives, and leave with its exit code."""
    chosen = read()
    become(chosen.daemon.user, chosen.daemon.group)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # before the first thread, which inherits it
    with logs.setup(chosen.logging):
        for notice in (*chosen.notices, *(() if only else chosen.idle)):
            logs.log.warning("%s", notice)
        daemon = Daemon(chosen, only=only, once=once, read=read)
        relax_collector()
        signals = Signals()
        code = operate(daemon, signals)
        while daemon.again:
            daemon = Daemon(daemon.settings, only=only, once=once, read=read)
            code = operate(daemon, signals)
    sys.exit(code)


@click.command()
@config_option
@click.option("--once", is_flag=True, help="Deliver one data telegram of this kit, then stop.")
@click.option("-i", "--input", "inputs", metavar="NAME,…", help="Only these sensors and subscribers.")
@click.option("-o", "--output", "outputs", metavar="NAME,…", help="Only these publishers.")
@click.option("--only", type=click.Choice(["subscribers", "publishers"]), default=None,
              help="Only the half that brings telegrams in, or only the one that sends them on.")  # fmt: skip
@click.pass_context
def run(ctx: click.Context, once: bool, inputs: str | None, outputs: str | None, only: str | None) -> None:
    """Measure and publish until stopped (ctrl-C, SIGTERM). SIGHUP reads MySense.conf again."""
    serve(lambda: config.choose(settings(ctx), inputs, outputs), only or "", once)


def become(user: str, group: str) -> None:
    """Give up root for the user that MySense.conf names; for anybody else nothing changes."""
    if not user or os.getuid() != 0:
        return
    import grp
    import pwd

    try:
        entry = pwd.getpwnam(user)
        number = grp.getgrnam(group).gr_gid if group else entry.pw_gid
    except KeyError as error:
        raise click.ClickException(f"[daemon] {error.args[0]}") from None
    os.initgroups(user, number)
    os.setgid(number)
    os.setuid(entry.pw_uid)
