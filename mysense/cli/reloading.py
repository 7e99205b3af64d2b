"""``mysense reload | restart``: a changed MySense.conf, for a daemon that runs."""

import sys
from typing import Any

import click

from mysense import control
from mysense.cli import CONFIGURATION
from mysense.cli.common import config_option, json_option, settings, show_json
from mysense.cli.service import running, start, stop

PATIENCE = 30.0
"""Seconds in which a daemon must have exchanged its workers."""


@click.command()
@config_option
@json_option
@click.pass_context
def reload(ctx: click.Context, as_json: bool) -> None:
    """Let the daemon read MySense.conf again; only the sections that changed are started anew.

    With a mistake in the file nothing changes.
    """
    journal = settings(ctx).journal.file()
    answers: list[dict[str, Any]] = control.ask_all(journal, {"do": "reload"}, PATIENCE)
    if not answers:
        raise click.ClickException(f"no daemon runs on {journal}; 'mysense start' starts one")
    if as_json:
        show_json(answers)
    else:
        for answer in answers:
            _show(answer)
    sys.exit(CONFIGURATION if any(answer.get("problems") for answer in answers) else 0)


def _show(answer: dict[str, Any]) -> None:
    for problem in answer.get("problems", ()):
        click.echo(problem, err=True)
    for verb in ("started", "stopped", "restarted"):
        for section in answer.get(verb, ()):
            click.echo(f"{section} {verb}")
    for notice in answer.get("notices", ()):
        click.echo(notice)
    if not any(answer.values()):
        click.echo("no section has changed")


@click.command()
@config_option
@click.pass_context
def restart(ctx: click.Context) -> None:
    """Stop the daemon, and start it again in the background."""
    if any(answer.get("systemd") for answer in running(settings(ctx).journal.file())):
        raise click.ClickException("systemd keeps this daemon: systemctl restart mysense")
    ctx.invoke(stop)
    ctx.invoke(start)
