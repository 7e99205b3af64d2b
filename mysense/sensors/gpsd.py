"""Where the kit is, as gpsd knows it from a GPS receiver.

gpsd reads the receiver and answers over TCP (https://gpsd.io/gpsd_json.html). It is asked for the
present state at each reading, so nothing old waits in a line.
"""

import json
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mysense import plugin
from mysense.errors import UnavailableError
from mysense.plugin import Found, option
from mysense.telegram import Field, Value

PORT = 2947
PATIENCE = 0.9
"""The most seconds that a read waits."""
SILENT = 10.0
"""Seconds without an answer after which gpsd has gone."""
STALE = 60.0
"""Seconds with one and the same position report after which the receiver has gone."""
_ENDLESS = 1e15
"""What no receiver says: a number that is none (NaN, infinity) compares as that, too."""
LONGEST = 200_000
"""Bytes without an end of line that are no answer any more."""


def decode(answer: Mapping[str, Any], device: str = "") -> tuple[str, dict[str, Value]] | None:
    """What a POLL of gpsd says: its receiver's time, and the values; None when it says nothing of a receiver.

    *device* chooses one of several receivers. Position and height above sea level are there with a
    fix in two and three dimensions. Older gpsds say ``alt`` for ``altMSL``, and list the satellites.

    >>> decode({"tpv": [{"mode": 3, "time": "T", "lat": 51.5, "lon": 6.1, "altMSL": 22.9}], "sky": [{"uSat": 8}]})
    ('T', {'fix': 3, 'lat': 51.5, 'lon': 6.1, 'alt': 22.9, 'sats': 8})
    """
    reports = [tpv for tpv in _objects(answer, "tpv") if device in ("", tpv.get("device"))]
    if not reports:
        return None
    tpv = max(reports, key=lambda one: _number(one, "mode") or 0)
    mode = _number(tpv, "mode") or 0
    values: dict[str, Value] = {"fix": int(mode) if mode in (2, 3) else 0}
    lat, lon = _number(tpv, "lat"), _number(tpv, "lon")
    if values["fix"] and lat is not None and lon is not None and abs(lat) <= 90 and abs(lon) <= 180:
        values |= {"lat": round(lat, 7), "lon": round(lon, 7)}
        alt = _number(tpv, "altMSL", "alt")
        if mode == 3 and alt is not None:
            values["alt"] = round(alt, 1)
        if (error := _number(tpv, "eph")) is not None:
            values["eph"] = error
    else:
        values["fix"] = 0
    for sky in _objects(answer, "sky"):
        if sky.get("device") == tpv.get("device"):
            used = _number(sky, "uSat")
            if used is None and isinstance(sky.get("satellites"), list):
                used = sum(bool(one.get("used")) for one in _objects(sky, "satellites"))
            if used is not None:
                values["sats"] = int(used)
    return str(tpv.get("time", "")), values


def _objects(answer: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = answer.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _number(said: Mapping[str, Any], *names: str) -> float | None:
    found = (said.get(name) for name in names)
    numbers = (one for one in found if isinstance(one, int | float) and not isinstance(one, bool))
    return next((one for one in numbers if abs(one) < _ENDLESS), None)


class Sensor(plugin.Sensor):
    """GPS by way of gpsd: where the kit is while it moves, and how well that is known."""

    measures = (
        Field("lat", "degrees", "GPS"),
        Field("lon", "degrees", "GPS"),
        Field("alt", "m", "GPS"),
        Field("fix", "", "GPS"),
        Field("sats", "", "GPS"),
        Field("eph", "m", "GPS"),
    )

    hostname: str = option("127.0.0.1", "where gpsd runs")
    port: int = option(PORT, "its TCP port", least=1, most=65535)
    device: str = option("", "which receiver where gpsd has several, as /dev/ttyACM0; empty: the one with the best fix")

    def open(self) -> None:
        self._connect()
        self._say(b'?WATCH={"enable":true,"json":false};\n')  # it reads receivers only for those who watch

    def _connect(self) -> None:
        self._heard, self._asked = b"", 0.0
        self._reported, self._since = "", time.monotonic()
        try:
            self._socket = socket.create_connection((self.hostname, self.port), timeout=PATIENCE)
        except ConnectionRefusedError:
            raise UnavailableError(
                f"no gpsd answers at {self.hostname}:{self.port}: is it installed (apt-get install gpsd) and running?"
            ) from None
        except OSError as error:
            why = error.strerror or error
            raise UnavailableError(f"gpsd at {self.hostname}:{self.port} cannot be reached: {why}") from None

    def _say(self, question: bytes) -> None:
        try:
            self._socket.sendall(question)
        except OSError:
            raise self._closed() from None

    def _closed(self) -> UnavailableError:
        return UnavailableError(f"gpsd at {self.hostname}:{self.port} has closed the connection")

    def read(self) -> Mapping[str, Value] | None:
        if not self._asked:
            self._say(b"?POLL;\n")
            self._asked = time.monotonic()
        for answer in self._answers(time.monotonic() + PATIENCE):
            if answer.get("class") == "POLL":
                self._asked = 0.0
                return self._fresh(decode(answer, self.device))
        if time.monotonic() - self._asked > SILENT:
            raise UnavailableError(f"gpsd at {self.hostname}:{self.port} does not answer")
        return None

    def _fresh(self, said: tuple[str, dict[str, Value]] | None) -> Mapping[str, Value] | None:
        """What has not been given yet: gpsd repeats the last report of a receiver that has gone."""
        now = time.monotonic()
        moment, values = said or ("", {})
        if said and (not moment or moment != self._reported):
            self._reported, self._since = moment, now
            return values
        if now - self._since > STALE:
            self._since = now
            what = self.device or "a receiver"
            raise UnavailableError(f"gpsd hears nothing from {what}: is it plugged in, and in /etc/default/gpsd?")
        return None

    def _answers(self, until: float) -> Iterator[Mapping[str, Any]]:
        """What gpsd says until then, object by object."""
        while True:
            while b"\n" in self._heard:
                line, _, self._heard = self._heard.partition(b"\n")
                yield self._object(line)
            if len(self._heard) > LONGEST:
                raise UnavailableError(f"what answers at {self.hostname}:{self.port} is no gpsd")
            left = until - time.monotonic()
            if left <= 0:
                return
            self._socket.settimeout(left)
            try:
                heard = self._socket.recv(65536)
            except TimeoutError:
                return
            except OSError:
                heard = b""
            if not heard:
                raise self._closed()
            self._heard += heard

    def _object(self, line: bytes) -> Mapping[str, Any]:
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise UnavailableError(f"what answers at {self.hostname}:{self.port} is no gpsd: it says {line[:40]!r}")
        return said

    def check(self) -> str:
        """Asks what is there; no receiver is woken for that."""
        try:
            self._connect()
            self._say(b"?DEVICES;\n")
            release, receivers = self._about()
        finally:
            self.close()
        if not receivers:
            raise UnavailableError(f"gpsd {release} has no receiver: name it in /etc/default/gpsd")
        return f"gpsd {release}, {', '.join(receivers)}"

    def _about(self) -> tuple[str, list[str]]:
        """Its release, and its receivers."""
        release = ""
        for answer in self._answers(time.monotonic() + 3 * PATIENCE):  # while it wakes a receiver it hears nobody
            release = str(answer.get("release", release))
            if answer.get("class") == "DEVICES":
                return release, [str(one.get("path")) for one in _objects(answer, "devices")]
        raise UnavailableError(f"gpsd at {self.hostname}:{self.port} does not answer")

    def close(self) -> None:
        if line := vars(self).pop("_socket", None):
            line.close()

    @classmethod
    def found(cls, port: int = PORT) -> Iterable[Found]:
        options = {} if port == PORT else {"port": str(port)}
        make: Any = cls
        try:
            return [Found(options, make(port=port).check())]
        except OSError:
            return []


if __name__ == "__main__":
    from mysense import tryout

    tryout.sensor("gpsd")
