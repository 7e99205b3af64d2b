"""The plugins of this package keep what the daemon relies on."""

import pytest
from mysense_example.gauge import Sensor
from mysense_example.spool import Publisher

from mysense.testing import PublisherContract, SensorContract


class TestGauge(SensorContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path):
        self.path = tmp_path / "rain"
        self.path.write_text("1.5\n")

    def make(self):
        return Sensor(path=self.path)


class TestSpool(PublisherContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path / "spool"

    def make(self):
        return Publisher(directory=self.folder)

    def test_the_same_telegram_is_one_file(self):
        with self.make() as publisher:
            for _ in range(2):
                publisher.publish(self.telegrams())

        assert len(list(self.folder.iterdir())) == len(self.telegrams())
