"""Every plugin of ours keeps what the contract suites ask of everybody's."""

import json
import threading
import time
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import ClassVar

import paho.mqtt.publish
import pytest

from mysense import registry, wire
from mysense.channels import influxdb, influxlisten, mqtt, ttn
from mysense.channels.console import Publisher as Console
from mysense.channels.csv import Publisher as Csv
from mysense.hardware.i2c import Address
from mysense.processors.calibrate import Processor as Calibrate
from mysense.processors.calibrate import factors
from mysense.sensors.dht import Sensor as Dht
from mysense.sensors.ds18b20 import Sensor as Ds18b20
from mysense.sensors.dylos import Sensor as Dylos
from mysense.sensors.gpsd import Sensor as GpsdSensor
from mysense.sensors.iio import Sensor as Iio
from mysense.sensors.pi import Sensor as Pi
from mysense.sensors.replay import Sensor as Replay
from mysense.sensors.simulated import Sensor as Simulated
from mysense.sensors.sps30 import Sensor as Sps30
from mysense.sensors.wifi import Sensor as Wifi
from mysense.telegram import SECOND, Data, ident_of
from mysense.testing import (
    FastClock,
    ProcessorContract,
    PublisherContract,
    Receiver,
    SensorContract,
    SubscriberContract,
    Sysfs,
)  # fmt: skip
from mysense.testing.chips import sps30
from mysense.testing.i2c import SimulatedBus, chip
from mysense.testing.subscribers import telegrams as sent
from tests.gpsd import Gpsd
from tests.kit import Line
from tests.ports import free_ports
from tests.serials import KINDS

CAPTURED = Path(__file__).parent.parent / "testdata" / "dylos-input.txt"


class TestSimulated(SensorContract):
    def make(self):
        return Simulated()


class TestReplay(SensorContract):
    def make(self):
        return Replay(file=CAPTURED, speed=0.0)


class Serial(SensorContract):
    """A sensor on a serial line; *name* is that of its module. Not collected itself."""

    name = ""

    @pytest.fixture(autouse=True)
    def _device(self):
        self.kind_of = KINDS[self.name]
        with self.kind_of.line() as self.line:
            yield

    def make(self):
        return self.kind_of.sensor(self.line)


class TestSds011(Serial):
    name = "sds011"


class TestPms(Serial):
    name = "pms"


class TestMhz19(Serial):
    name = "mhz19"


class TestSps30(Serial):
    name = "sps30"


class TestSps30OnI2c(SensorContract):
    @pytest.fixture(autouse=True)
    def _bus(self):
        self.clock = FastClock(60)
        with SimulatedBus({0x69: sps30.Chip(clock=self.clock)}) as self.bus:
            yield

    def make(self):
        sensor = Sps30(i2c=Address(0x69), bus=self.bus.name)
        sensor.clock = self.clock
        return sensor


class TestShinyei(Serial):
    name = "shinyei"


class TestSpec_dgs(Serial):
    name = "spec_dgs"


class TestDylos(SensorContract):
    @pytest.fixture(autouse=True)
    def _line(self, played):
        self.port = played.port

    def make(self):
        return Dylos(port=self.port)


class OnI2C(SensorContract):
    """A sensor on a simulated bus, with what measures CO2 a little faster."""

    name, place = "", 0

    @pytest.fixture(autouse=True)
    def _played(self):
        simulated = chip(self.name)
        if hasattr(simulated, "co2"):
            simulated.clock = lambda: time.monotonic() * 20
            simulated.power_up()
        with SimulatedBus({self.place: simulated}) as bus:
            self.bus = bus.name
            yield

    def make(self):
        return registry.find("sensor", self.name)(bus=self.bus)


class TestBme280(OnI2C):
    name, place = "bme280", 0x76


class TestBmp280(OnI2C):
    name, place = "bmp280", 0x77


class TestBme680(OnI2C):
    name, place = "bme680", 0x76


class TestSht31(OnI2C):
    name, place = "sht31", 0x44


class TestSht4x(OnI2C):
    name, place = "sht4x", 0x46


class TestScd30(OnI2C):
    name, place = "scd30", 0x61


class TestScd4x(OnI2C):
    name, place = "scd4x", 0x62


class TestIio(SensorContract):
    @pytest.fixture(autouse=True)
    def _tree(self, tmp_path):
        self.tree = Sysfs(tmp_path)
        self.tree.bme280()

    def make(self):
        return Iio(name="bme280", root=self.tree.root)


class TestDht(SensorContract):
    @pytest.fixture(autouse=True)
    def _tree(self, tmp_path):
        self.tree = Sysfs(tmp_path)
        self.tree.dht()

    def make(self):
        return Dht(root=self.tree.root)


class TestDs18b20(SensorContract):
    @pytest.fixture(autouse=True)
    def _tree(self, tmp_path):
        self.tree = Sysfs(tmp_path)
        self.tree.probe()

    def make(self):
        return Ds18b20(root=self.tree.root)


class TestGpsd(SensorContract):
    @pytest.fixture(autouse=True)
    def _server(self, tmp_path):
        with Receiver() as receiver, Gpsd(tmp_path / "gpsd", receiver.port) as server:
            self.port = server.port
            yield

    def make(self):
        return GpsdSensor(hostname="127.0.0.1", port=self.port)


class TestWifi(SensorContract):
    @pytest.fixture(autouse=True)
    def _tree(self, tmp_path):
        self.tree = Sysfs(tmp_path)
        self.tree.wifi()

    def make(self):
        return Wifi(root=self.tree.root)


class TestPi(SensorContract):
    @pytest.fixture(autouse=True)
    def _tree(self, tmp_path):
        self.tree = Sysfs(tmp_path)
        self.tree.pi()

    def make(self):
        return Pi(root=self.tree.root)


class TestConsole(PublisherContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.file = tmp_path / "console.txt"

    def make(self):
        return Console(file=str(self.file))


class TestConsoleAsJson(TestConsole):
    def make(self):
        return Console(file=str(self.file), format="json")


class TestCsv(PublisherContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make(self):
        return Csv(directory=self.folder)


class TestInfluxDB(PublisherContract):
    @pytest.fixture(autouse=True)
    def _server(self, influxd):
        self.port = influxd.port

    def make(self):
        return influxdb.Publisher(hostname="127.0.0.1", port=self.port)


class TestInfluxDBSubscriber(SubscriberContract):
    @pytest.fixture(autouse=True)
    def _server(self, own_influxd):
        self.port = own_influxd.port

    def make(self):
        return influxdb.Subscriber(hostname="127.0.0.1", port=self.port, start="oldest", interval=0.05, update=0.2)

    def send(self, telegrams):
        with influxdb.Publisher(hostname="127.0.0.1", port=self.port) as far:
            assert not far.publish(telegrams)


class TestInfluxDB2(PublisherContract):
    @pytest.fixture(autouse=True)
    def _server(self, influxdb2):
        self.options = influxdb2.options

    def make(self):
        return influxdb.Publisher(hostname="127.0.0.1", **self.options)


class TestInfluxDB3(TestInfluxDB2):
    @pytest.fixture(autouse=True)
    def _server(self, influxdb3):
        self.options = influxdb3.options


class TestInfluxDB3Subscriber(SubscriberContract):
    @pytest.fixture(autouse=True)
    def _server(self, influxdb3):
        self.options = {"hostname": "127.0.0.1", **influxdb3.options}

    def make(self):
        return influxdb.Subscriber(start="oldest", interval=0.05, update=0.2, **self.options)

    def send(self, telegrams):
        with influxdb.Publisher(**self.options) as far:
            assert not far.publish(telegrams)


class TestInfluxDBInTheLayoutOfOthers(TestInfluxDB):
    def make(self):
        return influxdb.Publisher(
            hostname="127.0.0.1", port=self.port, database="{project}", measurement="m", tags="host={label}, node"
        )


class TestInfluxListenSubscriber(SubscriberContract):
    replays = False  # what was not confirmed was refused, and its writer sends it again

    @pytest.fixture(autouse=True)
    def _port(self):
        [self.port] = free_ports(1)

    def make(self):
        return influxlisten.Subscriber(port=self.port)

    def send(self, telegrams):
        with influxdb.Publisher(hostname="127.0.0.1", port=self.port) as far:
            assert not far.publish(telegrams)


class TestMqtt(PublisherContract):
    @pytest.fixture(autouse=True)
    def _server(self, mosquitto, serial):
        self.options = {"hostname": "127.0.0.1", "port": mosquitto.port, "topic": serial}

    def make(self):
        return mqtt.Publisher(**self.options)


class TestMqttSubscriber(SubscriberContract):
    options: ClassVar[dict[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _server(self, mosquitto, serial):
        self.port, self.name = mosquitto.port, serial

    def make(self):
        return mqtt.Subscriber(
            hostname="127.0.0.1", port=self.port, client_id=self.name, topic=f"{self.name}/{{project}}/{{serial}}",
            **self.options,
        )  # fmt: skip

    def send(self, telegrams):
        messages = [self.message(telegram) for telegram in telegrams if isinstance(telegram, Data)]
        paho.mqtt.publish.multiple(messages, "127.0.0.1", self.port)

    def message(self, data):
        topic = f"{self.name}/{data.ident.project}/{data.ident.serial}"
        return {"topic": topic, "payload": wire.encode_classic(data), "qos": 1}


class TestMqttSubscriberByPaho(TestMqttSubscriber):
    options: ClassVar[dict[str, str]] = {"reader": "paho"}


class TestMqttSubscriberInVersion3(TestMqttSubscriber):
    options: ClassVar[dict[str, str]] = {"version": "3.1.1"}


class TestMqttSubscriberSplit(TestMqttSubscriber):
    def send(self, telegrams):
        messages = []
        for ident, each in groupby((t for t in telegrams if isinstance(t, Data)), key=lambda data: data.ident):
            topic = f"{self.name}/{ident.project}/{ident.serial}"
            messages.append({"topic": f"{topic}/ident", "payload": wire.encode(ident), "qos": 1})
            messages += [{"topic": f"{topic}/data", "payload": wire.encode(data), "qos": 1} for data in each]
        paho.mqtt.publish.multiple(messages, "127.0.0.1", self.port)


class TestTTNSubscriber(SubscriberContract):
    """Uplinks tell values and no ident: each ident that is sent is a device of its own, and listed."""

    @pytest.fixture(autouse=True)
    def _server(self, mosquitto, serial, tmp_path):
        self.port, self.name = mosquitto.port, serial
        self.list = tmp_path / "devices.json"
        idents = {ident.digest: json.loads(wire.encode_ident(ident)) for ident in map(ident_of, sent())}
        self.list.write_text(json.dumps(idents))

    def make(self):
        return ttn.Subscriber(
            hostname="127.0.0.1", port=self.port, ssl=False, client_id=self.name,
            topic=(f"v3/{self.name}/devices/+/up",), devices_file=self.list,
        )  # fmt: skip

    def send(self, telegrams):
        messages = [self.uplink(telegram) for telegram in telegrams if isinstance(telegram, Data)]
        paho.mqtt.publish.multiple(messages, "127.0.0.1", self.port)

    def uplink(self, data):
        ids = {"device_id": data.ident.digest, "application_ids": {"application_id": self.name}}
        up = {"received_at": moment(data.time), "f_port": 1, "decoded_payload": dict(data.values)}
        text = json.dumps({"end_device_ids": ids, "uplink_message": up})
        return {"topic": f"v3/{self.name}/devices/{data.ident.digest}/up", "payload": text, "qos": 1}


def moment(time):
    """A time (ns) as The Things Stack writes it."""
    return f"{datetime.fromtimestamp(time // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{time % SECOND:09}Z"


class TestCalibrate(ProcessorContract):
    def make(self):
        return Calibrate(factors=factors("temp: -2.2 1; rh: 0.3 1 1e-3"))


@pytest.fixture
def played():
    """A Dylos that sends a line whenever nobody has read the one before."""
    line, stop = Line(), threading.Event()

    def play():
        while not stop.wait(0.05):
            line.say(b"511,21\r\n")

    player = threading.Thread(target=play)
    player.start()
    yield line
    stop.set()
    player.join()
    line.close()


def test_no_plugin_is_left_out():
    tried = {cls.kind: set() for cls in (SensorContract, SubscriberContract, PublisherContract, ProcessorContract)}
    for suite in list(globals().values()):
        if isinstance(suite, type) and getattr(suite, "kind", "") in tried:
            tried[suite.kind].add(suite.__name__)

    for kind, suites in tried.items():
        names = {name.lower().removeprefix("test").removesuffix("subscriber") for name in suites}
        assert set(registry.names(kind)) <= names
