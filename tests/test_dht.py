"""A DHT by the kernel's driver, and by the real library on a wire that is played."""

import errno
import sys
import time
from types import SimpleNamespace

import pytest

from mysense.errors import ConfigError, UnavailableError
from mysense.sensors import dht
from mysense.sensors.dht import LAPSES, Sensor, reading
from mysense.testing import Sysfs
from tests.felt import felt


@pytest.fixture
def tree(tmp_path):
    return Sysfs(tmp_path)


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    monkeypatch.setattr(dht, "REST", 0.0)


@pytest.mark.parametrize(
    ("temp", "rh", "result"),
    [
        (35.1, 65.2, (35.1, 65.2)),
        (-10.1, 65.8, (-10.1, 65.8)),
        (-3266.7, 65.8, (-10.1, 65.8)),  # a copy: 0xff9b
        (-3276.7, 50, (-0.1, 50)),
        (-3236.8, 50, (-40.0, 50)),
        (0, 50, (0, 50)),
        (20, 0, (20, 0)),
        (20, 100, (20, 100)),
    ],
)
def test_readings(temp, rh, result):
    assert tuple(reading(temp, rh).values()) == pytest.approx(result)


@pytest.mark.parametrize(
    ("temp", "rh"), [(20, 100.1), (80.1, 50), (-40.1, 50), (-3200, 50), (1, 1), (0, 2), (0, 0), (20, -1)]
)
def test_what_cannot_be_is_refused(temp, rh):
    with pytest.raises(ValueError, match=r"cannot be|is noise"):
        reading(temp, rh)


def test_a_dht11_has_other_limits():
    with pytest.raises(ValueError, match="cannot be"):
        reading(70, 50, "DHT11")


def test_the_kernel_goes_first(tree):
    tree.dht(temp=-10100, rh=65800)
    with Sensor(root=tree.root) as sensor:
        assert sensor.read() == {"temp": -10.1, "rh": 65.8}


def test_of_several_that_of_the_pin_is_meant(tree):
    tree.dht(pin=4, temp=20000)
    tree.dht(pin=17, temp=21000)
    with Sensor(pin=17, root=tree.root) as sensor:  # its node is named by the number of the pin, in hexadecimal
        assert sensor.read()["temp"] == 21
    with Sensor(device="dht11@4", pin=17, root=tree.root) as sensor:
        assert sensor.read()["temp"] == 20
    with (
        pytest.raises(UnavailableError, match=r"no IIO device named dht11 at dht11@5; there are: dht11@4 at"),
        Sensor(pin=5, root=tree.root),
    ):
        pass
    assert [found.options for found in Sensor.found(tree.root)] == [{"device": "dht11@4"}, {"device": "dht11@11"}]


def test_without_the_overlay_its_line_is_told(tree):
    with (
        pytest.raises(UnavailableError, match=r"no IIO device named dht11: write dtoverlay=dht11,gpiopin=17"),
        Sensor(driver="kernel", pin=17, root=tree.root),
    ):
        pass


@pytest.mark.parametrize("code", [errno.EIO, errno.ETIMEDOUT])
def test_a_reading_that_fails_now_and_then_is_no_trouble(tree, monkeypatch, code):
    tree.dht()
    good, failing = dht.number, set()

    def number(path):
        if path.name in failing:
            raise OSError(code, "it failed", str(path))
        return good(path)

    monkeypatch.setattr(dht, "number", number)
    with Sensor(root=tree.root) as sensor:
        for file in ("in_temp_input", "in_humidityrelative_input"):
            failing.add(file)
            assert [sensor.read() for _ in range(LAPSES)] == [None] * LAPSES
            failing.clear()
            assert sensor.read() == {"temp": 21.3, "rh": 65.2}
        failing.add("in_temp_input")
        for _ in range(LAPSES):
            assert sensor.read() is None
        with pytest.raises(UnavailableError, match=r"no good reading: it failed \(10 times in a row\)"):
            sensor.read()


def test_values_that_cannot_be_are_lapses(tree):
    folder = tree.dht()
    with Sensor(root=tree.root) as sensor:
        for text in ("", "x", "900000", "-3200000"):
            tree.write(folder / "in_temp_input", text)
            assert sensor.read() is None
        tree.remove(folder)
        with pytest.raises(FileNotFoundError):
            sensor.read()


def test_it_is_left_alone_for_two_seconds(tree, monkeypatch):
    monkeypatch.setattr(dht, "REST", 0.3)
    tree.dht()
    with Sensor(root=tree.root) as sensor:
        begun, really = felt(), time.monotonic()
        assert sensor.read()
        assert sensor.read() is None
        while not sensor.read():
            assert felt() - begun < 5
        assert time.monotonic() - really >= 0.3


class Wire:
    """The wire as the library's PulseIn shows it: lengths of pulses in µs, low and high in turn."""

    answers: list = []  # noqa: RUF012 (shared on purpose: the library makes the objects)

    def __init__(self, pin, maxlen, idle_state):
        self.pulses, self.asked, self.closed = [], [], False
        assert maxlen == 81

    def pause(self):
        pass

    def clear(self):
        self.pulses = []

    def resume(self, trigger):
        self.asked.append(trigger)
        self.pulses = list(self.answers.pop(0))

    def __len__(self):
        return len(self.pulses)

    def popleft(self):
        return self.pulses.pop(0)

    def deinit(self):
        self.closed = True


def pulses(frame):
    """The pulses of a frame: 50 µs low, then 27 (0) or 70 µs (1) high."""
    bits = f"{int.from_bytes(frame):040b}"
    return [length for bit in bits for length in (50, 70 if bit == "1" else 27)] + [50]


@pytest.fixture
def played(monkeypatch, capsys):
    """The real library with a wire that is played, and pins as on a Pi."""
    import adafruit_dht as library
    import microcontroller

    monkeypatch.setattr(library, "PulseIn", Wire, raising=False)
    for name in ("DHT11", "DHT22"):
        original = getattr(library, name)
        monkeypatch.setattr(library, name, lambda pin, original=original: original(pin, use_pulseio=True))
    monkeypatch.setattr(library, "time", SimpleNamespace(sleep=lambda seconds: None, monotonic=time.monotonic))
    monkeypatch.setattr(microcontroller.pin, "D4", 4, raising=False)
    Wire.answers = []
    return Wire.answers


def always_due(sensor):
    """The library keeps a reading for 2 s: let it be older."""
    sensor._adafruit._last_called = 0


@pytest.mark.parametrize(
    ("model", "frame", "values"),
    [
        ("DHT22", "02 8C 01 5F EE", {"temp": 35.1, "rh": 65.2}),
        ("DHT22", "02 92 80 65 79", {"temp": -10.1, "rh": 65.8}),
        ("DHT22", "02 92 FF 9B 2E", {"temp": -10.1, "rh": 65.8}),  # a copy
        ("DHT11", "2D 00 17 05 49", {"temp": 23.5, "rh": 45}),
    ],
)
def test_the_real_library_decodes_a_wire(tree, played, model, frame, values):
    played.append(pulses(bytes.fromhex(frame)))
    with Sensor(model=model, root=tree.root) as sensor:
        assert sensor.read() == pytest.approx(values)
        wire = sensor._adafruit.pulse_in
    assert wire.asked == [18000 if model == "DHT11" else 1000]
    assert wire.closed


def test_no_damaged_byte_passes_the_library(tree, played):
    right = bytes.fromhex("028C015FEE")
    with Sensor(root=tree.root) as sensor:
        sensor._lapses.failed = lambda reason: None
        for place in range(5):
            for byte in range(256):
                frame = bytearray(right)
                if frame[place] != byte:
                    frame[place] = byte
                    played.append(pulses(frame))
                    always_due(sensor)
                    assert sensor.read() is None, frame.hex()


@pytest.mark.parametrize("count", [0, 1, 9, 10, 40, 79])
def test_a_frame_that_is_cut_is_a_lapse(tree, played, count):
    with Sensor(root=tree.root) as sensor:
        played.append(pulses(bytes.fromhex("028C015FEE"))[:count])
        assert sensor.read() is None


def test_silence_is_told_when_it_persists(tree, played):
    played.extend([[]] * (LAPSES + 1))
    with Sensor(root=tree.root) as sensor:
        for _ in range(LAPSES):
            always_due(sensor)
            assert sensor.read() is None
        always_due(sensor)
        with pytest.raises(UnavailableError, match="no good reading: DHT sensor not found, check wiring"):
            sensor.read()


def test_a_machine_without_pins_is_told_what_to_do(tree):
    with (
        pytest.raises(ConfigError, match=r"knows no GPIO 17 on this machine: use the kernel's driver"),
        Sensor(pin=17, root=tree.root),
    ):
        pass


def test_without_the_library_its_extra_is_told(tree, monkeypatch):
    monkeypatch.setitem(sys.modules, "adafruit_dht", None)
    with pytest.raises(ImportError), Sensor(root=tree.root):
        pass
