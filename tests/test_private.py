"""Private items of an ident leave by no publisher, unless its section asks for them.

What is sent over the network is recorded between the publisher and a real server.
"""

import socket
import threading
from contextlib import ExitStack, suppress

import pytest

from mysense import config, registry, wire
from mysense.clock import Clock
from mysense.daemon import Daemon
from mysense.journal.memory import MemoryJournal
from mysense.publishing import PublishWorker
from mysense.telegram import PRIVATE, SECOND, Data, Field, Ident, Note
from tests.kit import mysense, until

T0 = 1_700_000_000
WORDS = {item: f"hidden-{item}" for item in sorted(PRIVATE)}
"""Each private item, and a word that stands nowhere else."""


class Recorded:
    """A server seen through a recorder: ``port`` leads to it, and all that is sent there is in ``sent``."""

    def __init__(self, port: int) -> None:
        self._far, self.sent = port, bytearray()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._sockets: list[socket.socket] = []
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._far))
            self._sockets += [near, far]
            for ends in ((near, far, self.sent), (far, near, bytearray())):
                self._threads.append(threading.Thread(target=self._pass_on, args=ends))
                self._threads[-1].start()

    def _pass_on(self, near, far, record) -> None:
        with suppress(OSError):
            while data := near.recv(65536):
                record += data
                far.sendall(data)
        with suppress(OSError):
            far.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for sock in (self._server, *self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)
        for sock in (self._server, *self._sockets):
            sock.close()


FAR = {  # of each publisher: the fixture that is its far end, its options, and those that say who we are
    "console": ("", "file = {folder}/out.txt"),
    "csv": ("", "directory = {folder}"),
    "influxdb": ("influxd", "hostname = 127.0.0.1\nport = {port}"),
    "influxdb 2": ("influxdb2", "hostname = 127.0.0.1\nport = {port}\norg = {org}\ntoken = {token}"),
    "influxdb 3": ("influxdb3", "hostname = 127.0.0.1\nport = {port}\ntoken = {token}"),
    "mqtt": ("mosquitto", "hostname = 127.0.0.1\nport = {port}"),
}


def test_no_publisher_is_left_out():
    assert set(registry.names("publisher")) <= {name.split()[0] for name in FAR}


@pytest.fixture(params=[name for name in FAR if name.split()[0] in registry.names("publisher")])
def send(request, tmp_path, serial):
    """Sends telegrams of a node through a publisher, its section with more options; all that then has left."""
    fixture, options = FAR[request.param]
    with ExitStack() as stack:
        server = request.getfixturevalue(fixture) if fixture else None
        recorded = Recorded(server.port) if server else None
        if recorded:
            stack.callback(recorded.close)
        there = {"folder": tmp_path, **getattr(server, "options", {}), "port": recorded.port if recorded else 0}

        def send(more=""):
            section = f"publisher:{request.param.split()[0]}"
            text = f"[{section}]\n{options.format(**there)}\n{more}\n[journal]\npath = {tmp_path}/../{serial}.db"
            [end] = config.parse(text, env={}).ends
            deliver(end, Ident("Private", serial, "a label", fields=(Field("temp", "C"),), meta=WORDS | {"floor": 2}))
            files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
            return b"".join([bytes(recorded.sent) if recorded else b"", *files]).decode(errors="replace")

        yield send


def deliver(end, ident):
    """Let a publisher deliver what a journal holds, as the daemon does; and look whether it is well."""
    journal, stop = MemoryJournal(), threading.Event()
    data = [Data(ident, (T0 + n) * SECOND, {"temp": 20.5, "say": "x"}) for n in range(3)]
    journal.append([ident, *data, Note(ident, T0 * SECOND, "up", "begun")])
    end.plugin.own = ident
    cursor, private = journal.cursor(end.section), end.options.private
    worker = PublishWorker(end.section, end.plugin, stop, Clock(), journal, cursor, private=private)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        until(lambda: cursor.lag == 0 and worker.status.state == "running")
    finally:
        stop.set()
        thread.join(20)
    assert end.plugin.check()


def test_private_items_do_not_leave(send):
    left = send()

    assert "a label" in left.replace("\\ ", " ")  # the ident itself has left
    assert [word for word in WORDS.values() if word in left] == []


def test_only_the_private_items_leave_that_a_section_names(send):
    left = send("private = street, extern_ip")

    assert [item for item, word in WORDS.items() if word in left] == ["extern_ip", "street"]


def test_what_is_set_aside_and_sent_again_holds_no_private_item(tmp_path):
    text = f"[publisher:csv]\ndirectory = {tmp_path}/csv\n[journal]\npath = {tmp_path}/journal.db"
    daemon = Daemon(config.parse(text, env={}))
    strange = Ident("../x", "k1", meta=WORDS)
    daemon.journal.append([strange, Data(strange, T0 * SECOND, {"temp": 1})])
    daemon.start()
    try:
        until(lambda: daemon.journal.status().cursors[0].rejected == 2)
        kept = [kept.telegram for kept in daemon.journal.rejected("publisher:csv")]
    finally:
        daemon.shutdown()

    assert [word for word in WORDS.values() if word in repr(kept)] == []


def test_a_note_that_is_published_by_hand_takes_no_private_item_along(tmp_path):

    ident, file = Ident("Demo", "k1", meta=WORDS), tmp_path / "said.jsonl"
    note = Note(ident, T0 * SECOND, "up", "begun")
    file.write_text("".join(f"{wire.encode(each)}\n" for each in (ident, note, Data(ident, T0 * SECOND, {"t": 1}))))
    said = mysense("publish", "console", "--format", "text", file).stdout

    assert "up: begun" in said
    assert [word for word in WORDS.values() if word in said] == []
