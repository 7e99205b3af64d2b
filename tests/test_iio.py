"""Devices of the kernel (IIO): found by name, and their files understood as the ABI says."""

import logging

import pytest

from mysense.errors import ConfigError, UnavailableError
from mysense.hardware.sysfs import number
from mysense.sensors._iio import channels
from mysense.sensors.iio import Sensor
from mysense.telegram import Field
from mysense.testing import Sysfs


@pytest.fixture
def tree(tmp_path):
    return Sysfs(tmp_path)


def read(tree, **options):
    with Sensor(root=tree.root, **options) as sensor:
        return sensor.read(), {field.name: field.unit for field in sensor.measures}


def fails(file):
    """From now on the kernel answers EIO to whoever reads this file."""
    file.unlink()
    file.symlink_to("/proc/self/mem")


@pytest.mark.parametrize(("told", "rh"), [("104200", 100.0), ("-1500", 0.0), ("99900", 99.9), ("150000", 150.0)])
def test_humidity_in_fog_is_cropped_as_the_data_sheets_want_it(tmp_path, told, rh):
    tree = Sysfs(tmp_path)
    tree.iio("htu21", "1-0040", {"in_humidityrelative_input": told})
    with Sensor(root=tree.root) as sensor:
        assert sensor.read() == {"rh": rh}


def test_a_bme280_has_its_fields_with_their_units(tree):
    tree.bme280()

    assert read(tree, name="bme280") == (
        {"temp": 25.082, "rh": 48.752, "hpa": 1006.53258}, {"temp": "C", "rh": "%", "hpa": "hPa"},
    )  # fmt: skip


def test_the_device_is_told(tree):
    tree.bme280()
    with Sensor(root=tree.root) as sensor:
        assert Field("hpa", "hPa", "bme280") in sensor.measures


@pytest.mark.parametrize(
    ("files", "values", "units"),
    [
        # an ADS1115: raw values and a scale (mV) for each
        (
            {"in_voltage0_raw": "16384", "in_voltage0_scale": "0.125000000", "in_voltage1_raw": "-100",
             "in_voltage1_scale": "0.0625", "in_voltage0-voltage1_raw": "8000", "in_voltage0-voltage1_scale": "0.125"},
            {"volt0": 2.048, "volt1": -0.00625, "volt0_1": 1.0}, {"volt0": "V", "volt1": "V", "volt0_1": "V"},
        ),
        # an MCP3008: one scale for all, and one for differences
        (
            {"in_voltage0_raw": "512", "in_voltage1_raw": "0", "in_voltage_scale": "3.222656250",
             "in_voltage0-voltage1_raw": "10", "in_voltage-voltage_scale": "2"},
            {"volt0": 1.65, "volt1": 0, "volt0_1": 0.02}, None,
        ),
        # an MLX90614: two temperatures with one offset and scale
        (
            {"in_temp_ambient_raw": "14700", "in_temp_object_raw": "14800", "in_temp_object_offset": "-13657.500000",
             "in_temp_ambient_offset": "-13657.500000", "in_temp_scale": "20", "in_temp_object_calibemissivity": "1"},
            {"temp_ambient": 20.85, "temp_object": 22.85}, {"temp_ambient": "C", "temp_object": "C"},
        ),
        # an SPS30
        (
            {f"in_massconcentration_{name}_input": text for name, text in
             (("pm1", "3.5"), ("pm2p5", "4.25"), ("pm4", "5"), ("pm10", "6.125000"))},
            {"pm1": 3.5, "pm25": 4.25, "pm4": 5, "pm10": 6.125}, dict.fromkeys(("pm1", "pm25", "pm4", "pm10"), "ug/m3"),
        ),
        # an SCD30: percent are ppm here
        (
            {"in_concentration_co2_raw": "439.095154", "in_concentration_co2_scale": "0.000100000",
             "in_temp_raw": "2724", "in_temp_scale": "10", "in_humidityrelative_raw": "4881",
             "in_humidityrelative_scale": "10"},
            {"co2": 439.095154, "temp": 27.24, "rh": 48.81}, None,
        ),
        # a CCS811, a BME680, a BH1750, a battery with labels
        ({"in_concentration_voc_raw": "125", "in_concentration_voc_scale": "1e-7"}, {"tvoc": 125}, {"tvoc": "ppb"}),
        ({"in_resistance_input": "12345"}, {"gas": 12.345}, {"gas": "kOhm"}),
        ({"in_illuminance_raw": "1000", "in_illuminance_scale": "0.833333"}, {"light": 833.333}, {"light": "lux"}),
        ({"in_illuminance0_input": "55"}, {"light": 55}, None),
        (
            {"in_voltage0_raw": "1000", "in_voltage0_label": "solar cell", "in_voltage1_raw": "2000",
             "in_voltage1_label": "battery", "in_voltage_scale": "2"},
            {"volt_solar_cell": 2, "volt_battery": 4}, None,
        ),
        # a processed value goes before a raw one
        ({"in_temp_input": "21000", "in_temp_raw": "1", "in_temp_scale": "2"}, {"temp": 21}, None),
        ({"in_temp_raw": "21000"}, {"temp": 21}, None),
        # what is no reading of now
        (
            {"in_accel_x_raw": "100", "in_accel_scale": "0.01", "in_accel_x_peak_raw": "900", "in_rot_quaternion_raw":
             "1 2 3 4", "in_accel_sampling_frequency": "50", "out_voltage0_raw": "5", "in_timestamp_en": "0"},
            {"accel_x": 1}, {"accel_x": "m/s2"},
        ),
        ({"in_proximity_raw": "42"}, {"proximity": 42}, {"proximity": ""}),
    ],
)  # fmt: skip
def test_channels_mean_what_the_abi_says(tree, files, values, units):
    tree.iio("some", "1-0048", files)
    said, named = read(tree)

    assert said == pytest.approx(values)
    assert units is None or named == units


def test_two_of_one_name_are_told_apart_by_what_they_are_connected_as(tree):
    tree.bme280("1-0076", temp=20000)
    tree.bme280("1-0077", temp=21000)

    assert read(tree, name="bme280", device="1-0077")[0]["temp"] == 21
    with pytest.raises(
        UnavailableError, match=r"more than an IIO device named bme280; .*'device': bme280 at 1-0076, bme280 at 1-0077"
    ):
        read(tree, name="bme280")


def test_what_is_not_there_is_told_with_what_is(tree):
    with pytest.raises(UnavailableError, match=r"no IIO device named bme280: is its overlay in /boot/firmware"):
        read(tree, name="bme280")
    tree.dht()
    with pytest.raises(UnavailableError, match="no IIO device named bme280; there are: dht11@4 at dht11@4"):
        read(tree, name="bme280")


def test_fields_can_be_chosen(tree):
    tree.bme280()

    assert read(tree, channels=("hpa",)) == ({"hpa": 1006.53258}, {"hpa": "hPa"})
    with pytest.raises(ConfigError, match="bme280 at 1-0076 has no co2; it has rh, hpa, temp"):
        read(tree, channels=("hpa", "co2"))


def test_its_fields_are_known_as_soon_as_the_device_is_there(tree):
    sensor = Sensor(root=tree.root)
    assert sensor.measures == ()
    tree.bme280()
    assert {field.name for field in sensor.measures} == {"temp", "rh", "hpa"}


def test_a_device_that_measures_nothing_is_told(tree):
    tree.iio("odd", "1-0011", {"in_temp_offset": "1"})
    with pytest.raises(ConfigError, match="odd at 1-0011 measures nothing"):
        read(tree)


def test_a_channel_that_fails_is_absent_and_told_once(tree, caplog):
    folder = tree.bme280()
    with Sensor(root=tree.root) as sensor:
        sensor.read()
        fails(folder / "in_pressure_input")
        with caplog.at_level(logging.WARNING):
            assert [sensor.read() for _ in range(3)] == [{"temp": 25.082, "rh": 48.752}] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "hpa of bme280 cannot be read: [Errno 5] Input/output error"
    ]


def test_where_all_fail_the_worker_hears_it(tree):
    folder = tree.bme280()
    with Sensor(root=tree.root) as sensor:
        for file in folder.glob("*_input"):
            fails(file)
        with pytest.raises(OSError, match="Input/output"):
            sensor.read()


def test_a_device_that_goes_and_comes_back_under_another_number_is_found_again(tree):
    folder = tree.bme280()
    tree.dht()
    sensor = Sensor(name="bme280", root=tree.root)
    with sensor:
        assert sensor.read()
        tree.remove(folder)
        with pytest.raises(FileNotFoundError):
            sensor.read()
    with pytest.raises(UnavailableError, match="no IIO device named bme280"), sensor:
        pass
    tree.iio("other", "1-0010", {"in_temp_input": "1000"})
    tree.bme280(temp=19000)
    with sensor:
        assert sensor.read()["temp"] == 19


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf", "1 2", "25.0.1", "\0\0", "٣x", "0x10"])
def test_what_is_no_number_is_no_value(tree, text):
    folder = tree.bme280()
    tree.write(folder / "in_temp_input", text)

    assert "temp" not in read(tree)[0]
    with pytest.raises(UnavailableError, match="is not a number"):
        number(folder / "in_temp_input")


def test_it_is_found_but_not_what_others_know_better(tree):
    assert list(Sensor.found(tree.root)) == []
    tree.bme280()
    tree.dht()
    tree.iio("rpi_volt", "hwmon", {"in_voltage0_raw": "1"})

    [found] = Sensor.found(tree.root)
    assert found == ({"name": "bme280"}, "bme280 at 1-0076")

    tree.bme280("1-0077")
    every = list(Sensor.found(tree.root))
    assert [one.options["device"] for one in every] == ["1-0076", "1-0077"]
    for one in every:
        assert read(tree, **one.options)


def test_the_weather_moves(tree):
    folder = tree.bme280()
    before = channels(folder)[0].value()
    tree.measure(1_700_000_000)

    assert channels(folder)[0].value() != before
    with tree.moving(every=0.01):
        assert read(tree)[0]["hpa"] > 900
