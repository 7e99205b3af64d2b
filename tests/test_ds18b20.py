"""Probes on the 1-wire bus: no wrong temperature passes, and a lapse is no trouble."""

import random
from contextlib import suppress

import pytest

from mysense.errors import UnavailableError
from mysense.sensors.ds18b20 import LAPSES, Sensor, crc8, parse
from mysense.testing import Sysfs

ID = "28-0316a2794cff"
# As the kernel shows them; the second is of the data sheet's table of temperatures.
CAPTURED = [
    ("72 01 4b 46 7f ff 0e 10 57", 23.125),
    ("d0 07 4b 46 7f ff 0c 10", 125),
    ("5e ff 4b 46 7f ff 02 10", -10.125),
    ("6f fe 4b 46 7f ff 01 10", -25.0625),
    ("00 00 4b 46 7f ff 10 10", 0),
    ("50 05 4b 46 7f ff 10 10", 85),  # measured, byte 6 says so
]


def shown(data, crc=None, verdict=None, temp=None):
    """What w1_slave says for the bytes of a scratchpad."""
    data = bytes.fromhex(data)[:8]
    right = crc8(data)
    crc = right if crc is None else crc
    raw = int.from_bytes(data[:2], "little", signed=True)
    temp = int(raw * 1000 / 16) if temp is None else temp
    line = bytes([*data, crc]).hex(" ")
    return f"{line} : crc={right:02x} {verdict or ('YES' if crc == right else 'NO')}\n{line} t={temp}\n"


@pytest.fixture
def tree(tmp_path):
    tree = Sysfs(tmp_path)
    tree.one_wire()
    return tree


@pytest.mark.parametrize(("data", "temp"), CAPTURED)
def test_temperatures(data, temp):
    assert parse(shown(data)) == pytest.approx(temp, abs=0.0005)


def test_a_ds18s20_counts_half_degrees_and_a_rest():
    # raw 0x2d, remain 9 of 16: 22 - 0.25 + 7/16
    assert parse(shown("2d 00 4b 46 ff ff 09 10", temp=22187), steps=2) == 22.187


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "no answer"),
        ("72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n", "something else"),
        ("hello", "something else"),
        (shown("72 01 4b 46 7f ff 0e 10", crc=0x58), "checksum"),
        (shown("72 01 4b 46 7f ff 0e 10", crc=0x58, verdict="YES"), "checksum"),
        (shown("ff ff ff ff ff ff ff ff", crc=0xFF), "checksum"),  # the wire has come off
        (shown("00 00 00 00 00 00 00 00"), "something else"),  # the wire lies at ground: its checksum is right
        (shown("50 05 4b 46 7f ff 0c 10"), "85 °C: it has not measured"),
        (shown("d1 07 4b 46 7f ff 0c 10"), "cannot be"),
        (shown("72 01 4b 46 7f ff 0e 10", temp=93125), "cannot be"),
    ],
)  # fmt: skip
def test_what_is_no_temperature_is_told(said, reason):
    with pytest.raises(ValueError, match=reason):
        parse(said)


@pytest.mark.parametrize(("data", "temp"), CAPTURED)
def test_no_damaged_byte_passes(data, temp):
    right = bytes.fromhex(data)[:8]
    crc = crc8(right)
    for place in range(9):
        for byte in range(256):
            damaged = bytearray([*right, crc])
            if damaged[place] == byte:
                continue
            damaged[place] = byte
            with pytest.raises(ValueError):
                parse(shown(damaged[:8].hex(" "), crc=damaged[8]))


def test_no_damaged_letter_passes():
    text = shown("72 01 4b 46 7f ff 0e 10")
    chance = random.Random(1)
    for place in range(len(text)):
        for letter in chance.sample("0123456789abcdefYESNO t=-:\n\0ü", 12):
            said = text[:place] + letter + text[place + 1 :]
            with suppress(ValueError):
                assert parse(said) == pytest.approx(23.125, abs=0.001), said


def test_half_a_text_is_no_temperature():
    text = shown("72 01 4b 46 7f ff 0e 10")
    for length in range(len(text) - 2):
        with pytest.raises(ValueError):
            parse(text[:length])
    with pytest.raises(ValueError):
        parse(text + text)


def test_the_only_probe_needs_no_name(tree):
    tree.probe(ID, 23.125)
    with Sensor(root=tree.root) as sensor:
        assert sensor.read() == {"temp": 23.125}


def test_of_several_one_is_named(tree):
    tree.probe(ID, 23.125)
    tree.probe("28-0316a2794caa", -10.0625)
    with Sensor(id="28-0316A2794CAA", root=tree.root) as sensor:
        assert sensor.read() == {"temp": -10.062}
    with (
        pytest.raises(UnavailableError, match="name one as 'id': 28-0316a2794caa, 28-0316a2794cff"),
        Sensor(root=tree.root),
    ):
        pass
    assert [found.options for found in Sensor.found(tree.root)] == [{"id": "28-0316a2794caa"}, {"id": ID}]


@pytest.mark.parametrize(
    ("make", "id", "said"),
    [
        (lambda tree: None, "", "no probe answers on the 1-wire bus: is there a resistor"),
        (lambda tree: tree.probe(ID), "28-000000000001", "28-000000000001 is not on the bus; there are: 28-0316"),
        (lambda tree: tree.remove(tree.one_wire()), "", "bus is off: write dtoverlay=w1-gpio"),
    ],
)  # fmt: skip
def test_what_is_missing_is_told(tree, make, id, said):
    make(tree)
    with pytest.raises(UnavailableError, match=said), Sensor(id=id, root=tree.root):
        pass


def test_a_lapse_is_no_trouble_but_many_are(tree):
    tree.probe(ID)
    with Sensor(root=tree.root) as sensor:
        for _ in range(3):
            tree.scratchpad(ID, bytes.fromhex("72014b467fff0e10"), crc=1)
            assert [sensor.read() for _ in range(LAPSES)] == [None] * LAPSES
            tree.probe(ID)
            assert sensor.read() == {"temp": 23.125}
        tree.scratchpad(ID, bytes.fromhex("72014b467fff0e10"), crc=1)
        assert [sensor.read() for _ in range(LAPSES)] == [None] * LAPSES
        with pytest.raises(UnavailableError, match=rf"{ID}: the checksum is wrong \(5 times in a row\)"):
            sensor.read()


def test_the_kernels_error_is_a_lapse(tree):
    file = tree.probe(ID) / "w1_slave"
    with Sensor(root=tree.root) as sensor:
        file.unlink()
        file.symlink_to("/proc/self/mem")  # EIO
        assert [sensor.read() for _ in range(LAPSES)] == [None] * LAPSES
        with pytest.raises(UnavailableError, match=f"{ID}: Input/output error"):
            sensor.read()


def test_a_probe_that_is_pulled_out_is_told_at_once_and_comes_back(tree):
    folder = tree.probe(ID)
    sensor = Sensor(root=tree.root)
    with sensor:
        tree.remove(folder)
        with pytest.raises(UnavailableError, match="no probe answers"):
            sensor.read()
    tree.probe(ID, 5)
    with sensor:
        assert sensor.read() == {"temp": 5}


def test_newer_kernels_may_show_the_temperature_only(tree):
    folder = tree.probe(ID, -10.0625)
    (folder / "w1_slave").unlink()
    with Sensor(root=tree.root) as sensor:
        assert sensor.read() == {"temp": -10.062}
        for text in ("85000\n", "127937\n", "", "x"):
            tree.write(folder / "temperature", text)
            assert sensor.read() is None
