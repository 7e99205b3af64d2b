"""``mysense demo``: a kit on this screen that is not there, or whose devices are not."""

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mysense import config, logs, options, registry
from mysense.cli.run import SIGNALS, Signals
from mysense.daemon import Daemon
from mysense.testing.kit import SimulatedKit, names, written

CONF = """\
[id]
project = Demo
serial = demo
geolocation = 51.5,6.1,25
[daemon]
interval = {interval}
clock = trusted
[journal]
path = {folder}/journal.db
[logging]
level = {level}
[publisher:console]
"""
BRISK = {"interval": "2", "warm_up": "0", "sample": "0"}
"""What is set so that nobody must wait for a fan to warm up, where a sensor has such an option."""


@click.command()
@click.option("-n", "--count", default=0, help="Stop after so many data telegrams; 0: go on.")
@click.option("--sensors", metavar="NAME,…", default="",
              help="Real drivers at work on simulated devices: bme280, sds011, …; list names all.")  # fmt: skip
def demo(count: int, sensors: str) -> None:
    """A simulated kit on this screen: no configuration, no hardware, nothing left behind."""
    if sensors == "list":
        click.echo("\n".join(names()))
        return
    wanted = [name for name in (part.strip().lower() for part in sensors.split(",")) if name]
    with tempfile.TemporaryDirectory(prefix="mysense-demo-") as folder:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # before the first thread, which inherits it
        with _sections(Path(folder), wanted) as sections:
            interval, level = (5, "error") if wanted else (2, "warning")
            text = CONF.format(folder=folder, interval=interval, level=level) + sections
            chosen = config.parse(text, Path(folder, "MySense.conf"))
            what = f"Simulated devices, read by the drivers of {', '.join(wanted)}" if wanted else "A simulated kit"
            click.echo(f"{what}: one telegram every {interval} s. Stop it with ctrl-C.\n", err=True)
            with logs.setup(chosen.logging):
                daemon, waiting = Daemon(chosen), Signals()

                def enough() -> bool:
                    if waiting.next(0.5) is not None:
                        return True
                    return count > 0 and daemon.journal.status().last >= count + 2  # ident and note are entries, too

                code = daemon.run(enough)
    sys.exit(code)


@contextmanager
def _sections(folder: Path, wanted: list[str]) -> Iterator[str]:
    """The sections of the sensors, while their devices are there."""
    if not wanted:
        yield "[sensor:simulated]\ninterval = 1\n"
        return
    with SimulatedKit(folder, wanted) as kit:
        for section, texts in kit.sections.items():
            known = options.declared(registry.find("sensor", section.split(":")[1]))
            texts.update({name: _least(known[name], text) for name, text in BRISK.items() if name in known})
        yield "\n".join(written(kit.sections))


def _least(option: options.Option, text: str) -> str:
    return options.show(max(float(text), option.least or 0.0))
