"""DHT22 (AM2302), DHT21 and DHT11: humidity and temperature over one wire of their own.

Every pulse of that wire has to be timed to some 20 µs, which the kernel can: write
``dtoverlay=dht11,gpiopin=4`` into /boot/firmware/config.txt, for all of the models. Without the
overlay the library adafruit_dht tries, and misses more. A reading that fails is normal, one of
four does; it is told when none comes any more.
"""

import os
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from mysense import plugin
from mysense.errors import ConfigError, UnavailableError
from mysense.extras import library
from mysense.hardware.lapses import Lapses
from mysense.hardware.sysfs import ROOT, number
from mysense.options import seconds
from mysense.plugin import Found, option
from mysense.sensors._iio import choose, devices
from mysense.telegram import Field

DRIVER = "dht11"
"""What the kernel calls all of them."""
REST = 2.0
"""Seconds that a sensor needs after a reading; until then the kernel, and the library, say once more what it said."""
WAIT = 0.9
"""Seconds for which a read waits for the end of that."""
LAPSES = 9
"""Readings in a row that may fail."""
_never = threading.Event()
_RANGES = {"DHT22": (-40, 80), "DHT21": (-40, 80), "DHT11": (-20, 60)}


def reading(temp: float, rh: float, model: str = "DHT22") -> dict[str, float]:
    """Temperature (°C) and humidity (%) as they can be believed; ValueError when they cannot.

    Copies of the DHT22 write temperatures below zero as a two's complement, where the original
    writes a sign and a number: what should be -10.1 °C arrives as -3266.7 °C.

    >>> reading(-10.1, 65.8), reading(-3266.7, 65.8)
    ({'temp': -10.1, 'rh': 65.8}, {'temp': -10.1, 'rh': 65.8})
    """
    if temp <= -3236.8:
        temp = -temp - 3276.8
    least, most = _RANGES[model]
    if not (least <= temp <= most and 0 <= rh <= 100):
        raise ValueError(f"{temp:.1f} °C and {rh:.1f} % cannot be")
    if (temp, rh) == (1, 1) or (temp == 0 and rh <= 2):  # what comes of a line that only stutters
        raise ValueError(f"{temp:.1f} °C and {rh:.1f} % is noise")
    return {"temp": round(temp, 1), "rh": round(rh, 1)}


class Sensor(plugin.Sensor):
    """DHT22 (AM2302), DHT21 (AM2301) or DHT11: temperature and humidity."""

    interval: float = option(5.0, "seconds between two readings, at least 2", parse=seconds, least=REST)
    model: Literal["DHT22", "DHT21", "DHT11"] = option("DHT22", "what it is; AM2302 is a DHT22, AM2301 a DHT21")
    pin: int = option(4, "its pin on the Pi, by GPIO number", least=0, most=53)
    driver: Literal["auto", "kernel", "adafruit"] = option(
        "auto", "who reads it; auto: the kernel where its overlay dht11 is there, else the library adafruit_dht"
    )
    device: str = option("", "where the kernel has several: which one, as dht11@4; empty: that of the pin")
    root: Path = option(ROOT, "the folder that /sys lies in")

    @property
    def measures(self) -> tuple[Field, ...]:  # type: ignore[override]
        return Field("temp", "C", self.model), Field("rh", "%", self.model)

    def open(self) -> None:
        self._lapses, self._folder = Lapses(LAPSES), None
        there = [d for d in devices(self.root) if d.name.startswith(DRIVER)]
        if self.driver == "kernel" or (there and self.driver == "auto"):
            self._folder = self._device(len(there))
        else:
            self._adafruit = _adafruit(self.model, self.pin)
        self._rested = 0.0

    def _device(self, count: int) -> Path:
        """The kernel's device: that on the pin where there are several."""
        parent = self.device or (f"{DRIVER}@{self.pin:x}" if count > 1 else "")
        try:
            return choose(self.root, DRIVER, parent).folder
        except UnavailableError as error:
            if count:
                raise
            hint = f"write dtoverlay=dht11,gpiopin={self.pin} into /boot/firmware/config.txt and restart the Pi"
            raise UnavailableError(f"{error.args[0].partition(':')[0]}: {hint}") from None

    def read(self) -> Mapping[str, float] | None:
        if (rest := self._rested - time.monotonic()) > 0:
            _never.wait(min(rest, WAIT))
            if rest > WAIT:
                return None
        try:
            values = reading(*(self._by_kernel(self._folder) if self._folder else self._by_library()), self.model)
        except FileNotFoundError:
            raise  # the overlay was taken away
        except (OSError, ValueError) as error:
            self._lapses.failed(f"no good reading: {getattr(error, 'strerror', None) or error}")
            return None
        finally:
            self._rested = time.monotonic() + REST
        self._lapses.well()
        return values

    def _by_kernel(self, folder: Path) -> tuple[float, float]:
        """Both from one reading: the driver keeps it for 2 s."""
        temp = number(folder / "in_temp_input") / 1000
        return temp, number(folder / "in_humidityrelative_input") / 1000

    def _by_library(self) -> tuple[float, float]:
        try:
            return self._adafruit.temperature, self._adafruit.humidity
        except RuntimeError as error:  # what the library raises for all that goes wrong on the wire
            raise ValueError(str(error)) from None

    def check(self) -> str:
        with self:
            if not self._folder:
                return f"{self.model} on GPIO {self.pin}, read by adafruit_dht; the kernel's overlay dht11 misses less"
            return f"{self.model} by the kernel: {self._folder.name}"

    def close(self) -> None:
        if device := vars(self).pop("_adafruit", None):
            device.exit()  # its child process

    @classmethod
    def found(cls, root: Path = ROOT) -> Iterable[Found]:
        """Devices of the overlay; whether there is a sensor at one, only a reading shows."""
        there = [d for d in devices(root) if d.name.startswith(DRIVER)]
        return [Found({"device": d.parent} if len(there) > 1 else {}, f"DHT at {d.parent}") for d in there]


def _adafruit(model: str, pin: int) -> Any:
    """The library's object for a sensor; ConfigError where it knows no pins."""
    os.environ.setdefault("BLINKA_SKIP_DEPENDENCY_CHECK", "1")  # else Blinka asks, and installs
    try:
        dht, pins = library("adafruit_dht", "adafruit"), library("microcontroller", "adafruit").pin
        return getattr(dht, model)(getattr(pins, f"D{pin}"))
    except (NotImplementedError, AttributeError):
        raise ConfigError(
            f"adafruit_dht knows no GPIO {pin} on this machine: "
            f"use the kernel's driver (dtoverlay=dht11,gpiopin={pin} in /boot/firmware/config.txt)"
        ) from None
    except RuntimeError as error:
        raise UnavailableError(f"adafruit_dht: {error}") from None


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("dht")
