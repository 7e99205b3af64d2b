"""``mysense publish | subscribe | read NAME``: one plugin, run by hand."""

import click

from mysense import registry, tryout
from mysense.cli.help import Group
from mysense.errors import ConfigError


class _Plugins(Group):
    """One command for each plugin of a kind, made from its options."""

    def __init__(self, kind: str, help: str) -> None:
        super().__init__(tryout.VERBS[kind], help=help)
        self._kind = kind

    def list_commands(self, ctx: click.Context) -> list[str]:
        return registry.names(self._kind)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        try:
            return tryout.command(self._kind, name)
        except ConfigError as error:
            ctx.fail(str(error))


publish = _Plugins("publisher", "Send the example telegrams, or those of a FILE, through one channel.")
subscribe = _Plugins("subscriber", "Show the telegrams that arrive through one channel.")
read = _Plugins("sensor", "Show what one sensor reads.")
