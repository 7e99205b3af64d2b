"""The CSV channel: what stands in its files, and that a second delivery changes nothing."""

import csv
import errno
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mysense import options, wire
from mysense.channels import csv as channel
from mysense.channels.csv import Publisher
from mysense.errors import ConfigError, RejectedError
from mysense.telegram import SECOND, Data, Field, Ident, Note

DAY = 1_700_006_400 * SECOND  # 2023-11-15 00:00 UTC
IDENT = Ident("Demo", "k1", fields=(Field("pm25", "ug/m3"), Field("temp", "C")), since=DAY)


def data(seconds, ident=IDENT, **values):
    return Data(ident, DAY + int(seconds * SECOND), values)


def publish(folder, *telegrams, **given):
    """Deliver once, by a publisher that knows of nothing before."""
    with Publisher(directory=folder, **given) as publisher:
        publisher.publish(telegrams)


def table(path, delimiter=","):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=delimiter))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def today(tmp_path):
    return tmp_path / "Demo_k1_2023-11-15.csv"


def test_a_row_has_its_time_twice_and_the_values_in_the_order_of_the_ident(tmp_path, today):
    publish(tmp_path, data(1.5, temp=21, pm25=0.0))

    assert today.read_bytes() == (b"time,unix(s),pm25(ug/m3),temp(C)\r\n2023-11-15T00:00:01.5Z,1700006401.5,0.0,21\r\n")


def test_a_missing_value_is_an_empty_cell(tmp_path, today):
    publish(tmp_path, data(1, temp=21.5))

    assert table(today)[1][2:] == ["", "21.5"]


def test_what_is_no_number_is_missing(tmp_path, today):
    publish(tmp_path, data(1, pm25=float("nan"), temp=float("-inf"), other=float("nan")))

    assert [row[2:] for row in table(today)] == [["pm25(ug/m3)", "temp(C)"], ["", ""]]


def test_a_year_has_four_digits(tmp_path):
    publish(tmp_path, Data(IDENT, -62_000_000_000 * SECOND, {"temp": 1}))

    [path] = tmp_path.iterdir()
    assert path.name == "Demo_k1_0005-04-19.csv"
    assert table(path)[1][0] == "0005-04-19T09:46:40Z"


def test_what_only_the_data_knows_stands_behind_what_the_ident_knows(tmp_path, today):
    publish(tmp_path, data(1, geolocation="51.4,6.1,13", ok=True, pm25=3.5))

    head, row = table(today)
    assert head[2:] == ["pm25(ug/m3)", "temp(C)", "geolocation", "ok"]
    assert row[2:] == ["3.5", "", "51.4,6.1,13", "true"]


def test_every_node_and_every_day_of_utc_has_a_file(tmp_path):
    other = Ident("Demo", "k2")
    publish(tmp_path, data(-1, pm25=1.0), data(0, pm25=2.0), data(0, other, rh=40.0))

    assert names(tmp_path) == [
        "Demo_k1_2023-11-14.csv",
        "Demo_k1_2023-11-15.csv",
        "Demo_k2_2023-11-15.csv",
    ]


def test_other_columns_begin_another_file_and_return_to_the_first(tmp_path, today):
    publish(tmp_path, data(1, pm25=1.0), data(2, rh=40.0), data(3, o3=5.0), data(4, pm25=4.0), data(5, rh=41.0))

    times = {name: [row[1][-1] for row in table(tmp_path / name)[1:]] for name in names(tmp_path)}
    assert times == {
        "Demo_k1_2023-11-15.csv": ["1", "4"],
        "Demo_k1_2023-11-15-2.csv": ["2", "5"],
        "Demo_k1_2023-11-15-3.csv": ["3"],
    }


def test_a_field_that_the_ident_names_twice_has_one_column(tmp_path, today):
    publish(tmp_path, data(1, Ident("Demo", "k1", fields=(Field("temp", "C"), Field("temp", "F"))), temp=20))

    assert [row[2:] for row in table(today)] == [["temp(C)"], ["20"]]


def test_no_value_takes_the_place_of_the_time(tmp_path, today):
    publish(tmp_path, data(1, Ident("Demo", "k1"), **{"time": 5, "unix(s)": 6, "x": 7}))

    assert table(today) == [["time", "unix(s)", "x"], ["2023-11-15T00:00:01Z", "1700006401", "7"]]


def test_a_changed_unit_begins_another_file(tmp_path):
    publish(tmp_path, data(1, pm25=1.0))
    publish(tmp_path, data(2, Ident("Demo", "k1", fields=(Field("pm25", "pcs/qf"),)), pm25=400))

    assert table(tmp_path / "Demo_k1_2023-11-15-2.csv") == [
        ["time", "unix(s)", "pm25(pcs/qf)"],
        ["2023-11-15T00:00:02Z", "1700006402", "400"],
    ]


@pytest.mark.parametrize("content", [b"something else\n1\n", b'time,unix(s),"open\nfor ever' + b"x" * 200_000])
def test_a_file_of_somebody_else_is_left_as_it_is(tmp_path, today, content):
    today.write_bytes(content)
    publish(tmp_path, data(1, pm25=1.0))

    assert today.read_bytes() == content
    assert len(table(tmp_path / "Demo_k1_2023-11-15-2.csv")) == 2


def test_idents_and_notes_go_beside_as_json_lines(tmp_path):
    telegrams = [IDENT, Note(IDENT, DAY, "stuck", "dylos"), data(1, pm25=1.0), IDENT]
    for _ in range(2):
        publish(tmp_path, *telegrams)

    lines = (tmp_path / "Demo_k1_info.jsonl").read_text().splitlines()
    assert list(wire.decode(lines)) == telegrams[:2]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_of_strangers_is_no_formula(tmp_path, today, text):
    publish(tmp_path, data(1, say=text, **{text: -5.5}))

    head, row = table(today)
    assert head[4:] == ["say", f"'{text}"]
    assert row[4:] == [f"'{text}", "-5.5"]


@pytest.mark.parametrize("text", ['a "b", c', "two\nlines", "two\r\nlines", "ünï ✓", " spaces ", "semi;colon"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_text_comes_back_as_it_was_and_is_recognized(tmp_path, today, text, delimiter):
    for _ in range(2):
        publish(tmp_path, data(1, say=text), data(2, say=text), delimiter=delimiter)

    assert [row[-1] for row in table(today, delimiter)] == ["say", text, text]


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "..", "x" * 65, "a\0b"])
def test_a_name_of_a_stranger_does_not_leave_the_directory(tmp_path, name):
    folder = tmp_path / "in" / "here"
    for telegram in (data(1, Ident(name, "s"), x=1), data(1, Ident("p", name), x=1), Ident("p", name)):
        with pytest.raises(RejectedError):
            publish(folder, telegram)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_time_beyond_every_calendar_is_rejected_and_nothing_is_written(tmp_path):
    with pytest.raises(RejectedError, match="no calendar"):
        publish(tmp_path, IDENT, data(1, x=1), Data(IDENT, 10**30, {"x": 1}))

    assert names(tmp_path) == []


def test_a_second_delivery_adds_nothing_whatever_the_batches_are(tmp_path, today):
    telegrams = [data(n, pm25=float(n)) for n in range(10)]
    publish(tmp_path, *telegrams)
    once = today.read_bytes()
    publish(tmp_path, *telegrams[:3])
    with Publisher(directory=tmp_path) as publisher:
        publisher.publish(telegrams[3:8])
        publisher.publish(telegrams[5:])
        publisher.publish(telegrams)

    assert today.read_bytes() == once


def test_late_data_and_two_telegrams_of_one_time_are_all_there(tmp_path, today):
    late = [data(5, pm25=5.0), data(3, pm25=3.0), data(5, temp=5.0), data(5, pm25=6.0)]
    with Publisher(directory=tmp_path) as publisher:
        for telegram in (*late, *late):
            publisher.publish([telegram])

    assert [row[2:] for row in table(today)[1:]] == [["5.0", ""], ["3.0", ""], ["", "5.0"], ["6.0", ""]]


@pytest.mark.parametrize("text", ["", "several\nlines\nof text\n"])
def test_whatever_a_crash_has_left_is_completed(tmp_path, today, text):
    telegrams = [data(n, pm25=float(n), say=text) for n in (1, 2)]
    publish(tmp_path, *telegrams)
    whole = today.read_bytes()
    for kept in range(len(whole)):
        for rest in (b"", b"\0" * 300):
            today.write_bytes(whole[:kept] + rest)
            publish(tmp_path, *telegrams)
            assert table(today) == [
                ["time", "unix(s)", "pm25(ug/m3)", "temp(C)", "say"],
                ["2023-11-15T00:00:01Z", "1700006401", "1.0", "", text],
                ["2023-11-15T00:00:02Z", "1700006402", "2.0", "", text],
            ], (kept, rest)
            assert names(tmp_path) == [today.name]


def test_a_torn_line_beside_is_completed(tmp_path):
    publish(tmp_path, IDENT, Note(IDENT, DAY, "up"))
    path = tmp_path / "Demo_k1_info.jsonl"
    whole = path.read_bytes()
    for kept in range(len(whole)):
        path.write_bytes(whole[:kept])
        publish(tmp_path, IDENT, Note(IDENT, DAY, "up"))
        assert path.read_bytes().replace(b"\r", b"") == whole


def test_the_edits_of_a_person_stay(tmp_path, today):
    with Publisher(directory=tmp_path) as publisher:
        publisher.publish([data(1, pm25=1.0), data(2, pm25=2.0)])
        edited = '\ufefftime,unix(s),pm25(ug/m3),temp(C)\n2023-11-15T00:00:02Z,1700006402,"2.0",\nrain began, by hand'
        today.write_text(edited, encoding="utf-8")
        publisher.publish([data(2, pm25=2.0), data(3, pm25=3.0)])

    assert today.read_bytes() == edited.encode() + b"\r\n2023-11-15T00:00:03Z,1700006403,3.0,\r\n"


def test_a_file_that_an_editor_saved_with_other_line_ends_is_recognized(tmp_path, today):
    publish(tmp_path, data(1, pm25=1.0))
    saved = today.read_bytes().replace(b"\r\n", b"\n")
    today.write_bytes(saved)
    publish(tmp_path, data(1, pm25=1.0), data(2, pm25=2.0))

    assert today.read_bytes() == saved + b"2023-11-15T00:00:02Z,1700006402,2.0,\r\n"


def test_a_file_that_is_deleted_or_replaced_meanwhile_is_begun_again(tmp_path, today):
    with Publisher(directory=tmp_path) as publisher:
        publisher.publish([data(1, pm25=1.0)])
        today.rename(tmp_path / "moved away")
        publisher.publish([data(2, pm25=2.0)])

    assert [row[1] for row in table(today)] == ["unix(s)", "1700006402"]


def test_a_full_disk_leaves_whole_rows_only_and_the_rest_comes_later(tmp_path, today):
    with Publisher(directory=tmp_path) as publisher:
        publisher.publish([data(n, pm25=float(n)) for n in range(5)])
        before = today.read_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
        try:
            for batch in ([data(n, pm25=float(n)) for n in range(5, 15)], [data(n, say="x" * 999) for n in range(9)]):
                with pytest.raises(OSError) as full:
                    publisher.publish(batch)
                assert full.value.errno == errno.EFBIG
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, ignored)
        assert (today.read_bytes(), names(tmp_path)) == (before, [today.name])
        publisher.publish([data(n, pm25=float(n)) for n in range(5, 15)])

    assert names(tmp_path) == [today.name]
    assert [row[1] for row in table(today)[1:]] == [str(1_700_006_400 + n) for n in range(15)]


def test_a_kill_at_any_moment_gives_every_row_once(tmp_path, today):
    script = (
        "import sys; from pathlib import Path; from mysense.channels.csv import Publisher; from mysense import wire\n"
        "p = Publisher(directory=Path(sys.argv[1])); p.open(); t = list(wire.decode(open(sys.argv[2])))\n"
        "print('go', flush=True)\n"
        "for n in range(0, len(t), 50): p.publish(t[n:n+50])\n"
    )
    telegrams = [data(n, pm25=n / 7, say="line\nbreak") for n in range(2000)]
    source = tmp_path / "source"
    source.write_text("\n".join([wire.encode(IDENT), *map(wire.encode, telegrams)]))
    folder = tmp_path / "out"
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", script, folder, source], stdout=subprocess.PIPE)
        process.stdout.readline()
        while not (folder / today.name).exists():
            assert process.poll() is None
        process.kill()
        process.communicate()
    publish(folder, IDENT, *telegrams)

    rows = table(folder / today.name)
    assert [float(row[2]) for row in rows[1:]] == [n / 7 for n in range(2000)]
    assert names(folder) == [today.name, "Demo_k1_info.jsonl"]


def test_a_new_file_is_put_on_the_disk_and_so_is_its_name(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def remember(handle):
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", remember)
    publish(tmp_path, data(1, pm25=1.0), data(2, pm25=2.0))

    assert synced == [tmp_path / "Demo_k1_2023-11-15.csv", tmp_path]


def test_of_many_files_only_some_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(channel, "FILES", 3)
    telegrams = [data(n, Ident("Demo", f"k{n % 10}"), pm25=float(n)) for n in range(40)]
    with Publisher(directory=tmp_path) as publisher:
        for begin in (*range(0, 40, 7), 0):
            publisher.publish(telegrams[begin : begin + 7])
            assert len(publisher._sheets) <= 3

    assert sum(len(table(path)) - 1 for path in tmp_path.iterdir()) == 40


def test_what_is_passed_over_is_put_on_the_disk_all_the_same(tmp_path, monkeypatch):
    publish(tmp_path, data(1, pm25=1.0))
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    publish(tmp_path, data(1, pm25=1.0))

    assert len(synced) == 1


@pytest.mark.parametrize("text", ["", "ab", "a", "5", '"', ".", "\n"])
def test_a_delimiter_that_would_not_work_is_refused(text):
    with pytest.raises(ConfigError, match="cannot stand between two cells"):
        options.parse(Publisher, {"directory": "x", "delimiter": text}, lambda name: f"{name}:")


def test_check_says_how_much_room_there_is_and_makes_nothing(tmp_path):
    folder = tmp_path / "a" / "b"

    assert "GB free (the folder will be made)" in Publisher(directory=folder).check()
    assert not folder.parent.exists()


def test_check_says_where_it_may_not_write(tmp_path):
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(OSError, match=f"cannot write in {file}"):
        Publisher(directory=file).check()


def test_the_page_shows_what_happens(tmp_path):
    page = (Path(__file__).parent.parent / "docs" / "csv.md").read_text(encoding="utf-8")
    [session] = re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LC_ALL": "C", "PYTHONPATH": str(Path.cwd())}
    (tmp_path / "mysense").write_text(f'#!/bin/sh\nexec {sys.executable} -m mysense "$@"\n')
    (tmp_path / "mysense").chmod(0o755)
    for step in session.removeprefix("$ ").split("\n$ "):
        command, _, shown = step.partition("\n")
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=env, text=True, capture_output=True, timeout=60)
        assert done.stdout + done.stderr == f"{shown.rstrip()}\n"


def test_the_channel_is_tried_from_the_command_line(tmp_path):
    command = [sys.executable, "-m", "mysense.channels.csv", "publish", "--directory", tmp_path, "--delimiter", "tab"]
    for _ in range(2):
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    files = [path for path in Path(tmp_path).iterdir() if path.suffix == ".csv"]
    assert files
    assert sum(len(table(path, "\t")) - 1 for path in files) == 3
