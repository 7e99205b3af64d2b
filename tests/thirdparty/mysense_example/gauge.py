"""A number that another program writes into a file, such as a rain gauge's."""

from pathlib import Path

from mysense import plugin
from mysense.plugin import option
from mysense.telegram import Field


class Sensor(plugin.Sensor):
    """A number that another program writes into a file."""

    path: Path = option(help="the file with the number in it")
    name: str = option("rain", "what is measured")
    unit: str = option("mm/h", "and its unit")

    @property
    def measures(self):
        return (Field(self.name, self.unit, "gauge"),)

    def read(self):
        text = self.path.read_text().strip()
        return {self.name: float(text)} if text else None
