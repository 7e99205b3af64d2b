"""A MySense.conf of the original is read as it is; what has no successor is named and is no failure."""

from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense import config, legacy, registry
from mysense.errors import ConfigError
from mysense.telegram import Location
from tests.kit import mysense

ORIGINAL = Path(__file__).parent.parent / "testdata" / "conf" / "original.conf"
TEXT = ORIGINAL.read_text()


def test_every_section_is_read_or_named(tmp_path):
    settings = config.load(ORIGINAL)
    read = {end.section.partition(":")[2] for end in settings.ends}
    said = "\n".join(settings.notices)

    for old, new in legacy.PLUGINS.items():
        assert f"[{old}]" in TEXT
        assert new.partition(":")[2] in read or f"[{old}] ({new})" in said or f"[{old}] is passed over" in said


def test_every_option_is_taken_or_named():
    settings = config.load(ORIGINAL)
    said = "\n".join(settings.notices)

    for section, options in (
        ("process", ("home", "pid", "start_dir")),
        ("csv", ("ttl",)),
        ("influxpub", ("database",)),
        ("dylos", ("type", "units", "bufsize", "sync", "interval")),
        ("ttn_mqtt", ("timeout", "rate", "file", "adminfile", "all", "packing", "classes", "sensors")),
    ):
        for option in options:
            assert f"[{section}] {option} has no successor" in said


def test_what_it_said_is_what_runs():
    settings = config.load(ORIGINAL)
    ends = {end.section: end for end in settings.ends}
    influx = ends["publisher:influxdb"].plugin

    assert settings.daemon.interval == 300  # it was five minutes
    assert settings.identity.ident().node == "BdP_test_sense"
    assert settings.identity.geolocation == Location(51.420635, 6.1356117, 22.9)
    assert settings.logging.level == "info"
    assert (influx.hostname, influx.port, influx.user, influx.password) == (
        "influx.example.org",
        8086,
        "ios",
        "acacadabra",
    )
    assert influx.database == "{project}_{serial}"
    assert ends["sensor:dylos"].plugin.usbid == "Prolific_Technology"
    assert ends["sensor:dylos"].plugin.fields == ("pm_25", "pm_10")
    assert ends["publisher:csv"].plugin.directory == Path("/var/tmp/mysense")


def test_calibrations_belong_to_the_publishers_now():
    settings = config.load(ORIGINAL)
    [(section, step)] = next(e.processors for e in settings.ends if e.section == "publisher:influxdb")

    assert section == "processor:calibrate:dylos"
    assert "pm_25" in step.factors
    assert "pm_10" not in step.factors  # it was left as it is


@pytest.mark.parametrize(
    ("switch", "enabled"),
    [("output = true", True), ("output = True", True), ("output = false", False), ("", False), ("output = 1", True)],
)
def test_a_section_is_on_when_it_said_so(switch, enabled):
    [end] = config.parse(f"[process]\ninterval = 60\n[console]\n{switch}\n").ends

    assert end.options.enabled is enabled


def test_dust_in_micrograms_stays_dust_in_micrograms():
    [end] = config.parse("[dylos]\ninput = true\nunits = ug/m3,ug/m3\n").ends

    assert end.plugin.unit == "ug/m3"


def test_a_dylos_that_was_played_from_a_file_is_replayed(tmp_path):
    lines = tmp_path / "dylos.txt"
    lines.write_text("318,62\n")
    [end] = config.parse(f"[dylos]\ninput = true\nfile = {lines}\n").ends

    assert end.section == "sensor:replay"
    assert end.plugin.file == lines


def test_a_plugin_that_comes_later_is_taken_without_a_change_here(monkeypatch):
    text = "[alphasense]\ninput = true\ninterval = 30\n"
    assert config.parse(text).ends == ()
    monkeypatch.setattr(registry, "builtin", lambda package: frozenset({"alphasense"}))
    monkeypatch.setattr(
        registry, "find", lambda kind, name: __import__("mysense.sensors.simulated", fromlist=["x"]).Sensor
    )
    [end] = config.parse(text).ends

    assert (end.section, end.plugin.interval) == ("sensor:alphasense", 30)


@pytest.mark.parametrize(("said", "model"), [("DHT11", "DHT11"), ("am2302", "DHT22"), ("DHT22", "DHT22")])
def test_a_dht_keeps_its_type_and_its_pin(said, model):
    [end] = config.parse(f"[dht]\ninput = true\ntype = {said}\npin = 17\nfields = temp,rh\nunits = C,%\n").ends

    assert (end.section, end.plugin.model, end.plugin.pin) == ("sensor:dht", model, 17)


def test_a_position_comes_from_gpsd_and_the_strength_of_wifi_from_wifi():
    settings = config.parse("[gps]\ninput=true\nhost=far.example.org\nfields=geo,time\n[rssi]\ninput=true\n")
    gps, wifi = settings.ends

    assert (gps.section, gps.plugin.hostname, gps.plugin.port, gps.plugin.fields) == (
        "sensor:gpsd", "far.example.org", 2947, (),
    )  # fmt: skip
    assert wifi.section == "sensor:wifi"
    assert any("a position is lat, lon and alt" in notice for notice in settings.notices)


def test_the_things_network_is_met_as_it_was():
    text = "[ttn_mqtt]\ninput = true\nhostname = ttn.example.org\nport = 1883\nuser = garden\npassword = key\n"
    [end] = config.parse(f"{text}dust = SDS011\nmeteo = DHT22\nall = False\n").ends

    assert (end.section, end.options.enabled) == ("subscriber:ttn", True)
    assert (end.plugin.place, end.plugin.ssl) == ("ttn.example.org:1883", False)
    assert (end.plugin.user, end.plugin.password) == ("garden", "key")
    assert (end.plugin.dust, end.plugin.meteo, end.plugin.all) == ("SDS011", "DHT22", True)


def test_comments_behind_values_are_none_of_the_value():
    assert config.parse("[process]\ninterval = 2   ; minutes\n[console]\noutput=true\n").daemon.interval == 120


@pytest.mark.shows_secrets
def test_migrate_prints_what_today_reads_the_same(tmp_path):
    done = mysense("config", "migrate", ORIGINAL)
    conf = tmp_path / "MySense.conf"
    conf.write_text(done.stdout)
    conf.chmod(0o600)
    old, new = config.load(ORIGINAL), config.load(conf)

    assert new.notices == ()
    assert (new.daemon, new.logging, new.identity) == (old.daemon, old.logging, old.identity)
    assert [end.section for end in new.ends] == [end.section for end in old.ends]
    assert config.show(conf) == config.show(ORIGINAL)
    assert [getattr(end.plugin, "password", "") for end in new.ends] == [
        getattr(end.plugin, "password", "") for end in old.ends
    ]
    assert "[db] (publisher:mysql)" in done.stdout


def test_a_file_of_today_is_not_taken_for_one_of_old():
    assert not legacy.recognises("[id]\nproject = x\n[publisher:console]\n")
    assert not legacy.recognises("[id]\nproject = x\n[logging]\nlevel = info\n")
    assert legacy.recognises("[id]\nproject = x\n[console]\noutput = true\n")


def test_check_names_what_was_passed_over(tmp_path):
    conf = tmp_path / "MySense.conf"
    conf.write_text("[console]\noutput = true\n[email]\noutput = true\nto = somebody@example.org\n")
    said = mysense("check", "-c", conf).stdout

    assert "[email] is passed over: [publisher:email] will take its place, and is not there yet" in said
    assert "publisher:console" in said


def test_a_mistake_is_told_with_the_line_of_the_old_file():
    text = "[process]\nhome = /var/tmp\nuser = ios\n[console]\noutput = true\n\n[id]\ngeolocation = north\n"
    with pytest.raises(ConfigError) as info:
        config.parse(text)

    assert [problem.split(" ")[0] for problem in info.value.problems] == ["MySense.conf:8:"]


def test_a_value_that_fits_no_more_is_told_with_its_reason():
    said = "\n".join(config.parse("[influxpub]\noutput = true\nport = acht\n").notices)

    assert "[influxpub] port: 'acht' is not a whole number; passed over" in said


CALIBRATED = "[console]\noutput = true\n[dylos]\ninput = {on}\n{fields}calibrations = {said}\n"


def steps(said, on="true", fields=""):
    """The factors that the console's data passes, and what was passed over."""
    settings = config.parse(CALIBRATED.format(on=on, fields=fields, said=said))
    [console] = settings.of("publisher")
    return [dict(step.factors) for _, step in console.processors], "\n".join(settings.notices[1:])


def test_calibrations_keep_their_digits_and_the_fields_of_old():
    assert steps("[[1.5,0.00123456789],[0,1]]") == ([{"pm_25": (1.5, 0.00123456789)}], "")
    assert steps("[[0,1],[2,1]]", fields="fields = a,b\n") == ([{"b": (2.0, 1.0)}], "")
    assert steps("[[0,1],[0.0,1.0]]") == ([], "")


@pytest.mark.parametrize("said", ["[[NaN,1]]", "[1]", "nothing", '{"a": 1}', "[[1,2]", '[["x"]]'])
def test_calibrations_that_cannot_be_read_are_named_and_no_failure(said):
    assert steps(said)[0] == []
    assert "[dylos] calibrations cannot be read" in steps(said)[1]


def test_calibrations_of_a_sensor_that_is_off_change_nothing():
    found, said = steps("[[1,2]]", on="false")

    assert found == []
    assert "[dylos] calibrations are passed over" in said


def test_calibrations_without_a_publisher_are_no_failure():
    settings = config.parse("[dylos]\ninput = true\ncalibrations = [[1,2]]\n[email]\noutput = true\n")

    assert "belong to publishers, and there is none" in "\n".join(settings.notices)


def test_a_field_that_two_sensors_calibrate_has_the_first_ones_factors(monkeypatch):
    monkeypatch.setitem(legacy.PLUGINS, "arduino", "sensor:simulated")
    second = "[arduino]\ninput = true\nfields = pm_25,pm_10\ncalibrations = [[3,1],[4,1]]\n"
    settings = config.parse(CALIBRATED.format(on="true", fields="", said="[[1,2]]") + second)
    [console] = settings.of("publisher")

    assert [dict(step.factors) for _, step in console.processors] == [{"pm_25": (1.0, 2.0)}, {"pm_10": (4.0, 1.0)}]
    assert any("[arduino] calibrations of fields that another sensor" in notice for notice in settings.notices)


def test_only_the_first_semicolon_behind_a_blank_begins_a_comment():
    settings = config.parse("[influxpub]\noutput = true ; on\npassword = a;b ;c\nuser = d ; e ; f\n")
    plugin = settings.ends[0].plugin

    assert (plugin.password, plugin.user) == ("a;b ;c", "d")


def shown(text, folder):
    """Everything that a text sets, or everything that is wrong with it."""
    path = folder / "MySense.conf"
    path.write_text(text, encoding="utf-8")
    try:
        return config.show(path, {})
    except ConfigError as error:
        return {problem.partition(" ")[2] for problem in error.problems}


LINES = st.sampled_from(
    ["[dylos]", "[Dylos]", "[csv]", "[influxpub]", "[id]", "[logging]", "[email]", "input = true", "output=1", " more",
     "calibrations = [[1,2],[3,4]]", "fields = a,b", "interval = 2 ; min", "file = a/b", "level = x", "label = l", "",
     "port = x", "user = ${X}", "units = ug/m3", "password = a=b", "owner = me", "geolocation = 1,2", "stray"]
)  # fmt: skip


@given(st.lists(LINES, max_size=14))
@hypothesis.settings(max_examples=150, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_any_old_file_means_the_same_when_it_is_migrated(tmp_path_factory, lines):
    text = "\n".join(["[process]", *lines])
    folder = tmp_path_factory.getbasetemp()

    assert shown(legacy.migrate(text), folder) == shown(text, folder)


def test_single_readings_are_kept_where_they_were():
    settings = config.parse("[process]\nraw = True\n[dylos]\ninput = true\nraw = True\n[raw]\nraw = True\nfile = x\n")

    assert settings.daemon.raw
    assert settings.of("sensor")[0].options.raw
    assert any(notice.startswith("[raw] is passed over") for notice in settings.notices)
    assert not any("raw has no successor" in notice for notice in settings.notices)
