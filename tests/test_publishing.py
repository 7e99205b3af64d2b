"""The worker of a publisher: what is delivered, what is set aside, what waits, and what is kept."""

import threading
import time
from collections import defaultdict

import pytest

from mysense.errors import RejectedError, UnavailableError
from mysense.journal.memory import MemoryJournal
from mysense.plugin import Processor, Publisher, option
from mysense.publishing import BLOCK, PublishWorker
from mysense.telegram import SECOND, Data, Ident, ident_of
from mysense.testing.clock import ManualClock

T0 = 1_700_000_000
IDENTS = [Ident("Demo", str(n), meta={"street": "Mill Lane"}) for n in range(4)]


def data(seconds, ident=IDENTS[0], **values):
    return Data(ident, (T0 + seconds) * SECOND, values or {"temp": float(seconds)})


class FarEnd(Publisher):
    """A far end with one lane for each node, that can be told to fail."""

    max_batch = 10
    by_node: bool = option(False, "one lane for each node")

    def __post_init__(self):
        self.got = defaultdict(list)
        self.idents = []
        self.down = {}  # lane -> exception
        self.refuses = lambda telegram: False
        self.opened = 0

    def open(self):
        self.opened += 1

    def lane(self, telegram):
        return ident_of(telegram).node if self.by_node else ""

    def publish(self, batch):
        if "" in self.down:
            raise self.down[""]
        failures, lanes = {}, defaultdict(list)
        for telegram in batch:
            lanes[self.lane(telegram)].append(telegram)
        for lane, telegrams in lanes.items():
            if lane in self.down:
                failures[lane] = self.down[lane]
            elif any(map(self.refuses, telegrams)):
                failures[lane] = RejectedError("not wanted")
            else:
                self.idents += [t for t in telegrams if isinstance(t, Ident)]
                self.got[lane] += [t.time // SECOND - T0 for t in telegrams if isinstance(t, Data)]
                self.state[f"last {lane}"] = str(len(self.got[lane]))
        return failures


class Bench:
    """A journal, a far end and a worker that is stepped by hand or run in a thread."""

    def __init__(self, **options):
        self.clock = ManualClock(T0)
        self.journal = MemoryJournal(clock=self.clock)
        self.far = FarEnd(**options)
        self.worker = self.new_worker(self.far)

    def new_worker(self, far, **kwargs):
        self.cursor = self.journal.cursor("publisher:far")
        stop = threading.Event()
        return PublishWorker("publisher:far", far, stop, self.clock, self.journal, self.cursor, **kwargs)

    def restart(self, **kwargs):
        self.cursor.close()
        self.far.state.clear()
        self.worker = self.new_worker(self.far, **kwargs)

    def settle(self, steps=20):
        self.worker.draining.set()
        for _ in range(steps):
            self.worker.step()
            self.worker.stop.clear()


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def lanes():
    return Bench(by_node=True)


def test_everything_arrives_in_order_and_the_cursor_follows(bench):
    bench.journal.append([data(n) for n in range(25)])
    bench.settle()

    assert bench.far.got[""] == list(range(25))
    assert bench.cursor.lag == 0
    assert bench.worker.status.state == "running"


def test_only_the_telegram_that_is_not_wanted_is_set_aside(bench):
    bench.far.refuses = lambda t: isinstance(t, Data) and t.time == (T0 + 4) * SECOND
    bench.journal.append([data(n) for n in range(9)])
    bench.settle()

    assert bench.far.got[""] == [0, 1, 2, 3, 5, 6, 7, 8]
    assert [(r.reason, r.telegram.time) for r in bench.journal.rejected()] == [("not wanted", (T0 + 4) * SECOND)]
    assert bench.cursor.lag == 0


def test_a_whole_batch_that_is_refused_by_an_exception_is_halved_too(bench):
    plain = bench.far.publish

    def publish(batch):
        for error in (plain(batch) or {}).values():
            raise error

    bench.far.publish = publish
    bench.far.refuses = lambda t: isinstance(t, Data) and t.time == (T0 + 4) * SECOND
    bench.journal.append([data(n) for n in range(9)])
    bench.settle()

    assert bench.far.got[""] == [0, 1, 2, 3, 5, 6, 7, 8]


def test_nothing_moves_while_the_far_end_is_away(bench):
    bench.far.down[""] = UnavailableError("gone")
    bench.journal.append([data(n) for n in range(3)])
    with pytest.raises(OSError, match="gone"):
        bench.worker.step()
    lag = bench.cursor.lag
    bench.far.down.clear()
    bench.settle()

    assert lag == 4  # three data and their ident
    assert bench.far.got[""] == [0, 1, 2]


def test_a_lane_that_fails_is_parked_and_holds_up_no_other(lanes):
    lanes.far.down["Demo_1"] = UnavailableError("no grant for Demo_1")
    lanes.journal.append([data(n, IDENTS[n % 3]) for n in range(9)])
    lanes.settle(3)

    assert lanes.far.got["Demo_0"] == [0, 3, 6]
    assert lanes.far.got["Demo_2"] == [2, 5, 8]
    assert lanes.cursor.lanes["Demo_1"].nodes == {"Demo_1"}
    assert lanes.cursor.lag > 0
    assert lanes.worker.status.state == "waiting"
    assert "no grant for Demo_1" in lanes.worker.status.message


def test_a_parked_lane_arrives_whole_and_in_order_once_it_is_mended(lanes):
    lanes.far.down["Demo_1"] = UnavailableError("no grant")
    lanes.journal.append([data(n, IDENTS[n % 2]) for n in range(30)])
    lanes.settle(5)
    lanes.journal.append([data(n, IDENTS[n % 2]) for n in range(30, 40)])
    lanes.settle(2)
    del lanes.far.down["Demo_1"]
    lanes.clock.advance(100)
    lanes.settle()

    assert lanes.far.got["Demo_1"] == list(range(1, 40, 2))
    assert lanes.far.got["Demo_0"] == list(range(0, 40, 2))
    assert (lanes.cursor.lanes, lanes.cursor.lag) == ({}, 0)
    assert lanes.worker.status.state == "running"


def test_of_many_lanes_that_fail_each_reason_is_told_once(lanes, caplog):
    caplog.set_level("WARNING")
    lanes.far.down = {ident.node: UnavailableError("please log in") for ident in IDENTS[1:]}
    lanes.journal.append([data(n, IDENTS[n % 4]) for n in range(8)])
    lanes.settle(3)
    lanes.far.down["Demo_2"] = UnavailableError("no grant")
    lanes.clock.advance(100)
    lanes.settle(3)
    for node in list(lanes.far.down):
        del lanes.far.down[node]
        lanes.clock.advance(100)
        lanes.settle(3)
    first = [record.getMessage() for record in caplog.records]
    lanes.far.down = {IDENTS[1].node: UnavailableError("please log in")}
    lanes.journal.append([data(9, IDENTS[1])])
    lanes.settle(3)

    assert lanes.far.got["Demo_2"] == [2, 6]
    assert [("log in" in line, "no grant" in line) for line in first] == [(True, False), (False, True)]
    assert len(caplog.records) == 3, "another outage is told again"


def test_a_parked_lane_survives_a_restart(lanes):
    lanes.far.down["Demo_1"] = UnavailableError("no grant")
    lanes.journal.append([data(n, IDENTS[n % 2]) for n in range(10)])
    lanes.settle(3)
    lanes.restart()
    assert lanes.worker.lanes.keys() == {"Demo_1"}
    lanes.far.down.clear()
    lanes.clock.advance(100)
    lanes.settle()

    assert lanes.far.got["Demo_1"] == [1, 3, 5, 7, 9]


def test_a_blocked_lane_is_still_told_after_a_restart(bench):
    bench.far.refuses = lambda t: isinstance(t, Data)
    bench.journal.append([data(n) for n in range(50)])
    bench.settle()
    bench.restart()
    bench.settle(2)

    assert bench.worker.status.state == "blocked"


def test_a_node_that_is_new_in_a_parked_lane_is_not_forgotten():
    bench = Bench()
    bench.far.lane = lambda telegram: "all"
    bench.far.down["all"] = UnavailableError("no grant")
    bench.journal.append([data(0, IDENTS[0])])
    bench.settle(2)
    bench.journal.append([data(1, IDENTS[1])])
    bench.settle(2)
    bench.far.down.clear()
    bench.clock.advance(100)
    bench.settle()

    assert bench.far.got["all"] == [0, 1]


def test_twenty_rejections_in_a_row_block_the_lane_until_somebody_decides(bench):
    bench.far.refuses = lambda t: isinstance(t, Data)
    bench.journal.append([data(n) for n in range(50)])
    bench.settle()

    assert len(bench.journal.rejected()) == BLOCK
    assert bench.worker.status.state == "blocked"
    assert "retry" in bench.worker.status.message
    assert bench.far.got[""] == []

    bench.far.refuses = lambda t: False
    bench.worker.retry.set()
    bench.settle()

    assert sorted(bench.far.got[""]) == list(range(50))
    assert bench.journal.rejected() == []
    assert bench.worker.status.state == "running"


def test_a_rejection_now_and_then_blocks_nothing(bench):
    bench.far.refuses = lambda t: isinstance(t, Data) and t.time // SECOND % 2 == 0
    bench.journal.append([data(n) for n in range(100)])
    bench.settle(30)

    assert bench.far.got[""] == list(range(1, 100, 2))
    assert bench.worker.status.state == "running"


def test_private_items_stay_at_home_unless_asked_for(bench):
    bench.journal.append([data(0)])
    bench.settle()
    asked = Bench()
    asked.restart(private=("street",))
    asked.journal.append([data(0)])
    asked.settle()

    assert [i.meta for i in bench.far.idents] == [{}]
    assert [i.meta for i in asked.far.idents] == [{"street": "Mill Lane"}]


class Total(Processor):
    """Adds up what it has seen."""

    def __call__(self, data):
        total = float(self.state.get("total", "0")) + data.values["temp"]
        self.state["total"] = str(total)
        return Data(data.ident, data.time, {"total": total})


def test_the_state_of_processors_is_that_of_the_cursor_after_a_crash(bench):
    totals = []
    bench.far.refuses = lambda t: totals.append(t.values["total"]) if isinstance(t, Data) else None
    bench.restart(steps=[("processor:total", Total())])
    bench.journal.append([data(n) for n in range(1, 4)])
    bench.settle(3)
    bench.restart(steps=[("processor:total", Total())])
    bench.journal.append([data(4)])
    bench.settle(3)

    assert totals == [1, 3, 6, 10]


def test_a_processor_that_remembers_holds_all_lanes_rather_than_lose_what_it_made(lanes):
    lanes.restart(steps=[("processor:total", Total())])
    lanes.far.down["Demo_1"] = UnavailableError("no grant")
    lanes.journal.append([data(n, IDENTS[n % 2]) for n in range(4)])
    with pytest.raises(OSError, match="no grant"):
        lanes.settle(3)

    assert lanes.cursor.lanes == {}
    assert lanes.cursor.lag > 0


@pytest.mark.parametrize("accepted", [0.0, 60.0])
def test_late_data_is_passed_over_and_counted_where_only_the_present_is_taken(bench, accepted):
    type(bench.far).accepts_past = accepted
    try:
        bench.journal.append([data(-100), data(-10)])
        bench.settle()
    finally:
        del type(bench.far).accepts_past

    assert bench.far.got[""] == [-10]
    assert bench.worker.skipped == 1
    bench.far.skipped = 2  # what the far end passed over itself is counted too
    assert bench.worker.skipped == 3
    assert bench.cursor.lag == 0


def test_a_running_worker_waits_and_comes_back_by_itself():
    bench = Bench()
    bench.far.down[""] = UnavailableError("away", wait=5)
    bench.journal.append([data(n) for n in range(3)])
    thread = threading.Thread(target=bench.worker.run)
    thread.start()
    until = time.monotonic() + 60
    while bench.worker.status.state != "waiting" and time.monotonic() < until:
        bench.worker.stop.wait(0.005)
    bench.far.down.clear()
    while bench.cursor.lag and time.monotonic() < until:
        bench.clock.advance(1)  # it may not have begun to wait when the first second passes
        bench.worker.stop.wait(0.005)
    bench.worker.draining.set()
    thread.join(10)

    assert bench.far.got[""] == [0, 1, 2]
    assert bench.far.opened == 2
    assert not thread.is_alive()
