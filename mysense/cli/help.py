"""Help that says of each command in a whole sentence what it does."""

import click


class Group(click.Group):
    """Commands whose first paragraph is shown to its end, where click would cut it off."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        if said := [(name, _first(command.help or "")) for name, command in found if command]:
            with formatter.section("Commands"):
                formatter.write_dl(said)


def _first(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())
