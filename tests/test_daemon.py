"""A whole kit in one process: sensors, journal and publishers, started and stopped."""

import json
import socket
import threading

import pytest

from mysense import control
from mysense.daemon import Daemon
from mysense.errors import JournalError, UnavailableError
from mysense.journal.sqlite import SqliteJournal
from mysense.plugin import Publisher, Sensor, option
from mysense.settings import DaemonOptions, End, EndOptions, Identity, JournalOptions, PublisherOptions, Settings
from mysense.telegram import SECOND, Data, Field, Ident, Note
from mysense.testing.clock import ManualClock
from tests.kit import until


class Counter(Sensor):
    """Counts its readings."""

    measures = (Field("count", "1"), Field("temp", "C"))
    interval: float = option(1.0, "seconds between two readings")

    def open(self):
        self.count = 0

    def read(self):
        self.count += 1
        return {"count": self.count, "temp": 20.5}


class Hanging(Counter):
    """Does not come back from its first reading."""

    deadline = 5.0
    done = threading.Event()

    def read(self):
        self.done.wait(20)
        return


class Collector(Publisher):
    """Keeps what it is given."""

    broken: str = option("", "what it says when it cannot be opened")

    def __post_init__(self):
        self.got = []

    def open(self):
        if self.broken:
            raise ImportError(self.broken)

    def publish(self, batch):
        self.got += batch

    def data(self):
        return [t for t in self.got if isinstance(t, Data)]


def settings(tmp_path, *ends, interval=5.0):
    made = []
    for section, plugin in ends:
        kind = section.partition(":")[0]
        options = PublisherOptions() if kind == "publisher" else EndOptions()
        made.append(End(section=section, kind=kind, plugin=plugin, options=options))
    return Settings(
        identity=Identity(project="Test", serial="k1", street="Mill Lane"),
        daemon=DaemonOptions(interval=interval),
        journal=JournalOptions(path=tmp_path / "journal.db"),
        ends=tuple(made),
    )


class Running:
    """A daemon in a thread, with a clock to turn."""

    def __init__(self, chosen, clock=None, **options):
        self.clock = clock or ManualClock()
        self.daemon = Daemon(chosen, clock=self.clock, **options)
        self.code = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        self.code = self.daemon.run()

    def pass_time(self, condition, step=1.0):
        """Let time pass, second by second, until something has happened."""

        def look():
            if not condition():
                self.clock.advance(step)
            return condition()

        until(look)

    def stop(self):
        self.daemon.stop.set()
        for _ in range(400):
            self.thread.join(0.02)
            self.clock.advance(0.05)
            if not self.thread.is_alive():
                return self.code
        pytest.fail("the daemon does not stop")


@pytest.fixture
def run(tmp_path):
    started = []

    def start(*ends, interval=5.0, **options):
        started.append(Running(settings(tmp_path, *ends, interval=interval), **options))
        return started[-1]

    yield start
    for running in started:
        if running.thread.is_alive():
            running.stop()


def test_readings_become_telegrams_with_ident_time_and_means(run):
    far = Collector()
    kit = run(("sensor:counter", Counter()), ("publisher:far", far))
    kit.pass_time(lambda: len(far.data()) >= 2)
    kit.stop()

    ident, first = far.got[0], far.data()[0]
    assert isinstance(ident, Ident)
    assert ident.fields == (Field("count", "1", "counter"), Field("temp", "C", "counter"))
    assert "street" not in ident.meta
    assert ident.since == first.time
    assert first.time % SECOND == 0
    assert first.values["temp"] == 20.5
    assert far.data()[1].time - first.time >= 5 * SECOND


def test_a_reading_that_is_under_way_when_it_stops_is_not_lost(run, tmp_path):
    class Thorough(Counter):
        """Comes back from its second reading only after the daemon was told to stop."""

        def read(self):
            if self.count == 1:
                kit.daemon.stop.wait(10)
                threading.Event().wait(0.3)
            return super().read()

    sensor = Thorough()
    kit = run(("sensor:counter", sensor), ("publisher:far", Collector()), interval=3600.0)
    until(
        lambda: (
            kit.clock.advance(0.5) or (vars(sensor).get("count") == 1 and kit.daemon.sources[0].busy_since is not None)
        )
    )
    kit.stop()
    journal = SqliteJournal(tmp_path / "journal.db")
    window = json.loads(journal.state("node")["window"])
    journal.close()

    assert window["series"]["count"][4] == 2


def test_the_station_tells_that_it_is_up_and_down(run):
    far = Collector()
    kit = run(("sensor:counter", Counter()), ("publisher:far", far))
    kit.pass_time(lambda: far.data())
    assert kit.stop() == 0

    assert [t.kind for t in far.got if isinstance(t, Note)] == ["up", "down"]


def test_it_stops_the_sources_then_the_journal_gets_the_last_then_the_publishers(run):
    order = []

    class Source(Counter):
        def close(self):
            order.append("source closed")

    class Far(Collector):
        def publish(self, batch):
            super().publish(batch)
            order.extend(f"published {t.kind}" for t in batch if isinstance(t, Note))

        def close(self):
            order.append("publisher closed")

    far = Far()
    kit = run(("sensor:counter", Source()), ("publisher:far", far))
    kit.pass_time(lambda: far.data())
    order.clear()
    assert kit.stop() == 0

    assert order == ["source closed", "published down", "publisher closed"]


def test_a_plugin_that_cannot_run_fails_alone_and_says_why(run):
    far, broken = Collector(), Collector(broken="needs 'frobnicate': pip install 'mysense[frob]'")
    kit = run(("sensor:counter", Counter()), ("publisher:far", far), ("publisher:broken", broken))
    kit.pass_time(lambda: far.data())
    workers = {w["section"]: w for w in kit.daemon.status()["workers"]}

    assert workers["publisher:broken"]["state"] == "failed"
    assert "pip install 'mysense[frob]'" in workers["publisher:broken"]["message"]
    assert workers["publisher:far"]["state"] == "running"


def test_when_nothing_can_run_the_daemon_ends_with_an_error(run):
    kit = run(("publisher:broken", Collector(broken="no")))
    until(lambda: kit.clock.advance(1.0) or not kit.thread.is_alive())

    assert kit.code == 1


def test_a_sensor_that_does_not_come_back_is_stuck_and_the_others_go_on(run):
    Hanging.done.clear()
    far = Collector()
    kit = run(("sensor:counter", Counter()), ("sensor:hanging", Hanging()), ("publisher:far", far))
    kit.pass_time(lambda: any(isinstance(t, Note) and t.kind == "stuck" for t in far.got))
    state = {w["section"]: w["state"] for w in kit.daemon.status()["workers"]}
    Hanging.done.set()

    assert state["sensor:hanging"] == "stuck"
    assert state["sensor:counter"] == "running"
    assert far.data()


def test_two_sensors_of_one_quantity_both_have_a_column(run):
    far = Collector()
    kit = run(("sensor:counter", Counter()), ("sensor:counter:roof", Counter()), ("publisher:far", far))
    kit.pass_time(lambda: any("count_roof" in d.values for d in far.data()))

    told = next(d.ident for d in far.data() if "count_roof" in d.values)
    assert {"count", "temp", "count_roof", "temp_roof"} <= {f.name for f in told.fields}


def test_a_restart_publishes_nothing_twice_and_nothing_less(run):
    first, second = Collector(), Collector()
    kit = run(("sensor:counter", Counter()), ("publisher:far", first))
    kit.pass_time(lambda: len(first.data()) >= 3)
    now = kit.clock.now() / SECOND
    kit.stop()
    again = run(("sensor:counter", Counter()), ("publisher:far", second))
    again.clock.set(now + 100)
    again.pass_time(lambda: len(second.data()) >= 2)
    again.stop()

    times = [d.time for d in first.data() + second.data()]
    assert times == sorted(set(times))
    assert not [t for t in second.got if isinstance(t, Ident)]  # it has not changed


def test_a_second_daemon_on_the_same_sections_is_refused(run, tmp_path):
    far = Collector()
    run(("sensor:counter", Counter()), ("publisher:far", far))
    with pytest.raises(JournalError):
        Daemon(settings(tmp_path, ("publisher:far", Collector())))


def test_two_processes_can_share_the_work_and_the_journal(run):
    far = Collector()
    ends = ("sensor:counter", Counter()), ("publisher:far", far)
    half = run(*ends, only="subscribers")
    other = run(*ends, only="publishers")
    half.pass_time(lambda: far.data())

    assert other.daemon.node is None
    assert half.daemon.publishers == []


def test_once_delivers_one_telegram_and_ends(run):
    far = Collector()
    kit = run(("sensor:counter", Counter()), ("publisher:far", far), once=True)
    until(lambda: kit.clock.advance(0.5) or not kit.thread.is_alive())

    assert kit.code == 0
    assert len(far.data()) == 1


def test_it_answers_questions_while_it_runs(run, tmp_path):
    far = Collector()
    kit = run(("sensor:counter", Counter()), ("publisher:far", far))
    kit.pass_time(lambda: far.data())
    [path] = control.sockets(tmp_path / "journal.db")
    answer = control.ask(path, {"do": "status"})
    assert control.ask(path, {"do": "retry", "section": "publisher:far"}) == {"sections": ["publisher:far"]}
    assert control.ask(path, {"do": "dance"}) == {"error": "unknown question"}
    for nonsense in (b"[" * 60_000, b"\xff", b"", b'{"do": ["status"]}'):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(path))
            peer.sendall(nonsense + b"\n")
            peer.recv(1000)
    assert control.ask(path, {"do": "status"})["pid"] == answer["pid"]
    kit.stop()

    assert answer["node"] == "Test_k1"
    assert [w["section"] for w in answer["workers"]] == ["sensor:counter", "publisher:far"]
    assert control.sockets(tmp_path / "journal.db") == []


def test_a_path_too_long_for_a_socket_is_none_for_us(tmp_path):
    deep = tmp_path.joinpath(*["a-rather-long-name"] * 8)
    deep.mkdir(parents=True)
    path = control.socket_path(deep / "journal.db")
    listener = control.Listener(path, lambda question: {"heard": question["do"]})
    answer = control.ask(path, {"do": "x"})
    listener.close()

    assert answer == {"heard": "x"}


def test_a_question_that_meets_a_bug_is_not_the_last_one(tmp_path, caplog):
    path = control.socket_path(tmp_path / "journal.db")
    listener = control.Listener(path, lambda question: {"heard": 1 / question["by"]})
    with pytest.raises(UnavailableError):
        control.ask(path, {"by": 0})
    answer = control.ask(path, {"by": 1})
    listener.close()

    assert answer == {"heard": 1}
    assert "ZeroDivisionError" in caplog.text


class Buggy(Counter):
    """Has a bug."""

    def read(self):
        raise ZeroDivisionError("oops")


def test_a_bug_in_a_plugin_is_told_once_with_its_traceback_and_stops_nobody_else(run, caplog):
    far = Collector()
    kit = run(("sensor:counter", Counter()), ("sensor:buggy", Buggy()), ("publisher:far", far))
    kit.pass_time(lambda: kit.clock.monotonic() > 3000, step=60.0)

    assert len([r for r in caplog.records if r.exc_info]) == 1
    assert far.data()
    [status] = [w for w in kit.daemon.status()["workers"] if w["section"] == "sensor:buggy"]
    assert "ZeroDivisionError" in status["message"]
