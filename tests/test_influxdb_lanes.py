"""One database of many that fails, or hangs, holds up no other: through the worker, to a real influxd."""

import http.client
import socket
import struct
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from mysense.channels import influxdb
from mysense.channels.influxdb import delivery
from mysense.clock import Clock
from mysense.errors import UnavailableError
from mysense.journal.sqlite import SqliteJournal
from mysense.publishing import PublishWorker
from mysense.state import State
from mysense.telegram import SECOND, Data, Ident
from tests.felt import felt
from tests.kit import until

T0 = 1_700_000_000


class Proxy:
    """Stands between us and a real influxd: from *silent* databases nothing is heard, *broken* ones hang up.

    Bodies of more than *longest* bytes are not read: it hangs up. *away*, it answers nothing at all.
    """

    def __init__(self, server):
        proxy = self
        self.silent, self.broken, self.seen = set(), set(), []
        self.most = 10**9  # lines of a request that are not too many for it
        self.longest, self.away = 10**9, False
        self.dripping = set()  # databases whose answers come byte by byte, without end
        self.too_large, self.lengths = 10**9, []  # bytes that it answers with 413; what it was sent
        self.closing = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                if int(self.headers.get("Content-Length", 0)) > proxy.longest:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    self.connection.close()
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                [database] = parse_qs(urlsplit(self.path).query).get("db", [""])
                proxy.seen.append(database)
                proxy.lengths.append(len(body))
                if len(body) > proxy.too_large:
                    self.send_response(413)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if database in proxy.dripping:
                    self.close_connection = True
                    with suppress(OSError):
                        self.wfile.write(b"HTTP/1.1 204 ")
                        while not proxy.closing.wait(0.05):
                            self.wfile.write(b"x")
                    return
                if database in proxy.broken:
                    self.close_connection = True
                    return
                if database in proxy.silent or body.count(b"\n") >= proxy.most:
                    proxy.closing.wait(60)
                    self.close_connection = True
                    return
                self.forward(body)

            def do_GET(self):
                if proxy.away:
                    proxy.closing.wait(60)
                    self.close_connection = True
                    return
                self.forward(b"")

            def forward(self, body):
                client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                client.request(self.command, self.path, body, dict(self.headers))
                answer = client.getresponse()
                said = answer.read()
                client.close()
                self.send_response(answer.status)
                for name in ("X-Influxdb-Version", "Retry-After"):
                    if value := answer.headers.get(name):
                        self.send_header(name, value)
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_port
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def proxy(influxd):
    proxy = Proxy(influxd)
    yield proxy
    proxy.close()


@pytest.fixture
def nodes(serial):
    return [Ident("Lane", f"{serial}n{n}", since=T0 * SECOND) for n in range(12)]


@pytest.fixture
def journal(tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    yield journal
    journal.close()


def batch(nodes, begin=0, end=5):
    return [Data(node, (T0 + n) * SECOND, {"temp": float(n)}) for n in range(begin, end) for node in nodes]


def counts(server, nodes):
    there = server.databases()
    return [len(server.rows("SELECT temp FROM data", n.node)) if n.node in there else 0 for n in nodes]


def test_a_database_from_which_nothing_is_heard_is_left_behind(influxd, proxy, nodes):
    proxy.silent.add(nodes[3].node)
    begun, really = felt(), time.monotonic()
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port, timeout=30.0) as far:
        failures = far.publish(batch(nodes))
        took, waited = felt() - begun, time.monotonic() - really
        [again] = far.publish(batch(nodes[3:4])).values()

    assert list(failures) == [nodes[3].node]
    assert isinstance(failures[nodes[3].node], UnavailableError)
    assert "no answer within" in str(again)
    assert waited >= delivery.GRACE
    assert took < delivery.GRACE + 8
    assert counts(influxd, nodes) == [5, 5, 5, 0, *[5] * 8]
    assert felt() - begun - took < delivery.GRACE + 8  # it gets less patience than it had


def test_a_database_that_hangs_up_is_left_behind(influxd, proxy, nodes):
    proxy.broken.add(nodes[0].node)
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port) as far:
        failures = far.publish(batch(nodes[1:]) + batch(nodes[:1]))

    assert list(failures) == [nodes[0].node]
    assert counts(influxd, nodes) == [0, *[5] * 11]


@pytest.mark.parametrize("how", ["silent", "broken"])
@pytest.mark.parametrize("first", [2, 3, 11])
def test_several_that_are_silent_or_hang_up_and_come_first_hold_up_no_other(influxd, proxy, nodes, first, how):
    getattr(proxy, how).update(node.node for node in nodes[:first])
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port, timeout=3.0) as far:
        failures = far.publish(batch(nodes))

    assert set(failures) == {node.node for node in nodes[:first]}
    assert counts(influxd, nodes) == [*[0] * first, *[5] * (12 - first)]


def test_one_that_hangs_up_holds_up_no_other_when_nothing_else_is_in_the_batch(proxy, nodes):
    proxy.broken.add(nodes[0].node)
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port) as far:
        assert list(far.publish(batch(nodes[:1]))) == [nodes[0].node]


def test_who_hangs_up_while_we_are_still_sending_holds_up_no_other(influxd, proxy, nodes):
    proxy.longest = 100_000
    large = [Data(nodes[0], (T0 + n) * SECOND, {"said": "x" * 900}) for n in range(900)]
    tries = []
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port) as far:
        tries.append(far.publish(large + batch(nodes[1:])))
        assert counts(influxd, nodes)[1:] == [5] * 11
        while tries[-1]:
            tries.append(far.publish(large))
            assert len(tries) < 8

    assert len(influxd.rows("SELECT said FROM data", nodes[0].node)) == 900


def test_who_goes_away_in_the_midst_of_a_batch_is_away_for_all(influxd, proxy, nodes):
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port) as far:
        assert far.publish(batch(nodes)) == {}
        proxy.close()
        far._pool.close()  # the proxy goes on with the connections that it has
        with pytest.raises(OSError, match="refused"):
            far.publish(batch(nodes, 5, 6))


def test_one_whose_answer_comes_in_drops_holds_up_no_other_for_long(influxd, proxy, nodes):
    proxy.dripping.add(nodes[0].node)
    begun = felt()
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port, timeout=3.0) as far:
        [failure] = far.publish(batch(nodes)).values()

    assert felt() - begun < 10
    assert "no whole answer" in str(failure)
    assert counts(influxd, nodes) == [0, *[5] * 11]


def test_when_nothing_is_heard_of_any_the_server_is_away(proxy, nodes):
    proxy.silent.update(node.node for node in nodes)
    proxy.away = True
    begun = felt()
    with (
        influxdb.Publisher(hostname="127.0.0.1", port=proxy.port, timeout=0.5, version="1") as far,
        pytest.raises(OSError, match="no answer within"),
    ):
        far.publish(batch(nodes))

    assert felt() - begun < 5
    assert len(proxy.seen) <= 6  # not each of them is waited for


def test_who_was_silent_gets_the_whole_time_now_and_then(influxd, proxy, nodes, monkeypatch):
    monkeypatch.setattr(delivery, "GRACE", 0.05)
    patience = []
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port, timeout=0.5) as far:
        proxy.silent.add(nodes[0].node)
        for _ in range(7):
            begun, really = felt(), time.monotonic()
            assert far.publish(batch(nodes[:1]))
            patience.append((felt() - begun, time.monotonic() - really))
        proxy.silent.clear()
        monkeypatch.setattr(delivery, "GRACE", 30.0)
        far.timeout = 30.0
    with far:
        assert far.publish(batch(nodes[:1])) == {}

    whole = [patience.pop(at) for at in (5, 0)]
    assert min(really for _, really in whole) >= 0.45
    assert max(took for took, _ in patience) < 0.45
    assert counts(influxd, nodes[:1]) == [5]


def test_a_server_that_is_too_slow_for_large_requests_is_given_smaller_ones(influxd, proxy, nodes):
    proxy.most = 150
    sent = [Data(nodes[0], (T0 + n) * SECOND, {"temp": float(n)}) for n in range(400)]
    tries = []
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port, timeout=1.0) as far:
        while not tries or tries[-1]:
            tries.append(far.publish(sent))
            assert len(tries) < 12

    assert counts(influxd, nodes[:1]) == [400]
    assert len(tries) > 1


def test_one_that_is_too_slow_for_large_requests_is_given_smaller_ones_beside_others_that_are_not(
    influxd, proxy, nodes
):
    proxy.most = 150
    sent = [Data(nodes[0], (T0 + n) * SECOND, {"temp": float(n)}) for n in range(400)]
    tries = 0
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port, timeout=1.0) as far:
        while far.publish(sent):
            assert (tries := tries + 1) < 5
            for n in range(5):
                assert far.publish(batch(nodes[1:], 5 * tries + n, 5 * tries + n + 1)) == {}

    assert counts(influxd, nodes[:1]) == [400]
    assert tries


@pytest.mark.parametrize("most", [103, 150, 400])
def test_a_large_batch_for_one_that_takes_few_at_once_gets_through_whole(influxd, proxy, nodes, most):
    proxy.longest = most * 930
    tries = 0
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port) as far:
        for k in range(3):
            begin = T0 + 6000 * k
            large = [Data(nodes[0], (begin + n) * SECOND, {"said": "x" * 900}) for n in range(6000)]
            while far.publish(large):
                assert (tries := tries + 1) < 12

    assert len(influxd.rows("SELECT said FROM data", nodes[0].node)) == 18_000
    assert tries


def test_a_few_points_that_are_not_heard_of_say_nothing_about_how_many_are_too_many(influxd, proxy, nodes, monkeypatch):
    monkeypatch.setattr(delivery, "GRACE", 0.05)
    proxy.silent.add(nodes[0].node)
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port, timeout=3.0) as far:
        for _ in range(5):
            assert far.publish(batch(nodes[:1]))
        proxy.silent.clear()
        proxy.seen.clear()
        assert far.publish(batch(nodes[:1], 0, 900)) == {}

    assert proxy.seen.count(nodes[0].node) == 2  # the first finds no database


def test_what_was_too_large_is_not_sent_as_large_again(influxd, proxy, nodes):
    proxy.too_large = 20_000
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port) as far:
        assert far.publish(batch(nodes[:1], 0, 5000)) == {}
        proxy.lengths.clear()
        assert far.publish(batch(nodes[:1], 5000, 10_000)) == {}
        taken = [length for length in proxy.lengths if length <= 20_000]

    assert sum(proxy.lengths) < 1.3 * sum(taken)
    assert len(taken) < 30
    assert counts(influxd, nodes[:1]) == [10_000]


def test_what_was_left_behind_arrives_whole_and_delays_nobody(influxd, proxy, nodes, journal):
    proxy.silent.add(nodes[0].node)
    stop = threading.Event()
    far = influxdb.Publisher(hostname="127.0.0.1", port=proxy.port)
    worker = PublishWorker("publisher:x", far, stop, Clock(), journal, journal.cursor("publisher:x"))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        for n in range(4):
            journal.append(batch(nodes, n, n + 1))
            until(lambda n=n: counts(influxd, nodes)[1:] == [n + 1] * 11)
        assert counts(influxd, nodes)[0] == 0
        assert list(worker.lanes) == [nodes[0].node]
        proxy.silent.clear()
        until(lambda: counts(influxd, nodes) == [4] * 12, 40)
        until(lambda: not worker.lanes and worker.cursor.lag == 0)
    finally:
        stop.set()
        thread.join()

    assert [row["new"] for row in influxd.rows("SELECT * FROM data", nodes[0].node)] == ["1", "0", "0", "0"]


def test_of_a_hundred_nodes_one_without_a_grant_delays_nobody_and_arrives_whole_after_it(influxd_auth, serial, journal):
    nodes = [Ident("Grant", f"{serial}n{n}", since=T0 * SECOND) for n in range(100)]
    influxd_auth.query(f"CREATE USER \"{serial}\" WITH PASSWORD 'acacadabra'")
    for node in nodes:
        influxd_auth.query(f'CREATE DATABASE "{node.node}"')
        if node is not nodes[50]:
            influxd_auth.query(f'GRANT WRITE ON "{node.node}" TO "{serial}"')
    stop, name = threading.Event(), "publisher:x"
    far = influxdb.Publisher(hostname="127.0.0.1", port=influxd_auth.port, user=serial, password="acacadabra")
    worker = PublishWorker(name, far, stop, Clock(), journal, journal.cursor(name))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        for n in range(5):
            last = journal.append(batch(nodes, n, n + 1))
            until(lambda last=last: worker.cursor.seq == last, 40)
        assert list(worker.lanes) == [nodes[50].node]
        assert f'GRANT WRITE ON "{nodes[50].node}" TO "{serial}"' in worker.status.message
        assert counts(influxd_auth, nodes) == [*[5] * 50, 0, *[5] * 49]
        influxd_auth.query(f'GRANT WRITE ON "{nodes[50].node}" TO "{serial}"')
        until(lambda: not worker.lanes, 60)
    finally:
        stop.set()
        thread.join()

    assert counts(influxd_auth, nodes) == [5] * 100
    assert [row["new"] for row in influxd_auth.rows("SELECT * FROM data", nodes[50].node)] == ["1", *["0"] * 4]
    assert journal.rejected(name) == []


def moved(serial, count, at, text=""):
    """Data of a kit that is moved after so many, and then back again at the end: its idents, and when they are new."""
    idents = [Ident("Moved", serial, label, since=(T0 + n) * SECOND) for label, n in [("shed", 0), ("garden", at)]]
    idents.append(Ident("Moved", serial, "shed", since=(T0 + count - 10) * SECOND))
    whose = [idents[(n >= at) + (n >= count - 10)] for n in range(count)]
    values = {"said": text} if text else {}
    sent = [Data(ident, (T0 + n) * SECOND, {"temp": float(n), **values}) for n, ident in enumerate(whose)]
    return sent, [0.0, float(at), float(count - 10)]


def new(server, sent):
    """All points, and the values of those that are new."""
    rows = server.rows("SELECT * FROM data", sent[0].ident.node)
    return len(rows), [row["temp"] for row in rows if row["new"] == "1"]


@pytest.mark.parametrize("at", [500, 1000, 1500, 3000])
@pytest.mark.parametrize("too_large", [20_000, 10**9])
def test_what_was_encoded_behind_a_request_that_is_made_again_is_made_again(influxd, proxy, serial, at, too_large):
    proxy.too_large = too_large
    sent, firsts = moved(serial, 5000, at)
    with influxdb.Publisher(hostname="127.0.0.1", port=proxy.port) as far:
        assert far.publish(sent) == {}  # the first finds no database
        state = State(dict(far.state))
    assert new(influxd, sent) == (5000, firsts)

    far = influxdb.Publisher(hostname="127.0.0.1", port=influxd.port)
    far.state = state
    with far:
        assert far.publish(sent) == {}  # a replay gives the same points
    assert new(influxd, sent) == (5000, firsts)


def test_what_is_too_large_for_one_request_knows_what_is_on_its_way(influxd, serial):
    sent, firsts = moved(serial, 3000, 2800, "x" * 600)
    with influxdb.Publisher(hostname="127.0.0.1", port=influxd.port) as far:
        assert far.publish(sent) == {}

    assert new(influxd, sent) == (3000, firsts)
