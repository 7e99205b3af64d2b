"""The publisher and InfluxDB 2 and 3, for which there are stand-ins."""

from time import time

import pytest

from mysense.channels import influxdb
from mysense.errors import ConfigError, RejectedError, UnavailableError
from mysense.telegram import SECOND, Data, Field, Ident, Note
from tests.standins.influxdb2 import InfluxDB2
from tests.standins.server import Answered

T0 = 1_700_000_000


def data(seconds, ident, **values):
    return Data(ident, (T0 + seconds) * SECOND, values or {"temp": float(seconds)})


def publisher(server, **options):
    return influxdb.Publisher(hostname="127.0.0.1", **server.options | options)


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


def kept(server, ident, measurement="data"):
    """The times and numbers of what is there."""
    return [(row["time"] // SECOND - T0, row["temp"]) for row in server.rows(ident.node, measurement)]


@pytest.fixture
def ident(serial):
    return Ident("Ver", serial, "shed", fields=(Field("temp", "C", "BME280"),), since=T0 * SECOND)


@pytest.fixture(params=["2", "3"])
def server(request):
    """A stand-in for InfluxDB 2, and one for 3."""
    return request.getfixturevalue(f"influxdb{request.param}")


# Every version


def test_everything_arrives_with_its_own_time(server, ident):
    times = [T0 * SECOND, T0 * SECOND + 500_000_000, T0 * SECOND + 1]
    with publisher(server) as far:
        assert far.publish([Data(ident, time, {"temp": 1.0, "say": 'a "b", ü'}) for time in times]) == {}
        assert far.publish([Note(ident, T0 * SECOND, "up", "begun")]) == {}

    assert [row["time"] for row in server.rows(ident.node)] == sorted(times)
    assert {row["say"] for row in server.rows(ident.node)} == {'a "b", ü'}
    assert [row["new"] for row in server.rows(ident.node)] == ["1", "0", "0"]
    assert [row["label"] for row in server.rows(ident.node, "info")] == ["shed"]
    assert [row["kind"] for row in server.rows(ident.node, "station")] == ["up"]


@pytest.mark.parametrize("precision", ["s", "ms", "u", "ns"])
def test_every_precision_says_the_same_time(server, ident, precision):
    with publisher(server, precision=precision) as far:
        assert far.publish([data(1, ident)]) == {}

    assert kept(server, ident) == [(1, 1.0)]


def test_a_retry_gives_the_same_points(server, ident):
    with publisher(server) as far:
        for _ in range(3):
            assert far.publish([data(0, ident), data(1, ident)]) == {}

    assert kept(server, ident) == [(0, 0.0), (1, 1.0)]


def test_compressed_bodies_and_lines_of_the_original_arrive_too(server, ident):
    with publisher(server, gzip=True, legacy=True) as far:
        assert far.publish([data(n, ident) for n in range(3)]) == {}

    assert [row["timestamp"] - T0 for row in server.rows(ident.node)] == [0, 1, 2]


def test_a_name_of_several_words_is_a_bucket_too(server, ident):
    with publisher(server, database="bird-migration") as far:
        assert far.publish([data(0, ident)]) == {}

    assert len(server.rows("bird-migration")) == 1


def test_a_type_conflict_rejects_only_that_database_and_keeps_the_other_points(server, ident, serial):
    other = Ident("Ver", f"{serial}b")
    with publisher(server) as far:
        far.publish([data(0, ident), data(0, other)])
        failures = far.publish([data(1, ident), data(2, ident, temp="warm"), data(1, other)])
        alone = far.publish([data(2, ident, temp="warm")])

    assert list(failures) == list(alone) == [ident.node]
    assert isinstance(alone[ident.node], RejectedError)
    assert "temp" in str(alone[ident.node])
    assert [row["temp"] for row in server.rows(ident.node)] == [0.0, 1.0]
    assert len(server.rows(other.node)) == 2


def test_an_item_of_another_type_stops_no_data(server, ident, caplog):
    before = Ident(ident.project, ident.serial, "shed", meta={"floor": 3}, since=(T0 - 1) * SECOND)
    after = Ident(ident.project, ident.serial, "shed", meta={"floor": "third"}, since=T0 * SECOND)
    with publisher(server) as far:
        assert far.publish([data(-1, before)]) == {}
        assert far.publish([data(0, after), data(1, after)]) == {}

    assert [when for when, _ in kept(server, ident)] == [-1, 0, 1]
    assert '"floor":"third"' in server.rows(ident.node, "info")[-1]["ident"]
    assert len([r for r in caplog.records if "'floor'" in r.message]) == 1


def test_a_wrong_token_is_mended_in_its_file_without_a_restart(server, ident, tmp_path):
    file = tmp_path / "token"
    file.write_text("wrong\n")
    with publisher(server, token="", token_file=file) as far:
        error = far.publish([data(0, ident)])[ident.node]
        file.write_text(f"{server.options['token']}\n")
        after = far.publish([data(0, ident)])

    assert isinstance(error, UnavailableError)
    assert "does not know this token" in str(error)
    assert "wrong" not in str(error)
    assert after == {}
    assert kept(server, ident) == [(0, 0.0)]


@pytest.mark.parametrize(
    ("status", "kind"), [(429, UnavailableError), (503, UnavailableError), (500, UnavailableError)]
)
def test_a_server_that_has_no_time_now_is_asked_later(server, ident, status, kind):
    with publisher(server) as far:
        assert far.publish([data(0, ident)]) == {}
        server.ordered.append(Answered(status, {"code": "busy", "message": "busy"}, {"Retry-After": "7"}))
        error = far.publish([data(1, ident)])[ident.node]
        assert far.publish([data(1, ident)]) == {}

    assert isinstance(error, kind)
    assert error.wait == 7
    assert len(server.rows(ident.node)) == 2


def test_a_body_that_is_too_large_is_halved(server, ident):
    with publisher(server) as far:
        far.publish([data(0, ident)])
        server.ordered.append(Answered(413, {"code": "request too large", "message": "too large"}))
        assert far.publish([data(n, ident) for n in range(10)]) == {}

    assert len(server.rows(ident.node)) == 10


def test_check_tells_the_version_and_writes_nothing(server, ident, ways):
    said = publisher(server).check()
    publisher(server, database=ident.node).check()

    assert said.startswith("InfluxDB 2.7.12" if isinstance(server, InfluxDB2) else "InfluxDB 3.4.1")
    assert ways(server).databases() == []


# InfluxDB 2


def test_a_bucket_is_made_with_its_retention_and_one_that_is_there_is_not_changed(influxdb2, ident, ways):
    influxdb2.make("there", retention=7200)
    now = int(time())
    with publisher(influxdb2, retention=100 * 86400.0) as far:
        assert far.publish([Data(ident, now * SECOND, {"temp": 1.0})]) == {}
    for name, seconds in (("for-ever", 0.0), ("there", 0.0), ("short", 3600.0)):
        ways(influxdb2).create(name, seconds)
    rules = {name: bucket["retentionRules"][0] for name, bucket in influxdb2.buckets.items()}

    assert {name: (rule["everySeconds"], rule["shardGroupDurationSeconds"]) for name, rule in rules.items()} == {
        ident.node: (8_640_000, 864_000),
        "for-ever": (0, 520 * 604_800),
        "there": (7200, 0),
        "short": (3600, 3600),
    }


def test_a_retention_that_the_server_does_not_take_is_told(influxdb2, ways):
    with pytest.raises(UnavailableError, match="one hour"):
        ways(influxdb2).create("shorter", 60.0)


def test_points_that_a_bucket_no_longer_keeps_are_passed(influxdb2, ident, caplog):
    influxdb2.make(ident.node, retention=3600)
    now = int(time())
    with publisher(influxdb2) as far:
        assert far.publish([data(0, ident), Data(ident, now * SECOND, {"temp": 1.0})]) == {}

    assert [row["time"] for row in influxdb2.rows(ident.node)] == [now * SECOND]
    assert len([r for r in caplog.records if "beyond its retention" in r.message]) == 1


def test_without_leave_to_create_it_says_what_to_type(influxdb2, ident):
    with publisher(influxdb2, create=False) as far:
        error = far.publish([data(0, ident)])[ident.node]

    assert isinstance(error, UnavailableError)
    assert f"influx bucket create --org shed --name {ident.node}" in str(error)
    assert influxdb2.buckets == {}


def test_a_token_for_one_bucket_writes_that_and_is_told_what_to_ask_for_elsewhere(influxdb2, ident, serial):
    other = Ident("Ver", f"{serial}b")
    influxdb2.make(ident.node)
    token = influxdb2.token(("write", ident.node))
    with publisher(influxdb2, token=token) as far:
        failures = far.publish([data(0, ident), data(0, other)])
        influxdb2.make(other.node)
        denied = far.publish([data(0, other)])

    assert list(failures) == list(denied) == [other.node]
    assert kept(influxdb2, ident) == [(0, 0.0)]
    assert "it cannot be made (there is no organisation 'shed', or this token may not see it)" in str(
        failures[other.node]
    )
    assert f"this token may not write {other.node}: insufficient permissions" in str(denied[other.node])
    assert "influx auth create --org shed --write-bucket" in str(denied[other.node])
    assert isinstance(denied[other.node], UnavailableError)
    assert token not in str(failures) + str(denied)


def test_a_token_that_may_not_make_buckets_is_not_called_unknown(influxdb2, ident):
    may_look = influxdb2.authorize(("read", "orgs"), ("read", "buckets"))
    with publisher(influxdb2, token=may_look) as far:
        error = far.publish([data(0, ident)])[ident.node]

    assert "does not allow this token: write:orgs/" in str(error)
    assert "does not know" not in str(error)


def test_an_organisation_that_is_not_there_keeps_everything_and_is_named(influxdb2, ident):
    with publisher(influxdb2, org="shop") as far:
        error = far.publish([data(0, ident)])[ident.node]

    assert isinstance(error, UnavailableError)
    assert "there is no organisation 'shop'" in str(error)


def test_check_says_whether_the_one_bucket_may_be_written(influxdb2, ident):
    fixed = publisher(influxdb2, database=ident.node)
    assert f"{ident.node} is not there yet" in fixed.check()
    influxdb2.make(ident.node)
    assert fixed.check().endswith(f"; may write {ident.node}")
    influxdb2.make("other")
    with pytest.raises(UnavailableError, match="may not write"):
        publisher(influxdb2, database=ident.node, token=influxdb2.token(("write", "other"))).check()


def test_influxdb_2_wants_an_organisation_and_a_token(influxdb2, ident):
    with pytest.raises(ConfigError, match="wants org and token_file"), publisher(influxdb2, org="") as far:
        far.publish([data(0, ident)])


# InfluxDB 3


def test_a_database_is_made_before_its_first_write_so_that_its_retention_counts(influxdb3, ident):
    now = int(time())
    with publisher(influxdb3, retention=90 * 60.0) as far:
        for n in range(3):
            assert far.publish([Data(ident, (now + n) * SECOND, {"temp": 1.0})]) == {}

    assert influxdb3.retention == {ident.node: 7200}  # it knows whole hours
    assert [asked.method for asked in influxdb3.asked("/api/v3/configure/database")] == ["POST"]


def test_many_databases_are_made_before_anything_is_in_flight(influxdb3, serial):
    idents = [Ident("Ver", f"{serial}n{n}") for n in range(5)]
    with publisher(influxdb3, retention=3600.0) as far:
        assert far.publish([data(n, idents[n % 5]) for n in range(50)]) == {}

    assert set(influxdb3.retention) == {each.node for each in idents}
    assert [len(influxdb3.rows(each.node)) for each in idents] == [10] * 5


def test_without_leave_to_create_a_write_makes_it(influxdb3, ident):
    with publisher(influxdb3, create=False, retention=3600.0) as far:
        assert far.publish([data(0, ident)]) == {}

    assert influxdb3.retention == {}
    assert kept(influxdb3, ident) == [(0, 0.0)]


def test_a_token_that_may_only_write_its_database_does(influxdb3, ident, serial):
    other = Ident("Ver", f"{serial}b")
    influxdb3.tokens["kit"] = {ident.node: "write"}
    with publisher(influxdb3, token="kit") as far:
        failures = far.publish([data(0, ident), data(0, other)])

    assert kept(influxdb3, ident) == [(0, 0.0)]
    assert list(failures) == [other.node]
    assert isinstance(failures[other.node], UnavailableError)
    assert f"influxdb3 create token --permission db:{other.node}:read,write" in str(failures[other.node])


def test_a_database_too_many_keeps_everything_and_the_others_go_on(influxdb3, serial):
    influxdb3.limit = 2
    idents = [Ident("Ver", f"{serial}n{n}") for n in range(3)]
    with publisher(influxdb3) as far:
        failures = far.publish([data(0, each) for each in idents])
        influxdb3.limit = 3
        after = far.publish([data(0, each) for each in idents])

    assert list(failures) == [idents[2].node]
    assert isinstance(failures[idents[2].node], UnavailableError)
    assert "exceed limit of 2 databases; give the nodes of a project one database" in str(failures[idents[2].node])
    assert after == {}


def test_a_name_that_influxdb_3_does_not_take_loses_nothing(influxdb3):
    with publisher(influxdb3) as far:
        [error] = far.publish([data(0, Ident("Ver", "a.b"))]).values()

    assert isinstance(error, UnavailableError)
    assert "does not take Ver_a.b: invalid character in database" in str(error)


def test_a_database_that_is_not_made_yet_for_want_of_the_server_is_made_later(influxdb3, ident):
    influxdb3.ordered.append(Answered(503))
    with publisher(influxdb3, retention=3600.0) as far:
        with pytest.raises(UnavailableError, match="503"):
            far.publish([data(0, ident)])
        assert far.publish([data(0, ident)]) == {}

    assert influxdb3.retention == {ident.node: 3600}


def test_a_database_that_was_dropped_is_made_and_told_the_ident_at_the_next_start(influxdb3, ident):
    far = publisher(influxdb3)
    with far:
        assert far.publish([data(0, ident)]) == {}
    del influxdb3.databases[ident.node]
    with far:
        assert far.publish([data(1, ident)]) == {}

    assert len(influxdb3.rows(ident.node, "info")) == 1


def test_a_token_that_is_mended_makes_databases_with_their_retention(influxdb3, ident, tmp_path):
    file = tmp_path / "token"
    file.write_text("wrong\n")
    with publisher(influxdb3, token="", token_file=file, retention=3600.0) as far:
        assert list(far.publish([data(0, ident)])) == [ident.node]
        file.write_text(influxdb3.admin)
        assert far.publish([data(0, ident)]) == {}

    assert influxdb3.retention == {ident.node: 3600}


def test_many_bad_lines_are_rejected_also_where_what_is_said_of_them_is_cut_off(influxdb3, ident):
    with publisher(influxdb3) as far:
        assert far.publish([data(0, ident)]) == {}
        failures = far.publish([data(n, ident, temp="warm") for n in range(1, 1001)])

    assert [type(error) for error in failures.values()] == [RejectedError]


def test_a_server_that_is_no_influxdb_3_rejects_nothing(victoria, ident):
    with influxdb.Publisher(hostname="127.0.0.1", port=victoria.port, version="3", token="x") as far:
        failures = far.publish([data(0, ident)])

    assert [type(error) for error in failures.values()] == [UnavailableError]


# InfluxDB 1


@pytest.mark.parametrize("seconds", [3600, 86400, 8 * 86400, 100 * 86400])
def test_a_database_may_be_kept_for_less_than_a_week(influxd, ident, seconds):
    with influxdb.Publisher(hostname="127.0.0.1", port=influxd.port, retention=float(seconds)) as far:
        assert far.publish([Data(ident, int(time()) * SECOND, {"temp": 1.0})]) == {}
    [policy] = influxd.rows("SHOW RETENTION POLICIES", ident.node)

    assert policy["duration"] == f"{seconds // 3600}h0m0s"
