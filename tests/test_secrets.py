"""Names and passwords from the environment and from files."""

import os

import pytest

from mysense import config, options, registry, secrets
from mysense.errors import ConfigError
from mysense.journal.sqlite import SqliteJournal
from tests.kit import mysense

TWO = "[publisher:influxdb]\nhostname = a\n[publisher:influxdb:cloud]\nhostname = b\n"


def hosts(text, env):
    return [end.plugin.hostname for end in config.parse(text, env=env).ends]


def test_each_name_is_filled_in():
    assert secrets.fill("${A}-$B-${A}${", {"A": "x"}) == "x-$B-x${"
    with pytest.raises(KeyError, match="NOT_THERE"):
        secrets.fill("${NOT_THERE}", {})


def test_of_two_servers_the_environment_means_the_one_without_a_label():
    env = {"INFLUXPUBHOST": "env.example.org"}

    assert hosts(TWO, env) == ["env.example.org", "b"]
    assert hosts("[publisher:influxdb:cloud]\nhostname = b\n", env) == ["env.example.org"]
    assert hosts(TWO, {"INFLUXPUBHOST": ""}) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "env"),
    [
        ("[publisher:influxdb]\nport = ${TOKEN}\n", {"TOKEN": "acacadabra"}),
        ("[publisher:influxdb]\npassword acacadabra\n", {}),
        ("[publisher:influxdb]\npassword = acacadabra\nprecision = acacadabr\nstart = x\n", {}),
        ("[daemon]\ninterval = ${TOKEN}\n", {"TOKEN": "acacadabra"}),
        ("[id]\ngeolocation = ${TOKEN}\n", {"TOKEN": "acacadabra"}),
        ("[processor:calibrate]\nfactors = ${TOKEN}\n", {"TOKEN": "acacadabra"}),
    ],
)
def test_no_message_holds_a_secret(text, env):
    with pytest.raises(ConfigError) as info:
        config.parse(text, env=env)

    assert "acacadabra" not in str(info.value)


def test_a_password_is_the_first_line_of_its_file(tmp_path, monkeypatch):
    file = tmp_path / "secret"
    file.write_text(" acacadabra \nnot this\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    assert secrets.password("", file) == "acacadabra"
    assert secrets.password("", file.relative_to(tmp_path)) == "acacadabra"  # as systemd keeps it
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "secret").write_text("another")
    monkeypatch.chdir(tmp_path / "here")
    assert secrets.password("", file.relative_to(tmp_path)) == "acacadabra"  # before one in this folder
    assert secrets.password("given", file) == "given"
    assert secrets.password("", None) == ""


def test_a_password_file_that_cannot_be_read_is_one_sentence(tmp_path):
    (tmp_path / "no-text").write_bytes(b"\xff\n")
    for name, said in (("absent", "there is no such file"), ("", "Is a directory"), ("no-text", "not UTF-8 text")):
        with pytest.raises(ConfigError, match=said):
            secrets.password("", tmp_path / name)


def test_a_tryout_without_its_environment_is_told_the_line(tmp_path):
    conf = tmp_path / "MySense.conf"
    conf.write_text("[publisher:influxdb]\nuser = x\npassword = ${NOT_THERE_AT_ALL}\n")
    done = mysense("publish", "influxdb", "-c", conf, code=2)

    assert f"{conf}:3: [publisher:influxdb] password: the environment has no NOT_THERE_AT_ALL" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["password_file", "token_file", "key_file"])
def test_a_secret_file_that_others_can_read_is_named(tmp_path, option):
    class Section:
        pass

    file, section = tmp_path / "secret", Section()
    file.write_text("acacadabra")
    file.chmod(0o640)
    setattr(section, option, file)

    assert secrets.readable(section, "publisher:x") == [
        f"[publisher:x] {option} {file} can be read by others: chmod 600 {file}"
    ]
    file.chmod(0o600)
    assert secrets.readable(section, "publisher:x") == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(
    ("owner", "mode", "command"),
    [
        ((0, 0), 0o600, ""),
        ((0, 61000), 0o640, ""),  # as 'mysense install-service' makes MySense.conf
        ((0, 61000), 0o644, "chmod 640 {file}"),
        ((61000, 0), 0o640, ""),
        ((61000, 0), 0o644, "chmod 640 {file}"),
        ((61000, 61000), 0o644, "chgrp 0 {file}; chmod 640 {file}"),
    ],
)
def test_what_is_advised_leaves_the_file_readable_to_us(tmp_path, owner, mode, command):
    file = tmp_path / "secret"
    file.touch()
    file.chmod(mode)
    os.chown(file, *owner)

    assert secrets.closing(file) == command.format(file=file)


@pytest.mark.parametrize(
    ("line", "told"),
    [("password = acacadabra", ["[publisher:influxdb] password"]), ("password = ${WORD}", []), ("user = ios", [])],
)
def test_a_configuration_with_a_secret_that_others_can_read_is_named(tmp_path, line, told):
    file = tmp_path / "MySense.conf"
    file.write_text(f"[publisher:influxdb]\n{line}\n")
    file.chmod(0o644)
    said = [f"{file} holds {each}, and can be read by others: chmod 600 {file}" for each in told]

    assert list(config.load(file, {"WORD": "acacadabra"}).notices) == said
    file.chmod(0o600)
    assert config.load(file, {"WORD": "acacadabra"}).notices == ()


def test_a_new_journal_is_not_for_everybody_to_read(tmp_path):
    SqliteJournal(tmp_path / "journal.db").close()

    assert (tmp_path / "journal.db").stat().st_mode & 0o777 == 0o640


def test_a_missing_file_is_told_by_the_option_that_names_it(tmp_path):
    with pytest.raises(ConfigError, match=r"^token_file .*there is no such file"):
        secrets.password("", tmp_path / "none", "token_file")


@pytest.mark.parametrize("plugin", ["publisher:influxdb", "subscriber:influxdb", "subscriber:mqtt"])
def test_who_does_not_look_at_certificates_is_told_at_each_start(plugin):
    def said(*lines):
        return [text for text in config.parse("\n".join([f"[{plugin}]", *lines])).notices if "verify" in text]

    [told] = said("ssl = yes", "verify = no")

    assert told.startswith(f"[{plugin}] verify = no: ")
    assert "ca_file" in told
    assert said("ssl = yes") == []
    assert said("verify = no", "enabled = no") == []


def test_every_channel_that_can_look_away_is_found_by_that_option():
    for kind in ("publisher", "subscriber"):
        for name in registry.names(kind):
            known = options.declared(registry.find(kind, name))
            assert ("verify" in known) == ("ca_file" in known), name
