"""The contract suites themselves: each promise that a plugin breaks is noticed."""

import threading

import pytest

from mysense.plugin import Processor, Publisher, Sensor, option
from mysense.telegram import Data, Field
from mysense.testing import ProcessorContract, PublisherContract, SensorContract


class Good(Sensor):
    """Counts."""

    measures = (Field("temp", "C"),)
    first: int = option(1, "where to begin")

    def read(self):
        return {"temp": self.first}


class Silent(Good):
    def read(self):
        return {"temp": 1}


class Unexplained(Good):
    """Has an option without a word."""

    more: int = option(1)


class NoOption(Good):
    """Has a field that nobody can set."""

    more: int = 1


class Unwritable(Good):
    """Has a default that cannot be written down."""

    more: complex = option(1j, "a number", parse=float)


class Unclosable(Good):
    """Cannot be closed before it was open."""

    def close(self):
        del self._port

    def open(self):
        self._port = 1


class Nothing(Good):
    """Measures nothing."""

    measures = ()


class Twice(Good):
    """Measures the same twice."""

    measures = (Field("temp", "C"), Field("temp", "C"))


class Unitless(Good):
    """Has no unit."""

    measures = (Field("temp"),)


class OldUnit(Good):
    """Writes its unit as nobody else does."""

    measures = (Field("temp", "oC"),)


class Strange(Good):
    """Reads what it does not measure."""

    def read(self):
        return {"rh": 5}


class Listed(Good):
    """Reads what is no value."""

    def read(self):
        return {"temp": [1]}


class Pascal(Good):
    """Takes Pa for hPa."""

    measures = (Field("hpa", "hPa"),)

    def read(self):
        return {"hpa": 101325.0}


class Slow(Good):
    """Takes its time."""

    def read(self):
        threading.Event().wait(1.6)
        return {"temp": 1}


class Once(Good):
    """Is for single use."""

    def open(self):
        if vars(self).setdefault("_used", False):
            raise OSError("used up")

    def close(self):
        self._used = "_used" in vars(self)


class Deaf(Publisher):
    """Takes nothing."""

    def publish(self, batch):
        raise OSError("no")


class Fussy(Publisher):
    """Trips over what strangers write."""

    def publish(self, batch):
        for telegram in batch:
            if isinstance(telegram, Data) and "say" in telegram.values:
                telegram.values["say"].encode("ascii")


class Astray(Publisher):
    """Tells failures of a lane that is not its own."""

    def publish(self, batch):
        return {"another": OSError("no")} if batch else None


class Forgetful(Processor):
    """Remembers beside its state."""

    def __call__(self, data):
        self._count = vars(self).get("_count", 0) + 1
        return Data(data.ident, data.time, {"n": self._count})


class Careless(Processor):
    """Changes what it is given."""

    def __call__(self, data):
        data.values["n"] = 1
        return data


class Empty(Processor):
    """Gives None for a value."""

    def __call__(self, data):
        return Data(data.ident, data.time, {"n": None})


BROKEN = [
    (Silent, "it_says_what_it_is"),
    (Good, "it_is_found_by_its_name"),
    (Good, "it_is_imported_without_the_libraries_it_needs"),  # this module imports pytest
    (Unexplained, "every_option_is_explained"),
    (NoOption, "every_option_is_explained"),
    (Unwritable, "its_sample_section_means_its_defaults"),
    (Unclosable, "closing_is_always_safe"),
    (Nothing, "it_says_what_it_measures"),
    (Twice, "it_says_what_it_measures"),
    (Unitless, "it_says_what_it_measures"),
    (OldUnit, "it_says_what_it_measures"),
    (Strange, "a_reading_holds_what_it_measures_and_nothing_else"),
    (Listed, "a_reading_holds_what_it_measures_and_nothing_else"),
    (Pascal, "a_reading_holds_what_it_measures_and_nothing_else"),
    (Slow, "it_reads_after_being_opened_again"),
    (Once, "it_reads_after_being_opened_again"),
    (Deaf, "it_takes_telegrams_and_the_same_again"),
    (Deaf, "it_takes_telegrams_one_by_one_and_after_being_opened_again"),
    (Fussy, "what_strangers_write_is_taken_or_rejected"),
    (Astray, "its_lane_is_a_text_and_failures_are_told_by_it"),
    (Forgetful, "what_it_remembers_is_in_its_state"),
    (Careless, "the_data_that_comes_in_stays_as_it_is"),
    (Empty, "missing_values_do_not_come_out_as_something_else"),
]


def suite(plugin):
    contract = {Sensor: SensorContract, Publisher: PublisherContract, Processor: ProcessorContract}
    [base] = [contract[kind] for kind in contract if issubclass(plugin, kind)]
    return type("Suite", (base,), {"make": lambda self: plugin()})()


@pytest.mark.parametrize(("plugin", "promise"), BROKEN, ids=[f"{plugin.__name__}-{why}" for plugin, why in BROKEN])
def test_a_broken_promise_is_noticed(plugin, promise):
    with pytest.raises(Exception) as broken:
        getattr(suite(plugin), f"test_{promise}")()

    assert not isinstance(broken.value, AttributeError) or plugin is Unclosable


def test_a_plugin_that_keeps_its_promises_passes():
    good = suite(Good)
    broken = {f"test_{promise}" for plugin, promise in BROKEN if plugin is Good}
    for name in dir(good):
        if name.startswith("test_") and name not in broken:
            getattr(good, name)()


def test_a_suite_asks_for_make():
    for contract in (SensorContract, PublisherContract, ProcessorContract):
        with pytest.raises(NotImplementedError, match="override make"):
            contract().make()
