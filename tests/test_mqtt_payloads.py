"""Payloads of every kind through a whole relay: nothing stops, and nothing that is well formed is lost."""

import json

from tests.fleet import T0, Fleet, count, once, stored
from tests.kit import mysense, until
from tests.mqtt import Loader
from tests.relay import Relay

WHO = b'"metadata":{"project":"%s","serial":"k0"}'


def of(project, data, more=b""):
    """A message with this data, whatever it is."""
    return b"{" + WHO % project + b"," + more + b'"data":' + data + b"}"


def refused(project):
    """Messages that are no telegrams, by what is wrong with them."""
    good = of(project, b'{"time":1700000000,"temp":1}')
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    return {
        "damaged": good[:-1],
        "cut in the middle": good[: len(good) // 2],
        "two at once": good + good,
        "text": b"21.5",
        "no JSON": b"temp=21.5",
        "null": b"null",
        "a list": b"[1,2]",
        "not UTF-8": good.replace(b"k0", b"k\xff"),
        "half a surrogate pair": of(project, b'{"time":1700000000,"name":"\\ud800"}'),
        "a zero": b"\0" * 16,
        "too large": good + b" " * 1_000_000,
        "deep": of(project, b'{"time":1700000000,"x":' + deep + b"}"),
        "deep without end": b'{"metadata":' + b"[" * 100_000,
        "no time": of(project, b'{"temp":1}'),
        "time is a word": of(project, b'{"time":"yesterday","temp":1}'),
        "time is true": of(project, b'{"time":true,"temp":1}'),
        "time is a list": of(project, b'{"time":[1],"temp":1}'),
        "time is no number": of(project, b'{"time":NaN,"temp":1}'),
        "time is too far away": of(project, b'{"time":1e300,"temp":1}'),
        "time has too many digits": of(project, b'{"time":' + b"9" * 5000 + b',"temp":1}'),
        "data is a number": of(project, b"5"),
        "data is null": of(project, b"null"),
        "data is a word": of(project, b'"warm"'),
        "no data": b"{" + WHO % project + b"}",
        "flags are a word": of(project, b'{"time":1700000000,"temp":1}', b'"flags":"doubted",'),
        "metadata is a list": b'{"metadata":[],"data":{"time":1700000000}}',
        "metadata is a number": b'{"metadata":5,"data":{"time":1700000000}}',
        "nobody's": b'{"data":{"time":1700000000,"temp":1}}',
        "no serial": b'{"metadata":{"project":"%s"},"data":{"time":1700000000}}' % project,
        "serial is true": good.replace(b'"k0"', b"true"),
        "serial is a path": good.replace(b"k0", b"../k0"),
        "of another": good.replace(b"k0", b"k1"),
        "no place": good.replace(b'"k0"', b'"k0","geolocation":"here"'),
        "fields are a number": good.replace(b'"k0"', b'"k0","fields":5'),
    }


def strange(project):
    """Messages that are telegrams, though nobody would expect them; each at a time of its own."""
    values = [
        b'"temp":"warm"', b'"temp":true', b'"temp":null', b'"temp":NaN', b'"temp":-Infinity', b'"temp":1e999',
        b'"temp":' + b"9" * 400, b'"temp":1,"temp":2', b'"temp":[1,[2,{"a":3}]]', b'"":1', b'"two\\nlines":1',
        b'"a b,c=d":1', b'"name":"a\\nb\\"c\\\\"', b'"name":"\\u0000"', b'"name":"' + b"x" * 100_000 + b'"',
        b'"\xc2\xb5":"\xf0\x9f\x98\x80"', ",".join(f'"f{n}":{n}' for n in range(5_000)).encode(), b'"time":5',
    ]  # fmt: skip
    made = [of(project, b'{"time":%d,%s}' % (T0 - n, value)) for n, value in enumerate(values, 1)]
    return [*made, of(project, b"[]"), of(project, b'{"time":9e9,"temp":1}'), of(project, b'{"time":-9e9,"temp":1}')]


def test_what_is_no_telegram_is_set_aside_with_its_reason_and_stops_nothing(own_mosquitto, influxd, serial, tmp_path):
    fleet, loader = Fleet(2, serial), Loader(own_mosquitto)
    wrong, topic = refused(serial.encode()), f"IoS/{serial}/k0"
    messages = fleet.messages(range(10))
    for n, payload in enumerate([b"", *wrong.values()], 1):
        messages += [(topic, payload), *fleet.messages(range(n * 10, n * 10 + 10))]
    wanted = fleet.marks(range(10 * (len(wrong) + 2)))
    with Relay(tmp_path / "relay", own_mosquitto, influxd) as relay:
        relay.listens()
        loader.load(messages)
        until(lambda: count(influxd, fleet.names) == len(relay.files()) == len(wanted))
        taking = relay.taking()
        told = json.loads(mysense("journal", "rejected", "-c", relay.conf, "--json").stdout)
        shown = mysense("status", "-c", relay.conf).stdout
        relay.stop()

    once(stored(influxd, fleet.names), wanted, "in influxd")
    once(relay.files(), wanted, "in the CSV files")
    assert (taking["state"], taking["refused"]) == ("running", len(wrong))
    assert f"{len(wrong)} set aside" in shown
    notes = [json.loads(each["telegram"])["note"] for each in told]
    assert {each["cursor"] for each in told} == {"subscriber:mqtt"}
    assert {note["values"]["from"] for note in notes} == {topic}
    assert [note["values"]["bytes"] for note in notes] == [len(payload) for payload in wrong.values()]
    assert [note["text"] for note in notes] == [p[:4096].decode(errors="backslashreplace") for p in wrong.values()]
    for what, each in zip(wrong, told, strict=True):
        assert 5 < len(each["reason"]) < 200, (what, each["reason"])
        assert "\n" not in each["reason"]
    assert relay.said("is set aside") == 1
    assert relay.said("Traceback") == 0


def test_a_telegram_that_nobody_expects_holds_up_no_other(own_mosquitto, influxd, serial, tmp_path):
    fleet, loader = Fleet(2, serial), Loader(own_mosquitto)
    messages = fleet.messages(range(10))  # first come, first served: these say that temp is a number
    for n, payload in enumerate(strange(serial.encode()), 1):
        messages += [(f"IoS/{serial}/k0", payload), *fleet.messages(range(n * 10, n * 10 + 10))]
    wanted = fleet.marks(range(len(strange(b"")) * 10 + 10))
    with Relay(tmp_path / "relay", own_mosquitto, influxd) as relay:
        relay.listens()
        loader.load(messages)
        until(lambda: len(relay.files()) >= len(wanted))
        until(lambda: not any(relay.cursor(f"publisher:{name}")["lag"] for name in ("influxdb", "csv")))
        states = {each["section"]: each["state"] for each in relay.status()["workers"]}
        relay.stop()

    once(stored(influxd, fleet.names), wanted, "in influxd")
    once(relay.files(), wanted, "in the CSV files")
    assert set(states.values()) == {"running"}, states
    assert relay.said("Traceback") == 0, relay.log.read_text()
