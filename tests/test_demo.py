"""``mysense demo``: a kit for whoever has none."""

from tests.kit import mysense


def test_a_simulated_kit_shows_its_telegrams():
    said = mysense("demo", "-n", "2").stdout

    assert said.count("pm25 :") == 2


def test_real_drivers_read_simulated_devices():
    done = mysense("demo", "-n", "1", "--sensors", "bme280, bme280, sds011")

    for words in ("temp   : ", "(BME280)", "temp_2 : ", "(SDS011)"):
        assert words in done.stdout
    assert "read by the drivers of bme280, bme280, sds011" in done.stderr


def test_the_names_are_told():
    wrong = mysense("demo", "--sensors", "bme28", code=78).stderr

    assert "did you mean 'bme280'?" in wrong
    assert "sds011" in wrong
    assert "sds011" in mysense("demo", "--sensors", "list").stdout.split()
