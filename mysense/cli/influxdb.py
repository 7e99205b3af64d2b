"""``mysense influxdb setup``: databases, users, retention and downsampling on a server."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mysense import config, options, secrets
from mysense.channels._influx.points import DATA
from mysense.channels.influxdb import setup as work
from mysense.channels.influxdb.api import RefusedError
from mysense.channels.influxdb.layout import Template
from mysense.channels.influxdb.publisher import Publisher
from mysense.channels.influxdb.server import Server
from mysense.cli.common import config_option, json_option, show_json, table
from mysense.cli.help import Group
from mysense.errors import ConfigError, UnavailableError
from mysense.telegram import Ident
from mysense.tryout import flag
from mysense.worker import reason

WHO = ("user", "password", "password_file", "token", "token_file")
"""Options of a server that say who asks: those of a kit's section are not the administrator's."""
KNOWN = options.declared(Server)
NODE = "{project}_{serial}"


@click.group(cls=Group)
def influxdb() -> None:
    """Prepare an InfluxDB server for kits."""


def _kept(_: click.Context, __: click.Parameter, text: str | None) -> work.Kept | None:
    try:
        return None if text is None else work.Kept(options.seconds(text), said=True)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _server_options(command: click.Command) -> click.Command:
    """The options of the section as flags: those of a server, secrets excepted."""
    command.params += [flag(option) for option in KNOWN.values() if not option.secret]
    return command


@_server_options
@influxdb.command()
@config_option
@click.argument("nodes", nargs=-1, metavar="[NODE]…")
@click.option("--database", help="The database of a node. [{project}_{serial}]")
@click.option("--kit-user", help="The user who may write it, and nothing else. [{project}_{serial}]")
@click.option("--retention", callback=_kept, help="How long data is kept: 730d; 0 is for ever. [0]")
@click.option("--hourly", callback=_kept, help="How long hourly means are kept. [0]")
@click.option("--daily", callback=_kept, help="How long daily means are kept. [0]")
@click.option("--no-downsample", is_flag=True, help="Neither hourly nor daily means of the measurement data.")
@click.option("--secrets", "folder", type=click.Path(path_type=Path), default="influxdb-secrets", show_default=True,
              help="The folder for the passwords or tokens of new users, a file each.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would be typed.")
@json_option
@click.pass_context
def setup(
    ctx: click.Context,
    /,
    nodes: tuple[str, ...],
    database: str | None,
    kit_user: str | None,
    retention: work.Kept | None,
    hourly: work.Kept | None,
    daily: work.Kept | None,
    no_downsample: bool,
    folder: Path,
    dry_run: bool,
    as_json: bool,
    **given: str | None,
) -> None:
    """Give each NODE, <project>_<serial>, what it needs on the server.

    That is a database, a user who may write it and nothing else, how long data is kept, and
    hourly and daily means. What is there already stays as it is, but for a time that is given
    here. Without a NODE it is this kit of MySense.conf, and the server that it publishes to.

    The other options are an administrator's way to the server, as in a section of MySense.conf.
    The password is in a file, or in the environment as INFLUXADMINPASS, as the name may be in
    INFLUXADMINUSER; a token is in INFLUXADMINTOKEN. For whoever is no administrator it prints
    what one has to type.
    """
    if no_downsample and (hourly or daily):
        raise click.UsageError("--no-downsample makes nothing that --hourly or --daily could keep: leave one out")
    kit, own = _kit(ctx, nodes)
    none = no_downsample or (kit and kit.measurement != DATA)
    means = {} if none else {"hourly": hourly or work.Kept(), "daily": daily or work.Kept()}
    retention = retention or work.Kept(kit.retention if kit else 0.0)
    database = database or (kit.database if kit else NODE)
    user = kit_user or (kit.user if kit and own else "") or NODE
    server = _server(kit, {name: text for name, text in given.items() if text is not None})
    try:
        wanted = [
            work.Wanted(database=_filled(database, each), user=_filled(user, each), retention=retention, means=means)
            for each in ([own] if own else [Ident(*work.names(node)) for node in nodes])
        ]
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    setup = work.begin(server, work.SecretsFolder(folder))
    try:
        steps, failure = _run(setup, wanted, dry_run)
    finally:
        setup.close()
    told = {"server": server.place, "error": reason(failure) if failure else None, "notices": setup.notices}
    if as_json:
        steps_said = [{"what": step.what, "state": step.state, "typed": step.typed} for step in steps]
        show_json({**told, "steps": steps_said})
    else:
        _tell(setup, steps, failure, dry_run)
    sys.exit(1 if failure and not dry_run else 0)


def _kit(ctx: click.Context, nodes: Sequence[str]) -> tuple[Publisher | None, Ident | None]:
    """The publisher of MySense.conf, where that is wanted, and the kit itself, where no other node is named."""
    chosen: Path | None = ctx.find_root().obj
    if nodes and not chosen:
        return None, None
    path = config.find(chosen)
    settings = config.load(path)
    for end in settings.ends:
        if isinstance(end.plugin, Publisher):
            return end.plugin, None if nodes else settings.identity.ident()
    raise ConfigError(f"{path}: there is no section [publisher:influxdb] that says where the server is")


def _filled(template: str, ident: Ident) -> str:
    """The name that a template gives a node, of which not more is known than that."""
    places = {"project": ident.project, "serial": ident.serial, "node": ident.node, "label": ident.label}
    if name := Template(template).fill(lambda item: places.get(item, "")):
        return name
    raise ValueError(f"{template!r}: here a name may hold {{project}}, {{serial}} and {{node}}")


def _server(kit: Publisher | None, given: Mapping[str, str]) -> Server:
    """The server: that of the kit, if there is one; who asks there is said by the environment and by flags."""
    values: dict[str, Any] = {name: getattr(kit, name) for name in KNOWN if kit and name not in WHO}
    variables = secrets.network("administrator", "influxdb", set(KNOWN), os.environ)
    for secret in ("password", "token"):
        if f"{secret}_file" in given:
            variables.pop(secret, None)
    texts = {option: os.environ[variable] for option, variable in variables.items()} | dict(given)
    shown = {option: f"${variable}" for option, variable in variables.items() if option not in given}
    if texts.keys() & {"hostname", "port", "ssl"}:
        values.pop("url", None)
    said, problems = options.convert(KNOWN, texts, lambda name: f"--{name}:", shown)
    if problems:
        raise click.UsageError("\n".join(problems))
    server = Server(**values | said)
    for notice in secrets.readable(server, "influxdb setup"):
        click.echo(notice, err=True)
    return server


def _run(setup: work.Setup, wanted: Sequence[work.Wanted], dry_run: bool) -> tuple[list[work.Step], OSError | None]:
    """What the nodes need, and what kept it from being made."""
    try:
        setup.look(wanted)
    except UnavailableError as error:
        if not dry_run and not isinstance(error, RefusedError):
            raise
        return work.steps(setup, wanted), error
    steps = work.steps(setup, wanted)
    return steps, None if dry_run else work.carry_out(steps)


def _tell(setup: work.Setup, steps: Sequence[work.Step], failure: OSError | None, dry_run: bool) -> None:
    """What was done, what went wrong, and what is still to be typed."""
    if not dry_run:
        table((step.state, step.what) for step in steps if step.state != "to do")
    for notice in setup.notices:
        click.echo(notice, err=True)
    left = [step for step in steps if step.state == "to do"]
    if failure and dry_run:
        click.echo(f"{reason(failure)}: this is all that is needed, whatever is there already", err=True)
    elif failure:
        click.echo(f"{reason(failure)}; what is left, an administrator of {setup.server.place} types:", err=True)
    elif dry_run and not left:
        click.echo("everything is there already", err=True)
    for step in left:
        click.echo(step.typed)
    for hint in dict.fromkeys(step.hint for step in left if step.hint):
        click.echo(hint, err=True)
