"""``mysense run`` and ``mysense demo``: the daemon in the foreground."""

import gc
import os
import signal
import sys
import tempfile
from pathlib import Path

import click

from mysense import config, logs
from mysense.cli.common import config_option, settings
from mysense.daemon import Daemon
from mysense.settings import Settings

STOP = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def operate(daemon: Daemon) -> int:
    """Run a daemon until a signal says stop; the exit code.

    The signals are waited for, not handled: a handler that sets an event may meet the main
    thread inside that very event's lock.
    """
    return daemon.run(lambda: signal.sigtimedwait(STOP, 1.0) is not None)


def relax_collector() -> None:
    """Look for garbage less often: a backlog is a hundred thousand small objects, and none of them is any.

    By default the collector takes as long as reading and encoding a backlog together.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def serve(chosen: Settings, only: str = "", once: bool = False) -> None:
    """Run the daemon of these settings and leave with its exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # before the first thread, which inherits it
    with logs.setup(chosen.logging):
        for notice in chosen.notices:
            logs.log.warning("%s", notice)
        daemon = Daemon(chosen, only=only, once=once)
        relax_collector()
        code = operate(daemon)
        while daemon.again:
            daemon = Daemon(chosen, only=only, once=once)
            code = operate(daemon)
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
    """Measure and publish until stopped (ctrl-C, SIGTERM)."""
    chosen = config.choose(settings(ctx), inputs, outputs)
    become(chosen.daemon.user, chosen.daemon.group)
    serve(chosen, only or "", once)


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


DEMO = """\
[id]
project = Demo
serial = demo
geolocation = 51.5,6.1,25
[daemon]
interval = 2
[journal]
path = {folder}/journal.db
[logging]
level = warning
[sensor:simulated]
interval = 1
[publisher:console]
"""


@click.command()
@click.option("-n", "--count", default=0, help="Stop after so many data telegrams; 0: go on.")
def demo(count: int) -> None:
    """A simulated kit on this screen: no configuration, no hardware, nothing left behind."""
    with tempfile.TemporaryDirectory(prefix="mysense-demo-") as folder:
        path = Path(folder, "MySense.conf")
        path.write_text(DEMO.format(folder=folder))
        chosen = config.load(path)
        click.echo("A simulated kit, one telegram every 2 s. Stop it with ctrl-C.\n", err=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
        with logs.setup(chosen.logging):
            daemon = Daemon(chosen)

            def enough() -> bool:
                if signal.sigtimedwait(STOP, 0.5) is not None:
                    return True
                return count > 0 and daemon.journal.status().last >= count + 2  # ident and note are entries, too

            code = daemon.run(enough)
    sys.exit(code)
