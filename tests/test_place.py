"""A kit that moves says where it is as data; after half an hour at a new place its ident does."""

import json

import pytest

from mysense.errors import UnavailableError
from mysense.journal.memory import MemoryJournal
from mysense.node import SOURCE, Node
from mysense.place import GAP, RADIUS, Place, distance
from mysense.plugin import Sensor
from mysense.telegram import Data, Field, Ident, Location, Note
from mysense.testing import ManualClock

HOME = Location(51.5, 6.1, 20.0)
STEP = 60.0
METRE = 1 / 111_195  # degrees to the north


def at(metres, **more):
    """The values of a telegram from so many metres north of home."""
    return {"lat": HOME.lat + metres * METRE, "lon": HOME.lon, "alt": 22.0, "temp": 20.0, **more}


@pytest.fixture
def clock():
    return ManualClock()


class Trip:
    """A place that is followed, minute by minute, and may be restarted."""

    def __init__(self, clock, location=HOME, interval=STEP):
        self.clock, self.configured, self.interval, self.kept = clock, location, interval, ""
        self.restart()

    def restart(self, location=...):
        self.configured = self.configured if location is ... else location
        self.place = Place(self.configured, self.interval, self.clock, self.kept)

    def go(self, values, minutes=1.0):
        """The same position for a while; what the last telegram says, and what was told."""
        told = []
        for _ in range(round(minutes * 60 / self.interval)):
            self.clock.advance(self.interval)
            said, moved = self.place.follow(values)
            told += [moved] if moved else []
            state = self.place.unsaved()
            self.kept = state.get("place", self.kept)
            self.place.saved(state)
        return said, told


@pytest.fixture
def trip(clock):
    return Trip(clock)


def test_at_home_the_ident_says_where_and_data_does_not(trip):
    said, told = trip.go(at(RADIUS - 1), 120)

    assert (said, told) == ({"temp": 20.0}, [])
    assert trip.place.location == HOME
    assert trip.kept == ""  # nothing to write, for years


def test_on_the_way_data_says_where(trip):
    for minute in range(90):
        values = at(100 * minute + 100)
        assert trip.go(values) == (values, [])

    assert trip.place.location == HOME


def test_after_half_an_hour_at_a_new_place_the_ident_moves_there_once(trip):
    values = at(1000)
    assert trip.go(values, 30) == (values, [])
    assert trip.place.location == HOME

    said, [told] = trip.go(values)

    assert said == {"temp": 20.0}
    assert distance(trip.place.location, Location(values["lat"], values["lon"])) < 0.2
    assert trip.place.location.alt == 22.0
    assert told == f"the kit is at {trip.place.location} now, 1.0 km from where it was"
    assert trip.go(at(1030), 120) == ({"temp": 20.0}, [])


def test_the_new_place_is_the_mean_of_where_it_was(trip):
    for minute in range(31):
        trip.go(at(1000 + (20 if minute % 2 else -20)))

    assert distance(trip.place.location, Location(HOME.lat + 1000 * METRE, HOME.lon)) < 1


def test_a_fix_without_height_says_nothing_of_the_height(trip):
    flat = {name: value for name, value in at(1000).items() if name != "alt"}
    for minute in range(31):
        trip.go(at(1000, alt=480.0) if minute % 3 == 1 else flat)

    assert trip.place.location.alt == 480.0


def test_one_that_never_has_a_height_keeps_the_one_that_was_written(trip):
    trip.go({name: value for name, value in at(1000).items() if name != "alt"}, 31)

    assert trip.place.location.alt == HOME.alt


def test_who_moves_on_within_the_half_hour_begins_anew(trip):
    trip.go(at(1000), 29)
    trip.go(at(2000), 29)
    trip.go(at(0), 1)
    trip.go(at(2000), 29)

    assert trip.place.location == HOME


def test_a_kit_that_creeps_has_no_place(trip):
    for minute in range(300):
        said, told = trip.go(at(200 + 10 * minute))
        assert told == []
        assert "lat" in said


def test_a_kit_without_a_place_gets_its_first_the_same_way(clock):
    trip = Trip(clock, None)
    said, told = trip.go(at(0), 30)
    assert "lat" in said
    assert told == []

    _, [told] = trip.go(at(0))

    assert told == f"the kit is at {trip.place.location} now"


@pytest.mark.parametrize("minutes", [1, 15, 29])
def test_a_restart_in_the_middle_costs_nothing(trip, minutes):
    trip.go(at(1000), minutes)
    trip.restart()
    _, told = trip.go(at(1000), 30 - minutes)
    assert told == []

    _, told = trip.go(at(1000))

    assert len(told) == 1


def test_the_place_is_kept_over_restarts(trip):
    trip.go(at(1000), 31)
    there = trip.place.location
    trip.restart()

    assert trip.place.location == there != HOME
    assert trip.go(at(1000)) == ({"temp": 20.0}, [])


def test_a_location_that_is_written_anew_counts(trip):
    trip.go(at(1000), 31)
    written = Location(52.0, 5.0)

    trip.restart(written)

    assert trip.place.location == written
    assert "lat" in trip.go(at(1000))[0]


def test_a_clock_that_is_set_makes_no_half_hour(trip, clock):
    trip.go(at(1000), 5)
    clock.set(1_900_000_000)
    _, told = trip.go(at(1000), 25)

    assert told == []


def test_the_time_that_a_machine_was_off_does_not_count(trip, clock):
    trip.go(at(1000), 20)
    clock.advance(8 * 3600)
    clock.reboot(1_600_000_000)
    trip.restart()
    _, told = trip.go(at(1000), 10)
    assert told == []

    _, told = trip.go(at(1000), 2)

    assert len(told) == 1


def test_what_nobody_saw_does_not_count(trip, clock):
    trip.go(at(1000), 20)
    trip.clock.advance(GAP + 1)
    _, told = trip.go(at(1000), 10)

    assert told == []


def test_telegrams_that_come_seldom_count_all_the_same(clock):
    trip = Trip(clock, interval=1200)
    _, told = trip.go(at(1000), 80)

    assert len(told) == 1


@pytest.mark.parametrize(
    "values",
    [
        {}, {"temp": 20.0}, {"lat": 51.6}, {"lon": 6.1}, {"lat": "51.6", "lon": "6.1"}, {"lat": 91.0, "lon": 6.1},
        {"lat": 51.6, "lon": 181}, {"fix": 0, "sats": 0},
    ],
)  # fmt: skip
def test_without_a_position_nothing_changes(trip, values):
    trip.go(at(1000), 10)

    assert trip.go(values, 60) == (values, [])
    assert trip.place.location == HOME


def test_a_position_without_a_height_will_do(clock):
    trip = Trip(clock, None)
    trip.go({"lat": 51.5, "lon": 6.1}, 31)

    assert trip.place.location == Location(51.5, 6.1, 0.0)


def test_places_at_the_date_line_are_near_one_another(clock):
    trip = Trip(clock, Location(0.0, 179.9999))
    said, _ = trip.go({"lat": 0.0, "lon": -179.9999})

    assert said == {}


def test_what_is_kept_is_small(trip):
    trip.go(at(1000), 31)
    trip.go(at(3000), 3)

    assert len(trip.kept) < 400
    assert json.loads(trip.kept)["here"]


class Gps(Sensor):
    """A receiver that a test moves."""

    measures = (Field("lat", "degrees"), Field("lon", "degrees"), Field("alt", "m"), Field("temp", "C"))

    def read(self):
        return None


def test_the_node_moves_its_ident_and_tells_it(clock):
    journal = MemoryJournal()
    ident = Ident("Test", "k1", geolocation=HOME)

    def start():
        return Node(ident, {"sensor:gps": Gps()}, STEP, journal, clock, trusted=True)

    node, begun = start(), []
    for minute in range(40):
        node.give("sensor:gps", at(0 if minute < 2 else 1000))
        clock.advance(STEP)
        node._work()
        begun.append(node.ident().geolocation)
        if minute in (10, 20, 36):
            node = start()  # killed, and started again

    telegrams = [telegram for _, telegram in journal.read(0, 1000)]
    data = [t for t in telegrams if isinstance(t, Data)]
    assert len(data) == 40
    assert all("lat" not in d.values for d in [*data[:2], *data[32:]])
    assert all(d.values["lat"] == pytest.approx(HOME.lat + 1000 * METRE) for d in data[2:32])
    assert {d.ident.geolocation for d in data[:32]} == {HOME}
    [there] = {d.ident.geolocation for d in data[32:]}
    assert distance(there, Location(HOME.lat + 1000 * METRE, HOME.lon)) < 0.2
    assert [t.kind for t in telegrams if isinstance(t, Note) and t.kind == "moved"] == ["moved"]


def positions_of(journal):
    return [dict(t.values) for _, t in journal.read(0, 1000) if isinstance(t, Data)]


@pytest.mark.parametrize(
    ("sections", "options"),
    [
        (["sensor:gps:front", "sensor:gps:rear"], {}),
        (["sensor:gps", "sensor:gps:rear"], {}),
        (["sensor:gps"], {"fields": ("breedte", "lengte", "hoogte")}),
        (["sensor:gps"], {"fields": ("latitude", "longitude")}),
    ],
)
def test_whatever_the_fields_of_receivers_are_called_the_ident_moves_once(clock, sections, options):
    journal = MemoryJournal()
    sensors = {section: Gps(**options) for section in sections}
    node = Node(Ident("Test", "k1", geolocation=HOME), sensors, STEP, journal, clock, trusted=True)
    for _ in range(40):
        for number, section in enumerate(sections):
            node.give(section, at(1000 + 5 * number))
        clock.advance(STEP)
        node._work()

    said = positions_of(journal)
    assert len(said[0]) == 4 * len(sections)
    assert len(said[-1]) == len(sections)  # the temperatures
    assert distance(node.ident().geolocation, Location(HOME.lat + 1000 * METRE, HOME.lon)) < 0.2
    assert node.ident().geolocation.alt == 22.0
    assert [t.kind for _, t in journal.read(0, 1000) if isinstance(t, Note)].count("moved") == 1


def test_a_second_receiver_counts_while_the_first_knows_nothing_and_one_that_is_elsewhere_says_so(clock):
    place = Place(HOME, STEP, clock)
    receivers = [("lat_a", "lon_a", "alt_a"), ("lat_b", "lon_b")]
    near = {"lat_a": HOME.lat, "lon_a": HOME.lon, "alt_a": 20.0}
    far = {"lat_b": HOME.lat + 1, "lon_b": HOME.lon}

    assert place.follow({**near, **far, "temp": 1.0}, receivers) == ({**far, "temp": 1.0}, "")
    assert place.follow({"alt_a": 1.0, "temp": 1.0}, receivers) == ({"alt_a": 1.0, "temp": 1.0}, "")
    for _ in range(31):
        clock.advance(STEP)
        values, moved = place.follow(far, receivers)
    assert (values, bool(moved)) == ({}, True)
    assert place.follow({**near, **far}, receivers) == (near, "")


def test_a_height_alone_is_no_place(clock):
    class Barometer(Gps):
        """Tells a height, from the air pressure."""

        measures = (Field("temp", "C"), Field("alt", "m"))

    journal = MemoryJournal()
    node = Node(Ident("Test", "k1", geolocation=HOME), {"sensor:p": Barometer()}, STEP, journal, clock, trusted=True)
    node.give("sensor:p", {"temp": 20.0, "alt": 22.0})
    clock.advance(STEP)
    node._work()

    assert positions_of(journal) == [{"temp": 20.0, "alt": 22.0}]


def test_a_journal_that_cannot_be_written_for_a_while_loses_no_place(clock, monkeypatch):
    journal = MemoryJournal()
    node = Node(Ident("Test", "k1"), {"sensor:gps": Gps()}, STEP, journal, clock, trusted=True)
    append = journal.append

    def full(*args, **kwargs):
        raise UnavailableError("the disk is full")

    for minute in range(35):
        monkeypatch.setattr(journal, "append", full if 25 < minute < 33 else append)
        node.give("sensor:gps", at(0))
        clock.advance(STEP)
        node._work()

    assert "here" in json.loads(journal.state(SOURCE)["place"])
