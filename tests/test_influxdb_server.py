"""The page about a server for kits does what it says: its lines are typed, its answers come."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mysense.channels import influxdb
from mysense.telegram import SECOND, Data, Ident
from tests.servers import Influxd
from tests.test_add_docs import said, steps

PAGE, HOST = "influxdb-server.md", "influx.example.org"


class Reader:
    """Somebody who follows the page, with a folder for /etc and a server on a free port."""

    def __init__(self, folder):
        self.folder, self.server = folder, Influxd(folder / "influxd")
        (folder / "root.password").write_text("acacadabra\n")
        (folder / "root.password").chmod(0o600)
        (folder / "etc").mkdir()
        self.env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SSL_CERT_FILE": f"{folder}/ca.pem",
            "HOME": str(folder), "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }  # fmt: skip

    def own(self, text):
        """A text of the page as it is here."""
        port = self.server.port
        for there, here in (
            (f"-host {HOST}", f"-host localhost -port {port}"),
            (f"--hostname {HOST}", f"--hostname localhost --port {port}"),
            (f"hostname = {HOST}", f"hostname = localhost\nport = {port}"), (HOST, "localhost"),
            ("/etc/mysense", f"{self.folder}/etc"), ("/etc/influxdb/", f"{self.folder}/"), ("'…'", "'acacadabra'"),
        ):  # fmt: skip
            text = text.replace(there, here)
        return text

    def shell(self, command):
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.env[name] = value
            return ""
        done = subprocess.run(
            self.own(command), shell=True, cwd=self.folder, env=self.env, text=True, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if command.startswith("openssl") else subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def influx(self, command, statement):
        """What influx answers; the password that it would ask for is in the environment."""
        user = (re.findall(r"-username (\S+)", command) or [""])[0]
        file = self.folder / ("root.password" if user == "root" else f"influxdb-secrets/{user}.password")
        words = self.own(command.partition(" -username")[0]).split()
        words += [] if "-host" in words else ["-host", "127.0.0.1", "-port", str(self.server.port)]
        env = self.env | ({"INFLUX_USERNAME": user, "INFLUX_PASSWORD": file.read_text().strip()} if user else {})
        done = subprocess.run(
            [*words, "-execute", self.own(statement)], env=env, capture_output=True, text=True, timeout=30
        )
        return done.stdout + done.stderr

    def configure(self, text):
        """Start the server anew with what the page says of its configuration."""
        self.server.stop()
        self.server = Influxd(
            self.folder / "influxd", certificate=self.folder / "influxdb.pem", ca=self.folder / "ca.pem"
        )
        conf = self.folder / "influxd" / "influxdb.conf"
        lines = conf.read_text()
        for name, value in re.findall(r"^ +(\S+) = (.+)$", self.own(text), re.MULTILINE):
            lines, count = re.subn(rf"^  {name} = .*$", f"  {name} = {value}", lines, flags=re.MULTILINE)
            assert count == 1, name
        conf.write_text(lines)
        self.server.start()


@pytest.fixture
def reader(tmp_path):
    reader = Reader(tmp_path)
    reader.server.start()
    yield reader
    reader.server.stop()


def test_the_page_leads_to_a_server_that_lets_kits_write_and_nothing_else(reader):
    for _, kind, text in steps(PAGE):
        if kind == "toml":
            reader.configure(text)
        elif kind == "ini":
            kit = "[id]\nproject = BdP\nserial = 33004d45\n[sensor:simulated]\n"
            (reader.folder / "MySense.conf").write_text(f"{kit}{reader.own(text)}")
        else:
            assert kind == "console"
            follow(reader, text)
    rows = influx_rows(reader, 'SELECT * FROM "BdP_33004d45"."hourly"."data"')

    assert "mean_temp" in rows


def follow(reader, session):
    for command, shown in said(session):
        if not command.startswith("influx"):
            output = reader.shell(command)
            assert re.fullmatch(shown, output), f"$ {command}\n{output}\nis not as shown:\n{shown}"
            if command.startswith("mysense check"):
                measure(reader)
            continue
        lines = session.partition(f"$ {command}\n")[2]
        for statement, answer in re.findall(r"^> (.*)\n((?:ERR.*\n)?)", lines, re.MULTILINE):
            output = reader.influx(command, statement)
            wanted = ".*".join(map(re.escape, answer.strip().split("…")))
            said_first = output.partition("\n")[0]  # influx says an error twice, with a guess of its own between
            assert re.fullmatch(wanted, said_first) if wanted else "ERR" not in output, f"> {statement}\n{output}"


def measure(reader):
    """The kit of the page writes an hour of data."""
    file = reader.folder / "etc" / "influxdb.password"
    ident = Ident("BdP", "33004d45", "shed")
    with influxdb.Publisher(
        port=reader.server.port, ssl=True, ca_file=reader.folder / "ca.pem", user=ident.node, password_file=file
    ) as kit:
        begin = 1_780_000_000  # after the day that the page computes from
        assert kit.publish([Data(ident, (begin + 60 * n) * SECOND, {"temp": 1.0 * n}) for n in range(60)]) == {}


def influx_rows(reader, query):
    return reader.influx(f"influx -ssl -host {HOST} -username root -password ''", query)
