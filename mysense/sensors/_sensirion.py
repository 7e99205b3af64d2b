"""Words with checksums, as Sensirion's sensors speak on I2C."""

from mysense.hardware.i2c import Bus
from mysense.hardware.wires import NACK

_CRC = bytearray(256)
for _byte in range(256):
    _rest = _byte
    for _ in range(8):
        _rest = (_rest << 1) ^ (0x131 if _rest & 0x80 else 0)
    _CRC[_byte] = _rest


def crc(data: bytes) -> int:
    """The checksum of some bytes: CRC-8 with polynomial 0x31, begun with 0xFF.

    >>> hex(crc(b"\\xbe\\xef"))
    '0x92'
    """
    rest = 0xFF
    for byte in data:
        rest = _CRC[rest ^ byte]
    return rest


def pack(*words: int) -> bytes:
    """Numbers of 16 bits, each with its checksum behind it.

    >>> pack(0x0300).hex(" ")
    '03 00 ac'
    """
    halves = (word.to_bytes(2, "big") for word in words)
    return b"".join(half + bytes((crc(half),)) for half in halves)


def unpack(data: bytes) -> list[int]:
    """The numbers in *data*; ValueError when a checksum is wrong or something is missing.

    >>> unpack(b"\\x66\\x66\\x93\\x80\\x00\\xa2")
    [26214, 32768]
    """
    if not data or len(data) % 3:
        raise ValueError(f"{len(data)} bytes are no words with checksums")
    triples = [data[n : n + 3] for n in range(0, len(data), 3)]
    if any(crc(triple[:2]) != triple[2] for triple in triples):
        raise ValueError(f"a checksum is wrong: {data.hex(' ')}")
    return [int.from_bytes(triple[:2], "big") for triple in triples]


def answer(bus: Bus, address: int, command: bytes, words: int, wait: float) -> list[int]:
    """What a sensor says to *command* after *wait* seconds; empty when that is no answer of Sensirion's."""
    try:
        bus.ask(address, command)
        bus.pause(wait)
        return unpack(bus.ask(address, None, 3 * words))
    except ValueError:
        return []
    except OSError as error:
        if error.errno in NACK:
            return []
        raise
