"""Which topic a telegram has, and what stands in its message."""

import json

import pytest

from mysense import options, wire
from mysense.channels import mqtt
from mysense.channels.mqtt.layout import Topic, checked, written
from mysense.errors import ConfigError, RejectedError
from mysense.telegram import SECOND, Data, Field, Ident, Location, Note

IDENT = Ident(
    "Demo", "k1", "shed", Location(51.4, 6.1), (Field("temp", "C", "BME280"),), {"floor": 2, "street": "Dorpsstraat"}
)
DATA = Data(IDENT, 1_700_000_000_250_000_000, {"temp": 20.5, "say": "ü"}, {"temp": "spike"})


@pytest.mark.parametrize(
    ("template", "topic"),
    [
        ("IoS/{project}/{serial}", "IoS/Demo/k1"),
        ("kits/{node}", "kits/Demo_k1"),
        ("{label}/{floor}-{serial}/air", "shed/2-k1/air"),
        ("at/{geolocation}/{serial}", "at/51.4,6.1,0/k1"),
        ("one topic for all", "one topic for all/Demo/k1"),
    ],
)
def test_a_topic_is_made_of_text_and_items_of_the_ident(template, topic):
    assert Topic(checked(template)).of(IDENT) == topic


def test_the_topic_of_the_original_is_the_first_level():
    assert options.parse(mqtt.Publisher, {"topic": "IoS"}, str).topic == "IoS/{project}/{serial}"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("IoS/#", "# stands for any level"),
        ("IoS/+/{serial}", r"\+ stands for any level"),
        ("/IoS/{serial}", "empty level"),
        ("IoS//{serial}", "empty level"),
        ("IoS/{serial}/", "empty level"),
        ("$SYS/{serial}", "begins with \\$"),
        ("IoS/{serial", "braces"),
        ("IoS/{}", "between the braces"),
        ("IoS/{street}/{serial}", "private"),
        ("IoS\n/{serial}", "cannot be printed"),
    ],
)
def test_a_template_that_cannot_be_a_topic_is_refused_with_the_reason(template, said):
    with pytest.raises(ValueError, match=said):
        checked(template)


@pytest.mark.parametrize("text", ["a/#", "a//b", "$SYS/x", "/"])
def test_a_topic_without_names_is_checked_too(text):
    with pytest.raises(ConfigError, match="status"):
        options.parse(mqtt.Publisher, {"status": text}, lambda name: f"[publisher:mqtt] {name}:")


@pytest.mark.parametrize(
    ("ident", "said"),
    [
        (Ident("Demo", "k1"), "there is no 'label' to fill"),
        (Ident("Demo", "k1", "a/b"), "the label 'a/b' cannot be a level of a topic: / separates levels"),
        (Ident("Demo", "+", "shed"), r"the serial '\+' cannot be a level"),
        (Ident("Demo", "k1", "a\0b"), "cannot be printed"),
        (Ident("Demo", "k1", "$SYS"), "the broker's own"),
        (Ident("Demo", "k1", "ü" * 40_000), "longer than MQTT allows"),
    ],
)
def test_a_node_that_cannot_have_a_topic_is_told_why(ident, said):
    topic = Topic("{label}/{project}/{serial}")

    with pytest.raises(RejectedError, match=said):
        topic.of(ident)
    assert topic.lane(ident) == ""


def test_a_topic_is_looked_up_by_the_ident_and_never_mixed_up():
    topic = Topic("{serial}")

    assert [topic.lane(Ident("Demo", f"k{n}")) for n in range(5000)] == [f"k{n}" for n in range(5000)]


@pytest.mark.parametrize("option", ["layout", "discovery"])
def test_nodes_that_would_overwrite_each_other_are_refused(option):
    given = {"layout": "split"} if option == "layout" else {"discovery": True}

    with pytest.raises(ValueError, match=f"with {option} "):
        mqtt.Publisher(topic="IoS/{project}", **given)
    assert mqtt.Publisher(topic="IoS/{project}")


def test_the_classic_message_is_ident_and_data():
    topic, payload, retain, *_ = written("IoS/Demo/k1", DATA, split=False)

    assert (topic, retain) == ("IoS/Demo/k1", False)
    said = json.loads(payload)
    assert said["metadata"]["fields"] == [{"name": "temp", "unit": "C", "device": "BME280"}]
    assert said["data"] == {"time": 1700000000.25, "temp": 20.5, "say": "ü"}
    assert list(wire.decode([payload])) == [DATA]


def test_split_is_the_ident_retained_and_the_data_beside_it():
    ident, data = (written("IoS/Demo/k1", each, split=True) for each in (IDENT, DATA))

    assert (ident.topic, ident.retain) == ("IoS/Demo/k1/ident", True)
    assert (data.topic, data.retain) == ("IoS/Demo/k1/data", False)
    assert list(wire.decode([ident.payload, data.payload])) == [IDENT, DATA]


@pytest.mark.parametrize("split", [False, True])
def test_a_note_has_a_topic_of_its_own_in_both_layouts(split):
    note = Note(Ident("Demo", "k1"), 1_700_000_000 * SECOND, "stuck", "sds011 says nothing")
    message = written("IoS/Demo/k1", note, split)

    assert (message.topic, message.retain) == ("IoS/Demo/k1/station", False)
    assert list(wire.decode([message.payload])) == [note]
