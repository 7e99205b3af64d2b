"""The publisher and the ways of each version: a real victoria-metrics, and stand-ins for InfluxDB 2 and 3."""

import pytest

from mysense.channels import influxdb
from mysense.telegram import SECOND, Data, Field, Ident

T0 = 1_700_000_000


def data(seconds, ident, **values):
    return Data(ident, (T0 + seconds) * SECOND, values or {"temp": float(seconds)})


def publisher(server, **options):
    return influxdb.Publisher(hostname="127.0.0.1", port=server.port, **options)


@pytest.fixture
def ident(serial):
    return Ident("Ver", serial, serial, fields=(Field("temp", "C", "BME280"),), since=T0 * SECOND)


@pytest.mark.parametrize("options", [{"version": "1"}, {"version": "auto"}])
def test_numbers_are_in_victoria_metrics_with_their_times(victoria, ident, options):
    with publisher(victoria, **options) as far:
        assert far.publish([data(n, ident) for n in range(3)]) == {}

    samples = victoria.samples(f'{{__name__="data_temp",db="{ident.node}"}}')
    assert [(when // 1000 - T0, number) for when, number, _ in samples] == [(0, 0.0), (1, 1.0), (2, 2.0)]
