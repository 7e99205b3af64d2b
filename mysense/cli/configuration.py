"""``mysense config``: samples, the effective configuration, and files of the original MySense."""

from pathlib import Path

import click

from mysense import config as conf
from mysense import legacy, sample
from mysense.cli.common import config_option
from mysense.cli.help import Group


@click.group(cls=Group)
def config() -> None:
    """Sample, show and migrate MySense.conf."""


@config.command("sample")
@click.argument("plugins", nargs=-1, metavar="[PLUGIN]…")
def sample_(plugins: tuple[str, ...]) -> None:
    """Print a documented section for each PLUGIN (sensor:dylos, publisher:csv, …), or the whole file."""
    click.echo(sample.sample(plugins), nl=False)


@config.command()
@config_option
@click.pass_context
def show(ctx: click.Context) -> None:
    """Print the configuration in force, defaults included, secrets masked."""
    click.echo(conf.show(conf.find(ctx.find_root().obj)), nl=False)


@config.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def migrate(file: Path) -> None:
    """Print a file of the original MySense in today's form."""
    click.echo(legacy.migrate(file.read_text(encoding="utf-8", errors="replace")), nl=False)
