"""``mysense init``, as somebody uses it who has just plugged in his sensors; these are simulated."""

import json
import signal
import stat
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from mysense import config, draft, finding
from mysense.finding import Device, Places
from mysense.hardware.serial import connect
from mysense.sensors._ports import named, uarts
from mysense.testing.chips.bme280 import Chip as Bme280
from mysense.testing.devices import sds011
from mysense.testing.i2c import SimulatedBus
from mysense.testing.kit import SimulatedKit, names
from mysense.testing.sysfs import Sysfs
from tests.dialogue import Dialogue
from tests.kit import Kit, mysense, until

BOUND = 45
"""Seconds in which a kit of which every device answers is looked at and tried, on a machine that others use."""


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """One of everything that people have two of, and an SPS30."""
    sensors = ["bme280", "bme280", "scd4x", "sds011", "sds011", "sps30", "ds18b20", "pi"]
    with pytest.MonkeyPatch.context() as patch, SimulatedKit(tmp_path_factory.mktemp("kit"), sensors) as kit:
        patch.setattr(sds011.Device, "warm_up", 1e-9)  # else it may say 0 just after it was woken
        kit.lines[1].device.name = bytes.fromhex("B271")
        yield kit


@pytest.fixture(scope="module")
def written(kit, tmp_path_factory):
    """What ``init --yes`` said, and the file."""
    path = tmp_path_factory.mktemp("written") / "MySense.conf"
    done = subprocess.run(
        [sys.executable, "-m", "mysense", "init", *kit.flags, "--yes", "-o", path],
        capture_output=True, text=True, timeout=BOUND,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr, path


def test_everything_is_found_and_read(written):
    said, _ = written

    for section in ("bme280:0x76", "bme280:0x77", "scd4x", "sds011:A160", "sds011:B271", "sps30", "ds18b20", "pi"):
        assert f"\nsensor:{section} " in said
    readings = said.partition("Trying")[2]
    assert "FAILED" not in readings
    assert "no reading" not in readings
    assert "°C" in readings
    assert "not warm yet" in readings


def test_the_file_is_valid_and_each_section_means_one_device(kit, written):
    _, path = written
    ends = {end.section: end.plugin for end in config.load(path).ends}

    assert [f"{int(ends[f'sensor:bme280:{at}'].i2c):#x}" for at in ("0x76", "0x77")] == ["0x76", "0x77"]
    assert [(ends[f"sensor:sds011:{id}"].port, ends[f"sensor:sds011:{id}"].device) for id in ("A160", "B271")] == [
        (kit.ports[0], "A160"),
        (kit.ports[1], "B271"),
    ]
    assert ends["sensor:sps30"].port == kit.ports[2]
    assert not ends["sensor:sps30"].device  # the only one may be exchanged
    assert "publisher:console" in ends


def test_check_tries_what_init_wrote(written):
    _, path = written
    rows = {row["section"]: row for row in json.loads(mysense("check", "-c", path, "--json").stdout)}

    assert all(row["ok"] for row in rows.values())
    assert rows["sensor:bme280:0x77"]["values"].keys() == {"temp_0x77", "rh_0x77", "hpa_0x77"}
    assert "°C" in rows["sensor:bme280:0x77"]["text"]
    assert "0x77" in rows["sensor:bme280:0x77"]["text"]
    assert rows["sensor:sds011:B271"]["values"]["pm25_B271"] > 0
    assert "B271" in rows["sensor:sds011:B271"]["text"]


def test_a_kit_of_that_file_measures(written, tmp_path):
    _, path = written
    conf = path.read_text().replace("[publisher:console]", f"[publisher:console]\nfile = {tmp_path / 'said'}")
    conf = conf.replace("#interval = 1 min", "interval = 2").replace("[journal]", "")
    kit = Kit(tmp_path, conf)
    try:
        kit.start()
        until(lambda: kit.status()["journal"]["last"] >= 4)
        checked = json.loads(mysense("check", "-c", kit.conf, "--json", code=None).stdout)
    finally:
        kit.kill()

    assert "temp_0x77" in (tmp_path / "said").read_text()
    at_work = [row["section"] for row in checked if f"at work in process {kit.process.pid}" in row["text"]]
    assert {"sensor:bme280:0x76", "sensor:sds011:A160", "sensor:sds011:B271"} <= {*at_work}


def test_json_shows_what_is_there_and_writes_nothing(kit, tmp_path):
    done = mysense("init", "--json", "--bus", kit.bus, "--root", kit.root, cwd=tmp_path)
    said = json.loads(done.stdout)

    assert {device["sensor"] for device in said["found"]} == {"bme280", "scd4x", "ds18b20", "pi"}
    assert [trial for trial in said["tried"] if not (trial["ok"] and trial["values"])] == []
    assert said["wrote"] is None
    assert done.stderr == ""
    assert not (tmp_path / "MySense.conf").exists()


def test_a_file_that_is_there_is_never_overwritten_unasked(kit, tmp_path):
    conf = tmp_path / "MySense.conf"
    conf.write_text("[id]\nproject = Mine\nlabel = shed\n")
    conf.chmod(0o640)
    tree = ("init", "--root", kit.root)

    refused = mysense(*tree, "--yes", code=1, cwd=tmp_path).stderr
    with Dialogue(*tree, cwd=tmp_path) as dialogue:
        dialogue.answer("is there already", "n")
        dialogue.ends(1)
    assert "Mine" in conf.read_text()
    mysense(*tree, "--yes", "--force", cwd=tmp_path)

    assert "--force" in refused
    settings = config.load(conf)
    assert (settings.identity.project, settings.identity.label) == ("Mine", "shed")  # who it was, it still is
    assert {end.section for end in settings.ends} == {"sensor:ds18b20", "sensor:pi", "publisher:console"}
    assert stat.S_IMODE(conf.stat().st_mode) == 0o640


def test_it_asks_little_and_again_where_an_answer_cannot_be(kit, tmp_path):
    conf = tmp_path / "kit.conf"
    with Dialogue("init", "--root", kit.root, "-o", conf) as person:
        person.answer("Project [Demo]: ", "Air quality")
        person.hear("cannot be a name")
        person.answer("Project [Demo]: ", "")
        person.answer("Label", "shed")
        person.answer("Location", "north")
        person.hear("write lat,lon or lat,lon,alt in degrees and metres")
        person.answer("Location", "")
        person.answer("Publish to", "csv, influx")
        person.hear("did you mean 'influxdb'?")
        person.answer("Publish to", "")
        person.ends()

    settings = config.load(conf)
    assert (settings.identity.project, settings.identity.label, settings.identity.geolocation) == ("Demo", "shed", None)
    assert settings.ends[-1].section == "publisher:console"
    assert stat.S_IMODE(conf.stat().st_mode) == 0o644


def test_a_password_is_not_shown_and_for_nobody_else_to_read(kit, tmp_path):
    conf = tmp_path / "kit.conf"
    with Dialogue("init", "--root", kit.root, "-o", conf) as person:
        for question, text in (
            ("Project", "BdP"), ("Label", "shed"), ("Location", "51.5,6.1,20"), ("Publish to", "csv,influxdb"),
            ("csv: directory", tmp_path / "csv"), ("influxdb: hostname", "influx.example.org"),
            ("influxdb: user", "ios"), ("influxdb: password", "a${b"),
        ):  # fmt: skip
            person.answer(question, str(text))
        person.hear("goes into a file")  # it would be a variable of the environment
        person.answer("influxdb: password", "se#cr;et = [1]")
        said = person.ends()

    settings = config.load(conf)
    ends = {end.section: end.plugin for end in settings.ends}
    assert ends["publisher:influxdb"].password == "se#cr;et = [1]"
    assert ends["publisher:influxdb"].hostname == "influx.example.org"
    assert ends["publisher:csv"].directory == tmp_path / "csv"
    assert str(settings.identity.geolocation) == "51.5,6.1,20"
    assert "cr;et" not in said
    assert stat.S_IMODE(conf.stat().st_mode) == 0o600
    assert settings.notices == ()
    assert f"mysense -c {conf} run" in said


def test_without_a_person_it_says_how_to_go_on(kit, tmp_path):
    done = mysense("init", "--root", kit.root, code=2, cwd=tmp_path, stdin=subprocess.DEVNULL)

    assert "--yes" in done.stderr
    assert len(done.stderr.splitlines()) <= 4


def test_no_sensor_gives_a_simulated_one(tmp_path):
    done = mysense("init", "--root", tmp_path / "nothing", "--yes", cwd=tmp_path)

    assert "No sensor was found" in done.stderr
    assert [end.section for end in config.load(tmp_path / "MySense.conf").ends] == [
        "sensor:simulated",
        "publisher:console",
    ]


def test_what_is_not_complete_is_switched_off_and_told(tmp_path):
    with SimulatedKit(tmp_path, ["spec_dgs"]) as kit:
        done = mysense("init", *kit.flags, "--yes", "-o", tmp_path / "kit.conf", "--publisher", "csv")

    assert "[sensor:spec_dgs] is switched off until its gas is set" in done.stderr
    assert "[publisher:csv] is switched off until its directory is set" in done.stderr
    assert config.load(tmp_path / "kit.conf").ends == ()


def test_a_port_that_another_program_has_is_told(tmp_path):
    with SimulatedKit(tmp_path, ["sds011"]) as kit:
        line = connect(kit.ports[0], 9600, 0.1)
        try:
            found = finding.find(Places(ports=kit.ports))
        finally:
            line.close()

    assert found == [Device(kit.ports[0], f"{kit.ports[0]} is in use by another program")]


def test_a_bus_that_is_not_there_is_told_and_hides_nothing(tmp_path):
    Sysfs(tmp_path).probe()
    found = finding.find(Places(buses=["unix:/nowhere"], root=tmp_path))

    assert [device.sensor for device in found] == ["", "ds18b20"]
    assert "/nowhere" in found[0].what


def test_a_bus_without_a_known_chip_is_told(tmp_path):
    with SimulatedBus({0x3C: Bme280()}).served(tmp_path / "bus") as bus:  # where displays are
        found = finding.find(Places(buses=[bus]))

    assert found == [Device(f"I2C bus {bus}", "no chip answers here that mysense knows")]


def test_a_daemon_at_work_keeps_its_sensors(tmp_path):
    kit = Kit(tmp_path, "[sensor:simulated]\n[publisher:console]\n")
    try:
        kit.start()
        refused = mysense("init", "--json", code=1, cwd=tmp_path).stderr
    finally:
        kit.kill()

    assert f"process {kit.process.pid} is at work" in refused
    assert "stop it first" in refused


def test_a_link_stays_one(kit, tmp_path):
    (tmp_path / "real.conf").write_text("[id]\n")
    (tmp_path / "MySense.conf").symlink_to("real.conf")
    mysense("init", "--root", kit.root, "--yes", "--force", cwd=tmp_path)

    assert (tmp_path / "MySense.conf").is_symlink()
    assert "sensor:pi" in (tmp_path / "real.conf").read_text()


def test_a_receiver_is_found_and_says_where_the_kit_stands(tmp_path):
    with SimulatedKit(tmp_path, ["gpsd"]) as kit:
        mysense("init", *kit.flags, "--yes", "-o", tmp_path / "kit.conf")
        [receiver] = finding.find(Places(gpsd=kit.gpsd))
        port = receiver.what.rpartition(" ")[2]
        assert finding.find(Places(ports=[port], gpsd=kit.gpsd)) == [receiver]  # the port is left to gpsd

    settings = config.load(tmp_path / "kit.conf")
    assert str(settings.identity.geolocation).startswith("51.5,6.1,")
    assert settings.ends[0].plugin.port == kit.gpsd


def test_a_chip_that_the_kernel_reads_is_found_once(tmp_path):
    Sysfs(tmp_path).bme280("1-0076")
    chips = [Device("I2C bus 1", "BME280", "bme280", {"i2c": at}) for at in ("0x76", "0x77")]

    assert finding._without_the_kernels(chips, tmp_path) == chips[1:]


Port = namedtuple("Port", "device vid pid serial_number")


def test_a_port_has_the_name_that_stays(tmp_path):
    """Two cheap adapters without numbers share one name by id, and luck decides who has it."""
    ports = [Port(str(tmp_path / f"ttyUSB{n}"), 0x1A86, 0x7523, None) for n in range(2)]
    ports += [Port(str(tmp_path / "ttyUSB2"), 0x0403, 0x6001, "A5"), Port(str(tmp_path / "ttyUSB3"), 1, 1, "x")]
    for folder, links in (
        ("by-id", {"ch340": 1, "ftdi-A5": 2}),
        ("by-path", {"usb-0:1": 0, "usb-0:2": 1, "usb-0:3": 2}),
    ):
        (tmp_path / folder).mkdir()
        for link, n in links.items():
            Path(ports[n].device).touch()
            (tmp_path / folder / link).symlink_to(ports[n].device)

    found = named(ports, tmp_path / "by-id", tmp_path / "by-path")

    assert [str(Path(name).relative_to(tmp_path)) for name in found] == [
        "by-path/usb-0:1", "by-path/usb-0:2", "by-id/ftdi-A5", "ttyUSB3"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "devices", "serial0", "consoles", "bluetooth", "found"),
    [
        ("Pi 4 as it comes", ["ttyS0"], "ttyS0", "ttyS0", "", []),
        ("Pi 4, its console off", ["ttyS0", "ttyAMA0"], "ttyS0", "tty1", "ttyAMA0", ["serial0"]),
        ("Pi 4, Bluetooth off", ["ttyS0", "ttyAMA0"], "ttyAMA0", "tty1", "ttyAMA0", ["serial0"]),
        ("Pi 5, pins on", ["ttyAMA0", "ttyAMA10"], "ttyAMA0", "tty1", "", ["serial0", "ttyAMA10"]),
        ("Pi 5, pins on, kernel's way", ["ttyAMA0", "ttyAMA10"], "ttyAMA10", "tty1", "", ["serial0", "ttyAMA0"]),
        ("Pi 5, console on its connector", ["ttyAMA0", "ttyAMA10"], "ttyAMA10", "ttyAMA10", "", ["ttyAMA0"]),
        ("no Pi", ["ttyS0", "ttyS1"], "", "tty1", "", []),
    ],
)
def test_the_uarts_of_a_pi_are_looked_at(tmp_path, what, devices, serial0, consoles, bluetooth, found):
    dev, sys = tmp_path / "dev", tmp_path / "tty"
    dev.mkdir()
    for name in devices:
        (dev / name).touch()
    if serial0:
        (dev / "serial0").symlink_to(serial0)
    if bluetooth:
        (sys / bluetooth / "device/of_node/bluetooth").mkdir(parents=True)
    (tmp_path / "consoles").write_text(f"{consoles}   -W- (EC p  )    4:64\n")

    assert uarts(dev, tmp_path / "consoles", sys) == [str(dev / name) for name in found], what


def test_a_port_on_the_pins_is_not_listened_to_for_a_minute(monkeypatch):
    asked = {}
    monkeypatch.setattr(finding.recognising, "recognise", lambda port, patience, over: asked.update({port: patience}))
    finding.find(Places(ports=["/dev/a"], pins=["/dev/b"]))

    assert asked == {"/dev/a": finding.PATIENCE, "/dev/b": 0}


@pytest.mark.parametrize("said", ["Looking at", "Trying one reading"])
def test_ctrl_c_leaves_no_fan_running(tmp_path, said):
    with SimulatedKit(tmp_path, ["pms"]) as kit:
        device = kit.lines[0].device
        device.asleep = True
        process = subprocess.Popen(
            [sys.executable, "-m", "mysense", "init", *kit.flags, "--yes", "-o", tmp_path / "kit.conf"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            for line in process.stderr:
                if said in line:
                    break
            until(lambda: not device.asleep)
            process.send_signal(signal.SIGINT)
            process.stderr.read()
        assert process.returncode == 130
        until(lambda: device.asleep, 5)


def test_labels_are_told_apart_even_where_identities_are_not():
    devices = [
        Device("bus 1", "BME280", "bme280", {"i2c": "0x76"}, "0x76"),
        Device("bus 2", "BME280", "bme280", {"i2c": "0x76", "bus": "2"}, "0x76"),
        Device("/dev/a", "PMS", "pms", {"port": "/dev/a"}),
        Device("/dev/b", "PMS", "pms", {"port": "/dev/b"}),
        Device("/dev/c", "nothing"),
    ]
    sections = draft.sensors(devices)

    assert list(sections) == ["sensor:bme280:0x76", "sensor:bme280:0x76-1", "sensor:pms:1", "sensor:pms:2"]
    assert [end.section for end in config.parse(draft.text({}, sections, {})).ends] == list(sections)


def test_every_device_that_can_be_simulated_has_a_sensor_of_its_name():
    from mysense import registry

    assert {*names()} <= {*registry.names("sensor")}


def test_a_kit_of_a_process_of_its_own_prints_its_sections(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "mysense.testing.kit", tmp_path, "bme280", "bme280", "sds011"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = "".join(iter(process.stdout.readline, "\n"))
    try:
        conf = tmp_path / "kit.conf"
        conf.write_text(said)
        rows = json.loads(mysense("check", "-c", conf, "--json").stdout)
    finally:
        process.communicate("", timeout=20)

    assert said.startswith(f"# --bus unix:{tmp_path}/i2c --port /dev/")
    sections = [row["section"] for row in rows if row["section"] != "config"]
    assert sections == ["sensor:bme280", "sensor:bme280:2", "sensor:sds011"]
