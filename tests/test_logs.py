"""Logging: to standard error, a file or syslog, and never in the way of a sensor."""

import logging
import socket
import threading

import pytest

from mysense import logs
from mysense.settings import LoggingOptions
from tests.kit import until


@pytest.fixture
def no_syslog(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "SYSLOG", str(tmp_path / "log"))
    return tmp_path / "log"


def test_a_slow_handler_holds_nobody_up(monkeypatch):
    door, told = threading.Event(), []

    class Slow(logging.Handler):
        def emit(self, record):
            assert door.wait(20)
            told.append(record.getMessage())

    monkeypatch.setattr(logs, "_handler", lambda file: Slow())
    with logs.setup(LoggingOptions()):
        for n in range(100):
            logs.log.warning("line %d", n)
        before = list(told)
        door.set()

    assert before == []
    assert told == [f"line {n}" for n in range(100)]


def test_a_file_gets_what_its_level_asks_for(tmp_path, capsys):
    file = tmp_path / "deep" / "mysense.log"
    with logs.setup(LoggingOptions(file=str(file), level="warning")):
        logs.log.info("not this")
        logs.log.warning("naïve")
    logs.log.warning("after the end")

    assert file.read_text(encoding="utf-8").rstrip().endswith("WARNING naïve")
    assert file.read_text(encoding="utf-8").count("\n") == 1
    assert capsys.readouterr().err == ""


def test_standard_error_has_a_time_unless_systemd_adds_it(capsys, monkeypatch):
    for stream, begins in (("", "20"), ("8:1", "WARNING")):
        monkeypatch.setenv("JOURNAL_STREAM", stream)
        with logs.setup(LoggingOptions()):
            logs.log.warning("x")
        assert capsys.readouterr().err.startswith(begins)


def test_syslog_is_told(no_syslog):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(no_syslog))
        server.settimeout(20)
        with logs.setup(LoggingOptions(file="syslog")):
            logs.log.error("it burns")

        assert b"mysense: ERROR: it burns" in server.recv(1000)


def test_without_syslog_standard_error_is_told_once(no_syslog, capsys):
    with logs.setup(LoggingOptions(file="syslog")):
        logs.log.error("it burns")
    said = capsys.readouterr().err

    assert said.count("there is no") == 1
    assert "it burns" in said
    assert "Traceback" not in said


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path):
    file, old = tmp_path / "mysense.log", tmp_path / "mysense.log.1"
    with logs.setup(LoggingOptions(file=str(file))):
        logs.log.warning("before")
        until(lambda: file.exists() and "before" in file.read_text())
        file.rename(old)
        logs.log.warning("after")

    assert "after" in file.read_text()
    assert "after" not in old.read_text()


def test_the_level_can_be_changed_while_it_runs(tmp_path):
    file = tmp_path / "mysense.log"
    with logs.setup(LoggingOptions(file=str(file))):
        logs.log.debug("not yet")
        logs.set_level(LoggingOptions(level="debug"))
        logs.log.debug("now")

    assert [line.split()[-1] for line in file.read_text().splitlines()] == ["now"]
