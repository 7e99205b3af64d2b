"""``mysense start | stop | status``: the daemon in the background, for machines without systemd."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from mysense import control
from mysense.cli.common import amount, config_option, duration, json_option, settings, table
from mysense.control import SilentError
from mysense.daemon import status_of
from mysense.errors import JournalError, UnavailableError
from mysense.journal.sqlite import SqliteJournal
from mysense.shown import printable
from mysense.telegram import SECOND

READY = 10.0
"""Seconds for which a daemon that was started is waited for; it may need longer for a large or damaged journal."""
_DOUBTS = {"doubted": "that cannot be true", "outliers": "left out as outliers"}
GONE = 10.0
"""Seconds within which a daemon that was told to stop must be gone; it needs 5 at most."""


def running(journal: Path) -> list[dict[str, Any]]:
    """What each daemon on this journal says of itself; SilentError when one does not answer."""
    return control.ask_all(journal, {"do": "status"})


def _answers(journal: Path) -> bool:
    """Whether daemons run on this journal, and all answer."""
    try:
        return bool(running(journal))
    except SilentError:
        return False


def clock_of(answers: list[dict[str, Any]]) -> str:
    """What the daemon that measures says of its clock; nothing where it is set."""
    return next((answer["clock"] for answer in answers if answer.get("clock")), "")


def together(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """What several daemons on one journal say of themselves, as one answer."""
    workers = [worker for answer in answers for worker in answer["workers"]]
    return answers[0] | {"pids": [each["pid"] for each in answers], "clock": clock_of(answers), "workers": workers}


def wait_until(done: Any, seconds: float) -> bool:
    """Look again and again whether *done()*; whether it came true in time."""
    never, until = threading.Event(), time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        never.wait(0.05)
    return True


@click.command()
@config_option
@click.pass_context
def start(ctx: click.Context) -> None:
    """Start the daemon in the background."""
    chosen = settings(ctx)
    journal = chosen.journal.file()
    if found := running(journal):
        raise click.ClickException(f"already running, process {found[0]['pid']}")
    journal.parent.mkdir(parents=True, exist_ok=True)
    told = Path(chosen.logging.file) if chosen.logging.file not in ("", "syslog") else journal.with_suffix(".log")
    with told.open("ab") as log:
        daemon = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "mysense", "run", "-c", str(chosen.path)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    answers = wait_until(lambda: daemon.poll() is not None or _answers(journal), READY)
    if daemon.poll() is not None:
        last = told.read_text(errors="replace").splitlines()[-5:]
        raise click.ClickException("\n".join([f"the daemon did not start; {told} ends with:", *last]))
    if not answers:
        click.echo(f"mysense starts, process {daemon.pid}, and does not answer yet; it logs to {told}")
        click.echo("'mysense status' tells when it runs")
        return
    click.echo(f"mysense runs, process {daemon.pid}; it logs to {told}")


@click.command()
@config_option
@click.pass_context
def stop(ctx: click.Context) -> None:
    """Stop the daemon; what it holds is flushed first."""
    found = [*pids(settings(ctx).journal.file())]
    if not found:
        click.echo("mysense is not running")
    for pid in found:
        os.kill(pid, signal.SIGTERM)
        if not wait_until(lambda pid=pid: not _alive(pid), GONE):
            raise click.ClickException(f"process {pid} does not end; 'kill -9 {pid}' loses nothing that is journalled")
        click.echo(f"mysense stopped, process {pid}")


def pids(journal: Path) -> Iterator[int]:
    """The daemons on a journal; one that does not answer can still be told to stop."""
    for path in control.sockets(journal):
        try:
            yield control.ask(path, {"do": "status"})["pid"]
        except SilentError as error:
            if not error.pid:
                raise
            yield error.pid
        except UnavailableError:  # left behind by a daemon that was killed
            continue


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@click.command()
@config_option
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Tell how the daemon, its sensors and its publishers are. Exit code 1 when it does not run, or does not answer."""
    chosen = settings(ctx)
    path = chosen.journal.file()
    found = running(path)
    if found:
        answer = together(found)
    else:
        answer = {"pid": None, "pids": [], "config": str(chosen.path or ""), "journal": _numbers(path), "workers": []}
    if as_json:
        from mysense.cli.common import show_json

        show_json(answer)
    else:
        _show(answer)
    sys.exit(0 if found else 1)


def _numbers(path: Path) -> dict[str, Any] | None:
    """The journal in numbers while nobody runs; None when there is none, or it is just being made."""
    try:
        if not path.exists():
            return None
        journal = SqliteJournal.open_existing(path)
        numbers = status_of(journal)
        journal.close()
    except (JournalError, sqlite3.OperationalError):  # it has no tables yet
        return None
    return numbers


def _show(answer: dict[str, Any]) -> None:
    now = time.time_ns()
    if answer["pid"]:
        up = duration((now - answer["since"]) / SECOND)
        who = " and ".join(map(str, answer["pids"]))
        noun = "process" if len(answer["pids"]) == 1 else "processes"
        click.echo(f"mysense {answer['version']} runs as {noun} {who}, up {up}, {answer['config']}")
    else:
        click.echo(f"mysense is not running ({answer['config']})")
    journal = answer["journal"]
    if not journal:
        click.echo("there is no journal yet")
        return
    if answer.get("node"):
        click.echo(f"node {answer['node']}")
    if answer.get("clock"):
        click.echo(answer["clock"])
    entries = journal["last"] - journal["first"] + 1 if journal["last"] else 0
    line = f"journal {journal['path']}: {entries} entries, {amount(journal['bytes'])}"
    if answer["pid"] and (elapsed := now - journal["since"]) > 3600 * SECOND:
        line += f", {amount(journal['written'] * 86400 * SECOND / elapsed)} written a day"
    click.echo(line)
    for note in journal["notes"]:
        click.echo(f"  {printable(note)}")
    click.echo()
    table(_rows(answer, now))


def _rows(answer: dict[str, Any], now: int) -> list[list[str]]:
    cursors = {cursor["name"]: cursor for cursor in answer["journal"]["cursors"]}
    rows = []
    for worker in answer["workers"]:
        section, cursor = worker["section"], cursors.pop(worker["section"], None)
        said = [worker["message"]] if worker["message"] else []
        if worker["last"] and not said:
            said.append(f"last {duration((now - worker['last']) / SECOND)} ago")
        if worker.get("trouble") and worker["trouble"] not in said:
            said.append(worker["trouble"])
        said += [f"{worker[key]} values {words}" for key, words in _DOUBTS.items() if worker.get(key)]
        if worker.get("refused"):
            said.append(f"{worker['refused']} set aside")
        if worker.get("skipped"):
            said.append(f"{worker['skipped']} too old for it")
        rows.append([section, worker["state"], _lag(cursor, now) if cursor else "", "; ".join(said)])
        rows += _lanes(cursor, worker["message"]) if cursor else []
    for name, cursor in cursors.items():  # no worker has it: not running, or a section that is gone
        rows.append([name, "stopped" if not answer["pid"] else "no section", _lag(cursor, now), ""])
        rows += _lanes(cursor)
    return rows


def _lag(cursor: dict[str, Any], now: int) -> str:
    said = [f"lag {cursor['lag']}"]
    if cursor["lag"] and cursor["oldest"] and cursor["oldest"] <= now:  # unless the clock is not set yet
        said[0] += f" ({duration((now - cursor['oldest']) / SECOND)})"
    said += [f"{cursor[key]} {key}" for key in ("rejected", "lost") if cursor[key]]
    return ", ".join(said)


def _lanes(cursor: dict[str, Any], told: str = "") -> list[list[str]]:
    """A row for each parked lane, with its reason where that was not *told* already."""
    return [
        [
            f"  {name or '(all)'}",
            "blocked" if parked["blocked"] else "parked",
            f"from {parked['seq']}",
            "" if parked["reason"] == told else parked["reason"],
        ]
        for name, parked in cursor["lanes"].items()
    ]
