"""Names from outside reach no query and no path but as names: a real server is asked afterwards what became of it."""

import re
from contextlib import suppress

import paho.mqtt.client
import paho.mqtt.enums
import paho.mqtt.publish
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mysense.channels import influxdb, mqtt
from mysense.channels.csv import Publisher as Csv
from mysense.errors import RejectedError
from mysense.telegram import SECOND, Data, Field, Ident
from tests.kit import until
from tests.servers import Influxd

T0 = 1_700_000_000 * SECOND
EVIL = [
    'x"; DROP DATABASE "witness"; --', "x'; DROP DATABASE witness; --", 'x" WITH DURATION 1h',
    "x\nDROP DATABASE witness", "../../witness", "witness", "_internal", "x&db=witness", "x?u=root#",
    "x%22%3B+DROP+DATABASE+witness", "x\\", 'x\\"', "x,label=y temp=1 1\nwitness f=666", "\0", "\x1b[2J", "${HOME}",
    "$(touch /tmp/x)", "`id`", "-rf", "~", ".", "..",
]  # fmt: skip
NAMES = st.sampled_from(EVIL) | st.text(max_size=20)
NODES = st.sampled_from(["Demo", "k1", "a-b.c_d"]) | NAMES
WITNESS = Data(Ident("the", "witness"), T0, {"f": 1.0})
FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def idents(project, serial, label, name):
    return Ident(project, serial, label, fields=(Field(name, label),), meta={name: serial, "description": label})


def test_no_name_becomes_a_statement_for_an_influxdb(tmp_path):
    lanes = set()
    with Influxd(tmp_path / "influxd") as server:
        options = {"hostname": "127.0.0.1", "port": server.port}
        with influxdb.Publisher(**options) as far:
            assert not far.publish([WITNESS])
        before = server.rows("SELECT * FROM data", "the_witness")

        @FEW
        @given(NODES, NODES, NAMES, NAMES)
        @example(*EVIL[:4])
        @example("Demo", "k1", EVIL[0], EVIL[12])
        @example("Demo", "k1", EVIL[4], EVIL[0])
        def publish(project, serial, label, name):
            data = Data(idents(project, serial, label, name), T0, {name: 1.0, "say": label})
            for more in ({}, {"database": "{label}", "measurement": "{label}", "tags": "label, host={project}"}):
                with influxdb.Publisher(**options, **more) as far, suppress(RejectedError):
                    lane = far.lane(data)
                    failed = far.publish([data.ident, data]) or {}
                    assert all(isinstance(error, RejectedError) for error in failed.values()), failed
                    lanes.update({lane} - failed.keys())

        publish()

        assert lanes  # some were names that can be
        assert set(server.databases()) <= lanes | {"the_witness"}
        assert server.rows("SHOW USERS") == []
        assert [path.name for path in tmp_path.iterdir()] == ["influxd"]
        assert {path.name for path in (server.folder / "data").iterdir()} <= lanes | {"the_witness", "_internal"}
        if "the_witness" not in lanes:
            assert server.rows("SELECT * FROM data", "the_witness") == before
        source = influxdb.Subscriber(**options, start="oldest", interval=0.05, update=0.2)
        with source:  # and what is there under such names can be read, or is told
            for _ in range(20):
                source.receive()
                source.confirm()
        assert set(server.databases()) <= lanes | {"the_witness"}


@FEW
@given(NODES, NODES, NAMES, NAMES)
@example(*EVIL[4:8])
def test_no_name_leaves_the_folder_of_a_csv_publisher(tmp_path_factory, project, serial, label, name):
    folder = tmp_path_factory.mktemp("csv")
    with Csv(directory=folder / "inside") as far, suppress(RejectedError):
        ident = idents(project, serial, label, name)
        far.publish([ident, Data(ident, T0, {name: 1.0, "say": label})])

    assert [path.name for path in folder.iterdir()] == ["inside"]
    assert all(path.is_file() for path in (folder / "inside").iterdir())


def test_no_name_leaves_the_place_of_its_node_at_a_broker(own_mosquitto):
    heard = []
    listener = paho.mqtt.client.Client(paho.mqtt.enums.CallbackAPIVersion.VERSION2)
    listener.on_message = lambda client, data, message: heard.append(message.topic)
    listener.connect("127.0.0.1", own_mosquitto.port)
    listener.subscribe("#", 1)
    listener.loop_start()

    @FEW
    @given(NODES, NODES, NAMES, NAMES)
    @example("Demo", "k1", EVIL[4], EVIL[0])
    def publish(project, serial, label, name):
        data = Data(idents(project, serial, label, name), T0, {name: 1.0, "say": label})
        for options in ({}, {"layout": "split"}):
            with mqtt.Publisher(hostname="127.0.0.1", port=own_mosquitto.port, **options) as far:
                failed = far.publish([data.ident, data])
                assert all(isinstance(error, RejectedError) for error in failed.values()), failed

    try:
        publish()
        paho.mqtt.publish.single("last", b"x", 1, hostname="127.0.0.1", port=own_mosquitto.port)
        until(lambda: "last" in heard)
    finally:
        listener.disconnect()
        listener.loop_stop()

    heard.remove("last")
    assert heard
    assert all(re.fullmatch(r"IoS/[^/+#\0]+/[^/+#\0]+(/ident|/data)?", topic) for topic in heard), heard
