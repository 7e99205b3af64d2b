"""The subscriber against a real InfluxDB: found databases, positions, idents, what others have written."""

import json
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mysense.channels import influxdb
from mysense.channels._influx.points import Known, Node, told
from mysense.channels._influx.points import data as of_point
from mysense.channels.influxdb import feed, history
from mysense.channels.influxdb.api import AnswerError
from mysense.channels.influxdb.beginning import beginning, moment
from mysense.channels.influxdb.choice import pattern
from mysense.channels.influxdb.v1 import V1
from mysense.clock import Clock
from mysense.errors import UnavailableError
from mysense.journal.sqlite import SqliteJournal
from mysense.state import State
from mysense.telegram import SECOND, Data, Field, Ident
from mysense.worker import SubscribeWorker
from tests.kit import received, until
from tests.ports import free_ports

T0 = 1_700_000_000


@pytest.fixture
def ident(serial):
    return Ident("Sub", serial, "shed", fields=(Field("temp", "C", "BME280"),), since=T0 * SECOND)


def data(seconds, ident, **values):
    return Data(ident, round((T0 + seconds) * SECOND), values or {"temp": float(seconds)})


def subscriber(server, ident=None, **options):
    chosen = {"projects": ident.project, "serials": f"{ident.serial}.*"} if ident else {}
    chosen = {"start": "oldest", "interval": 0.02, **chosen, **options}
    return influxdb.Subscriber(hostname="127.0.0.1", port=server.port, **chosen)


def publish(server, *telegrams, **options):
    with influxdb.Publisher(hostname="127.0.0.1", port=server.port, **options) as far:
        assert not far.publish(telegrams)


def write(server, database, *lines):
    """Lines as somebody else writes them; influxd gives those without a time its own."""
    server.query(f'CREATE DATABASE "{database}"')
    server.write(database, *lines)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Rows are taken as whole after less than a second, so that tests need not wait."""
    monkeypatch.setattr(feed, "SETTLE", 0.03)


def seconds(telegrams):
    return [(t.time - T0 * SECOND) / SECOND for t in telegrams if isinstance(t, Data)]


def labels(telegrams):
    return [t.ident.label for t in telegrams if isinstance(t, Data)]


def test_ident_and_data_come_back_as_they_were_published(influxd, ident):
    sent = [data(n, ident, temp=n / 4, text='a "b", c', ok=True) for n in range(5)]
    publish(influxd, *sent)
    with subscriber(influxd, ident) as source:
        got = received(source)

    assert got == [ident, *sent]


def test_every_ident_goes_with_its_own_data_also_from_the_beginning(influxd, ident):
    roof = replace(ident, label="roof", since=(T0 + 2) * SECOND)
    back = replace(ident, since=(T0 + 4) * SECOND)
    publish(influxd, *(data(n, ident) for n in range(2)), data(2, roof), data(3, roof), data(4, back))
    with subscriber(influxd, ident) as source:
        got = received(source)

    assert labels(got) == ["shed", "shed", "roof", "roof", "shed"]
    assert [t.label for t in got if isinstance(t, Ident)] == ["shed", "roof", "shed"]


def test_an_ident_that_changes_later_is_read_when_its_first_data_is_new(influxd, ident):
    publish(influxd, data(0, ident))
    roof = replace(ident, label="roof", since=(T0 + 1) * SECOND)
    with subscriber(influxd, ident) as source:
        received(source)
        publish(influxd, data(1, roof))
        got = received(source)

    assert [type(t).__name__ for t in got] == ["Ident", "Data"]
    assert labels(got) == ["roof"]


def test_an_ident_without_new_data_is_read_again_after_a_while(influxd, ident):
    publish(influxd, data(0, ident))
    with subscriber(influxd, ident, update=0.1) as source:
        received(source)
        [feed] = source._feeds.values()
        names = f'project="{ident.project}",serial="{ident.serial}",label="x"'
        write(influxd, ident.node, f"info {names} {(T0 + 1) * SECOND}")
        until(lambda: received(source) or feed.history.newest == (T0 + 1) * SECOND)
        write(influxd, ident.node, f"data,new=0 temp=1 {(T0 + 2) * SECOND}")

        assert labels(received(source)) == ["x"]


def test_only_names_that_match_as_a_whole_are_read(influxd, ident):
    others = [replace(ident, serial=ident.serial + "X"), replace(ident, project="sub"), replace(ident, project="MySub")]
    publish(influxd, data(0, ident), *(data(0, other) for other in others))
    with subscriber(influxd, projects="Sub", serials=ident.serial) as source:
        assert {t.ident.node for t in received(source) if isinstance(t, Data)} == {ident.node}
    with subscriber(influxd, projects="Sub|sub", serials=f"{ident.serial}.?") as source:
        found = {t.ident.node for t in received(source) if isinstance(t, Data)}

    assert found == {ident.node, others[0].node, others[1].node}


def test_the_oldest_comes_first(influxd, ident):
    nodes = [replace(ident, serial=f"{ident.serial}n{n}") for n in range(3)]
    nodes = [replace(node, since=(T0 + (20, 0, 10)[n]) * SECOND) for n, node in enumerate(nodes)]
    publish(influxd, *(data((20, 0, 10)[n] + k, node) for n, node in enumerate(nodes) for k in range(4)))
    with subscriber(influxd, ident, bufsize=2, start="info") as source:
        source.receive()
        until(lambda: all(reader.due <= time.monotonic() for reader in source._feeds.values()))
        got = seconds(received(source))

    assert got == sorted(got)
    assert len(got) == 12


@pytest.mark.parametrize("bufsize", [1, 2, 3, 7, 100])
def test_no_row_is_lost_or_doubled_where_a_query_is_cut(influxd, ident, bufsize):
    places = ["51.5,6,0", "51.6,6,0", "51.7,6,0"]
    sent = [data(n // 3, ident, temp=float(n), geolocation=places[n % 3]) for n in range(30)]
    publish(influxd, *sent)
    with subscriber(influxd, ident, bufsize=bufsize) as source:
        got = [t for t in received(source) if isinstance(t, Data)]

    assert sorted(t.values["temp"] for t in got) == [float(n) for n in range(30)]


def test_a_second_point_of_a_time_that_was_read_already_is_not_lost(influxd, ident):
    publish(influxd, data(0, ident), data(1, ident, temp=1.0))
    with subscriber(influxd, ident) as source:
        received(source)
        publish(influxd, data(1, ident, temp=2.0, geolocation="51.6,6,0"))
        again = received(source)

        assert [t.values["temp"] for t in again] == [2.0]
        assert received(source) == []


def test_a_row_that_is_still_being_written_is_not_taken_by_half(influxd, ident):
    publish(influxd, data(0, ident))
    with subscriber(influxd, ident) as source:
        received(source)
        write(influxd, ident.node, f"data,label=shed,new=0 temp=1 {(T0 + 1) * SECOND}")  # what a server shows meanwhile
        assert source.receive() == []
        write(influxd, ident.node, f"data,label=shed,new=0 rh=50 {(T0 + 1) * SECOND}")

        assert [dict(t.values) for t in received(source)] == [{"temp": 1.0, "rh": 50.0}]


def test_an_info_that_was_still_being_written_is_read_again(influxd, ident):
    names = f'project="{ident.project}",serial="{ident.serial}"'
    write(influxd, ident.node, f"info,label=shed {names} {T0 * SECOND}")
    with subscriber(influxd, ident) as source:
        received(source)
        publish(influxd, data(0, ident))

        assert received(source) == [ident, data(0, ident)]


def test_new_databases_are_found_and_vanished_ones_dropped(influxd, ident):
    late = replace(ident, serial=ident.serial + "b")
    publish(influxd, data(0, ident))
    with subscriber(influxd, ident, update=0.1, start="info") as source:
        received(source)
        publish(influxd, data(0, late), data(1, replace(late, label="roof", since=(T0 + 1) * SECOND)))

        assert until(lambda: seconds(received(source))) == [0, 1]  # it is new to us, so from its beginning
        influxd.query(f'DROP DATABASE "{ident.node}"')
        until(lambda: received(source) or len(source._feeds) == 1)


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        ("oldest", [0, 1, 2, 3]),
        ("info", [2, 3]),
        ("now", []),
        ("2023-11-14T22:13:21Z", [1, 2, 3]),
        ("2023-11-14T23:13:21+01:00", [1, 2, 3]),
    ],
)
def test_where_to_begin(influxd, ident, start, wanted):
    roof = replace(ident, label="roof", since=(T0 + 2) * SECOND)
    publish(influxd, *(data(n, ident if n < 2 else roof) for n in range(4)))
    with subscriber(influxd, ident, start=beginning(start)) as source:
        assert seconds(received(source)) == wanted


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01"])
def test_a_beginning_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="write info, oldest, now, or a time"):
        beginning(text)


def test_a_beginning_without_a_zone_is_utc():
    assert moment("2023-11-14T22:13:20") == T0 * SECOND


def test_it_goes_on_where_it_was_also_when_the_info_is_newer(influxd, ident):
    publish(influxd, data(0, ident), data(1, ident))
    with subscriber(influxd, ident, start="info") as source:
        received(source)
        kept = dict(source.state.items())
    roof = replace(ident, label="roof", since=(T0 + 3) * SECOND)
    publish(influxd, data(2, ident), data(3, roof))
    again = subscriber(influxd, ident, start="info")
    again.state = State(kept)
    with again:
        got = received(again)

    assert seconds(got) == [2, 3]
    assert labels(got) == ["shed", "roof"]


def test_a_wrong_clock_does_not_move_a_reader_into_the_future(influxd, ident):
    now = time.time()
    ahead = Data(ident, int(now + 10 * 86400) * SECOND, {"temp": 99.0})
    publish(influxd, data(0, ident), ahead)
    with subscriber(influxd, ident) as source:
        assert seconds(received(source)) == [0]
        publish(influxd, data(1, ident))

        assert seconds(received(source)) == [1]


LEGACY = [
    # as the original wrote them: quoted tags, escaped commas in text, no time in the line
    'info,label="alphaTest" project="BdP",serial="test_sense",label="alphaTest",'
    'geolocation="51.420635\\,6.1356117\\,22.9",fields="time\\,pm_25\\,temp",units="s\\,pcs/qf\\,C",'
    'types="time\\,Dylos DC1100\\,BME280",extern_ip="192.0.2.17",street="1.0"',
    'data,new=1,label="alphaTest",geolocation="51.420635\\,6.1356117\\,22.9" timestamp=1494777772,pm_25=318.0,'
    "temp=28.75",
    'data,new=0,label="alphaTest",geolocation="51.433\\,6.22\\,13" timestamp=1494778772,pm_25=318.0,temp=27,'
    'say="one\\, two"',
]


def test_a_database_of_the_original_comes_out_clean(influxd, serial):
    database = f"BdP_{serial}"
    for line in LEGACY:
        write(influxd, database, line)
    with subscriber(influxd, projects="BdP", serials=serial) as source:
        ident, first, second = received(source)

    assert (ident.project, ident.serial, ident.label) == ("BdP", serial, "alphaTest")
    assert str(ident.geolocation) == "51.420635,6.1356117,22.9"
    assert ident.fields == (Field("pm_25", "pcs/qf", "Dylos DC1100"), Field("temp", "C", "BME280"))
    assert ident.meta["extern_ip"] == "192.0.2.17"
    assert (first.time, dict(first.values)) == (1494777772 * SECOND, {"pm_25": 318.0, "temp": 28.75})
    assert second.time == 1494778772 * SECOND
    assert dict(second.values) == {"pm_25": 318.0, "temp": 27.0, "say": "one, two", "geolocation": "51.433,6.22,13"}
    assert first.ident is second.ident


def test_what_our_publisher_writes_in_the_way_of_the_original_comes_out_clean_too(influxd, ident):
    sent = [data(0, ident, temp=0.0, say="a, b"), data(1, ident, temp=1.0)]
    publish(influxd, *sent, legacy=True)
    with subscriber(influxd, ident) as source:
        got = [t for t in received(source) if isinstance(t, Data)]

    assert sorted((t.time, dict(t.values)) for t in got) == [(t.time, dict(t.values)) for t in sent]
    assert got[0].ident.fields == ident.fields


def test_a_database_that_was_the_originals_and_is_ours_now_is_read_through(influxd, serial):
    database = f"BdP_{serial}"
    for line in LEGACY:
        write(influxd, database, line)
    now = int(time.time()) + 60
    ours = Ident("BdP", serial, "ours", fields=(Field("temp", "C"),), since=now * SECOND)
    publish(influxd, Data(ours, now * SECOND, {"temp": 1.0, "timestamp": 7.0}))
    with subscriber(influxd, projects="BdP", serials=serial, start="oldest") as source:
        got = [t for t in received(source) if isinstance(t, Data)]

    assert [t.time // SECOND for t in got] == [1494777772, 1494778772, now]
    assert got[-1].ident == ours
    assert dict(got[-1].values) == {"temp": 1.0, "timestamp": 7.0}


def test_a_serial_of_digits_that_the_original_made_a_number_is_the_databases(influxd, serial):
    digits = str(abs(hash(serial)))[:12]
    write(influxd, f"BdP_{digits}", f'info,label="x" project="BdP",serial={float(digits)}', "data,new=1 temp=1")
    with subscriber(influxd, projects="BdP", serials=digits) as source:
        [ident, _] = received(source)

    assert (ident.project, ident.serial) == ("BdP", digits)


def test_who_writes_one_database_does_not_speak_for_another_node(influxd, ident):
    publish(influxd, data(0, ident))
    other = Ident("Bank", "vault")
    whole = (
        f'info ident="{{\\"project\\":\\"{other.project}\\",\\"serial\\":\\"{other.serial}\\"}}" {(T0 + 1) * SECOND}'
    )
    write(influxd, ident.node, whole, f"data,new=1 temp=1 {(T0 + 1) * SECOND}")
    with subscriber(influxd, ident) as source:
        got = received(source)

    assert {t.node if isinstance(t, Ident) else t.ident.node for t in got} == {ident.node}


def test_a_point_that_somebody_typed_is_survived(influxd, ident):
    publish(influxd, data(0, ident))
    write(influxd, ident.node, 'info,label="myTest" temperature=32', 'info ident="{no json"', "data hand=1")
    with subscriber(influxd, ident) as source:
        got = [t for t in received(source) if isinstance(t, Data)]

    assert [dict(t.values) for t in got] == [{"temp": 0.0}, {"hand": 1.0}]
    assert {t.ident.label for t in got} == {"shed"}


def test_databases_without_a_node_are_left_alone_unless_they_are_named(influxd, serial):
    write(influxd, f"some_{serial}", f"data temp=1 {T0 * SECOND}", f"cpu,host=pi idle=9 {T0 * SECOND}")
    with subscriber(influxd, serials=serial) as source:
        assert received(source) == []
    with subscriber(influxd, databases=(f"some_{serial}",)) as source:
        ident, data = received(source)

    assert (ident.project, ident.serial, dict(data.values)) == ("some", serial, {"temp": 1.0})


def test_points_of_others_are_read_by_the_name_of_their_measurement(influxd, serial):
    write(influxd, serial, f"cpu,host=pi,cpu=cpu0 idle=9 {T0 * SECOND}", f"cpu,host=zero,cpu=cpu0 idle=7 {T0 * SECOND}")
    with subscriber(influxd, databases=(serial,), measurement="cpu", start="oldest") as source:
        got = received(source)

    assert sorted((t.ident.serial, tuple(sorted(t.values.items()))) for t in got) == [
        ("pi", (("cpu", "cpu0"), ("idle", 9.0), ("measurement", "cpu"))),
        ("zero", (("cpu", "cpu0"), ("idle", 7.0), ("measurement", "cpu"))),
    ]


LAYOUTS = [  # options of both ends; the ident; its values; the node and the values that are read back
    (
        {"measurement": "adsl_connection", "tags": "host={label}"},
        Ident("Net", "k1", "router1"),
        {"value": "SHOWTIME"},
        "{database}_adsl_connection",
        {"value": "SHOWTIME", "label": "router1"},
    ),
    (
        {"measurement": "product_count", "tags": "product_id, deviceId={serial}"},
        Ident("Shop", "k1"),
        {"product_id": "7", "count": 5.0},
        "{database}_k1",
        {"product_id": "7", "count": 5.0},
    ),
    (
        {"measurement": "migration", "tags": "type, bird={node}"},
        Ident("Birds", "k_1"),
        {"type": "migration-value", "lon": 24.5, "lat": 61.25, "event-id": "1082620685"},
        "Birds_k_1",
        {"type": "migration-value", "lon": 24.5, "lat": 61.25, "event-id": "1082620685"},
    ),
]


@pytest.mark.parametrize(("layout", "ident", "values", "node", "read"), LAYOUTS)
def test_what_was_laid_out_by_templates_is_read_back_by_the_same(influxd, serial, layout, ident, values, node, read):
    database = f"bird-migration-{serial}"
    sent = [data(n, ident, **values) for n in range(3)]
    publish(influxd, *sent, database=database, **layout)
    with subscriber(influxd, databases=(database,), start="oldest", **layout) as source:
        got = received(source)

    assert [(t.time, dict(t.values)) for t in got] == [(t.time, read) for t in sent]
    assert {t.ident.node for t in got} == {node.format(database=database)}


def test_nodes_that_share_a_database_are_told_apart(influxd, serial):
    nodes = [
        Ident(f"P{serial}", f"n{n}", f"kit {n}", fields=(Field("temp", "C"),), since=T0 * SECOND) for n in range(3)
    ]
    sent = [data(n, node, temp=float(n)) for n in range(5) for node in nodes]
    publish(influxd, *sent, database="{project}")
    with influxdb.Subscriber(
        hostname="127.0.0.1",
        port=influxd.port,
        interval=0.02,
        projects=f"P{serial}",
        serials="n[12]",
        start="oldest",
        bufsize=2,
    ) as source:
        got = received(source)
        kept = dict(source.state.items())
    again = subscriber(influxd, projects=f"P{serial}", start="oldest")
    again.state = State(kept)
    with again:
        rest = received(again)

    assert sorted((t for t in got if isinstance(t, Data)), key=lambda t: (t.time, t.ident.serial)) == [
        t for t in sent if t.ident is not nodes[0]
    ]
    assert [t for t in rest if isinstance(t, Data)] == [t for t in sent if t.ident is nodes[0]]


def test_data_of_a_node_that_comes_late_into_a_shared_database_is_not_passed_over(influxd, serial):
    nodes = [Ident(f"P{serial}", f"n{n}", since=T0 * SECOND) for n in range(2)]
    publish(influxd, data(0, nodes[0]), data(0, nodes[1]), data(100, nodes[0]), database="{project}")
    with subscriber(influxd, projects=f"P{serial}", start="oldest") as source:
        received(source)
        publish(influxd, data(50, nodes[1]), database="{project}")

        assert [(t.ident.serial, t.values["temp"]) for t in received(source)] == [("n1", 50.0)]


def test_a_user_without_a_grant_for_one_database_reads_the_others_and_is_told_once(influxd_auth, ident, caplog):
    other, user = replace(ident, serial=ident.serial + "b"), ident.serial
    publish(influxd_auth, data(0, ident), data(0, other), user="root", password="acacadabra")
    influxd_auth.query(f"CREATE USER \"{user}\" WITH PASSWORD 'acacadabra'")
    influxd_auth.query(f'GRANT READ ON "{ident.node}" TO "{user}"')
    source = subscriber(
        influxd_auth, databases=(other.node, ident.node), user=user, password="acacadabra", start="oldest"
    )
    with source:
        got = received(source)
        received(source)
        assert len([r for r in caplog.records if "cannot be read" in r.message and other.node in r.message]) == 1
        influxd_auth.query(f'GRANT READ ON "{other.node}" TO "{user}"')
        after = received(source)

    assert seconds(got) == [0]
    assert {t.ident.node for t in after if isinstance(t, Data)} == {other.node}


def test_when_no_database_can_be_read_that_is_an_outage_and_few_words(influxd_auth, serial, caplog):
    names = tuple(f"No_{serial}n{n}" for n in range(9))
    influxd_auth.query(f"CREATE USER \"{serial}\" WITH PASSWORD 'acacadabra'")
    source = subscriber(influxd_auth, databases=names, user=serial, password="acacadabra")
    for _ in range(2):
        with source, pytest.raises(UnavailableError, match=r"cannot be read: .*not authorized"):
            source.receive()

    assert caplog.records == []  # the worker tells what is raised


def test_of_many_databases_that_cannot_be_read_a_few_are_named(influxd_auth, ident, caplog):
    publish(influxd_auth, data(0, ident), user="root", password="acacadabra")
    names = tuple(f"No_{ident.serial}n{n}" for n in range(9))
    source = subscriber(influxd_auth, databases=(*names, ident.node), user="root", password="acacadabra")
    with source:
        assert seconds(received(source)) == [0]

    assert [r.message.split()[1:6] for r in caplog.records] == [["(and", "8", "more)", "cannot", "be"]]


def test_a_database_that_may_only_be_written_is_told_and_read_whole_after_the_grant(influxd_auth, ident, caplog):
    other, user = replace(ident, serial=ident.serial + "b"), ident.serial
    publish(influxd_auth, data(0, ident), data(0, other), user="root", password="acacadabra")
    influxd_auth.query(f"CREATE USER \"{user}\" WITH PASSWORD 'acacadabra'")
    influxd_auth.query(f'GRANT READ ON "{ident.node}" TO "{user}"')
    influxd_auth.query(f'GRANT WRITE ON "{other.node}" TO "{user}"')
    source = subscriber(influxd_auth, ident, user=user, password="acacadabra")
    with pytest.raises(UnavailableError, match=f'may not read {other.node}.*GRANT READ ON "{other.node}" TO "{user}"'):
        source.check()
    with source:
        received(source)
        assert len([r for r in caplog.records if other.node in r.message]) == 1
        influxd_auth.query(f'GRANT READ ON "{other.node}" TO "{user}"')
        got = received(source)

    assert [t for t in got if isinstance(t, Data)] == [data(0, other)]
    assert got[0] == other


def test_a_pattern_that_matches_nothing_is_told_once_and_fails_the_check(influxd, caplog):
    source = subscriber(influxd, projects="NOSUCH")
    with source:
        received(source)
        received(source)
    with pytest.raises(UnavailableError, match=r"no database matches projects = NOSUCH, serials = \.\*"):
        source.check()

    assert [r.message for r in caplog.records if "nothing to read" in r.message] == [
        r"nothing to read yet: no database matches projects = NOSUCH, serials = .*, and holds an ident"
    ]


def test_a_server_that_is_too_slow_for_large_answers_is_asked_for_less(influxd, ident, monkeypatch):
    publish(influxd, *(data(n, ident) for n in range(10)))
    real, asked = V1.rows, []

    def rows(self, question):
        if question.measurement == "data":
            asked.append(question.limit)
            if question.limit > 300:
                raise UnavailableError("127.0.0.1: no answer within 10 s")
        return real(self, question)

    monkeypatch.setattr(V1, "rows", rows)
    source, got = subscriber(influxd, ident, bufsize=1000), []
    while not got:
        assert len(asked) < 40
        try:
            with source:
                until(lambda: got.extend(source.receive()) or got)
        except OSError:  # the worker opens it again
            continue

    assert seconds(got) == list(range(10))
    assert asked[:3] == [1000, 500, 250]


def test_a_user_sees_what_he_may_read(influxd_auth, ident):
    user = ident.serial
    publish(influxd_auth, data(0, ident), user="root", password="acacadabra")
    influxd_auth.query(f"CREATE USER \"{user}\" WITH PASSWORD 'acacadabra'")
    influxd_auth.query(f'GRANT READ ON "{ident.node}" TO "{user}"')
    with subscriber(influxd_auth, user=user, password="acacadabra") as source:
        assert {t.ident.node for t in received(source) if isinstance(t, Data)} == {ident.node}


def test_a_wrong_password_is_named(influxd_auth):
    source = subscriber(influxd_auth, user="root", password="wrong")
    with source, pytest.raises(UnavailableError, match="user 'root' or the password is wrong"):
        source.receive()


def test_no_server_is_an_oserror_that_names_the_place():
    [port] = free_ports(1)
    with influxdb.Subscriber(hostname="127.0.0.1", port=port) as source, pytest.raises(OSError, match=f"{port}"):
        source.receive()


def test_check_tells_what_would_be_read(influxd, ident):
    publish(influxd, data(0, ident))

    said = subscriber(influxd, ident).check()

    assert said.startswith("InfluxDB 1")
    assert said.endswith(f"reads {ident.node}")


def test_the_pause_is_between_rounds_and_there_is_none_while_there_is_more(influxd, ident):
    publish(influxd, *(data(n, ident) for n in range(20)))
    with subscriber(influxd, ident, bufsize=5, interval=30.0) as source:
        source.receive()
        assert 0 < source.pause <= 0.03  # until rows are known to be whole
        until(source.receive)
        assert source.pause == 0
        received(source)
        assert 25 < source.pause <= 30


def worker(journal, source):
    return SubscribeWorker("subscriber:influxdb", source, threading.Event(), Clock(), journal)


def test_a_position_is_committed_with_its_telegrams_or_not_at_all(influxd, ident, tmp_path, monkeypatch):
    publish(influxd, *(data(n, ident) for n in range(20)))
    journal = SqliteJournal(tmp_path / "journal.db")
    source = subscriber(influxd, ident, bufsize=5, interval=0.01)
    work, append, calls = worker(journal, source), journal.append, []

    def sometimes(*args):
        calls.append(len(calls))
        if calls[-1] in (1, 2, 4):
            raise OSError("the disk is full")
        return append(*args)

    monkeypatch.setattr(journal, "append", sometimes)

    def in_the_journal():
        return seconds(e.telegram for e in journal.read(0, 99))

    while len(in_the_journal()) < 20:
        try:
            with source:
                until(lambda: work.step() or len(in_the_journal()) >= 20)
        except OSError:
            continue
    got = [e.telegram for e in journal.read(0, 99)]

    assert len(calls) > 5
    assert seconds(got) == list(range(20))
    assert journal.status().repeated == 0
    journal.close()


def test_a_server_that_goes_and_comes_back_costs_nothing(own_influxd, ident, tmp_path):
    publish(own_influxd, *(data(n, ident) for n in range(5)))
    journal = SqliteJournal(tmp_path / "journal.db")
    source = subscriber(own_influxd, ident, bufsize=3, interval=0.01)
    work = worker(journal, source)
    with source:
        work.step()
        own_influxd.stop()
        with pytest.raises(OSError):
            until(lambda: work.step())
    own_influxd.start()
    publish(own_influxd, *(data(n, ident) for n in range(5, 9)))
    with source:
        until(lambda: work.step() or len(seconds(e.telegram for e in journal.read(0, 99))) >= 9)

    assert seconds(e.telegram for e in journal.read(0, 99)) == list(range(9))
    assert journal.status().repeated == 0
    journal.close()


def test_what_this_kit_published_itself_is_not_taken_in(influxd, ident, tmp_path):
    other = replace(ident, serial=ident.serial + "b")
    publish(influxd, data(0, ident), data(0, other))
    journal = SqliteJournal(tmp_path / "journal.db")
    source = subscriber(influxd, ident)
    work = SubscribeWorker("subscriber:influxdb", source, threading.Event(), Clock(), journal, own=ident.node)
    with source:
        until(lambda: work.step() or work.status.count >= 4)

    assert {e.telegram.ident.node for e in journal.read(0, 99) if isinstance(e.telegram, Data)} == {other.node}
    journal.close()


def test_hosts_that_others_write_are_read_each_on_its_own(influxd, serial):
    write(influxd, serial, f"cpu,host=a idle=1 {(T0 + 10) * SECOND}")
    with subscriber(influxd, databases=(serial,), measurement="cpu", update=0.1) as source:
        received(source)
        write(influxd, serial, f"cpu,host=b idle=2 {(T0 + 5) * SECOND}")

        assert until(lambda: [t.ident.serial for t in received(source) if isinstance(t, Data)]) == ["b"]


def test_a_stray_point_with_a_serial_does_not_hide_the_nodes_own(influxd, ident):
    publish(influxd, data(0, ident))
    with subscriber(influxd, ident, update=0.1) as source:
        received(source)
        write(influxd, ident.node, f"data,serial={ident.serial}foo hand=1 {(T0 + 1) * SECOND}")
        publish(influxd, data(2, ident))
        got = until(lambda: [t for t in received(source) if isinstance(t, Data)])
        got += received(source)

    own = [t for t in got if isinstance(t, Data) and t.ident.node == ident.node]
    assert own[-1].time // SECOND - T0 == 2
    assert {t.ident.digest for t in own} == {ident.digest}


def test_what_another_writes_into_a_nodes_database_is_never_its_own(influxd, ident):
    stray = f"{ident.serial}foo"
    publish(influxd, data(0, ident))
    write(
        influxd,
        ident.node,
        f'info,project={ident.project},serial={stray} ident="{{\\"project\\":\\"Sub\\",\\"serial\\":\\"{stray}\\"}}" '
        f"{(T0 + 1) * SECOND}",
        f"data,project={ident.project},serial={stray},new=1 hand=1 {(T0 + 1) * SECOND}",
    )
    publish(influxd, data(2, ident))
    with subscriber(influxd, ident) as source:
        got = [t for t in received(source) if isinstance(t, Data)]
    own = [t for t in got if t.ident.node == ident.node]

    assert [dict(t.values) for t in own] == [{"temp": 0.0}, {"temp": 2.0}]
    assert {t.ident.digest for t in own} == {ident.digest}


def test_idents_of_one_time_do_not_pile_up(influxd, ident):
    names = f'project="{ident.project}",serial="{ident.serial}"'
    write(
        influxd, ident.node, *(f"info,label=x{n} {names} {T0 * SECOND}" for n in range(2)), f"data temp=1 {T0 * SECOND}"
    )
    with subscriber(influxd, ident) as source:
        received(source)
        [reader] = source._feeds.values()
        for _ in range(5):
            reader.refresh(source._api)

        assert len(reader.history._infos) == 1


def test_one_database_that_gives_an_error_or_too_much_holds_up_no_other(influxd, ident, monkeypatch):
    other = replace(ident, serial=ident.serial + "b")
    publish(influxd, data(0, ident), *(data(n, other) for n in range(5, 9)))
    real = V1.rows

    def rows(self, question):
        if question.database == ident.node and question.measurement == "data":
            raise UnavailableError("127.0.0.1: no answer within 10 s")
        return real(self, question)

    monkeypatch.setattr(V1, "rows", rows)
    with subscriber(influxd, ident) as source:
        got = []
        until(lambda: got.extend(source.receive()) or len(seconds(got)) >= 4)

    assert seconds(got) == [5, 6, 7, 8]


def test_a_server_of_which_nothing_is_heard_is_an_outage_after_two(influxd, ident, monkeypatch):
    nodes = [replace(ident, serial=f"{ident.serial}n{n}") for n in range(5)]
    publish(influxd, *(data(0, node) for node in nodes))
    asked = []

    def rows(self, question):
        asked.append(question.database)
        raise UnavailableError("127.0.0.1: no answer within 10 s")

    with subscriber(influxd, ident) as source:
        received(source)
        monkeypatch.setattr(V1, "rows", rows)
        with pytest.raises(UnavailableError, match="no answer"):
            until(source.receive)

    assert len(asked) == 2


def test_one_refused_look_does_not_give_a_shared_database_anew(influxd, serial, monkeypatch):
    nodes = [Ident(f"P{serial}", f"n{n}", since=T0 * SECOND) for n in range(2)]
    publish(influxd, *(data(k, node) for node in nodes for k in range(3)), database="{project}")
    with subscriber(influxd, databases=(f"P{serial}",), update=0.1) as source:
        assert len(seconds(received(source))) == 6
        real, calls = V1.tag_values, []

        def once(self, *args):
            calls.append(args)
            if len(calls) == 1:
                raise AnswerError("max-concurrent-queries limit exceeded(10, 10)")
            return real(self, *args)

        monkeypatch.setattr(V1, "tag_values", once)
        until(lambda: received(source) or len(calls) > 1)

        assert len(source._feeds) == 2
        assert received(source) == []


def test_data_is_never_given_under_a_bare_ident_while_a_grant_is_missing(influxd_auth, ident):
    user, root = ident.serial, {"user": "root", "password": "acacadabra"}
    roof = replace(ident, label="roof", since=(T0 + 2) * SECOND)
    other = replace(ident, serial=ident.serial + "b")
    publish(influxd_auth, data(0, ident), data(1, ident), data(2, roof), data(0, other), **root)
    influxd_auth.query(f"CREATE USER \"{user}\" WITH PASSWORD 'acacadabra'")
    influxd_auth.query(f'GRANT READ ON "{other.node}" TO "{user}"')
    options = {"databases": (ident.node, other.node), "user": user, "password": "acacadabra", "start": "info"}
    with subscriber(influxd_auth, **options) as source:
        received(source)
        influxd_auth.query(f'GRANT READ ON "{ident.node}" TO "{user}"')
        got = received(source)

    assert got == [roof, data(2, roof)]


def test_a_database_that_goes_while_rows_settle_makes_no_hurry(influxd, ident):
    publish(influxd, data(0, ident), data(0, replace(ident, serial=ident.serial + "b")))
    with subscriber(influxd, ident, interval=30.0) as source:
        received(source)
        source._begun = 0.0
        publish(influxd, data(1, ident))
        source.receive()
        influxd.query(f'DROP DATABASE "{ident.node}"')
        until(lambda: not source.receive() and source.pause > 1)


def test_between_two_rounds_only_those_are_asked_whose_rows_are_whole_now(influxd, ident, monkeypatch):
    nodes = [replace(ident, serial=f"{ident.serial}n{n}") for n in range(5)]
    publish(influxd, *(data(0, node) for node in nodes))
    real, asked = V1.rows, []
    monkeypatch.setattr(V1, "rows", lambda self, question: asked.append(question.database) or real(self, question))
    with subscriber(influxd, ident, interval=30.0) as source:
        received(source)
        publish(influxd, data(1, nodes[2]))
        source._begun = 0.0  # the next round is due
        source.receive()
        asked.clear()
        assert seconds(received(source)) == [1]

    assert set(asked) == {nodes[2].node}


def test_what_was_asked_ahead_is_as_old_as_the_question(influxd, ident):
    publish(influxd, data(0, ident))
    with subscriber(influxd, ident) as source:
        received(source)
        line = f"data,label=shed,new=0 temp=1 {(T0 + 1) * SECOND}"
        write(influxd, ident.node, line)
        got = list(source.receive())
        [reader] = source._feeds.values()
        source._api.ahead(reader.question())
        write(
            influxd,
            ident.node,
            line.replace("temp=1", "rh=50"),
            line.replace("temp=1", "temp=3").replace(str(T0 + 1), str(T0 + 2)),
        )
        threading.Event().wait(0.1)  # the answer waits for us
        got += received(source)

    assert [dict(t.values) for t in got if isinstance(t, Data)] == [{"temp": 1.0, "rh": 50.0}, {"temp": 3.0}]


def test_a_new_database_is_found_in_the_next_round_where_others_are_known(influxd, ident):
    publish(influxd, data(0, ident))
    with subscriber(influxd, ident) as source:
        received(source)
        publish(influxd, data(0, replace(ident, serial=ident.serial + "b")))

        assert seconds(received(source)) == [0]


def test_a_point_that_is_rewritten_leaves_one_mark(influxd, ident):
    publish(influxd, data(0, ident))
    with subscriber(influxd, ident) as source:
        received(source)
        for n in range(5):
            write(influxd, ident.node, f"data,label=shed,new=1 temp={n + 7} {T0 * SECOND}")
            assert [t.values["temp"] for t in received(source)] == [n + 7.0]

        assert [len(reader.position.seen) for reader in source._feeds.values()] == [1]


@pytest.mark.parametrize("infos", [1, 2, 3, 50])
def test_all_idents_are_read_however_many_fit_into_an_answer(influxd, ident, infos, monkeypatch):
    monkeypatch.setattr(history, "INFOS", infos)
    idents = [replace(ident, label=f"l{n}", since=(T0 + n) * SECOND) for n in range(7)]
    publish(influxd, *(data(n, each) for n, each in enumerate(idents)))
    names = f'project="{ident.project}",serial="{ident.serial}"'
    write(influxd, ident.node, *(f"info,label=x{n} {names} {(T0 + 3) * SECOND}" for n in range(5)))
    with subscriber(influxd, ident) as source:
        got = received(source)

    assert labels(got)[4:] == ["l4", "l5", "l6"]


@pytest.mark.parametrize("text", ["(?i)bdp", "["])
def test_a_pattern_that_cannot_stand_amid_others_is_refused(text):
    with pytest.raises(ValueError, match="is no pattern"):
        pattern(text)


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=8)
SAID = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: (
        st.lists(inner | st.integers(10**300, 10**310), max_size=3) | st.dictionaries(WORDS, inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(["project", "serial", "label", "geolocation", "fields", "units", "since", "depth", "street"])


@settings(max_examples=300)
@given(st.dictionaries(NAMES, SAID), st.dictionaries(WORDS | NAMES, st.booleans() | st.floats(allow_nan=False) | WORDS))
def test_whatever_is_in_a_database_the_journal_can_keep_it(journal, ident, point):
    """What cannot be kept would come again and again, and nothing behind it would be read."""
    node = Node("Fuzz", "k1")
    whole = json.dumps({"project": "Fuzz", "serial": "k1", **ident})
    columns = {k: v for k, v in ident.items() if isinstance(v, str | float | bool)}
    infos: list = [{"ident": whole}, {"project": "Fuzz", "serial": "k1", **columns}]
    for info in infos:
        known = told(info, node, T0 * SECOND) or Known(node.ident)
        for stamp in (0.5, -1e300, 1e300, float(2**62)):
            telegram = of_point(known, T0 * SECOND, "data", {**point, "timestamp": stamp, "there": 1.0})
            journal.append([known.ident, telegram])
        again = SqliteJournal.open_existing(journal.path)  # and read it
        assert again.ident(known.ident.node).node == "Fuzz_k1"
        again.close()


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    journal = SqliteJournal(tmp_path_factory.mktemp("fuzz") / "journal.db", durability="normal")
    yield journal
    journal.close()


def test_an_ident_in_json_that_is_broken_is_none(ident):
    node = Node(ident.project, ident.serial)

    assert told({"ident": "[]", "project": "x", "serial": "y"}, node, 1) is None
    assert told({"temperature": 32.0}, node, 1) is None
    assert told({"project": "x", "serial": "y", "geolocation": "nowhere"}, node, 1).ident.node == ident.node
