"""What the daemon relies on in every plugin, as suites to derive from."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import MISSING, fields, replace
from typing import Any

from mysense import examples, ini, options, registry, sample
from mysense.errors import RejectedError
from mysense.fields import quantity
from mysense.plugin import Plugin, Processor, Publisher, Sensor
from mysense.state import State
from mysense.telegram import SECOND, Data, Field, Ident, Note, Telegram, Value, clean
from mysense.units import unit_name
from mysense.window import STATISTICS

PATIENCE = 20.0
"""Seconds after which a sensor that gave no reading has failed."""
AT_ONCE = 1.5
"""Seconds after which a ``read`` must have come back: a second, and some for a slow machine."""
_LIBRARIES = """
import importlib, sys
before = set(sys.modules)
importlib.import_module(sys.argv[1])
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))
"""


class PluginContract:
    """What holds for every plugin. Derive from the suite of its kind, not from this."""

    kind = ""

    def make(self) -> Any:
        """A plugin as a section of MySense.conf would make it, ready to be opened. Override it."""
        raise NotImplementedError("override make: return your plugin, with options that work here")

    def test_it_says_what_it_is(self) -> None:
        cls = type(self.make())
        module = sys.modules[cls.__module__]

        assert (module.__doc__ or "").strip(), f"{cls.__module__}: begin the module with a docstring"
        doc = (cls.__doc__ or "").strip()
        assert doc, f"{cls.__qualname__}: say in a docstring what it is; 'mysense plugins' shows it"
        assert not doc.startswith(f"{cls.__name__}("), f"{cls.__qualname__}: it has no docstring of its own"

    def test_it_is_found_by_its_name(self) -> None:
        cls = type(self.make())
        found = {name: registry.find(self.kind, name) for name in registry.names(self.kind)}

        assert cls in found.values(), f"no {self.kind} has this class: is the package installed, with its entry point?"

    def test_every_option_is_explained(self) -> None:
        cls = type(self.make())

        for option in options.declared(cls).values():
            assert option.help.strip(), f"option {option.name}: say what it means"
        silent = [f.name for f in fields(cls) if f.init and "help" not in f.metadata]
        assert not silent, f"{silent}: make it an option(…), or a field(init=False) if nobody can set it"

    def test_its_sample_section_means_its_defaults(self) -> None:
        made: Plugin = self.make()
        cls, name = type(made), f"{self.kind}:sample"
        text = re.sub(r"^#(?!#)", "", "\n".join(sample.of_class(cls, name)), flags=re.MULTILINE)
        sections, mistakes = ini.read(text)
        assert not mistakes
        declared = options.declared(cls)
        required = {o.name: options.show(getattr(made, o.name)) for o in declared.values() if o.required}

        parsed = options.parse(cls, sections[name].texts | required, str)

        for option in declared.values():
            meant = getattr(made, option.name) if option.default is MISSING else option.default
            assert getattr(parsed, option.name) == meant, f"option {option.name} cannot be written as it is shown"

    def test_it_is_imported_without_the_libraries_it_needs(self) -> None:
        module = type(self.make()).__module__
        command = [sys.executable, "-c", _LIBRARIES, module]
        env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)  # noqa: S603

        assert done.returncode == 0, done.stderr
        foreign = set(done.stdout.split()) - {"mysense", module.partition(".")[0]}
        assert not foreign, (
            f"import {foreign} in open (mysense.extras.library): a kit without it must start all the same"
        )

    def test_closing_is_always_safe(self) -> None:
        plugin: Plugin = self.make()

        plugin.close()
        plugin.close()
        plugin.open()
        plugin.close()
        plugin.close()

    def test_its_check_says_one_line(self) -> None:
        said = self.make().check()

        assert said
        assert len(said.splitlines()) == 1


class SensorContract(PluginContract):
    """What the daemon relies on in a sensor."""

    kind = "sensor"

    def make(self) -> Sensor:
        """A sensor whose device is there, or is played."""
        raise NotImplementedError("override make: return your sensor, with options that work here")

    def test_it_says_what_it_measures(self) -> None:
        with self.make() as sensor:
            names = [f.name for f in sensor.measures]
            assert names, "measures names nothing"
            assert len(set(names)) == len(names), f"{names}: a name stands there twice"
            for field in sensor.measures:
                self._check_unit(field)
            assert sensor.ranges.keys() <= set(names), "ranges names what it does not measure"
            assert sensor.statistics.keys() <= set(names), "statistics names what it does not measure"
            strange = set(sensor.statistics.values()) - set(STATISTICS)
            assert not strange, f"{strange}: no statistics; those are {', '.join(STATISTICS)}"

    def _check_unit(self, field: Field) -> None:
        known = quantity(field.name)
        assert field.unit or (known and not known.unit), f"{field.name} has no unit"
        assert field.unit == unit_name(field.unit), f"{field.name}: write its unit as {unit_name(field.unit)!r}"

    def test_a_reading_holds_what_it_measures_and_nothing_else(self) -> None:
        with self.make() as sensor:
            reading = self._reading(sensor)
            strange = reading.keys() - {f.name for f in sensor.measures}
            assert not strange, f"{strange}: not in measures"
            for field in sensor.measures:
                value, known = reading.get(field.name), quantity(field.name)
                if field.name in sensor.ranges and isinstance(value, int | float):
                    least, most = sensor.ranges[field.name]
                    assert least <= value <= most, f"{field.name} = {value}: outside of its own ranges"
                elif known and known.unit == field.unit and isinstance(value, int | float):
                    assert known.plausible(value), f"{field.name} = {value} {field.unit} cannot be true"

    def test_it_reads_after_being_opened_again(self) -> None:
        sensor = self.make()
        for _ in range(2):
            with sensor:
                self._reading(sensor)

    def test_other_names_can_be_given(self) -> None:
        with self.make() as sensor:
            first, *rest = sensor.measures
            sensor.fields = ("another",)
            assert sensor.named() == (replace(first, name="another"), *rest)

    def _reading(self, sensor: Sensor) -> dict[str, Value]:
        """The first reading with a value in it; each read comes back at once."""
        end = time.monotonic() + PATIENCE
        while True:
            begun = time.monotonic()
            reading = sensor.read()
            took = time.monotonic() - begun
            assert took < AT_ONCE, f"read took {took:.1f} s: return None after a second, so that the daemon can stop"
            for name, value in (reading or {}).items():
                assert value is None or isinstance(value, Value), f"{name} is a {type(value).__name__}"
            if values := clean(reading or {}):
                return values
            assert time.monotonic() < end, f"no reading within {PATIENCE:.0f} s"


class PublisherContract(PluginContract):
    """What the daemon relies on in a publisher."""

    kind = "publisher"

    def make(self) -> Publisher:
        """A publisher whose far end is there."""
        raise NotImplementedError("override make: return your publisher, with options that work here")

    def telegrams(self) -> Sequence[Telegram]:
        """What is sent: the examples (an ident, numbers, text), a note, and data of a second node."""
        told = examples.telegrams()
        ident = Ident("Demo", "contract", fields=(Field("temp", "C"),))
        return [
            *told,
            Note(ident, 1_700_000_000 * SECOND, "up", "begun"),
            Data(ident, 1_700_000_001 * SECOND, {"temp": 0}),
        ]

    def _send(self, publisher: Publisher, batch: Sequence[Telegram]) -> None:
        failures = publisher.publish(batch) or {}
        assert not failures, f"not delivered: {failures}"

    def test_it_takes_telegrams_and_the_same_again(self) -> None:
        batch = self.telegrams()
        with self.make() as publisher:
            self._send(publisher, batch)
            self._send(publisher, batch)

    def test_it_takes_telegrams_one_by_one_and_after_being_opened_again(self) -> None:
        publisher = self.make()
        for telegram in self.telegrams():
            with publisher:
                self._send(publisher, [telegram])

    def test_it_takes_nothing(self) -> None:
        with self.make() as publisher:
            self._send(publisher, [])

    def test_what_strangers_write_is_taken_or_rejected(self) -> None:
        ident = Ident("Demo", "contract", label="\"',\n=\\", meta={"say": ("ü ✓", 'a "b"\\')})
        strange = ['"', "'", "a, b=c", "line\nbreak", "\\", "", "ü ✓", "\0", "=1+1", "x" * 5000]
        with self.make() as publisher:
            for number, text in enumerate(strange):
                data = Data(ident, (1_700_000_000 + number) * SECOND, {"say": text, text or "empty": 1, "large": 2**70})
                self._send_or_reject(publisher, data)

    def test_its_lane_is_a_text_and_failures_are_told_by_it(self) -> None:
        batch = self.telegrams()
        with self.make() as publisher:
            lanes = {publisher.lane(telegram) for telegram in batch}
            assert all(isinstance(lane, str) for lane in lanes)
            assert (publisher.publish(batch) or {}).keys() <= lanes

    def test_it_says_what_the_far_end_can_take(self) -> None:
        cls = type(self.make())

        assert cls.max_batch >= 1
        assert cls.min_interval >= 0
        assert cls.accepts_past >= 0

    def _send_or_reject(self, publisher: Publisher, telegram: Telegram) -> None:
        try:
            failures: Iterable[Exception] = (publisher.publish([telegram]) or {}).values()
        except RejectedError:
            return
        for failure in failures:
            assert isinstance(failure, RejectedError), f"{failure!r}: raise RejectedError, or deliver it"


class ProcessorContract(PluginContract):
    """What the daemon relies on in a processor."""

    kind = "processor"

    def make(self) -> Processor:
        """A processor with options that do something to ``data``."""
        raise NotImplementedError("override make: return your processor, with options that work here")

    def data(self) -> Sequence[Data]:
        """What passes: an hour of two nodes, with text, zero, and missing values among it."""
        idents = [Ident("Demo", serial, fields=(Field("temp", "C"), Field("rh", "%"))) for serial in ("k1", "k2")]
        values: list[dict[str, Value]] = [
            {"temp": 20.5, "rh": 0},
            {"temp": -3},
            {},
            {"rh": 55.5, "say": "text", "ok": True},
        ]
        return [
            Data(idents[n % 2], (1_700_000_000 + 60 * n) * SECOND, {**values[n % 4], "pm25": n / 7}) for n in range(60)
        ]

    def _run(self, processor: Processor, data: Iterable[Data]) -> list[Data]:
        result: list[Data] = []
        for one in data:
            output = processor(one)
            result += [] if output is None else [output] if isinstance(output, Data) else list(output)
        assert all(isinstance(one, Data) for one in result)
        return result

    def test_the_same_data_gives_the_same(self) -> None:
        assert self._run(self.make(), self.data()) == self._run(self.make(), self.data())

    def test_the_data_that_comes_in_stays_as_it_is(self) -> None:
        data = self.data()
        before = deepcopy([(dict(one.values), dict(one.flags)) for one in data])
        self._run(self.make(), data)

        assert [(dict(one.values), dict(one.flags)) for one in data] == before

    def test_what_it_remembers_is_in_its_state(self) -> None:
        data = self.data()
        first, second = self.make(), self.make()
        begun = self._run(first, data[:31])
        second.state = State(dict(first.state))

        assert begun + self._run(second, data[31:]) == self._run(self.make(), data)

    def test_missing_values_do_not_come_out_as_something_else(self) -> None:
        for one in self._run(self.make(), self.data()):
            assert clean(one.values) == dict(one.values), "None, NaN and infinities must be absent"
