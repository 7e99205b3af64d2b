"""What one can plug in. A plugin raises; the daemon decides what happens next.

A plugin is a module named after the device or service, with a class of a fixed name:
``Sensor``, ``Publisher``, ``Subscriber`` or ``Processor``. Its annotated attributes made by
``option`` are its options; nothing is registered anywhere. The daemon calls ``open``, then
the working verb again and again, then ``close``, all from one thread. After trouble it
calls ``close``, waits, and calls ``open`` again.

What a plugin raises, the daemon understands like this:

* ``OSError`` (a socket, a file, a serial line; ``UnavailableError``): try again later
* ``RejectedError``: this telegram will never be taken; it is set aside
* ``ImportError`` and ``ConfigError``: failed until a person mends it
* anything else is a bug: told once with its traceback, tried again slowly
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, ClassVar, NamedTuple, Self, dataclass_transform

from mysense.options import option as option
from mysense.options import seconds as seconds
from mysense.state import State
from mysense.telegram import Data, Field, Ident, Telegram, Value


@dataclass_transform(kw_only_default=True, field_specifiers=(option, field))
class Plugin(ABC):
    """Options in; then open, work, close. Every subclass becomes a keyword-only dataclass."""

    passing = False
    """Somebody only has a look, maybe beside a daemon at work: take nothing from it, and leave nothing behind."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(kw_only=True, eq=False)(cls)

    def open(self) -> None:
        """Get hold of the device or server. May be called again after ``close``."""

    def close(self) -> None:
        """Let go. Safe to call at any time, also twice, also when ``open`` failed."""

    def check(self) -> str:
        """Try whether the device or server is there; one line about it for ``mysense check``.

        Sends and changes nothing. Raises what ``open`` raises.
        """
        try:
            self.open()
        finally:
            self.close()
        return "ok"

    @property
    def log(self) -> logging.Logger:
        """The logger of this plugin: for changes that matter, never for what is also raised."""
        return logging.getLogger(type(self).__module__)

    def __enter__(self) -> Self:
        try:
            self.open()
        except BaseException:  # a connection that was half made is let go
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Found(NamedTuple):
    """A device that was seen: the options of a section for it, and what it is, for people."""

    options: Mapping[str, str]
    what: str


class Sensor(Plugin):
    """A device that measures."""

    measures: ClassVar[tuple[Field, ...]] = ()
    """What ``read`` gives, in a fixed order. A property where it depends on options."""

    deadline: ClassVar[float] = 20.0
    """Seconds after which a ``read`` that has not come back counts as stuck."""
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """The least and the most that its datasheet allows, by field, in the field's unit. What lies outside
    is doubted. For a field that is not named, what is plausible for its quantity holds (``mysense.fields``)."""
    seldom: ClassVar[str] = ""
    """Why a reading may take longer than ``mysense check`` waits, as "sends once a minute"."""
    static: ClassVar[int] = 0
    """Readings in a row with the same value that say: it hangs. 0 where that may well be true."""

    interval: float = option(10.0, "seconds between two readings", parse=seconds)
    fields: tuple[str, ...] = option((), "other names for what it measures, in its order")

    @abstractmethod
    def read(self) -> Mapping[str, Value | None] | None:
        """One reading by field name, or None when there is none yet.

        Blocks for a second at most, so that the daemon can stop. A missing value is None
        or absent. Raises OSError when the device is gone.
        """

    @classmethod
    def found(cls) -> Iterable[Found]:
        """The devices of this kind that can be seen from here without disturbing anybody, in a few seconds."""
        return ()

    def named(self) -> tuple[Field, ...]:
        """What it measures, under the names that option ``fields`` gives."""
        names = [*self.fields, *(f.name for f in self.measures[len(self.fields) :])]
        return tuple(replace(f, name=name) for f, name in zip(self.measures, names, strict=False))

    def renamed(self, name: str) -> str:
        """What option ``fields`` calls one of its fields; where it says nothing, the field's own name."""
        pairs = zip(self.measures, self.named(), strict=False)
        return next((field.name for own, field in pairs if own.name == name), name)


class Refusal(NamedTuple):
    """Something that came in and is no telegram: where from, what it begins with, why, and its bytes in all."""

    origin: str
    content: bytes
    reason: str
    size: int


class Publisher(Plugin):
    """The end of a channel that sends telegrams on."""

    accepts_past: ClassVar[float] = inf
    """How old, in seconds, data may be that the far end takes with its own time; 0: only now."""
    min_interval: ClassVar[float] = 0.0
    """Seconds that the far end wants between two publishes."""
    max_batch: ClassVar[int] = 1000
    """The most telegrams that one ``publish`` is given."""
    idempotent: ClassVar[bool] = True
    """Whether a telegram that is sent twice is there once."""
    accepts_raw: ClassVar[bool] = False
    """Whether it knows what to do with single readings (``Data.raw``): others are not given any."""
    accepts_text: ClassVar[bool] = True
    """Whether the far end takes values that are text."""
    signs: ClassVar[bool] = False
    """Whether telegrams that were taken in say that they came through here: then no ring of relays
    can carry them round and round."""

    state: State = field(init=False, repr=False, default_factory=State)
    """Committed with the cursor. Change it only for what has been delivered."""
    own: Ident | None = field(init=False, repr=False, default=None)
    """This kit's ident, where it measures itself."""
    skipped: int = field(init=False, repr=False, default=0)
    """Telegrams passed over because the far end keeps nothing so old."""

    def lane(self, telegram: Telegram) -> str:
        """What can fail alone: the database, the topic of *telegram*. One lane by default."""
        return ""

    @abstractmethod
    def publish(self, batch: Sequence[Telegram]) -> Mapping[str, Exception] | None:
        """Deliver all of *batch*, in order. Returning means: it is safe over there.

        A publisher with lanes returns what went wrong by lane (UnavailableError or
        RejectedError); the other lanes are delivered then. Raising means that the whole
        batch comes again.
        """

    def idle(self) -> None:
        """There was nothing to publish for about a second: keep a lasting connection alive.

        Raises OSError when it is gone, so that it is made again before something has to be sent.
        """


class Subscriber(Plugin):
    """The end of a channel that takes telegrams in.

    What it changes in ``position`` and ``state`` is committed with the telegrams that
    ``receive`` gives. When they cannot be journalled, both are put back to what is on disk
    before ``open`` is called again: take up from there, and the telegrams come again. What came
    in and is no telegram goes into ``refusals``; it is set aside, counted, and confirmed.
    """

    position: str = field(init=False, default="")
    """Where to go on upstream after a restart, where one text says it."""
    state: State = field(init=False, repr=False, default_factory=State)
    """The same by key, where there are many places to go on from; only what changed is written."""
    pause: float = field(init=False, default=0.0)
    """Seconds after which it makes sense to receive again; set it where a source has to be asked."""
    refusals: list[Refusal] = field(init=False, repr=False, default_factory=list)
    """What ``receive`` found to be no telegram; whoever called it takes them out."""

    @abstractmethod
    def receive(self) -> Sequence[Telegram]:
        """The telegrams that came in, none if there are none; blocks for a second at most."""

    def confirm(self) -> None:
        """What ``receive`` returned last is in the journal now: acknowledge it upstream."""


class Processor(Plugin):
    """A step that data takes on its way, named by a verb.

    It never reads a clock: the same data meets the same state and gives the same output,
    also when history is replayed.
    """

    state: State = field(init=False, repr=False, default_factory=State)
    """What it remembers, by node; committed with the telegrams or with the cursor."""

    @abstractmethod
    def __call__(self, data: Data) -> Data | Iterable[Data] | None:
        """The data to go on with, several, or None to drop it."""
