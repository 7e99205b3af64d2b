"""Good frames out of any stream: damaged, halved, run together, with noise between; for all that have a checksum."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense.hardware.frames import TICK, Frames, split
from mysense.sensors import _shdlc, mhz19, pms, sds011
from mysense.testing.devices.pms import Device as Pms
from mysense.testing.devices.sps30 import Device as Sps30
from tests.felt import felt
from tests.kit import Line, until

DUST = bytes.fromhex("AAC0D4043A0AA1601DAB")
PARTICLES = bytes.fromhex("424D001C 0005 0008 0009 0004 0007 0008 0384 00FA 0028 0003 0001 0000 9700 0318")
CARBON = bytes.fromhex("FF86026047000000D1")
SENSIRION = Sps30()._reply(0x03, bytes(range(0x0A, 0x14)) + b"\x7d\x7e\x7d\x5e" * 5 + bytes(10))
FRAMES = {
    "sds011": (sds011, sds011.decode, [DUST, bytes.fromhex("AAC0 0000 0000 A160 01AB")]),
    "pms": (pms, pms.decode, [PARTICLES, Pms(words=(0,) * 12).data()]),
    "pms3003": (
        pms,
        lambda frame: pms.decode(frame, "PMS3003"),
        [Pms(words=(1, 2, 3, 4, 5, 6, 7, 8))._frame(bytes(18))],
    ),
    "mhz19": (mhz19, mhz19.decode, [CARBON]),
    "shdlc": (_shdlc, _shdlc.decode, [SENSIRION, Sps30()._reply(0xD2, bytes(4))]),
}
EACH = pytest.mark.parametrize(("module", "decode", "frames"), FRAMES.values(), ids=FRAMES)


@EACH
def test_what_was_captured_is_found(module, decode, frames):
    assert split(b"".join(frames), module.HEAD, module.measure) == (frames, b"", b"")


@EACH
def test_each_byte_damaged_in_each_way_gives_no_wrong_value_and_the_next_frame_is_found(module, decode, frames):
    for frame in frames:
        right = decode(frame)
        for place in range(len(frame)):
            for other in set(range(256)) - {frame[place]}:
                damaged = frame[:place] + bytes((other,)) + frame[place + 1 :]

                found, _, rest = split(damaged + frame, module.HEAD, module.measure)

                said = [each for each in found if len(each) == len(frame) and each[:2] == frame[:2]]
                assert all(decode(each) == right for each in said)
                if frame not in found:  # the damage made a longer frame of it: one more, and it is over
                    found = split(rest + frame * 8, module.HEAD, module.measure)[0]
                    assert frame in found


@EACH
def test_half_a_frame_costs_only_itself(module, decode, frames):
    for frame in frames:
        for cut in range(1, len(frame)):
            for half in (frame[:cut], frame[cut:]):
                found, _, rest = split(half + frame + frame, module.HEAD, module.measure)
                assert set(found) == {frame}
                assert len(found) + len(rest) / len(frame) >= 1


@EACH
def test_frames_come_in_any_pieces(module, decode, frames):
    stream = b"".join(frames) * 3
    for size in (1, 2, 3, 7, 100):
        found, rest = [], b""
        for at in range(0, len(stream), size):
            more, passed, rest = split(rest + stream[at : at + size], module.HEAD, module.measure)
            assert passed == b""
            found += more
        assert found == frames * 3


@given(st.sampled_from(sorted(FRAMES)), st.lists(st.binary(max_size=40) | st.none(), max_size=12))
def test_whatever_comes_every_byte_is_a_frame_passed_over_or_kept_for_later(name, parts):
    module, _, [frame, *_] = FRAMES[name]
    stream = b"".join(frame if part is None else part for part in parts)

    found, passed, rest = split(stream, module.HEAD, module.measure)

    assert len(b"".join(found)) + len(passed) + len(rest) == len(stream)
    assert stream.endswith(rest)
    assert all(module.measure(each) == len(each) for each in found)


@given(st.binary(min_size=1000, max_size=9000))
def test_noise_without_end_is_not_kept_without_end(noise):
    for module, _, _ in FRAMES.values():
        assert len(split(noise, module.HEAD, module.measure)[2]) <= max(_shdlc.LONGEST, 40)


@pytest.fixture
def line():
    line = Line()
    yield line
    line.close()


@pytest.fixture
def frames(line):
    import serial

    with serial.Serial(line.port, timeout=TICK) as port:
        yield Frames(port, sds011.HEAD, sds011.measure, "SDS011", logging.getLogger("test"))


def test_what_is_passed_over_is_told_at_first_and_then_each_time_it_has_become_ten_times_as_much(line, frames, caplog):
    for _ in range(40):
        line.say(b"\xaa\xbbnoise" + DUST)
        assert frames.next(1.0) == DUST

    told = [record.message for record in caplog.records]
    assert "aa bb 6e 6f 69 73 65 (7 bytes so far)" in told[0]
    assert len(told) == 2


def test_silence_and_strange_talk_are_told_apart(line, frames):
    assert frames.next(0.3) is None
    frames.expect(10)
    with pytest.raises(TimeoutError, match="the SDS011 does not answer: has it power"):
        frames.expect(0.3)
    line.say(b"511,21\r\n")
    assert frames.next(0.1) is None
    with pytest.raises(TimeoutError, match="no word of the SDS011"):
        frames.expect(0.3)
    line.say(DUST)
    assert frames.next(1) == DUST
    frames.expect(0.1)


def test_waiting_ends_in_time_whatever_comes(line, frames):
    begun = felt()
    line.say(b"\xaa\xc0" * 1000)
    assert frames.next(0.5) is None
    assert felt() - begun < 1.0


def test_what_came_before_can_be_forgotten(line, frames):
    line.say(DUST + DUST[:4])
    until(lambda: frames._port.in_waiting == 14)
    frames.forget()
    assert frames.next(0.1) is None
