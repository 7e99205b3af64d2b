"""The publisher against a real InfluxDB, and against a stand-in for answers that one cannot be made to give."""

import gzip
import re
import sys
import threading
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time

import pytest
import trustme

from mysense import examples
from mysense.channels import _http, influxdb
from mysense.channels.influxdb.request import FIRST
from mysense.errors import ConfigError, RejectedError, UnavailableError
from mysense.state import State
from mysense.telegram import SECOND, Data, Field, Ident, Note
from tests.kit import received
from tests.ports import free_ports
from tests.servers import Influxd

T0 = 1_700_000_000


def data(seconds, ident, **values):
    return Data(ident, (T0 + seconds) * SECOND, values or {"temp": float(seconds)})


def publisher(server, **options):
    return influxdb.Publisher(hostname="127.0.0.1", port=server.port, **options)


@pytest.fixture
def ident(serial):
    return Ident("Inf", serial, "shed", fields=(Field("temp", "C", "BME280"),), since=T0 * SECOND)


def rows(server, ident, measurement="data"):
    return server.rows(f'SELECT * FROM "{measurement}"', ident.node)


def test_the_examples_look_as_the_document_shows_them(influxd):
    with publisher(influxd) as far:
        assert far.publish([t.public(["extern_ip"]) if isinstance(t, Ident) else t for t in examples.telegrams()]) == {}

    assert "BdP_test_sense" in influxd.databases()
    assert [row["key"] for row in influxd.rows("SHOW SERIES", "BdP_test_sense")] == [
        r"data,geolocation=51.420635\,6.1356117\,22.9,label=alphaTest,new=0",
        r"data,geolocation=51.420635\,6.1356117\,22.9,label=alphaTest,new=1",
        r"data,geolocation=51.433\,6.22\,13,label=alphaTest,new=0",
        "info,label=alphaTest",
    ]
    [info] = influxd.rows("SELECT * FROM info", "BdP_test_sense")
    assert info["extern_ip"] == "192.0.2.17"
    assert info["fields"] == "time,pm_25,pm_10,dtemp,drh,temp,rh,hpa"
    assert info["units"] == "s,pcs/qf,pcs/qf,C,%,C,%,hPa"
    assert info["types"].startswith("time,Dylos DC1100,Dylos DC1100,DHT22")
    assert (info["project"], info["serial"], info["label"]) == ("BdP", "test_sense", "alphaTest")
    shown = [
        (row["time"] // SECOND, row["drh"], row["dtemp"], row["geolocation"], row["hpa"], row["new"], row["pm_10"],
         row["pm_25"], row["rh"], row["temp"])
        for row in influxd.rows("SELECT * FROM data", "BdP_test_sense")
    ]  # fmt: skip
    assert shown == [
        (1494777772, 29.3, 27.8, "51.420635,6.1356117,22.9", 712, "1", 62, 318, 25, 28.75),
        (1494778772, 29.5, 27.8, "51.433,6.22,13", 714, "0", 63, 318, 26, 27),
        (1494779772, 29.6, 27.8, "51.420635,6.1356117,22.9", 715, "0", 64, 318, 28, 27.5),
    ]


def test_an_ident_is_announced_once_and_again_when_it_changes(influxd, ident):
    other = Ident(ident.project, ident.serial, "roof", since=(T0 + 2) * SECOND)
    with publisher(influxd) as far:
        far.publish([data(0, ident), data(1, ident)])
        far.publish([data(2, other), data(3, other)])

    assert [(row["time"] // SECOND - T0, row["label"]) for row in rows(influxd, ident, "info")] == [
        (0, "shed"),
        (2, "roof"),
    ]
    assert [row["new"] for row in rows(influxd, ident)] == ["1", "0", "1", "0"]


def test_a_retry_a_restart_and_a_replay_give_the_same_points(influxd, ident):
    telegrams = [data(n, ident) for n in range(4)]
    state = State()
    far = publisher(influxd)
    far.state = state
    with far:
        far.publish(telegrams[:2])
        far.publish(telegrams[:3])
    kept = dict(state.items())
    for again in (kept, {}):
        far.state = State(again)
        with far:
            far.publish(telegrams)

    assert [(row["time"] // SECOND - T0, row["new"]) for row in rows(influxd, ident)] == [
        (0, "1"), (1, "0"), (2, "0"), (3, "0")]  # fmt: skip
    assert len(rows(influxd, ident, "info")) == 1


def test_late_data_does_not_bring_an_old_ident_back(influxd, ident):
    newer = Ident(ident.project, ident.serial, "roof", since=(T0 + 5) * SECOND)
    with publisher(influxd) as far:
        far.publish([data(0, ident), data(5, newer)])
        far.publish([data(3, replace(ident)), data(6, newer)])

    assert [(row["label"], row["new"]) for row in rows(influxd, ident)] == [
        ("shed", "1"), ("shed", "0"), ("roof", "1"), ("roof", "0")]  # fmt: skip
    assert len(rows(influxd, ident, "info")) == 2


def test_a_retry_across_a_change_of_ident_gives_the_same_points(stand_in, ident):
    newer = Ident(ident.project, ident.serial, "roof", since=(T0 + FIRST) * SECOND)
    batch = [data(n, ident if n < FIRST else newer) for n in range(FIRST + 3)]
    stand_in.answers += [(204, {}, b""), (503, {}, b"")]
    state = State()
    for _ in range(2):  # the second time by a publisher that was opened again, as the worker does
        far = publisher(stand_in)
        far.state = State(dict(state.items()))
        with far:
            far.publish(batch)
        state = far.state
    first, lost, again, rest = (body.decode().splitlines() for _, _, body in stand_in.requests)

    assert again == first[1:]  # its info was delivered
    assert rest == lost
    assert rest[0].startswith("info,label=roof")
    assert [line.split()[0] for line in again + rest if "new=1" in line] == [
        "data,label=shed,new=1",
        "data,label=roof,new=1",
    ]


def test_an_outage_after_a_change_of_ident_does_not_turn_its_first_data_old(stand_in, ident):
    newer = Ident(ident.project, ident.serial, "roof", since=(T0 + 1) * SECOND)
    state = State()
    for _ in range(2):
        far = publisher(stand_in)
        far.state = state
        with far:
            far.publish([data(0, replace(ident)), data(1, replace(newer))])
    first, again = (body.decode().splitlines() for _, _, body in stand_in.requests)

    assert again == [line for line in first if not line.startswith("info")]


def test_an_ident_that_returns_is_announced_again(influxd, ident):
    other = Ident(ident.project, ident.serial, "roof", since=(T0 + 1) * SECOND)
    back = replace(ident, since=(T0 + 2) * SECOND)
    with publisher(influxd) as far:
        far.publish([data(0, ident), data(1, other), data(2, back), data(3, back)])

    assert [row["label"] for row in rows(influxd, ident, "info")] == ["shed", "roof", "shed"]
    assert [row["new"] for row in rows(influxd, ident)] == ["1", "1", "1", "0"]


def test_another_database_is_told_the_ident_too(influxd, ident, serial):
    state = State()
    for name in ("{project}_{serial}", f"Fleet{serial}"):
        far = publisher(influxd, database=name)
        far.state = state
        with far:
            far.publish([data(0, ident)])

    assert [len(influxd.rows("SELECT * FROM info", name)) for name in (ident.node, f"Fleet{serial}")] == [1, 1]


def test_the_memory_of_idents_does_not_grow_without_end(stand_in, ident):
    with publisher(stand_in) as far:
        far.publish([data(n, replace(ident, label=f"l{n}", since=(T0 + n) * SECOND)) for n in range(200)])

        assert len(far.state[ident.node]) < 1000


def test_many_nodes_go_to_a_database_each(influxd, serial):
    idents = [Ident("Fleet", f"{serial}n{n}") for n in range(5)]
    with publisher(influxd) as far:
        assert far.publish([data(n, idents[n % 5]) for n in range(50)]) == {}

    assert [len(rows(influxd, each)) for each in idents] == [10] * 5
    assert [len(rows(influxd, each, "info")) for each in idents] == [1] * 5


def test_one_long_shard_is_made_and_not_one_a_week(influxd, ident):
    with publisher(influxd) as far:
        far.publish([data(0, ident)])
    [policy] = influxd.rows("SHOW RETENTION POLICIES", ident.node)

    assert (policy["name"], policy["duration"], policy["shardGroupDuration"]) == ("autogen", "0s", "87360h0m0s")


def test_a_type_conflict_refuses_the_database_of_that_point_only(influxd, ident, serial):
    other = Ident("Inf", f"{serial}b")
    with publisher(influxd) as far:
        far.publish([data(0, ident, temp=1.0), data(0, other)])
        failures = far.publish([data(1, ident, temp="warm"), data(1, other)])

    assert list(failures) == [ident.node]
    assert isinstance(failures[ident.node], RejectedError)
    assert "field type conflict" in str(failures[ident.node])
    assert len(rows(influxd, other)) == 2


def test_a_database_that_was_dropped_is_made_again_and_told_the_ident(influxd, ident):
    with publisher(influxd) as far:
        far.publish([data(0, ident)])
        influxd.query(f'DROP DATABASE "{ident.node}"')
        assert far.publish([data(1, ident), data(2, ident)]) == {}

    assert [row["new"] for row in rows(influxd, ident)] == ["1", "0"]
    assert [row["label"] for row in rows(influxd, ident, "info")] == ["shed"]


@pytest.mark.parametrize("legacy", [False, True])
def test_an_info_that_the_original_wrote_with_other_types_stops_no_data(influxd, ident, legacy, caplog):
    at = "" if legacy else f" {T0 * SECOND}"  # types are those of a shard
    old = replace(ident, serial=ident.serial[1:].replace("x", "7"), meta={"version": "one", "street": "text"})
    influxd.query(f'CREATE DATABASE "{old.node}"')
    original = _http.Connection("127.0.0.1", influxd.port)
    written = "project=1,serial=33,version=0.2,street=1" + at
    assert original.request("POST", f"/write?db={old.node}", f"info,label=shed {written}".encode()).status == 204
    with publisher(influxd, legacy=legacy) as far:
        assert far.publish([data(0, old), data(1, old)]) == {}
        assert far.publish([data(2, old)]) == {}
    original.close()

    assert len([r for r in caplog.records if "'street'" in r.message]) == 1
    if legacy:  # what is sent again is there twice
        assert {row["timestamp"] - T0 for row in rows(influxd, old)} == {0, 1, 2}
    else:
        assert [row["new"] for row in rows(influxd, old)] == ["1", "0", "0"]
        [info] = rows(influxd, old, "info")
        assert '"street":"text"' in info["ident"]


def test_without_leave_to_create_it_says_what_to_type(influxd, ident):
    with publisher(influxd, create=False) as far:
        error = far.publish([data(0, ident)])[ident.node]

    assert isinstance(error, UnavailableError)
    assert f'CREATE DATABASE "{ident.node}"' in str(error)


def test_databases_are_made_without_the_package_too(influxd, ident, monkeypatch):
    monkeypatch.setitem(sys.modules, "influxdb", None)
    with publisher(influxd) as far:
        assert far.publish([data(0, ident)]) == {}

    assert len(rows(influxd, ident)) == 1


def test_a_user_who_may_not_make_databases_is_told_once_what_to_ask_for(influxd_auth, ident, caplog):
    influxd_auth.query(f"CREATE USER \"{ident.serial}\" WITH PASSWORD 'acacadabra'")
    with publisher(influxd_auth, user=ident.serial, password="acacadabra") as far:
        errors = [far.publish([data(0, ident)])[ident.node] for _ in range(3)]

    assert len([r for r in caplog.records if "cannot be made" in r.message]) == 1
    assert all(isinstance(error, UnavailableError) for error in errors)
    assert f'CREATE DATABASE "{ident.node}"' in str(errors[-1])
    assert f'GRANT WRITE ON "{ident.node}" TO "{ident.serial}"' in str(errors[-1])


def test_project_and_serial_may_both_be_long(influxd, serial):
    long = Ident("P" * 64, serial + "s" * (64 - len(serial)))
    with publisher(influxd) as far:
        assert far.publish([data(0, long)]) == {}

    assert len(rows(influxd, long)) == 1


def test_stopped_and_back_on_the_same_connection(own_influxd, ident):
    with publisher(own_influxd) as far:
        assert far.publish([data(0, ident)]) == {}
        own_influxd.stop()
        with pytest.raises(OSError, match="Connection refused"):
            far.publish([data(1, ident)])
        own_influxd.start()
        assert far.publish([data(1, ident), data(2, ident)]) == {}

    assert [row["temp"] for row in rows(own_influxd, ident)] == [0, 1, 2]
    assert len(rows(own_influxd, ident, "info")) == 1


def test_restarted_while_nothing_was_sent_nobody_notices(own_influxd, ident):
    with publisher(own_influxd) as far:
        far.publish([data(0, ident)])
        own_influxd.stop()
        own_influxd.start()
        assert far.publish([data(1, ident)]) == {}

    assert len(rows(own_influxd, ident)) == 2


def test_a_server_that_hangs_is_given_up_after_the_time_out_and_taken_up_again(own_influxd, ident):
    with publisher(own_influxd, timeout=0.5) as far:
        far.publish([data(0, ident)])
        with own_influxd.hung(), pytest.raises(OSError, match="no answer within") as caught:
            far.publish([data(1, ident)])
        assert float(re.search(r"within ([\d.]+) s", str(caught.value))[1]) >= 0.5
        far.timeout = 10.0
    with far:
        assert far.publish([data(1, ident)]) == {}

    assert [row["temp"] for row in rows(own_influxd, ident)] == [0, 1]


def test_a_wrong_password_keeps_everything_and_is_named(influxd_auth, ident):
    with publisher(influxd_auth, user="root", password="wrong") as far:
        error = far.publish([data(0, ident)])[ident.node]

    assert isinstance(error, UnavailableError)
    assert "user 'root' or the password is wrong" in str(error)
    assert "wrong:" in str(error)
    assert "acacadabra" not in str(error)


def test_no_grant_says_which_grant_and_then_it_goes_on(influxd_auth, ident, tmp_path):
    user = ident.serial
    influxd_auth.query(f'CREATE DATABASE "{ident.node}"')
    influxd_auth.query(f"CREATE USER \"{user}\" WITH PASSWORD 'acacadabra'")
    (tmp_path / "secret").write_text("acacadabra\n")
    with publisher(influxd_auth, user=user, password_file=tmp_path / "secret") as far:
        error = far.publish([data(0, ident)])[ident.node]
        influxd_auth.query(f'GRANT ALL ON "{ident.node}" TO "{user}"')
        after = far.publish([data(0, ident)])

    assert f'GRANT WRITE ON "{ident.node}" TO "{user}"' in str(error)
    assert after == {}
    assert len(rows(influxd_auth, ident)) == 1


def test_an_administrator_makes_databases_as_they_come(influxd_auth, ident):
    with publisher(influxd_auth, user="root", password="acacadabra") as far:
        assert far.publish([data(0, ident)]) == {}

    assert ident.node in influxd_auth.databases()


def test_a_missing_password_file_is_a_matter_of_configuration(influxd, tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        publisher(influxd, user="x", password_file=tmp_path / "none").open()


def test_compressed_bodies_arrive_too(influxd, ident):
    with publisher(influxd, gzip=True) as far:
        assert far.publish([data(n, ident) for n in range(100)]) == {}

    assert len(rows(influxd, ident)) == 100


def test_times_finer_than_a_second_are_kept(influxd, ident):
    times = [T0 * SECOND, T0 * SECOND + 500_000_000, T0 * SECOND + 1]
    with publisher(influxd) as far:
        far.publish([Data(ident, time, {"temp": 1.0}) for time in times])

    assert [row["time"] for row in rows(influxd, ident)] == sorted(times)


def test_notes_are_points_of_the_station(influxd, ident):
    with publisher(influxd) as far:
        far.publish([data(0, ident), Note(ident, T0 * SECOND + 5, "stuck", "sensor:x")])
    [row] = rows(influxd, ident, "station")

    assert (row["kind"], row["text"], row["time"]) == ("stuck", "sensor:x", T0 * SECOND + 5)


def test_legacy_points_have_the_time_of_receipt_and_none_is_lost(influxd, ident):
    with publisher(influxd, legacy=True) as far:
        assert far.publish([data(n, ident) for n in range(5)]) == {}
    got = rows(influxd, ident)

    assert [row["timestamp"] - T0 for row in got] == [0, 1, 2, 3, 4]
    assert {row["label"] for row in got} == {'"shed"'}
    assert all(abs(row["time"] / SECOND - time()) < 60 for row in got)


def test_a_body_too_large_for_the_server_is_halved(tmp_path, ident):
    with Influxd(tmp_path / "small", body=20_000) as server, publisher(server) as far:
        failures = far.publish([data(n, ident, text="x" * 100) for n in range(400)])
        # So large that the server answers and hangs up in the middle of it.
        failures |= far.publish([data(400 + n, ident, text="x" * 9_000) for n in range(90)])
        large = far.publish([data(500, ident, text="x" * 30_000)])
        huge = far.publish([data(500, ident, text="x" * 3_000_000)])
        stored = len(rows(server, ident))

    assert failures == {}
    assert stored == 490
    assert isinstance(large[ident.node], RejectedError)
    assert isinstance(huge[ident.node], RejectedError)


def test_no_request_is_much_larger_than_a_megabyte(stand_in, ident):
    with publisher(stand_in) as far:
        assert far.publish([data(n, ident, text="x" * 10_000) for n in range(500)]) == {}
    bodies = [body for _, _, body in stand_in.requests]

    assert all(len(body) <= 1_000_000 for body in bodies)
    assert sum(body.count(b"text=") for body in bodies) == 500
    assert len(bodies) < 12
    assert b"".join(bodies).count(b"info,") == 1


@pytest.fixture(scope="module")
def https(tmp_path_factory):
    folder = tmp_path_factory.mktemp("https")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    with Influxd(folder / "server", certificate=folder / "server.pem", ca=folder / "ca.pem") as server:
        yield server


def test_https_with_a_ca_of_ones_own(https, ident):
    with influxdb.Publisher(port=https.port, ssl=True, ca_file=https.ca) as far:
        assert far.publish([data(0, ident)]) == {}

    assert len(rows(https, ident)) == 1


def test_a_subscriber_reads_over_https_too(https, ident):
    with influxdb.Publisher(url=f"https://localhost:{https.port}", ca_file=https.ca) as far:
        assert far.publish([data(0, ident)]) == {}
    source = influxdb.Subscriber(
        url=f"https://localhost:{https.port}", ca_file=https.ca, projects="Inf", serials=ident.serial
    )
    with source:
        got = received(source)

    assert got == [ident, data(0, ident)]


def test_a_certificate_nobody_vouches_for_is_refused(https, ident):
    with influxdb.Publisher(port=https.port, ssl=True) as far, pytest.raises(OSError, match=r"(?i)certificate"):
        far.publish([data(0, ident)])


def test_a_certificate_of_another_authority_is_refused(https, ident, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    far = influxdb.Publisher(port=https.port, ssl=True, ca_file=tmp_path / "other.pem")
    with far, pytest.raises(OSError, match=r"(?i)certificate"):
        far.publish([data(0, ident)])


def test_who_does_not_verify_speaks_to_anybody(https, ident):
    with influxdb.Publisher(port=https.port, ssl=True, verify=False) as far:
        assert far.publish([data(0, ident)]) == {}


def test_no_server_is_an_oserror_that_names_the_place(ident):
    [port] = free_ports(1)
    with influxdb.Publisher(hostname="127.0.0.1", port=port) as far, pytest.raises(OSError, match=f"127.0.0.1:{port}"):
        far.publish([data(0, ident)])


def test_check_tells_the_version_and_sends_nothing(influxd):
    before = influxd.databases()

    assert publisher(influxd).check().startswith("InfluxDB 1.6.7")
    assert influxd.databases() == before


def test_check_tells_what_the_user_may_do_and_makes_nothing(influxd_auth, ident):
    user = {"user": ident.serial, "password": "acacadabra"}
    influxd_auth.query(f"CREATE USER \"{ident.serial}\" WITH PASSWORD 'acacadabra'")
    fixed = publisher(influxd_auth, database=ident.node, **user)
    asks = f'GRANT WRITE ON "{ident.node}" TO "{ident.serial}"'

    with pytest.raises(UnavailableError, match="password is wrong"):
        publisher(influxd_auth, user=ident.serial, password="wrong").check()
    assert publisher(influxd_auth, **user).check().endswith(f"; user '{ident.serial}' may use no database")
    with pytest.raises(UnavailableError, match=f'there is no database {ident.node}, .*CREATE DATABASE "{ident.node}"'):
        fixed.check()
    root = publisher(influxd_auth, database=ident.node, user="root", password="acacadabra")
    assert root.check().endswith(f"; {ident.node} is not there yet")
    assert ident.node not in influxd_auth.databases()
    with pytest.raises(UnavailableError, match="CREATE DATABASE"):
        publisher(influxd_auth, database=ident.node, create=False, **user).check()
    influxd_auth.query(f'CREATE DATABASE "{ident.node}"')
    with pytest.raises(UnavailableError) as refused:
        fixed.check()
    assert asks in str(refused.value)
    influxd_auth.query(asks)
    assert publisher(influxd_auth, **user).check().endswith(f"; user '{ident.serial}' may use {ident.node}")
    assert fixed.check().endswith(f"; may write {ident.node}")
    assert publisher(influxd_auth, database=ident.node, gzip=True, **user).check() == fixed.check()
    assert influxd_auth.rows("SHOW SERIES", ident.node) == []


class StandIn:
    """A stand-in for a server: answers what it is told, and keeps the requests."""

    def __init__(self):
        stand_in = self
        self.answers, self.requests, self.connections = [], [], set()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                stand_in.connections.add(self.client_address)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stand_in.requests.append((self.path, dict(self.headers), body))
                status, headers, said = stand_in.answers.pop(0) if stand_in.answers else (204, {}, b"")
                if status is None:  # hangs up without a word
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def stand_in():
    server = StandIn()
    yield server
    server.close()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (204, b"", None),
        (200, b'{"results":[{}]}', None),
        (200, b'{"error":"something"}', UnavailableError),
        (200, b'{"results":[{"error":"something"}]}', UnavailableError),
        (400, b'{"error":"partial write: field type conflict dropped=1"}', RejectedError),
        (400, b'{"error":"unable to parse \'x\'"}', RejectedError),
        (400, b'{"error":"partial write: points beyond retention policy dropped=1"}', None),
        (500, b'{"error":"write failed: hinted handoff queue not empty"}', None),
        (401, b'{"error":"authorization failed"}', UnavailableError),
        (403, b'{"error":"not authorized"}', UnavailableError),
        (408, b"", UnavailableError),
        (422, b'{"error":"unprocessable"}', RejectedError),
        (413, b'{"error":"Request Entity Too Large"}', RejectedError),
        (429, b"slow down", UnavailableError),
        (500, b"<html>not JSON</html>", UnavailableError),
        (502, b"", UnavailableError),
        (503, b"", UnavailableError),
    ],
)
def test_every_answer_has_its_verdict(stand_in, ident, status, body, kind):
    stand_in.answers.append((status, {}, body))
    with publisher(stand_in, create=False) as far:
        failures = far.publish([data(0, ident)])

    assert [type(error) for error in failures.values()] == ([kind] if kind else [])


def test_points_that_a_server_no_longer_keeps_are_told_once_and_counted(stand_in, ident, caplog):
    said = b'{"error":"partial write: points beyond retention policy%s"}'
    stand_in.answers += [(400, {}, said % count) for count in (b" dropped=1", b" dropped=20", b"")]
    with publisher(stand_in) as far:
        assert [far.publish([data(n, ident)]) for n in range(3)] == [{}] * 3

    assert far.skipped == 22
    assert len([r for r in caplog.records if "retention" in r.message]) == 1


def test_points_beyond_the_retention_of_a_real_server_are_passed_and_counted(influxd, ident):
    influxd.query(f'CREATE DATABASE "{ident.node}" WITH DURATION 1h')
    now = int(time())
    ident = replace(ident, since=now * SECOND)
    with publisher(influxd) as far:
        assert far.publish([data(0, ident), Data(ident, now * SECOND, {"temp": 1.0}), data(1, ident)]) == {}

    assert far.skipped == 2
    assert [row["time"] for row in rows(influxd, ident)] == [now * SECOND]


@pytest.mark.parametrize(("said", "wait"), [("7", 7), ("a date", 100), ("soon", None)])
def test_the_server_may_ask_for_a_pause(stand_in, ident, said, wait):
    said = formatdate(time() + 100, usegmt=True) if said == "a date" else said
    stand_in.answers.append((503, {"Retry-After": said}, b""))
    with publisher(stand_in) as far:
        error = far.publish([data(0, ident)])[ident.node]

    assert error.wait == (None if wait is None else pytest.approx(wait, abs=3))


def test_one_connection_is_used_for_everything(stand_in, ident):
    with publisher(stand_in) as far:
        for n in range(5):
            far.publish([data(n, ident)])

    assert len(stand_in.requests) == 5
    assert len(stand_in.connections) == 1


def test_a_connection_closed_while_idle_is_opened_again_at_once(stand_in, ident):
    with publisher(stand_in) as far:
        far.publish([data(0, ident)])
        stand_in.answers.append((None, {}, b""))
        assert far.publish([data(1, ident)]) == {}

    assert len(stand_in.connections) == 2
    assert b"temp=1.0" in stand_in.requests[-1][2]


def test_a_server_that_hangs_up_every_time_is_an_outage(stand_in, ident):
    stand_in.answers += [(None, {}, b"")] * 5
    with publisher(stand_in) as far, pytest.raises(OSError):
        far.publish([data(0, ident)])


def test_a_failure_in_the_middle_keeps_the_order_within_a_database(stand_in, ident):
    stand_in.answers += [(204, {}, b""), (503, {}, b"")]
    with publisher(stand_in) as far:
        failures = far.publish([data(n, ident) for n in range(3 * FIRST)])

    assert list(failures) == [ident.node]
    assert len(stand_in.requests) == 2  # the third is not sent past the second


def test_an_ident_behind_a_failure_is_announced_when_its_turn_comes(stand_in, ident):
    newer = Ident(ident.project, ident.serial, "roof", since=(T0 + FIRST) * SECOND)
    batch = [data(n, ident if n < FIRST else newer) for n in range(FIRST + 1)]
    stand_in.answers.append((503, {}, b""))
    with publisher(stand_in) as far:
        far.publish(batch)
        far.publish(batch)

    assert [body.split(b" ")[0] for _, _, body in stand_in.requests] == [
        b"info,label=shed", b"info,label=shed", b"info,label=roof"]  # fmt: skip


def test_an_ident_met_beside_what_cannot_be_written_is_announced_when_that_is_set_aside(stand_in, ident):
    with publisher(stand_in) as far:
        refused = far.publish([data(0, ident), data(1, ident, time=1.0)])
        assert isinstance(refused[ident.node], RejectedError)
        assert far.publish([data(0, ident)]) == {}

    assert [line.split()[0] for line in stand_in.requests[0][2].decode().splitlines()] == [
        "info,label=shed", "data,label=shed,new=1"]  # fmt: skip


def test_a_server_that_never_finds_the_database_it_made_is_not_asked_for_ever(stand_in, ident):
    stand_in.answers += [(404, {}, b'{"error":"database not found"}'), (200, {}, b'{"results":[{}]}')] * 4
    with publisher(stand_in) as far:
        error = far.publish([data(0, ident)])[ident.node]

    assert isinstance(error, UnavailableError)
    assert [path.partition("?")[0] for path, _, _ in stand_in.requests] == ["/write", "/query", "/write"]


def test_what_was_not_delivered_is_announced_again(stand_in, ident):
    stand_in.answers.append((503, {}, b""))
    with publisher(stand_in) as far:
        far.publish([data(0, ident)])
        far.publish([data(0, ident)])
        far.publish([data(1, ident)])

    assert stand_in.requests[0][2] == stand_in.requests[1][2]
    assert b"info" not in stand_in.requests[2][2]


def test_what_a_server_may_have_never_comes_again_as_another_point(stand_in, ident):
    """It took two telegrams without saying so, then refused the first, which was set aside and comes at last."""
    stand_in.answers += [(500, {}, b""), (400, {}, b'{"error":"unable to parse"}')]
    with publisher(stand_in) as far:
        assert isinstance(far.publish([data(0, ident), data(1, ident)])[ident.node], UnavailableError)
        assert isinstance(far.publish([data(0, ident)])[ident.node], RejectedError)
        kept = State(dict(far.state))
    with publisher(stand_in) as far:
        far.state = kept
        for n in (1, 2, 0):
            assert far.publish([data(n, ident)]) == {}

    lines = [body.decode().splitlines() for _, _, body in stand_in.requests]
    assert {line for said in lines for line in said if line.startswith("data")} == {
        f"data,label=shed,new={int(n == 0)} temp={n}.0 {T0 + n}" for n in range(3)
    }
    assert [said[0].partition(",")[0] for said in lines] == ["info", "info", "info", "data", "data"]


def test_late_data_under_an_ident_that_was_only_tried_tells_it_with_the_newer_one(stand_in, ident):
    newer = replace(ident, label="roof", since=(T0 + 9) * SECOND)
    stand_in.answers.append((503, {}, b""))
    with publisher(stand_in) as far:
        far.publish([data(0, ident), data(9, newer)])
        far.publish([data(0, ident), data(9, newer)])
        far.publish([data(1, ident), data(10, newer)])

    assert stand_in.requests[0][2] == stand_in.requests[1][2]
    assert [line.partition(" ")[0] for line in stand_in.requests[2][2].decode().splitlines()] == [
        "data,label=shed,new=0", "data,label=roof,new=0"]  # fmt: skip


def test_headers_and_parameters_are_those_of_the_server(stand_in, ident):
    with publisher(stand_in, user="shed", password="pässword", gzip=True) as far:
        far.publish([data(0, ident)])
    [(path, headers, body)] = stand_in.requests

    assert path == f"/write?db={ident.node}&precision=s"
    assert headers["Authorization"].startswith("Basic ")
    assert gzip.decompress(body).decode().splitlines()[1] == f"data,label=shed,new=1 temp=0.0 {T0}"


def test_names_of_strangers_do_not_become_databases(stand_in):
    with publisher(stand_in) as far:
        failures = far.publish([data(0, Ident("a", 'b"; DROP DATABASE x'))])

    assert stand_in.requests == []
    assert [type(error) for error in failures.values()] == [RejectedError]


def test_administration_by_the_package(influxd_auth, ident):
    from mysense.channels.influxdb.admin import Admin

    admin = Admin(host="127.0.0.1", port=influxd_auth.port, username="root", password="acacadabra", timeout=5)
    admin.create_database(ident.node)
    admin.create_database(ident.node)  # one that is there stays as it is
    user = ident.serial
    admin.query(f"CREATE USER \"{user}\" WITH PASSWORD 'acacadabra'")
    admin.query(f'GRANT WRITE ON "{ident.node}" TO "{user}"')
    with publisher(influxd_auth, user=user, password="acacadabra") as far:
        assert far.publish([data(0, ident)]) == {}

    assert ident.node in admin.databases()
    assert admin.grants(user) == {ident.node: "WRITE"}
    assert admin.series(ident.node) == ["data,label=shed,new=1", "info,label=shed"]
    assert admin.query('SELECT temp FROM "data"', ident.node) == [{"time": T0 * SECOND, "temp": 0}]
    with pytest.raises(UnavailableError, match="error parsing query"):
        admin.query("SHOW NONSENSE")
    admin.close()


def test_administration_does_not_wait_for_ever(ident):
    from mysense.channels.influxdb.admin import Admin

    [port] = free_ports(1)
    admin = Admin(host="127.0.0.1", port=port, timeout=0.5)
    with pytest.raises(OSError):
        admin.databases()
    admin.close()
