"""Readings become one telegram per interval, at whole seconds, never one twice."""

import threading

import pytest

from mysense.sampler import Sampler
from mysense.telegram import SECOND
from mysense.testing.clock import ManualClock

T0 = 1_700_000_000


@pytest.fixture
def clock():
    return ManualClock(T0)


def sampler(clock, interval=60.0, sensors=("sensor:a",), newest=None, saved="", given=()):
    return Sampler(interval, sensors, clock, newest, saved, given)


def test_a_window_gives_the_mean_of_its_readings_at_its_end(clock):
    s = sampler(clock, interval=4)
    s.add("sensor:a", {"pm25": 10, "temp": 20.0})
    s.add("sensor:a", {"pm25": 15, "temp": 20.5})
    assert s.take() is None

    clock.advance(4)

    assert s.take() == ((T0 + 4) * SECOND, {"pm25": 12.5, "temp": 20.25})
    assert s.take() is None


def test_windows_end_on_whole_seconds_whenever_the_kit_was_started():
    clock = ManualClock(T0 + 0.75)
    s = sampler(clock, interval=4)
    for end, most in ((T0 + 4, 3.0), (T0 + 8, 3.75)):
        s.add("sensor:a", {"temp": 20})
        clock.advance(most)
        assert s.take() is None

        clock.advance(0.25)

        assert s.take() == (end * SECOND, {"temp": 20})


def test_zero_counts_and_what_is_missing_does_not(clock):
    s = sampler(clock, interval=4)
    s.add("sensor:a", {"temp": 0, "rh": None, "hpa": float("nan")})
    s.add("sensor:a", {"temp": -1.0, "rh": 50})
    clock.advance(4)

    assert s.take() == ((T0 + 4) * SECOND, {"temp": -0.5, "rh": 50})


def test_of_text_and_yes_or_no_the_last_one_counts(clock):
    s = sampler(clock, interval=4)
    s.add("sensor:a", {"state": "TRAINING", "rain": True})
    s.add("sensor:a", {"state": "SHOWTIME", "rain": False})
    clock.advance(4)

    assert s.take() == ((T0 + 4) * SECOND, {"state": "SHOWTIME", "rain": False})


def test_the_first_telegram_comes_as_soon_as_each_sensor_has_one_good_reading(clock):
    s = sampler(clock, sensors=("sensor:a", "sensor:b"))
    clock.advance(1)
    s.add("sensor:a", {"temp": 20})
    assert s.take() is None
    s.add("sensor:b", {"rh": None})
    assert s.take() is None
    s.add("sensor:b", {"rh": 50})

    assert s.take() == ((T0 + 1) * SECOND, {"temp": 20, "rh": 50})


def test_the_first_telegram_waits_five_seconds_at_most_for_a_slow_sensor(clock):
    s = sampler(clock, sensors=("sensor:a", "sensor:slow"))
    s.add("sensor:a", {"temp": 20})
    clock.advance(4.9)
    assert s.take() is None
    clock.advance(0.1)

    assert s.take() == ((T0 + 5) * SECOND, {"temp": 20})


def test_a_sensor_alone_that_comes_once_a_minute_is_seen_at_once(clock):
    s = sampler(clock)
    clock.advance(40)
    s.add("sensor:a", {"pm25": 3})

    assert s.take() == ((T0 + 40) * SECOND, {"pm25": 3})


def test_short_windows_are_not_cut_for_a_first_telegram(clock):
    s = sampler(clock, interval=5)
    s.add("sensor:a", {"pm25": 3})

    assert s.take() is None


def test_an_empty_window_gives_nothing_and_the_next_one_goes_on(clock):
    s = sampler(clock, interval=4)
    clock.advance(9)
    assert s.take() is None
    s.add("sensor:a", {"pm25": 3})
    clock.advance(2)
    assert s.take() is None
    clock.advance(1)

    assert s.take() == ((T0 + 12) * SECOND, {"pm25": 3})


def test_a_time_is_never_given_out_twice_when_the_clock_is_set_back_a_little(clock):
    s = sampler(clock, interval=2)
    times = []
    for back in (0, 3, 3):
        s.add("sensor:a", {"pm25": 3})
        clock.advance(2)
        clock.set(clock.now() / SECOND - back)
        times.append(s.take()[0] // SECOND - T0)

    assert times == [2, 3, 4]


@pytest.mark.parametrize("back", [61, 100, 7200])
def test_a_time_is_never_given_out_twice_wherever_the_clock_is_set(clock, back):
    s = sampler(clock, interval=2, given=[(T0 - n) * SECOND for n in range(0, 8000, 2)])
    times = []
    for _ in range(2):
        for _ in range(100):
            s.add("sensor:a", {"pm25": 3})
            clock.advance(2)
            times.append(s.take()[0] // SECOND - T0)
        clock.set(clock.now() / SECOND - back)

    assert len(set(times)) == 200
    assert not [time for time in times if time <= 0 and time % 2 == 0]


def test_estimates_move_when_the_clock_is_set(clock):
    s = sampler(clock, interval=2)
    s.add("sensor:a", {"pm25": 3})
    clock.advance(2)
    assert s.take()[0] == (T0 + 2) * SECOND
    s.moved(T0 * SECOND, 500 * SECOND)
    s.add("sensor:a", {"pm25": 3})
    clock.advance(2)
    clock.set(T0 + 502)

    assert s.take()[0] == (T0 + 503) * SECOND


def test_a_window_that_a_reboot_cut_short_is_handed_out_and_not_mixed_with_what_comes_after(clock):
    before = sampler(clock, interval=60)
    before.add("sensor:a", {"pm25": 1})
    assert before.take()
    before.add("sensor:a", {"pm25": 10})
    saved = before.save(force=True)
    clock.reboot(T0 + 20)
    after = sampler(clock, interval=60, newest=(T0 - 5) * SECOND, saved=saved)
    after.add("sensor:a", {"pm25": 20})

    assert after.take() == (T0 * SECOND, {"pm25": 10})


def test_an_open_window_goes_on_however_the_clock_was_set_in_between(clock):
    before = sampler(clock, interval=60)
    before.add("sensor:a", {"pm25": 1})
    assert before.take()
    before.add("sensor:a", {"pm25": 10})
    saved = before.save(force=True)
    clock.advance(10)
    clock.set(T0 + 86400)
    after = sampler(clock, interval=60, saved=saved)
    after.add("sensor:a", {"pm25": 20})
    clock.advance(50)

    assert after.take() == ((T0 + 86450) * SECOND, {"pm25": 15})


def test_a_clock_that_was_far_ahead_and_is_set_right_is_believed(clock):
    s = sampler(clock, interval=2, newest=(T0 + 86400) * SECOND)
    s.add("sensor:a", {"pm25": 3})
    clock.advance(2)

    assert s.take()[0] == (T0 + 2) * SECOND


def test_times_go_on_behind_what_the_journal_has_already(clock):
    s = sampler(clock, interval=2, newest=(T0 + 2) * SECOND)
    s.add("sensor:a", {"pm25": 3})
    clock.advance(2)

    assert s.take()[0] == (T0 + 3) * SECOND


def test_a_restart_goes_on_with_the_window_that_was_open(clock):
    before = sampler(clock, interval=60)
    before.add("sensor:a", {"pm25": 1})
    assert before.take()
    before.add("sensor:a", {"pm25": 10})
    clock.advance(30)
    saved = before.save(force=True)
    clock.advance(10)

    after = sampler(clock, interval=60, newest=T0 * SECOND, saved=saved)
    after.add("sensor:a", {"pm25": 20})
    assert after.take() is None
    clock.advance(20)

    assert after.take() == ((T0 + 60) * SECOND, {"pm25": 15})


def test_a_shorter_interval_counts_from_the_restart_on(clock):
    before = sampler(clock, interval=3600)
    before.add("sensor:a", {"pm25": 10})
    clock.advance(5)
    before.take()
    before.add("sensor:a", {"pm25": 10})
    saved = before.save(force=True)
    after = sampler(clock, interval=10, saved=saved)
    after.add("sensor:a", {"pm25": 20})
    clock.advance(10)

    assert after.take() == ((T0 + 15) * SECOND, {"pm25": 15})


def test_a_window_that_ended_while_nothing_ran_is_handed_out_with_its_own_time(clock):
    before = sampler(clock, interval=60)
    before.add("sensor:a", {"pm25": 1})
    assert before.take()
    before.add("sensor:a", {"pm25": 10})
    clock.advance(30)
    saved = before.save(force=True)
    clock.advance(3600)

    after = sampler(clock, interval=60, newest=T0 * SECOND, saved=saved)

    assert after.take() == ((T0 + 30) * SECOND, {"pm25": 10})
    assert after.take() is None


def test_a_crash_costs_a_minute_of_readings_at_most(clock):
    s = sampler(clock, interval=3600)
    s.add("sensor:a", {"pm25": 1})
    assert s.take()
    s.add("sensor:a", {"pm25": 1})
    assert s.save() is None
    clock.advance(60)

    assert '"pm25": [1, 1, 1, 1, 1, 1, []]' in s.save()
    assert s.save() is None


def test_waiting_ends_when_told_to_stop(clock):
    stop = threading.Event()
    stop.set()

    assert sampler(clock).wait(stop) is False
    assert sampler(clock, interval=2).wait(stop) is False
