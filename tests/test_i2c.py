"""The I2C bus that driver libraries are given: one lock, an end to every loop, words for a person."""

import errno
import socket
import subprocess
import sys
import threading
import time

import pytest

from mysense.hardware import wires
from mysense.hardware.busio import BusIO
from mysense.hardware.i2c import Address, Bus, InUseError, listed
from mysense.testing.chips import bme280
from mysense.testing.i2c import SimulatedBus
from tests.felt import felt


@pytest.fixture
def played():
    with SimulatedBus({0x76: bme280.Chip(), 0x44: bme280.Chip()}) as bus:
        yield bus


@pytest.fixture
def bus(played):
    bus = BusIO(played.name)
    bus.open()
    yield bus
    bus.close()


def test_the_methods_that_libraries_call(bus):
    assert bus.try_lock()
    bus.writeto(0x76, b"..\xd0..", start=2, end=3)
    buffer = bytearray(3)
    bus.readfrom_into(0x76, buffer, start=1, end=2)
    bus.unlock()

    assert buffer == b"\0\x60\0"
    bus.writeto_then_readfrom(0x76, b".\xd0", buffer, out_start=1, in_start=2)
    assert buffer == b"\0\x60\x60"
    assert bus.scan() == [0x44, 0x76]


def test_a_lock_that_another_holds_is_waited_for_and_then_it_is_a_timeout(played, bus):
    other = BusIO(played.name)
    other.open()
    assert other.try_lock()
    begun, really = felt(), time.monotonic()
    with pytest.raises(TimeoutError, match="busy with other sensors"), bus.within(0.2):
        bus.try_lock()
    took, waited = felt() - begun, time.monotonic() - really
    timer = threading.Timer(0.05, other.unlock)
    timer.start()
    with bus.within(5):
        assert bus.try_lock()
        bus.unlock()
    timer.join()
    other.close()

    assert waited > 0.15
    assert took < 1


def test_waiting_for_the_lock_costs_no_work(played, bus):
    other = BusIO(played.name)
    other.open()
    assert other.try_lock()
    begun = time.thread_time()
    with pytest.raises(TimeoutError), bus.within(0.3):
        bus.try_lock()
    other.unlock()
    other.close()

    assert time.thread_time() - begun < 0.05


@pytest.mark.parametrize("again", [False, True])
def test_a_loop_that_would_never_end_does(bus, again):
    def ask():
        bus.try_lock()
        bus.writeto(0x76, b"\xd0")
        bus.readfrom_into(0x76, bytearray(1))
        bus.unlock()

    with pytest.raises(TimeoutError), bus.within(0.2):  # noqa: PT012 (a library's loop)
        ask()
        if again:
            with bus.again():
                while True:
                    ask()
        while True:
            ask()


def test_what_was_asked_is_not_asked_again(played, bus):
    def register(number):
        bus.writeto(0x76, bytes((number,)))
        bus.readfrom_into(0x76, buffer := bytearray(1))
        return buffer[0]

    with bus.within(5):
        first = register(0xD0)
        before = played.transfers[0x76]
        with bus.again():
            assert register(0xD0) == first
            assert played.transfers[0x76] == before
            assert register(0x88) == 27504 & 0xFF  # new: it is asked
            bus.writeto(0x76, b"\xd0")  # known, so it is not sent …
            bus.readfrom_into(0x76, buffer := bytearray(2))  # … until more is wanted than is known
        assert buffer[0] == first
        register(0xD0)
        assert played.transfers[0x76] > before + 4
    with bus.within(5), bus.again():
        now = played.transfers[0x76]
        register(0xD0)
        assert played.transfers[0x76] == now + 2  # another reading remembers nothing


def test_a_library_that_hides_what_happened_does_not_hide_it_from_us(played, bus):
    with pytest.raises(OSError, match=r"nothing answers at 0x45.*what answers: 0x44, 0x76"), bus.within(1):  # noqa: PT012 (a library)
        try:
            bus.writeto(0x45, b"\x01")
        except OSError as error:
            raise RuntimeError("Could not communicate") from error
    with pytest.raises(RuntimeError), bus.within(1):
        raise RuntimeError("its own trouble")


def test_a_bus_that_is_held_and_one_that_goes_and_comes_back(played, bus):
    played.held = True
    with pytest.raises(OSError, match=r"does not move.*supply"), bus.within(1):
        bus.ask(0x76, b"\xd0", 1)
    played.held = False
    played.gone = True
    with pytest.raises(OSError, match=r"fails \(No such device\): was its adapter pulled out"), bus.within(1):
        bus.ask(0x76, b"\xd0", 1)
    played.gone = False
    with bus.within(1):
        assert bus.ask(0x76, b"\xd0", 1) == b"\x60"


def test_a_closed_bus_says_so_and_closing_is_always_safe(played):
    bus = Bus(played.name)
    bus.close()
    bus.open()
    bus.close()
    bus.close()
    with pytest.raises(OSError, match="closed"):
        bus.ask(0x76, b"\xd0", 1)


def test_a_bus_of_another_process_by_its_socket(tmp_path, played):
    path = tmp_path / "bus"
    with played.served(path) as name:
        bus = Bus(name)
        bus.open()
        assert bus.ask(0x76, b"\xd0", 1) == b"\x60"
        assert bus.scan() == [0x44, 0x76]
        played.held = True
        with pytest.raises(OSError, match="does not move"), bus.within(1):
            bus.ask(0x76, b"\xd0", 1)
        played.held = False
    with pytest.raises(OSError), bus.within(1):
        bus.ask(0x76, b"\xd0", 1)
    with played.served(path):
        assert bus.ask(0x76, b"\xd0", 1) == b"\x60"
    bus.close()
    with pytest.raises(OSError, match="nobody plays a bus"):
        bus.open()
    bus.close()


def test_a_chip_behind_a_socket_is_for_one_kit_until_that_is_gone(tmp_path, played):
    here = Bus(played.name)
    here.open()
    with played.served(tmp_path / "bus") as name:
        there = Bus(name)
        there.open()
        there.claim(0x76)
        with pytest.raises(InUseError):
            here.claim(0x76)
        there.release(0x76)
        here.claim(0x76)
        with pytest.raises(InUseError):
            there.claim(0x76)
        there.claim(0x44)
        there.close()
        here.claim(0x44)
    here.close()
    assert not played._owners


def test_a_socket_that_says_nothing_is_a_bus_that_does_not_move(tmp_path):
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "bus"))
        listener.listen()
        bus = Bus(f"unix:{tmp_path}/bus")
        bus.open()
        with pytest.raises(OSError, match="does not move"), bus.within(0.1):
            bus.ask(0x76, b"\xd0", 1)
        bus.close()


def test_a_chip_is_free_as_soon_as_its_owner_hung_up():
    """Whoever closes a bus and opens it again must not find his own chip in use."""
    bus = SimulatedBus({0x76: bme280.Chip()})
    kit, served = socket.socketpair()
    with served:  # nobody serves it: its thread has no processor yet
        bus.claim(0x76, served)
        with pytest.raises(BlockingIOError):
            bus.claim(0x76)
        kit.sendall(b"half of a request")
        kit.close()
        bus.claim(0x76)


class TestDevice:
    """Linux's own device file, with what smbus2 does played: there is no bus on the machine that tests."""

    @pytest.fixture
    def transfers(self, monkeypatch, tmp_path, played):
        import smbus2

        monkeypatch.setattr(wires, "DEVICES", tmp_path)
        self.played, self.opened = played, 0

        def ioctl(_, request, data, *rest):
            if request == smbus2.smbus2.I2C_FUNCS:
                data.value = 0xFFFFFFFF
                return 0
            assert request == smbus2.smbus2.I2C_RDWR
            messages = data.msgs[: data.nmsgs]
            out = next((bytes(m) for m in messages if not m.flags & 1), None)
            wanted = next((m for m in messages if m.flags & 1), None)
            answer = played.transfer(messages[0].addr, out, wanted.len if wanted else 0, 1)
            for index, byte in enumerate(answer):
                wanted.buf[index] = bytes((byte,))
            return 0

        monkeypatch.setattr(smbus2.smbus2, "ioctl", ioctl)
        (tmp_path / "i2c-1").touch()

    def test_its_transfers(self, transfers):
        bus = Bus("1")
        bus.open()
        with bus.within(5):
            assert bus.ask(0x76, b"\xd0", 1) == b"\x60"
            bus.ask(0x76, b"\xd0")
            assert bus.ask(0x76, None, 1) == b"\x60"
            assert bus.scan() == [0x44, 0x76]
        bus.close()

    def test_i2c_that_is_off_says_how_to_switch_it_on(self, transfers, tmp_path):
        with pytest.raises(OSError, match=r"there is no .*i2c-7 \(there are i2c-1\).*raspi-config nonint do_i2c 0"):
            Bus("7").open()
        (tmp_path / "i2c-1").unlink()
        with pytest.raises(OSError, match=r"there is no .*i2c-7: switch I2C on"):
            Bus("7").open()

    def test_no_rights_names_the_group(self, transfers, monkeypatch):
        import smbus2

        def refuse(*_):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(smbus2, "SMBus", refuse)
        with pytest.raises(OSError, match=r"group i2c \(sudo usermod -aG i2c USER\)"):
            Bus("1").open()

    def test_the_file_is_open_once_for_all_and_closed_at_the_end(self, transfers, monkeypatch):
        import smbus2

        made, real = [], smbus2.SMBus
        monkeypatch.setattr(smbus2, "SMBus", lambda path: made.append(real(path)) or made[-1])
        buses = [Bus("1"), Bus("/" + wires.where("1").lstrip("/"))]
        for bus in buses:
            bus.open()
        buses[0].close()
        assert len(made) == 1
        assert buses[1].ask(0x76, b"\xd0", 1) == b"\x60"
        buses[1].close()
        assert made[0].fd is None

    def test_a_chip_that_was_claimed_is_refused_to_other_processes_until_it_is_let_go(self, transfers, tmp_path):
        file = str(tmp_path / "i2c-1")
        code = f"import fcntl; fcntl.lockf(open({file!r}, 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, %d)"

        def others_may(address):
            return not subprocess.run([sys.executable, "-c", code % address], capture_output=True).returncode

        one, two = Bus("1"), Bus("1")
        for bus in (one, two):
            bus.open()
            bus.claim(0x76)  # two sensors of one process may
        assert not others_may(0x76)
        assert others_may(0x44)
        one.close()
        assert not others_may(0x76)
        two.release(0x76)
        assert others_may(0x76)
        two.claim(0x76)
        two._bus._drop()  # the adapter was pulled out
        assert two.ask(0x76, b"\xd0", 1) == b"\x60"
        assert not others_may(0x76)
        two.close()
        assert others_may(0x76)

    def test_a_chip_that_another_process_has_is_told(self, transfers, tmp_path):
        code = f"""if True:
            import fcntl
            file = open({str(tmp_path / "i2c-1")!r}, "r+")
            fcntl.lockf(file, fcntl.LOCK_EX, 1, 0x76)
            print(flush=True)
            input()
        """
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            other.stdout.readline()
            bus = Bus("1")
            bus.open()
            with pytest.raises(InUseError, match=r"0x76 on .*i2c-1 is in use by another program"):
                bus.claim(0x76)
            bus.claim(0x44)
            other.communicate(b"\n")
        bus.claim(0x76)
        bus.close()

    def test_a_controller_that_cannot_write_nothing_is_asked_by_reading(self, transfers, monkeypatch):
        real = self.played.transfer

        def transfer(address, out, count, seconds):
            if out == b"":
                raise OSError(errno.EOPNOTSUPP, "Operation not supported")
            return real(address, out, count, seconds)

        monkeypatch.setattr(self.played, "transfer", transfer)
        bus = Bus("1")
        bus.open()
        assert bus.scan() == [0x44, 0x76]
        bus.close()


@pytest.mark.parametrize(
    ("text", "number"), [("0x76", 0x76), ("0X77", 0x77), ("118", 0x76), ("76", None), ("0x7", None), ("0x78", None),
                         ("x", None), ("", None), ("0xg", None), ("119", 0x77), ("127", None)],
)  # fmt: skip
def test_addresses_are_as_i2cdetect_shows_them(text, number):
    if number is None:
        with pytest.raises(ValueError, match="address"):
            Address.parse(text)
    else:
        assert Address.parse(text) == number
        assert str(Address.parse(text)) == hex(number)
    assert listed([0x8, 0x76]) == "0x08, 0x76"


@pytest.mark.parametrize("text", ["", "x", "-1", "i2c-1", "unix:bus", "²"])
def test_what_is_no_bus_is_refused(text):
    with pytest.raises(ValueError, match="is no bus"):
        wires.where(text)


def test_several_at_work_on_one_bus_do_not_get_between_each_other(played):
    """A register is chosen by one transfer and read by the next: nobody may come between them."""
    wrong, stop = [], threading.Event()

    def work(register, value):
        bus = BusIO(played.name)
        bus.open()
        while not stop.is_set():
            with bus.within(5):
                bus.try_lock()
                bus.writeto(0x76, bytes((register,)))
                bus.readfrom_into(0x76, got := bytearray(1))
                bus.unlock()
                if got[0] != value:
                    wrong.append((register, got[0]))
        bus.close()

    threads = [threading.Thread(target=work, args=pair) for pair in ((0xD0, 0x60), (0x88, 0x70), (0xA1, 75))]
    for thread in threads:
        thread.start()
    stop.wait(0.5)
    stop.set()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert played.transfers[0x76] > 100
