"""``mysense influxdb setup``, typed as an administrator types it, against a real InfluxDB 1.x."""

import json
import os
import stat
import subprocess
import time

import pytest

from mysense.channels import influxdb
from mysense.channels.influxdb import setup, setup_v1
from mysense.channels.influxdb.admin import Admin
from mysense.errors import UnavailableError
from mysense.telegram import SECOND, Data, Ident, Location
from tests.kit import mysense, until
from tests.servers import Influxd, Process

HOUR, DAY = 3600, 86400
ROOT = {"INFLUXADMINUSER": "root", "INFLUXADMINPASS": "acacadabra"}


@pytest.fixture
def node(serial):
    return f"Set_{serial}"


@pytest.fixture
def set_up(influxd_auth, tmp_path):
    """Run the command in a folder of its own, as root of the server unless *env* says otherwise."""

    def run(*args, code=0, env=ROOT):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("INFLUX")}
        where = ("--hostname", "127.0.0.1", "--port", influxd_auth.port)
        return mysense("influxdb", "setup", *where, *args, code=code, cwd=tmp_path, env={**clean, **env})

    return run


def states(done):
    return {line.split()[0] for line in done.stdout.splitlines()}


def everything(server, node):
    """All that the server has for a node, as it tells it."""
    return (
        node in server.databases(),
        server.rows("SHOW RETENTION POLICIES", node),
        [series for series in server.query("SHOW CONTINUOUS QUERIES") if series["name"] == node],
        server.rows(f'SHOW GRANTS FOR "{node}"'),
        [row for row in server.rows("SHOW USERS") if row["user"] == node],
    )


def kit(server, node, folder, **options):
    file = folder / "influxdb-secrets" / f"{node}.password"
    return influxdb.Publisher(hostname="127.0.0.1", port=server.port, user=node, password_file=file, **options)


def test_everything_that_a_node_needs_is_made(influxd_auth, set_up, node):
    done = set_up(node, "--retention", "730d", "--hourly", "3650d")
    there, policies, [queries], grants, users = everything(influxd_auth, node)

    assert states(done) == {"done"}
    assert there
    assert [(p["name"], p["duration"], p["shardGroupDuration"], p["default"]) for p in policies] == [
        ("autogen", "17520h0m0s", "1752h0m0s", True),
        ("hourly", "87600h0m0s", "8760h0m0s", False),
        ("daily", "0s", "87360h0m0s", False),
    ]
    assert [name for name, _ in queries["values"]] == ["hourly", "daily"]
    assert grants == [{"database": node, "privilege": "WRITE"}]
    assert users == [{"user": node, "admin": False}]


def test_the_kit_writes_with_the_password_in_its_file_and_reads_nothing(influxd_auth, set_up, node, tmp_path):
    set_up(node, f"{node}b")
    ident = Ident(*setup.names(node))
    with kit(influxd_auth, node, tmp_path) as far:
        assert far.publish([Data(ident, 1_700_000_000 * SECOND, {"temp": 1.0})]) == {}
    with kit(influxd_auth, node, tmp_path, database=f"{node}b") as far:
        error = far.publish([Data(ident, 1_700_000_000 * SECOND, {"temp": 1.0})])[f"{node}b"]
    password = (tmp_path / "influxdb-secrets" / f"{node}.password").read_text().strip()
    mine = Admin(host="127.0.0.1", port=influxd_auth.port, username=node, password=password, timeout=5)

    assert "not authorized to write" in str(error)
    assert len(influxd_auth.rows("SELECT * FROM data", node)) == 1
    assert influxd_auth.rows("SHOW SERIES", f"{node}b") == []
    for database in (node, f"{node}b"):
        with pytest.raises(UnavailableError, match="requires READ"):
            mine.query("SELECT * FROM data", database)
    with pytest.raises(UnavailableError, match="requires admin privilege"):
        mine.create_database("another")
    mine.close()


def test_check_understands_a_user_who_may_only_write(influxd_auth, set_up, node, tmp_path):
    set_up(node)

    assert kit(influxd_auth, node, tmp_path).check().endswith(f"; user '{node}' may use {node}")
    assert kit(influxd_auth, node, tmp_path, database=node).check().endswith(f"; may write {node}")
    with kit(influxd_auth, node, tmp_path) as far:
        error = far.publish([Data(Ident("Set", "another"), 0, {"temp": 1.0})])["Set_another"]
    assert 'CREATE DATABASE "Set_another"' in str(error)


def test_passwords_are_for_their_owner_and_never_shown(set_up, node, tmp_path):
    done = set_up(node, "--secrets", "secrets", "--json")
    file = tmp_path / "secrets" / f"{node}.password"

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert len(file.read_text().strip()) >= 32
    assert file.read_text().strip() not in done.stdout + done.stderr
    assert str(file.relative_to(tmp_path)) in done.stdout


def test_a_second_run_finds_everything_and_changes_nothing(influxd_auth, set_up, node, tmp_path):
    set_up(node, f"{node}b")
    before = everything(influxd_auth, node)
    secrets = {file: file.read_text() for file in (tmp_path / "influxdb-secrets").iterdir()}
    again = set_up(node, f"{node}b")
    shown = set_up(node, f"{node}b", "--dry-run")

    assert states(again) == {"there"}
    assert shown.stdout == ""
    assert shown.stderr == "everything is there already\n"
    assert everything(influxd_auth, node) == before
    assert {file: file.read_text() for file in (tmp_path / "influxdb-secrets").iterdir()} == secrets


def test_a_user_who_is_there_keeps_his_password_and_what_he_may_read(influxd_auth, set_up, node, tmp_path):
    influxd_auth.query(f'CREATE DATABASE "{node}"')
    influxd_auth.query(f"CREATE USER \"{node}\" WITH PASSWORD 'his own'")
    influxd_auth.query(f'GRANT READ ON "{node}" TO "{node}"')
    set_up(node)
    his = Admin(host="127.0.0.1", port=influxd_auth.port, username=node, password="his own", timeout=5)

    assert not (tmp_path / "influxdb-secrets").exists()
    assert influxd_auth.rows(f'SHOW GRANTS FOR "{node}"') == [{"database": node, "privilege": "ALL PRIVILEGES"}]
    assert his.query("SELECT * FROM data", node) == []
    his.close()


def test_a_password_of_an_earlier_attempt_is_used(influxd_auth, set_up, node, tmp_path):
    (tmp_path / "influxdb-secrets").mkdir()
    (tmp_path / "influxdb-secrets" / f"{node}.password").write_text("from before\n")
    set_up(node)

    with kit(influxd_auth, node, tmp_path) as far:
        assert far.publish([Data(Ident(*setup.names(node)), SECOND, {"temp": 1.0})]) == {}


def test_a_retention_that_is_there_is_changed_only_when_one_is_given(influxd_auth, set_up, node):
    set_up(node)
    same = set_up(node)
    other = set_up(node, "--retention", "365d")
    [raw, hourly, _] = influxd_auth.rows("SHOW RETENTION POLICIES", node)

    assert "instead of" not in same.stdout
    assert "for 365 days instead of for ever: what is older is deleted" in other.stdout
    assert (raw["duration"], hourly["duration"]) == ("8760h0m0s", "0s")


def test_a_continuous_query_of_somebody_else_stays(influxd_auth, set_up, node):
    set_up(node)
    influxd_auth.query(f'DROP CONTINUOUS QUERY "hourly" ON "{node}"')
    own = f'BEGIN SELECT max(*) INTO "{node}"."hourly"."data" FROM "{node}"."autogen"."data" GROUP BY time(1h) END'
    influxd_auth.query(f'CREATE CONTINUOUS QUERY "hourly" ON "{node}" {own}')
    before = everything(influxd_auth, node)
    done = set_up(node)

    assert f"continuous query hourly of {node}, another than ours: it stays" in done.stdout
    assert f"continuous query daily of {node}\n" in done.stdout
    assert everything(influxd_auth, node) == before


def test_a_dry_run_changes_nothing_and_its_lines_can_be_typed_as_they_are(influxd_auth, set_up, node, tmp_path):
    shown = set_up(node, "--retention", "730d", "--dry-run")
    assert node not in influxd_auth.databases()
    assert not (tmp_path / "influxdb-secrets").exists()
    client = ["influx", "-host", "127.0.0.1", "-port", str(influxd_auth.port)]
    root = os.environ | {"INFLUX_USERNAME": "root", "INFLUX_PASSWORD": "acacadabra"}

    typed = subprocess.run(client, input=shown.stdout, env=root, capture_output=True, text=True, timeout=30)

    assert typed.returncode == 0, typed.stdout + typed.stderr
    assert states(set_up(node, "--retention", "730d")) == {"there"}


def test_who_may_not_is_told_what_an_administrator_types(influxd_auth, set_up, node, tmp_path):
    set_up(node)
    other = f"{node}b"
    user = ("--user", node, "--password_file", f"influxdb-secrets/{node}.password")
    done = set_up(other, *user, code=1)
    shown = set_up(other, "--dry-run")

    assert done.stdout == shown.stdout
    assert "requires admin privilege" in done.stderr
    assert f"an administrator of 127.0.0.1:{influxd_auth.port} types" in done.stderr
    assert "'…' is a password of your choice" in done.stderr
    assert other not in influxd_auth.databases()
    assert not (tmp_path / "influxdb-secrets" / f"{other}.password").exists()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "wants to know who we are: set user and password_file"),
        ({**ROOT, "INFLUXADMINPASS": "an0ther"}, "does not know user 'root' or the password is wrong"),
    ],
)
def test_a_stranger_is_told_so(set_up, node, env, said):
    done = set_up(node, code=1, env=env)

    assert said in done.stderr
    assert f'CREATE DATABASE "{node}"' in done.stdout


def test_a_password_file_that_is_named_comes_before_the_environment(set_up, node, tmp_path):
    (tmp_path / "admin").write_text("acacadabra\n")
    (tmp_path / "admin").chmod(0o644)
    done = set_up(node, "--password_file", "admin", env={**ROOT, "INFLUXADMINPASS": "wrong"})

    assert states(done) == {"done"}
    assert "can be read by others: chmod 600 admin" in done.stderr


def test_what_was_done_before_a_failure_is_told_and_the_rest_is_to_be_typed():
    def fail():
        raise UnavailableError("the server went away")

    made = []
    steps = [
        setup.Step("one", "", lambda: made.append(1), state="there"),
        setup.Step("two", "", lambda: made.append(2)),
        setup.Step("three", "", fail),
        setup.Step("four", "", lambda: made.append(4)),
    ]
    error = setup.carry_out(steps)

    assert str(error) == "the server went away"
    assert made == [2]
    assert [step.state for step in steps] == ["there", "done", "to do", "to do"]


def test_a_fleet_shares_a_database_or_a_user(influxd_auth, set_up, serial):
    nodes = [f"{serial}_n{n}" for n in range(3)]
    done = set_up(*nodes, "--database", "{project}", "--no-downsample")
    relay = set_up(*nodes, "--kit-user", "relay-{project}", "--no-downsample", "--json")

    assert len(influxd_auth.rows("SHOW RETENTION POLICIES", serial)) == 1
    assert [influxd_auth.rows(f'SHOW GRANTS FOR "{n}"') for n in nodes] == [
        [{"database": serial, "privilege": "WRITE"}]
    ] * 3
    assert done.stdout.count("database") == 1
    assert len(influxd_auth.rows(f'SHOW GRANTS FOR "relay-{serial}"')) == 3
    assert [step["state"] for step in json.loads(relay.stdout)["steps"]] == ["done"] * 7


def test_without_a_node_it_is_the_kit_of_the_file_and_its_server(influxd_auth, set_up, node, tmp_path):
    project, serial = setup.names(node)
    (tmp_path / "kit.password").write_text("not the administrator's")
    (tmp_path / "kit.password").chmod(0o600)
    (tmp_path / "MySense.conf").write_text(
        f"[id]\nproject = {project}\nserial = {serial}\n[publisher:influxdb:cloud]\nurl = http://192.0.2.1:1\n"
        f"user = kit-{serial}\npassword_file = {tmp_path}/kit.password\nretention = 100d\n"
    )
    set_up()  # the flags hostname and port stand above url
    [raw, *_] = influxd_auth.rows("SHOW RETENTION POLICIES", node)
    again = set_up("-c", "MySense.conf", node)

    assert raw["duration"] == "2400h0m0s"
    assert influxd_auth.rows(f'SHOW GRANTS FOR "kit-{serial}"') == [{"database": node, "privilege": "WRITE"}]
    assert f"done   user {node}" in again.stdout  # a node that is named has a user of its own name


def test_a_layout_of_ones_own_has_no_means(influxd_auth, set_up, node, tmp_path):
    project, serial = setup.names(node)
    (tmp_path / "MySense.conf").write_text(
        f"[id]\nproject = {project}\nserial = {serial}\n[publisher:influxdb]\nmeasurement = climate\n"
    )
    set_up()

    assert [row["name"] for row in influxd_auth.rows("SHOW RETENTION POLICIES", node)] == ["autogen"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["BdP"], "'BdP' is no node: write <project>_<serial>"),
        (["BdP_1", "--database", "{label}"], "may hold {project}, {serial} and {node}"),
        (["BdP_1", "--database", "a b"], "'a b' cannot be the name"),
        (["BdP_1", "--retention", "2y"], "is not a time"),
        (["BdP_1", "--retention", "2d"], "write 8d or more"),
        (["BdP_1", "--hourly", "1h"], "write 8d or more"),
        (["BdP_1", "--daily", "0", "--no-downsample"], "leave one out"),
        (["BdP_1", "--retention", "60", "--no-downsample"], "write 1h or more"),
        (["BdP_1", "--port", "x"], "--port: 'x' is not a whole number"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(set_up, args, said):
    assert said in set_up(*args, code=2).stderr


def test_without_a_node_and_a_section_it_says_what_is_missing(set_up, tmp_path):
    (tmp_path / "MySense.conf").write_text("[sensor:simulated]\n")

    assert "there is no section [publisher:influxdb]" in set_up(code=78).stderr


def test_a_server_that_is_away_is_one_line_and_a_dry_run_does_without_it(set_up):
    away = set_up("BdP_1", "--port", "1", code=1)
    shown = set_up("BdP_1", "--port", "1", "--version", "1", "--dry-run")

    assert away.stderr == "mysense: http://127.0.0.1:1: Connection refused\n"
    assert 'CREATE DATABASE "BdP_1"' in shown.stdout
    assert "this is all that is needed, whatever is there already" in shown.stderr


def test_a_server_without_authentication_is_told(influxd, node, tmp_path):
    done = mysense("influxdb", "setup", "--hostname", "127.0.0.1", "--port", influxd.port, node, cwd=tmp_path)

    assert "lets everybody in: set auth-enabled = true" in done.stderr


NOW = int(time.time())


def measured(node):
    """Nine days of data, one a minute."""
    ident = Ident(*setup.names(node), "shed", Location(51.4, 6.1, 0))
    begin = NOW // DAY * DAY - 10 * DAY + 600
    return [
        Data(ident, (begin + 60 * n) * SECOND, {"temp": n // 60 * 1.0, "word": f"w{n % 2}"}) for n in range(9 * 1440)
    ]


def by_hand(statement, since):
    """The query inside a continuous one, for data from a time on."""
    query = statement.partition(" BEGIN ")[2].removesuffix(" END")
    return query.replace(" GROUP BY", f" WHERE time >= {since}s GROUP BY")


def test_means_are_by_the_hour_and_day_whatever_was_new(influxd_auth, set_up, node, tmp_path):
    set_up(node)
    telegrams = measured(node)
    with kit(influxd_auth, node, tmp_path) as far:
        assert [far.publish(telegrams[k : k + 5000]) for k in range(0, len(telegrams), 5000)] == [{}] * 3
    for name in setup.MEANS:
        influxd_auth.query(by_hand(setup_v1.averaging(node, name), 0))
    hours = influxd_auth.rows(f'SELECT * FROM "{node}".hourly.data')
    days = influxd_auth.rows(f'SELECT * FROM "{node}".daily.data')

    assert len(hours) == 9 * 24 + 1
    assert len(days) == 10
    assert {(row["label"], row["geolocation"], row.get("new")) for row in hours} == {("shed", "51.4,6.1,0", None)}
    assert set(hours[0]) == {"time", "label", "geolocation", "new", "mean_temp"}
    assert hours[0]["mean_temp"] == 0  # fifty minutes of it, the first of them new
    assert hours[1]["mean_temp"] == pytest.approx((10 * 0 + 50 * 1) / 60)
    assert days[1]["mean_temp"] == pytest.approx(sum(d.values["temp"] for d in telegrams[1430:2870]) / 1440)


def test_means_keep_every_tag_but_new(influxd_auth, set_up, node, tmp_path):
    set_up(node)
    ident = Ident(*setup.names(node), "shed")
    tags = "label, new, n=a, ne=b, news=c, room={room}"
    with kit(influxd_auth, node, tmp_path, tags=tags) as far:
        assert far.publish([Data(ident, n * SECOND, {"room": f"r{n % 2}", "temp": float(n)}) for n in range(4)]) == {}
    influxd_auth.query(by_hand(setup_v1.averaging(node, "hourly"), 0))
    found = influxd_auth.rows(f'SELECT * FROM "{node}".hourly.data')

    assert [(row["label"], row["n"], row["ne"], row["news"], row["new"], row["mean_temp"]) for row in found] == [
        ("shed", "a", "b", "c", None, 1), ("shed", "a", "b", "c", None, 2)]  # fmt: skip
    assert [row["room"] for row in found] == ["r0", "r1"]


def test_late_data_reaches_its_hour_by_the_server_itself(tmp_path, node):
    with Influxd(tmp_path / "influxd") as server:
        where = ("--hostname", "127.0.0.1", "--port", server.port)
        mysense("influxdb", "setup", *where, node, cwd=tmp_path)
        with influxdb.Publisher(hostname="127.0.0.1", port=server.port) as far:
            hour = NOW // HOUR * HOUR - 100 * HOUR
            ident = Ident(*setup.names(node), "shed")
            far.publish([Data(ident, (hour + 60 * n) * SECOND, {"temp": float(n)}) for n in range(60)])
        server.stop()
        server.start()  # continuous queries run when the server starts, and then at each whole hour

        found = until(lambda: server.rows(f'SELECT * FROM "{node}".hourly.data'))

    assert [(row["time"] // SECOND, row["mean_temp"]) for row in found] == [(hour, 29.5)]


def test_check_advises_fewer_databases_before_they_are_too_many(own_influxd):
    own_influxd.query(";".join(f"CREATE DATABASE d{n}" for n in range(100)))
    mine = influxdb.Publisher(hostname="127.0.0.1", port=own_influxd.port)
    enough = mine.check()
    own_influxd.query("CREATE DATABASE d100")
    many, fleet = mine.check(), influxdb.Publisher(port=own_influxd.port, database="{project}").check()

    assert enough.endswith("it has 100 databases")
    assert "it has 101 databases: with more than 100, database = {project}" in many
    assert "9 open files" in many
    assert fleet.endswith("it has 101 databases")


def test_a_server_that_has_no_administrator_yet_says_how_to_make_one(tmp_path):
    server = Influxd(tmp_path / "influxd", auth=True)
    Process.start(server)  # without making the administrator
    try:
        done = mysense(
            "influxdb", "setup", "Set_k1", "--hostname", "127.0.0.1", "--port", server.port, "--version", "1",
            "--secrets", tmp_path / "secrets", code=1,
        )  # fmt: skip
    finally:
        server.stop()

    assert "CREATE USER root WITH PASSWORD '…' WITH ALL PRIVILEGES" in done.stdout + done.stderr


def test_days_that_were_meant_are_asked_for():
    done = mysense("influxdb", "setup", "Set_k1", "--retention", "30", code=2)

    assert "kept 30 s beside hourly and daily means is too short: write 8d or more (d is days)" in done.stderr
