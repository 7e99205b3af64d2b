"""The command line. Each file here holds the commands of one subject."""

import sys
from importlib import import_module
from pathlib import Path

import click

from mysense import __version__
from mysense.errors import ConfigError, JournalError
from mysense.shown import masked, printable

CONFIGURATION = 78
"""Exit code when MySense.conf is wrong (EX_CONFIG of sysexits.h)."""

COMMANDS = {
    "init": "init",
    "run": "run",
    "start": "service",
    "stop": "service",
    "restart": "reloading",
    "reload": "reloading",
    "status": "service",
    "install-service": "installing",
    "demo": "demo",
    "check": "inspect",
    "plugins": "inspect",
    "config": "configuration",
    "publish": "tryouts",
    "subscribe": "tryouts",
    "read": "tryouts",
    "tap": "journal",
    "journal": "journal",
    "influxdb": "influxdb",
}
"""The commands, in the order of the help, and the files they are in."""


class _Commands(click.Group):
    """Imports a command's file when it is asked for: a Pi Zero feels every import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        found = getattr(import_module(f"mysense.cli.{COMMANDS[name]}"), name.replace("-", "_"))
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from mysense.options import nearest

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no such command {args[0]!r}{nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-c", "--config", type=click.Path(path_type=Path), help="The configuration file, MySense.conf.")
@click.version_option(__version__, prog_name="mysense")
@click.pass_context
def cli(ctx: click.Context, config: Path | None) -> None:
    """Measure, keep, publish: sensor kits that lose nothing.

    Without -c the file is $MYSENSE, ./MySense.conf or /etc/mysense/MySense.conf.
    """
    ctx.obj = config


def main() -> None:
    """The program ``mysense``: errors are one line for a person, and an exit code for a script."""
    from mysense import logs

    logs.plain()
    try:
        cli.main(prog_name="mysense", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(printable(masked(problem)), err=True)
        sys.exit(CONFIGURATION)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has seen enough
        sys.exit(0)
    except (JournalError, OSError) as error:
        from mysense.worker import reason

        click.echo(f"mysense: {reason(error)}", err=True)
        sys.exit(1)
    except Exception:
        from mysense.shown import failure

        click.echo(f"{failure()}\nmysense: this is a bug in mysense or in a plugin; please report it", err=True)
        sys.exit(1)
