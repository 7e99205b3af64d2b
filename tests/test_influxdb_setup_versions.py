"""``mysense influxdb setup`` against the stand-ins for InfluxDB 2 and 3: no real ones were to be had."""

import os
import stat

import pytest

from mysense.channels import influxdb
from mysense.channels.influxdb import setup_v2
from mysense.telegram import SECOND, Data, Ident
from tests.kit import mysense

DAY = 86400


@pytest.fixture
def set_up(tmp_path):
    """Run the command in a folder of its own, with a token in the environment."""

    def run(server, token, *args, code=0):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("INFLUX")}
        where = ("--hostname", "127.0.0.1", "--port", server.port)
        env = {**clean, "INFLUXADMINTOKEN": token}
        return mysense("influxdb", "setup", *where, *args, code=code, cwd=tmp_path, env=env)

    return run


@pytest.fixture
def set_up_2(set_up, influxdb2):
    return lambda *args, **more: set_up(influxdb2, influxdb2.operator, "--org", influxdb2.org, *args, **more)


def states(done):
    return [line.split()[0] for line in done.stdout.splitlines()]


def kept(server):
    return {name: bucket["retentionRules"][0]["everySeconds"] for name, bucket in server.buckets.items()}


def kit(server, file, **options):
    return influxdb.Publisher(hostname="127.0.0.1", port=server.port, org=server.org, token_file=file, **options)


def test_everything_that_a_node_needs_is_made_on_version_2(influxdb2, set_up_2):
    done = set_up_2("BdP_1", "--retention", "730d", "--hourly", "3650d")

    assert states(done) == ["done"] * 6
    assert kept(influxdb2) == {"BdP_1": 730 * DAY, "BdP_1_hourly": 3650 * DAY, "BdP_1_daily": 0}
    assert [(task["name"], task["every"]) for task in influxdb2.tasks] == [
        ("BdP_1_hourly", "1h"),
        ("BdP_1_daily", "1d"),
    ]
    [made] = influxdb2.authorizations.values()
    assert [(right["action"], right["resource"]["id"]) for right in made["permissions"]] == [
        ("write", influxdb2.buckets["BdP_1"]["id"])
    ]


def test_the_token_in_the_file_writes_that_bucket_and_nothing_else(influxdb2, set_up_2, tmp_path):
    done = set_up_2("BdP_1", "BdP_2")
    file = tmp_path / "influxdb-secrets" / "BdP_1.token"
    with kit(influxdb2, file) as far:
        failures = far.publish([Data(Ident("BdP", serial), SECOND, {"temp": 1.0}) for serial in ("1", "2")])

    assert list(failures) == ["BdP_2"]
    assert "may not write BdP_2" in str(failures["BdP_2"])
    assert len(influxdb2.rows("BdP_1")) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() in influxdb2.authorizations
    assert file.read_text().strip() not in done.stdout + done.stderr


def test_a_second_run_finds_everything_on_version_2(influxdb2, set_up_2, tmp_path):
    set_up_2("BdP_1", "BdP_2")
    token = (tmp_path / "influxdb-secrets" / "BdP_1.token").read_text()
    before = kept(influxdb2), len(influxdb2.authorizations), len(influxdb2.tasks)
    again = set_up_2("BdP_1", "BdP_2")

    assert states(again) == ["there"] * 12
    assert "another than ours" not in again.stdout
    assert set_up_2("BdP_1", "--dry-run").stderr == "everything is there already\n"
    assert (kept(influxdb2), len(influxdb2.authorizations), len(influxdb2.tasks)) == before
    assert (tmp_path / "influxdb-secrets" / "BdP_1.token").read_text() == token


def test_a_user_of_many_buckets_has_one_token_for_them(influxdb2, set_up_2, tmp_path):
    set_up_2("BdP_1", "BdP_2", "--kit-user", "relay")
    file = tmp_path / "influxdb-secrets" / "relay.token"
    again = set_up_2("BdP_1", "BdP_2", "--kit-user", "relay")
    kept_safe = file.read_text()
    more = set_up_2("BdP_2", "BdP_3", "--kit-user", "relay", code=1)
    with kit(influxdb2, file) as far:
        failures = far.publish([Data(Ident("BdP", serial), SECOND, {"temp": 1.0}) for serial in ("1", "2")])

    assert failures == {}
    assert set(states(again)) == {"there"}
    assert "relay.token: there is a secret in it already: move it away" in more.stderr
    assert "the token that 'influx auth create' shows is the kit's" in more.stderr
    assert file.read_text() == kept_safe
    assert len(influxdb2.authorizations) == 1


def test_a_retention_is_changed_only_when_one_is_given_on_version_2(influxdb2, set_up_2):
    influxdb2.make("BdP_1", 100 * DAY)
    set_up_2("BdP_1", "--no-downsample")
    as_it_was = kept(influxdb2)
    done = set_up_2("BdP_1", "--no-downsample", "--retention", "30d")

    assert as_it_was == {"BdP_1": 100 * DAY}
    assert "bucket BdP_1, kept for 30 days instead of for 100 days: what is older is deleted" in done.stdout
    assert kept(influxdb2) == {"BdP_1": 30 * DAY}


def test_a_dry_run_on_version_2_shows_what_is_typed_and_makes_nothing(influxdb2, set_up_2, tmp_path):
    shown = set_up_2("BdP_1", "--retention", "730d", "--dry-run")

    assert "influx bucket create --org shed --name BdP_1 --retention 63072000s\n" in shown.stdout
    assert "influx auth create --org shed --description BdP_1 --write-bucket" in shown.stdout
    assert "influx task create --org shed 'import" in shown.stdout
    assert influxdb2.buckets == {}
    assert not (tmp_path / "influxdb-secrets").exists()


def test_a_token_of_a_kit_sets_up_nothing_on_version_2(influxdb2, set_up, set_up_2):
    set_up_2("BdP_1")
    [token] = influxdb2.authorizations
    done = set_up(influxdb2, token, "--org", influxdb2.org, "BdP_3", code=1)

    assert "this token may not see it" in done.stderr
    assert "influx bucket create --org shed --name BdP_3" in done.stdout
    assert "BdP_3" not in influxdb2.buckets


def test_who_may_make_buckets_only_is_told_what_is_left(influxdb2, set_up):
    token = influxdb2.authorize(("read", "orgs"), ("read", "buckets"), ("write", "buckets"))
    done = set_up(influxdb2, token, "--org", influxdb2.org, "BdP_1", code=1)
    lines = done.stdout.splitlines()

    assert lines[0] == "done  bucket BdP_1, kept for ever"
    assert lines[1].startswith("influx auth create")
    assert "does not allow this token" in done.stderr


def test_means_on_version_2_are_of_whole_windows_and_of_numbers():
    task = setup_v2.averaging('odd"name', "daily")

    assert r'from(bucket: "odd\"name")' in task
    assert "range(start: date.truncate(t: -1w, unit: 1d), stop: date.truncate(t: now(), unit: 1d))" in task
    assert 'types.isType(v: r._value, type: "float")' in task
    assert r'to(bucket: "odd\"name_daily")' in task


def test_databases_with_retention_are_what_version_3_has(influxdb3, set_up):
    first = set_up(influxdb3, influxdb3.admin, "BdP_1", "BdP_2", "--retention", "730d")
    again = set_up(influxdb3, influxdb3.admin, "BdP_1", "--dry-run")

    assert states(first) == ["done", "done"]
    assert influxdb3.retention["BdP_1"] == 730 * DAY
    assert "only tokens of an administrator" in first.stderr
    assert "makes no hourly and daily means" in first.stderr
    assert again.stdout == ""


def test_a_stranger_to_version_3_is_told_what_an_administrator_types(influxdb3, set_up):
    done = set_up(influxdb3, "wrong", "BdP_1", "--retention", "730d", "--version", "3", code=1)

    assert "does not know this token" in done.stderr
    assert done.stdout == "influxdb3 create database --retention-period 17520h BdP_1\n"
