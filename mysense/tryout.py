"""Run one plugin by hand: ``python -m mysense.channels.influxdb publish --hostname …``.

The flags of a tryout are the options of the plugin's section in MySense.conf.
"""

import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mysense import config as conf
from mysense import examples, logs, options, registry, secrets, wire
from mysense.clock import Clock
from mysense.errors import ConfigError, RejectedError
from mysense.plugin import Plugin, Publisher, Sensor, Subscriber
from mysense.sensing import SOON
from mysense.shown import failure, printable, printable_json
from mysense.telegram import Data, Ident, Telegram, clean, ident_of
from mysense.worker import reason

VERBS = {"publisher": "publish", "subscriber": "subscribe", "sensor": "read"}


def command(kind: str, name: str) -> click.Command:
    """The command that tries plugin *name*, its flags made of the class's options."""
    plugin = registry.find(kind, name)
    params: list[click.Parameter] = [flag(o) for o in options.declared(plugin).values() if not o.secret]
    params.append(click.Option(["-c", "--config"], type=Path, help="Take the options from this MySense.conf first."))
    run: Any
    if kind == "publisher":
        params.append(
            click.Option(["--private"], help="Private items of the ident to send all the same: street, extern_ip, …")
        )
        params.append(
            click.Argument(
                ["telegrams"],  # not "file": plugins have an option of that name
                metavar="[FILE]",
                required=False,
                type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
            )
        )
        run = _publish
    else:
        params.append(click.Option(["-n", "--count"], type=int, help="Stop after so many."))
        run = _read if kind == "sensor" else _subscribe

    def callback(config: Path | None, **given: Any) -> None:
        extra = {key: given.pop(key) for key in ("telegrams", "private", "count") if key in given}
        texts = {key: text for key, text in given.items() if text is not None}
        end = _make(kind, name, config, texts)
        try:
            run(name, end, **extra)
        except (OSError, ImportError, ConfigError, RejectedError) as error:
            raise click.ClickException(f"{name}: {reason(error)}") from None
        except click.ClickException:
            raise
        except Exception:
            click.echo(f"{failure()}\n{name}: this is a bug in mysense or in a plugin; please report it", err=True)
            sys.exit(1)

    return click.Command(VERBS[kind], params=params, callback=callback, help=_help(plugin))


def flag(o: options.Option) -> click.Option:
    """The flag of an option: of its name, with its help and its default."""
    text = o.help + (f" [{o.shown}]" if o.shown else "")
    return click.Option([f"--{o.name}", o.name], help=text, metavar="|".join(o.choices) or "TEXT")


def _help(plugin: type[Plugin]) -> str:
    said = [inspect.cleandoc(plugin.__doc__ or ""), "The flags are the options of its section in MySense.conf."]
    if issubclass(plugin, Publisher):
        said.append(
            "FILE holds telegrams as JSON Lines, as 'mysense journal export' writes them; - is standard input. "
            "Without it the example telegrams are sent."
        )
    return "\n\n".join(said)


def _make(kind: str, name: str, path: Path | None, texts: dict[str, str]) -> Any:
    """The plugin with the options of its section, if a file is given, and of the flags."""
    try:
        plugin = conf.single(kind, name, texts, path)
    except ConfigError as error:
        raise click.UsageError("\n".join(error.problems)) from None
    for notice in secrets.readable(plugin, name):
        click.echo(notice, err=True)
    plugin.passing = True
    return plugin


def _publish(name: str, publisher: Publisher, telegrams: Path | None, private: str | None) -> None:
    keep = tuple(part.strip() for part in (private or "").split(","))
    if telegrams:
        try:
            with click.open_file(str(telegrams), "rb") as lines:
                said: Iterable[Telegram] = list(wire.decode(lines))
        except ValueError as error:
            raise click.ClickException(f"{telegrams}, {error}") from None
    else:  # the examples are nobody's: they show the address that the document shows
        said, keep = examples.telegrams(), keep if private is not None else ("extern_ip",)
    batch = [_public(telegram, keep) for telegram in said]
    with publisher:
        for begin in range(0, len(batch), publisher.max_batch):
            for lane, failed in (publisher.publish(batch[begin : begin + publisher.max_batch]) or {}).items():
                raise click.ClickException(f"{name}: {printable(lane)}: {reason(failed)}")
    lanes = sorted({publisher.lane(telegram) for telegram in batch} - {""})
    where = f" to {', '.join(lanes)}" if lanes else ""
    click.echo(printable(f"{name}: published {_counted(batch)}{where}"), err=True)


def _public(telegram: Telegram, keep: Sequence[str]) -> Telegram:
    if isinstance(telegram, Ident):
        return telegram.public(keep)
    return replace(telegram, ident=telegram.ident.public(keep))


def _counted(batch: Sequence[Telegram]) -> str:
    data = sum(isinstance(telegram, Data) for telegram in batch)
    nodes = len({ident_of(telegram).node for telegram in batch})
    return f"{data} data telegram{'s' * (data != 1)} of {nodes} node{'s' * (nodes != 1)}"


def _read(name: str, sensor: Sensor, count: int | None) -> None:
    clock, ident = Clock(), Ident("tryout", name)

    pause = 0.0

    def read() -> Sequence[Telegram]:
        nonlocal pause
        values = clean(sensor.read() or {})
        pause = max(sensor.pace, sensor.interval if values else min(sensor.interval, SOON))
        return [Data(ident, clock.now(), values)] if values else []

    with sensor:
        _follow(read, count, lambda: pause)


def _subscribe(name: str, subscriber: Subscriber, count: int | None) -> None:
    def receive() -> Sequence[Telegram]:
        telegrams = subscriber.receive()
        for refusal in subscriber.refusals:
            click.echo(printable(f"{refusal.origin}: {refusal.reason}"), err=True)
        subscriber.refusals.clear()
        subscriber.confirm()
        return telegrams

    with subscriber:
        click.echo(f"{name}: waiting for telegrams; ctrl-C ends it", err=True)
        _follow(receive, count, lambda: subscriber.pause)


def _follow(receive: Callable[[], Sequence[Telegram]], count: int | None, pause: Callable[[], float]) -> None:
    """Show telegrams as they come, until there were enough or ctrl-C."""
    never, seen = threading.Event(), 0
    try:
        while True:
            for telegram in receive():
                click.echo(printable_json(wire.encode(telegram)))
                seen += 1
                if seen == count:
                    return
            never.wait(pause())
    except KeyboardInterrupt:
        pass


def channel(name: str) -> None:
    """``python -m mysense.channels.<name> publish|subscribe …``"""
    group = click.Group(help=f"Try the channel {name} by hand.")
    for kind in ("publisher", "subscriber"):
        if name in registry.names(kind):
            group.add_command(command(kind, name))
    _main(group, f"python -m mysense.channels.{name}")


def sensor(name: str) -> None:
    """``python -m mysense.sensors.<name> …``"""
    _main(command("sensor", name), f"python -m mysense.sensors.{name}")


def _main(command: click.Command, program: str) -> None:
    logs.plain()
    try:
        command.main(prog_name=program)
    except KeyboardInterrupt:
        sys.exit(130)
