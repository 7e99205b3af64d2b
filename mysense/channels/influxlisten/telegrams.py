"""Points as telegrams, under the idents that their nodes have told."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mysense import wire
from mysense.channels._influx import points
from mysense.channels._influx.points import INFO, STATION, Known, Node
from mysense.channels._influx.protocol import Point, Series
from mysense.channels.influxlisten.idents import Idents
from mysense.state import State
from mysense.telegram import Data, Telegram
from mysense.wire import JsonValues

_CACHED = 10_000
_NAMES = ("label", "geolocation", "new", "project", "serial", "measurement")


@dataclass(slots=True)
class _Source:
    """Where the points of a series come from, and what its tags add to each of them under an ident."""

    node: Node
    tags: Mapping[str, str]
    known: Known | None = None
    added: str = ""
    names: tuple[str, ...] = ()


class Telegrams:
    """Makes telegrams; remembers whose a series is, and in *state* what the nodes told."""

    def __init__(self, state: State) -> None:
        self._idents = Idents(state)
        self._sources: dict[tuple[str, Series], _Source] = {}

    def of(self, database: str, given: Iterable[Point]) -> Iterator[Telegram]:
        """The telegrams of points that were written into a database, in their order."""
        for point in given:
            source = self._sources.get((database, point.series)) or self._source(database, point.series)
            known = self._idents.at(source.node, point.time)
            telegram: Telegram | None = None
            if point.fields.__class__ is JsonValues:
                telegram = self._plain(source, known, point)
            if telegram is None:
                telegram = self._telegram(source, known, point)
            if telegram is not None:
                yield telegram

    def _source(self, database: str, series: Series) -> _Source:
        tag = points.naming(database, series.measurement, series.tags)
        tags = {name: value for name, value in series.tags.items() if name != tag}
        source = _Source(points.node(database, series.measurement, series.tags), tags)
        if series.remembered:
            if len(self._sources) >= _CACHED:  # names of strangers must not fill the memory
                self._sources.clear()
            self._sources[database, series] = source
        return source

    def _plain(self, source: _Source, known: Known, point: Point) -> Data | None:
        """The data of a point whose fields can stay text; None where a rule must look at them."""
        measurement, tags = point.series.measurement, source.tags
        if measurement in (INFO, STATION) or known.legacy:
            return None
        if source.known is not known:
            made = points.data(known, 0, measurement, tags)
            added = dict(made.values) if made else {}
            source.added = f",{wire.encode_values(added)[1:-1]}" if added else ""
            source.names = tuple(f'"{name}"' for name in {*_NAMES, *tags, *added})
            source.known = known
        text: str = point.fields.text  # type: ignore[attr-defined]
        for name in source.names:
            if name in text:
                return None
        return Data(
            known.ident, point.time, JsonValues(f"{text[:-1]}{source.added}}}") if source.added else point.fields
        )

    def _telegram(self, source: _Source, known: Known, point: Point) -> Telegram | None:
        measurement, said, node = point.series.measurement, point.fields, source.node
        whole = {**said, **{tag: value for tag, value in source.tags.items() if tag not in said}}
        if measurement == INFO:
            told = points.told(whole, node, point.time)
            return told.ident if told and self._idents.told(node, told) else None
        if measurement == STATION and (note := points.note(known, point.time, whole)):
            return note
        return points.data(known, point.time, measurement, whole)
