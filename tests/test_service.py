"""The kit as a service: what systemd hears of it, the unit it is given, and the command that installs it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from mysense import config, daemon
from mysense.cli import installing
from mysense.systemd import files
from mysense.systemd.notify import Service
from mysense.testing.clock import ManualClock
from tests.kit import Kit, mysense, until
from tests.test_daemon import Collector, Counter, Hanging, Running, settings

ROOT = Path(__file__).parent.parent


class Systemd:
    """The end that systemd listens at, played by a test."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.setblocking(False)
        self.heard = []

    def words(self):
        """Everything that was said so far, one list for each message."""
        while True:
            try:
                self.heard.append(self.socket.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return self.heard

    def said(self, word):
        """How often a word was said."""
        return sum(word in message for message in self.words())


@pytest.fixture(params=["path", "abstract"])
def address(request, tmp_path):
    return str(tmp_path / "notify") if request.param == "path" else f"@mysense-test-{os.getpid()}-{time.monotonic_ns()}"


@pytest.fixture
def systemd(address, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "4000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    manager = Systemd(address)
    yield manager
    manager.socket.close()


def test_it_is_ready_alive_and_stopping_in_this_order(systemd):
    clock = ManualClock()
    service = Service(clock)
    service.ready("2 of 2 at work")
    for _ in range(8):  # a quarter of WatchdogSec is a second
        service.alive("2 of 2 at work")
        clock.advance(0.5)
    service.alive("1 of 2 at work")
    service.stopping()

    assert systemd.words() == [
        ["READY=1", "STATUS=2 of 2 at work"],
        *[["WATCHDOG=1"]] * 4,
        ["STATUS=1 of 2 at work", "WATCHDOG=1"],
        ["STOPPING=1", "STATUS=stopping"],
    ]


def test_a_reload_carries_the_time_that_systemd_compares(systemd):
    before = time.monotonic_ns() // 1000
    Service(ManualClock()).reloading()
    [[word, stamp]] = systemd.words()

    assert word == "RELOADING=1"
    assert before <= int(stamp.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_without_systemd_nothing_is_told_and_nothing_fails(tmp_path):
    for env in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "1000000"}):
        service = Service(ManualClock(), env)
        service.ready("")
        service.alive("x")
        service.stopping()

        assert service.watched is bool(env)


def test_the_watchdog_of_another_process_is_not_ours(systemd, monkeypatch):
    monkeypatch.setenv("WATCHDOG_PID", "1")
    Service(ManualClock()).alive("")

    assert systemd.said("WATCHDOG=1") == 0


@pytest.fixture
def run(tmp_path):
    started = []

    def start(*ends):
        started.append(Running(settings(tmp_path, *ends)))
        return started[-1]

    yield start
    Hanging.done.set()
    for running in started:
        if running.thread.is_alive():
            running.stop()


def test_a_stuck_sensor_does_not_restart_the_kit(systemd, run):
    Hanging.done.clear()
    kit = run(("sensor:hanging", Hanging()), ("sensor:counter", Counter()), ("publisher:far", Collector()))
    kit.pass_time(lambda: kit.daemon.sources[0].status.state == "stuck")
    before = systemd.said("WATCHDOG=1")
    kit.pass_time(lambda: systemd.said("WATCHDOG=1") >= before + 3)

    assert any("STATUS=2 of 3 at work; sensor:hanging stuck: does not" in message[0] for message in systemd.words())


def test_a_journal_whose_writer_hangs_lets_the_watchdog_bite(systemd, run, monkeypatch):
    monkeypatch.setattr(daemon, "STALLED", 0.1)
    kit = run(("publisher:far", Collector()))
    kit.pass_time(lambda: systemd.said("WATCHDOG=1"))
    card = threading.Event()
    hanging = threading.Thread(target=lambda: kit.daemon.journal._do(lambda db: card.wait(20)))
    hanging.start()
    until(lambda: kit.daemon.journal.stalled() > 0.1)
    with kit.daemon._turn:  # a look that had begun before is over
        before = systemd.said("WATCHDOG=1")
    for _ in range(10):
        kit.clock.advance(2)
        kit.daemon.supervise()
    during = systemd.said("WATCHDOG=1")
    card.set()
    hanging.join()
    kit.pass_time(lambda: systemd.said("WATCHDOG=1") > during)

    assert during == before


CONF = """
[id]
project = Kit
serial = service
[daemon]
interval = 1
[sensor:simulated]
interval = 0.2
[publisher:csv]
directory = {folder}/csv
"""


def test_a_daemon_tells_systemd_its_whole_life(systemd, tmp_path):
    kit = Kit(tmp_path, CONF.format(folder=tmp_path))
    try:
        kit.start()
        until(lambda: systemd.said("WATCHDOG=1") >= 2)
        kit.process.send_signal(signal.SIGHUP)
        until(lambda: systemd.said("READY=1") == 2)
        kit.stop()
    finally:
        kit.kill()

    order = [
        message[0] for message in systemd.words() if message[0] not in ("WATCHDOG=1",) and "STATUS" not in message[0]
    ]
    assert order == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


# The unit


def unit():
    """The lines of the unit, as option and value."""
    lines = (ROOT / "contrib" / "mysense.service").read_text().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and line[0] not in "#["]


def test_the_unit_is_shut_as_far_as_sensors_allow():
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", ROOT / "contrib" / "mysense.service"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    found = re.search(r"Overall exposure level for mysense.service: ([\d.]+)", done.stdout)

    assert found, done.stderr
    assert float(found[1]) <= 3.0


@pytest.mark.parametrize("own", [False, True])
def test_systemd_understands_the_unit(tmp_path, own):
    program, conf = str(Path(sys.executable).with_name("mysense")), tmp_path / "My 100% Sense.conf"
    made = files.user(tmp_path, program, conf) if own else files.system(program, conf)
    (tmp_path / "mysense.service").write_text(made[-1].text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *(["--user"] if own else []), tmp_path / "mysense.service"],
        capture_output=True, text=True, timeout=60, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip

    assert [line for line in (done.stdout + done.stderr).splitlines() if "mysense.service" in line] == []


def test_the_sensors_are_within_reach():
    said = unit()
    allowed = {value for name, value in said if name == "DeviceAllow"}

    assert ("SupplementaryGroups", "dialout i2c spi gpio") in said
    assert {"char-188 rw", "char-166 rw", "char-204 rw", "char-4 rw", "char-89 rw", "char-gpiochip rw"} <= allowed
    assert ("ProcSubset", "pid") not in said  # the serial number of the Pi is in /proc/cpuinfo
    assert not {name for name, _ in said} & {"PrivateDevices", "PrivateUsers", "PrivateNetwork"}


def test_groups_of_the_unit_are_made_and_get_the_devices():
    made = re.findall(r"^g (\w+)", (ROOT / "contrib" / "sysusers.conf").read_text(), re.MULTILINE)
    member = re.findall(r"^m mysense (\w+)", (ROOT / "contrib" / "sysusers.conf").read_text(), re.MULTILINE)
    ruled = re.findall(r'GROUP="(\w+)"', (ROOT / "contrib" / "70-mysense.rules").read_text())
    [groups] = [value.split() for name, value in unit() if name == "SupplementaryGroups"]

    assert made == member == ruled == groups


def test_every_rule_of_udev_is_well_formed():
    lines = [x for x in (ROOT / "contrib" / "70-mysense.rules").read_text().splitlines() if x and x[0] != "#"]
    pair = r'(SUBSYSTEM|KERNEL|ATTRS\{\w+\})=="[^"]+"|(GROUP|MODE|ENV\{\w+\})="[^"]+"'

    assert lines
    assert [line for line in lines if not all(re.fullmatch(pair, part) for part in line.split(", "))] == []


# mysense install-service


@pytest.fixture
def image(tmp_path):
    return tmp_path / "image"


def install(image, *args, code=0):
    return mysense("install-service", "--root", image, *args, code=code, stdin=subprocess.DEVNULL)


def test_a_service_is_installed_into_an_image(image):
    said = install(image).stdout
    program = Path(sys.executable).with_name("mysense")

    text = (image / "etc/systemd/system/mysense.service").read_text()
    assert f"ExecStart={program} run -c /etc/mysense/MySense.conf\n" in text
    assert (image / "etc/udev/rules.d/70-mysense.rules").is_file()
    assert (image / "etc/sysusers.d/mysense.conf").is_file()
    conf = image / "etc/mysense/MySense.conf"
    assert conf.stat().st_mode & 0o777 == 0o640
    assert [end.section for end in config.load(conf).of("sensor")] == ["sensor:simulated"]
    for command in ("systemd-sysusers", "udevadm control --reload", "systemctl daemon-reload", "chgrp mysense"):
        assert f"to be run there: {command}" in said


def test_the_second_time_nothing_is_written(image):
    install(image)
    conf = image / "etc/mysense/MySense.conf"
    conf.write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in image.rglob("*")}
    said = install(image).stdout

    assert {path: path.stat().st_mtime_ns for path in image.rglob("*")} == before
    assert "to be run" not in said
    assert "stays as it is" in said


@pytest.mark.parametrize("how", ["install", "uninstall"])
def test_a_file_that_somebody_changed_is_not_touched_unless_it_is_wished(image, how):
    install(image)
    words = ["--uninstall"] if how == "uninstall" else []
    unit = image / "etc/systemd/system/mysense.service"
    rules = image / "etc/udev/rules.d/70-mysense.rules"
    unit.write_text("mine")
    rules.unlink()
    done = install(image, *words, code=1)

    assert f"{unit} is not as mysense writes it; --force" in done.stderr
    assert unit.read_text() == "mine"
    assert not rules.exists()  # before anything is written it is asked
    install(image, *words, "--force")
    assert unit.exists() is (how == "install")


def test_a_dry_run_shows_all_and_writes_nothing(image):
    said = install(image, "--dry-run").stdout

    assert not image.exists()
    assert "WatchdogSec=" in said
    assert "would run: systemctl daemon-reload" in said


def test_uninstalling_leaves_configuration_and_journal(image):
    install(image)
    said = install(image, "--uninstall").stdout

    assert [str(path.relative_to(image)) for path in image.rglob("*") if path.is_file()] == ["etc/mysense/MySense.conf"]
    assert "systemctl disable --now mysense" in said


@contextmanager
def programs(folder, *names):
    """Programs that only write down what they were asked for."""
    folder.mkdir()
    for name in names:
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{folder}/asked\n')
        (folder / name).chmod(0o755)
    (folder / "asked").touch()
    yield {**os.environ, "PATH": f"{folder}:/usr/bin:/bin", "XDG_CONFIG_HOME": str(folder.parent / "config")}


def test_a_service_of_ones_own_needs_no_root(tmp_path):
    conf = tmp_path / "MySense.conf"
    conf.write_text(CONF.format(folder=tmp_path))
    unit = tmp_path / "config" / "systemd" / "user" / "mysense.service"
    with programs(tmp_path / "bin", "systemctl") as env:
        said = mysense("install-service", "--user", "-c", conf, env=env).stdout
        text = unit.read_text()
        mysense("install-service", "--user", "--uninstall", env=env)

    assert "enable-linger" in said
    assert f" run -c {conf}\n" in text
    assert "\nUser=" not in text
    assert not unit.exists()
    assert (tmp_path / "bin" / "asked").read_text().splitlines() == [
        "systemctl --user daemon-reload",
        "systemctl --user disable --now mysense",
        "systemctl --user daemon-reload",
    ]


def test_a_machine_without_systemd_is_told(tmp_path):
    conf = tmp_path / "MySense.conf"
    conf.write_text(CONF.format(folder=tmp_path))
    with programs(tmp_path / "bin") as env:
        said = mysense("install-service", "--user", "-c", conf, env={**env, "PATH": str(tmp_path / "bin")}).stdout

    assert "there is no systemctl here: passed over" in said


def test_a_program_in_somebodys_home_cannot_be_a_service_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(installing.os, "getuid", lambda: 0)
    monkeypatch.setattr(installing, "HOMES", (tmp_path,))
    installing._must_be_possible()
    monkeypatch.setattr(installing.sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
    with pytest.raises(click.ClickException, match="/opt/mysense"):
        installing._must_be_possible()


# Where the files of the machine's kit are


def test_the_kit_of_the_machine_keeps_its_journal_where_its_service_does():
    text = "[sensor:simulated]\n"

    assert config.parse(text, Path("/etc/mysense/MySense.conf")).journal.file() == Path("/var/lib/mysense/journal.db")
    assert config.parse(text, Path("MySense.conf")).journal.path == Path()
