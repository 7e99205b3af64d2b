"""What devices say: frames on serial lines, lines of text, what gpsd and the kernel's files tell."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mysense import recognising
from mysense.hardware.frames import split
from mysense.sensors import _shdlc, ds18b20, gpsd, mhz19, pms, sds011, shinyei, spec_dgs, sps30
from tests.fuzz.damage import Check, Examples, damaged

WHOLE = [
    bytes.fromhex(frame)
    for frame in (
        "AAC0D4043A0AA1601DAB",
        "AAC507120B1C A160 01 AB",
        "424D001C 0005 0008 0009 0004 0007 0008 0384 00FA 0028 0003 0001 0000 9700 0318",
        "424D0004 E1000174",
        "FF86026047000000D1",
        "7E00D280 01208C7E",
        "7E000300287D5E0000003F8000003F8000003F8000003F8000003F8000003F8000003F8000003F8000003F80000000000000AC7E",
    )
] + [
    b'{"pm25_pcs/qf": 341.2, "pm10_pcs/qf": null}\n',
    b"110816020533, 12, 21, 44, 32531, 26051, 27117, 00, 01, 02, 03\r\n",
    b"511,21\r\n",
    b'{"class":"POLL","tpv":[{"mode":3,"time":"T","lat":51.5,"lon":6.1,"altMSL":22.9,"eph":3}],"sky":[{"uSat":8}]}\n',
    b'{"class":"POLL","tpv":[{"mode":2,"lat":1e400,"lon":NaN,"eph":NaN}],"sky":[{"uSat":Infinity}]}\n',
    b'{"class":"POLL","tpv":[{"mode":3,"lat":1,"lon":1,"altMSL":' + b"9" * 400 + b'}],"sky":[]}\n',
    b'{"a":' + b"[" * 2000 + b"\n",
    b"72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n",
]


def finite(values: dict[str, Any]) -> None:
    """No value is one that nothing could keep."""
    for name, value in values.items():
        assert value is None or isinstance(value, str) or math.isfinite(value), name


@contextmanager
def devices(folder: Path) -> Iterator[tuple[Examples, Check]]:
    """What every sensor makes of what its device may say, and who is recognised in it."""
    kinds = recognising.serial_sensors()

    def check(data: bytes) -> None:
        for kind in kinds.values():
            kind.recognise(data)
        for module in (sds011, pms, mhz19):
            for frame in split(data, module.HEAD, module.measure)[0]:
                said = module.decode(frame)
                finite(said if isinstance(said, dict) else {"co2": said})
        for frame in split(data, _shdlc.HEAD, _shdlc.measure)[0]:
            reply = _shdlc.decode(frame)
            if len(reply.data) == 40:
                finite(sps30.values(reply.data))
        for line in split(data, shinyei.HEAD, shinyei.measure)[0]:
            shinyei.decode(line)
        for line in split(data, b"", spec_dgs.measure)[0]:
            spec_dgs.parse(line)
        with suppress(ValueError):
            finite({"temp": ds18b20.parse(data.decode(errors="replace"))})
        with suppress(ValueError, RecursionError):
            answer = json.loads(data)
            if isinstance(answer, dict) and (found := gpsd.decode(answer)):
                finite(found[1])

    yield damaged(WHOLE, [b"{", b"[" * 2000, b"}", b"\x7e", b"\x7d", b"\xaa", b"BM", b"\xff", b"NaN", b"1e999"]), check
