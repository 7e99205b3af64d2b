"""The publisher for InfluxDB 1.x: raw lines over one keep-alive connection."""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from string import Formatter
from typing import Literal, NamedTuple
from urllib.parse import urlencode

from mysense import plugin
from mysense.channels import _http
from mysense.channels.influxdb import line, quirks
from mysense.channels.influxdb.admin import Admin, creation, quoted
from mysense.channels.influxdb.announced import Announced
from mysense.errors import RejectedError, UnavailableError
from mysense.plugin import option
from mysense.secrets import password
from mysense.telegram import Data, Ident, Note, Telegram, check_name, ident_of

POINTS = 1000
"""Points of one request: more gain nothing, and the next ones are encoded while the server works."""


def template(text: str) -> str:
    """A database name over project, serial and label; ValueError where it names something else."""
    names = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
    if not text or names - {"project", "serial", "label"}:
        raise ValueError(f"{text!r}: a database name may hold {{project}}, {{serial}} and {{label}}")
    return text


class _Request(NamedTuple):
    """Some telegrams of one database, and the points they gave."""

    database: str
    telegrams: Sequence[Telegram]
    path: str
    body: bytes

    def nodes(self) -> set[str]:
        """The nodes in it."""
        return {ident.node for ident in {ident_of(telegram) for telegram in self.telegrams}}


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

    def open(self) -> None:
        self._encoder = line.Encoder()
        self._announced = Announced(self.state)
        self._lanes: dict[int, tuple[Ident, str]] = {}
        self._forbidden: set[str] = set()
        self._secret = password(self.password, self.password_file)
        tls = _http.tls_context(self.verify, self.ca_file, self.cert_file, self.key_file) if self.ssl else None
        self._server = _http.Connection(self.hostname, self.port, tls=tls, timeout=self.timeout)
        self._headers = {"Content-Type": "text/plain; charset=utf-8"}
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
        known = vars(self).setdefault("_lanes", {}).get(id(ident))
        if known and known[0] is ident:
            return str(known[1])
        name = self.database.format(project=ident.project, serial=ident.serial, label=ident.label)
        if len(self._lanes) > 4096:
            self._lanes.clear()
        self._lanes[id(ident)] = ident, name
        return name

    def publish(self, batch: Sequence[Telegram]) -> Mapping[str, Exception]:
        failures: dict[str, Exception] = {}
        waiting: _Request | None = None  # sent, its answer not yet read
        for request in self._requests(batch, failures):
            if waiting:
                self._finish(waiting, failures)
            waiting = None
            if request.database in failures:  # what came before did not go through: keep the order
                self._announced.failed(request.nodes())
            else:
                self._server.send("POST", request.path, request.body, self._headers)
                waiting = request
        if waiting:
            self._finish(waiting, failures)
        return failures

    def _requests(self, batch: Sequence[Telegram], failures: dict[str, Exception]) -> Iterator[_Request]:
        """The requests for a batch, database by database; each is made when it is asked for."""
        groups: dict[str, list[Telegram]] = {}
        last, group = None, []
        for telegram in batch:
            if (ident := ident_of(telegram)) is not last:
                last, group = ident, groups.setdefault(self.lane(telegram), [])
            group.append(telegram)
        size = 1 if self.legacy else POINTS  # without a time of their own, points of one request are one
        for database, telegrams in groups.items():
            for begin in range(0, len(telegrams), size):
                part = telegrams[begin : begin + size]
                try:
                    check_name(database)
                    request = self._request(database, part)
                except (RejectedError, ValueError) as error:
                    self._announced.failed({ident_of(t).node for t in part})
                    failures.setdefault(database, RejectedError(str(error)))
                    break
                if request:
                    yield request

    def _request(self, database: str, telegrams: Sequence[Telegram]) -> _Request | None:
        if self.legacy:
            lines = [said for telegram in telegrams for said in self._old_lines(telegram)]
            said = {"db": database}
        else:
            points = self._points(telegrams)
            precision = line.precision(points) if self.precision == "auto" else self.precision
            lines = line.timed(points, line.STEPS[precision])
            said = {"db": database, "precision": precision}
        if not lines:
            return None
        body = "\n".join(lines).encode()
        return _Request(database, telegrams, f"/write?{urlencode(said)}", gzip.compress(body, 1) if self.gzip else body)

    def _points(self, telegrams: Iterable[Telegram]) -> list[line.Point]:
        points: list[line.Point | None] = []
        encode, met = self._encoder.data, self._announced.data
        for telegram in telegrams:
            match telegram:
                case Data():
                    tell, new = met(telegram)
                    if tell:
                        since = telegram.ident.since
                        points.append(self._encoder.info(telegram.ident, telegram.time if since is None else since))
                    points.append(encode(telegram, new))
                case Ident():
                    if telegram.since is not None and self._announced.ident(telegram):
                        points.append(self._encoder.info(telegram, telegram.since))
                case Note():
                    points.append(self._encoder.note(telegram))
        return [point for point in points if point]

    def _old_lines(self, telegram: Telegram) -> Iterator[str]:
        if isinstance(telegram, Data):
            tell, new = self._announced.data(telegram)
            if tell:
                yield quirks.info_line(telegram.ident)
            if said := quirks.data_line(telegram, new):
                yield said

    def _finish(self, request: _Request, failures: dict[str, Exception]) -> None:
        """Read the answer to a request and judge it."""
        answer = self._server.receive()
        if answer.status == 404 and self.create and self._create(request.database):
            answer = self._server.request("POST", request.path, request.body, self._headers)
        if answer.status == 413 and len(request.telegrams) > 1:
            self._halve(request, failures)
            return
        nodes = request.nodes()
        if error := self._verdict(request, answer):
            failures[request.database] = error
            self._announced.failed(nodes)
        else:
            self._forbidden.discard(request.database)
            self._announced.delivered(nodes)

    def _halve(self, request: _Request, failures: dict[str, Exception]) -> None:
        self._announced.failed(request.nodes())
        middle = len(request.telegrams) // 2
        for half in (request.telegrams[:middle], request.telegrams[middle:]):
            if request.database not in failures and (smaller := self._request(request.database, half)):
                self._server.send("POST", smaller.path, smaller.body, self._headers)
                self._finish(smaller, failures)

    def _verdict(self, request: _Request, answer: _http.Answer) -> Exception | None:
        """What an answer means for the telegrams of its request; None: they are safe."""
        said = _words(answer.text)
        if 200 <= answer.status < 300 and not said:
            return None
        if "hinted handoff queue not empty" in said:  # the server has them, and delivers them itself
            return None
        if "points beyond retention policy" in said:
            self.log.warning("%s: %s; they are passed over", request.database, said)
            return None
        match answer.status:
            case 400 | 422:
                return RejectedError(said or "the server cannot read it")
            case 413:
                return RejectedError("too large for the server (see its max-body-size)")
            case 401 | 403:
                return UnavailableError(self._ask(request.database, answer.status, said))
            case 404:
                return UnavailableError(self._missing(request.database, said))
            case _:
                wait = _http.retry_after(answer.headers)
                return UnavailableError(f"{self.hostname}: {answer.status} {said}".strip(), wait=wait)

    def _ask(self, database: str, status: int, said: str) -> str:
        """What an administrator must do about a refusal."""
        if status == 401:
            return f"{self.hostname} does not know user {self.user!r} or the password is wrong: {said}"
        who = quoted(self.user) if self.user else '"<user>"'
        return (
            f"{self.user or 'nobody'} may not write {database}: {said}; "
            f"an administrator types: {creation(database)}; GRANT ALL ON {quoted(database)} TO {who}"
        )

    def _missing(self, database: str, said: str) -> str:
        why = "create = no" if not self.create else "this user may not make it"
        grant = f"; GRANT ALL ON {quoted(database)} TO {quoted(self.user)}" if self.user else ""
        about = said or f"there is no database {database}"
        return f"{about} ({why}); an administrator types: {creation(database)}{grant}"

    def _create(self, database: str) -> bool:
        """Make a database; whether it is there now."""
        try:
            with closing(self._admin()) as admin:
                admin.create_database(database)
        except ImportError as error:
            raise UnavailableError(f"the database {database} is not there, and to make it mysense {error}") from None
        except UnavailableError as error:
            if database not in self._forbidden:
                self._forbidden.add(database)
                self.log.warning("%s cannot be made: %s", database, error)
            return False
        self.log.info("made database %s", database)
        return True

    def _admin(self) -> Admin:
        return Admin(
            host=self.hostname, port=self.port, username=self.user or None, password=self._secret or None,
            ssl=self.ssl, timeout=self.timeout,
            verify_ssl=(str(self.ca_file) if self.ca_file else True) if self.verify else False,
            **({"cert": str(self.cert_file)} if self.cert_file and not self.key_file else {}),
        )  # fmt: skip

    def check(self) -> str:
        """Ask the server for its version; writes nothing."""
        with self:
            answer = self._server.request("GET", "/ping", None, self._headers)
        if answer.status not in (200, 204):
            raise UnavailableError(f"{self.hostname}:{self.port} answers {answer.status} {_words(answer.text)}")
        version = answer.headers.get("x-influxdb-version", "of unknown version")
        return f"InfluxDB {version} at {self.hostname}:{self.port}"


def _words(text: str) -> str:
    """The error in an answer's body, in the server's own words; empty when there is none."""
    if not text.strip():
        return ""
    try:
        said = json.loads(text)
    except ValueError:
        return " ".join(text.split())[:300]
    if isinstance(said, dict):
        results = said.get("results") or [{}]
        return str(said.get("error") or (results[0].get("error") if isinstance(results[0], dict) else "") or "")
    return ""
