"""What the bytes of a kit can say: what it measured, what it is, what happened to it."""

from collections.abc import Mapping
from dataclasses import dataclass

from mysense.telegram import Location, Value

DUST = ("", "PPD42NS", "SDS011", "PMS7003", "SPS30")
METEO = ("", "DHT11", "SHT85", "BME280", "BME680", "SHT31")
"""The devices of a kit by their numbers on port 3."""
RECEIVER = "NEO-6"
"""Of GPS, as all of these kits have it."""

EVENTS = {13: "the battery is low", 14: "the watchdog started it anew", 15: "the controller was reset"}


@dataclass(frozen=True)
class Reading:
    """Measured values; *dust* is the device that measured dust, where the bytes show that."""

    values: Mapping[str, Value]
    dust: str = ""


@dataclass(frozen=True)
class About:
    """What the kit is: version of its firmware, devices (empty: none, or not known), place."""

    version: float
    dust: str
    meteo: str
    gps: bool
    place: Location | None


@dataclass(frozen=True)
class Event:
    """Something that happened to the kit; zero for a *value* that says nothing."""

    version: float
    number: int
    value: int

    @property
    def text(self) -> str:
        return EVENTS.get(self.number, f"event {self.number}")
