"""A real gpsd (Debian's) with a receiver that is played; and what passes for one."""

import json
import math
import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from mysense.errors import UnavailableError
from mysense.sensors import gpsd
from mysense.sensors.gpsd import Sensor, decode
from mysense.testing import Receiver
from tests.felt import felt
from tests.gpsd import Gpsd
from tests.kit import until

# What gpsd 3.22 answered with the receiver of mysense.testing
CAPTURED = (
    '{"class":"POLL","time":"2026-11-27T19:43:25.433Z","active":1,"tpv":[{"class":"TPV","device":"/dev/pts/0",'
    '"mode":3,"time":"2023-11-14T22:13:32.000Z","ept":0.005,"lat":51.500000000,"lon":6.083333333,"altHAE":68.9000,'
    '"altMSL":22.9000,"alt":22.9000,"epv":34.500,"track":10.0000,"magtrack":11.8579,"magvar":1.9,"speed":0.051,'
    '"climb":0.000,"epc":69.00,"geoidSep":46.000,"eph":19.000,"sep":34.200}],"gst":[{"class":"GST",'
    '"device":"/dev/pts/0"}],"sky":[{"class":"SKY","device":"/dev/pts/0","vdop":1.50,"hdop":1.00,"pdop":1.80,'
    '"nSat":12,"uSat":8}]}'
)
VERSION = b'{"class":"VERSION","release":"3.22","rev":"3.22","proto_major":3,"proto_minor":14}\r\n'


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def server(tmp_path, receiver):
    with Gpsd(tmp_path / "gpsd", receiver.port) as server:
        yield server


def fixed(sensor, dimensions=3):
    """The next reading with such a fix."""
    return until(lambda: (said := sensor.read()) and said["fix"] == dimensions and said)


def ask(sensor):
    """Read a few times."""
    for _ in range(5):
        sensor.read()


def test_where_it_is_and_how_well_that_is_known(server):
    with Sensor(port=server.port) as sensor:
        said = fixed(sensor)

    assert said == {"fix": 3, "lat": 51.5, "lon": 6.1, "alt": 22.9, "sats": 8, "eph": said["eph"]}
    assert 0 < said["eph"] < 100


def test_it_moves(server, receiver):
    with Sensor(port=server.port) as sensor:
        fixed(sensor)
        receiver.lat, receiver.lon, receiver.alt = -33.91235, -70.65432, 567.8
        said = until(lambda: (said := sensor.read()) and said.get("lat", 0) < 0 and said)

    assert (said["lat"], said["lon"]) == pytest.approx((-33.91235, -70.65432), abs=1e-6)
    assert said["alt"] == 567.8


def test_without_satellites_there_is_no_position(server, receiver):
    with Sensor(port=server.port) as sensor:
        fixed(sensor)
        receiver.satellites = 0
        said = fixed(sensor, 0)
        assert said.keys() <= {"fix", "sats"}
        receiver.satellites = 3
        said = fixed(sensor, 2)
        assert "alt" not in said
        assert said["lat"] == 51.5


def test_nothing_is_given_twice_and_a_receiver_that_has_gone_is_told(server, receiver, monkeypatch):
    with Sensor(port=server.port) as sensor:
        fixed(sensor)
        monkeypatch.setattr(gpsd, "STALE", 1.0)
        receiver.mute = True
        until(lambda: sensor.read() is None)
        with pytest.raises(UnavailableError, match="gpsd hears nothing from a receiver: is it plugged in"):
            until(lambda: sensor.read() is not None, 10)
        receiver.mute = False
        fixed(sensor)


def test_a_gpsd_that_stops_hangs_and_comes_back(server, monkeypatch):
    monkeypatch.setattr(gpsd, "SILENT", 1.5)
    sensor = Sensor(port=server.port)
    with sensor:
        fixed(sensor)
        with server.hung():
            begun = felt()
            assert sensor.read() is None
            assert felt() - begun < 1.4
            with pytest.raises(UnavailableError, match=r"gpsd at 127.0.0.1:\d+ does not answer"):
                ask(sensor)
    with sensor:
        fixed(sensor)
        server.stop()
        for _ in range(2):
            with pytest.raises(UnavailableError, match=r"^gpsd at 127.0.0.1:\d+ has closed the connection"):
                ask(sensor)
    with pytest.raises(UnavailableError, match=r"no gpsd answers at .*apt-get install gpsd"), sensor:
        pass
    server.start()
    with sensor:
        fixed(sensor)


def test_one_of_several_receivers_is_chosen(tmp_path, receiver):
    with Receiver(lat=52.25) as other, Gpsd(tmp_path / "gpsd", receiver.port, other.port) as server:
        for each in (receiver, other):
            with Sensor(port=server.port, device=each.port) as sensor:
                assert fixed(sensor)["lat"] == each.lat


def test_check_and_found_say_what_is_there(tmp_path, server, receiver):
    assert Sensor(port=server.port).check().startswith("gpsd 3.")
    assert receiver.port in Sensor(port=server.port).check()
    [found] = Sensor.found(server.port)
    assert found.options == {"port": str(server.port)}
    server.stop()
    assert Sensor.found(server.port) == []


def test_a_gpsd_without_a_receiver_says_what_to_do(tmp_path):
    none = pytest.raises(UnavailableError, match="has no receiver: name it in /etc/default/gpsd")
    with Gpsd(tmp_path / "alone") as server, none:
        Sensor(port=server.port).check()


def test_the_captured_answer():
    assert decode(json.loads(CAPTURED)) == (
        "2023-11-14T22:13:32.000Z",
        {"fix": 3, "lat": 51.5, "lon": 6.0833333, "alt": 22.9, "eph": 19.0, "sats": 8},
    )


@pytest.mark.parametrize(
    ("answer", "values"),
    [
        ({"tpv": [{"mode": 0}]}, {"fix": 0}),
        ({"tpv": [{"mode": 1, "lat": 1.0, "lon": 2.0}]}, {"fix": 0}),
        ({"tpv": [{"mode": 3}]}, {"fix": 0}),
        ({"tpv": [{"mode": 3, "lat": 91, "lon": 2}]}, {"fix": 0}),
        ({"tpv": [{"mode": 3, "lat": "51", "lon": True}]}, {"fix": 0}),
        ({"tpv": [{"mode": 2, "lat": 0, "lon": 0.0, "alt": 9}]}, {"fix": 2, "lat": 0, "lon": 0}),
        ({"tpv": [{"mode": 3, "lat": 1, "lon": 2, "alt": 9}]}, {"fix": 3, "lat": 1, "lon": 2, "alt": 9}),
        (
            {"tpv": [{"mode": 1}], "sky": [{"satellites": [{"used": True}, {"used": False}, {}, 7]}]},
            {"fix": 0, "sats": 1},
        ),
        ({"tpv": [{"mode": 3, "lat": math.nan, "lon": 2}], "sky": [{"uSat": math.inf}]}, {"fix": 0}),
        ({"tpv": [{"mode": 3, "lat": 1, "lon": 2, "alt": 10**400}]}, {"fix": 3, "lat": 1, "lon": 2}),
        ({"tpv": [{"mode": 1, "device": "a"}], "sky": [{"uSat": 5, "device": "b"}]}, {"fix": 0}),
    ],
)
def test_what_answers_mean(answer, values):
    assert decode(answer)[1] == values


@pytest.mark.parametrize("answer", [{}, {"tpv": []}, {"tpv": None}, {"tpv": [1, "x"]}, {"tpv": {"mode": 3}}])
def test_without_a_receiver_there_is_nothing(answer):
    assert decode(answer) is None


def test_an_answer_with_one_letter_damaged_gives_a_position_that_can_be_or_none():
    for place in range(len(CAPTURED)):
        for letter in '0"{},x':
            text = CAPTURED[:place] + letter + CAPTURED[place + 1 :]
            try:
                said = json.loads(text)
            except ValueError:
                continue
            found = decode(said) if isinstance(said, dict) else None
            if found and "lat" in found[1]:
                assert abs(found[1]["lat"]) <= 90
                assert abs(found[1]["lon"]) <= 180


@contextmanager
def playing(answer, then=b""):
    """A far end that says its version, and for each POLL what *answer* gives; then it waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def play():
            line, _ = listener.accept()
            with line, suppress(ConnectionError):
                line.sendall(then or VERSION)
                while heard := line.recv(4096):
                    for _ in range(heard.count(b"?POLL")):
                        for part in answer():
                            line.sendall(part)

        player = threading.Thread(target=play, daemon=True)
        player.start()
        yield listener.getsockname()[1]
    player.join(5)


def test_answers_in_pieces_and_two_at_once():
    line = CAPTURED.encode() + b"\r\n"
    parts = iter([[line[:7], line[7:300], line[300:]], [b'{"class":"DEVICE"}\r\n' + line.replace(b"13:32", b"13:33")]])
    with playing(lambda: next(parts)) as port, Sensor(port=port) as sensor:
        assert sensor.read()["lat"] == 51.5
        assert sensor.read()["lat"] == 51.5


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is no gpsd: it says b'SSH-2.0"),
        (b"[1, 2]\n", "is no gpsd"),
        (b"\xff\xfe\n", "is no gpsd"),
        (b"[" * 5000 + b"\n", "is no gpsd"),
        (b"x" * 300_000, "is no gpsd"),
    ],
)
def test_what_is_no_gpsd_is_told(said, reason):
    with playing(list, said) as port, Sensor(port=port) as sensor, pytest.raises(UnavailableError, match=reason):
        ask(sensor)


def test_a_host_that_is_not_there_is_named():
    with pytest.raises(UnavailableError, match=r"^gpsd at nowhere\.invalid:2947 cannot be reached: "):
        Sensor(hostname="nowhere.invalid").open()


def test_half_an_answer_is_none(monkeypatch):
    monkeypatch.setattr(gpsd, "PATIENCE", 0.2)
    monkeypatch.setattr(gpsd, "SILENT", 0.5)
    with playing(lambda: [CAPTURED.encode()[:200]]) as port, Sensor(port=port) as sensor:
        assert sensor.read() is None
        with pytest.raises(UnavailableError, match="does not answer"):
            ask(sensor)


def test_nothing_is_left_open(server):
    sensor = Sensor(port=server.port)
    for _ in range(3):
        with sensor:
            sensor.read()
        assert not hasattr(sensor, "_socket")
