"""The bytes of MySense kits, port by port: what an encoder of our own wrote comes out again, and nothing else."""

import struct
from contextlib import suppress

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense.channels.ttn import ports
from mysense.channels.ttn.kit import About, Event, Reading
from mysense.telegram import Location


class Kit:
    """Bytes as the firmware of a kit writes them: flags, dust, and whatever it has been given."""

    def __init__(self, port=4):
        self.port, self.flags, self.parts = port, 0x80, {"dust": struct.pack(">HH", 52, 87)}

    def add(self, flag, name, layout, *numbers):
        self.flags |= flag
        self.parts[name] = struct.pack(f">{layout}", *numbers)
        return self

    def pm1(self, pm1=31, pm25=52, pm10=87):
        return self.add(0x01, "dust", "HHH", pm1, pm25, pm10)

    def counts(self, *numbers):
        return self.add(0x02, "counts", "6H" if self.port == 4 else "HHHBBB", *numbers)

    def weather(self, temp=507, rh=687, hpa=1019):
        return self.add(0, "weather", "HHH", temp, rh, hpa)

    def gas(self, kohm=169, aqi=299):
        return self.add(0x04, "gas", "HH", kohm, aqi)

    def gps(self, lat=5154046, lon=585306, alt=313):
        return self.add(0x08, "gps", "iii", lat, lon, alt)

    def wind(self, fifths=17, half=False, thirds=40):
        return self.add(0x10, "wind", "BB", fifths, half << 7 | thirds)

    def supply(self, tenths=124):
        return self.add(0x20, "supply", "B", tenths)

    @property
    def payload(self):
        order = ("dust", "counts", "weather", "gas", "gps", "wind", "supply")
        return bytes([self.flags]) + b"".join(self.parts[name] for name in order if name in self.parts)

    def read(self):
        said = ports.read(self.port, self.payload)
        assert isinstance(said, Reading)
        return said


DUST = {"pm25": 5.2, "pm10": 8.7}
WEATHER = {"temp": 20.7, "rh": 68.7, "hpa": 1019}


@pytest.mark.parametrize("port", [2, 4])
def test_dust_and_weather_need_no_flags(port):
    assert Kit(port).read().values == DUST
    assert Kit(port).weather().read().values == DUST | WEATHER


@pytest.mark.parametrize("port", [2, 4])
@pytest.mark.parametrize(
    ("add", "values"),
    [
        (Kit.pm1, {"pm1": 3.1}),
        (Kit.gas, {"gas": 169, "aqi": 29.9}),
        (Kit.gps, {"lat": 51.54046, "lon": 5.85306, "alt": 31.3}),
        (Kit.wind, {"ws": 3.4, "wd": 120}),
        (Kit.supply, {"volt": 12.4}),
    ],
)
def test_each_flag_adds_what_it_means(port, add, values):
    assert add(Kit(port).weather()).read().values == DUST | WEATHER | values


def test_all_flags_together_keep_their_order():
    kit = Kit().pm1().counts(3, 1203, 900, 400, 9, 2000).weather().gas().gps().wind().supply()

    assert list(kit.read().values) == [
        "pm1", "pm25", "pm10", "pm03_cnt", "pm05_cnt", "pm1_cnt", "pm25_cnt", "pm5_cnt", "pm10_cnt",
        "temp", "rh", "hpa", "gas", "aqi", "lat", "lon", "alt", "ws", "wd", "volt",
    ]  # fmt: skip


def test_counts_of_port_4_are_tenths_from_the_smallest_size_on():
    values = Kit().counts(3, 1203, 900, 400, 9, 2000).read().values

    assert values == DUST | {
        "pm03_cnt": 200.0, "pm05_cnt": 120.3, "pm1_cnt": 90.0, "pm25_cnt": 40.0, "pm5_cnt": 0.9, "pm10_cnt": 0.3,
    }  # fmt: skip


def test_counts_by_class_are_added_up():
    values = Kit().counts(0x8000 | 3, 1203, 411, 122, 9, 46).read().values

    assert values == DUST | {
        "pm05_cnt": 120.3, "pm1_cnt": 161.4, "pm25_cnt": 173.6, "pm5_cnt": 174.5, "pm10_cnt": 174.8, "grain": 0.46,
    }  # fmt: skip


def test_an_sps30_says_so_and_counts_to_4_micrometres():
    said = Kit().counts(0x8000 | 3, 1203, 0x8000 | 411, 122, 9, 46).read()

    assert said.dust == "SPS30"
    assert said.values["pm4_cnt"] == 174.5
    assert "pm5_cnt" not in said.values


def test_counts_of_port_2_have_small_large_classes():
    assert Kit(2).counts(2000, 1203, 900, 40, 9, 3).read().values == DUST | {
        "pm03_cnt": 200.0, "pm05_cnt": 120.3, "pm1_cnt": 90.0, "pm25_cnt": 4.0, "pm5_cnt": 0.9, "pm10_cnt": 0.3,
    }  # fmt: skip


@pytest.mark.parametrize("port", [2, 4])
def test_no_counts_at_all_are_missing_but_none_of_a_class_are_none(port):
    assert Kit(port).counts(0, 0, 0, 0, 0, 0).read().values == DUST
    assert Kit(port).counts(0, 7, 0, 0, 0, 9).read().values["pm1_cnt"] == 0


def test_zero_means_that_it_was_not_measured():
    kit = Kit().pm1(0, 0, 87).weather(0, 687, 0).gas(0, 0).gps(0, 0, 0).supply(0)

    assert kit.read().values == {"pm10": 8.7, "rh": 68.7}


def test_a_calm_is_measured_and_blows_from_nowhere():
    assert Kit().weather().wind(0, False, 0).read().values == DUST | WEATHER | {"ws": 0}


@pytest.mark.parametrize(("fifths", "half", "thirds", "ws", "wd"), [(0, True, 1, 0.1, 3), (255, False, 120, 51, 0)])
def test_wind_is_in_tenths_and_steps_of_three_degrees(fifths, half, thirds, ws, wd):
    values = Kit().weather().wind(fifths, half, thirds).read().values

    assert (values["ws"], values["wd"]) == (ws, wd)


def test_places_south_and_west_and_below_the_sea_are_places():
    values = Kit().weather().gps(-3391235, -7065432, -42).read().values

    assert (values["lat"], values["lon"], values["alt"]) == (-33.91235, -70.65432, -4.2)


def test_frost_is_below_zero():
    assert Kit().weather(temp=251).read().values["temp"] == -4.9


def test_port_4_may_come_without_flags():
    assert ports.read(4, struct.pack(">5H", 52, 87, 507, 687, 1019)) == Reading(DUST | WEATHER)


@pytest.mark.parametrize("more", [b"", b"\0\0", struct.pack(">I", 1_540_000_000)])
def test_the_first_kits_sent_eight_numbers_on_port_2_and_at_times_their_clock(more):
    payload = struct.pack(">8H", 0, 117, 121, 382, 683, 1041, 12, 0) + more

    values = {"pm25": 11.7, "pm10": 12.1, "temp": 8.2, "rh": 68.3, "hpa": 1041, "gas": 12}
    assert ports.read(2, payload) == Reading(values)


def test_kits_of_2017_have_another_zero_of_temperature():
    values = {"pm25": 311.2, "pm10": 402.1, "temp": -3.4, "rh": 91.0}
    assert ports.read(2, struct.pack(">4H", 3112, 4021, 166, 910)) == Reading(values)


def test_port_3_tells_devices_and_place():
    said = ports.read(3, struct.pack(">BBiii", 5, 0x4B, 5154046, 585306, 313))

    assert said == About(0.5, "PMS7003", "BME680", True, Location(51.54046, 5.85306, 31.3))


def test_every_number_of_devices_is_read():
    dust, meteo = ("", "PPD42NS", "SDS011", "PMS7003", "SPS30"), ("", "DHT11", "SHT85", "BME280", "BME680", "SHT31")
    for number in range(1, 256):
        said = ports.read(3, struct.pack(">BBiii", 5, number, 0, 0, 0))

        assert said == About(
            0.5, dict(enumerate(dust)).get(number & 7, ""), dict(enumerate(meteo)).get(number >> 4, ""),
            bool(number & 8), None,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "event", "text"),
    [
        ([5, 0, 83, 13], Event(0.5, 13, 83), "the battery is low"),
        ([5, 0, 14], Event(0.5, 14, 0), "the watchdog started it anew"),
        ([5, 0, 1, 2, 0, 15], Event(0.5, 15, 0), "the controller was reset"),
        ([5, 0, 0, 99], Event(0.5, 99, 0), "event 99"),
    ],
)
def test_port_3_tells_events(payload, event, text):
    said = ports.read(3, bytes(payload))

    assert said == event
    assert said.text == text


@pytest.mark.parametrize("port", [1, 5, 10, 12, 223, 0, -1, 10**9])
def test_what_is_not_documented_says_what_to_do(port):
    with pytest.raises(ValueError, match=f"port {port} .*let a payload formatter of the application decode them"):
        ports.read(port, b"\1\2\3\4")


WHOLE = Kit().pm1().counts(3, 1203, 900, 400, 9, 2000).weather().gas().gps().wind().supply().payload


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_bytes_that_end_too_early_are_refused(length):
    with pytest.raises(ValueError, match="too few"):
        ports.read(4, WHOLE[:length])


@pytest.mark.parametrize("length", [*range(8), *range(9, 16)])
def test_bytes_without_flags_have_the_length_of_a_layout(length):
    with pytest.raises(ValueError, match="no layout of port 2"):
        ports.read(2, b"\1" * length)


def test_padding_is_passed_over_and_anything_more_refused():
    assert ports.read(4, WHOLE + b"\0\0") == ports.read(4, WHOLE)
    with pytest.raises(ValueError, match="2 of 46 bytes have no meaning"):
        ports.read(4, WHOLE + b"\0\7")


def test_a_flag_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="flag 0x40"):
        ports.read(4, b"\xc0" + bytes(30))


def test_a_place_that_is_nowhere_is_refused():
    with pytest.raises(ValueError, match="latitude"):
        Kit().weather().gps(lat=9_100_000).read()


@given(st.sampled_from([2, 3, 4]) | st.integers(), st.binary(max_size=60))
@hypothesis.settings(max_examples=2000)
def test_any_bytes_are_values_or_refused(port, payload):
    with suppress(ValueError):
        said = ports.read(port, payload)
        assert not isinstance(said, Reading) or all(abs(value) < 1e6 for value in said.values.values())
