"""What a quantity is, and what its units are worth in one another."""

import pytest

from mysense.fields import BANDS, QUANTITIES, convert, mass, quantity, unit_name, unit_sign


@pytest.mark.parametrize(
    ("size", "each", "back"), [("pm1", 1.19916e-4, 8339.15), ("pm25", 2.07917e-3, 480.962), ("pm10", 0.428994, 2.33103)]
)
def test_particles_weigh_what_the_formula_says(size, each, back):
    assert mass(size, 1) == pytest.approx(each, rel=2e-5)
    assert convert(1, "ug/m3", "pcs/qf", of=size) == pytest.approx(back, rel=2e-4)


def test_a_dylos_that_shows_1050_and_31():
    assert (round(mass("pm25", 1050), 2), round(mass("pm10", 31), 2)) == (2.18, 13.30)


def test_a_size_without_a_mass_is_named():
    with pytest.raises(ValueError, match="'pm4'; those are pm1, pm25, pm10"):
        mass("pm4", 1)


@pytest.mark.parametrize(
    ("value", "unit", "to", "result"),
    [
        (1, "pcs/0.1L", "pcs/0.01ft3", 2.83168),
        (1, "pcs/qf", "pcs/L", 3.53147),
        (353.147, "pcs/0.01ft3", "pcs/0.1dm3", 124.7127),
        (5, "pcs/cm3", "pcs/L", 5000),
        (20, "C", "F", 68),
        (20, "C", "K", 293.15),
        (-40, "F", "C", -40),
        (0, "K", "oF", -459.67),
        (101325, "Pa", "hPa", 1013.25),
        (1013.25, "mbar", "Pa", 101325),
        (3, "ppm", "ppb", 3000),
        (7, "furlong", "furlong", 7),
    ],
)
def test_values_in_another_unit(value, unit, to, result):
    assert convert(value, unit, to) == pytest.approx(result, rel=2e-6)
    assert convert(convert(value, unit, to), to, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    ("gas", "temperature", "factor"),
    [
        ("so2", 15, 2.71), ("no2", 15, 1.95), ("no", 15, 1.27), ("o3", 15, 2.03), ("co", 15, 1.18),
        ("co2", 15, 1.86), ("nh3", 15, 0.72), ("no2", 25, 1.88), ("o3", 25, 1.96), ("so2", 25, 2.62), ("co", 25, 1.145),
    ],
)  # fmt: skip
def test_a_ppb_of_gas_weighs_what_the_tables_say(gas, temperature, factor):
    assert convert(1, "ppb", "ug/m3", of=gas, temperature=temperature) == pytest.approx(factor, abs=0.005)
    assert convert(factor, "ug/m3", "ppb", of=gas, temperature=temperature) == pytest.approx(1, abs=0.01)


def test_a_gas_weighs_half_at_half_the_pressure():
    full, half = (convert(10, "ppb", "ug/m3", of="o3", pressure=hpa) for hpa in (1000, 500))

    assert half == pytest.approx(full / 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((1, "furlong", "C"), "the unit 'furlong' is not known"),
        ((1, "C", "furlong"), "the unit 'furlong' is not known"),
        ((1, "C", "hPa"), "temperature is not pressure"),
        ((1, "ppb", "ug/m3"), "say of which gas: so2"),
        ((1, "pcs/L", "ug/m3"), "say of which size of dust: pm1"),
        ((1, "ppb", "pcs/L"), "share is not count"),
    ],
)
def test_what_cannot_be_converted_is_told(given, said):
    with pytest.raises(ValueError, match=said):
        convert(*given)


@pytest.mark.parametrize(
    ("spellings", "name"),
    [
        (("pcs/qf", "0.01pcs/qf", "pcs/0.01qf"), "pcs/0.01ft3"),
        (("pcs/dm3", "pcs/l"), "pcs/L"),
        (("pcs/0.1dm3",), "pcs/0.1L"),
        (("µg/m³", "μg/m3", "ug/m3"), "ug/m3"),
        (("°C", "oC", "℃", "degC", "Celsius", "C"), "C"),
        (("°", "deg", "degrees"), "degrees"),
        (("%", "%rH"), "%"),
        (("m/sec",), "m/s"),
    ],
)
def test_a_unit_has_one_spelling(spellings, name):
    assert {unit_name(spelling) for spelling in spellings} == {name}


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (("pm25", "PM2.5", "pm2_5", "pm25_garden", "pm25_sds011"), "pm25"),
        (("pm10", "pm"), "pm10"),
        (("pm_25",), "pm_25"),
        (("pm_10",), "pm_10"),
        (("pm03_cnt", "pm0.3_cnt", "pm03_pcs"), "pm03_cnt"),
        (("temp", "dtemp", "gtemp", "Temperature", "temp2"), "temp"),
        (("rh", "rv", "drh", "grh", "hum", "vochtigheid", "humidity"), "rh"),
        (("hpa", "luchtdruk", "pressure", "pres"), "hpa"),
        (("gas", "voc", "air"), "gas"),
        (("o3", "Ozon"), "o3"),
        (("wd", "wr", "winddirection"), "wd"),
        (("lon", "long", "longitude"), "lon"),
        (("alt", "altitude", "height"), "alt"),
    ],
)
def test_a_quantity_has_many_names(names, meant):
    assert {quantity(name).name for name in names} == {meant}


@pytest.mark.parametrize("name", ["", "nothing", "temp_count", "pm25_std", "garden_", "geolocation", "rhythm"])
def test_what_is_no_quantity_is_none(name):
    assert quantity(name) is None


@pytest.mark.parametrize("known", QUANTITIES.values(), ids=list(QUANTITIES))
def test_every_quantity_is_whole(known):
    assert known.meaning
    assert known.least < known.most
    assert known.unit == unit_name(known.unit)
    assert list(known.scale) == sorted(known.scale)
    assert not known.scale or len(known.scale) == len(BANDS) - 1
    assert quantity(known.name.upper()) is known


def test_what_a_sensor_cannot_have_seen_is_not_plausible():
    assert [QUANTITIES["rh"].plausible(value) for value in (-0.1, 0, 100, 100.1)] == [False, True, True, False]


def test_a_value_on_the_bound_has_the_better_band():
    assert [QUANTITIES["pm25"].band(value).name for value in (0, 5, 5.1, 140, 141)] == [
        "good", "good", "fair", "very poor", "extremely poor",
    ]  # fmt: skip
    assert QUANTITIES["temp"].band(20) is None


def test_units_are_shown_as_people_write_them():
    assert [unit_sign(unit) for unit in ("ug/m3", "oC", "degrees", "furlong", "pcs/qf")] == [
        "µg/m³", "°C", "°", "furlong", "pcs/0.01ft3",
    ]  # fmt: skip
