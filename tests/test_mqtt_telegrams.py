"""Messages become telegrams: both layouts, quickly or thoroughly, and never something else."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense import wire
from mysense.channels.mqtt import telegrams as subject
from mysense.channels.mqtt.telegrams import Telegrams
from mysense.channels.mqtt.topics import Topics, checked
from mysense.state import State
from mysense.telegram import SECOND, Data, Field, Ident, Note

T0 = 1_700_000_000
IDENT = Ident("BdP", "k1", "shed", fields=(Field("temp", "C"),), since=T0 * SECOND)
TOPIC = "IoS/BdP/k1"


class Slow(Telegrams):
    """Reads everything thoroughly."""

    def _learn(self, *_):
        pass


def made(cls=Telegrams, state=None, topic="#", projects=".+", serials=".+"):
    return cls(Topics(checked(topic), projects, serials), State() if state is None else state)


def classic(time, ident=IDENT, **values):
    return wire.encode_classic(Data(ident, round(time * SECOND), values or {"temp": 1.5})).encode()


def split(time, ident=IDENT, **values):
    """Data by itself, its node named and no more."""
    return wire.encode(Data(ident, round(time * SECOND), values or {"temp": 1.5})).encode()


def told(ident):
    return wire.encode(ident).encode()


def shown(source, topic, payload):
    """All that can be seen of what a message becomes."""
    try:
        return [
            (type(t).__name__, t if isinstance(t, Ident) else (t.ident, t.time, repr(sorted(t.values.items())))
             + ((dict(t.flags),) if isinstance(t, Data) else (t.kind, t.text)))
            for t in source.of(topic, payload)
        ]  # fmt: skip
    except ValueError as error:
        return str(error)


def test_the_classic_layout_is_ident_and_data_in_one():
    [data] = made().of(TOPIC, classic(T0, temp=2.5, rh=40))

    assert data == Data(IDENT, T0 * SECOND, {"temp": 2.5, "rh": 40})


def test_several_records_in_one_message_are_several_telegrams():
    message = json.loads(classic(T0))
    message["data"] = [{"time": T0, "temp": 1}, {"time": T0 + 0.25, "temp": 2}]
    got = made().of(TOPIC, json.dumps(message).encode())

    assert [(data.time - T0 * SECOND, dict(data.values)) for data in got] == [
        (0, {"temp": 1}),
        (SECOND // 4, {"temp": 2}),
    ]


def test_the_split_layout_is_told_apart_by_what_is_in_a_message():
    source = made()

    assert source.of(f"{TOPIC}/ident", told(IDENT)) == [IDENT]
    assert [d.ident for d in source.of(f"{TOPIC}/data", split(T0))] == [IDENT]
    [note] = source.of(TOPIC, wire.encode(Note(IDENT, T0 * SECOND, "stuck", "a sensor")).encode())
    assert (note.kind, note.ident) == ("stuck", IDENT)


def test_data_before_any_ident_is_of_a_node_that_has_only_its_name():
    [data] = made().of(TOPIC, split(T0))

    assert data.ident == Ident("BdP", "k1")


def test_an_ident_is_known_after_a_restart():
    state = State()
    made(state=state).of(TOPIC, told(IDENT))
    [data] = made(state=State(dict(state))).of(TOPIC, split(T0))

    assert data.ident == IDENT


@pytest.mark.parametrize("restart", [False, True])
def test_late_data_is_of_the_ident_that_its_node_had_then(restart):
    state = State()
    source = made(state=state)
    moves = [replace(IDENT, label=f"place {n}", since=(T0 + 100 * n) * SECOND) for n in range(3)]
    for each in moves:
        source.of(TOPIC, told(each))
    source.of(TOPIC, split(T0 + 300)), source.of(TOPIC, split(T0 + 301))
    if restart:
        source = made(state=State(dict(state)))
    labels = [source.of(TOPIC, split(T0 + when))[0].ident.label for when in (250, 150, 50, -50, 210)]

    assert labels == ["place 2", "place 1", "place 0", "place 2", "place 2"]


def test_an_ident_that_comes_again_behind_a_newer_one_is_not_taken_for_a_move():
    state = State()
    moved = replace(IDENT, label="roof", since=(T0 + 100) * SECOND)
    messages = [told(IDENT), split(T0), told(moved), split(T0 + 100)]
    source = made(state=state)
    first = [each for payload in messages for each in source.of(TOPIC, payload)]
    source = made(state=State(dict(state)))  # killed before it could acknowledge
    again = [each for payload in messages for each in source.of(TOPIC, payload)]

    assert first == [IDENT, Data(IDENT, T0 * SECOND, {"temp": 1.5}),
                     moved, Data(moved, (T0 + 100) * SECOND, {"temp": 1.5})]  # fmt: skip
    assert again == first[1:]
    assert dict(source._state) == dict(state)


def test_a_node_that_moves_back_has_moved():
    source = made()
    idents = [replace(IDENT, label=label, since=(T0 + n) * SECOND) for n, label in enumerate(("a", "b", "a"))]

    assert [source.of(TOPIC, told(each)) for each in idents] == [[each] for each in idents]


def test_idents_without_a_time_are_taken_as_they_come():
    source = made()
    idents = [replace(IDENT, label=label, since=None) for label in ("a", "b", "a")]

    assert [source.of(TOPIC, told(each)) for each in idents] == [[each] for each in idents]
    assert source.of(TOPIC, split(T0))[0].ident.label == "a"


def test_who_may_write_a_topic_does_not_speak_for_another_node():
    source = made(topic="IoS")
    for payload in (classic(T0), split(T0), told(IDENT)):
        with pytest.raises(ValueError, match="it is of BdP_k1, and this topic is not"):
            source.of("IoS/BdP/k2", payload)

    assert source.of("IoS/BdP/k1", split(T0))[0].ident == Ident("BdP", "k1"), "and leaves no trace"


def test_nodes_that_nobody_asked_for_are_passed_over():
    source = made(projects="Fleet|Demo", serials="[a-z].*")

    assert source.of(TOPIC, classic(T0)) == ()
    assert source.of(TOPIC, told(IDENT)) == ()
    assert source.of(TOPIC, classic(T0, replace(IDENT, project="Demo")))


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "not JSON"),
        (b"on", "not JSON"),
        (b"\xff\xfe\x00", "not"),
        (b"\xc3\x28", "not UTF-8"),
        (b"[1]", "not a JSON object"),
        (b"23.5", "not a JSON object"),
        (b"{}", "missing"),
        (b"null", "not a JSON object"),
        (b"[" * 100_000, "too deeply nested"),
        (b'{"data":' * 100_000, "too deeply nested"),
        (b'{"project":"a","serial":"b"}', "'data' is missing"),
        (b'{"project":"a","serial":"b","data":{"temp":1}}', "'time' is missing"),
        (b'{"project":"a","serial":"b","data":"x"}', "'data' is no object"),
        (b'{"project":"a","serial":"b","data":[[1,2]]}', "'data' is no object"),
        (b'{"project":"a","serial":"b","data":null}', "'data' is no object"),
        (b'{"project":"a","serial":"b","data":{"time":true,"temp":1}}', "not a time"),
        (b'{"project":"a","serial":"b","data":{"time":null,"temp":1}}', "not a time"),
        (b'{"project":"a","serial":"b","data":{"time":1e30,"temp":1}}', "not a time"),
        (b'{"project":"a","serial":"b","data":{"time":9999999999999,"temp":1}}', "not a time"),
        (b'{"project":"a","serial":"b","data":{"time":1e999,"temp":1}}', "not a time"),
        (b'{"project":"a","serial":"b","data":{"time":1,"temp":1},"flags":[]}', "no telegram"),
        (b'{"project":["a"],"serial":"b","data":{"time":1}}', "'project' is no name"),
        (b'{"project":"a b","serial":"b","data":{"time":1,"x":1}}', "cannot be a name"),
        (b'{"metadata":7,"data":{"time":1}}', "not a JSON object"),
        (b'{"metadata":{"project":"a"},"data":{"time":1}}', "'serial' is missing"),
        (b'{"project":"a","serial":"b","data":{"time":1,"x":' + b"9" * 5000 + b"}}", "digits"),
        (b'{"project":"a","serial":"b","data":{"time":1,"x":"\\ud800"}}', "not Unicode text"),
        (b'{"project":"a","serial":"b","note":{"time":1}}', "'kind' is missing"),
        (b'{"ident":[]}', "not a JSON object"),
    ],
)
def test_what_is_no_telegram_is_told_in_a_sentence(payload, why):
    source = made()
    for _ in range(2):
        with pytest.raises(ValueError, match=why) as caught:
            source.of("x", payload)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200


PLAIN = st.fixed_dictionaries(
    {"time": st.integers(T0 - 1000, T0 + 1000), "temp": st.floats(-50, 50), "n": st.integers()}
)
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ANY = st.recursive(
    LEAF, lambda each: st.lists(each, max_size=2) | st.dictionaries(st.text(max_size=4), each, max_size=2)
)
ODD = st.fixed_dictionaries(
    {"time": st.integers() | st.floats() | st.decimals(0, 2 * T0, places=9).map(float) | st.booleans() | st.text()},
    optional={"temp": ANY, "a:b": LEAF, "data": LEAF, "x y": LEAF, "": LEAF},
)
OTHER = ODD | st.lists(PLAIN, max_size=2) | LEAF
NAMES = st.fixed_dictionaries({"project": st.just("BdP"), "serial": st.sampled_from(["k1", "k2"])})
META = st.tuples(
    NAMES, st.fixed_dictionaries({}, optional={"data": ANY, "label": st.sampled_from(["a", '"data":{', "ü"]),
                                               "since": st.integers(T0 - 500, T0 + 500), "flags": ANY}),
).map(lambda parts: parts[0] | parts[1])  # fmt: skip
EXTRA = st.fixed_dictionaries(
    {},
    optional={"flags": st.dictionaries(st.just("temp"), st.just("high"), max_size=1), "data ": LEAF, "version": LEAF,
              "note": st.just({"time": T0, "kind": "up"})},
)  # fmt: skip
HEADS = st.one_of(META.map(lambda said: {"metadata": said}), NAMES, META.map(lambda said: {"ident": said}))
DUMPS = [
    lambda message: json.dumps(message),
    lambda message: json.dumps(message, ensure_ascii=False, separators=(",", ":")),
    lambda message: json.dumps(message, indent=1),
    lambda message: json.dumps(message) + "\n",
    lambda message: json.dumps(message).replace('"data": ', '"data":  '),
    lambda message: json.dumps(message, separators=(",", ":")).replace('"temp"', '"n"'),
    lambda message: json.dumps(message, separators=(",", ":"))[:-1] + ',"data":{"time":5,"z":1}}',
    lambda message: json.dumps(message, separators=(",", ":"))[:-2] + "}",
    lambda message: json.dumps(message).replace("NaN", "1e999").replace("data", "d\\u0061ta"),
]


@st.composite
def messages(draw):
    """Messages as one node might send them: mostly one head, and many sorts of records."""
    heads = draw(st.lists(st.tuples(HEADS, EXTRA, st.booleans(), st.sampled_from(DUMPS)), min_size=1, max_size=2))
    payloads = []
    for _ in range(draw(st.integers(3, 8))):
        head, extra, first, dumps = draw(st.sampled_from(heads))
        record = {"data": draw(OTHER if draw(st.integers(0, 3)) == 3 else PLAIN)}
        whole = record | head | extra if first else head | extra | record
        payload = dumps(whole).encode("utf-8", "surrogatepass")
        if draw(st.integers(0, 9)) == 0:
            at = draw(st.integers(0, len(payload)))
            payload = payload[:at] + draw(st.binary(max_size=2)) + payload[at:]
        payloads.append(payload)
    return payloads


@given(messages(), st.booleans())
def test_the_fast_road_gives_what_the_slow_one_gives(payloads, again):
    fast, slow = made(), made(Slow)
    for payload in payloads * (1 + again):
        assert shown(fast, TOPIC, payload) == shown(slow, TOPIC, payload)


def test_the_fast_road_is_taken(monkeypatch):
    source = made()
    for n in range(3):
        source.of(TOPIC, classic(T0 + n)), source.of(f"{TOPIC}/data", split(T0 + n))
    monkeypatch.setattr(source, "_read", None)

    assert source.of(TOPIC, classic(T0 + 4, temp=4)) == (Data(IDENT, (T0 + 4) * SECOND, {"temp": 4}),)
    assert source.of(f"{TOPIC}/data", split(T0 + 5, temp=5)) == (Data(IDENT, (T0 + 5) * SECOND, {"temp": 5}),)


@pytest.mark.parametrize(
    "extra", [{"flags": {"temp": "too high"}}, {"note": {"time": T0, "kind": "up"}}], ids=["flags", "a note"]
)
def test_what_stands_before_the_record_and_changes_its_meaning_is_not_forgotten(extra):
    message = {"metadata": {"project": "BdP", "serial": "k1"}, **extra, "data": {"time": T0, "temp": 1}}
    source, payload = made(), json.dumps(message).encode()
    first = shown(source, TOPIC, payload)

    assert [shown(source, TOPIC, payload) for _ in range(3)] == [first] * 3


def test_an_ident_that_changes_is_seen_at_once():
    source = made()
    moved = replace(IDENT, label="roof", since=(T0 + 5) * SECOND)
    got = [source.of(TOPIC, classic(T0 + n, moved if n >= 5 else IDENT))[0].ident for n in range(10)]

    assert got == [IDENT] * 5 + [moved] * 5


def strangers(count, size=0):
    return (replace(IDENT, serial=f"s{n}", label="x" * size) for n in range(count))


def test_names_of_strangers_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(subject, "NODES", 100)
    monkeypatch.setattr(subject, "TOLD", 50)
    state = State()
    source = made(state=state)
    source.of("ours", told(IDENT))
    for n, each in enumerate(strangers(1000)):
        source.of(f"a{n}", told(each)), source.of(f"a{n}", split(T0, each)), source.of(f"a{n}", split(T0, each))

    assert len(source._idents) <= 101
    assert len(source._heads) <= 101
    assert len(state) == 50
    assert source.of("ours", split(T0))[0].ident == IDENT


def test_large_messages_of_strangers_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(subject, "MEMORY", 200_000)
    monkeypatch.setattr(subject, "ROOM", 100_000)
    state = State()
    source = made(state=state)
    source.of("ours", told(IDENT))
    for n, each in enumerate(strangers(500, 5000)):
        source.of(f"a{n}", classic(T0, each)), source.of(f"a{n}", classic(T0, each)), source.of(f"a{n}", told(each))

    assert sum(len(head.text) for head in source._heads.values()) < 220_000
    assert sum(map(len, state.values())) <= 100_000
    assert source.of("ours", split(T0))[0].ident == IDENT


def test_a_node_that_is_known_is_remembered_anew_also_when_no_other_fits(monkeypatch):
    monkeypatch.setattr(subject, "TOLD", 1)
    state = State()
    source = made(state=state)
    source.of(TOPIC, told(IDENT)), source.of(TOPIC, told(replace(IDENT, serial="k2")))
    moved = replace(IDENT, label="roof", since=(T0 + 5) * SECOND)
    source.of(TOPIC, told(moved))

    assert len(state) == 1
    assert made(state=State(dict(state))).of(TOPIC, split(T0 + 6))[0].ident == moved


def test_an_ident_too_large_to_remember_does_not_leave_an_old_one_behind():
    state = State()
    source = made(state=state)
    source.of(TOPIC, told(IDENT))
    source.of(TOPIC, told(replace(IDENT, label="x" * 20_000, since=(T0 + 5) * SECOND)))

    assert not state
    assert source.of(TOPIC, split(T0 + 6))[0].ident.label == "x" * 20_000
    assert made(state=State(dict(state))).of(TOPIC, split(T0 + 6))[0].ident == Ident("BdP", "k1")


@pytest.mark.parametrize(
    "value",
    [
        b'"x":"\xed\xa0\x80"',
        b'"' + b"x" * 2000 + b'":[' + b"1," * 10_000 + b"1]",
        b'"x":' + b"[" * 400 + b"1," * 20_000 + b"1" + b"]" * 400,
        b'"x":{"' + b"y" * 2000 + b'":[' + b'{"a":1,"b":1},' * 200 + b"1]}",
    ],
    ids=["half a surrogate pair, as bytes", "long name", "deep", "both"],
)
def test_a_message_that_nothing_could_hold_is_refused(value):
    payload = b'{"metadata":{"project":"BdP","serial":"k1"},"data":{"time":1,' + value + b"}}"
    with pytest.raises(ValueError, match=r"not UTF-8 text|more members than a telegram can hold"):
        made().of(TOPIC, payload)


def test_a_record_of_uncommon_length_has_no_pattern():
    fields = {f"f{n}": n for n in range(1000)}
    telegrams = made()
    for time in range(T0, T0 + 4):
        telegrams.of(TOPIC, classic(time, **fields))

    assert not telegrams._patterns


def test_names_of_strangers_fill_no_memory_with_patterns(monkeypatch):
    monkeypatch.setattr(subject, "PATTERNS", 3)
    telegrams = made()
    for time in range(T0, T0 + 30):
        for n in range(10):
            ident = Ident("BdP", f"k{n}")
            [data] = telegrams.of(f"IoS/BdP/k{n}", classic(time, ident, **{f"f{n}": 1}))
            assert (data.ident, dict(data.values)) == (ident, {f"f{n}": 1})

    assert len(telegrams._patterns) == 3


def test_a_kit_whose_values_are_sometimes_missing_is_read_quickly(monkeypatch):
    telegrams = made()
    for time in range(T0, T0 + 4):
        telegrams.of(TOPIC, classic(time, temp=1.5, rh=50))
    monkeypatch.setattr(telegrams, "_read", None)

    for n, values in enumerate([{"temp": 1.5}, {"temp": 2, "rh": 50}, {"rh": 0}]):
        [data] = telegrams.of(TOPIC, classic(T0 + 10 + n, **values))
        assert (data.time, dict(data.values)) == ((T0 + 10 + n) * SECOND, values)
