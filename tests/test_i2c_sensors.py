"""The real driver libraries on a simulated bus: one moment, one conversion, disturbed bits, supplies that dip."""

import errno
import itertools
import json
import re
import textwrap
import threading
import time
from importlib import import_module
from types import SimpleNamespace

import pytest

from mysense import options, registry
from mysense.errors import ConfigError
from mysense.hardware import wires
from mysense.hardware.chip import adafruit
from mysense.hardware.i2c import Address, Bus
from mysense.judge import Judge
from mysense.perfield import PerField
from mysense.sensors import _i2c_known, _scd, _sensirion, bme680, scd4x
from mysense.testing.chips import bme280, scd30, sht4x, sht31
from mysense.testing.chips import bme680 as chip680
from mysense.testing.chips import scd4x as chip4x
from mysense.testing.i2c import SimulatedBus, chip
from tests.answers import DAMAGES, Answers
from tests.felt import felt
from tests.kit import Kit, mysense, until

PLACES = {
    "bme280": 0x76, "bmp280": 0x77, "bme680": 0x77, "sht31": 0x44, "sht4x": 0x45, "scd30": 0x61, "scd4x": 0x62,
}  # fmt: skip
TRUTH = {"temp": 23.4, "rh": 61.5, "hpa": 987.65, "co2": 812.0, "gas": 123.4}
NEAR = {"temp": 0.02, "rh": 0.02, "hpa": 0.05, "co2": 0.5, "gas": 0.2}


def fast():
    """A chip's clock: the sensors of CO2 take their time."""
    return time.monotonic() * 25


def simulated(name):
    """A chip that measures the truth."""
    chip_ = chip(name)
    if hasattr(chip_, "co2"):
        chip_.clock = fast
        chip_.power_up()
    for field, value in TRUTH.items():
        if hasattr(chip_, field):
            setattr(chip_, field, value)
    return chip_


@pytest.fixture(params=PLACES)
def name(request):
    return request.param


@pytest.fixture
def place(name):
    return PLACES[name]


@pytest.fixture
def played(name, place):
    with SimulatedBus({place: simulated(name)}) as bus:
        yield bus


@pytest.fixture
def sensor(name, played):
    sensor = registry.find("sensor", name)(bus=played.name)
    yield sensor
    sensor.close()


def read(sensor):
    """The next reading; those of CO2 come every so often."""
    return until(sensor.read, 10)


def assert_true(reading, sensor):
    assert reading.keys() == {field.name for field in sensor.measures}
    for field, value in reading.items():
        assert value == pytest.approx(TRUTH[field], abs=NEAR[field]), field


def test_it_measures_what_there_is(sensor):
    with sensor:
        assert_true(read(sensor), sensor)
        assert_true(read(sensor), sensor)


def test_a_reading_is_one_conversion_and_comes_back_within_a_second(sensor, played, place):
    simulated = played.chips[place]
    with sensor:
        read(sensor)
        for _ in range(2):
            before, begun = getattr(simulated, "conversions", None), felt()
            sensor.read()
            assert felt() - begun < 1
            if before is not None:
                assert simulated.conversions == before + 1


def test_the_values_are_those_of_now(sensor, played, place):
    with sensor:
        read(sensor)
        played.chips[place].temp = -12.25

        assert until(lambda: (sensor.read() or {}).get("temp", 0) < 0, 10)


def test_nothing_at_the_address_is_said_with_who_answers(name, sensor, played, place):
    played.chips[0x50] = played.chips.pop(place)

    with pytest.raises(OSError, match=rf"nothing answers at .*{place:#x}.* on played:\d+ \(what answers: 0x50\)"):
        sensor.open()


def test_a_sensor_that_is_pulled_out_is_told_and_found_again(sensor, played, place):
    with sensor:
        read(sensor)
        played.away.add(place)
        with pytest.raises(OSError, match=f"nothing answers at {place:#x}.*wiring"):
            until(sensor.read, 5)
    for _ in range(2):
        with pytest.raises(OSError, match="nothing answers"):
            sensor.open()
        sensor.close()
    played.away.clear()
    played.chips[place].power_up()
    with sensor:
        assert_true(read(sensor), sensor)


@pytest.mark.parametrize(
    ("fault", "said"), [("held", "does not move"), ("gone", r"fails \(No such device\): was its adapter pulled out")]
)
def test_a_bus_that_fails_and_recovers(sensor, played, fault, said):
    with sensor:
        read(sensor)
        setattr(played, fault, True)
        begun = felt()
        with pytest.raises(OSError, match=rf"^{played.name} {said}"):
            until(sensor.read, 5)
        assert felt() - begun < 1.5
    with pytest.raises(OSError):
        sensor.open()
    sensor.close()
    setattr(played, fault, False)
    with sensor:
        assert_true(read(sensor), sensor)


@pytest.mark.parametrize("name", ["bme280", "bmp280", "bme680", "sht31", "sht4x"])
def test_two_of_a_kind_are_two(name, played, place):
    cls = registry.find("sensor", name)
    other = next(address for address in cls.addresses if address != place)
    played.chips[other] = simulated(name)
    played.chips[other].temp = -5.0
    with pytest.raises(OSError, match=r"several at 0x.. and 0x..*name one as 'i2c'"):
        cls(bus=played.name).open()

    with cls(bus=played.name, i2c=place) as one, cls(bus=played.name, i2c=other) as two:
        assert one.read()["temp"] == pytest.approx(23.4, abs=0.02)
        assert two.read()["temp"] == pytest.approx(-5.0, abs=0.02)
        assert one.read()["temp"] == pytest.approx(23.4, abs=0.02)


def test_a_sensor_behind_a_socket(name, played, tmp_path):
    with played.served(tmp_path / "bus") as path, registry.find("sensor", name)(bus=path) as sensor:
        assert_true(read(sensor), sensor)
    with pytest.raises(OSError, match="nobody plays"):
        sensor.open()
    sensor.close()


def test_a_controller_that_cannot_write_nothing_will_do(name, sensor, played, place, monkeypatch):
    """That of a Raspberry Pi 5: the libraries look whether somebody is there by writing nothing."""
    real = played.transfer

    def transfer(address, out, count, seconds):
        if out == b"":
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return real(address, out, count, seconds)

    monkeypatch.setattr(played, "transfer", transfer)
    with sensor:
        assert_true(read(sensor), sensor)
    played.away.add(place)
    with pytest.raises(OSError, match="nothing answers"):
        sensor.open()


def test_the_bus_is_left_when_setting_up_fails(sensor, played, place):
    played.away.add(place)
    with pytest.raises(OSError), sensor:
        pass
    assert played.name not in wires.Shared._all


def test_check_says_what_and_where(sensor, played, place):
    assert sensor.check() == f"{sensor.device} at {place:#x} on {played.name}"


def test_a_check_does_not_disturb_the_sensor_at_work(name, sensor, played, place):
    with sensor:
        read(sensor)
        assert registry.find("sensor", name)(bus=played.name).check()
        assert sensor.read() is not None or hasattr(played.chips[place], "co2")
        assert_true(read(sensor), sensor)


def test_one_that_another_program_works_with_is_left_alone_and_told(name, sensor, played, place, tmp_path):
    """Setting it up once more would reset it, or stop it."""
    with played.served(tmp_path / "bus") as path:
        other = registry.find("sensor", name)(bus=path)
        with sensor:
            read(sensor)
            asked = played.transfers[place]
            told = rf"^{place:#x} on {path} is in use by another program; .*mysense tap"
            for look in (other.open, other.check):
                with pytest.raises(OSError, match=told):
                    look()
                other.close()
            assert _i2c_known.recognise(path) == {place: ""}
            assert played.transfers[place] == asked
            assert_true(read(sensor), sensor)
        with other:
            assert_true(read(other), other)
            with pytest.raises(OSError, match="in use"):
                sensor.open()


@pytest.mark.parametrize(
    ("name", "library", "size"),
    [("sht31", "adafruit_sht31d", 6), ("sht4x", "adafruit_sht4x", 6), ("scd30", "adafruit_scd30", 18),
     ("scd4x", "adafruit_scd4x", 9)],
)  # fmt: skip
def test_no_bit_of_an_answer_can_turn_and_pass_the_checksum(sensor, played, place, library, size, monkeypatch):
    """A flipped bit is no reading; the next is right again."""
    played.chips[place].clock = itertools.count(10**9, 10).__next__  # it is always done
    real = played.chips[place].read
    with sensor:
        monkeypatch.setattr(import_module(library), "time", SimpleNamespace(sleep=lambda _: None))
        read(sensor)
        for bit in range(8 * size):
            turned = []

            def disturbed(count, bit=bit, turned=turned):
                answer = bytearray(real(count))
                if count == size:
                    answer[bit // 8] ^= 0x80 >> bit % 8
                    turned.append(bit)
                return bytes(answer)

            played.chips[place].read = disturbed
            assert sensor.read() is None
            assert turned == [bit]
            played.chips[place].read = real
            assert_true(sensor.read(), sensor)


@pytest.mark.parametrize("name", ["sht31", "sht4x", "scd30", "scd4x"])
def test_half_an_answer_is_no_reading(sensor, played, place):
    real = played.chips[place].read
    with sensor:
        read(sensor)
        played.chips[place].read = lambda count: real(count)[: count // 2].ljust(count, b"\xff")
        with pytest.raises(OSError, match=r"(?i)crc"):
            until(sensor.read, 10)


def test_damage_is_chance_until_it_goes_on():
    cls = registry.find("sensor", "sht31")
    with SimulatedBus({0x44: sht31.Chip()}) as played, cls(bus=played.name) as sensor:
        for _ in range(2):
            played.flip[0x44] = [3]
            assert sensor.read() is None
        assert sensor.read()  # a good one between
        for _ in range(2):
            played.flip[0x44] = [3]
            assert sensor.read() is None
        played.flip[0x44] = [3]
        with pytest.raises(OSError, match=r"0x44 on played:\d+: CRC mismatch"):
            sensor.read()


class TestBosch:
    """BME280, BMP280 and BME680 have no checksum: what they say is read twice where it matters, and a mark is left."""

    @pytest.fixture(params=["bme280", "bmp280", "bme680"])
    def name(self, request):
        return request.param

    def test_a_supply_that_dipped_is_noticed_and_mended(self, sensor, played, place):
        with sensor:
            read(sensor)
            played.chips[place].power_up()
            with pytest.raises(OSError, match="was reset: its supply dipped"):
                sensor.read()
        with sensor:
            assert_true(read(sensor), sensor)

    def test_a_status_that_never_changes_ends_in_time(self, sensor, played, place):
        with sensor:
            read(sensor)
            played.chips[place].stuck = True
            begun = felt()
            with pytest.raises(OSError, match="in time"):
                sensor.read()
            assert felt() - begun < 1.2
            with pytest.raises(OSError):
                sensor.open()
        assert felt() - begun < 8

    def test_the_first_sample_is_not_shown(self, name, sensor, played, place):
        before = played.chips[place].conversions
        with sensor:
            assert played.chips[place].conversions > before

    def test_a_trim_constant_that_was_disturbed_is_not_believed(self, sensor, played, place):
        real, asked = played.chips[place].read, []

        def disturbed(count):
            asked.append(count)
            answer = bytearray(real(count))
            if count > 10 and asked.count(count) == 1:
                answer[3] ^= 0x10
            return bytes(answer)

        played.chips[place].read = disturbed
        with pytest.raises(OSError, match="does not say the same twice"):
            sensor.open()
        sensor.close()
        played.chips[place].read = real
        with sensor:
            assert_true(read(sensor), sensor)

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_no_byte_of_a_reading_can_be_damaged_and_become_a_value(self, name, sensor, played, place, damage, patient):
        """Each byte of each answer in turn, once: the next reading is right again."""
        simulated = played.chips[place]
        simulated._clock = itertools.count(10**9, 10).__next__  # it is always done
        answers = Answers(simulated)
        with sensor:
            answers.spoil(-1, 0, "")
            sensor.read()
            sizes = answers.sizes
            for which, size in enumerate(sizes):
                for at in range(size):
                    answers.spoil(which, at, damage)
                    try:
                        reading = sensor.read()
                    except OSError:  # as if its supply had dipped, or as if it measured for ever
                        reading = None
                    answers.spoil(-1, 0, "")
                    for field, value in (reading or {}).items():
                        assert value == pytest.approx(TRUTH[field], abs=NEAR[field]), (field, which, at)
                    assert_true(sensor.read(), sensor)
        assert sum(sizes) >= 9

    @pytest.fixture
    def patient(self, name, monkeypatch):
        """The library does not wait for the chip."""
        module = {"bme280": "adafruit_bme280.basic", "bmp280": "adafruit_bmp280", "bme680": "adafruit_bme680"}[name]
        monkeypatch.setattr(
            import_module(module), *(("time", SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic))
            if name == "bme680" else ("sleep", lambda _: None)),
        )  # fmt: skip

    @pytest.mark.parametrize(("other", "wanted"), [*itertools.permutations(["bme280", "bmp280", "bme680"], 2)])
    def test_the_wrong_chip_is_one_line_with_the_right_section(self, other, wanted):
        with (
            SimulatedBus({0x76: simulated(other)}) as played,
            pytest.raises(
                OSError, match=rf"^the chip at 0x76 on played:\d+ is a {other.upper()}: .*\[sensor:{other}\]$"
            ),
        ):
            registry.find("sensor", wanted)(bus=played.name).open()

    def test_the_one_that_fits_is_taken(self):
        with SimulatedBus({0x76: simulated("bme280"), 0x77: simulated("bmp280")}) as played:
            for name, place in (("bme280", 0x76), ("bmp280", 0x77)):
                assert (
                    registry.find("sensor", name)(bus=played.name).check().startswith(f"{name.upper()} at {place:#x} ")
                )

    def test_what_is_no_chip_of_bosch(self, name, played, place):
        played.chips[place].registers[0xD0] = 0x33
        with pytest.raises(OSError, match=rf"no {name.upper()}: its identity is 0x33"):
            registry.find("sensor", name)(bus=played.name).open()

    def test_a_value_that_cannot_be_is_not_given(self, sensor, played, place):
        with sensor:
            read(sensor)
            played.chips[place].hpa = 150.0
            with pytest.raises(OSError, match=r"says hpa = 1\d\d\.\d, which cannot be"):
                sensor.read()
            played.chips[place].hpa = TRUTH["hpa"]
            assert_true(sensor.read(), sensor)

    def test_registers_that_say_that_nothing_was_measured_are_no_values(self, name, sensor, played, place):
        with sensor:
            read(sensor)
            played.chips[place]._convert = lambda _: None
            if name == "bme680":
                played.chips[place].registers[0x1D] = 0x80
                played.chips[place].registers[0x1F:0x27] = b"\x80\0\0\x80\0\0\x80\0"
            else:
                played.chips[place].registers[0xF7:0xFF] = b"\x80\0\0\x80\0\0\x80\0"
            with pytest.raises(OSError, match="did not measure"):
                sensor.read()

    @pytest.mark.parametrize("quantity", ["temp", "rh"])
    def test_what_looks_like_no_value_is_one_while_it_is_measured(self, name, sensor, played, place, quantity):
        """About 26 C, or 60 %: a chip that has not measured shows the same. How it is set says which it is."""
        if quantity not in [field.name for field in sensor.measures]:
            return
        chip = played.chips[place]
        convert, write = chip.convert, chip.write
        first, nothing = {"temp": (3, b"\x80\0\0"), "rh": (6, b"\x80\0")}[quantity]
        setting = {"temp": 0xF4, "rh": 0xF2}[quantity] - 0x80 * (name == "bme680")

        def middle(control):
            result, seconds = convert(control)
            return result[:first] + nothing + result[first + len(nothing) :], seconds

        def lossy(data):
            """On the way to the chip the bits get lost that say how often it is to measure."""
            lost = {"temp": 0xE0, "rh": 0x07}[quantity] if data[:1] == bytes((setting,)) else 0
            write(bytes((*data[:1], *(byte & ~lost for byte in data[1:]))))

        with sensor:
            read(sensor)
            chip.convert = middle
            assert 20 < sensor.read()[quantity] <= 100
            chip.convert, chip.write = convert, lossy
            with pytest.raises(OSError, match="did not measure"):
                sensor.read()


def test_the_example_of_the_data_sheet():
    """Bosch's example of the BMP280 (25.08 C, 100653.27 Pa), and a humidity that was computed by hand."""
    with SimulatedBus({0x76: bme280.Chip(adc=(519888, 415148, 25000))}) as played:
        assert played.transfer(0x76, b"\xe1", 7, 1).hex() == "6a010014 0d00 1e".replace(" ", "")
        with registry.find("sensor", "bme280")(bus=played.name) as sensor:
            reading = sensor.read()
        assert played.transfer(0x76, b"\xf7", 8, 1).hex() == "655ac07eed0061a8"

    assert reading == {"temp": 25.082, "rh": 20.779, "hpa": 1006.533}


@pytest.mark.parametrize("variant", [0, 1])
def test_gas_counts_only_while_the_plate_is_hot(variant):
    chip_ = chip680.Chip(gas=80, variant=variant)
    with SimulatedBus({0x76: chip_}) as played, bme680.Sensor(bus=played.name) as sensor:
        assert sensor.read()["gas"] == pytest.approx(80, rel=0.005)
        chip_.cold = True
        reading = sensor.read()
        assert reading.keys() == {"temp", "rh", "hpa"}
        assert reading["temp"] == pytest.approx(21, abs=0.02)
        chip_.cold = False
        assert sensor.read()["gas"] == pytest.approx(80, rel=0.005)


@pytest.mark.parametrize("gas", [8.0, 12_000.0, 60_000.0])
def test_clean_dry_air_is_no_fault_of_a_bme688(gas):
    """Its plate has megohms there. The data sheet names no limit: what the converter can say is believed."""
    with SimulatedBus({0x76: chip680.Chip(gas=gas, variant=1)}) as played, bme680.Sensor(bus=played.name) as sensor:
        reading, names = sensor.read(), {field.name: field.name for field in sensor.measures}
        assert reading["gas"] == pytest.approx(gas, rel=0.005)
        assert not Judge(sensor, PerField(None, {}), PerField(None, {}))(reading, names).wrong


def test_the_plate_is_as_hot_as_asked_and_cold_without_gas():
    with SimulatedBus({0x76: chip680.Chip()}) as played:
        with bme680.Sensor(bus=played.name, heater=250):
            assert played.chips[0x76].plate == pytest.approx(250, abs=4)
        with bme680.Sensor(bus=played.name, gas=False) as sensor:
            assert sensor.read().keys() == {"temp", "rh", "hpa"} == {field.name for field in sensor.measures}
            assert not played.chips[0x76].registers[0x71] & 0x30


class TestCarbon:
    """SCD30 and SCD4x measure at their own pace."""

    @pytest.fixture(params=["scd30", "scd4x"])
    def name(self, request):
        return request.param

    def test_there_is_nothing_until_there_is(self, name):
        with (
            SimulatedBus({PLACES[name]: chip(name)}) as played,
            registry.find("sensor", name)(bus=played.name) as sensor,
        ):
            assert sensor.read() is None

    def test_one_that_stopped_is_set_up_anew(self, sensor, played, place, monkeypatch):
        with sensor:
            read(sensor)
            monkeypatch.setattr(_scd, "SILENT", 0.01)
            played.chips[place].power_up()
            played.chips[place].measuring = False
            with pytest.raises(OSError, match="stopped measuring"):
                until(sensor.read, 5)
        monkeypatch.undo()
        with sensor:
            assert_true(read(sensor), sensor)

    @pytest.mark.parametrize("co2", [0.0])
    def test_zero_is_not_measured_yet(self, sensor, played, place, co2):
        with sensor:
            read(sensor)
            played.chips[place].co2 = co2
            reading = until(lambda: (r := sensor.read()) and r["co2"] is None and r, 10)
        assert reading["temp"] == pytest.approx(23.4, abs=0.02)

    def test_settings_reach_the_sensor(self, name, played, place):
        cls = registry.find("sensor", name)
        with cls(bus=played.name, altitude=450.0, temperature_offset=2.5, asc=False):
            chip_ = played.chips[place]
            assert (chip_.altitude, bool(chip_.asc)) == (450, False)
            assert chip_.offset == (250 if name == "scd30" else int(2.5 * 65535 / 175))
        with cls(bus=played.name, pressure=980.0) as sensor:
            assert chip_.pressure == 980
            assert chip_.altitude == 450  # what is not said stays
            assert bool(chip_.asc)
            read(sensor)
        with pytest.raises(ValueError, match="700 to 1400"):
            cls(pressure=101.3)


def test_damage_counts_also_when_there_is_nothing_to_read_between():
    with SimulatedBus({0x62: chip4x.Chip(clock=fast)}) as played, scd4x.Sensor(bus=played.name) as sensor:
        chip_, real = played.chips[0x62], played.chips[0x62].read
        read(sensor)
        chip_.read = lambda count: real(count)[:-1] + b"\0" if count == 9 else real(count)
        chip_.co2 = 500.0  # its checksum is not 0
        waited = []
        with pytest.raises(OSError, match="CRC"):
            until(lambda: waited.append(sensor.ready()) or sensor.read(), 10)
        assert False in waited


def test_a_value_that_was_damaged_is_no_standstill_however_long_the_interval():
    with SimulatedBus({0x62: chip4x.Chip(clock=fast)}) as played, scd4x.Sensor(bus=played.name) as sensor:
        chip_, real = played.chips[0x62], played.chips[0x62].read
        read(sensor)
        sensor._heard -= 600  # so long ago was that
        until(sensor.ready, 5)
        chip_.read = lambda count: real(count)[:-1] + b"\0" if count == 9 else real(count)
        chip_.co2 = 500.0
        assert sensor.read() is None
        chip_.read = real
        assert read(sensor)["co2"] == 500.0


def test_the_memory_of_an_scd30_is_written_only_when_something_changes():
    with SimulatedBus({0x61: scd30.Chip(clock=fast)}) as played:
        cls = registry.find("sensor", "scd30")
        for _ in range(3):
            with cls(bus=played.name, altitude=100.0, interval=10.0):
                pass
            assert played.chips[0x61].writes == 3  # interval, asc, altitude: once


def test_a_pressure_that_an_scd30_forgot_is_told_again():
    chip_, cls = scd30.Chip(clock=fast), registry.find("sensor", "scd30")
    with SimulatedBus({0x61: chip_}) as played, cls(bus=played.name, pressure=900.0) as sensor:
        for _ in range(3):
            read(sensor)
        assert chip_.starts == 1  # telling it is a write into its memory
        chip_.power_up()
        read(sensor)
        assert (chip_.pressure, chip_.starts) == (900, 2)


@pytest.mark.parametrize("name", ["scd30", "scd4x"])
def test_one_pressure_is_enough(name):
    """Whichever is told last would hold, and nobody knows."""
    with pytest.raises(ValueError, match="altitude or pressure, not both"):
        registry.find("sensor", name)(altitude=100.0, pressure=1000.0)


def test_an_scd4x_never_wears_its_memory_and_can_save_current():
    with SimulatedBus({0x62: chip4x.Chip(clock=fast)}) as played:
        with scd4x.Sensor(bus=played.name, altitude=10.0, low_power=True) as sensor:
            assert played.chips[0x62].period == 30
            read(sensor)
        with scd4x.Sensor(bus=played.name):
            assert played.chips[0x62].period == 5
        assert played.chips[0x62].stored == 0


@pytest.mark.parametrize(("there", "wanted"), [("sht31", "sht4x"), ("sht4x", "sht31")])
def test_the_other_family_of_humidity_sensors_is_named(there, wanted):
    with (
        SimulatedBus({0x44: simulated(there)}) as played,
        pytest.raises(OSError, match=rf"0x44 on played:\d+ is of the other family: .*\[sensor:{there}\]"),
    ):
        registry.find("sensor", wanted)(bus=played.name).open()


def test_a_stranger_at_the_address_of_a_humidity_sensor():
    with (
        SimulatedBus({0x44: bme280.Chip()}) as played,
        pytest.raises(OSError, match=r"0x44 on played:\d+ is no SHT31$"),
    ):
        registry.find("sensor", "sht31")(bus=played.name).open()


class TestRecognition:
    def test_all_at_once(self):
        there = {0x76: "bme280", 0x77: "bme680", 0x44: "sht31", 0x45: "sht4x", 0x61: "scd30", 0x62: "scd4x"}
        with SimulatedBus({place: simulated(name) for place, name in there.items()}) as played:
            found = _i2c_known.recognise(played.name)

        assert found == there

    def test_what_is_found_can_be_opened(self, name, played):
        [(address, found)] = _i2c_known.recognise(played.name).items()

        assert found == name
        with registry.find("sensor", found)(bus=played.name, i2c=address) as sensor:
            assert_true(read(sensor), sensor)

    def test_a_sensor_at_work_goes_on_with_it(self, name, sensor, played, place):
        with sensor:
            read(sensor)
            assert list(_i2c_known.recognise(played.name).values()) == [name]
            assert_true(read(sensor), sensor)

    def test_nobody_and_strangers(self):
        with SimulatedBus({}) as played:
            assert _i2c_known.recognise(played.name) == {}
        strange = bme280.Chip(identity=0x33)
        with SimulatedBus(dict.fromkeys((0x76, 0x77, 0x44, 0x45, 0x46, 0x61, 0x62, 0x69), strange)) as played:
            assert _i2c_known.recognise(played.name) == {}
            assert all(len(out or b"") <= 2 for _, out, _ in played.last)

    def test_a_bus_that_does_not_move_is_an_error(self):
        with SimulatedBus({0x76: bme280.Chip()}) as played:
            played.held = True
            with pytest.raises(OSError, match="does not move"):
                _i2c_known.recognise(played.name)

    def test_the_buses_of_a_machine(self, tmp_path, monkeypatch):
        monkeypatch.setattr(wires, "DEVICES", tmp_path)
        monkeypatch.setattr(_i2c_known, "DEVICES", tmp_path)
        for file in ("i2c-10", "i2c-1", "i2c-x", "i2c"):
            (tmp_path / file).touch()

        assert _i2c_known.buses() == ["1", "10"]


class TestWords:
    """Sensirion's checksum."""

    @pytest.mark.parametrize(
        "text", ["beef92", "000081", "01f433", "6667a2", "5eb93c", "43dbcb", "8c2e8f", "41d970", "e7fff5", "4243bf",
                 "3a1b74", "0300ac", "666693", "8000a2"],
    )  # fmt: skip
    def test_known_ones(self, text):
        data = bytes.fromhex(text)
        assert _sensirion.unpack(data) == [int(text[:4], 16)]
        assert _sensirion.pack(int(text[:4], 16)) == data
        for bit in range(24):
            turned = bytearray(data)
            turned[bit // 8] ^= 0x80 >> bit % 8
            with pytest.raises(ValueError, match="checksum"):
                _sensirion.unpack(bytes(turned))

    @pytest.mark.parametrize("data", [b"", b"\xbe", b"\xbe\xef", b"\xbe\xef\x92\x00"])
    def test_what_is_not_whole(self, data):
        with pytest.raises(ValueError, match=r"bytes are no words"):
            _sensirion.unpack(data)

    def test_captured_answers(self):
        """What the data sheets show, from the simulated chips."""
        chips = {0x62: chip4x.Chip(co2=500, temp=25.003, rh=37.002, clock=fast), 0x44: sht31.Chip(temp=25, rh=50)}
        chips[0x61] = scd30.Chip(co2=439.09515, temp=27.23828, rh=48.806744, clock=fast)
        chips[0x45] = sht4x.Chip(temp=25, rh=50)
        chips[0x62].write(b"\x21\xb1")
        expected = {
            0x62: (b"\xec\x05", "01f4336667a25eb93c"), 0x61: (b"\x03\x00", "43dbcb8c2e8f41d970e7fff54243bf3a1b74"),
            0x44: (b"\x24\x00", "6666938000a2"),
        }  # fmt: skip
        threading.Event().wait(0.3)
        for place, (command, text) in expected.items():
            chips[place].write(command)
            threading.Event().wait(0.02)
            assert chips[place].read(len(text) // 2).hex() == text


def test_every_mistake_in_a_section_is_told():
    with pytest.raises(ConfigError) as caught:
        options.parse(registry.find("sensor", "bme280"), {"bus": "i2c-1", "i2c": "76"}, str)

    assert len(caught.value.problems) == 2
    assert "'i2c-1' is no bus" in str(caught.value)
    assert "write the address with 0x, as 0x76" in str(caught.value)


def test_a_library_that_is_missing_or_cannot_be_used_says_what_to_type(monkeypatch):
    import sys

    with SimulatedBus({0x44: sht31.Chip()}) as played:
        monkeypatch.setitem(sys.modules, "adafruit_sht31d", None)
        with pytest.raises(ImportError, match=re.escape("pip install 'mysense[adafruit]'")):
            registry.find("sensor", "sht31")(bus=played.name).open()

    def refuse(*_):
        raise RuntimeError("The platform library 'gpiod' was not found")

    monkeypatch.setattr("mysense.hardware.chip.library", refuse)
    with pytest.raises(ImportError, match=r"'gpiod' was not found.*pip install 'mysense\[adafruit\]'"):
        adafruit("adafruit_sht31d")


@pytest.mark.parametrize("opens", ["bme280", "sps30", "init"])
def test_a_bus_that_others_hold_for_more_than_a_moment_is_waited_for(opens):
    """All sensors of a kit are opened at once, and some hold the bus while they are."""
    place = 0x69 if opens == "sps30" else 0x76
    with SimulatedBus({place: chip("sps30" if opens == "sps30" else "bme280")}) as played:
        other = Bus(played.name)
        other.open()
        other._lock()
        freed = threading.Timer(1.5, other._bus.lock.release)
        freed.start()
        if opens == "init":
            assert _i2c_known.recognise(played.name) == {0x76: "bme280"}
        else:
            with registry.find("sensor", opens)(bus=played.name, i2c=Address(place)):
                assert not freed.is_alive()
        freed.join()
        other.close()


def test_a_look_beside_a_daemon_disturbs_nothing(tmp_path):
    """By hand, by a check of another file, by init: each is told, and the sensor measures on."""
    bus, chip_, other = f"unix:{tmp_path}/bus", chip4x.Chip(), tmp_path / "other.conf"
    section = f"[sensor:scd4x]\nbus = {bus}\n"
    other.write_text(f"{section}[journal]\npath = {tmp_path}/other.db\n")
    kit = Kit(tmp_path, f"{section}[publisher:console]\nfile = {tmp_path}/out\n")
    with SimulatedBus({0x62: chip_}) as played, played.served(tmp_path / "bus"):
        try:
            kit.start()
            until(lambda: chip_.period)
            played.last.clear()
            for look in (("read", "scd4x", "--bus", bus), ("check", "-c", other)):
                done = mysense(*look, code=1)
                assert f"0x62 on {bus} is in use by another program" in done.stdout + done.stderr
            found = json.loads(mysense("init", "--json", "--bus", bus, cwd=tmp_path).stdout)["found"]
            assert [(device["sensor"], "in use" in device["what"]) for device in found] == [("", True)]
            assert {out for _, out, _ in played.last} <= {b"\xe4\xb8", b"\xec\x05", None}  # ready, read
            kit.stop()
        finally:
            kit.kill()


def test_a_kit_with_sensors_on_a_bus_of_another_process_goes_through_an_outage(tmp_path):
    """One telegram has the values of all; two of a kind keep apart; what comes back is measured again."""
    conf = f"""
        [id]
        project = I2C
        serial = kit
        [daemon]
        interval = 1
        [sensor:bme280]
        bus = unix:{tmp_path}/bus
        i2c = 0x76
        interval = 0.2
        [sensor:bme280:outside]
        bus = unix:{tmp_path}/bus
        i2c = 0x77
        interval = 0.2
        [sensor:sht4x]
        bus = unix:{tmp_path}/bus
        interval = 0.2
        fields = warmth, damp
        [publisher:console]
        format = json
        file = {tmp_path}/out
    """
    chips = {0x76: bme280.Chip(temp=20), 0x77: bme280.Chip(temp=-10), 0x44: sht4x.Chip(temp=30, rh=20)}
    played, kit = SimulatedBus(chips), Kit(tmp_path, textwrap.dedent(conf))

    def newest():
        lines = (tmp_path / "out").read_text().splitlines() if (tmp_path / "out").exists() else []
        return next((told["data"] for line in reversed(lines) if "data" in (told := json.loads(line))), {})

    def all_there():
        return {"temp", "temp_outside", "warmth", "damp"} <= newest().keys() and newest()

    try:
        with played.served(tmp_path / "bus"):
            kit.start()
            data = until(all_there)
            assert (data["temp"], data["temp_outside"], data["warmth"]) == pytest.approx((20, -10, 30), abs=0.05)
        until(lambda: {w["state"] for w in kit.status()["workers"] if w["section"].startswith("sensor")} == {"waiting"})
        chips[0x76].temp = 24.0
        with played.served(tmp_path / "bus"):
            until(lambda: (data := all_there()) and data["temp"] == pytest.approx(24, abs=0.05))
            kit.stop()
    finally:
        kit.kill()
    told = [line for line in kit.log.read_text().splitlines() if "waiting" in line]
    assert len(told) == 3, "an outage is told once by each"
