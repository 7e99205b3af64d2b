"""What Home Assistant is told, against the rules of its documentation."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense import examples
from mysense.channels.mqtt import discovery
from mysense.fields import QUANTITIES
from mysense.telegram import SECOND, Data, Field, Ident
from tests import homeassistant

STATUS = "IoS/Demo/k1/status"


def told(ident, **options):
    given = {"topic": f"IoS/{ident.node}", "status": STATUS, "expire": 900.0} | options
    return homeassistant.device(discovery.text(discovery.device(ident, **given)))


def sensors(*fields, **items):
    ident = Ident("Demo", "k1", fields=fields, **items)
    return {each["uniq_id"].rpartition("-")[2]: each for each in told(ident)["cmps"].values()}


def state(ident, **values):
    return discovery.state(Data(ident, 1_700_000_000 * SECOND, values))


@pytest.mark.parametrize("known", QUANTITIES.values(), ids=list(QUANTITIES))
def test_every_field_that_we_know_is_one_that_home_assistant_takes(known):
    [sensor] = sensors(Field(known.name, known.unit)).values()

    assert sensor.get("dev_cla", "") == known.device_class
    assert sensor["stat_cla"]
    assert sensor["sug_dsp_prc"] == known.decimals
    assert sensor["name"].lower() == known.meaning.lower()


@pytest.mark.parametrize("known", QUANTITIES.values(), ids=list(QUANTITIES))
@pytest.mark.parametrize("unit", ["", "furlong", "ppb", "ug/m3", "mg/m3", "F", "Pa", "km/h", "pcs/0.01ft3"])
def test_a_field_with_another_unit_keeps_it_and_has_no_class_that_does_not_know_it(known, unit):
    [sensor] = sensors(Field(known.name, unit)).values()

    assert ("unit_of_meas" in sensor) == bool(unit)


def test_the_example_kit_looks_like_this():
    [ident] = [each for each in examples.telegrams() if isinstance(each, Ident)]
    message = told(ident.public(), topic="IoS/BdP/test_sense")
    sensors = message["cmps"]

    assert message["dev"] == {
        "ids": ["mysense_BdP_test_sense"], "name": "alphaTest", "mf": "mysense", "mdl": "sensor kit",
        "sn": "test_sense",
    }  # fmt: skip
    assert message["stat_t"] == "IoS/BdP/test_sense/state"
    assert message["avty"] == [{"t": STATUS}]
    assert sensors["mysense_BdP_test_sense-temp"] == {
        "p": "sensor", "uniq_id": "mysense_BdP_test_sense-temp", "name": "Temperature (BME280)",
        "val_tpl": '{{ value_json.get("temp") }}', "stat_cla": "measurement", "unit_of_meas": "°C",
        "dev_cla": "temperature", "sug_dsp_prc": 1, "exp_aft": 900,
    }  # fmt: skip
    assert [each["name"] for each in sensors.values()] == [
        "Small particles counted by a Dylos", "Large particles counted by a Dylos", "Temperature (DHT22)",
        "Relative humidity (DHT22)", "Temperature (BME280)", "Relative humidity (BME280)", "Air pressure",
    ]  # fmt: skip


def test_two_fields_of_one_device_are_told_apart_by_their_names():
    names = [each["name"] for each in sensors(Field("temp", "C", "DS18B20"), Field("temp2", "C", "DS18B20")).values()]

    assert names == ["Temperature (temp)", "Temperature (temp2)"]


def test_what_is_of_the_kit_and_not_of_the_air_is_diagnostic():
    found = sensors(Field("rssi", "dBm"), Field("accu", "%"), Field("volt", "V"), Field("temp", "C"))

    assert {name for name, each in found.items() if each.get("ent_cat") == "diagnostic"} == {"rssi", "accu", "volt"}


def test_wind_and_rain_are_counted_as_they_must_be():
    found = sensors(Field("wd", "degrees"), Field("dayrain", "mm"), Field("prevrain", "mm"))

    assert [each["stat_cla"] for each in found.values()] == ["measurement_angle", "total_increasing", "measurement"]


def test_volatile_compounds_have_the_class_of_their_unit():
    classes = [sensors(Field("tvoc", unit))["tvoc"].get("dev_cla") for unit in ("ppb", "ug/m3", "V")]

    assert classes == ["volatile_organic_compounds_parts", "volatile_organic_compounds", None]


def test_names_survive_another_label_and_another_topic():
    one = told(Ident("Demo", "k1", "shed", fields=(Field("temp", "C"),)))
    other = told(Ident("Demo", "k1", "roof", fields=(Field("temp", "C"),)), topic="elsewhere", status="")

    assert one["cmps"].keys() == other["cmps"].keys()
    assert one["dev"]["ids"] == other["dev"]["ids"]
    assert (one["dev"]["name"], other["dev"]["name"]) == ("shed", "roof")
    assert "avty" not in other


def test_a_field_that_has_no_value_today_is_unknown_and_zero_is_a_value():
    ident = Ident("Demo", "k1", fields=(Field("temp", "C"), Field("rh", "%"), Field("say")))
    cmps = told(ident)["cmps"].values()

    assert [homeassistant.shown(each, state(ident, temp=0)) for each in cmps] == ["0", None, None]
    assert [homeassistant.shown(each, state(ident, rh=55.5, say="fog")) for each in cmps] == [None, "55.5", "fog"]


def test_text_where_a_number_belongs_is_left_out_and_a_yes_is_told_as_on():
    ident = Ident("Demo", "k1", fields=(Field("temp", "C"), Field("door"), Field("say")))
    cmps = told(ident)["cmps"].values()
    payload = state(ident, temp="broken", door=True, say="x" * 1000, later=7)

    assert [homeassistant.shown(each, payload) for each in cmps] == [None, "on", "x" * 255]
    assert "later" not in payload  # its ident does not name it yet


def test_a_field_that_has_gone_is_reduced_to_its_platform():
    message = discovery.device(Ident("Demo", "k1", fields=(Field("temp", "C"),)), "t", "", 900)

    sent = homeassistant.device(discovery.text(message, gone=("mysense_Demo_k1-rh",)))
    assert sent["cmps"]["mysense_Demo_k1-rh"] == {"p": "sensor"}
    assert "mysense_Demo_k1-rh" not in homeassistant.device(discovery.text(message))["cmps"]


def test_names_that_differ_in_strange_signs_only_stay_apart():
    serials = ["k.1", "k_1", "k-1"]
    assert len({discovery.config_topic("homeassistant", Ident("Demo", each)) for each in serials}) == 3
    assert (
        len(sensors(Field("a.b", "V"), Field("a-b", "V"), Field("a_b", "V"), Field("a b", "V"), Field("ä", "V"))) == 5
    )


_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
_names = st.one_of(_text, st.sampled_from([*QUANTITIES, "items", "get", 'say "}}"', "{% raw %}", "\\", "temp", "TEMP"]))
_units = st.one_of(_text, st.sampled_from([each.unit for each in QUANTITIES.values()]))
_fields = st.lists(st.builds(Field, _names.filter(bool), _units, _text), max_size=8).map(tuple)
_values = st.one_of(st.floats(), st.integers(), st.booleans(), _text)


@given(_fields, _text, st.data())
def test_strange_idents_give_messages_by_the_rules_and_states_that_can_be_shown(fields, label, drawn):
    ident = Ident("Demo", "k1", label, fields=fields)
    message = told(ident)
    values = {each.name: drawn.draw(_values) for each in fields}
    payload = discovery.state(Data(ident, 0, values))

    assert len(message["cmps"]) == len({each.name for each in fields})
    assert json.loads(payload).keys() <= values.keys()
    for each in message["cmps"].values():
        homeassistant.shown(each, payload)
