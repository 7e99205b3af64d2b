"""What a process and its children take, seen from outside, through /proc."""

import os
from pathlib import Path
from typing import NamedTuple, Self

TICK = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """CPU seconds used and bytes written to disk so far."""

    cpu: float
    written: int

    def since(self, before: Self) -> "Usage":
        """What came after *before*."""
        return Usage(self.cpu - before.cpu, self.written - before.written)


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    below = [child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    return [pid, *(each for child in below for each in tree(int(child)))]


def usage(pid: int) -> Usage:
    """What a process and those below it have used; the CPU also of those that have ended."""
    ticks = written = 0
    for each in tree(pid):
        ticks += sum(map(int, Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:15]))
        written += int(Path(f"/proc/{each}/io").read_text().split("\nwrite_bytes: ")[1].split()[0])
    return Usage(ticks / TICK, written)


def memory(pid: int, what: str) -> float:
    """MB of a process and those below it: VmRSS is now, VmHWM was the most."""
    return sum(
        int(Path(f"/proc/{each}/status").read_text().split(f"\n{what}:")[1].split()[0]) / 1024 for each in tree(pid)
    )
