"""What people see holds no secret and steers no terminal, whoever wrote it."""

import json
import logging
import os
import pty
import subprocess
import sys
import threading
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense import config, logs, options, registry, shown, tryout, wire
from mysense.channels.influxdb import Publisher as InfluxDB
from mysense.channels.influxlisten.access import Access
from mysense.journal.sqlite import SqliteJournal
from mysense.settings import LoggingOptions
from mysense.shown import MASK, learn, masked
from mysense.telegram import SECOND, Data, Ident, Note
from tests.kit import Kit, mysense, until
from tests.leaks import SECRETS, Watch, found

SECRET = SECRETS[0]
LEAKY = '''
"""A plugin that cannot keep a secret."""
import logging
from base64 import b64encode
from pathlib import Path
from mysense import plugin
from mysense.errors import ConfigError, RejectedError, UnavailableError
from mysense.plugin import option

class Publisher(plugin.Publisher):
    """Tells its password in every way that there is."""
    how: str = option(help="what it raises")
    password: str = option("", "its password", secret=True)
    said: str = option("", "something with a ${NAME} in it")

    def open(self):
        pair = b64encode(f"ios:{self.password}".encode()).decode()
        self.log.warning("%r sends 'Authorization: Basic %s' to http://ios:%s@192.0.2.1", self, pair, self.password)
        if self.how in ERRORS:
            raise ERRORS[self.how](f"cannot log in with {self.password}")
        if self.how == "thread":
            import threading
            thread = threading.Thread(target=self.publish, args=([],))
            thread.start()
            thread.join()

    def check(self):
        self.open()
        return f"logged in with {self.password}"

    def publish(self, batch):
        raise (RejectedError if self.how == "rejected" else ValueError)(f"{self.password} does not open this")

ERRORS = {"away": OSError, "unavailable": UnavailableError, "config": ConfigError, "bug": ValueError,
          "library": ImportError}
'''
WAYS = ["away", "unavailable", "config", "bug", "library", "rejected", "thread", "publishing"]


@pytest.fixture
def leaky(tmp_path, monkeypatch):
    """A package with a plugin that cannot keep a secret, found by its entry point."""
    packages = tmp_path / "packages"
    about = packages / "leaky-1.dist-info"
    about.mkdir(parents=True)
    (packages / "leaky.py").write_text(LEAKY)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[mysense.channels]\nleaky = leaky\n")
    paths = [str(packages), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


@pytest.fixture
def kit(tmp_path, leaky):
    """A kit whose publishers all tell their password, each in its own way."""
    sections = "".join(f"[publisher:leaky:{how}]\nhow = {how}\npassword = {SECRET}\n" for how in WAYS)
    made = Kit(tmp_path, f"[sensor:simulated]\ninterval = 0.1\n[daemon]\ninterval = 1\n{sections}")
    yield made
    made.kill()


def test_a_plugin_that_tells_its_password_tells_it_nobody(kit):
    def all_told():
        status = kit.status()
        said = {w["section"]: w["message"] for w in status["workers"]}
        waiting = [how for how in WAYS if how != "rejected" and not said[f"publisher:leaky:{how}"]]
        return not waiting and kit.cursor("publisher:leaky:rejected")["rejected"] and json.dumps(status)

    kit.start()
    told = until(all_told)
    kit.kill()
    log = kit.log.read_text()
    told += log + mysense("journal", "rejected", "-c", kit.conf).stdout

    assert found(told) == []
    assert f"cannot log in with {MASK}" in told
    assert f"{MASK} does not open this" in told
    assert "has ended: a bug" in log  # what is hidden is the secret, not the mistake
    assert f"ValueError: cannot log in with {MASK}" in log


def test_a_plugin_that_tells_its_password_tells_no_command(kit):
    checked = mysense("check", "-c", kit.conf, code=1)
    told = checked.stdout + checked.stderr + mysense("check", "--json", "-c", kit.conf, code=1).stdout
    shown = mysense("config", "show", "-c", kit.conf).stdout

    assert found(told + shown) == []
    assert f"password = {MASK}" in shown
    assert f"logged in with {MASK}" in told
    assert f"ValueError: cannot log in with {MASK}" in told


@pytest.mark.parametrize("how", ["away", "bug", "thread"])
def test_a_plugin_that_is_tried_by_hand_tells_no_password(leaky, monkeypatch, how):
    monkeypatch.setenv("LEAKYPUBPASS", SECRET)
    tried = mysense("publish", "leaky", "--how", how, code=1)

    assert found(tried.stdout + tried.stderr) == []
    assert MASK in tried.stderr
    assert ("please report it" in tried.stderr) == (how != "away")


@pytest.mark.parametrize("kind", tryout.VERBS)
def test_no_flag_takes_a_secret(kind):
    for name in registry.names(kind):
        secret = {o.name for o in options.declared(registry.find(kind, name)).values() if o.secret}

        assert secret.isdisjoint(param.name for param in tryout.command(kind, name).params)


def test_what_is_shown_of_a_configuration_holds_no_secret():
    text = f"[publisher:leaky]\nhow = x\n[meta]\nsource = http://ios:{SECRET}@192.0.2.1/x\n"
    meta = text.partition("[meta]")[2]
    settings = config.parse(f"[meta]{meta}[publisher:influxdb]\npassword = {SECRET}\nuser = ios\n", env={})

    assert found(repr(settings.ends)) == []
    assert found(masked(meta)) == []


def test_what_holds_a_secret_does_not_say_it():
    for holder in (
        InfluxDB(user="ios", password=SECRET),
        InfluxDB(token=SECRET).access(),
        Access("ios", SECRET, SECRET),
    ):
        assert found(repr(holder)) == []


SHAPES = [
    "http://ios:{}@192.0.2.1:8086/write",
    "mqtts://ios:{}@mqtt.example.org",
    "Authorization: Token {}",
    "{{'Authorization': b'Basic {}'}}",
    "POST /write?u=ios&p={}&db=x",
    "CREATE USER ios WITH PASSWORD '{}'",
    "GET /x HTTP/1.1\nAuthorization: Bearer {}\nHost: x",
]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_looks_like_a_secret_is_masked_though_nobody_told_it(shape):
    unknown = "n0b0dy-told-it"
    said = masked(shape.format(unknown))

    assert unknown not in said
    assert said.count(MASK) == 1
    assert masked(said) == said


@pytest.mark.parametrize(
    "text",
    [
        "http://192.0.2.1:8086: no answer within 10 s",
        "set user and password_file, or token_file",
        "does not know user 'ios' or the password is wrong",
        "basic authentication is what it wants",
        "the token is unauthorized",
        "mail to somebody@example.org about http://example.org:80/a",
    ],
)
def test_messages_without_a_secret_stay_as_they_are(text, monkeypatch):
    monkeypatch.setattr(shown, "_learnt", {})  # whatever other tests have as a password

    assert masked(text) == text


def test_a_secret_is_masked_in_every_form_it_is_written_in():
    secret = 'pä"ss/w\\ör d'
    learn(secret)
    told = [b64encode(f"{'x' * n}:{secret}:y".encode()).decode() for n in range(3)]
    told += [secret, repr(secret), ascii(secret), repr(secret.encode()), json.dumps(secret), f"x{secret}y"]
    for text in (*told, "p%C3%A4%22ss%2Fw%5C%C3%B6r%20d", "p%C3%A4%22ss%2Fw%5C%C3%B6r+d"):
        assert MASK in masked(text)
        assert "ss" not in masked(text)


def test_a_secret_too_short_to_be_looked_for_leaves_the_words_alone():
    learn("ten")

    assert masked("written often") == "written often"


def test_secrets_that_were_changed_are_forgotten_in_the_end(monkeypatch):
    monkeypatch.setattr(shown, "_learnt", {})
    for n in range(2000):
        learn(f"password-{n}")

    assert len(shown._learnt) <= 2000
    assert masked("password-1999") == MASK


# What strangers write


STRANGE = "\x1b]0;mine\x07\x1b[2J\x9b2J\u202e\r\n2026-01-01 00:00:00 ERROR all is lost"


@given(st.text())
def test_printable_text_is_printable_and_says_the_same(text):
    assert shown.printable(text).isprintable()
    coded = json.dumps(text, ensure_ascii=False)
    assert shown.printable_json(coded).isprintable()
    assert json.loads(shown.printable_json(coded)) == text


@given(st.text())
def test_no_text_begins_a_line_of_its_own(text):
    first, *more = shown.lines(text).split("\n")

    assert first.isprintable()
    assert all(line.startswith("    ") and line.isprintable() for line in more)


@pytest.fixture
def strange(tmp_path):
    """A kit whose journal holds what strangers wrote."""
    kit = Kit(tmp_path, "[subscriber:mqtt]\n")
    journal = SqliteJournal(kit.journal)
    ident = Ident("Demo", f"k1{STRANGE}", label=STRANGE, meta={STRANGE: STRANGE})
    journal.append([ident, Data(ident, 1_700_000_000 * SECOND, {STRANGE: STRANGE}), Note(ident, 1, STRANGE, STRANGE)])
    note = Note(Ident("", ""), 1, "refused", STRANGE, {"from": STRANGE, "bytes": len(STRANGE)})
    journal.append([], "subscriber:mqtt", "", {}, [(STRANGE, note)])
    journal.close()
    return kit


@pytest.mark.parametrize(
    "command",
    [
        ["journal", "show"],
        ["journal", "export"],
        ["journal", "rejected"],
        ["journal", "rejected", "--json"],
        ["journal", "status"],
        ["status"],
        ["status", "--json"],
    ],
)
def test_what_strangers_wrote_does_not_steer_the_terminal(strange, command):
    said = on_a_terminal(*command, "-c", strange.conf)

    assert said
    assert all(line.isprintable() for line in said.split("\n")), said


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_console_does_not_let_strangers_steer_the_terminal(tmp_path, strange, form):
    exported = tmp_path / "strange.jsonl"
    exported.write_text(mysense("journal", "export", "-c", strange.conf).stdout)
    said = on_a_terminal("publish", "console", "--format", form, exported)

    assert all(line.isprintable() for line in said.split("\n")), said


def test_tap_does_not_let_strangers_steer_the_terminal(strange):
    name = "\u009b2J\u202e"
    ident = Ident("Demo", f"k2{name}")
    stop = threading.Event()

    def write():
        journal = SqliteJournal(strange.journal)
        for n in range(1000):
            journal.append([Data(ident, n * SECOND, {name: name})])
            if stop.wait(0.1):
                break
        journal.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        said = on_a_terminal("tap", "-n", "2", "-c", strange.conf)
    finally:
        stop.set()
        writer.join()

    assert all(line.isprintable() for line in said.split("\n")), said
    data = [telegram for telegram in wire.decode(said.splitlines()) if isinstance(telegram, Data)]
    assert data  # the first may be the ident
    assert all(telegram.values == {name: name} for telegram in data)


def on_a_terminal(*args):
    """What a command writes on a terminal."""
    here, there = pty.openpty()
    pieces = []

    def read():
        while True:
            try:
                piece = os.read(here, 65536)
            except OSError:  # nobody has the far end any more
                return
            pieces.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    mysense_on(there, *args)
    reader.join(20)
    os.close(here)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def mysense_on(terminal, *args):
    try:
        command = [sys.executable, "-m", "mysense", *map(str, args)]
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal, timeout=60)
    finally:
        os.close(terminal)


def test_what_strangers_wrote_makes_no_line_of_its_own_in_the_log(tmp_path):
    file = tmp_path / "log"
    with logs.setup(LoggingOptions(file=str(file))):
        logging.getLogger("mysense").warning("%s is set aside", STRANGE)

    first, *more = file.read_text().rstrip().split("\n")
    assert "ERROR" not in first
    assert all(line.startswith("    ") and line.isprintable() for line in more)


# The watch over all tests


@pytest.mark.parametrize("text", [SECRET, f"x{SECRET}", b64encode(f"root:{SECRET}".encode()).decode()])
def test_a_test_that_prints_a_secret_fails(text):
    watch = Watch()
    with pytest.raises(AssertionError):
        watch.look(text.encode())
    watch.allowed = True
    watch.look(text)
