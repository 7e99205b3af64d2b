"""Write the generated files anew; with --check only name those that are out of date.

Their sources are the classes of the plugins (MySense.conf, docs/config.md), the command
line (docs/commands.md), the first line of each file (the table in docs/architecture.md), and
the files that make mysense a service (contrib/).
"""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from mysense import sample
from mysense.cli import cli
from mysense.systemd import files

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- begin of what make docs writes -->\n", "<!-- end of what make docs writes -->\n"


def commands() -> str:
    """docs/commands.md, from the tree of commands."""
    parts = [
        "# Commands\n",
        "Made from the command line itself by `make docs`. Every command takes `-h` and `--help`. Errors are one line;",
        "the exit code is 0, 1 when something failed, 2 for a wrong command line and 78 for a wrong `MySense.conf`.\n",
    ]
    for path, command in _walk("mysense", cli):
        parts.append(f"{'#' if path == 'mysense' else '##'}# {path}\n")
        ctx = click.Context(command, info_name=path)
        usage = " ".join(command.collect_usage_pieces(ctx))
        parts += [f"`{path} {usage}`\n", inspect.cleandoc(command.help or "") + "\n"]
        records = [param.get_help_record(ctx) for param in command.params]
        rows = [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in filter(None, records)]
        if rows:
            parts += ["| option | |", "|---|---|", *rows, ""]
    return "\n".join(parts).rstrip() + "\n"


def _walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group) and path not in ("mysense publish", "mysense subscribe", "mysense read"):
        ctx = click.Context(command)  # the commands of a channel or sensor are its options, in docs/config.md
        for name in command.list_commands(ctx):
            if (below := command.get_command(ctx, name)) and not below.hidden:
                yield from _walk(f"{path} {name}", below)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def architecture() -> str:
    """docs/architecture.md with its table of files, from the first line of each."""
    rows = ["| file | |\n", "|---|---|\n"]
    for path in sorted((ROOT / "mysense").rglob("*.py"), key=lambda path: (len(path.parts), path)):
        about = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        rows.append(f"| `{path.relative_to(ROOT)}` | {_cell(about).replace('``', '`')} |\n")
    before, _, rest = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + "".join(rows) + END + rest.partition(END)[2]


def contributed(name: str) -> Callable[[], str]:
    """What `mysense install-service` writes, for packagers: under contrib/."""
    [text] = [file.text for file in files.system() if file.path.name == name]
    return lambda: text


FILES: dict[str, Callable[[], str]] = {
    "MySense.conf": sample.repository,
    "docs/config.md": sample.reference,
    "docs/commands.md": commands,
    "docs/architecture.md": architecture,
    "contrib/mysense.service": contributed("mysense.service"),
    "contrib/70-mysense.rules": contributed("70-mysense.rules"),
    "contrib/sysusers.conf": contributed("mysense.conf"),
}


def main() -> None:
    """Write, or check."""
    stale = []
    for name, text in FILES.items():
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text():
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text(), encoding="utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"out of date: {', '.join(stale)}; 'make docs' writes them anew")
    click.echo("\n".join(stale) or "everything is up to date")


if __name__ == "__main__":
    main()
