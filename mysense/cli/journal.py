"""``mysense journal …`` and ``mysense tap``: look into the journal and mend it."""

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import click

from mysense import control, exact, wire
from mysense.cli.common import amount, config_option, existing_journal, json_option, settings, show_json, table
from mysense.cli.help import Group
from mysense.cli.service import running
from mysense.daemon import open_journal, status_of
from mysense.journal import Entry, Rejected
from mysense.journal.sqlite import SqliteJournal
from mysense.shown import printable, printable_json
from mysense.telegram import SECOND, Data, Ident, Note, Telegram, ident_of

PAGE = 1000
SHOWN = 200
"""Signs that are shown of what came in and is no telegram."""


@click.command()
@config_option
@click.option("-n", "--count", type=int, help="Stop after so many telegrams.")
@click.option("--node", help="Only this node, <project>_<serial>.")
@click.pass_context
def tap(ctx: click.Context, count: int | None, node: str | None) -> None:
    """Show telegrams as they pass through the journal, as JSON Lines."""
    journal = existing_journal(ctx)
    after = journal.status().last
    try:
        while count is None or count > 0:
            if not journal.wait(after, 1.0):
                continue
            entries = journal.read(after, PAGE)
            after = entries[-1].seq
            for telegram in (t for _, t in entries if node in (None, ident_of(t).node)):
                click.echo(printable_json(wire.encode(telegram)))
                if count is not None and (count := count - 1) == 0:
                    return
    except KeyboardInterrupt:
        pass


@click.group(cls=Group)
def journal() -> None:
    """Look into the journal, and mend what waits for a person."""


@journal.command()
@config_option
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """The journal and its cursors in numbers."""
    journal = existing_journal(ctx)
    said = status_of(journal)
    with suppress(control.SilentError):
        for daemon in running(settings(ctx).journal.file()):  # which knows of more than is written
            said["repeated"] = max(said["repeated"], daemon["journal"]["repeated"])
    if as_json:
        show_json(said)
        return
    entries = said["last"] - said["first"] + 1 if said["last"] else 0
    click.echo(f"{said['path']} ({said['id']}): entries {said['first']} to {said['last']}, {amount(said['bytes'])}")
    click.echo(f"{entries} entries kept, {said['repeated']} repeats recognised")
    for note in said["notes"]:
        click.echo(printable(note))
    rows = [["cursor", "at", "lag", "rejected", "lost", ""]]
    known = {end.section for end in settings(ctx).ends}
    for c in said["cursors"]:
        about = "" if c["name"] in known else "orphan: no section has it; 'mysense journal forget' frees what it holds"
        rows.append([c["name"], str(c["seq"]), str(c["lag"]), str(c["rejected"]), str(c["lost"]), about])
        rows += [[f"  {lane}", f"from {p['seq']}", "", "", "", p["reason"]] for lane, p in c["lanes"].items()]
    table(rows)


@journal.command()
@config_option
@click.option("-n", "--count", default=10, show_default=True, help="How many of the newest entries.")
@click.option("--node", help="Only this node, <project>_<serial>.")
@click.pass_context
def show(ctx: click.Context, count: int, node: str | None) -> None:
    """Print the newest entries, one a line."""
    journal = existing_journal(ctx)
    last = journal.status().last
    newest: list[Entry] = []
    if node is None:
        newest = journal.read(max(0, last - count), count)
    else:
        newest = [entry for entry in _entries(journal, 0) if ident_of(entry.telegram).node == node][-count:]
    for seq, telegram in newest:
        click.echo(f"{seq:8}  {printable(_line(telegram))}")


def _line(telegram: Telegram) -> str:
    node = ident_of(telegram).node
    match telegram:
        case Ident():
            return f"{_utc(telegram.since)}  {node}  ident {', '.join(f.name for f in telegram.fields)}"
        case Data():
            said = ", ".join(f"{name} {value}" for name, value in telegram.values.items())
            return f"{_utc(telegram.time)}  {node}  {f'raw {telegram.raw}: ' if telegram.raw else ''}{said}"
        case Note():
            return f"{_utc(telegram.time)}  {node}  {telegram.kind}: {telegram.text}"


def _utc(time: int | None) -> str:
    if time is None:
        return "-" * 20
    try:
        return f"{datetime.fromtimestamp(time // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):  # a time of strangers
        return exact.seconds(time)


def _entries(journal: SqliteJournal, after: int) -> Iterator[Entry]:
    while page := journal.read(after, PAGE):
        yield from page
        after = page[-1].seq


@journal.command()
@config_option
@click.option("--after", default=0, help="Only entries numbered above this.")
@click.option("--node", help="Only this node, <project>_<serial>.")
@click.pass_context
def export(ctx: click.Context, after: int, node: str | None) -> None:
    """Write all entries as JSON Lines to standard output."""
    idents: dict[str, Ident] = {}
    for _, telegram in _entries(existing_journal(ctx), after):
        ident = ident_of(telegram)
        if node not in (None, ident.node):
            continue
        if idents.get(ident.node) != ident:  # data belongs to the ident line before it
            idents[ident.node] = ident
            click.echo(printable_json(wire.encode(ident)))
        if not isinstance(telegram, Ident):
            click.echo(printable_json(wire.encode(telegram)))


@journal.command()
@config_option
@json_option
@click.argument("section", required=False)
@click.pass_context
def rejected(ctx: click.Context, section: str | None, as_json: bool) -> None:
    """List what was set aside, with the reason: telegrams that a far end refused, and what came in and is none."""
    found = existing_journal(ctx).rejected(section)
    if as_json:
        show_json([{**r._asdict(), "telegram": wire.encode(r.telegram)} for r in found])
        return
    for r in found:
        click.echo(printable(f"{r.number:6}  {r.cursor}  {_utc(r.time)}  {r.reason}"))
        click.echo(f"        {printable(_what(r))}")
    click.echo(f"{len(found)} set aside", err=True)


def _what(found: Rejected) -> str:
    """What was set aside, in one line."""
    if found.seq or not isinstance(found.telegram, Note):
        return _line(found.telegram)
    shown = repr(found.telegram.text[:SHOWN])[1:-1]
    more = int(found.telegram.values["bytes"]) - len(found.telegram.text[:SHOWN].encode())
    return f"{found.telegram.values['from']}: {shown or '(empty)'}{f' … and {more} bytes more' if more > 0 else ''}"


@journal.command()
@config_option
@click.argument("section", required=False, default="")
@click.pass_context
def retry(ctx: click.Context, section: str) -> None:
    """Let the running daemon send again what was set aside, and unblock blocked lanes."""
    answers = control.ask_all(settings(ctx).journal.file(), {"do": "retry", "section": section})
    asked = [each for answer in answers for each in answer["sections"]]
    if not asked:
        what = f"with a publisher {section!r}" if section else "with publishers"
        raise click.ClickException(f"no daemon {what} runs; 'mysense run' starts it")
    click.echo(f"trying again: {', '.join(asked)}; 'mysense journal rejected' shows what is refused once more")


@journal.command()
@config_option
@click.argument("section")
@click.pass_context
def forget(ctx: click.Context, section: str) -> None:
    """Forget the cursor of a SECTION that is gone for good, so that it holds nothing back."""
    journal = open_journal(settings(ctx))
    known = [cursor.name for cursor in journal.status().cursors]
    if section not in known:
        raise click.ClickException(f"there is no cursor {section!r}; there are {', '.join(known) or 'none'}")
    journal.forget(section)
    journal.close()
    click.echo(f"forgotten: {section}")


@journal.command()
@config_option
@click.pass_context
def check(ctx: click.Context) -> None:
    """Read the whole journal and tell everything that is wrong with it."""
    begun = time.monotonic()
    wrong = existing_journal(ctx).check()
    for sentence in wrong:
        click.echo(printable(sentence))
    click.echo(f"{len(wrong) or 'nothing'} wrong, {time.monotonic() - begun:.1f} s", err=True)
    sys.exit(1 if wrong else 0)
