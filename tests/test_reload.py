"""MySense.conf is changed under a daemon that runs: what changed is exchanged, the rest does not notice."""

import signal
from dataclasses import replace

import pytest

from mysense import config
from mysense.errors import ConfigError
from mysense.journal.sqlite import SqliteJournal
from mysense.plugin import Subscriber
from mysense.telegram import Data, Ident, Note
from tests.kit import Kit, mysense, until
from tests.test_daemon import Collector, Counter, Hanging, Running, settings


def said(chosen, **texts):
    """Settings whose sections say something: by the name behind the colon."""
    ends = [replace(end, said=(texts.get(end.section.partition(":")[2]),)) for end in chosen.ends]
    return replace(chosen, ends=tuple(ends))


class Changing(Running):
    """A daemon whose file a test writes: as settings, or as an error."""

    def __init__(self, chosen):
        self.file = chosen
        super().__init__(chosen, read=self.read)

    def read(self):
        if isinstance(self.file, Exception):
            raise self.file
        return self.file

    def reload(self, chosen):
        self.file = chosen
        return self.daemon.reload()


@pytest.fixture
def run(tmp_path):
    started = []

    def start(*ends, **texts):
        started.append(Changing(said(settings(tmp_path, *ends), **texts)))
        return started[-1]

    yield start
    Hanging.done.set()
    for running in started:
        if running.thread.is_alive():
            running.stop()


def test_a_publisher_that_changed_goes_on_where_the_one_before_stopped(run, tmp_path):
    before, after, other = Collector(), Collector(), Collector()
    sensor = ("sensor:counter", Counter())
    kit = run(sensor, ("publisher:far", before), ("publisher:other", other), far="a")
    kit.pass_time(lambda: len(before.data()) >= 2 and len(other.data()) >= 2)
    done = kit.reload(said(settings(tmp_path, sensor, ("publisher:far", after), ("publisher:other", other)), far="b"))
    kit.pass_time(lambda: len(after.data()) >= 2)
    kit.stop()

    assert done == {"started": [], "stopped": [], "restarted": ["publisher:far"], "notices": []}
    times = [d.time for d in before.data() + after.data()]
    assert times == sorted(set(times)) == [d.time for d in other.data()]
    assert not [t for t in after.got if isinstance(t, Ident)]


def test_a_sensor_that_did_not_change_is_neither_closed_nor_interrupted(run, tmp_path):
    sensor, far = Counter(), Collector()
    kit = run(("sensor:counter", sensor), ("publisher:far", far))
    kit.pass_time(lambda: far.data())
    worker, count = kit.daemon.sources[0], sensor.count
    kit.reload(said(settings(tmp_path, ("sensor:counter", Counter()), ("publisher:far", Collector())), far="other"))
    kit.pass_time(lambda: sensor.count >= count + 3)

    assert kit.daemon.sources == [worker]
    assert worker.status.state == "running"


def test_sections_come_and_go(run, tmp_path):
    first, second = Collector(), Collector()
    sensor = ("sensor:counter", Counter())
    kit = run(sensor, ("publisher:first", first))
    kit.pass_time(lambda: first.data())
    done = kit.reload(said(settings(tmp_path, sensor, ("publisher:second", second))))
    kit.pass_time(lambda: second.data())
    answer = kit.daemon.status()

    assert (done["started"], done["stopped"]) == (["publisher:second"], ["publisher:first"])
    assert [w["section"] for w in answer["workers"]] == ["sensor:counter", "publisher:second"]
    assert {c["name"]: c["orphan"] for c in answer["journal"]["cursors"]} == {
        "publisher:first": True,
        "publisher:second": False,
    }
    assert second.data()[0] == first.data()[0]  # a new one begins at the oldest


def test_a_section_that_comes_back_goes_on_with_its_cursor(run, tmp_path):
    before, after = Collector(), Collector()
    sensor = ("sensor:counter", Counter())
    kit = run(sensor, ("publisher:far", before))
    kit.pass_time(lambda: before.data())
    kit.reload(said(settings(tmp_path, sensor)))
    kit.pass_time(lambda: kit.daemon.journal.status().last >= 5)
    kit.reload(said(settings(tmp_path, sensor, ("publisher:far", after))))
    kit.pass_time(lambda: len(after.data()) >= 3)
    kit.stop()

    times = [d.time for d in before.data() + after.data()]
    assert times == sorted(set(times))
    assert len(times) == len([e for e in replayed(tmp_path) if isinstance(e, Data)])


def replayed(tmp_path):
    """Every telegram in the journal."""
    journal = SqliteJournal.open_existing(tmp_path / "journal.db")
    telegrams = [entry.telegram for entry in journal.read(0, 10_000)]
    journal.close()
    return telegrams


class Warm(Counter):
    """Measures something else."""

    measures = Counter.measures[1:]

    def read(self):
        self.count += 1
        return {"temp": 30.0}


def test_other_sensors_make_another_ident_and_no_telegram_mixes_them(run, tmp_path):
    far = Collector()
    kit = run(("sensor:counter", Counter()), ("publisher:far", far))
    kit.pass_time(lambda: kit.daemon.sources[0].status.count >= 8 and far.data())
    kit.reload(said(settings(tmp_path, ("sensor:warm", Warm()), ("publisher:far", far))))
    kit.pass_time(lambda: any(d.values.keys() == {"temp"} for d in far.data()))
    kit.stop()

    assert all(d.values.keys() == {f.name for f in d.ident.fields} for d in far.data())
    assert [len(t.fields) for t in far.got if isinstance(t, Ident)] == [2, 1]
    assert all(d.values["temp"] == (30.0 if len(d.values) == 1 else 20.5) for d in far.data())


def test_the_last_sensor_goes_and_one_comes_back(run, tmp_path):
    far = ("publisher:far", Collector())
    kit = run(("sensor:counter", Counter()), far)
    kit.pass_time(lambda: far[1].data())
    gone = kit.reload(said(settings(tmp_path, far)))
    assert kit.daemon.node is None
    second = ("publisher:far", Collector())
    back = kit.reload(said(settings(tmp_path, ("sensor:counter", Counter()), second)))
    kit.pass_time(lambda: second[1].data())

    assert gone["restarted"] == ["publisher:far"]  # it no longer belongs to a kit that measures
    assert back["started"] == ["sensor:counter"]
    assert [t.kind for t in far[1].got + second[1].got if isinstance(t, Note)] == ["up", "down", "up"]


def test_with_a_mistake_nothing_changes_and_it_is_told(run, caplog):
    far = Collector()
    kit = run(("sensor:counter", Counter()), ("publisher:far", far))
    kit.pass_time(lambda: far.data())
    before = [*kit.daemon.sources, *kit.daemon.publishers]
    done = kit.reload(ConfigError("MySense.conf:3: [publisher:far] bogus: unknown option"))

    assert done == {"problems": ["MySense.conf:3: [publisher:far] bogus: unknown option"]}
    assert [*kit.daemon.sources, *kit.daemon.publishers] == before
    assert "bogus: unknown option" in caplog.text
    assert "nothing was changed" in caplog.text


def test_what_needs_a_restart_is_said_and_left_alone(run, tmp_path):
    far = ("publisher:far", Collector())
    kit = run(("sensor:counter", Counter()), far)
    chosen = said(settings(tmp_path, ("sensor:counter", Counter()), far, interval=60.0))
    chosen = replace(chosen, identity=replace(chosen.identity, label="shed", extra={"floor": "2"}))
    done = kit.reload(replace(chosen, journal=replace(chosen.journal, keep=5.0)))
    again = kit.reload(chosen)

    assert done["notices"] == [
        f"{what} has changed: that counts after a restart"
        for what in ("[id] label", "[meta]", "[daemon] interval", "[journal] keep")
    ]
    assert len(again["notices"]) == 3  # until it is restarted
    assert kit.daemon.settings.identity.label == ""


def test_one_that_had_failed_is_tried_again(run, tmp_path):
    far, broken = Collector(), Collector(broken="needs 'frobnicate'")
    kit = run(("sensor:counter", Counter()), ("publisher:far", far), ("publisher:broken", broken))
    kit.pass_time(lambda: kit.daemon.publishers[1].status.state == "failed")
    done = kit.reload(
        said(settings(tmp_path, ("sensor:counter", Counter()), ("publisher:far", far), ("publisher:broken", far)))
    )

    assert done["restarted"] == ["publisher:broken"]
    kit.pass_time(lambda: kit.daemon.publishers[1].status.state == "running")


def test_a_sensor_that_hangs_is_replaced_when_it_comes_back(run, tmp_path, caplog):
    Hanging.done.clear()
    far = ("publisher:far", Collector())
    counter = ("sensor:counter", Counter())
    kit = run(counter, ("sensor:hanging", Hanging()), far, hanging="a")
    until(lambda: kit.daemon.sources[1].busy_since is not None)
    kit.reload(said(settings(tmp_path, counter, ("sensor:hanging", Warm()), far), hanging="b"))
    assert "does not come to an end" in caplog.text
    Hanging.done.set()
    kit.pass_time(lambda: isinstance(kit.daemon.sources[1].plugin, Warm))
    kit.pass_time(lambda: kit.daemon.sources[1].status.state == "running")

    assert [w.section for w in kit.daemon.sources] == ["sensor:counter", "sensor:hanging"]


class Numbers(Subscriber):
    """Gives data whose number is its position."""

    node = Ident("Far", "n1")

    def receive(self):
        at = int(self.position or 0) + 1
        self.position = str(at)
        self.pause = 1.0
        return [Data(self.node, at * 10**9, {"n": at})]


def test_a_subscriber_that_changed_takes_up_its_position(run, tmp_path):
    kit = run(("subscriber:numbers", Numbers()), numbers="a")
    kit.pass_time(lambda: kit.daemon.journal.status().last >= 4)
    kit.reload(said(settings(tmp_path, ("subscriber:numbers", Numbers())), numbers="b"))
    before = kit.daemon.journal.status().last
    kit.pass_time(lambda: kit.daemon.journal.status().last >= before + 3)
    kit.stop()

    got = [t.values["n"] for t in replayed(tmp_path) if isinstance(t, Data)]
    assert got == list(range(1, len(got) + 1))


def test_a_daemon_that_stops_takes_no_orders(run, tmp_path):
    kit = run(("sensor:counter", Counter()), ("publisher:far", Collector()))
    kit.stop()

    assert kit.daemon.reload() == {"problems": ["the daemon is about to stop"]}


CONF = """
[id]
project = Kit
serial = reload
[daemon]
interval = 1
[sensor:simulated]
interval = 0.2
[publisher:csv]
directory = {folder}/csv
"""
MORE = """
[publisher:csv:more]
directory = {folder}/more
"""


@pytest.fixture
def kit(tmp_path):
    kit = Kit(tmp_path, CONF.format(folder=tmp_path))
    yield kit
    kit.kill()


def rows(folder):
    return [line for path in sorted(folder.glob("*.csv")) for line in path.read_text().splitlines()[1:]]


@pytest.mark.parametrize("how", ["SIGHUP", "command"])
def test_a_daemon_reads_its_file_again(kit, tmp_path, how):
    kit.start()
    pid = kit.process.pid
    with kit.conf.open("a") as file:
        file.write(MORE.format(folder=tmp_path))
    if how == "SIGHUP":
        kit.process.send_signal(signal.SIGHUP)
    else:
        assert mysense("reload", "-c", kit.conf).stdout == "publisher:csv:more started\n"
    until(lambda: len(rows(tmp_path / "more")) >= 2)
    assert kit.status()["pids"] == [pid]
    kit.stop()

    assert rows(tmp_path / "more") == rows(tmp_path / "csv")
    assert "MySense.conf was read again: started publisher:csv:more" in kit.log.read_text()


def test_reload_with_mistakes_ends_with_78_and_says_them(kit):
    kit.start()
    good = kit.conf.read_text()
    kit.conf.write_text(good.replace("interval = 0.2", "interval = often"))
    done = mysense("reload", "-c", kit.conf, code=78)
    kit.process.send_signal(signal.SIGHUP)
    until(lambda: "nothing was changed" in kit.log.read_text())

    kit.conf.write_text(good)

    assert "[sensor:simulated] interval:" in done.stderr
    until(lambda: kit.worker("publisher:csv")["state"] == "running")


def test_reload_and_restart_say_when_nobody_runs(kit):
    assert "no daemon runs on" in mysense("reload", "-c", kit.conf, code=1).stderr


def test_restart_is_another_process_on_the_same_journal(kit, tmp_path):
    mysense("start", "-c", kit.conf)
    try:
        [before] = kit.status()["pids"]
        until(lambda: rows(tmp_path / "csv"))
        said = mysense("restart", "-c", kit.conf).stdout
        [after] = kit.status()["pids"]
    finally:
        mysense("stop", "-c", kit.conf)

    assert after != before
    assert f"process {before}" in said
    assert f"process {after}" in said
    written = rows(tmp_path / "csv")
    assert len(set(written)) == len(written)


def test_a_password_in_a_file_counts_as_a_change_of_its_section(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("one\n")
    secret.chmod(0o600)
    text = f"[publisher:influxdb]\npassword_file = {secret}\n"
    [first] = config.parse(text).ends
    [same] = config.parse(text).ends
    secret.write_text("two\n")
    [other] = config.parse(text).ends

    assert first.said == same.said != other.said
    assert "one" not in repr(first.said)


def test_a_changed_processor_counts_as_a_change_of_who_uses_it():
    text = "[processor:calibrate]\nfactors = pm25: 0, {}\n[publisher:console]\nprocessors = calibrate\n"
    text += "[publisher:console:plain]\n"
    before, after = config.parse(text.format(1.1)).ends, config.parse(text.format(1.2)).ends

    assert before[0].said != after[0].said
    assert before[1].said == after[1].said
