"""InfluxDB 1.x is set up by statements: they are shown, typed or carried out, always the same text."""

from collections.abc import Iterator, Sequence

from mysense.channels.influxdb.admin import Admin, Policy
from mysense.channels.influxdb.api import Access, Api, RefusedError
from mysense.channels.influxdb.server import Server
from mysense.channels.influxdb.setup import LATE, MEANS, Kept, SecretsFolder, Setup, Step, Wanted, there
from mysense.channels.influxdb.v1 import creation, durations, granting, literal, quoted

RAW = "autogen"
"""The retention policy that a new database writes into."""
CHOSEN = "…"
"""What is shown for a password: whoever types it chooses one."""
HINT = f"'{CHOSEN}' is a password of your choice; on the kit it stands in the first line of password_file, mode 600"
TAGS = "/^(n|ne|[^n].*|n[^e].*|ne[^w].*|new.+)$/"
"""What keeps means apart: every tag but ``new``, as the first data under an ident belongs to its hour like all other.

InfluxQL has no shorter word for that; to name the tags would mix up those of a layout of one's own.
"""


def creating_user(user: str, password: str) -> str:
    """The statement that makes a user."""
    return f"CREATE USER {quoted(user)} WITH PASSWORD {literal(password)}"


def keeping(database: str, policy: str, kept: float, verb: str = "CREATE") -> str:
    """The statement that makes a retention policy, or alters it."""
    duration, shards = durations(kept)
    copies = " REPLICATION 1" if verb == "CREATE" else ""
    where = f"{verb} RETENTION POLICY {quoted(policy)} ON {quoted(database)}"
    return f"{where} DURATION {duration}{copies} SHARD DURATION {shards}"


def averaging(database: str, name: str, raw: str = RAW) -> str:
    """The statement that makes the continuous query of one name in ``MEANS``."""
    window, whole = MEANS[name], quoted(database)
    return (
        f"CREATE CONTINUOUS QUERY {quoted(name)} ON {whole} RESAMPLE EVERY {window} FOR {LATE} BEGIN"
        f' SELECT mean(*) INTO {whole}.{quoted(name)}."data" FROM {whole}.{quoted(raw)}."data"'
        f" GROUP BY time({window}), {TAGS} END"
    )


class Ways(Setup):
    """What an InfluxDB 1.x is to have, as statements of InfluxQL."""

    def __init__(self, server: Server, api: Api, secrets: SecretsFolder) -> None:
        super().__init__(server, api, secrets)
        self._admin = Admin.at(server)
        self._databases: set[str] = set()
        self._users: set[str] = set()
        self._grants: dict[str, dict[str, str]] = {}
        self._policies: dict[str, dict[str, Policy]] = {}
        self._queries: dict[str, dict[str, str]] = {}

    def look(self, wanted: Sequence[Wanted]) -> None:
        databases = self.api.databases()  # says best what is wrong with who asks
        self._users.update(self._admin.users())
        self._databases.update(databases)
        self._queries = self._admin.continuous_queries()
        self._grants = {user: self._admin.grants(user) for user in {each.user for each in wanted} & self._users}
        found = {each.database for each in wanted} & self._databases
        self._policies = {database: self._admin.policies(database) for database in found}
        if self._open():
            self.notices.append(f"{self.server.place} lets everybody in: set auth-enabled = true in its configuration")

    def _open(self) -> bool:
        """Whether the server asks nobody who he is: then users and grants are for nothing."""
        try:
            type(self.api)(self.api.server, Access(self.server.place)).databases()
        except RefusedError:
            return False
        return True

    def steps(self, wanted: Wanted) -> Iterator[Step]:
        database, user = wanted.database, wanted.user
        policies = self._policies.get(database, {})
        raw = next((policy for policy in policies.values() if policy.default), None)
        if database not in self._databases:
            what = f"database {database}, kept {wanted.retention}"
            yield self._step(what, creation(database, wanted.retention.seconds))
        elif raw is None:
            yield there(f"database {database}")
        else:
            yield self._kept(f"database {database}", database, raw, wanted.retention)
        yield self._user(user)
        yield self._grant(user, database)
        for name, kept in wanted.means.items():
            if name in policies:
                yield self._kept(f"{name} means of {database}", database, policies[name], kept)
            else:
                yield self._step(f"{name} means of {database}, kept {kept}", keeping(database, name, kept.seconds))
            yield self._averaging(database, name, raw.name if raw else RAW)

    def _step(self, what: str, statement: str) -> Step:
        return Step(what, f"{statement};", lambda: self._admin.change(statement))

    def _user(self, user: str) -> Step:
        if user in self._users:
            return there(f"user {user}")

        def make() -> None:
            self._admin.change(creating_user(user, self.secrets.password(user)))

        return Step(
            f"user {user}, password in {self.secrets.file(user)}", f"{creating_user(user, CHOSEN)};", make, HINT
        )

    def _grant(self, user: str, database: str) -> Step:
        what, has = f"{user} may write {database}", self._grants.get(user, {}).get(database, "")
        if has in ("WRITE", "ALL PRIVILEGES"):
            return there(what)
        # A grant replaces the one before: who may read shall not lose that.
        return self._step(what, granting(database, user, "ALL" if has == "READ" else "WRITE"))

    def _kept(self, what: str, database: str, policy: Policy, kept: Kept) -> Step:
        """How long a policy that is there keeps its data; another time is given to it only where that was said."""
        if not kept.said or int(kept.seconds) == policy.seconds:
            return there(f"{what}, kept {Kept(policy.seconds)}")
        change = f"{what}, {kept.instead_of(Kept(policy.seconds))}"
        return self._step(change, keeping(database, policy.name, kept.seconds, "ALTER"))

    def _averaging(self, database: str, name: str, raw: str) -> Step:
        what, statement = f"continuous query {name} of {database}", averaging(database, name, raw)
        found = self._queries.get(database, {}).get(name)
        if found is None:
            return self._step(what, statement)
        same = found.replace('"', "") == statement.replace('"', "")  # the server quotes what it must
        return there(what if same else f"{what}, another than ours: it stays")

    def close(self) -> None:
        super().close()
        self._admin.close()
