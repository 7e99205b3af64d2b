"""The worker of a subscriber, of a sensor, and of a publisher that has nothing to do."""

import threading
import time

import pytest

from mysense.clock import Clock
from mysense.journal.memory import MemoryJournal
from mysense.journal.sqlite import SqliteJournal
from mysense.plugin import Publisher, Refusal, Sensor, Subscriber
from mysense.publishing import PublishWorker
from mysense.sensing import SensorWorker
from mysense.settings import SensorOptions
from mysense.telegram import SECOND, Data, Ident
from mysense.testing import ManualClock
from mysense.trouble import Troubles
from mysense.worker import SubscribeWorker
from tests.kit import until

T0 = 1_700_000_000
OTHER = Ident("Demo", "2", "roof")


def data(n, ident=OTHER):
    return Data(ident, (T0 + n) * SECOND, {"temp": float(n)})


class Source(Subscriber):
    """Gives what a test has put there: telegrams, and what is none."""

    def __post_init__(self):
        self.next = []
        self.confirmed = 0

    def receive(self):
        telegrams, refusals = self.next.pop(0) if self.next else ([], [])
        self.refusals += refusals
        return telegrams

    def confirm(self):
        self.confirmed += 1


def refusal(content=b"{", reason="not JSON"):
    return Refusal("a/b", content, reason, len(content))


def worker(journal, *batches, own=""):
    source = Source()
    source.next = list(batches)
    made = SubscribeWorker("subscriber:x", source, threading.Event(), Clock(), journal, own=own)
    return made, source


def labels(journal):
    return [entry.telegram.ident.label for entry in journal.read(0, 99) if isinstance(entry.telegram, Data)]


@pytest.fixture
def journal(tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db")
    yield journal
    journal.close()


def test_what_is_no_telegram_is_set_aside_counted_and_confirmed(journal, caplog):
    taking, source = worker(journal, ([data(1)], [refusal()]), ([], [refusal(b"\xff", "not UTF-8")] * 3))
    taking.step()
    taking.step()
    kept = journal.rejected("subscriber:x")

    assert (taking.status.refused, taking.status.count, source.confirmed) == (4, 1, 2)
    assert [r.reason for r in kept] == ["not JSON"] + ["not UTF-8"] * 3
    assert (kept[0].telegram.text, dict(kept[0].telegram.values)) == ("{", {"from": "a/b", "bytes": 1})
    assert kept[1].telegram.text == "\\xff"
    assert not source.refusals
    assert [r.message for r in caplog.records if "set aside" in r.message] == [
        "subscriber:x: a/b is set aside: not JSON (see 'mysense journal rejected')"
    ]


def test_the_words_of_strangers_are_short_and_steer_no_terminal(journal, caplog):
    taking, _ = worker(journal, ([], [Refusal("a\x1b[2J\n" + "b" * 65_000, b"", "'" + "x" * 1_000_000, 0)]))
    taking.step()
    [kept] = journal.rejected("subscriber:x")
    said = kept.telegram.values["from"]

    assert len(kept.reason) < 400
    assert len(said) < 400
    assert said.isprintable()
    assert all(each.message.isprintable() and len(each.message) < 900 for each in caplog.records)


def test_what_was_refused_is_counted_over_a_restart(journal):
    for turn in (1, 2):
        taking, _ = worker(journal, ([], [refusal()] * 2))
        assert taking.status.refused == 2 * (turn - 1)
        taking.step()
        assert taking.status.refused == 2 * turn


def test_of_what_was_refused_the_beginning_is_kept(journal):
    taking, _ = worker(journal, ([], [refusal(b"x" * 100_000)]))
    taking.step()
    [kept] = journal.rejected()

    assert (len(kept.telegram.text), kept.telegram.values["bytes"]) == (4096, 100_000)


def test_what_the_journal_does_not_take_was_neither_received_nor_refused():
    journal = MemoryJournal()
    taking, source = worker(journal, ([data(1)], [refusal()]))
    source.state["place"] = "7"
    append, journal.append = journal.append, full
    with pytest.raises(OSError, match="full"):
        taking.step()

    assert (taking.status.refused, taking.status.count, source.confirmed) == (0, 0, 0)
    assert not source.refusals
    assert dict(source.state) == {}
    journal.append = append
    taking.step()
    assert journal.rejected() == []


def full(*_):
    raise OSError("the disk is full")


def test_what_has_gone_through_this_journal_already_is_left_out(journal):
    here = journal.status().id
    idents = [OTHER, OTHER.passed_on("elsewhere"), OTHER.passed_on(here), OTHER.passed_on(here).passed_on("elsewhere")]
    taking, source = worker(journal, ([data(n, ident) for n, ident in enumerate(idents)], []), ([idents[2]], []))
    taking.step()
    taking.step()

    assert [e.telegram.time // SECOND - T0 for e in journal.read(0, 99) if isinstance(e.telegram, Data)] == [0, 1]
    assert source.confirmed == 2
    assert journal.ident("Demo_2").via == ("elsewhere",)


def test_a_kit_does_not_take_in_its_own(journal):
    taking, source = worker(journal, ([data(1), data(2, Ident("Demo", "own"))], []), own="Demo_own")
    taking.step()

    assert labels(journal) == ["roof"]
    assert source.confirmed == 1


class FarEnd(Publisher):
    """A far end that keeps what it gets."""

    signs = True

    def __post_init__(self):
        self.got, self.opened, self.idled = [], 0, 0
        self.failure = None

    def open(self):
        self.opened += 1

    def publish(self, batch):
        self.got += batch

    def idle(self):
        self.idled += 1
        if self.failure:
            failure, self.failure = self.failure, None
            raise failure


class Plain(FarEnd):
    """A far end that does not want to know through whom telegrams came."""

    signs = False


def publishing(journal, far, own=""):
    stop, cursor = threading.Event(), journal.cursor("publisher:x")
    return PublishWorker("publisher:x", far, stop, Clock(), journal, cursor, own=own)


def test_telegrams_that_are_passed_on_say_that_they_came_through_here(journal):
    own = Ident("Demo", "own")
    journal.append([data(1), data(2, own), data(3, OTHER.passed_on("elsewhere"))])
    far = FarEnd()
    publishing(journal, far, own="Demo_own").step()
    here = journal.status().id

    assert [t.ident.via for t in far.got if isinstance(t, Data)] == [(here,), (), ("elsewhere", here)]
    assert [t.via for t in far.got if isinstance(t, Ident)] == [(here,), (), ("elsewhere", here)]


def test_a_far_end_that_does_not_sign_gets_telegrams_as_they_are(journal):
    journal.append([data(1)])
    far = Plain()
    publishing(journal, far).step()

    assert [t.ident.via for t in far.got if isinstance(t, Data)] == [()]


def test_a_connection_that_is_gone_while_nothing_is_to_be_sent_is_made_again(journal):
    far = FarEnd()
    work = publishing(journal, far)
    thread = threading.Thread(target=work.run)
    thread.start()
    until(lambda: far.idled)
    far.failure = ConnectionError("gone")
    until(lambda: far.opened == 2)
    journal.append([data(1)])
    until(lambda: [t for t in far.got if isinstance(t, Data)])
    work.stop.set()
    thread.join(10)

    assert work.status.state == "stopped"


class Slow(Sensor):
    """Needs three reads of a second for each reading."""

    def __post_init__(self):
        self.reads = 0

    def read(self):
        self.reads += 1
        self.hands.advance(1.0)
        return None if self.reads % 3 else {"temp": 1.0}


class Hands(ManualClock):
    """Waiting is over at once, and remembered."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def wait(self, event, seconds):
        self.waits.append(seconds)
        self.advance(max(0.0, seconds))
        return False


class Ready(Sensor):
    """Has a reading whenever it is asked."""

    def read(self):
        return {"temp": 1.0}


class Rushing(Ready):
    """May be read as fast as it goes."""

    pace = 0.0


@pytest.mark.parametrize(("sensor", "least", "most"), [(Ready, 2, 30), (Rushing, 1000, 10**9)])
@pytest.mark.parametrize("interval", [0.0, 1e-9])
def test_one_that_is_read_as_it_comes_and_always_has_something_takes_no_whole_core(sensor, least, most, interval):
    readings, stop = [], threading.Event()

    def give(section, reading):
        readings.append(reading)

    threading.Timer(0.4, stop.set).start()
    troubles = Troubles(lambda *_: None)
    SensorWorker("sensor:x", sensor(interval=interval), stop, Clock(), give, troubles, SensorOptions()).run()

    assert least <= len(readings) <= most


@pytest.mark.parametrize(("interval", "rest", "soon"), [(10.0, 7.0, 1.0), (0.5, -2.5, 0.5), (0.0, None, None)])
def test_the_interval_counts_from_the_first_read_of_a_reading_and_one_without_is_asked_again_soon(interval, rest, soon):
    clock, sensor, given = Hands(), Slow(interval=interval), []
    sensor.hands = clock
    made = SensorWorker(
        "sensor:x",
        sensor,
        threading.Event(),
        clock,
        lambda *what: given.append(what),
        Troubles(lambda *_: None),
        SensorOptions(),
    )
    for _ in range(6):
        made.step()

    turn = [] if rest is None else [soon, soon, pytest.approx(rest - 2 * soon)]  # its own pace: by the real time
    assert clock.waits == turn * 2
    assert given == [("sensor:x", {"temp": 1.0})] * 2


class Unplugged(Sensor):
    """Is there at the second try, then warms up."""

    def __post_init__(self):
        self.opened, self.bug = 0, False

    def open(self):
        self.opened += 1
        if self.opened == 1:
            raise OSError("there is no serial port")

    def read(self):
        if self.bug:
            raise ZeroDivisionError
        self.bug = self.opened > 2
        return


def sensing(sensor, clock):
    stop = threading.Event()
    made = SensorWorker(
        "sensor:x", sensor, stop, clock, lambda *_: None, Troubles(lambda *_: None), SensorOptions(errors=99)
    )
    thread = threading.Thread(target=made.run)
    thread.start()
    return made, thread


def test_one_that_is_there_again_and_warms_up_does_not_say_what_was_wrong_before(caplog):
    clock = ManualClock()
    made, thread = sensing(Unplugged(), clock)
    until(lambda: made.status.message == "there is no serial port")
    until(lambda: clock.advance(0.2) or made.status.message == "opened again; there is no reading yet")
    made.stop.set()
    thread.join(5)

    assert caplog.text.count("no serial port") == 1
    assert "opened again" not in caplog.text


def test_a_bug_that_comes_back_after_reads_without_a_reading_is_told_once(caplog):
    clock, sensor = ManualClock(), Unplugged()
    sensor.opened, sensor.bug = 2, True
    made, thread = sensing(sensor, clock)
    until(lambda: made.status.state == "waiting")
    for _ in range(2):
        sensor.bug = False
        until(lambda: clock.advance(10) or sensor.bug)
        until(lambda: clock.advance(0.2) or "ZeroDivisionError" in made.status.message)
    made.stop.set()
    thread.join(5)

    assert caplog.text.count("a bug in mysense or in a plugin") == 1


class Bus(Sensor):
    """Has to be asked for its state, which takes some milliseconds; there is no reading for a second."""

    def open(self):
        self.reads, self.begun = 0, time.monotonic()

    def read(self):
        self.reads += 1
        threading.Event().wait(0.02)
        return {"temp": 1.0} if time.monotonic() - self.begun > 1 else None


def test_a_sensor_that_is_asked_on_a_bus_is_not_asked_without_rest():
    sensor, stop, given = Bus(), threading.Event(), []

    def give(section, reading):
        given.append(reading)
        stop.set()

    troubles = Troubles(lambda *_: None)
    SensorWorker("sensor:x", sensor, stop, Clock(), give, troubles, SensorOptions()).run()

    assert given == [{"temp": 1.0}]
    assert sensor.reads <= 3
