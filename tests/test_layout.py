"""Any layout: database, measurement and tags as templates, written to a real server and read back."""

import re
from pathlib import Path

import pytest
from line_protocol_parser import parse_line

from mysense import wire
from mysense.channels import influxdb
from mysense.channels.influxdb.layout import Layout, checked, checked_tags
from mysense.channels.influxdb.line import Encoder
from mysense.errors import RejectedError
from mysense.options import declared
from mysense.state import State
from mysense.telegram import SECOND, Data, Ident, Location, Note

ROOT = Path(__file__).parent.parent
T0 = 1_700_000_000


def data(seconds, ident, **values):
    return Data(ident, (T0 + seconds) * SECOND, values or {"temp": float(seconds)})


def publisher(server, **options):
    return influxdb.Publisher(hostname="127.0.0.1", port=server.port, **options)


@pytest.fixture
def ident(serial):
    return Ident("Lay", serial, "shed", Location(51.4, 6.1), meta={"village": "Grubbenvorst"}, since=T0 * SECOND)


def series(server, database):
    return [row["key"] for row in server.rows("SHOW SERIES", database)]


@pytest.mark.parametrize(
    "text", ["", "{project", "project}", "{}", "{0}", "{{project}}", "{project!r}", "{a:>9}", "x{new}", "#x"]
)
def test_a_database_or_measurement_that_cannot_work_is_refused_at_once(text):
    with pytest.raises(ValueError):
        checked(text)


@pytest.mark.parametrize(
    "text", ["=x", "a=", "{a}", "{a}=b", "a, a", "a=1, a=2", "time", "_field=x", "a={b", "0", "a:b"]
)
def test_tags_that_cannot_work_are_refused_at_once(text):
    with pytest.raises(ValueError):
        checked_tags(text)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"legacy": True, "tags": "label"}, "legacy"),
        ({"legacy": True, "measurement": "mine"}, "legacy"),
        ({"measurement": "mine", "tags": "new"}, "new marks the first data after an info"),
    ],
)
def test_options_that_do_not_go_together_are_refused_at_once(options, reason):
    with pytest.raises(ValueError, match=reason):
        influxdb.Publisher(**options)


@pytest.mark.parametrize(
    ("database", "beside", "tags"),
    [
        ("{project}_{serial}", "label", "geolocation label new"),
        ("kit-{node}", "label", "geolocation label new"),
        ("{project}", "label serial", "geolocation label new serial"),
        ("{serial}", "label project", "geolocation label new project"),
        ("fleet", "label project serial", "geolocation label new project serial"),
    ],
)
def test_what_the_database_does_not_tell_of_a_node_its_tags_tell(database, beside, tags):
    layout = Layout(database)

    assert sorted(layout.beside) == beside.split()
    assert sorted(layout.tags) == tags.split()


def test_a_database_for_a_fleet_keeps_its_nodes_apart(influxd, serial):
    idents = [Ident("Fleet", f"{serial}{n}", "shed", since=T0 * SECOND) for n in "ab"]
    state = State()
    for _ in range(2):  # the second time after a restart
        far = publisher(influxd, database=f"{{project}}-{serial}")
        far.state = state
        with far:
            batch = [telegram for each in idents for telegram in (each, data(0, each), data(1, each))]
            assert far.publish([*batch, Note(idents[0], T0 * SECOND, "up", "hello")]) == {}
    database = f"Fleet-{serial}"

    assert series(influxd, database) == [
        *(f"data,label=shed,new={n},serial={each.serial}" for n in "01" for each in idents),
        *(f"info,label=shed,serial={each.serial}" for each in idents),
        f"station,kind=up,label=shed,serial={idents[0].serial}",
    ]
    infos = influxd.rows("SELECT * FROM info", database)
    assert sorted(row["serial"] for row in infos) == [each.serial for each in idents]
    assert {row["project"] for row in infos} == {"Fleet"}
    assert len(influxd.rows("SELECT * FROM data", database)) == 4


def test_items_of_the_ident_and_values_become_names_and_tags_and_no_fields(influxd, ident, serial):
    far = publisher(
        influxd,
        database=f"{serial}-{{kind}}",
        measurement="m-{kind}",
        tags="village, deviceId={serial}, at=x{n}/{label}",
    )
    with far:
        failures = far.publish(
            [
                ident,
                data(0, ident, kind="a", n=7, temp=1.0),
                data(1, ident, kind="b", n=True, village="Horst", temp=2.0),
            ]
        )

    assert failures == {}
    assert series(influxd, f"{serial}-a") == [f"m-a,at=x7/shed,deviceId={serial},village=Grubbenvorst"]
    assert series(influxd, f"{serial}-b") == [f"m-b,at=xtrue/shed,deviceId={serial},village=Horst"]
    [row] = influxd.rows('SELECT * FROM "m-a"', f"{serial}-a")
    assert row == {
        "time": T0 * SECOND, "at": "x7/shed", "deviceId": serial, "temp": 1, "village": "Grubbenvorst",
    }  # fmt: skip


def test_an_ident_is_told_to_each_database_that_its_values_lead_to(influxd, ident, serial):
    batch = [data(n, ident, kind="ab"[n % 2], x=1.0) for n in range(6)]
    state = State()
    for _ in range(2):  # the second time after a restart
        far = publisher(influxd, database=f"{serial}{{kind}}")
        far.state = state
        with far:
            assert far.publish(batch[:3]) == {}
            assert far.publish(batch) == {}

    for kind in "ab":
        assert len(influxd.rows("SELECT * FROM info", serial + kind)) == 1
        assert [row["new"] for row in influxd.rows("SELECT * FROM data", serial + kind)] == ["1", "0", "0"]


@pytest.mark.parametrize("value", ["", float("nan"), None])
def test_a_tag_that_says_nothing_is_left_out(influxd, ident, value):
    with publisher(influxd, measurement="m", tags="a={n}-{label}, label") as far:
        assert far.publish([data(0, ident, n=value, temp=1.0)]) == {}

    assert series(influxd, ident.node) == ["m,label=shed"]


def test_a_database_or_measurement_that_says_nothing_refuses_that_telegram_only(influxd, ident, serial):
    good, bad = data(0, ident, type="a", temp=1.0), data(1, ident, temp=2.0)
    with publisher(influxd, database=f"{serial}{{type}}") as far:
        assert far.lane(good) == f"{serial}a"
        failures = far.publish([ident, good, bad, Note(ident, T0 * SECOND, "up")])
        assert far.publish([ident, Note(ident, T0 * SECOND, "up")]) == {}
    assert list(failures) == [far.lane(bad)]
    assert isinstance(failures[far.lane(bad)], RejectedError)
    assert "'type'" in str(failures[far.lane(bad)])
    assert series(influxd, f"{serial}a")[1:] == [f"info,label=shed,project=Lay,serial={serial}"]

    with publisher(influxd, measurement="{typ}{proj}") as far:
        error = far.publish([data(0, ident, typ="a")])[ident.node]
    assert str(error) == "there is no 'proj' to fill '{typ}{proj}', did you mean 'project'?"


def test_a_database_made_of_an_item_that_is_missing_refuses_notes_too(influxd, serial):
    ident = Ident("Lay", serial, since=T0 * SECOND)
    for telegram in (ident, data(0, ident, label="van"), Note(ident, T0 * SECOND, "up")):
        with publisher(influxd, database="{label}") as far:
            assert "there is no 'label'" in str(far.publish([telegram])[far.lane(telegram)])


def test_the_names_of_a_node_are_never_those_of_a_value(influxd, ident):
    with publisher(influxd, database="{project}", tags="serial") as far:
        error = far.publish([data(0, ident, serial="another", temp=1.0)])["Lay"]

    assert isinstance(error, RejectedError)
    assert "'serial'" in str(error)


@pytest.mark.parametrize("values", [{"new": 2.0}, {"host": 2.0}])
def test_a_value_called_like_a_tag_is_refused(influxd, ident, values):
    tags = "host={label}" if "host" in values else ""
    with publisher(influxd, tags=tags) as far:
        assert isinstance(far.publish([data(0, ident, **values)])[ident.node], RejectedError)


def test_the_database_of_a_node_is_looked_up_and_not_filled_again(ident):
    far = influxdb.Publisher(database="x{label}")
    first = far.lane(data(0, ident))

    assert far.lane(data(1, ident, label="van")) is first
    assert first == "xshed"


def test_with_a_measurement_of_ones_own_nothing_else_is_written(influxd, ident):
    far = publisher(influxd, measurement="mine")
    with far:
        assert far.publish([ident, data(0, ident), Note(ident, T0 * SECOND, "up")]) == {}

    assert series(influxd, ident.node) == ["mine,geolocation=51.4\\,6.1\\,0,label=shed"]
    assert dict(far.state) == {}


def test_tags_of_ones_own_stand_beside_an_info_that_still_names_the_node(influxd, ident, serial):
    with publisher(influxd, database=serial, tags="host={label}, where={geolocation}, new") as far:
        assert far.publish([data(0, ident), data(1, ident)]) == {}

    assert series(influxd, serial) == [
        r"data,host=shed,new=0,where=51.4\,6.1\,0",
        r"data,host=shed,new=1,where=51.4\,6.1\,0",
        f"info,host=shed,label=shed,project=Lay,serial={serial}",
    ]


@pytest.mark.parametrize(
    ("tags", "values", "items", "texts"),
    [
        ("product_id, deviceId={serial}", {"product_id": 7, "count": 5.0}, {"serial": "{serial}"}, {"product_id": "7"}),
        ("host={label}, kind={type}", {"type": "a b", "x": 1.0}, {"label": "shed"}, {"type": "a b"}),
        ("id={node}, village", {"village": "Höör, S=1", "x": 1.0}, {"node": "Lay_{serial}"}, {"village": "Höör, S=1"}),
        ("project, serial, label", {"x": 1.0}, {"project": "Lay", "serial": "{serial}", "label": "shed"}, {}),
        ("at={serial}/{n}", {"n": 3, "x": 1.0}, {}, {"at": "{serial}/3"}),
        ("", {"x": 1.0}, {"label": "shed"}, {"geolocation": "51.4,6.1,0"}),
    ],
)
def test_what_tags_say_is_read_back(influxd, ident, tags, values, items, texts):
    layout = Layout(tags=tags)
    with publisher(influxd, tags=tags) as far:
        assert far.publish([data(0, ident, **values)]) == {}
    [row] = influxd.rows("SELECT * FROM data", ident.node)
    got = layout.meaning({key: said for key, said in row.items() if key in layout.tags and said is not None})

    assert got == tuple(
        {name: text.format(serial=ident.serial) for name, text in each.items()} for each in (items, texts)
    )


def documented():
    """The examples of docs/influxdb.md: a section of MySense.conf, a telegram, and the line it gives."""
    text = (ROOT / "docs" / "influxdb.md").read_text(encoding="utf-8")
    [section] = re.findall(r"^## Another layout$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    return re.findall(r"```ini\n\[publisher:influxdb\]\n(.*?)```\n\n```\n(.*?)\n(.*?)\n```", section, re.DOTALL)


@pytest.mark.parametrize(("options", "telegram", "line"), documented())
def test_the_examples_of_the_document_do_what_it_says(influxd, options, telegram, line):
    said = dict(re.split(r" *= *", text, maxsplit=1) for text in options.splitlines())
    telegrams = list(wire.decode([telegram]))
    known = declared(influxdb.Publisher)
    with publisher(influxd, **{name: known[name].convert(text) for name, text in said.items()}) as far:
        assert far.publish(telegrams) == {}
        [database] = {far.lane(each) for each in telegrams}
    meant = parse_line(line)
    [row] = influxd.rows(f'SELECT * FROM "{meant["measurement"]}"', database)

    assert Encoder(Layout(**said)).lines([each for each in telegrams if isinstance(each, Data)]) == [line]
    assert series(influxd, database) == [line.split(" ")[0]]
    assert row == {"time": meant["time"] * SECOND, **meant["tags"], **meant["fields"]}


def test_the_document_has_three_examples():
    assert len(documented()) == 3
