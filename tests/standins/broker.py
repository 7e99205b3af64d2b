"""A stand-in for brokers that cannot be had: it says what a test has ordered, whatever it is asked."""

import socket
import threading
from contextlib import suppress

from tests.kit import until
from tests.packets import CONNACK


class Broker:
    """To be used as a context. Each connection gets the next of *answers*, the last one again and again.

    An answer is bytes, sent when something was asked, or several, one for each time; then it is
    silent, or, without *stay*, hangs up. None: it hangs up at once.
    """

    def __init__(self, *answers, stay=True):
        self._answers, self._stay = list(answers), stay
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.asked: list[bytes] = []
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)

    def _serve(self):
        while True:
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            with suppress(OSError):
                for part in answer if isinstance(answer, tuple) else (answer,):
                    self.asked.append(line.recv(4096))
                    line.sendall(part or b"")
            if self._stay and answer is not None:
                self._open.append(line)
            else:
                line.close()

    def until_open(self):
        """Wait until a connection stays."""
        until(lambda: self._open)

    def say(self, data):
        """Send something on the newest connection that has stayed."""
        self.until_open()
        self._open[-1].sendall(data)

    def hang_up(self):
        """End that connection."""
        self.until_open()
        self._open.pop().close()

    @property
    def versions(self):
        """The versions of MQTT that were tried, in order (MQTT 3.1.1 and 5, 3.1.2.2)."""
        return [each[8] for each in self.asked]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)
        for line in self._open:
            line.close()


UNKNOWN_VERSION = b"\x20\x02\x00\x01"
"""What a broker of MQTT 3.1.1 says to one who speaks 5 (MQTT 3.1.1, 3.1.2.2)."""
WELCOME = CONNACK[4]
