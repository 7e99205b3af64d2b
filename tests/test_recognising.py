"""What is behind a serial port is found out without harm: who slept sleeps again."""

import threading

import pytest

from mysense import recognising
from mysense.recognising import recognise
from mysense.testing import FastClock
from mysense.testing.devices import dylos, mhz19, pms, sds011, shinyei, spec_dgs, sps30
from mysense.testing.serial import Device, Line
from tests.felt import felt
from tests.kit import until


def slept(device):
    """A device that sleeps, whatever it is called in it."""
    getattr(device, "model", device).asleep = True


def passive(device):
    device.passive = True


@pytest.mark.parametrize(
    ("module", "state", "named"),
    [
        (sds011, None, ("sds011", "SDS011 A160")), (sds011, slept, ("sds011", "SDS011 A160")),
        (pms, None, ("pms", "PMS")), (pms, passive, ("pms", "PMS")), (pms, slept, ("pms", "PMS")),
        (mhz19, None, ("mhz19", "MH-Z19")), (shinyei, None, ("shinyei", "Arduino with PPD42NS")),
        (sps30, None, ("sps30", "SPS30 8BA5D1B2C3E4F5A6")), (sps30, slept, ("sps30", "SPS30 8BA5D1B2C3E4F5A6")),
        (spec_dgs, None, ("spec_dgs", "SPEC DGS 110816020533")), (dylos, None, ("dylos", "Dylos DC1100")),
    ],
)  # fmt: skip
def test_each_device_is_recognised_in_any_state_and_left_in_it(module, state, named, monkeypatch):
    monkeypatch.setattr(recognising, "LISTEN", 1.0)
    device = module.Device(FastClock(10))
    with Line(device) as line:
        if state:
            state(device)
        begun = felt()

        found = recognise(line.port, 20.0)

        assert found == named
        assert felt() - begun < 25
        if state is slept:
            until(lambda: getattr(device, "model", device).asleep, 5)
        if state is passive:
            assert device.passive


def test_what_says_nothing_that_is_known_is_nothing(monkeypatch):
    monkeypatch.setattr(recognising, "LISTEN", 0.5)

    class Stranger(Device):
        def hear(self, heard):
            return b"What? " + heard[:3]

    with Line(Stranger()) as line:
        begun = felt()
        assert recognise(line.port) is None
        assert felt() - begun < 25


def test_a_port_that_is_not_there_is_told():
    with pytest.raises(OSError, match="is the adapter plugged in"):
        recognise("/dev/ttyUSB99")


def test_one_that_was_woken_sleeps_again_when_somebody_has_enough_of_it(monkeypatch):
    """Before it was recognised: its first word comes seconds after it was woken."""
    monkeypatch.setattr(recognising, "LISTEN", 0.1)
    device, over = pms.Device(), threading.Event()
    with Line(device) as line:
        slept(device)
        look = threading.Thread(target=recognise, args=(line.port, 60.0, over))
        look.start()
        until(lambda: not device.asleep, 30)
        over.set()
        look.join(2)
        assert not look.is_alive()
        until(lambda: device.asleep, 5)
