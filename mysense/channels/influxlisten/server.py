"""The port and the threads: one for each connection, so that a slow client holds up no other."""

import errno
import socket
import ssl
import threading
import time
from contextlib import suppress

from mysense.channels.influxlisten.conversation import Conversation
from mysense.channels.influxlisten.intake import Intake
from mysense.channels.influxlisten.rates import counted
from mysense.errors import UnavailableError

_STOP = 5.0
"""Seconds that connections get to say what they have to say, when the listener closes."""


class Server:
    """Listens from the beginning until it is closed. Beyond *most* connections clients are sent away,
    and one that has half of them already: what comes from this machine may be a proxy, and counts as many."""

    def __init__(self, host: str, port: int, intake: Intake, most: int, tls: ssl.SSLContext | None = None) -> None:
        self._intake, self._most, self._tls = intake, most, tls
        self._open: dict[threading.Thread, socket.socket] = {}
        self._clients: dict[threading.Thread, str] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._listener = listening(host, port)
        self._thread = threading.Thread(target=self._accept, name="influxlisten", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections, and end those there are when they have had their answers."""
        self._closing.set()
        _shut(self._listener, socket.SHUT_RDWR)  # wakes accept
        self._thread.join()
        self._listener.close()
        with self._lock:
            threads = list(self._open)
            for sock in self._open.values():
                _shut(sock, socket.SHUT_RD)  # nothing more comes; what is to be said can still be said
        end = time.monotonic() + _STOP
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                sock, address = self._listener.accept()
            except OSError:  # closed; or this process has no file left, and the client waits
                self._closing.wait(0.1)
                continue
            thread = threading.Thread(target=self._converse, args=(sock, str(address[0])), daemon=True)
            with self._lock:
                if len(self._open) >= 2 * self._most:
                    sock.close()
                    continue
                self._open[thread] = sock
            try:
                thread.start()
            except RuntimeError:  # no thread to be had
                self._forget(thread, sock)

    def _converse(self, sock: socket.socket, client: str) -> None:
        me = threading.current_thread()
        try:
            if self._tls:
                sock.settimeout(self._intake.timeout)
                sock = self._tls.wrap_socket(sock, server_side=True)
            with self._lock:
                self._open[me] = sock
                self._clients[me] = name = counted(client)
                mine = sum(other == name for other in self._clients.values()) if name else 0
                crowded = len(self._open) > self._most or mine > max(1, self._most // 2)
                if self._closing.is_set():
                    _shut(sock, socket.SHUT_RD)
            Conversation(sock, client, self._intake, crowded)
        except OSError:
            pass  # the client has gone, or was none: nobody is left to be told
        except Exception:
            self._intake.log.exception("a bug in the listener; please report it")
        finally:
            self._forget(me, sock)

    def _forget(self, thread: threading.Thread, sock: socket.socket) -> None:
        with self._lock:
            self._open.pop(thread, None)
            self._clients.pop(thread, None)
        sock.close()


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens; OSError says what is wrong with the address."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        both = address[0] == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, backlog=128, dualstack_ipv6=both)
    except socket.gaierror:
        raise UnavailableError(f"hostname {host!r} is no address of this machine") from None
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: "is taken: by mysense itself, if it runs, or by an influxd; set another port",
            errno.EADDRNOTAVAIL: "cannot be listened at: hostname must be an address of this machine, or 0.0.0.0",
            errno.EACCES: "is not for this user: set a port above 1023",
        }
        reason = reasons.get(error.errno or 0, error.strerror or str(error))
        raise UnavailableError(f"port {port} of {host} {reason}") from None


def _shut(sock: socket.socket, how: int) -> None:
    """Shut one direction, of the connection itself where it is encrypted."""
    with suppress(OSError):  # closed already
        socket.socket.shutdown(sock, how)
