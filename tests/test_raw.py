"""Single readings beside what the kit measured: told apart in the journal, on the wire and at every far end."""

import csv as csvfile

import pytest

from mysense import wire
from mysense.channels import console, csv
from mysense.channels._influx import points
from mysense.channels.influxdb.layout import Layout
from mysense.channels.influxdb.line import Encoder
from mysense.channels.influxdb.request import Requests
from mysense.channels.mqtt.layout import written
from mysense.errors import RejectedError
from mysense.journal.memory import MemoryJournal
from mysense.journal.sqlite import SqliteJournal
from mysense.options import declared
from mysense.pipeline import Pipeline
from mysense.processors import calibrate
from mysense.state import State
from mysense.telegram import Data, Field, Ident

TIME = 1_700_000_000_123_000_000
IDENT = Ident("Test", "k1", "shed", fields=(Field("temp", "C", "bme280"), Field("rh", "%", "bme280")))
RAW = Data(IDENT, TIME, {"temp": 20.5}, {"temp": "out of range"}, "bme280")
PLAIN = Data(IDENT, TIME, {"temp": 20.5}, {"temp": "out of range"})


def requests(**options):
    return Requests(State(), lambda database, precision: precision, **options)


def bodies(made, telegrams):
    return [(r.path, r.body.decode()) for r in made.of("Test_k1", telegrams)]


@pytest.mark.parametrize("encode", [wire.encode, wire.encode_classic])
def test_on_the_wire_it_says_whose_reading_it_is(encode):
    text = encode(RAW)

    [again] = wire.decode_message(text, {("Test", "k1"): IDENT})
    assert text.endswith('"raw":"bme280"}')
    assert (again.raw, again.flags, again.values, again.time) == ("bme280", RAW.flags, RAW.values, TIME)


def test_what_somebody_else_calls_raw_is_none():
    [data] = wire.decode_message('{"project":"a","serial":"b","data":{"time":1,"x":2},"raw":true}', {})

    assert data.raw == ""


@pytest.mark.parametrize("make", [lambda folder: MemoryJournal(), lambda folder: SqliteJournal(folder / "journal.db")])
def test_the_journal_keeps_it_apart_from_data_of_the_same_time(make, tmp_path):
    journal = make(tmp_path)
    journal.append([PLAIN, RAW, RAW, Data(IDENT, TIME, {"temp": 20.5}, {}, "sht31")], "node")

    kept = [t for _, t in journal.read(0, 10) if isinstance(t, Data)]
    assert [(t.raw, dict(t.values), dict(t.flags)) for t in kept] == [
        ("", {"temp": 20.5}, {"temp": "out of range"}),
        ("bme280", {"temp": 20.5}, {"temp": "out of range"}),
        ("sht31", {"temp": 20.5}, {}),
    ]
    journal.close()


def test_processors_leave_it_as_it_is():
    step = calibrate.Processor(factors=declared(calibrate.Processor)["factors"].convert("temp: 1 1"))

    assert Pipeline([("processor:calibrate", step)], {})(RAW) == (RAW,)


def test_influxdb_has_a_measurement_for_it_with_milliseconds():
    told, (path, body) = bodies(requests(), [PLAIN, RAW])[0], bodies(requests(), [RAW])[0]

    assert path == told[0] == "ms"
    assert body.splitlines()[-1] == f"raw,type=bme280 temp=20.5 {TIME // 10**6}"
    assert body.startswith("info,label=shed ")
    assert ",new=1 temp=20.5" in told[1]


def test_a_single_reading_is_never_the_first_data_under_an_ident():
    [(_, body)] = bodies(requests(), [RAW, PLAIN])

    assert body.count("info") == 1
    assert ",new=1 temp=20.5" in body


def test_in_a_database_of_a_fleet_it_says_of_which_node():
    said, _ = Encoder(Layout("fleet")).raw(RAW)

    assert said == "raw,project=Test,serial=k1,type=bme280 temp=20.5"


def test_a_measurement_of_ones_own_has_none_beside_it():
    assert bodies(requests(layout=Layout(measurement="air")), [RAW]) == []


def test_a_value_that_is_called_like_a_tag_is_refused():
    with pytest.raises(RejectedError, match="'type'"):
        Encoder().raw(Data(IDENT, TIME, {"type": "x"}, raw="bme280"))


def test_in_legacy_lines_it_is_as_the_original_wrote_it():
    made = Requests(State(), lambda database, precision: f"/{precision}", legacy=True)

    assert bodies(made, [RAW]) == [("/ms", f'raw,type="bme280" temp=20.5 {TIME // 10**6}')]


@pytest.mark.parametrize("sensor", ["bme280", '"bme280"'])
def test_a_point_of_raw_is_read_as_one(sensor):
    data = points.data(points.Known(IDENT), TIME, "raw", {"type": sensor, "temp": 20.5})

    assert data == Data(IDENT, TIME, {"temp": 20.5}, raw="bme280")


def test_it_is_written_to_influxd_and_read_again(influxd):
    from mysense.channels.influxdb.publisher import Publisher
    from mysense.channels.influxdb.subscriber import Subscriber
    from tests.kit import received

    there = {"hostname": "127.0.0.1", "port": influxd.port}
    ident = Ident("RawTest", "k1", "shed")
    readings = [Data(ident, TIME + n * 10**9, {"temp": 20.0 + n}, {}, "bme280:roof") for n in range(3)]
    with Publisher(**there) as far:
        assert not far.publish(readings)
    with Subscriber(**there, projects="RawTest", measurement="raw") as source:
        got = [t for t in received(source) if isinstance(t, Data)]

    assert [(t.time, dict(t.values), t.raw, t.ident.node) for t in got] == [
        (t.time, dict(t.values), "bme280:roof", "RawTest_k1") for t in readings
    ]


@pytest.mark.parametrize("split", [True, False])
def test_over_mqtt_it_has_a_topic_of_its_own(split):
    message = written("IoS/Test/k1", RAW, split)

    assert message.topic == "IoS/Test/k1/raw"
    assert [t.raw for t in wire.decode_message(message.payload, {})] == ["bme280"]


def test_csv_has_a_file_for_each_sensor(tmp_path):
    with csv.Publisher(directory=tmp_path) as far:
        far.publish([PLAIN, RAW, Data(IDENT, TIME, {"rh": 50.0}, {}, "sht31:../roof")])

    files = {path.name: list(csvfile.reader(path.read_text().splitlines())) for path in tmp_path.glob("*.csv")}
    assert sorted(files) == [
        "Test_k1_2023-11-14.csv",
        "Test_k1_raw_bme280_2023-11-14.csv",
        "Test_k1_raw_sht31-..-roof_2023-11-14.csv",
    ]
    assert files["Test_k1_raw_bme280_2023-11-14.csv"] == [
        ["time", "unix(s)", "temp(C)"],
        ["2023-11-14T22:13:20.123Z", "1700000000.123", "20.5"],
    ]


def test_the_console_says_that_it_is_one():
    assert console.text(RAW).splitlines()[0].endswith("Test_k1, one reading of bme280")
