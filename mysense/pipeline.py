"""Processors in a row, with their state kept under one roof."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from mysense.options import declared, show
from mysense.plugin import Processor
from mysense.state import State
from mysense.telegram import Data, Telegram


class Pipeline:
    """The processors of one end: telegrams in, telegrams out.

    Each processor's state lies in *kept* under its section and a hash of its options, so
    that one whose options were changed starts empty.
    """

    def __init__(self, steps: Sequence[tuple[str, Processor]], kept: dict[str, str]) -> None:
        self.steps = [(f"{section}#{_hash(step)}/", step) for section, step in steps]
        for prefix, step in self.steps:
            step.state = State({k.removeprefix(prefix): v for k, v in kept.items() if k.startswith(prefix)})

    def __call__(self, telegram: Telegram) -> Sequence[Telegram]:
        """What comes out for one telegram; idents, notes and single readings pass unchanged."""
        if not self.steps or not isinstance(telegram, Data) or telegram.raw:
            return (telegram,)
        data: list[Data] = [telegram]
        for _, step in self.steps:
            data = [out for one in data for out in _several(step(one))]
        return data

    @property
    def remembers(self) -> bool:
        """Whether what comes out depends on what went before."""
        return any(len(step.state) for _, step in self.steps)

    def take_changes(self) -> dict[str, str | None]:
        """The state that changed since the last call."""
        return {prefix + k: v for prefix, step in self.steps for k, v in step.state.take_changes().items()}


def _several(output: Data | Iterable[Data] | None) -> Iterable[Data]:
    if output is None:
        return ()
    return (output,) if isinstance(output, Data) else output


def _hash(step: Processor) -> str:
    said = [(name, show(getattr(step, name))) for name in declared(type(step))]
    return blake2b(repr(said).encode(), digest_size=4).hexdigest()
