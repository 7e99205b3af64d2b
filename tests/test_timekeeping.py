"""A kit whose clock is not set: what it measures has its right time in the end, and its order always."""

import sqlite3
import threading
from dataclasses import replace

import pytest

from mysense.errors import UnavailableError
from mysense.journal import Dating
from mysense.plugin import Sensor, option
from mysense.settings import DaemonOptions, Identity
from mysense.telegram import SECOND, Data, Field, Ident, Note, ident_of
from mysense.testing.clock import ManualClock
from mysense.timekeeping import Timekeeper
from tests.kit import until
from tests.test_daemon import Collector, Running, settings

OLD = 1_600_000_000
NOW = 1_800_000_000
INTERVAL = 5


class Truth(Sensor):
    """Measures what time it really is; only the test knows that."""

    measures = (Field("truth", "s"),)
    interval: float = option(1.0, "seconds between two readings")

    def read(self):
        return {"truth": self.clock.monotonic() - 1000 + NOW}


class Today(Collector):
    """Takes nothing that is older than ten minutes."""

    accepts_past = 600.0


class Laned(Collector):
    """Has a lane for each node, that can be closed."""

    closed = False

    def lane(self, telegram):
        return ident_of(telegram).node

    def publish(self, batch):
        if self.closed:
            return {self.lane(batch[0]): UnavailableError("closed")}
        return super().publish(batch)


class Kit:
    """A kit in one process, on a machine that a test switches off and on."""

    def __init__(self, folder, clock, mode="auto", wait=120.0):
        self.folder, self.clock, self.options = (
            folder,
            clock,
            DaemonOptions(interval=INTERVAL, clock=mode, clock_wait=wait),
        )
        self.far, self.running = Collector(), None

    def start(self, *others):
        sensor = Truth()
        sensor.clock = self.clock
        chosen = settings(self.folder, ("sensor:truth", sensor), ("publisher:far", self.far), *others)
        identity = Identity(project="Test", serial="k1")
        chosen = replace(chosen, identity=identity, daemon=self.options)
        self.running = Running(chosen, clock=self.clock)
        return self

    def stop(self):
        if self.running:
            self.running.stop()
            self.running = None

    @property
    def daemon(self):
        return self.running.daemon

    def go_on(self, seconds):
        """Let so much time pass, second by second, none before what is due is done."""
        sensor, sampler, never = self.daemon.sources[0].status, self.daemon.node._sampler, threading.Event()
        for _ in range(seconds):
            before = sensor.count
            self.clock.advance(1)
            for _ in range(100):  # who began to wait in between wakes up a second later: that is no fault
                if sensor.count > before and sampler._end > self.clock.monotonic():
                    break
                never.wait(0.002)

    def entries(self):
        return self.daemon.journal.read(0, 10_000)

    def measured(self):
        return [t for _, t in self.entries() if isinstance(t, Data)]

    def notes(self, kind="clock"):
        return [t.text for _, t in self.entries() if isinstance(t, Note) and t.kind == kind]

    def rows(self):
        """The entries as they lie on the disk."""
        with sqlite3.connect(self.folder / "journal.db") as db:
            found = db.execute("SELECT * FROM entry ORDER BY seq").fetchall()
        db.close()
        return found

    def delivered(self):
        """Wait until all is delivered; the data that arrived."""
        until(lambda: all(worker.cursor.lag == 0 for worker in self.daemon.publishers))
        return self.far.data()

    def whole(self):
        """Wait until all that was measured has arrived, in its order and as it is in the journal."""
        until(lambda: self.far.data() == self.measured())
        return self.far.data()


@pytest.fixture
def kit(tmp_path):
    made = []

    def make(clock, **options):
        made.append(Kit(tmp_path, clock, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def wrong(data):
    """The data whose time is not that at which it was measured, but for the length of a window or two."""
    return [d for d in data if not -2 <= d.time / SECOND - d.values["truth"] <= 3 * INTERVAL]


def test_what_is_measured_before_the_clock_is_set_waits_and_then_has_its_right_time(kit):
    one = kit(ManualClock(OLD, service=False)).start()
    one.go_on(600)
    before = one.rows()
    assert one.far.got == []
    measured = one.measured()  # once: it grows
    assert len(measured) > 20
    assert wrong(measured) == measured
    one.clock.set(NOW + one.clock.monotonic() - 1000, service=True)
    one.go_on(30)
    got = one.whole()

    assert one.rows()[: len(before)] == before  # no row was written again
    assert wrong(got) == []
    assert not [d for d in got if d.flags]
    assert len({d.time for d in got}) == len(got)
    assert all(d.time % SECOND == 0 for d in got)
    [note] = [t for _, t in one.entries() if isinstance(t, Note) and t.kind == "clock"]
    assert note.text == "the clock is set; what was measured before has its right time now"
    assert note.values == {"boot": "boot-1", "started": NOW - 30, "by": NOW - OLD}


def test_a_kit_says_that_it_waits_for_its_clock_and_stops_saying_so(kit):
    one = kit(ManualClock(OLD, service=False)).start()
    one.go_on(20)
    assert one.daemon.status()["clock"] == (
        "the clock is not set yet: the time service has not set it; measured data waits in the journal"
    )
    [worker] = [w for w in one.daemon.status()["workers"] if w["section"] == "publisher:far"]
    assert (worker["state"], worker["message"]) == (
        "waiting", "the clock is not set yet; measured data waits in the journal",
    )  # fmt: skip
    one.clock.set(NOW, service=True)
    one.go_on(20)
    until(lambda: one.far.data())

    assert one.daemon.status()["clock"] == ""


@pytest.mark.parametrize(
    ("now", "service", "mode"),
    [
        (NOW, True, "auto"),
        (NOW, None, "auto"),  # a container: nothing sets its clock
        (OLD, False, "trusted"),
    ],
)
def test_a_clock_that_can_be_believed_is_not_waited_for(kit, now, service, mode):
    one = kit(ManualClock(now, service), mode=mode).start()
    one.running.pass_time(lambda: one.far.data())

    assert one.daemon.status()["clock"] == ""
    assert one.far.data()[0].flags == {}


def test_without_a_time_service_a_clock_before_the_last_measurement_is_waited_for(kit):
    clock = ManualClock(NOW, service=None)
    one = kit(clock).start()
    one.go_on(30)
    before = one.delivered()
    one.stop()
    clock.reboot(NOW - 86400, service=None)
    one.far = Collector()
    one.start().go_on(30)

    assert all(d.values["truth"] <= NOW + 31 for d in one.far.data())  # what was measured before
    assert "before what was measured last" in one.daemon.status()["clock"]
    clock.set(NOW + clock.monotonic() - 1000)
    one.go_on(30)
    got = one.delivered()
    assert wrong(before + got) == []


def test_other_nodes_do_not_wait_for_the_clock_of_this_one(kit):
    other = Ident("Fleet", "k7")
    one = kit(ManualClock(OLD, service=False)).start()
    for n in range(5):
        one.go_on(10)
        one.daemon.journal.append([Data(other, (NOW + n) * SECOND, {"temp": float(n)})])
    until(lambda: len(one.far.data()) == 5)
    assert [d.ident.node for d in one.far.data()] == ["Fleet_k7"] * 5
    one.clock.set(NOW + one.clock.monotonic() - 1000, service=True)
    one.go_on(20)
    until(lambda: len(one.far.data()) == len(one.measured()))
    got = one.far.data()

    own = [d for d in got if d.ident.node == "Test_k1"]
    assert own == [d for d in one.measured() if d.ident.node == "Test_k1"][: len(own)]
    assert len(got) == len(own) + 5
    assert wrong(own) == []


def test_a_service_that_takes_nothing_old_is_given_estimates_after_a_while(kit):
    today = Today()
    one = kit(ManualClock(OLD, service=False)).start(("publisher:today", today))
    one.go_on(100)
    assert today.data() == []
    one.go_on(60)
    until(lambda: len(today.data()) > 20)

    assert one.far.data() == []
    assert all("time" in d.flags for d in today.data())
    one.clock.set(NOW + one.clock.monotonic() - 1000, service=True)
    one.go_on(30)
    assert wrong(one.whole()) == []
    until(lambda: len(today.data()) == len(one.far.data()) and today.data()[-1].flags == {})


def test_a_start_that_never_knew_the_time_is_placed_behind_what_was_known(kit):
    clock = ManualClock(NOW)
    one = kit(clock).start()
    one.go_on(60)
    known = one.delivered()[-1].time
    one.stop()
    on = NOW + clock.monotonic() - 1000
    clock.reboot(OLD)
    one.start().go_on(120)
    one.stop()
    off = NOW + clock.monotonic() - 1000
    clock.reboot(NOW + 500, service=True)
    one.start().go_on(30)
    got = one.whole()

    doubted = [d for d in got if d.flags]
    times = [d.time for d in got]
    assert times == sorted(set(times))
    assert 15 < len(doubted) < 30
    # also what the window held when it was switched off
    assert not [d for d in got if on < d.values["truth"] < off and not d.flags]
    assert known < doubted[0].time
    assert {d.flags["time"] for d in doubted} == {"the clock was not set; the time is an estimate"}
    spans = [(d.time - doubted[0].time) / SECOND - (d.values["truth"] - doubted[0].values["truth"]) for d in doubted]
    assert all(abs(span) <= 2 * INTERVAL for span in spans)  # by its own elapsed time
    assert wrong([d for d in got if not d.flags and d.time <= known]) == []


def test_a_daemon_that_is_started_again_before_the_clock_is_set_goes_on(kit):
    clock = ManualClock(OLD, service=False)
    one = kit(clock).start()
    one.go_on(40)
    one.stop()
    clock.advance(100)
    one.start().go_on(40)
    one.stop()
    clock.set(NOW + clock.monotonic() - 1000, service=True)  # while it does not run
    one.start().go_on(40)
    got = one.whole()

    assert wrong(got) == []
    assert [d.time for d in got] == sorted({d.time for d in got})


@pytest.mark.parametrize("by", [-7200, -100, -3, 3, 600, 86400])
def test_a_clock_that_is_set_while_all_is_well_drops_and_doubles_nothing(kit, by):
    clock = ManualClock(NOW)
    one = kit(clock).start()
    one.go_on(INTERVAL * 30)
    one.go_on(INTERVAL // 2)
    assert one.daemon.node._sampler._window  # in the middle of a window
    clock.set(clock.now() / SECOND + by)
    one.go_on(INTERVAL * 30)
    clock.set(clock.now() / SECOND - by)
    one.go_on(INTERVAL * 10)
    got = one.whole()

    assert len(got) >= 60
    assert len({d.time for d in got}) == len(got)
    said = [f"the clock was set {'forward' if step > 0 else 'back'} by {abs(step)} s" for step in (by, -by)]
    assert one.notes() == said


def test_a_clock_that_was_set_once_is_believed_after_a_restart_of_the_daemon(kit):
    clock = ManualClock(OLD, service=False)
    one = kit(clock).start()
    one.go_on(20)
    clock.set(NOW + clock.monotonic() - 1000, service=True)
    one.go_on(20)
    one.stop()
    clock.service = False  # the time service, too, was started again, and has no network
    one.start().go_on(20)

    assert one.daemon.status()["clock"] == ""
    assert wrong(one.delivered()) == []


def test_a_time_is_not_given_twice_either_when_the_clock_is_set_back_over_a_restart(kit):
    clock = ManualClock(NOW)
    one = kit(clock).start()
    one.go_on(INTERVAL * 30)
    one.stop()
    clock.set(clock.now() / SECOND - 100)
    one.start().go_on(INTERVAL * 30)
    got = one.whole()

    assert len({d.time for d in got}) == len(got) > 50


def test_order_holds_behind_what_a_lane_of_this_kit_has_left_over(kit):
    clock = ManualClock(NOW)
    one = kit(clock)
    one.far = Laned()
    one.start().go_on(20)
    until(lambda: one.far.data())
    one.far.closed = True
    one.go_on(20)
    one.stop()
    clock.reboot(OLD)
    one.start().go_on(40)
    clock.set(NOW + clock.monotonic() - 1000, service=True)
    one.go_on(20)
    one.far.closed = False
    one.go_on(120)
    got = one.whole()

    assert wrong(got) == []


def test_what_the_far_end_does_not_take_at_once_waits_on_when_the_clock_is_set(kit):
    one = kit(ManualClock(OLD, service=False))
    one.far = Laned()
    one.start().go_on(30)
    one.far.closed = True
    one.clock.set(NOW + one.clock.monotonic() - 1000, service=True)
    one.go_on(30)
    assert one.far.data() == []
    one.far.closed = False
    one.go_on(120)

    assert len(one.whole()) > 10


def test_a_journal_without_sensors_any_more_waits_for_no_clock(kit):
    clock = ManualClock(OLD, service=False)
    one = kit(clock).start()
    one.go_on(30)
    one.stop()
    count = len([row for row in one.rows() if row[1] == 1])
    clock.reboot(NOW, service=True)
    chosen = settings(one.folder, ("publisher:far", one.far))
    one.running = Running(chosen, clock=clock)

    assert len(one.delivered()) == count
    assert all(d.flags for d in one.far.data())


def test_status_is_sensible_after_the_clock_was_set(kit):
    one = kit(ManualClock(OLD, service=False)).start()
    one.go_on(60)
    one.clock.set(NOW, service=True)
    one.go_on(10)
    said = one.daemon.status()
    now = one.clock.now()

    ages = [now - said["since"], now - said["journal"]["since"], *(now - w["since"] for w in said["workers"])]
    assert all(0 <= age <= 100 * SECOND for age in ages)


class SetWhileAsked(ManualClock):
    """The time service sets it in the very moment in which it is asked."""

    def synchronised(self):
        self.set(1_700_000_000, True)
        return True


def test_a_clock_that_is_set_while_one_looks_is_not_mixed_with_what_it_said_before():
    clock = ManualClock(1_500_000_000, False)
    keeper = Timekeeper(clock, False, 0, [])
    clock.__class__ = SetWhileAsked
    keeper.look()

    assert keeper.boot.dating == Dating.SET
    assert keeper.boot.start == 1_700_000_000 * SECOND - clock.uptime()


class HeldUp(ManualClock):
    """Half a minute passes as soon as the time of day was read, once."""

    held = False

    def now(self):
        read = super().now()
        if not self.held:
            self.held = True
            self.advance(30)
        return read


def test_whoever_is_held_up_between_two_clocks_reads_them_again():
    clock = ManualClock()
    keeper = Timekeeper(clock, True, 0, [])
    clock.__class__ = HeldUp

    assert keeper.look() is None
