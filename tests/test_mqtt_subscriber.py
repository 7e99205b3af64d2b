"""The subscriber at a real mosquitto: what is published is in the journal, once, whatever happens meanwhile."""

import threading

import pytest

from mysense import wire
from mysense.journal.memory import MemoryJournal
from mysense.state import State
from tests.kit import until
from tests.publishing import Relay, classic, data, fill, numbers, publish, received, subscriber, topic
from tests.servers import Mosquitto

VERSIONS = pytest.mark.parametrize("version", ["5", "3.1.1"])


# The session


@VERSIONS
@pytest.mark.parametrize("reader", ["fast", "paho"])
def test_what_is_published_while_nobody_listens_comes_afterwards(mosquitto, ident, version, reader):
    state = State()
    for turn in range(3):
        source = subscriber(mosquitto, ident, version=version, reader=reader)
        source.state = state
        with source:
            if turn:
                assert numbers(received(source, 10)) == list(range(turn * 10, turn * 10 + 10))
            else:
                source.receive()
        fill(mosquitto, ident, *range(turn * 10 + 10, turn * 10 + 20))


def test_the_broker_knows_us_by_a_name_that_is_kept(mosquitto, ident):
    first, second = subscriber(mosquitto, ident), subscriber(mosquitto, ident)
    for source in (first, second):
        source.open()
        source.close()
        source.open()
        source.close()

    assert first.state["client"] != second.state["client"]
    assert subscriber(mosquitto, ident, client_id="kit7").named(State()) == "kit7"


def test_messages_of_a_session_that_come_before_the_subscription_are_taken(mosquitto, ident):
    source = subscriber(mosquitto, ident)
    with source:
        source.receive()
    fill(mosquitto, ident, *range(5))
    with source:
        assert source._client.messages or source._client.present
        assert numbers(received(source, 5)) == list(range(5))


def test_a_topic_that_is_no_longer_wanted_brings_nothing(mosquitto, ident):
    old, new = subscriber(mosquitto, ident), subscriber(mosquitto, ident, topic=f"{ident.serial}/b/{{serial}}")
    with old:
        old.receive()
    new.state = old.state
    with new:
        new.receive()
        publish(mosquitto, [(topic(ident), classic(1, ident)), (f"{ident.serial}/b/{ident.serial}", classic(2, ident))])
        assert numbers(received(new, 1)) == [2]


def test_a_broker_that_is_stopped_and_started_keeps_the_session(own_mosquitto, ident, caplog):
    with Relay(subscriber(own_mosquitto, ident)) as relay:
        fill(own_mosquitto, ident, 1, 2)
        until(lambda: relay.taken == [1, 2])
        own_mosquitto.stop()
        until(lambda: relay.worker.status.state == "waiting")
        own_mosquitto.start()
        fill(own_mosquitto, ident, 3, 4)
        until(lambda: relay.taken == [1, 2, 3, 4])

    assert "has forgotten" not in caplog.text


def test_a_session_that_the_broker_has_lost_is_told_once_and_made_anew(own_mosquitto, ident, caplog):
    with Relay(subscriber(own_mosquitto, ident)) as relay:
        fill(own_mosquitto, ident, 1)
        until(lambda: relay.taken == [1])
        own_mosquitto.kill()
        until(lambda: relay.worker.status.state == "waiting")
        own_mosquitto.start()
        until(lambda: relay.worker.status.state == "running")
        fill(own_mosquitto, ident, 2)
        until(lambda: relay.taken == [1, 2])

    assert caplog.text.count("has forgotten the session") == 1


def test_another_name_or_another_broker_has_forgotten_nothing(mosquitto, own_mosquitto, ident, caplog):
    source = subscriber(mosquitto, ident)
    source.open()
    source.close()
    for other in (subscriber(mosquitto, ident, client_id=ident.serial), subscriber(own_mosquitto, ident)):
        other.state = source.state
        other.open()
        other.close()

    assert "has forgotten" not in caplog.text


# Once in the journal


@VERSIONS
def test_what_the_journal_did_not_take_comes_again(mosquitto, ident, version):
    journal = MemoryJournal()
    append, failures = journal.append, iter([True, False, True])

    def sometimes(telegrams, *more):
        if telegrams and next(failures, False):
            raise OSError("the disk is full")
        return append(telegrams, *more)

    journal.append = sometimes
    with Relay(subscriber(mosquitto, ident, version=version), journal) as relay:
        fill(mosquitto, ident, *range(30))
        until(lambda: sorted(relay.taken) == list(range(30)))

    assert journal.status().repeated == 0


class Killed(BaseException):
    """The process ends here, between two lines."""


def test_killed_between_the_commit_and_the_acknowledgement_it_is_in_the_journal_once(mosquitto, ident, monkeypatch):
    journal = MemoryJournal()
    worker = Relay(subscriber(mosquitto, ident, client_id=ident.serial), journal).worker
    worker.plugin.open()
    worker.step()
    fill(mosquitto, ident, *range(10))
    source = worker.plugin

    def killed():
        source._client._paho.stream._socket.close()  # nothing more is sent
        raise Killed

    monkeypatch.setattr(source, "confirm", killed)
    with pytest.raises(Killed):
        until(lambda: worker.step())
    before = numbers(entry.telegram for entry in journal.read(0, 99))
    source.close()
    with Relay(subscriber(mosquitto, ident, client_id=ident.serial), journal) as relay:
        until(lambda: relay.taken == list(range(10)))
        until(lambda: journal.status().repeated == len(before))

    assert before


def test_a_message_that_the_broker_sends_again_is_in_the_journal_once(mosquitto, ident):
    source = subscriber(mosquitto, ident)
    source.open()
    source.receive()
    fill(mosquitto, ident, 1)
    assert numbers(received(source, 1, confirm=False)) == [1]
    source.close()
    source.open()

    assert numbers(received(source, 1)) == [1]
    source.close()


def test_a_retained_ident_is_in_the_journal_once_however_often_we_come(mosquitto, ident):
    publish(mosquitto, [(topic(ident, "/ident"), wire.encode(ident))], retain=True)
    journal, source = MemoryJournal(), subscriber(mosquitto, ident)
    for turn in range(3):
        with Relay(source, journal) as relay:
            publish(mosquitto, [(topic(ident, "/data"), wire.encode(data(turn, ident)))])
            until(lambda wanted=turn: wanted in relay.taken)
    publish(mosquitto, [(topic(ident, "/ident"), "")], retain=True)
    entries = [entry.telegram for entry in journal.read(0, 99)]

    assert [type(t).__name__ for t in entries] == ["Ident", "Data", "Data", "Data"]
    assert {t.ident.label for t in entries[1:]} == {"shed"}


def test_a_topic_that_is_cleared_is_no_news(mosquitto, ident):
    with Relay(subscriber(mosquitto, ident)) as relay:
        publish(mosquitto, [(topic(ident, "/ident"), "")], retain=True)
        fill(mosquitto, ident, 1)
        until(lambda: relay.taken == [1])

    assert relay.worker.status.refused == 0


# What is no telegram


def test_thousands_of_damaged_messages_are_counted_and_hold_up_nothing(mosquitto, ident, caplog):
    source = subscriber(mosquitto, ident)
    with Relay(source) as relay:
        publish(mosquitto, [(topic(ident), f"damaged {n}") for n in range(2000)])
        publish(mosquitto, [(topic(ident), b"\xff" * 2000), (topic(ident), "x" * 100_000), (topic(ident), "{}")])
        fill(mosquitto, ident, 1)
        until(lambda: relay.taken == [1])
        until(lambda: relay.worker.status.refused == 2003)
    kept = relay.journal.rejected("subscriber:mqtt", 10_000)
    with source:
        assert not source.receive()
        assert not source.receive(), "all were acknowledged"
        assert not source.refusals

    assert len(kept) == 2003
    assert kept[0].telegram.text == "damaged 0"
    assert kept[0].telegram.values["from"] == topic(ident)
    assert (len(kept[-2].telegram.text), kept[-2].telegram.values["bytes"]) == (4096, 100_000)
    assert [r.message for r in caplog.records if "set aside" in r.message] == [
        f"subscriber:mqtt: {topic(ident)} is set aside: {kept[0].reason} (see 'mysense journal rejected')"
    ]


@pytest.mark.parametrize("reader", ["fast", "paho"])
def test_a_message_that_is_too_large_is_set_aside(mosquitto, ident, reader):
    with Relay(subscriber(mosquitto, ident, reader=reader)) as relay:
        publish(mosquitto, [(topic(ident), "x" * 5_000_000)])
        fill(mosquitto, ident, 1)
        until(lambda: relay.taken == [1])
    [kept] = relay.journal.rejected("subscriber:mqtt")

    assert "larger than a telegram may be: 5,000,0" in kept.reason


# How much is on its way


@pytest.mark.parametrize(("version", "window", "most"), [("5", 5, 5), ("5", 300, 300), ("3.1.1", 1000, 20)])
def test_a_window_of_messages_is_on_its_way_and_no_more(mosquitto, ident, version, window, most):
    source = subscriber(mosquitto, ident, version=version, window=window)
    with source:
        source.receive()
    fill(mosquitto, ident, *range(400))
    with source:
        got = received(source, most, confirm=False)
        got += [*source.receive(), *source.receive()]
        assert numbers(got) == list(range(most))
    with source:
        assert numbers(received(source, 400)) == list(range(400))


def test_a_journal_slower_than_the_keep_alive_loses_nothing(mosquitto, ident):
    journal, never = MemoryJournal(), threading.Event()
    append, slow = journal.append, iter([0.2, 0.2, 2.5, 0.2, 0.2, 0.2, 0.2, 0.2])

    def slowly(telegrams, *more):
        if telegrams:
            never.wait(next(slow, 0))
        return append(telegrams, *more)

    journal.append = slowly
    source = subscriber(mosquitto, ident, window=2)
    source.keepalive = 1.0  # less than one may set: the broker gives up after one and a half
    with Relay(source, journal) as relay:
        fill(mosquitto, ident, *range(20))
        until(lambda: sorted(relay.taken) == list(range(20)))


def test_relays_that_share_a_group_each_get_a_part_and_all_idents(mosquitto, ident):
    journals = [MemoryJournal(), MemoryJournal()]
    with Relay(subscriber(mosquitto, ident, group=ident.serial), journals[0]) as a, \
         Relay(subscriber(mosquitto, ident, group=ident.serial), journals[1]) as b:  # fmt: skip
        until(lambda: a.worker.status.state == b.worker.status.state == "running")
        publish(mosquitto, [(topic(ident, "/ident"), wire.encode(ident))])
        publish(mosquitto, [(topic(ident, "/data"), wire.encode(data(n, ident))) for n in range(40)])
        until(lambda: sorted(a.taken + b.taken) == list(range(40)))

    assert a.taken
    assert b.taken
    assert all(journal.ident(ident.node).label == "shed" for journal in journals)


def test_a_member_of_a_group_that_stays_away_is_replaced_by_the_others(mosquitto, ident):
    first, second = (subscriber(mosquitto, ident, group=ident.serial, session=60.0) for _ in range(2))
    with Relay(second) as relay:
        with Relay(first) as other:
            until(lambda: other.worker.status.state == "running")
            fill(mosquitto, ident, *range(10))
            until(lambda: sorted(relay.taken + other.taken) == list(range(10)))
        fill(mosquitto, ident, *range(10, 20))
        until(lambda: len(relay.taken) >= 5)
    with Relay(first, other.journal) as other:
        until(lambda: sorted(set(relay.taken + other.taken)) == list(range(20)))


def test_whoever_only_has_a_look_takes_nothing_from_a_group(mosquitto, ident):
    with Relay(subscriber(mosquitto, ident, group=ident.serial)) as relay:
        until(lambda: relay.worker.status.state == "running")
        look = subscriber(mosquitto, ident, group=ident.serial)
        look.passing = True
        with look:
            look.receive()
            fill(mosquitto, ident, *range(10))
            assert numbers(received(look, 10)) == list(range(10))
        assert "$share" not in look.check()
        until(lambda: relay.taken == list(range(10)))


def test_a_worker_waits_for_a_broker_that_is_not_there_yet(tmp_path, ident):
    server = Mosquitto(tmp_path / "late")
    with Relay(subscriber(server, ident)) as relay:
        until(lambda: relay.worker.status.state == "waiting")
        with server:
            until(lambda: relay.worker.status.state == "running")
            fill(server, ident, 1)
            until(lambda: relay.taken == [1])


def test_a_message_on_which_we_stumble_is_set_aside_and_holds_up_no_other(mosquitto, ident, monkeypatch, caplog):
    source = subscriber(mosquitto, ident)
    made = source.telegrams
    monkeypatch.setattr(source, "telegrams", lambda on, what: 1 / 0 if b'"temp":1' in what else made(on, what))
    with Relay(source) as relay:
        until(lambda: relay.worker.status.state == "running")
        fill(mosquitto, ident, 0, 1, 2)
        until(lambda: relay.taken == [0, 2])

    assert "a bug: ZeroDivisionError" in relay.journal.rejected()[0].reason
    assert caplog.text.count("please report it") == 1
