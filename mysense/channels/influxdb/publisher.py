"""The publisher for InfluxDB 1.x: raw lines over one keep-alive connection."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import field
from pathlib import Path
from string import Formatter
from typing import Literal
from urllib.parse import urlencode

from mysense import __version__, plugin
from mysense.channels import _http
from mysense.channels.influxdb.admin import Admin
from mysense.channels.influxdb.request import POINTS as POINTS
from mysense.channels.influxdb.request import Request, Requests, halves
from mysense.channels.influxdb.verdict import asking, beyond_retention, conflicting, verdict, words
from mysense.errors import RejectedError, UnavailableError
from mysense.plugin import option
from mysense.secrets import password
from mysense.telegram import Ident, Telegram, ident_of

_DATABASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
_CACHED = 4096


def template(text: str) -> str:
    """A database name over project, serial and label; ValueError where it names something else."""
    names = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    if not text or names - {"project", "serial", "label"}:
        raise ValueError(f"{text!r}: a database name may hold {{project}}, {{serial}} and {{label}}")
    return text


class Publisher(plugin.Publisher):
    """Write telegrams to an InfluxDB 1.x server, a database for each node."""

    max_batch = 5000

    hostname: str = option("localhost", "where the server is")
    port: int = option(8086, "and its port", least=1, most=65535)
    user: str = option("", "user name, when the server wants one")
    password: str = option("", "and the password; better in a file", secret=True)
    password_file: Path | None = option(None, "a file with the password in its first line")
    database: str = option(
        "{project}_{serial}", "the database; {project}, {serial} and {label} are filled in", parse=template
    )
    create: bool = option(True, "make a database that is not there, where the user may")
    ssl: bool = option(False, "speak https")
    verify: bool = option(True, "no: do not look at the server's certificate")
    ca_file: Path | None = option(None, "the certificate that signed the server's, when it is your own")
    cert_file: Path | None = option(None, "a client certificate")
    key_file: Path | None = option(None, "and its key")
    timeout: float = option(10.0, "seconds to wait for an answer", parse=plugin.seconds, least=0.1)
    gzip: bool = option(False, "compress: for links that cost")
    precision: Literal["auto", "s", "ms", "u", "ns"] = option("auto", "of times; auto keeps them as they are")
    legacy: bool = option(False, "write lines as the original MySense did: quoted tags, the server's time")

    _lanes: dict[int, tuple[Ident, str]] = field(init=False, repr=False, default_factory=dict)

    def open(self) -> None:
        self._requests = Requests(self.state, precision=self.precision, legacy=self.legacy, compress=self.gzip)
        self._told: set[str] = set()  # what is told once
        self._made: set[str] = set()
        self._secret = password(self.password, self.password_file)
        tls = _http.tls_context(self.verify, self.ca_file, self.cert_file, self.key_file) if self.ssl else None
        self._server = _http.Connection(self.hostname, self.port, tls=tls, timeout=self.timeout)
        self._headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": f"mysense/{__version__}"}
        if self.user:
            pair = b64encode(f"{self.user}:{self._secret}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        if self.gzip:
            self._headers["Content-Encoding"] = "gzip"

    def close(self) -> None:
        if server := vars(self).pop("_server", None):
            server.close()

    def lane(self, telegram: Telegram) -> str:
        """The database of a telegram."""
        ident = ident_of(telegram)
        known = self._lanes.get(id(ident))
        if known and known[0] is ident:
            return known[1]
        name = self.database.format(project=ident.project, serial=ident.serial, label=ident.label)
        if len(self._lanes) >= _CACHED:
            self._lanes.clear()
        self._lanes[id(ident)] = ident, name
        return name

    def publish(self, batch: Sequence[Telegram]) -> Mapping[str, Exception]:
        failures: dict[str, Exception] = {}
        self._made.clear()
        waiting: Request | None = None  # sent, its answer not yet read
        for request in self._by_database(batch, failures):
            if waiting:
                self._finish(waiting, failures)
            waiting = None
            if request.database in failures:  # what came before did not go through: keep the order
                self._requests.failed(request)
            else:
                self._send(request)
                waiting = request
        if waiting:
            self._finish(waiting, failures)
        return failures

    def _by_database(self, batch: Sequence[Telegram], failures: dict[str, Exception]) -> Iterator[Request]:
        """The requests for a batch, database by database."""
        groups: dict[str, list[Telegram]] = {}
        last, group = None, []
        for telegram in batch:
            if (ident := ident_of(telegram)) is not last:
                last, group = ident, groups.setdefault(self.lane(telegram), [])
            group.append(telegram)
        for database, telegrams in groups.items():
            if not _DATABASE.fullmatch(database):
                failures[database] = RejectedError(f"{database!r} cannot be the name of a database")
                continue
            try:
                for request in self._requests.of(database, telegrams):
                    yield request
                    if database in failures:
                        break
            except (RejectedError, ValueError) as error:
                failures.setdefault(database, RejectedError(str(error)))

    def _send(self, request: Request) -> None:
        self._server.send("POST", request.path, request.body, self._headers)

    def _finish(self, request: Request, failures: dict[str, Exception]) -> None:
        """Read the answer to a request and judge it; send again what could be mended."""
        database = request.database
        answer = self._server.receive()
        try:
            if self._mended(database, answer):
                self._deliver(self._requests.again(request), failures)
                return
            error = verdict(answer, self.hostname, database, self.user)
        except UnavailableError as unavailable:
            error = unavailable
        if answer.status == 413 and len(request.telegrams) > 1:
            self._requests.failed(request)
            for half in halves(request.telegrams):
                self._deliver(self._requests.of(database, half), failures)
        elif error:
            failures[database] = error
            self._requests.failed(request)
        else:
            if beyond_retention(answer):
                self._tell_once(f"{database} passes over what is older than it keeps: {words(answer.text)}")
            self._requests.delivered(request)

    def _deliver(self, requests: Iterator[Request], failures: dict[str, Exception]) -> None:
        """Send what a request was made into, one after the other, until one fails."""
        for request in requests:
            if request.database in failures:
                self._requests.failed(request)
                return
            self._send(request)
            self._finish(request, failures)

    def _mended(self, database: str, answer: _http.Answer) -> bool:
        """Whether what the server complains of is mended now."""
        if answer.status == 404 and database not in self._made:
            if not self.create:
                raise UnavailableError(f"there is no database {database} (create = no); {asking(database, self.user)}")
            self._make(database)
            return True
        item = conflicting(answer)
        if not (item and self._requests.leave_out(database, item)):
            return False
        self._tell_once(f"{database} has {item!r} in info in another type: it is written in 'ident' only")
        return True

    def _make(self, database: str) -> None:
        """Make a database; UnavailableError says what to do where that is not possible."""
        try:
            with closing(self._admin()) as admin:
                admin.create_database(database)
        except (ImportError, UnavailableError) as error:
            why = f"mysense {error}" if isinstance(error, ImportError) else str(error)
            self._tell_once(f"{database} cannot be made: {why}")
            raise UnavailableError(
                f"there is no database {database}, and it cannot be made ({why}); {asking(database, self.user)}"
            ) from None
        self._made.add(database)
        self._requests.new_database(database)
        self.log.info("made database %s", database)

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.log.warning("%s", text)

    def _admin(self) -> Admin:
        own = (str(self.cert_file), str(self.key_file)) if self.key_file else str(self.cert_file)
        return Admin(
            host=self.hostname, port=self.port, username=self.user or None, password=self._secret or None,
            ssl=self.ssl, timeout=self.timeout, cert=own if self.ssl and self.cert_file else None,
            verify_ssl=(str(self.ca_file) if self.ca_file else True) if self.verify else False,
        )  # fmt: skip

    def check(self) -> str:
        """Ask for the server's version and what the user may do there; writes nothing."""
        with self:
            answer = self._server.request("GET", "/ping", None, self._headers)
            if answer.status not in (200, 204):
                raise UnavailableError(f"{self.hostname}:{self.port} answers {answer.status} {words(answer.text)}")
            version = answer.headers.get("x-influxdb-version", "of unknown version")
            may = self._may_use() if "{" in self.database else self._may_write()
            return f"InfluxDB {version} at {self.hostname}:{self.port}{may}"

    def _may_use(self) -> str:
        """Which databases the server shows this user."""
        answer = self._server.request("GET", "/query?q=SHOW+DATABASES", None, self._headers)
        if answer.status != 200:
            if error := verdict(answer, self.hostname, self.database, self.user):
                raise error
            return ""
        try:
            [series] = json.loads(answer.text)["results"][0]["series"]
            names = [name for [name] in series.get("values", []) if name != "_internal"]
        except (ValueError, KeyError, IndexError, TypeError):
            return ""
        who = f"user {self.user!r} may use" if self.user else "it has"
        listed = ", ".join(names) if 0 < len(names) < 5 else f"{len(names) or 'no'} database{'s' * (len(names) > 1)}"
        return f"; {who} {listed}"

    def _may_write(self) -> str:
        """Whether the one database may be written, by a request without a point."""
        said = urlencode({"db": self.database})
        answer = self._server.request("POST", f"/write?{said}", b"", {**self._headers, "Content-Encoding": "identity"})
        if answer.status == 404 and self.create:
            return f"; {self.database} is not there yet"
        if error := verdict(answer, self.hostname, self.database, self.user):
            raise error
        return f"; may write {self.database}"
