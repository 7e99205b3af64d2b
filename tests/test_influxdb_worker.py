"""From the journal by the worker to a real InfluxDB: what arrives, what is set aside, what is passed over."""

import threading
from collections import Counter
from dataclasses import replace
from time import time

import pytest

from mysense.channels import influxdb
from mysense.clock import Clock
from mysense.journal.sqlite import SqliteJournal
from mysense.plugin import Processor
from mysense.publishing import PublishWorker
from mysense.telegram import SECOND, Data, Ident
from mysense.wire import JsonValues

T0 = 1_700_000_000
SECTION = "publisher:influxdb"


class Faulty(Processor):
    """A step with a bug: what it makes of one value is no number to a server."""

    def __call__(self, data):
        return replace(data, values=JsonValues('{"temp":1e999}')) if data.values.get("faulty") else data


@pytest.fixture
def journal(tmp_path):
    journal = SqliteJournal(tmp_path / "journal.db", keep=0)
    yield journal
    journal.close()


def delivered(journal, server, steps=(), **options):
    """Everything in the journal is worked off; the worker that did it."""
    far = influxdb.Publisher(hostname="127.0.0.1", port=server.port, **options)
    cursor = journal.cursor(SECTION)
    worker = PublishWorker(SECTION, far, threading.Event(), Clock(), journal, cursor, steps=steps)
    worker.draining.set()
    worker.run()
    assert cursor.lag == 0, worker.status
    cursor.close()
    return worker


def test_of_a_thousand_telegrams_only_the_bad_ones_are_set_aside_with_the_reason(influxd, serial, journal):
    ident = Ident("Inf", serial, "shed", since=T0 * SECOND)
    values = [{"temp": float(n)} for n in range(1000)]
    values[123] = {"temp": "warm"}
    values[456] = {"temp": 1.0, "two\nlines": 1.0}
    values[789] = {"faulty": True}
    journal.append([Data(ident, (T0 + n) * SECOND, each) for n, each in enumerate(values)])
    delivered(journal, influxd, [("processor:faulty", Faulty())])
    rows = influxd.rows("SELECT * FROM data", ident.node)
    reasons = {n.telegram.time // SECOND - T0: n.reason for n in journal.rejected(SECTION)}

    assert [row["temp"] for row in rows] == [n for n in range(1000) if n not in (123, 456, 789)]
    assert Counter(row["new"] for row in rows) == {"1": 1, "0": 996}
    assert sorted(reasons) == [123, 456, 789]
    assert "field type conflict" in reasons[123]
    assert "line break" in reasons[456]
    assert "unable to parse" in reasons[789]
    assert "invalid" in reasons[789]


def test_what_a_server_does_not_keep_any_more_is_passed_over_and_counted(influxd, serial, journal):
    now = int(time())
    ident = Ident("Inf", serial, since=now * SECOND)
    influxd.query(f'CREATE DATABASE "{ident.node}" WITH DURATION 1d')
    journal.append([Data(ident, (T0 + n) * SECOND, {"temp": 1.0}) for n in range(1500)])
    journal.append([Data(ident, now * SECOND, {"temp": 2.0})])
    worker = delivered(journal, influxd)

    assert [row["temp"] for row in influxd.rows("SELECT * FROM data", ident.node)] == [2]
    assert worker.skipped == 1500
    assert journal.rejected(SECTION) == []


def test_the_layout_of_others_is_worked_off_lane_by_lane(influxd, serial, journal):
    ident = Ident("Inf", serial, since=T0 * SECOND)
    kinds = ["a", "b", "a", "", "b", "c c"]
    journal.append([Data(ident, (T0 + n) * SECOND, {"kind": kind, "x": float(n)}) for n, kind in enumerate(kinds)])
    delivered(journal, influxd, database=f"{serial}-{{kind}}", measurement="m", tags="serial")
    stored = {kind: [row["x"] for row in influxd.rows("SELECT x FROM m", f"{serial}-{kind}")] for kind in "ab"}
    reasons = [each.reason for each in journal.rejected(SECTION)]

    assert stored == {"a": [0, 2], "b": [1, 4]}
    assert sorted(reasons) == sorted(
        [f"there is no 'kind' to fill '{serial}-{{kind}}'", f"'{serial}-c c' cannot be the name of a database"]
    )
