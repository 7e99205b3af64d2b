"""A GPS receiver on a pseudo-terminal, to be moved about: it says NMEA 0183 as real ones do, for gpsd."""

import os
import pty
import threading
import time
import tty
from contextlib import suppress
from functools import reduce
from operator import xor
from typing import Self


def sentence(body: str) -> bytes:
    """A sentence of NMEA 0183 with its checksum.

    >>> sentence("GPGLL,5057.970,N,00146.110,E,142451,A")
    b'$GPGLL,5057.970,N,00146.110,E,142451,A*27\\r\\n'
    """
    return f"${body}*{reduce(xor, body.encode()):02X}\r\n".encode()


def fix(now: float, lat: float, lon: float, alt: float, satellites: int) -> bytes:
    """What a receiver says of one second (s since 1970); with fewer than 3 *satellites* it has no position."""
    at = time.gmtime(now)
    hms, date = time.strftime("%H%M%S.00", at), time.strftime("%d%m%y", at)
    if satellites < 3:
        bodies = [f"GPRMC,{hms},V,,,,,,,{date},,,N", f"GPGGA,{hms},,,,,0,00,,,M,,M,,", "GPGSA,A,1,,,,,,,,,,,,,,,"]
    else:
        here = f"{_degrees(lat, 2, 'NS')},{_degrees(lon, 3, 'EW')}"
        used = ",".join(f"{n + 1:02}" if n < satellites else "" for n in range(12))
        bodies = [
            f"GPRMC,{hms},A,{here},0.1,10.0,{date},,,A",
            f"GPGGA,{hms},{here},1,{satellites:02},1.0,{alt:.1f},M,46.0,M,,",
            f"GPGSA,A,{2 + (satellites > 3)},{used},1.8,1.0,1.5",
        ]
    views = [f"{n + 1:02},45,{30 * n:03},40" for n in range(12)]
    bodies += [f"GPGSV,3,{n + 1},12,{','.join(views[4 * n : 4 * n + 4])}" for n in range(3)]
    return b"".join(map(sentence, bodies))


def _degrees(value: float, digits: int, sides: str) -> str:
    degrees, minutes = divmod(round(abs(value) * 60, 5), 60)
    return f"{int(degrees):0{digits}}{minutes:08.5f},{sides[value < 0]}"


class Receiver:
    """A receiver that stands at *lat*, *lon*, *alt*, until these are set to something else. *port* is its device.

    It says a second in *every* seconds. With *satellites* = 0 it sees none; ``mute`` it says nothing.
    """

    def __init__(self, lat: float = 51.5, lon: float = 6.1, alt: float = 22.9, every: float = 0.1) -> None:
        self.lat, self.lon, self.alt, self.satellites = lat, lon, alt, 8
        self.mute = False
        self._now, self._every = 1_700_000_000.0, every
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        os.chmod(self.port, 0o666)  # noqa: S103, PTH101 (gpsd becomes another user)
        self._stop = threading.Event()
        self._player = threading.Thread(target=self._play, name="gps", daemon=True)

    def _play(self) -> None:
        while not self._stop.wait(self._every):
            self._now += 1
            if not self.mute:
                with suppress(BlockingIOError):  # nobody listens
                    os.write(self._master, fix(self._now, self.lat, self.lon, self.alt, self.satellites))

    def __enter__(self) -> Self:
        self._player.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Pull the plug."""
        self._stop.set()
        self._player.join()
        for end in (self._master, self._slave):
            os.close(end)
