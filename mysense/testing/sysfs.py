"""Files of a kernel, in a folder: devices of IIO, 1-wire probes, Wi-Fi and a Raspberry Pi, to play with.

The layouts are those of a Raspberry Pi 4 with Linux 6.6. Give the folder as option ``root`` to a sensor::

    tree = Sysfs(tmp_path)
    tree.bme280()
    sensor = iio.Sensor(name="bme280", root=tree.root)
"""

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from mysense.sensors.ds18b20 import crc8
from mysense.sensors.simulated import weather

SOC = "sys/devices/platform/soc"


class Sysfs:
    """A tree of such files below *root*; what is not there yet is made."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()  # links in it stay right wherever one stands
        self._iio: dict[str, Path] = {}
        self._probes: list[str] = []
        root.mkdir(parents=True, exist_ok=True)

    def write(self, path: str | Path, text: str) -> Path:
        """A file with that text: whoever reads it sees all of the old text or all of the new."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.new")
        new.write_text(text)
        return new.replace(file)

    def iio(self, name: str, parent: str, files: Mapping[str, str]) -> Path:
        """A device of IIO with these files, connected as *parent*; its folder."""
        taken = {path.name for path in (self.root / "sys/bus/iio/devices").glob("iio:device*")}
        number = next(n for n in count() if f"iio:device{n}" not in taken)
        folder = f"{SOC}/{parent}/iio:device{number}"
        for file, text in {"name": name, "uevent": f"DEVNAME=iio:device{number}", **files}.items():
            self.write(f"{folder}/{file}", f"{text}\n")
        link = self.root / f"sys/bus/iio/devices/iio:device{number}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(self.root / folder)
        self._iio[parent] = self.root / folder
        return self.root / folder

    def bme280(self, parent: str = "1-0076", temp: int = 25082, rh: int = 48752, kpa: str = "100.653258") -> Path:
        """A BME280 as its driver shows it: 1/1000 °C, 1/1000 %, kPa."""
        files = {
            "in_temp_input": str(temp), "in_humidityrelative_input": str(rh), "in_pressure_input": kpa,
            "in_temp_oversampling_ratio": "2", "in_pressure_oversampling_ratio": "16",
            "in_pressure_oversampling_ratio_available": "1 2 4 8 16", "in_humidityrelative_oversampling_ratio": "16",
        }  # fmt: skip
        return self.iio("bme280", parent, files)

    def dht(self, pin: int = 4, temp: int = 21300, rh: int = 65200) -> Path:
        """A DHT22 or DHT11 on a pin, as the driver dht11 shows it: 1/1000 °C, 1/1000 %."""
        parent = f"dht11@{pin:x}"
        return self.iio(parent, parent, {"in_temp_input": str(temp), "in_humidityrelative_input": str(rh)})

    def one_wire(self) -> Path:
        """The 1-wire bus, with nothing on it."""
        self.write("sys/bus/w1/devices/w1_bus_master1/w1_master_slave_count", f"{len(self._probes)}\n")
        return self.root / "sys/bus/w1/devices"

    def probe(self, id: str = "28-0316a2794cff", temp: float = 23.125) -> Path:
        """A DS18B20 that measures *temp* (°C), or now measures that; its folder."""
        if id not in self._probes:
            self._probes.append(id)
        folder = self.one_wire() / id
        raw = round(temp * 16)
        self.scratchpad(id, raw.to_bytes(2, "little", signed=True) + bytes([0x4B, 0x46, 0x7F, 0xFF, 16 - raw % 16, 16]))
        self.write(folder / "temperature", f"{int(raw * 1000 / 16)}\n")
        return folder

    def scratchpad(self, id: str, data: bytes, crc: int | None = None) -> Path:
        """The eight bytes that a probe answers, and its checksum, right or wrong; the file."""
        said = bytes([*data, crc8(data) if crc is None else crc])
        verdict = "YES" if said[8] == crc8(data) else "NO"
        temp = int(int.from_bytes(data[:2], "little", signed=True) * 1000 / 16)
        shown = said.hex(" ")
        text = f"{shown} : crc={crc8(data):02x} {verdict}\n{shown} t={temp}\n"
        return self.write(f"sys/bus/w1/devices/{id}/w1_slave", text)

    def wireless(self, *lines: str) -> Path:
        """/proc/net/wireless with these lines below its head."""
        head = (
            "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n"
            " face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n"
        )
        for line in lines:
            (self.root / f"sys/class/net/{line.partition(':')[0].strip()}/wireless").mkdir(parents=True, exist_ok=True)
        return self.write("proc/net/wireless", head + "".join(f"{line}\n" for line in lines))

    def wifi(self, level: int = -52, quality: int = 58, interface: str = "wlan0") -> Path:
        """One interface that is connected; level in dBm, quality out of 70."""
        tail = "        0      0      0      0     58        0"
        return self.wireless(f"{interface:>6}: 0000  {quality:3}.  {level:3}.  -256{tail}")

    def pi(self, temp: int = 48312, throttled: int = 0, model: str = "Raspberry Pi 4 Model B Rev 1.4") -> None:
        """A Raspberry Pi: 1/1000 °C, and the word of ``vcgencmd get_throttled``."""
        self.write("proc/device-tree/model", f"{model}\0")
        self.write("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
        self.write("sys/class/thermal/thermal_zone0/temp", f"{temp}\n")
        self.write(f"{SOC}/soc:firmware/get_throttled", f"{throttled:x}\n")
        self.write("proc/loadavg", "0.52 0.58 0.59 1/150 1234\n")
        self.write("proc/uptime", "35000.12 120000.34\n")
        self.write("proc/meminfo", "MemTotal:  949448 kB\nMemFree:  102400 kB\nMemAvailable:  474724 kB\n")

    def remove(self, folder: Path) -> None:
        """Unplug a device."""
        for link in (self.root / "sys/bus/iio/devices").glob("*"):
            if link.is_symlink() and link.resolve() == folder.resolve():
                link.unlink()
        shutil.rmtree(folder)

    def measure(self, now: float) -> None:
        """Every thermometer, hygrometer and barometer shows the weather of a time (s since 1970)."""
        air = weather(now)
        shown = {
            "in_temp_input": f"{1000 * air['temp']:.0f}",
            "in_humidityrelative_input": f"{1000 * air['rh']:.0f}",
            "in_pressure_input": f"{air['hpa'] / 10:.6f}",
        }
        for folder in self._iio.values():
            for name, text in shown.items():
                if (folder / name).exists():
                    self.write(folder / name, f"{text}\n")
        for id in self._probes:
            self.probe(id, air["temp"])

    @contextmanager
    def moving(self, every: float = 1.0) -> Iterator[None]:
        """For a while the weather goes on by itself, a step in so many seconds."""
        stop = threading.Event()

        def play() -> None:
            while not stop.wait(every):
                self.measure(time.time())

        player = threading.Thread(target=play, name="weather", daemon=True)
        player.start()
        try:
            yield
        finally:
            stop.set()
            player.join()
