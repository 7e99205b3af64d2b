"""Uplinks of The Things Network become telegrams: messages of v3 and v2, names of nodes, what devices tell."""

import json
from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense.channels import ttn
from mysense.channels.ttn import devices, nodes, uplink
from mysense.channels.ttn.nodes import Nodes, Rule
from mysense.channels.ttn.telegrams import Telegrams, Wanted
from mysense.errors import ConfigError
from mysense.state import State
from mysense.telegram import Data, Field, Ident, Location, Note, check_name

FILES = Path(__file__).parent.parent / "testdata" / "ttn"
TOPIC = "v3/garden@ttn/devices/k1/up"


def captured(name):
    return (FILES / f"{name}.json").read_bytes()


def message(device="k1", application="garden", port=1, payload=b"", decoded=None, **more):
    """A message of v3, as short as it can be."""
    up = {"received_at": "2024-01-22T07:06:25Z", "f_port": port, **more}
    up |= {"frm_payload": b64encode(payload).decode()} if payload else {}
    up |= {"decoded_payload": decoded} if decoded is not None else {}
    ids = {"device_id": device, "application_ids": {"application_id": application}, "dev_eui": "70B3D57ED0001A2B"}
    return json.dumps({"end_device_ids": ids, "uplink_message": up}).encode()


def telegrams(*messages, listed=None, rule=Rule(), state=None, **wanted):  # noqa: B008
    """What the messages give, in order."""
    state = State() if state is None else state
    made = Telegrams(Nodes(listed or {}, rule, state), Wanted(**wanted), state)
    return [telegram for each in messages for telegram in made.of(each)]


def node(*messages, **options):
    """The node of the only telegram of some messages."""
    [found] = telegrams(*messages, **options)
    return found.ident.node


def test_a_message_of_v3_gives_what_was_decoded():
    [data] = telegrams(captured("v3-decoded"))

    assert data.ident == Ident("mysense-kits", "lopy4-garden", geolocation=Location(51.512345, 6.123456, 22))
    assert data.values == {
        "temperature_1": 23.1, "relative_humidity_2": 64, "motion": False, "gps_4_latitude": 51.5,
        "gps_4_longitude": 6.1, "bins_0": 12, "bins_1": 7.5, "state": "ok",
    }  # fmt: skip


def test_a_message_of_v2_gives_what_was_decoded():
    [data] = telegrams(captured("v2-decoded"))

    assert data.ident == Ident("mysense-kits", "lopy_garden", geolocation=Location(51.512345, 6.123456, 22))
    assert data.values == {"battery": 3912, "event": "motion", "light": 21, "temperature": 25.44}


def test_the_time_is_when_the_device_began_to_send_to_the_nanosecond():
    [three], [two] = telegrams(captured("v3-decoded")), telegrams(captured("v2-decoded"))

    assert three.time == 1705907185_054442349 - 205824000
    assert two.time == 1548783997_512345678 - 51456000


def test_without_an_air_time_it_is_when_it_was_received():
    [data] = telegrams(message(decoded={"a": 1}, received_at="2024-01-22T08:06:25.5+01:00"))

    assert data.time == 1705907185_500000000


def test_a_device_that_joins_has_sent_nothing():
    assert telegrams(captured("v3-join")) == []


def test_what_is_for_the_network_alone_is_passed_over():
    assert telegrams(message(port=0), message(decoded={}), message(decoded={"a": None})) == []


def test_a_kit_tells_what_it_is_and_its_values_say_by_which_device():
    ident, data = telegrams(captured("v3-port3"), captured("v3-port4"))

    assert isinstance(ident, Ident)
    assert ident.node == "mysense-kits_lopy4-roof"
    assert ident.geolocation == Location(51.51234, 6.12345, 22)
    assert ident.since == 1705907340_200000000 - 61696000
    assert ident.meta == {"version": 0.5, "dust": "PMS7003", "meteo": "BME680", "gps": "NEO-6"}
    assert isinstance(data, Data)
    assert data.values["pm25"] == 8.7
    assert {f.name: (f.unit, f.device) for f in data.ident.fields} == {
        **dict.fromkeys(("pm1", "pm25", "pm10"), ("ug/m3", "PMS7003")),
        **dict.fromkeys(("pm05_cnt", "pm1_cnt", "pm25_cnt", "pm5_cnt", "pm10_cnt"), ("pcs/0.1L", "PMS7003")),
        "grain": ("um", "PMS7003"),
        "temp": ("C", "BME680"), "rh": ("%", "BME680"), "hpa": ("hPa", "BME680"), "gas": ("kOhm", "BME680"),
        "aqi": ("%", "BME680"), "volt": ("V", ""),
    }  # fmt: skip
    assert data.values.keys() == {f.name for f in data.ident.fields}


def test_what_a_kit_told_holds_after_a_restart():
    state = State()
    telegrams(captured("v3-port3"), state=state)
    [data] = telegrams(captured("v3-port4"), state=State(dict(state)))

    assert data.ident.fields[0].device == "PMS7003"
    assert data.ident.geolocation == Location(51.51234, 6.12345, 22)


def test_kits_that_do_not_tell_have_the_devices_of_the_options():
    [data] = telegrams(captured("v3-port4"), dust="SDS011", meteo="BME280")

    assert {f.device for f in data.ident.fields} == {"SDS011", "BME280", ""}


def test_an_ident_does_not_change_with_what_a_message_happens_to_hold():
    dust, weather = b"\x80\0\x10\0\x20", b"\x80\0\x10\0\x20\1\xfb\2\xaf\3\xfb"
    *_, both, one = telegrams(*(message(port=4, payload=each) for each in (dust, weather, dust)))

    assert one.values.keys() == {"pm25", "pm10"}
    assert one.ident == both.ident


def test_an_uplink_that_comes_twice_is_the_same_telegram():
    first, second = telegrams(captured("v3-port4"), captured("v3-port4"), signal=True)

    assert (first.ident, first.time, first.values) == (second.ident, second.time, second.values)


def test_a_message_out_of_the_storage_of_the_network_is_the_same_telegram():
    text = captured("v3-decoded")
    [live], [stored] = telegrams(text), telegrams(b'{"result": ' + text + b"}")

    assert (stored.ident, stored.time, stored.values) == (live.ident, live.time, live.values)


def test_an_event_is_a_note():
    [note] = telegrams(message(port=3, payload=b"\5\0\x53\x0d"))

    assert isinstance(note, Note)
    assert (note.kind, note.text, note.values) == ("event", "the battery is low", {"event": 13, "value": 83})


@pytest.mark.parametrize(
    ("prefer", "port", "decoded", "name"),
    [
        ("decoded", 4, {"x": 1}, "x"),
        ("bytes", 4, {"x": 1}, "pm25"),
        ("decoded", 4, {}, "pm25"),
        ("bytes", 77, {"x": 1}, "x"),
        ("bytes", 10, {"x": 1}, "x"),
    ],
)
def test_what_was_decoded_or_the_bytes_as_one_prefers(prefer, port, decoded, name):
    [data] = telegrams(message(port=port, payload=b"\x80\0\x10\0\x20", decoded=decoded), prefer=prefer)

    assert name in data.values


def test_the_signal_is_that_of_the_best_gateway_where_it_is_asked_for():
    [plain] = telegrams(captured("v3-decoded"))
    [data] = telegrams(captured("v3-decoded"), signal=True)

    added = {"rssi": -95, "snr": 9.5, "gateways": 3}
    assert data.values == {**plain.values, **added}
    assert [(f.name, f.unit) for f in data.ident.fields] == [("rssi", "dBm"), ("snr", "dB"), ("gateways", "")]


def test_a_value_of_the_device_stands_before_that_of_the_radio():
    gateways = [{"rssi": -90, "snr": 3}, {"rssi": True}, {"snr": 1}, "x", {"rssi": 1e400}]
    [data] = telegrams(message(decoded={"rssi": -40}, rx_metadata=gateways), signal=True)

    assert data.values == {"rssi": -40, "snr": 3, "gateways": 1}


LISTED = {
    "k1": Ident(
        "BdP", "33004d45", "roof", Location(51.4, 6.1), (Field("pm25", "ug/m3", "mine"),), {"street": "Mill 1"}
    ),
    "orchard/k1": Ident("BdP", "30aea4"),
}


def test_devices_that_are_listed_are_the_nodes_that_are_listed():
    assert node(message("k1"), message("k1", decoded={"a": 1}), listed=LISTED) == "BdP_33004d45"
    assert node(message("k1", "orchard", decoded={"a": 1}), listed=LISTED) == "BdP_30aea4"
    assert node(message("k2", decoded={"a": 1}), listed=LISTED) == "garden_k2"


def test_the_list_says_more_than_the_device():
    [data] = telegrams(message("k1", port=4, payload=b"\x80\0\x10\0\x20"), listed=LISTED)

    assert (data.ident.label, data.ident.geolocation) == ("roof", Location(51.4, 6.1))
    assert data.ident.fields == (Field("pm25", "ug/m3", "mine"), Field("pm10", "ug/m3"))
    assert data.ident.meta == {"street": "Mill 1"}


def test_only_listed_devices_are_taken_when_asked():
    assert telegrams(message("k2", decoded={"a": 1}), listed=LISTED, rule=Rule(unlisted=False)) == []


def test_patterns_choose_nodes_by_their_whole_names():
    def taken(**patterns):
        messages = [message(device, decoded={"a": 1}) for device in ("k1", "k12", "k2")]
        return [telegram.ident.serial for telegram in telegrams(*messages, rule=Rule(**patterns))]

    assert taken(serials="k1|k2") == ["k1", "k2"]
    assert taken(serials="k1.*", projects="gard.*") == ["k1", "k12"]
    assert taken(projects="gard") == []


@pytest.mark.parametrize(
    ("project", "serial", "name"),
    [
        ("{application}", "{device}", "garden_k1"),
        ("LoRa", "{eui}", "LoRa_70b3d57ed0001a2b"),
        ("x-{application}", "{application}.{device}", "x-garden_garden.k1"),
    ],
)
def test_a_rule_names_the_nodes_of_other_devices(project, serial, name):
    rule = Rule(nodes.template(project), nodes.serial(serial))

    assert node(message(decoded={"a": 1}), rule=rule) == name


def test_two_devices_never_become_one_node():
    state, rule = State(), Rule("BdP", "{device}")
    assert node(message("k1", "garden", decoded={"a": 1}), rule=rule, state=state) == "BdP_k1"

    with pytest.raises(ValueError, match="device orchard/k1 would be node BdP_k1, but so is garden/k1: list it"):
        telegrams(message("k1", "orchard", decoded={"a": 1}), rule=rule, state=State(dict(state)))
    with pytest.raises(ValueError, match="would be node BdP_33004d45, but so is one that is listed"):
        telegrams(message("33004d45", decoded={"a": 1}), rule=rule, listed=LISTED)
    assert node(message("k1", "garden", decoded={"a": 2}), rule=rule, state=state) == "BdP_k1"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)


@given(st.lists(st.tuples(TEXTS, TEXTS), unique=True, min_size=2, max_size=6))
@hypothesis.example([("a b", "k 1"), ("a b", "k-1"), ("a_b", "c"), ("a", "b_c")])
@hypothesis.example([("a", "x" * 80), ("a", "x" * 79), ("ä", "é"), ("a", "-")])
def test_whatever_devices_are_called_each_is_a_node_of_its_own(names):
    state, found, refused = State(), {}, []
    for application, device in names * 2:
        try:
            [data] = telegrams(message(device, application, decoded={"a": 1}), state=state)
        except ValueError as error:
            refused.append(str(error))
            continue
        assert check_name(data.ident.project)
        assert check_name(data.ident.serial)
        found.setdefault(data.ident.node, set()).add((application, device))

    assert all(len(owners) == 1 for owners in found.values())
    assert all("but so is" in reason for reason in refused)


def test_a_name_that_had_to_be_changed_is_the_label():
    [data] = telegrams(message("Küche 1", decoded={"a": 1}))

    assert data.ident.label == "Küche 1"
    assert data.ident.serial.startswith("K-che-1-")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{dvice}", "{dvice} is none of application, device, eui, did you mean 'device'?"),
        ("kit {device}", "cannot be a name"),
        ("{device", "cannot be a name"),
        ("kits", "is one serial for all devices: write {device} or {eui} into it"),
    ],
)
def test_a_rule_that_cannot_name_devices_is_refused(text, reason):
    with pytest.raises(ValueError) as info:
        nodes.serial(text)

    assert reason in str(info.value)


def test_a_rule_by_eui_needs_one():
    text = message(decoded={"a": 1}).replace(b"dev_eui", b"other")

    with pytest.raises(ValueError, match="device garden/k1 does not tell its eui"):
        telegrams(text, rule=Rule(serial="{eui}"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("k1 BdP/1", "write the device, a colon and its node, such as lopy4-1: BdP/33004d45"),
        ("k1: BdP", "write the device, a colon"),
        ("k1: BdP/a b", "cannot be a name"),
        ("k1: B/1, k1: B/2", "'k1' is there twice"),
    ],
)
def test_a_list_with_a_mistake_is_refused(text, reason):
    with pytest.raises(ValueError) as info:
        devices.devices(text)

    assert reason in str(info.value)


def test_a_file_lists_whole_idents_and_may_have_comments(tmp_path):
    path = tmp_path / "devices.json"
    path.write_text(
        '// kits\n{\n  // the first\n  "k1": {"project": "B", "serial": "1", "geolocation": "51.5,6.1"}\n}\n'
    )

    assert devices.read(path) == {"k1": Ident("B", "1", geolocation=Location(51.5, 6.1))}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ("[]", "write an object"),
        ('{"k1": 1}', "k1: write an object"),
        ('{"k1": {"project": "B"}}', "k1: 'serial' is missing"),
        ('{"k1": {"project": "B", "serial": "a b"}}', "k1: 'a b' cannot be a name"),
        ('{"k1": {"project": "B", "serial": "1", "geolocation": "north"}}', "k1: 'north' is not a place"),
    ],
)
def test_a_file_with_a_mistake_is_named_with_its_reason(tmp_path, text, reason):
    path = tmp_path / "devices.json"
    path.write_text(text)

    with pytest.raises(ConfigError) as info:
        devices.read(path)

    assert str(info.value).startswith(f"devices_file {path}")
    assert reason in str(info.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"devices_file .*none.json: No such file"):
        devices.read(tmp_path / "none.json")


def test_only_listed_devices_needs_a_list():
    with pytest.raises(ValueError, match="all = no takes only devices that are listed"):
        ttn.Subscriber(all=False)


def test_something_must_be_subscribed():
    with pytest.raises(ValueError, match="topic: name what to subscribe to"):
        ttn.Subscriber(topic=())


DEEP = b"[" * 3000 + b"]" * 3000
V3, V2 = json.loads(captured("v3-decoded")), json.loads(captured("v2-decoded"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "no message of The Things Network"),
        (b"\xff\xfe{}", "no message of The Things Network"),
        (b"[]", "not a JSON object"),
        (b"{}", "neither end_device_ids (v3) nor dev_id (v2)"),
        (b"[" * 100_000, "too deeply nested"),
        (message(decoded={"a": "\ud800"}), "not Unicode text"),
        (
            message().replace(b'"uplink_message": {', b'"uplink_message": {"decoded_payload": {"a": ' + DEEP + b"},"),
            "deeply",
        ),
        (message(device=""), "device_id is missing"),
        (message(device=7), "device_id is not text"),
        (message(application=None), "application_id is missing"),
        (message(received_at="yesterday"), "received_at: 'yesterday' is not a time"),
        (message(received_at="2024-02-30T00:00:00Z"), "is not a time"),
        (message(received_at="0001-01-01T00:00:00Z"), "is before 1970"),
        (message(received_at="9999-01-01T00:00:00Z"), "is not a time"),
        (message(received_at=None), "received_at: '' is not a time"),
        (message(consumed_airtime="long"), "consumed_airtime 'long' is not a duration"),
        (message(consumed_airtime="90s"), "an air time of 90 s cannot be"),
        (message(port="4"), "f_port is not a whole number"),
        (message(decoded=[1]), "decoded_payload is not an object"),
        (message(rx_metadata={}), "rx_metadata is not a list"),
        (message(frm_payload="%%"), "frm_payload is not base64"),
        (message(port=7, payload=b"\1"), "port 7 is none of those whose bytes are known"),
        (json.dumps(V2 | {"metadata": {"time": ""}}).encode(), "metadata.time: '' is not a time"),
        (json.dumps(V2 | {"metadata": V2["metadata"] | {"airtime": -1}}).encode(), "air time"),
        (json.dumps(V2 | {"metadata": V2["metadata"] | {"airtime": 10**400}}).encode(), "air time"),
        (message(consumed_airtime="9" * 400 + "s"), "is not a duration"),
        (message(device="k" * 101, decoded={"a": 1}), "device_id is longer than any name there: 101 letters"),
        (message(decoded={"x" * 100_000: [1] * 100_000}), "more members"),
    ],
)
def test_what_is_no_uplink_is_refused_in_one_sentence(text, reason):
    with pytest.raises(ValueError) as info:
        telegrams(text)

    assert reason in str(info.value)
    assert len(str(info.value).splitlines()) == 1


def test_a_place_that_cannot_be_is_no_place():
    for lat, lon in ((0, 0), (91, 0), ("north", 1), (None, None), (10**400, 1), ([], {})):
        user = {"user": {"latitude": lat, "longitude": lon}}
        [data] = telegrams(message(decoded={"a": 1}, locations=user))
        assert data.ident.geolocation is None


NAMES = st.sampled_from(sorted({*V3, *V2, "a"}))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["0.1s", "AQID"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.sampled_from([V3, V2]), st.data())
@hypothesis.settings(max_examples=500)
def test_a_damaged_message_gives_telegrams_or_is_refused(whole, draw):
    said = json.loads(json.dumps(whole))
    for _ in range(draw.draw(st.integers(1, 3))):
        place = said
        while True:
            key = draw.draw(st.sampled_from(sorted(place)))
            if not (isinstance(place[key], dict) and place[key] and draw.draw(st.booleans())):
                break
            place = place[key]
        place[key] = draw.draw(JSON)
    with suppress(ValueError):
        found = telegrams(json.dumps(said).encode(), signal=True)
        assert all(isinstance(telegram, Data | Note | Ident) for telegram in found)


@given(st.binary(max_size=80))
def test_any_bytes_are_refused(text):
    with pytest.raises(ValueError, match="no message of The Things Network"):
        uplink.read(text)
