"""The page about publishing to a broker shows what happens."""

import re
import shlex
import subprocess
import sys
import time

import pytest

from mysense import config
from mysense.channels import mqtt
from mysense.telegram import Data, Field, Ident
from tests.kit import until
from tests.listener import Listener
from tests.servers import Mosquitto
from tests.test_add_docs import DOCS, said

PAGE = (DOCS / "mqtt.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)


def blocks(kind, beginning=""):
    return [text for name, text in BLOCKS if name == kind and text.startswith(beginning)]


def like(text):
    """A pattern of what the page shows, in which … stands for anything."""
    return ".*".join(map(re.escape, text.split("…")))


def test_what_is_sent_in_one_window_is_seen_in_the_other_as_the_page_shows(own_mosquitto):
    [(listen, _)] = said(blocks("", "$ mosquitto_sub")[0])
    [(send, answer)] = said(blocks("", "$ python")[0])
    [shown] = blocks("", "IoS/")
    words = shlex.split(listen)
    with Listener(own_mosquitto.port, words[words.index("-t") + 1]) as ears:
        done = subprocess.run(
            [sys.executable, *shlex.split(send)[1:], "--port", str(own_mosquitto.port)],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        ears.until(3)

    assert re.fullmatch(answer, done.stderr)
    for each, line in zip(ears.heard, shown.splitlines(), strict=True):
        assert re.fullmatch(like(line), f"{each.topic} {each.payload}")  # as mosquitto_sub -v prints it


@pytest.mark.parametrize("text", blocks("ini"))
def test_the_sections_it_shows_can_be_written_so(tmp_path, text):
    (tmp_path / "mqtt.password").write_text("secret\n")
    conf = tmp_path / "MySense.conf"
    conf.write_text(text.replace("/etc/mysense", str(tmp_path)))
    [end] = config.load(conf).ends

    assert isinstance(end.plugin, mqtt.Publisher)


def test_check_says_what_the_page_shows(own_mosquitto, tmp_path):
    [section] = [text for text in blocks("ini") if "discovery = yes" in text]
    (tmp_path / "mqtt.password").write_text("secret\n")
    (tmp_path / "mqtt.password").chmod(0o600)
    for there, here in (
        ("homeassistant.local", f"127.0.0.1\nport = {own_mosquitto.port}"),
        ("/etc/mysense", str(tmp_path)),
    ):
        section = section.replace(there, here)
    (tmp_path / "MySense.conf").write_text(f"{section}[journal]\npath = {tmp_path}/journal.db\n")
    done = subprocess.run(
        [sys.executable, "-m", "mysense", "check", "-c", str(tmp_path / "MySense.conf")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    [line] = [line for line in blocks("", "$ mysense check")[0].splitlines() if line.startswith("publisher")]

    assert re.search(
        like(" ".join(line.split())).replace(r"homeassistant\.local:1883", f"127.0.0.1:{own_mosquitto.port}"),
        " ".join(done.stdout.split()),
    ), done.stdout + done.stderr


def test_the_rights_it_shows_are_those_that_a_kit_needs(tmp_path):
    [rules] = blocks("", "pattern")
    ident = Ident("Mq", "k1", fields=(Field("temp", "C"),))
    server = Mosquitto(
        tmp_path / "server", passwords={"k1": "a", "ears": "b"}, acl=f"{rules}user ears\ntopic read #\n", queue=1000
    )
    with server, Listener(server.port, "#", user="ears", password="b") as ears:
        for layout in ("classic", "split"):
            given = {"hostname": "127.0.0.1", "port": server.port, "user": "k1", "password": "a", "version": "5"}
            far = mqtt.Publisher(**given, layout=layout, discovery=True)
            far.own = ident
            with far:
                assert far.publish([ident, Data(ident, time.time_ns(), {"temp": 1.0})]) == {}
                assert [*far.publish([Data(Ident("Mq", "k2"), 0, {"temp": 1.0})])] == ["IoS/Mq/k2"]
        until(lambda: len(ears.payloads("IoS/Mq/k1/status")) == 4)
    assert {each.topic.removeprefix("IoS/Mq/k1") for each in ears.heard} == {
        "", "/ident", "/data", "/state", "/status", "homeassistant/device/mysense_Mq_k1/config"}  # fmt: skip
