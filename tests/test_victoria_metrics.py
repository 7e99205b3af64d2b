"""The publisher and a real victoria-metrics, which takes what is written to InfluxDB 1 and 2."""

import pytest

from mysense.channels import influxdb
from mysense.telegram import SECOND, Data, Ident

T0 = 1_700_000_000


def data(seconds, ident, **values):
    return Data(ident, (T0 + seconds) * SECOND, values or {"temp": float(seconds)})


def publisher(server, **options):
    return influxdb.Publisher(hostname="127.0.0.1", port=server.port, **options)


@pytest.fixture
def ident(serial):
    return Ident("Vic", serial, "shed")


def numbers(victoria, **labels):
    """The times and numbers of what has these labels."""
    match = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return [(when // 1000 - T0, number) for when, number, _ in victoria.samples(f"{{{match}}}")]


@pytest.mark.parametrize("version", ["1", "auto"])
def test_numbers_are_in_victoria_metrics_with_their_times(victoria, ident, version):
    with publisher(victoria, version=version) as far:
        assert far.publish([data(n, ident) for n in range(3)]) == {}
        assert far.publish([Data(ident, T0 * SECOND + 3_250_000_000, {"temp": 3.0})]) == {}

    assert numbers(victoria, __name__="data_temp", db=ident.node) == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0)]


@pytest.mark.parametrize("version", ["2", "auto"])
def test_victoria_metrics_takes_version_2_too_but_not_the_name_of_the_bucket(victoria, ident, version):
    node = Ident(ident.project, ident.serial, ident.serial)
    with publisher(victoria, version=version, org="any", token="any") as far:
        assert far.publish([data(n, node) for n in range(3)]) == {}

    assert numbers(victoria, __name__="data_temp", label=node.label) == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert all("db" not in labels for _, _, labels in victoria.samples(f'{{label="{node.label}"}}'))


def test_text_is_nought_in_victoria_metrics_and_new_is_a_label(victoria, ident):
    with publisher(victoria) as far:
        assert far.publish([data(n, ident, temp=1.0, say="warm") for n in range(2)]) == {}
    samples = victoria.samples(f'{{__name__=~"data_.*",db="{ident.node}"}}')

    assert sorted((labels["__name__"], labels["new"], number) for _, number, labels in samples) == [
        ("data_say", "0", 0.0),
        ("data_say", "1", 0.0),
        ("data_temp", "0", 1.0),
        ("data_temp", "1", 1.0),
    ]
