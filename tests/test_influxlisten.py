"""The listener, over real sockets into a real journal; a real influxd says what it ought to answer."""

import gzip
import http.client
import itertools
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from base64 import b64encode
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
import trustme
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mysense import examples, wire
from mysense.channels import influxdb
from mysense.channels._influx.points import Node, node
from mysense.channels._influx.protocol import Reader
from mysense.channels.influxdb.v1 import quoted
from mysense.channels.influxlisten import Subscriber, idents
from mysense.clock import Clock
from mysense.errors import ConfigError
from mysense.journal.memory import MemoryJournal
from mysense.journal.sqlite import SqliteJournal
from mysense.telegram import SECOND, Data, Field, Ident, Note
from mysense.worker import SubscribeWorker
from tests.kit import Kit, until
from tests.ports import free_ports
from tests.test_protocol import VALUES, lines

T0 = 1_700_000_000
SECTION = "subscriber:influxlisten"


class Listening:
    """A listener at work: its worker in a thread, and a client to write with."""

    def __init__(self, journal, **options):
        [self.port] = free_ports(1)
        self.journal, self.options, self._stop = journal, options, threading.Event()
        self.subscriber = Subscriber(port=self.port, **options)
        self.worker = SubscribeWorker(SECTION, self.subscriber, self._stop, Clock(), journal)
        self._thread = threading.Thread(target=self.worker.run)
        self._thread.start()
        until(lambda: hasattr(self.subscriber, "_server") and self.reachable())

    def reachable(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        self._stop.set()
        with suppress(AttributeError):  # or it waits up to a second for what might still come
            self.subscriber._waiting.close()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def ask(self, method, path, body=None, headers=None):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            client.request(method, path, body, headers or {}, encode_chunked=hasattr(body, "__next__"))
            answer = client.getresponse()
            return answer.status, answer.read().decode()
        finally:
            client.close()

    def write(self, database, body, headers=None, **said):
        return self.ask("POST", f"/write?{urlencode({'db': database, **said})}", body, headers)

    def telegrams(self):
        return [entry.telegram for entry in self.journal.read(0, 100_000)]

    def data(self):
        return [(t.ident.node, t.time, dict(t.values)) for t in self.telegrams() if isinstance(t, Data)]


@pytest.fixture
def listen():
    """Makes listeners, with a journal in memory unless another is given."""
    with ExitStack() as stack:

        def make(journal=None, **options):
            listening = Listening(journal or MemoryJournal(), **options)
            stack.callback(listening.close)
            return listening

        yield make


def basic(user, secret):
    return {"Authorization": "Basic " + b64encode(f"{user}:{secret}".encode()).decode()}


# What comes in


def test_an_airrohr_writes_as_to_an_influxdb(listen):
    there = listen(user="kit", password="sécret")
    body = b"feinstaub,node=esp8266-1234 SDS_P1=12.30,SDS_P2=5.10,BME280_temperature=21.42,samples=812345,signal=-61"
    before = time.time_ns()
    status = there.write("sensorcommunity", body, {**basic("kit", "sécret"), "X-Sensor": "esp8266-1234"})

    assert status == (204, "")
    [(node, at, values)] = there.data()
    assert node == "sensorcommunity_esp8266-1234"
    assert before <= at <= time.time_ns()
    assert values == {
        "SDS_P1": 12.3, "SDS_P2": 5.1, "BME280_temperature": 21.42, "samples": 812345.0, "signal": -61.0,
        "measurement": "feinstaub",
    }  # fmt: skip


def test_telegraf_writes_packed_and_in_chunks(listen):
    there = listen()
    body = "".join(
        f"cpu,cpu=cpu{n},host=pi usage_idle={97.5 - n},usage_user=1.5 {T0}000000000\n"
        f'disk,host=pi,path=/home\\ of\\ all free={n}i,label="a, b" {T0 + n}000000000\n'
        for n in range(3)
    )
    packed = gzip.compress(body.encode())
    pieces = (packed[k : k + 7] for k in range(0, len(packed), 7))

    status = there.write("telegraf", pieces, {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"})

    assert status == (204, "")
    assert there.data() == [
        entry
        for n in range(3)
        for entry in (
            ("telegraf_pi", T0 * SECOND, {"cpu": f"cpu{n}", "measurement": "cpu",
                                          "usage_idle": 97.5 - n, "usage_user": 1.5}),
            ("telegraf_pi", (T0 + n) * SECOND, {"path": "/home of all", "measurement": "disk",
                                                "free": n, "label": "a, b"}),
        )
    ]  # fmt: skip


def test_an_esphome_like_device_writes_single_points_with_a_token(listen):
    there = listen(token="s3cret")
    path = "/api/v2/write?org=home&bucket=garden&precision=s"
    for n in range(3):
        body = f"temperature,device=shed-esp value={20 + n / 2} {T0 + n}".encode()
        assert there.ask("POST", path, body, {"Authorization": "Token s3cret"}) == (204, "")

    assert there.data() == [
        ("garden_shed-esp", (T0 + n) * SECOND,
         {"value": 20 + n / 2, "measurement": "temperature"})
        for n in range(3)
    ]  # fmt: skip


def test_a_client_of_version_3_need_not_say_the_precision(listen):
    there = listen(token="s3cret")
    body = f"home,id=k1 temp=20.5 {T0}\nhome,id=k1 temp=21.5 {T0 + 1}000".encode()

    assert there.ask("POST", "/api/v3/write_lp?db=fleet", body, {"Authorization": "Bearer s3cret"}) == (204, "")
    assert [(node, at) for node, at, _ in there.data()] == [
        ("fleet_k1", T0 * SECOND), ("fleet_k1", (T0 + 1) * SECOND)]  # fmt: skip


def test_an_influxd_pushes_what_is_written_into_it(listen, influxd, serial):
    there = listen()
    influxd.query(f'CREATE DATABASE "{serial}"')
    influxd.query(
        f'CREATE SUBSCRIPTION "mysense" ON "{serial}"."autogen" DESTINATIONS ALL \'http://127.0.0.1:{there.port}\''
    )
    client = http.client.HTTPConnection("127.0.0.1", influxd.port, timeout=10)

    def pushed():
        """A subscription begins a moment after it was made."""
        client.request("POST", f"/write?db={serial}&precision=s", f"probe,host=pi up=1i {T0}")
        client.getresponse().read()
        return there.data()

    until(pushed)
    body = "\n".join(f'room,host=pi temp={n}.5,state="o k",n={n}i,on=true {T0 + n}' for n in range(50))
    client.request("POST", f"/write?db={serial}&precision=s", body)
    assert client.getresponse().status == 204
    client.close()
    got = until(lambda: len(found := [d for d in there.data() if d[2]["measurement"] == "room"]) == 50 and found)
    influxd.query(f'DROP SUBSCRIPTION "mysense" ON "{serial}"."autogen"')

    name = f"{serial}_pi"
    assert sorted(got, key=lambda d: d[1]) == [
        (name, (T0 + n) * SECOND,
         {"temp": n + 0.5, "state": "o k", "n": n, "on": True, "measurement": "room"})
        for n in range(50)
    ]  # fmt: skip


def kit(serial, label="shed", since=T0):
    return Ident("Inf", serial, label, fields=(Field("temp", "C", "BME280"),), meta={"os": "Linux"},
                 since=since * SECOND)  # fmt: skip


def test_what_mysense_publishes_comes_out_as_it_was(listen):
    there = listen(user="kit", password="pass word")
    ident, other = kit("k1"), kit("k2", "röof, east=1")
    moved = kit("k1", "garden", T0 + 3)
    sent = [
        ident, Data(ident, T0 * SECOND, {"temp": 20.5, "rh": 50}), other,
        Data(other, T0 * SECOND, {"temp": -1.0, "state": 'a "b" \\ c', "on": True}),
        Note(ident, (T0 + 1) * SECOND, "stuck", "it hangs", {"seconds": 7}),
        Data(ident, (T0 + 1) * SECOND + 1, {"temp": 21.25, "label": "other", "geolocation": "1,2"}),
        moved, Data(moved, (T0 + 3) * SECOND, {"temp": 22.5}),
        Data(ident, (T0 + 2) * SECOND, {"temp": 0.0}),
    ]  # fmt: skip
    far = influxdb.Publisher(hostname="127.0.0.1", port=there.port, user="kit", password="pass word")
    with far:
        assert far.publish(sent) == {}

    by_node = [
        t for node in ("Inf_k1", "Inf_k2") for t in sent if (t if isinstance(t, Ident) else t.ident).node == node
    ]
    got = there.telegrams()
    came = [t for node in ("Inf_k1", "Inf_k2") for t in got if (t if isinstance(t, Ident) else t.ident).node == node]
    assert came == by_node


def test_a_note_of_no_kind_is_data_as_any_other_line(listen):
    there = listen()
    assert there.write("Inf_k1", f'station kind="",text="begun" {T0}\n', precision="s") == (204, "")

    [data] = [t for t in there.telegrams() if not isinstance(t, Ident)]
    assert isinstance(data, Data)
    assert data.values["text"] == "begun"
    assert list(wire.decode([wire.encode(data)]))


def test_the_examples_come_out_as_they_are(listen):
    there = listen()
    sent = list(examples.telegrams())
    with influxdb.Publisher(hostname="127.0.0.1", port=there.port, version="1") as far:
        assert far.publish(sent) == {}

    came = there.telegrams()
    assert [t.digest for t in came if isinstance(t, Ident)] == [t.digest for t in sent if isinstance(t, Ident)]
    assert [(t.time, dict(t.values)) for t in came if isinstance(t, Data)] == [
        (t.time, dict(t.values)) for t in sent if isinstance(t, Data)]  # fmt: skip


def test_after_a_restart_data_keeps_the_ident_that_was_told(listen, tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    ident = kit("k1")
    first = listen(journal)
    with influxdb.Publisher(hostname="127.0.0.1", port=first.port) as far:
        far.publish([Data(ident, T0 * SECOND, {"temp": 1.5})])
    first.close()
    second = listen(journal)
    assert second.write("Inf_k1", f"data,label=shed,new=0 temp=2.5 {T0 + 1}", precision="s") == (204, "")

    assert [t for t in second.telegrams() if isinstance(t, Data)] == [
        Data(ident, T0 * SECOND, {"temp": 1.5}), Data(ident, (T0 + 1) * SECOND, {"temp": 2.5})]  # fmt: skip
    second.close()
    journal.close()


def test_an_ident_that_is_told_again_is_not_news(listen):
    there = listen()
    for _ in range(3):
        far = influxdb.Publisher(hostname="127.0.0.1", port=there.port)
        with far:
            far.publish([Data(kit("k1"), T0 * SECOND, {"temp": 1.5})])

    assert [type(t) for t in there.telegrams()] == [Ident, Data]


def info(**said):
    text = json.dumps({"project": "Inf", "serial": "k1", **said}, ensure_ascii=False)
    return 'info ident="{}" {}'.format(text.replace("\\", "\\\\").replace('"', '\\"'), T0).encode()


@pytest.mark.parametrize(
    "said",
    [
        *({"label": f"a{end}b"} for end in "\u2028\u2029\x85\x0b\x1c\r\n"),
        {"geolocation": [500, 500]}, {"geolocation": [1, 2, 3, 4]}, {"fields": [{"name": "a"}, 5]},
        {"": 1}, {"huge": 10**3000}, {"since": float("inf")},
    ],
    ids=str,
)  # fmt: skip
def test_no_ident_that_a_stranger_tells_stops_the_listener(listen, tmp_path, said):
    journal = SqliteJournal(tmp_path / "journal.db")
    for n in range(2):  # what was told is read again after a restart
        there = listen(journal)
        assert there.write("Inf_k1", info(**said))[0] == 204
        assert there.write("Inf_k1", f"data temp=1.5 {T0 + n}", precision="s") == (204, "")
        assert there.worker.status.state == "running"
        there.close()

    data = [t for t in there.telegrams() if isinstance(t, Data)]
    assert len(data) == 2
    if "label" in said:
        assert {t.ident.label for t in data} == {said["label"]}
    journal.close()


def test_an_ident_without_a_bottom_is_passed_over(listen):
    there = listen()

    assert there.write("Inf_k1", f'info ident="{"[" * 100_000}" {T0}') == (204, "")
    assert there.telegrams() == []


def test_of_each_node_the_newest_idents_are_remembered_and_no_more(listen, tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    there = listen(journal)
    for n in range(idents.KEPT + 3):
        assert there.write("Inf_k1", info(label=f"l{n}", since=T0 + n))[0] == 204
    for _ in range(2):  # the second time as they were written down
        labels = [known.ident.label for known in there.subscriber._telegrams._idents._get(Node("Inf", "k1"))]
        assert labels == [f"l{n}" for n in range(3, idents.KEPT + 3)]
        there.close()
        there = listen(journal)
    assert there.write("Inf_k1", f"data temp=1.5 {T0}", precision="s")[0] == 204  # older than all that is known

    assert there.telegrams()[-1].ident.label == "l3"
    there.close()
    journal.close()


def test_an_ident_that_is_too_large_is_passed_over(listen):
    there = listen()
    for size in (60_000, 70_000):
        assert there.write("Inf_k1", info(label=f"l{size}", more="x" * size)) == (204, "")

    assert [t.label for t in there.telegrams()] == ["l60000"]
    assert len(there.subscriber.state["Inf_k1"]) < 65_536


def test_long_names_are_taken_and_not_remembered(listen):
    there = listen()
    for n in range(3):
        body = f"m,id={n}{'x' * 5000} f=1 {T0}\nm,id={n} f=1 {T0}"
        assert there.write("x", body) == (204, "")

    assert {len(t.ident.label) for t in there.telegrams() if isinstance(t, Data)} == {0, 5001}
    made = there.subscriber._telegrams
    seen = [len(made._sources), len(made._idents._nodes), len(there.subscriber._server._intake.reader._series)]
    assert seen == [3, 3, 3]


def test_an_ident_in_the_state_that_cannot_be_read_counts_as_unknown(listen, tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.append([], SECTION, "", {"subscriber/Inf_k1": "{\nlegacy {}\n[]\n" + wire.encode_ident(kit("k1"))})
    there = listen(journal)

    assert there.write("Inf_k1", f"data temp=1.5 {T0 + 1}", precision="s") == (204, "")
    assert [t.ident for t in there.telegrams() if isinstance(t, Data)] == [kit("k1")]
    there.close()
    journal.close()


def test_a_delivery_that_nobody_foresaw_ends_alone_and_is_logged_once(listen, caplog, monkeypatch):
    there = listen()
    monkeypatch.setattr(
        "mysense.channels._influx.points.node", lambda name, *of: node(name, *of) if name != "poison" else 1 / 0
    )
    for n in range(2):
        status, text = there.write("poison", f"m f=1 {T0}")
        assert (status, "nothing of it was kept" in text) == (400, True)
        assert there.write("x", f"m f=1 {T0 + n}") == (204, "")

    assert there.worker.status.state == "running"
    assert len(there.data()) == 2
    assert len([r for r in caplog.records if r.exc_info]) == 1


def test_what_the_original_wrote_is_read_as_it_was_meant(listen):
    there = listen()
    lines = (
        'info,label="shed" project="BdP",serial="1234",fields="time\\,pm_25",units="s\\,pcs/qf",types="time\\,Dylos"',
        f'data,geolocation="51.4\\,6.1",label="shed",new="1" pm_25=318,timestamp={T0}',
    )
    for each in lines:
        assert there.write("BdP_1234", each)[0] == 204

    ident, data = there.telegrams()
    assert (ident.node, ident.label, ident.fields) == ("BdP_1234", "shed", (Field("pm_25", "pcs/qf", "Dylos"),))
    assert data.ident == ident
    assert (data.time, dict(data.values)) == (T0 * SECOND, {"pm_25": 318.0, "geolocation": "51.4,6.1"})


def test_info_of_strangers_is_passed_over_and_answered(listen):
    there = listen()

    assert there.write("shop", "info,host=pi version=3i 5") == (204, "")
    assert there.telegrams() == []


# The oracle: a real influxd is asked the same

NUMBERS = itertools.count()
NASTY = st.sampled_from([*' ,="\\', "\n", "#", "1", "i", "-", ".", "e", "t", "T", "nan", "é", "m f=1\n", "\t"])


@st.composite
def broken(draw):
    """A good line, or two, with something put in or taken out."""
    text = "\n".join(draw(st.lists(lines(values=VALUES), min_size=1, max_size=2)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(NASTY) + text[at + draw(st.integers(0, 1)) :]
    return text


@pytest.fixture(scope="module")
def oracle(influxd):
    """A database of the influxd and a listener."""
    influxd.query("CREATE DATABASE oracle")
    there = Listening(MemoryJournal())
    yield influxd, there
    there.close()


def answer_of(port, body):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("POST", "/write?db=oracle", body.encode())
    answer = client.getresponse()
    said = answer.read().decode()
    client.close()
    return answer.status, said


def stored(influxd):
    """All points of the database, and none is left there."""
    found = []
    names = [row["name"] for row in influxd.rows("SHOW MEASUREMENTS", "oracle")]
    queries = [f"SELECT * FROM {quoted(name)} GROUP BY *" for name in names]  # one each: or it mixes their types
    for series in (series for query in queries for series in influxd.query(query, "oracle")):
        for row in series["values"]:
            values = {k: v for k, v in zip(series["columns"], row, strict=True) if k != "time" and v is not None}
            tags = {k: v for k, v in (series.get("tags") or {}).items() if v}
            found.append((series["name"], tags, values, row[0]))
    influxd.query("DROP DATABASE oracle")
    influxd.query("CREATE DATABASE oracle")
    return found


TEXT = re.compile(r'(?<=[^\\]=)"(?:[^"\\]|\\.)*"(?=[, \n]|\Z)', re.DOTALL)


def differs(body):
    """Where influxd 1.6.7 does what nobody expects; docs/influxdb-listener.md names it.

    It takes lines together when it meets a quote that begins no text, or an escaped equal sign beside a quote,
    adds to a text what stands behind it, and loses what stands behind a backslash at the end of a name or line.
    """
    stray = '"' in TEXT.sub("", body)
    return (
        (stray and ("\n" in body or re.search(r'="(?:[^"\\]|\\.)*"[^, ]', body)))
        or ('"' in body and "\\=" in body)
        or re.search(r"\\\\|\\\n|\\\Z", body)
    )


def mixed(points):
    """Whether a field has two types: a database refuses or hides one of them, the journal has no types."""
    types = {}
    for point in points:
        for name, value in point.fields.items():
            types.setdefault((point.series.measurement, name), set()).add(type(value))
    return any(len(each) > 1 for each in types.values())


def merged(points):
    """Points as a database has them: those of one series and time are one."""
    there = {}
    for measurement, tags, fields, at in points:
        at = at if abs(at - time.time_ns()) > 86400 * SECOND else "now"
        there.setdefault((measurement, tuple(sorted(tags.items())), at), {}).update(
            {k: float(v) if type(v) in (int, float) else v for k, v in fields.items()}
        )
    return there


@settings(max_examples=200, derandomize=True, suppress_health_check=list(HealthCheck))
@given(broken())
def test_it_answers_like_an_influxd_and_keeps_the_same(oracle, body):
    [(read, _)] = Reader().read(body, 1, time.time_ns())
    assume(not differs(body) and not mixed(read))
    influxd, there = oracle
    status, said = answer_of(influxd.port, body)
    points = stored(influxd)
    database = f"oracle{next(NUMBERS)}"  # what comes a second time, the journal knows already

    ours = there.write(database, body.encode())
    came = [dict(t.values) for t in there.telegrams() if isinstance(t, Data) and t.ident.project == database]

    assert ours[0] == status, (said, ours)
    assert merged((p.series.measurement, p.series.tags, p.fields, p.time) for p in read) == merged(points)
    for values in came:
        values.pop("measurement", None)
    assert [values for values in ({**p.series.tags, **p.fields} for p in read) if values not in came] == []
    assert len(came) <= len(read)


LONG = [
    *(f"{'m' * n} f=1 {T0}" for n in (65_530, 65_531)), f"m,t={'t' * 65_600} f=1 {T0}",
    *(f"m {'f' * n}=1 {T0}" for n in (65_530, 65_531)), f"é,t={'é' * 32_800} f=1 {T0}", f"m {'é' * 32_800}=1 {T0}",
    f'm f="{"x" * 100_000}" {T0}', "m\\," * 22_000 + f" f=1 {T0}",
]  # fmt: skip


@pytest.mark.parametrize("line", LONG, ids=lambda line: f"{line[:3]}{len(line)}")
def test_a_key_is_as_long_as_an_influxd_takes_it(oracle, line):
    influxd, there = oracle
    status, said = answer_of(influxd.port, line)
    influxd.query("DROP DATABASE oracle")
    influxd.query("CREATE DATABASE oracle")

    for _ in range(2):  # the second time its beginning might be known
        got, text = there.write("long", f"m f=1 {T0}\n{line}".encode())
        assert got == status, said
        assert ("max key length exceeded" in text) == ("max key length exceeded" in said)


# Answers


def test_bad_lines_are_named_in_the_words_of_each_version_and_good_ones_are_kept(listen):
    there = listen()
    body = f"m f=1 {T0}\nbad\nm f=2 {T0 + 1}\nm f=x"
    said = "unable to parse 'bad': missing fields\nunable to parse 'm f=x': invalid boolean"

    status, text = there.write("db", body, precision="s")
    assert (status, json.loads(text)) == (400, {"error": f"partial write: {said} dropped=2"})
    assert len(there.data()) == 2
    status, text = there.ask("POST", "/api/v2/write?org=o&bucket=two&precision=s", body)
    assert (status, json.loads(text)) == (
        400, {"code": "invalid", "message": f"partial write: {said} dropped=2"})  # fmt: skip
    status, text = there.ask("POST", "/api/v3/write_lp?db=three&precision=second", body)
    assert (status, json.loads(text)) == (400, {
        "error": "partial write of line protocol occurred",
        "data": [
            {"original_line": "bad", "line_number": 2, "error_message": "missing fields"},
            {"original_line": "m f=x", "line_number": 4, "error_message": "invalid boolean"},
        ],
    })  # fmt: skip
    assert len(there.data()) == 6


def test_a_client_may_ask_for_all_or_nothing(listen):
    there = listen()

    assert there.ask("POST", "/api/v3/write_lp?db=x&accept_partial=false", "m f=1\nbad")[0] == 400
    assert there.data() == []


def test_a_body_of_many_slices_is_answered_as_one(listen):
    there = listen()
    rows = [f"m f={n} {T0 + n}" if n % 1000 else "bad" for n in range(12_000)]

    assert there.ask("POST", "/api/v3/write_lp?db=x&accept_partial=false", "\n".join(rows))[0] == 400
    assert there.data() == []
    status, text = there.write("x", "\n".join(rows), precision="s")
    assert (status, "dropped=12" in text) == (400, True)
    assert [at for _, at, _ in there.data()] == [(T0 + n) * SECOND for n in range(12_000) if n % 1000]


def test_a_body_that_is_too_much_for_the_journal_says_what_was_kept(listen):
    journal = Failing()
    there = listen(journal)
    journal.most = 5000
    status, text = there.write("x", "\n".join(f"m f={n} {T0 + n}" for n in range(12_000)), precision="s")

    assert (status, "only the first 5000 points" in text) == (503, True)
    assert len(there.data()) == 5000
    journal.most = 100_000
    until(there.reachable)
    assert there.write("x", "\n".join(f"m f={n} {T0 + n}" for n in range(12_000)), precision="s")[0] == 204
    assert {at for _, at, _ in there.data()} == {(T0 + n) * SECOND for n in range(12_000)}


MEASURED = """
import resource, sys
sys.path.insert(0, {root!r})
from mysense.journal.sqlite import SqliteJournal
from pathlib import Path
from tests.test_influxlisten import Listening
there = Listening(SqliteJournal(Path({folder!r}) / "journal.db"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status, _ = there.write("x", {body})
print(status, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1000)
there.close()
"""


@pytest.mark.parametrize(
    ("body", "answer"), [("b'm f=1 5\\n' * 200_000", "204"), ("b'x\\n' * 1_000_000", "400")], ids=["points", "mistakes"]
)
def test_a_body_takes_up_little_more_memory_than_its_size(tmp_path, body, answer):
    """Some 2 MB of short lines: all at once they were 50 MB and more."""
    root = str(Path(__file__).parent.parent)
    code = MEASURED.format(root=root, folder=str(tmp_path), body=body)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=True).stdout

    status, megabytes = said.split()
    assert status == answer
    assert int(megabytes) < 30


def test_where_no_line_is_good_nothing_is_partial(listen):
    there = listen()

    status, text = there.write("db", "bad")
    assert (status, json.loads(text)) == (400, {"error": "unable to parse 'bad': missing fields"})


def test_mistakes_without_end_are_counted_and_not_repeated(listen):
    status, text = listen().write("db", "\n".join(["x" * 1000] * 1000))

    assert status == 400
    assert "and 900 lines more" in text
    assert len(text) < 100_000


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/ping", 204, ""),
        ("HEAD", "/ping", 204, ""),
        ("GET", "/ping?verbose=true", 200, '"version":"1.8'),
        ("GET", "/health", 200, '"status":"pass"'),
        ("POST", "/write?db=x", 204, ""),
        ("POST", "/write", 400, "database is required"),
        ("POST", "/api/v2/write?org=o", 400, "bucket is required"),
        ("POST", "/write?db=x&precision=d", 400, "invalid precision 'd'"),
        ("GET", "/write?db=x", 405, "Method Not Allowed"),
        ("PUT", "/write?db=x", 405, "Method Not Allowed"),
        ("BREW", "/write?db=x", 501, "BREW"),
        ("GET", "/", 404, "not found"),
        ("GET", "/query", 400, "missing required parameter"),
        ("GET", "/query?q=CREATE+DATABASE+x", 200, '{"results":[{"statement_id":0}]}'),
        ("POST", "/query?q=create+database+%22a+b%22+with+duration+1d", 200, '{"results":[{"statement_id":0}]}'),
        ("POST", "/query?q=CREATE+RETENTION+POLICY+p+ON+x+DURATION+1d+REPLICATION+1", 200, "statement_id"),
        ("GET", "/query?q=SELECT+*+FROM+data", 400, "takes writes and answers no questions"),
        ("POST", "/query?q=DROP+DATABASE+x", 400, "takes writes and answers no questions"),
    ],
)
def test_every_request_has_its_answer(listen, method, path, status, said):
    got, text = listen().ask(method, path)

    assert got == status
    assert said in text


def test_databases_that_were_seen_are_listed(listen):
    there = listen()
    there.write("Kits_k1", "m f=1")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    there.ask("POST", "/query", urlencode({"q": 'CREATE DATABASE "b c"'}), form)

    _, text = there.ask("GET", "/query?q=SHOW%20DATABASES")

    [result] = json.loads(text)["results"]
    assert result["series"] == [{"name": "databases", "columns": ["name"], "values": [["Kits_k1"], ["b c"]]}]


def test_a_database_has_a_name_of_255_bytes_at_most(listen):
    there = listen()

    assert there.write("é" * 127 + "x", f"m f=1 {T0}")[0] == 204
    assert there.write("é" * 128, f"m f=1 {T0}")[0] == 400
    assert there.ask("GET", f"/query?q=CREATE+DATABASE+{'x' * 256}")[0] == 400
    assert len(there.data()) == 1


def test_the_log_takes_no_line_from_a_stranger(listen, caplog):
    there = listen()
    there.write("x\ny\u2028z", 'm f="abc\n2026-01-01 ERROR all is \x1b[31mlost')

    [record] = [r for r in caplog.records if "none" in r.getMessage()]
    assert record.getMessage().isprintable()
    assert "lines for x y z" in record.getMessage()


# Who may write


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        (basic("kit", "pass:word"), {}, 204),
        (basic("kit", "wrong"), {}, 401),
        (basic("other", "pass:word"), {}, 401),
        (basic("", ""), {}, 401),
        ({"Authorization": "Basic ????"}, {}, 401),
        ({}, {"u": "kit", "p": "pass:word"}, 204),
        ({}, {"u": "kit", "p": "wrong"}, 401),
        ({"Authorization": "Token kit:pass:word"}, {}, 204),
        ({"Authorization": "Token s3cret"}, {}, 204),
        ({"Authorization": "Bearer s3cret"}, {}, 204),
        ({"Authorization": "bearer wrong"}, {}, 401),
        ({"Authorization": "Token "}, {}, 401),
        ({"Authorization": "Digest s3cret"}, {}, 401),
        ({}, {}, 401),
    ],
)
def test_a_password_or_a_token_must_be_shown(listen, tmp_path, headers, query, status):
    (tmp_path / "token").write_text("s3cret\n")
    there = listen(user="kit", password="pass:word", token_file=tmp_path / "token")

    got, text = there.write("db", f"m f=1 {T0}", headers, **query)

    assert got == status
    assert bool(there.data()) == (status == 204)
    if status == 401:
        assert "s3cret" not in text
        assert json.loads(text)["error"]
        assert there.ask("POST", "/query?q=SHOW+DATABASES", None, headers)[0] == 401
        assert there.ask("GET", "/ping")[0] == 204


def test_a_client_with_a_wrong_password_is_told_of_once(listen, caplog):
    there = listen(user="kit", password="secret")
    for _ in range(3):
        there.write("db", "m f=1", basic("kit", "wrong"))

    [record] = [r for r in caplog.records if "password" in r.message]
    assert record.message.startswith("127.0.0.1 ")
    assert "wrong" not in record.message.replace("a wrong", "")


def test_a_user_without_a_password_is_a_mistake():
    with pytest.raises(ConfigError, match="password_file"):
        Subscriber(user="kit").open()


@pytest.mark.parametrize(
    ("options", "warned"),
    [({}, False), ({"hostname": "0.0.0.0"}, True), ({"hostname": "0.0.0.0", "token": "s"}, False)],
)
def test_check_says_where_it_will_listen_and_warns_when_it_is_open_to_everybody(options, warned):
    [port] = free_ports(1)
    said = Subscriber(port=port, **options).check()

    assert said.startswith(f"will listen at http://{options.get('hostname', '127.0.0.1')}:{port}")
    assert ("everybody" in said) == warned


def test_a_port_that_is_taken_is_told_with_what_to_do(listen):
    there = listen()

    with pytest.raises(OSError, match=f"port {there.port} of 127.0.0.1 is taken"):
        Subscriber(port=there.port).open()


def test_it_speaks_https(listen, tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    there = listen(cert_file=tmp_path / "server.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with socket.create_connection(("127.0.0.1", there.port)):  # who connects and says nothing holds up no other
        client = http.client.HTTPSConnection("localhost", there.port, timeout=10, context=context)
        for n in range(2):
            client.request("POST", "/write?db=x&precision=s", f"m f={n} {T0 + n}")
            assert client.getresponse().read() == b""
        client.close()

    assert len(there.data()) == 2


# The journal first


class Failing(MemoryJournal):
    """A journal whose disk is full when *full* is set, and that waits before it writes while *held* is not."""

    def __init__(self):
        super().__init__()
        self.full, self.free, self.appends, self.most = False, threading.Event(), [], 10**9
        self.free.set()

    def append(self, telegrams, *args, **kwargs):
        assert self.free.wait(20)
        if self.full or sum(self.appends) + len(telegrams) > self.most:
            raise OSError(28, "the disk is full")
        self.appends.append(len(telegrams))
        return super().append(telegrams, *args, **kwargs)


def test_what_cannot_be_journalled_is_refused_and_comes_again(listen):
    journal = Failing()
    there = listen(journal)
    journal.full = True
    answer = raw(there.port, request("/write?db=Inf_k1", f'info project="Inf",serial="k1" 5\ndata f=1 {T0}'))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 5\r\n" in answer
    assert there.telegrams() == []
    journal.full = False
    until(lambda: there.worker.status.state == "waiting")
    until(there.reachable)

    assert there.write("Inf_k1", f"data f=1 {T0}")[0] == 204
    [_, data] = there.telegrams()
    assert data.ident.meta == {}  # what was told in vain does not count


def test_an_answer_waits_for_the_journal_and_one_commit_carries_many_requests(listen):
    journal = Failing()
    there = listen(journal)
    journal.free.clear()
    answers = []
    clients = [
        threading.Thread(target=lambda n=n: answers.append(there.write("db", f"m,host=h{n} f=1 {T0}")[0]))
        for n in range(20)
    ]
    for each in clients:
        each.start()
    until(lambda: len(there.subscriber._waiting._deliveries) >= 15)
    assert answers == []
    journal.free.set()
    for each in clients:
        each.join(20)

    assert answers == [204] * 20
    assert len(journal.appends) <= 6
    assert len({node for node, _, _ in there.data()}) == 20


def test_a_journal_that_does_not_keep_up_sends_clients_away_with_nothing_kept(listen):
    journal = Failing()
    there = listen(journal, timeout=0.3)
    journal.free.clear()
    results = {}
    first = threading.Thread(target=lambda: results.update(first=there.write("db", f"m f=1 {T0}")[0]))
    first.start()
    until(lambda: there.subscriber._taken)
    assert there.write("db", f"m f=2 {T0}")[0] == 503  # it was not taken yet: it is taken back
    assert results == {}  # it is being written: nobody knows yet
    journal.free.set()
    first.join(20)

    assert results == {"first": 204}
    assert [values["f"] for _, _, values in there.data()] == [1.0]


def test_a_field_that_stands_twice_in_a_line_is_the_last_of_them_and_a_repeat_is_known(listen, tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    there = listen(journal)
    for _ in range(3):
        assert there.write("x", f"m f=1,g=3,f=2 {T0}", precision="s")[0] == 204

    assert there.data() == [("x_m", T0 * SECOND, {"f": 2.0, "g": 3.0})]
    there.close()
    journal.close()


def test_no_more_waits_than_there_is_room_for(listen):
    journal = Failing()
    there = listen(journal, max_body=1000, timeout=20)
    journal.free.clear()
    answers, body = [], "m f=1 1".ljust(900)
    clients = [threading.Thread(target=lambda: answers.append(there.write("db", body)[0])) for _ in range(4)]
    for each in clients:
        each.start()
    until(lambda: len(answers) == 2)
    assert answers == [503, 503]
    journal.free.set()
    for each in clients:
        each.join(20)

    assert sorted(answers) == [204, 204, 503, 503]


def test_stopping_answers_whoever_waits(listen):
    journal = Failing()
    there = listen(journal)
    journal.free.clear()
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(there.write("db", "m f=1")[0])) for _ in range(5)]
    for each in clients:
        each.start()
    until(lambda: len(there.subscriber._waiting._deliveries) + len(there.subscriber._taken) == 5)
    threads = threading.active_count()
    there._stop.set()
    journal.free.set()
    there._thread.join(20)
    for each in clients:
        each.join(20)

    assert set(answers) <= {204, 503}
    assert answers.count(204) == len({at for _, at, _ in there.data()})
    assert threading.active_count() < threads


# Clients of all kinds


def request(path, body, *headers):
    text = body if isinstance(body, bytes) else body.encode()
    head = [f"POST {path} HTTP/1.1", "Host: x", *headers]
    if not any(h.lower().startswith("transfer-encoding") for h in headers):
        head.append(f"Content-Length: {len(text)}")
    return "\r\n".join([*head, "", ""]).encode() + text


def raw(port, *pieces, close=True):
    """What the listener says to bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        for piece in pieces:
            sock.sendall(piece)
        if close:
            sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def test_one_connection_carries_many_requests(listen):
    there = listen()
    client = http.client.HTTPConnection("127.0.0.1", there.port, timeout=20)
    client.connect()
    sock = client.sock
    for n in range(100):
        client.request("POST", "/write?db=x&precision=s", f"m f=1 {T0 + n}")
        assert client.getresponse().read() == b""
    assert client.sock is sock
    client.close()

    assert len(there.data()) == 100


def test_requests_may_come_without_waiting_for_answers(listen):
    there = listen()
    several = b"".join(request("/write?db=x", f"m f={n} {T0 + n}") for n in range(3))

    assert raw(there.port, several).count(b"HTTP/1.1 204 ") == 3
    assert len(there.data()) == 3


def test_a_body_is_asked_for_only_when_it_is_wanted(listen):
    there = listen(user="kit", password="secret", max_body=1000)
    right = ("Expect: 100-continue", "Authorization: " + basic("kit", "secret")["Authorization"])
    with socket.create_connection(("127.0.0.1", there.port), timeout=20) as sock:
        head, body = request("/write?db=x", "m f=1", *right)[:-5], b"m f=1"
        sock.sendall(head)
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert sock.recv(1000).startswith(b"HTTP/1.1 204 ")
    refused = request("/write?db=x", "m f=1", "Expect: 100-continue")[:-5]
    assert raw(there.port, refused).startswith(b"HTTP/1.1 401 ")
    large = request("/write?db=x", b"x" * 2000, *right)[:-2000]
    assert raw(there.port, large).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_is_too_large_is_refused_packed_or_not(listen):
    there = listen(max_body=100_000)
    line = b"m f=1 5\n"

    assert there.write("x", line * 12_000)[0] == 204
    assert there.write("x", line * 13_000)[0] == 413
    assert there.write("x", gzip.compress(line * 10_000_000, 1), {"Content-Encoding": "gzip"})[0] == 413
    chunks = (line * 1000 for _ in range(1000))
    assert there.write("x", chunks, {"Transfer-Encoding": "chunked"})[0] == 413
    assert there.write("x", line)[0] == 204


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (("Content-Encoding: gzip",), b"m f=1", 400),
        (("Content-Encoding: gzip",), gzip.compress(b"m f=1", mtime=0)[:-4], 400),
        (("Content-Encoding: br",), b"m f=1", 415),
        (("Transfer-Encoding: chunked",), b"zz\r\n", 400),
        (("Transfer-Encoding: chunked",), b"2\r\nm f=1", 400),
        (("Transfer-Encoding: gzip",), b"m f=1", 400),
        (("Transfer-Encoding: chunked", "Content-Length: 5"), b"0\r\n\r\n", 400),
        (("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), b"0\r\n\r\n", 400),
        (("Transfer-Encoding: identity", "Transfer-Encoding: chunked"), b"0\r\n\r\n", 400),
        (("Transfer-Encoding:", "Transfer-Encoding: chunked", "Content-Length: 5"), b"m f=1", 400),
        (("Transfer-Encoding:", "Content-Length: 5"), b"m f=1", 400),
        (("Transfer-Encoding: chunked, identity",), b"0\r\n\r\n", 400),
        (("Content-Length : 5",), b"m f=1", 400),
        (("Content-Length: x",), b"", 400),
        (("Content-Length: -1",), b"", 400),
        (("Nonsense",), b"m f=1", 400),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_with_words(listen, headers, body, status):
    there = listen()
    head = "\r\n".join(["POST /write?db=x HTTP/1.1", "Host: x", *headers])
    if not any("Length" in h or "Transfer" in h for h in headers):
        head += f"\r\nContent-Length: {len(body)}"

    answer = raw(there.port, head.encode() + b"\r\n\r\n" + body)

    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert there.data() == []
    assert there.write("x", "m f=1")[0] == 204


@pytest.mark.parametrize(
    "headers",
    [
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length : 5",
    ],
)
def test_no_request_hides_in_the_body_of_another(listen, headers):
    there = listen()
    hidden = request("/write?db=hidden", f"m f=2 {T0}")

    answer = raw(there.port, b"POST /write?db=x HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n0\r\n\r\n" + hidden)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert there.data() == []


def test_gzip_files_may_stand_one_behind_the_other(listen):
    there = listen()
    body = gzip.compress(f"m f=1 {T0}\n".encode()) + gzip.compress(f"m f=2 {T0 + 1}".encode())

    assert there.write("x", body, {"Content-Encoding": "gzip"})[0] == 204
    assert len(there.data()) == 2


def test_half_a_request_is_no_request(listen):
    there = listen()
    whole = request("/write?db=x", f"m f=1 {T0}\nm f=2 {T0 + 1}")

    assert raw(there.port, whole[:-10]) == b""
    assert there.data() == []


def test_a_slow_client_holds_up_no_other_and_is_sent_away(listen):
    there = listen(timeout=0.5)
    with socket.create_connection(("127.0.0.1", there.port), timeout=20) as slow:
        slow.sendall(request("/write?db=x", "m f=1")[:-3])
        for n in range(5):
            assert there.write("x", f"m f=1 {T0 + n}")[0] == 204
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")
    with socket.create_connection(("127.0.0.1", there.port), timeout=20) as dribbling:
        until(lambda: gone_after_a_byte(dribbling), 10)  # a byte now and then is not enough


FILLED = b"POST /write?db=x HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 60_000) for n in range(50))
REFUSED = b"POST /write?db=x HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n"


@pytest.mark.parametrize("pieces", [[FILLED], [REFUSED, *[b"a" * 100_000] * 30]], ids=["headers", "after a 401"])
def test_who_sent_much_is_not_awaited_for_longer(listen, pieces):
    there = listen(user="kit", password="secret", timeout=0.5)
    until(lambda: not there.subscriber._server._open)
    with socket.create_connection(("127.0.0.1", there.port), timeout=20) as sock:
        with suppress(ConnectionError):  # ended already
            for piece in pieces:
                sock.sendall(piece)
        until(lambda: not there.subscriber._server._open, 10)


def test_who_stops_amid_a_body_takes_nobody_the_room(listen):
    there = listen(timeout=1.0, max_body=1_000_000)
    room = there.subscriber._server._intake.room
    begun = request("/write?db=x", b"#" * 1_000_000)[:-10_000]
    with ExitStack() as stack:
        for _ in range(2):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", there.port), timeout=20))
            sock.sendall(begun)
        until(lambda: room._left < 50_000)
        until(lambda: there.write("x", f"m f=1 {T0}\n" * 3000)[0] == 204, 10)


def gone_after_a_byte(sock):
    """Send a byte; whether the far end has closed the connection."""
    sock.settimeout(0.05)
    try:
        sock.sendall(b"G")
        return sock.recv(1000) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_beyond_so_many_connections_clients_are_sent_away(listen):
    there = listen(connections=2)
    busy = there.subscriber._server._open
    until(lambda: not busy)
    with socket.create_connection(("127.0.0.1", there.port)):
        with socket.create_connection(("127.0.0.1", there.port)):
            until(lambda: len(busy) == 2)
            answer = raw(there.port, request("/write?db=x", "m f=1"))
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: " in answer
        until(lambda: len(busy) == 1)
        assert there.write("x", "m f=1")[0] == 204


def test_several_clients_write_at_once(listen, tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    there = listen(journal)
    statuses = []

    def write(client):
        for n in range(20):
            body = "\n".join(f"m,host=h{client} f={k}.5 {T0 + n * 10 + k}" for k in range(10))
            statuses.append(there.write("fleet", body, precision="s")[0])

    clients = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for each in clients:
        each.start()
    for each in clients:
        each.join(60)

    assert statuses == [204] * 80
    for n in range(4):
        times = [at for node, at, _ in there.data() if node == f"fleet_h{n}"]
        assert times == [(T0 + k) * SECOND for k in range(200)]
    there.close()
    journal.close()


# As a daemon

CONF = """
[id]
project = Kit
serial = relay
[subscriber:influxlisten]
port = {port}
[publisher:csv]
directory = {folder}/csv
"""


def test_what_was_answered_is_there_after_a_kill_and_a_retry_doubles_nothing(tmp_path):
    [port] = free_ports(1)
    kit = Kit(tmp_path, CONF.format(port=port, folder=tmp_path))
    stop, safe = threading.Event(), []

    def write(client):
        n = 0
        while not stop.is_set():
            body = "\n".join(f"m,host=h{client} f={n}.25,g={k}i {T0 + n * 5 + k}" for k in range(5))
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("POST", "/write?db=fleet&precision=s", body)
                if connection.getresponse().status != 204:
                    raise ConnectionError
            except (OSError, http.client.HTTPException):
                stop.wait(0.05)  # the same again
                continue
            finally:
                connection.close()
            safe.append((client, n))
            n += 1

    clients = [threading.Thread(target=write, args=(client,)) for client in range(2)]
    try:
        kit.start()
        for each in clients:
            each.start()
        for goal in (40, 80):
            until(lambda goal=goal: len(safe) >= goal)
            kit.kill()
            kit.start()
        until(lambda: len(safe) >= 120)
        stop.set()
        for each in clients:
            each.join(20)
        until(lambda: kit.cursor("publisher:csv")["lag"] == 0)
        kit.stop()
    finally:
        stop.set()
        kit.kill()

    journal = SqliteJournal.open_existing(kit.journal)
    data = [e.telegram for e in journal.read(0, 100_000) if isinstance(e.telegram, Data)]
    journal.close()
    there = [(t.ident.node, t.time // SECOND) for t in data if t.ident.project == "fleet"]
    wanted = {(f"fleet_h{client}", T0 + n * 5 + k) for client, n in safe for k in range(5)}
    assert wanted <= set(there)
    assert len(there) == len(set(there))
    rows = [
        (path.name[:8], row.split(",")[1])
        for path in (tmp_path / "csv").glob("fleet*.csv")
        for row in path.read_text().splitlines()[1:]
    ]
    assert len(rows) == len(set(rows)) == len(there)
