"""What was written to InfluxDB 2 and 3 is listed and read again: the ways of each version, and stand-ins for it."""

from dataclasses import replace
from time import time

import pytest

from mysense import examples
from mysense.channels import influxdb
from mysense.channels.influxdb import moments
from mysense.channels.influxdb.api import Question
from mysense.errors import UnavailableError
from mysense.telegram import SECOND, Data, Field, Ident, Location
from mysense.testing import normal
from tests.kit import Kit, received, until
from tests.standins.server import Answered

T0 = 1_700_000_000
STRANGE = ['a "b"', "a 'b'", "back\\slash", "${r}", "a, b=c", "ü ✓", "#x", '"']


def data(seconds, ident, **values):
    return Data(ident, (T0 + seconds) * SECOND, values or {"temp": float(seconds)})


def publisher(server, **options):
    return influxdb.Publisher(hostname="127.0.0.1", **server.options | options)


@pytest.fixture
def ident(serial):
    return Ident("Ver", serial, "shed", since=T0 * SECOND)


@pytest.fixture(params=["2", "3"])
def server(request):
    """A stand-in for InfluxDB 2, and one for 3."""
    return request.getfixturevalue(f"influxdb{request.param}")


@pytest.fixture
def ways():
    """Gives the ways of a server's version, as its administrator."""
    connections = []

    def of(server):
        far = publisher(server)
        connections.append(far.connection())
        return far.api(connections[-1])

    yield of
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("time", [0, 1, T0 * SECOND, T0 * SECOND + 120_000_000, 2**63 - 1, -1])
def test_a_time_as_text_is_that_time(time):
    assert moments.nanoseconds(moments.text(time)) == time


def test_databases_are_listed_without_those_of_the_server(server, ways):
    api = ways(server)
    names = sorted(f"Ver_{n:03}" for n in range(230))
    for name in names:
        api.create(name)
        api.create(name)  # one that is there stays

    assert api.databases() == names


def test_rows_come_as_they_were_written(server, ident, ways):
    values = [{"temp": float(n), "say": text, "ok": n % 2 == 0} for n, text in enumerate(STRANGE)]
    telegrams = [Data(ident, T0 * SECOND + n, each) for n, each in enumerate(values)]
    with publisher(server) as far:
        assert far.publish(telegrams) == {}
    table = ways(server).rows(Question(ident.node, "data", T0 * SECOND + 1, 5))

    assert table.columns[0] == "time"
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["time"] - T0 * SECOND for row in rows] == [1, 2, 3, 4, 5]
    assert [{k: row[k] for k in ("temp", "say", "ok")} for row in rows] == values[1:6]
    assert {row["label"] for row in rows} == {"shed"}


def test_the_newest_row_and_rows_of_some_tags_can_be_asked_for(server, ident, ways):
    with publisher(server, database="Fleet") as far:
        idents = [Ident("Ver", f"n{n}", text) for n, text in enumerate(STRANGE)]
        assert far.publish([data(n, each) for n, each in enumerate(idents)]) == {}
    api = ways(server)
    newest = api.rows(Question("Fleet", "data", 0, 1, newest=True))
    found = [api.rows(Question("Fleet", "data", 0, 9, {"label": text})).rows for text in STRANGE]

    assert [row[0] // SECOND - T0 for row in newest.rows] == [len(STRANGE) - 1]
    assert [[row[0] // SECOND - T0 for row in rows] for rows in found] == [[n] for n in range(len(STRANGE))]


def test_what_is_missing_is_none_and_what_was_never_written_is_empty(server, ident, ways):
    with publisher(server) as far:
        assert far.publish([data(0, ident, temp=1.0), data(1, ident, rh=2.0)]) == {}
    api = ways(server)
    table = api.rows(Question(ident.node, "data", 0, 9))

    got = [{k: v for k, v in zip(table.columns, row, strict=True) if k in ("temp", "rh")} for row in table.rows]
    assert got == [{"temp": 1.0, "rh": None}, {"temp": None, "rh": 2.0}]
    assert list(api.rows(Question(ident.node, "nothing", 0, 9)).rows) == []
    assert list(api.rows(Question(ident.node, "data", 0, 9, {"nobody": "x"})).rows) == []
    assert api.tag_values(ident.node, "nothing", ["label"]) == []


def test_rows_of_the_day_after_tomorrow_are_not_asked_for(server, ident, ways):
    now = int(time()) * SECOND
    with publisher(server) as far:
        far.publish([Data(ident, now + days * 86400 * SECOND, {"temp": 1.0}) for days in (0, 2)])

    assert [row[0] for row in ways(server).rows(Question(ident.node, "data", 0, 9)).rows] == [now]


def test_the_values_that_tags_have_together_are_told(server, ident, ways):
    api = ways(server)
    api.create("Fleet")
    lines = [rf"m,project=a,serial={n},host=h\ {n % 2} x=1 {T0 + n}" for n in range(3)] + [f"m x=1 {T0}"]
    assert api.request("POST", api.writing("Fleet", "s"), "\n".join(lines).encode()).status == 204
    found = api.tag_values("Fleet", "m", ["project", "serial", "nobody"])
    hosts = api.tag_values("Fleet", "m", ["host"])

    assert sorted(found, key=str) == [*({"project": "a", "serial": str(n)} for n in range(3)), {}]
    assert sorted(hosts, key=str) == [{"host": "h 0"}, {"host": "h 1"}, {}]
    rest = api.rows(Question("Fleet", "m", 0, 9, {"project": "", "serial": ""}))
    assert [row[0] for row in rest.rows] == [T0 * SECOND]


def test_a_database_that_is_not_there_cannot_be_read(server, ways):
    with pytest.raises(UnavailableError, match="Nowhere"):
        ways(server).rows(Question("Nowhere", "data", 0, 9))


@pytest.mark.parametrize("said", ["", "<html>", '{"a": 1}', ",result,table,_time\r\n,,0,1\r\n", '"', "[1]"])
def test_an_answer_that_is_none_is_told_in_one_line(server, said, ways):
    api = ways(server)
    server.ordered.append(Answered(200, said))
    with pytest.raises(UnavailableError, match=rf"127\.0\.0\.1:{server.port} answers what is no") as told:
        api.databases()

    assert "\n" not in str(told.value)


def test_what_goes_wrong_half_way_through_an_answer_is_told(influxdb2, ways):
    said = "#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,out of memory,897\r\n"
    influxdb2.ordered.append(Answered(200, said))
    with pytest.raises(UnavailableError, match="out of memory"):
        ways(influxdb2).rows(Question("x", "data", 0, 9))


def test_a_text_longer_than_a_page_of_csv_is_read(influxdb2, ident, ways):
    with publisher(influxdb2) as far:
        assert far.publish([data(0, ident, say="x" * 300_000)]) == {}
    table = ways(influxdb2).rows(Question(ident.node, "data", 0, 9))

    assert table.rows[0][table.columns.index("say")] == "x" * 300_000


def test_what_was_published_comes_back_as_it_was(server):
    sent = [t.public() if isinstance(t, Ident) else replace(t, ident=t.ident.public()) for t in examples.telegrams()]
    ident = Ident("Fleet", "n1", "shed", Location(51.5, 6.1), (Field("temp", "C"), Field("say")), {"floor": 2})
    sent += [Data(ident, T0 * SECOND + n, {"temp": n / 3, "say": text, "ok": True}) for n, text in enumerate(STRANGE)]
    with publisher(server) as far:
        assert far.publish(sent) == {}
    with influxdb.Subscriber(hostname="127.0.0.1", start="oldest", interval=0.01, **server.options) as far:
        got = received(far)

    def data_of(telegrams):
        return sorted((t for t in normal(telegrams) if isinstance(t, Data)), key=lambda t: (t.ident.node, t.time))

    assert data_of(got) == data_of(sent)
    assert {t.digest for t in normal(got) if isinstance(t, Ident)} == {t.ident.digest for t in data_of(sent)}


def test_a_bucket_in_a_layout_of_its_own_is_read_back_by_the_same_templates(server, ident):
    layout = {"measurement": "migration", "tags": "type, bird={serial}"}
    sent = [data(n, ident, type="migration-value", lat=51.5 + n, lon=6.0) for n in range(3)]
    with publisher(server, database="bird-migration", **layout) as far:
        assert far.publish(sent) == {}
    source = influxdb.Subscriber(
        hostname="127.0.0.1", databases=("bird-migration",), start="oldest", interval=0.01, **layout, **server.options
    )
    with source:
        got = [telegram for telegram in received(source) if isinstance(telegram, Data)]

    assert [(t.time, dict(t.values)) for t in got] == [(t.time, dict(t.values)) for t in sent]
    assert {t.ident.node for t in got} == {f"bird-migration_{ident.serial}"}


def test_a_relay_brings_one_version_to_another(server, influxd, ident, tmp_path):
    sent = [data(n, ident) for n in range(5)]
    with influxdb.Publisher(hostname="127.0.0.1", port=influxd.port) as far:
        assert far.publish(sent) == {}
    options = "\n".join(f"{name} = {value}" for name, value in server.options.items())
    kit = Kit(
        tmp_path,
        f"""
[subscriber:influxdb]
hostname = 127.0.0.1
port = {influxd.port}
projects = {ident.project}
serials = {ident.serial}
[publisher:influxdb]
hostname = 127.0.0.1
{options}
""",
    )
    kit.start()
    try:
        until(lambda: kit.worker("subscriber:influxdb")["count"] == 6)
        until(lambda: kit.cursor("publisher:influxdb")["lag"] == 0)
    finally:
        kit.kill()

    assert [row["temp"] for row in server.rows(ident.node)] == [0, 1, 2, 3, 4]


def test_a_text_that_is_empty_comes_back_from_influxdb_3_and_is_missing_from_influxdb_2(server, ident, ways):
    with publisher(server) as far:
        assert far.publish([data(0, ident, temp=1.0, say="")]) == {}
    table = ways(server).rows(Question(ident.node, "data", 0, 9))

    [row] = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert row.get("say") == {"2": None, "3": ""}[ways(server).version]
