"""What a changed MySense.conf means for a daemon that runs: some of it now, the rest at its next start."""

from dataclasses import fields, replace

from mysense.settings import Settings

_LATER = {"id": "identity", "daemon": "daemon", "journal": "journal"}
"""The core's sections that everything else rests on: who the kit is, how often it reports, where it keeps that."""


def later(running: Settings, new: Settings) -> list[str]:
    """A sentence about each change that counts only after a restart."""
    told = []
    for section, name in _LATER.items():
        before, after = getattr(running, name), getattr(new, name)
        for option in fields(before):
            if getattr(before, option.name) != getattr(after, option.name):
                said = "[meta]" if option.name == "extra" else f"[{section}] {option.name}"
                told.append(f"{said} has changed: that counts after a restart")
    if running.intake_said != new.intake_said and running.daemon.processors == new.daemon.processors:
        told.append("a processor that [daemon] names has changed: that counts after a restart")
    if running.logging.file != new.logging.file:
        told.append("[logging] file has changed: that counts after a restart")
    return told


def now(running: Settings, new: Settings) -> Settings:
    """The new settings, but for what has to wait."""
    kept = {name: getattr(running, name) for name in (*_LATER.values(), "intake", "intake_said")}
    return replace(new, **kept, logging=replace(new.logging, file=running.logging.file))
