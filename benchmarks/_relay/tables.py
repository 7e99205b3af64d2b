"""The tables of the relay benchmark, in Markdown, and the line that says where they were made."""

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks._relay import nodered
from benchmarks._relay.runs import Carried, Kept
from mysense import __version__

PROCESSES = ("relay", "broker", "influxd")


def rates(title: str, found: Mapping[str, Sequence[Carried]], count: int) -> str:
    """What carrying the backlog took, each relay a line: medians of the rounds, of the rate also the extremes."""
    head = [title, "telegrams/s", "CPU µs: relay", "broker", "influxd", "MB at rest", "at most", "afterwards",
            "bytes to disk: relay", "broker", "influxd", "lost"]  # fmt: skip
    rows = []
    for name, runs in found.items():
        row = [name, _spread([run.rate for run in runs])]
        row += [f"{median(run.cpu[each] for run in runs):.1f}" for each in PROCESSES]
        row += [f"{median(values):.0f}" for values in zip(*((r.resting, r.peak, r.after) for r in runs), strict=True)]
        row += [f"{median(run.written[each] for run in runs):,.0f}" for each in PROCESSES]
        rows.append([*row, f"{max(count - run.stored for run in runs):,}"])
    return _table(head, rows)


def ratios(title: str, found: Mapping[str, Sequence[Carried]]) -> str:
    """How many times as fast as each of the others every mysense was, within the same round."""
    lines = []
    for ours in (name for name in found if name.startswith("mysense")):
        for other in (name for name in found if not name.startswith("mysense")):
            times = [ours.rate / theirs.rate for ours, theirs in zip(found[ours], found[other], strict=True)]
            spread = f" ({min(times):.2f} to {max(times):.2f})" if len(times) > 1 else ""
            lines.append(f"* {title}: {ours} is {median(times):.2f} times as fast as {other}{spread}")
    return "\n".join(lines)


def losses(found: Mapping[str, Mapping[str, Kept]]) -> str:
    """What was lost and doubled, a column for each case."""
    cases = list(dict.fromkeys(case for kept in found.values() for case in kept))
    return _table(["lost", *cases], [[name, *(_lost(kept[case]) for case in cases)] for name, kept in found.items()])


def place(influxd: str) -> str:
    """Machine, versions and date; *influxd* is the version of the server."""
    names = (line.split(":")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    said = [
        f"{os.cpu_count()} cores ({next(names, platform.machine()).strip()})",
        platform.freedesktop_os_release()["PRETTY_NAME"], f"Python {platform.python_version()}",
        f"mysense {__version__}", f"paho-mqtt {version('paho-mqtt')}", f"influxdb {version('influxdb')}",
        f"mosquitto {_said('mosquitto', '-h').split()[2]}", f"influxd {influxd}",
    ]  # fmt: skip
    if not nodered.missing():
        said += [f"node {_said('node', '--version')}", *(" ".join(pair) for pair in nodered.VERSIONS.items())]
    return f"{', '.join(said)}; {time.strftime('%d %B %Y').lstrip('0')}"


def _said(program: str, option: str) -> str:
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    assert path
    return subprocess.run([path, option], capture_output=True, text=True).stdout.splitlines()[0]


def _lost(kept: Kept) -> str:
    lost = kept.sent - kept.stored
    doubled = "" if kept.doubled is None else f", {kept.doubled:,} doubled"
    return f"{lost:,}{f' ({100 * lost / kept.sent:.0f} %)' if lost else ''}{doubled}"


def _spread(values: Sequence[float]) -> str:
    extremes = f" ({min(values):,.0f} to {max(values):,.0f})" if len(values) > 1 else ""
    return f"{median(values):,.0f}{extremes}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
