"""The simulated kit: a day one could believe, and the same one again."""

from mysense import fields
from mysense.sensors import simulated

DAY = 1_764_028_800  # a midnight, UTC
WEEKS = [simulated.weather(DAY + n * 900) for n in range(14 * 96)]


def mean(name, hours):
    found = [w[name] for n, w in enumerate(WEEKS) if n // 4 % 24 in hours]
    return sum(found) / len(found)


def test_it_is_the_same_for_the_same_time_and_seed():
    assert simulated.weather(DAY) == simulated.weather(DAY)
    assert simulated.weather(DAY) != simulated.weather(DAY, seed=1)
    assert simulated.Sensor().read().keys() == {field.name for field in simulated.Sensor.measures}


def test_every_value_is_one_that_could_be_measured():
    for name in WEEKS[0]:
        quantity = fields.quantity(name)
        assert all(quantity.least <= weather[name] <= quantity.most for weather in WEEKS)
    assert all(0 <= weather["pm25"] <= weather["pm10"] for weather in WEEKS)


def test_a_day_is_a_day():
    assert mean("temp", (13, 14, 15)) > mean("temp", (3, 4, 5)) + 3
    assert mean("rh", (13, 14, 15)) < mean("rh", (3, 4, 5))
    assert mean("pm25", (7, 8)) > mean("pm25", (2, 3))
    assert abs(WEEKS[0]["hpa"] - WEEKS[1]["hpa"]) < 3
