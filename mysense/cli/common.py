"""What several commands share: the configuration, the journal, output for people and programs."""

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mysense import config
from mysense.journal.sqlite import SqliteJournal
from mysense.settings import Settings
from mysense.shown import printable, printable_json

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``-c FILE`` after the command's name as well as before it."""

    def keep(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
        if path:
            ctx.find_root().obj = path

    return click.option(
        "-c", "--config", type=click.Path(path_type=Path), expose_value=False, callback=keep, is_eager=True,
        help="The configuration file, MySense.conf.",
    )(command)  # fmt: skip


def settings(ctx: click.Context) -> Settings:
    """What MySense.conf says; ConfigError with everything that is wrong with it."""
    return config.load(config.find(ctx.find_root().obj))


def existing_journal(ctx: click.Context) -> SqliteJournal:
    """The journal, only to look into; an error when there is none yet."""
    path = settings(ctx).journal.file()
    if not path.exists():
        raise click.ClickException(f"there is no journal yet at {path}; 'mysense run' begins one")
    return SqliteJournal.open_existing(path)


def show_json(value: Any) -> None:
    """One JSON document."""
    click.echo(printable_json(json.dumps(value, indent=2, ensure_ascii=False)))


def table(rows: Iterable[Iterable[object]], err: bool = False) -> None:
    """Rows in columns as wide as they need; the last one runs on."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in cells if n < len(row)) for n in range(max(map(len, cells), default=0))]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        click.echo("  ".join([*padded, *row[-1:]]).rstrip(), err=err)


@contextmanager
def progress(silent: bool = False) -> Iterator[Callable[[str], None]]:
    """A line on the terminal that says what is being waited for; it is gone afterwards."""
    if silent or not sys.stderr.isatty():
        yield lambda _: None
        return

    def show(text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        click.echo(f"\r\x1b[K{printable(text)[:width]}", nl=False, err=True)

    try:
        yield show
    finally:
        show("")


def duration(seconds: float) -> str:
    """A time span as people say it.

    >>> duration(5), duration(200), duration(9000), duration(200000)
    ('5 s', '3 min', '2.5 h', '2.3 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 129600 else f"{seconds / 86400:.1f} days"


def amount(count: float) -> str:
    """A number of bytes as people say it.

    >>> amount(900), amount(12_345_678)
    ('900 B', '12.3 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return ""
