"""A proxy that stands between a client and a server, and does to their connection whatever it is told to.

One event loop in a thread of its own carries all connections; a fault is put in force and lifted
from outside, by ``strike`` and ``lift``.
"""

import asyncio
import re
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import trustme

from tests.faults import AT_ONCE, Fault

CHUNK = 65536
_ABRUPT = struct.pack("ii", 1, 0)  # closed so, a socket says RST


class Certificates:
    """Certificates for a proxy: the right one, which *ca* has signed, and three wrong ones."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        authority, stranger = trustme.CA(), trustme.CA()
        begun, over = (datetime.now(UTC) - timedelta(days=days) for days in (9, 1))
        here = "localhost", "127.0.0.1"
        self.ca, self.right = folder / "ca.pem", folder / "right.pem"
        authority.cert_pem.write_to_path(self.ca)
        authority.issue_cert(*here).private_key_and_cert_chain_pem.write_to_path(self.right)
        self.wrong = [folder / f"{name}.pem" for name in ("of-a-stranger", "of-another-host", "that-is-over")]
        issued = (
            stranger.issue_cert(*here),
            authority.issue_cert("example.org"),
            authority.issue_cert(*here, not_before=begun, not_after=over),
        )
        for path, certificate in zip(self.wrong, issued, strict=True):
            certificate.private_key_and_cert_chain_pem.write_to_path(path)


class Line:
    """A connection: of the client with us, and, unless we lie to it, of us with the server."""

    def __init__(self, *writers: asyncio.StreamWriter, lying: bool = False) -> None:
        self.writers, self.lying = writers, lying
        self.deaf: set[bool] = set()  # the ways on which nothing passes any more
        self.fault: Fault | None = None
        self.left = 0

    def room(self, fault: Fault) -> int:
        """Bytes that may pass before a fault strikes."""
        if self.fault is not fault:
            self.fault, self.left = fault, fault.after
        return self.left

    def cut(self, reset: bool = False) -> None:
        """End it without a farewell."""
        for each in self.writers:
            if reset:
                with suppress(OSError):
                    each.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
            each.transport.abort()


class Proxy:
    """Carries what comes to its *port* to a *server*'s, and back; with *certificates* its clients speak TLS to it.

    *met* counts, by kind, how often a fault was not only in force, but struck a connection.
    """

    def __init__(self, server: int, certificates: Certificates | None = None) -> None:
        self._server, self._certificates = server, certificates
        self.fault: Fault | None = None
        self.met: Counter[str] = Counter()
        self._lines: set[Line] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._listening: asyncio.Server | None = None
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificates else None
        if self._tls:
            self._tls.sni_callback = self._greeted
        self._held = self._bound(0)  # nobody else gets the port while we refuse
        self.port: int = self._held.getsockname()[1]

    def _bound(self, port: int) -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        return made

    # From outside

    def strike(self, fault: Fault) -> None:
        """Put a fault in force, for connections that are there and that come."""
        self._do(self._strike(fault))

    def lift(self) -> None:
        """All is well again; what was held is carried."""
        self._do(self._strike(None))

    @contextmanager
    def struck(self, fault: Fault) -> Iterator[None]:
        """With a fault for a while."""
        self.strike(fault)
        try:
            yield
        finally:
            self.lift()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        self._held.close()

    # Inside the loop

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._over, self._lifted = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        await self._strike(None)
        ready.set()
        await self._over.wait()
        if self._listening:
            self._listening.close()
        for line in list(self._lines):
            line.cut()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        await asyncio.sleep(0.01)  # for connections to be told that they are over

    async def _strike(self, fault: Fault | None) -> None:
        self._lifted.set()
        self._lifted, self.fault = asyncio.Event(), fault
        kind = fault.kind if fault else ""
        if self._tls and self._certificates:
            wrong = fault and kind == "wrong certificate"
            self._tls.load_cert_chain(self._certificates.wrong[fault.which] if wrong else self._certificates.right)
        for line in list(self._lines):
            if line.lying or kind in AT_ONCE:
                line.cut()
        if kind == "refuse" and self._listening:
            self._listening.close()
            self._listening = None
            self.met[kind] += 1
        elif kind != "refuse" and self._listening is None:
            self._listening = await asyncio.start_server(self._begun, sock=self._bound(self.port), ssl=self._tls)

    def _greeted(self, *_: object) -> None:
        if self.fault and self.fault.kind == "wrong certificate":
            self.met["wrong certificate"] += 1

    def _begun(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if (fault := self.fault) and fault.answer:
                await self._lie(fault, reader, writer)
            else:
                await self._carry(reader, writer)
        except (OSError, EOFError):  # one of the two has gone
            pass
        finally:
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._server)
        line = Line(writer, far_writer)
        self._lines.add(line)
        ways = [
            asyncio.ensure_future(self._way(line, up, source, sink))
            for up, source, sink in ((True, reader, far_writer), (False, far_reader, writer))
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._lines.discard(line)
            far_writer.close()

    async def _way(self, line: Line, up: bool, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """One of the two ways of a connection, until it ends."""
        while data := await source.read(CHUNK):
            while (fault := self.fault) and fault.kind == "hang":
                self.met["hang"] += 1
                await self._lifted.wait()
            if up in line.deaf:
                continue
            if fault is None:
                sink.write(data)
            elif fault.kind == "delay":
                self.met["delay"] += 1
                await self._rest(fault.pause)
                sink.write(data)
            elif fault.kind == "drip":
                self.met["drip"] += 1
                await self._drip(fault, data, sink)
            elif fault.kind in ("cut", "reset", "half-close", "garbage") and up == fault.up:
                await self._end(fault, line, data, sink)
            else:
                sink.write(data)
            await sink.drain()

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._lifted.wait(), seconds)

    async def _drip(self, fault: Fault, data: bytes, sink: asyncio.StreamWriter) -> None:
        for at in range(len(data)):
            if self.fault is not fault:
                sink.write(data[at:])
                return
            sink.write(data[at : at + 1])
            await sink.drain()
            await self._rest(fault.pause)

    async def _end(self, fault: Fault, line: Line, data: bytes, sink: asyncio.StreamWriter) -> None:
        """Let pass what may, and then do it."""
        room = line.room(fault)
        sink.write(data[:room])
        line.left -= min(room, len(data))
        if len(data) < room:
            return
        self.met[fault.kind] += 1
        if fault.kind == "half-close":
            await sink.drain()
            line.deaf.add(fault.up)
            sink.get_extra_info("socket").shutdown(socket.SHUT_WR)
            return
        if fault.kind == "garbage":  # whatever the client answers to that must not come to the server
            line.deaf.update((True, False))
            sink.write(fault.noise)
            await sink.drain()
            await self._rest(fault.pause)
        line.cut(reset=fault.kind == "reset")

    async def _lie(self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests ourselves, until the fault is lifted."""
        line = Line(writer, lying=True)
        self._lines.add(line)
        try:
            while self.fault is fault:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                request = head + await reader.readexactly(int(length[1]) if length else 0)
                if not head.split(b" ")[1].startswith(fault.path.encode()):
                    writer.write(await self._asked(request))
                    await writer.drain()
                    return
                self.met[fault.kind] += 1
                if fault.taken:
                    await self._asked(request)
                writer.write(fault.answer)
                await writer.drain()
        finally:
            self._lines.discard(line)

    async def _asked(self, request: bytes) -> bytes:
        """The server's own answer, after which the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server)
        try:
            writer.write(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            return await reader.read()
        finally:
            writer.close()
