"""A real gpsd for tests."""

import socket
from pathlib import Path

from tests.ports import free_ports
from tests.servers import Process


class Gpsd(Process):
    """A real gpsd (Debian's package) that reads a receiver; *receivers* are its devices."""

    def __init__(self, folder: Path, *receivers: str) -> None:
        [self.port] = free_ports(1)
        control = ["-F", str(folder / "control")]  # it wants this, or a receiver
        super().__init__(folder, ["gpsd", "-N", "-n", *control, "-S", str(self.port), *receivers], "gpsd")

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10):
                return True
        except OSError:
            return False
