"""MySense.conf: every mistake at once, with its line and the right word; secrets are never shown."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mysense import config, options, registry
from mysense import settings as core
from mysense.errors import ConfigError

GOOD = """\
[id]
project = Demo
serial = k1
[meta]
owner = somebody
[sensor:simulated]
[sensor:simulated:roof]
seed = 2
[processor:calibrate:winter]
factors = temp: -2.2 1
[publisher:console]
processors = winter
[publisher:console:second]
processors = calibrate:winter
enabled = no
"""


def problems(text, **kwargs):
    """Everything that is wrong with a text."""
    with pytest.raises(ConfigError) as info:
        config.parse(text, **kwargs)
    return list(info.value.problems)


def test_a_good_file_gives_settings():
    said = config.parse(GOOD)

    assert [end.section for end in said.ends] == [
        "sensor:simulated", "sensor:simulated:roof", "publisher:console", "publisher:console:second"]  # fmt: skip
    assert [end.section for end in said.of("publisher")] == ["publisher:console"]
    assert said.ends[1].plugin.seed == 2
    assert said.identity.ident().meta == {"owner": "somebody"}


def test_each_end_has_a_processor_of_its_own():
    first, second = (dict(end.processors) for end in config.parse(GOOD).ends[2:])

    assert first.keys() == second.keys() == {"processor:calibrate:winter"}
    assert first["processor:calibrate:winter"] is not second["processor:calibrate:winter"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[daemon]\nintervall = 5\n", ":2: [daemon] intervall: unknown option, did you mean 'interval'?"),
        ("[daemon]\ninterval = five\n", ":2: [daemon] interval: 'five' is not a time"),
        ("[daemon]\ninterval = 0\n", ":2: [daemon] interval: 0 is too small, the least is 1"),
        ("[publisher:influxdb]\nport = 70000\n", "[publisher:influxdb] port: 70000 is too large, the most is 65535"),
        ("[publisher:influxdb]\ncreate = maybe\n", ":2: [publisher:influxdb] create: 'maybe' is neither yes nor no"),
        ("[publisher:influxdb]\nprecision = m\n", ":2: [publisher:influxdb] precision: 'm' is not one of auto, s, ms"),
        ("[publisher:influxbd]\n", ":1: [publisher:influxbd] there is no publisher 'influxbd', did you mean"),
        ("[sensor:console]\n", ":1: [sensor:console] there is no sensor 'console'"),
        ("[publishr:console]\n", "unknown section, did you mean 'publisher:console'?"),
        ("[mqtt]\n", ":1: [mqtt] unknown section, it is written [publisher:mqtt] or [subscriber:mqtt]"),
        ("[journl]\n", ":1: [journl] unknown section, did you mean 'journal'?"),
        ("[id]\nserial = a b\n", ":2: [id] serial: 'a b' cannot be a name"),
        ("[id]\nlabel = one\n two\n", ":2: [id] label: must stand on one line"),
        ("[id]\ngeolocation = north\n", ":2: [id] geolocation: 'north' is not a place"),
        ("[publisher:csv]\n", ":1: [publisher:csv] directory is required"),
        ("[publisher:console]\nprocessors = wintr\n[processor:calibrate:winter]\nfactors = a: 1\n",
         "there is no section [processor:wintr], did you mean 'winter'?"),
        ("[processor:calibrate]\nfactors = a: 1\n", ":1: [processor:calibrate] no section names this processor"),
        ("[id]\n[id]\n", ":2: [id] is here again; it began in line 1"),
        ("[id]\nlabel = a\nlabel = b\n", ":3: [id] label: is here again; see line 2"),
        ("[id]\nnonsense\n", ":2: this is neither [section] nor option = value"),
        ("label = a\n", ":1: 'label' stands before the first [section]"),
        ("[id]\ninterval = 30\n", ":2: [id] interval: unknown option, it belongs in [daemon]"),
        ("[sensor:simulated]\nhostname = a\n[publisher:influxdb]\n[publisher:mqtt]\n",
         ":2: [sensor:simulated] hostname: unknown option, it belongs in [publisher:influxdb] or [publisher:mqtt]"),
        ("[publisher:influxdb]\nhostname = a\n# here\n  port = 5\n",
         ":4: [publisher:influxdb] port is indented, and so goes on with 'hostname': take the blanks before it away"),
        ("[id]\nlabel = a\n  [sensor:simulated]\n", ":3: [id] [sensor:simulated] is indented, and so goes on with"),
        ("[sensor:simulated]\nseed = 2\n  enabled: no\n", ":3: [sensor:simulated] enabled is indented"),
        ("[id]\nlabel = ${NOT_THERE}\n", ":2: [id] label: the environment has no NOT_THERE"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_the_right_word(text, said):
    found = problems(text, env={})

    assert any(said in problem for problem in found), found


def test_a_file_that_is_indented_from_the_second_line_on_is_told_line_by_line():
    found = problems("[id]\nproject = a\n  label = b\n  [sensor:simulated]\n  seed = 2\n")

    assert [problem.split(":")[1] for problem in found] == ["3", "4"]


def test_quotes_that_become_part_of_a_text_are_pointed_out_and_not_quoted():
    said = config.parse('[id]\nlabel = \'my kit\'\n[publisher:influxdb]\npassword = "acacadabra"\nuser = i"o"s\n')

    assert said.identity.label == "'my kit'"
    assert [notice.split(": ")[0] for notice in said.notices] == ["[id] label", "[publisher:influxdb] password"]
    assert "acacadabra" not in str(said.notices)


def test_a_list_may_go_on_in_indented_lines():
    [end] = config.parse("[sensor:simulated]\nstatistic = mean\n  temp: max\n  rh: last\n").ends

    assert end.options.statistic.named == {"temp": "max", "rh": "last"}


def test_all_mistakes_are_told_at_once_in_the_order_of_the_lines():
    text = "[id]\nprojekt = x\n[daemon]\ninterval = x\n[sensor:nothing]\n[publisher:csv]\ndelimiter = ,\n"
    found = problems(text)

    assert [int(problem.split(":")[1]) for problem in found] == [2, 4, 5, 6]


def test_a_section_that_is_switched_off_may_lack_what_it_needs_but_not_be_wrong():
    assert config.parse("[publisher:csv]\nenabled = no\n").ends == ()
    assert "did you mean 'directory'" in problems("[publisher:csv]\nenabled = no\ndirectry = x\n")[0]


def test_a_file_that_is_not_there_or_no_text_is_one_sentence(tmp_path):
    for make, said in (
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "cannot be read"),
        (lambda path: path.write_bytes(b"[id]\nlabel = \xff\n"), ":2: this is not UTF-8 text"),
    ):
        path = tmp_path / said.split()[-1] / "MySense.conf"
        path.parent.mkdir()
        make(path)
        with pytest.raises(ConfigError) as info:
            config.load(path)
        assert said in str(info.value)
        assert len(info.value.problems) == 1


def test_the_file_is_looked_for_where_the_manual_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="name the file with -c FILE"):
        config.find(None, {})
    (tmp_path / "MySense.conf").write_text("")

    assert config.find(None, {}).name == "MySense.conf"
    assert str(config.find(None, {"MYSENSE": "/a/b"})) == "/a/b"
    assert str(config.find(tmp_path, {"MYSENSE": "/a/b"})) == str(tmp_path)


INFLUX = "[publisher:influxdb]\nhostname = file.example.org\nuser = ios\npassword = from${X}file\n"


def test_the_environment_beats_the_file_under_the_names_of_old():
    env = {"INFLUXPUBHOST": "env.example.org", "INFLUXPUBPASS": "acacadabra", "X": "-"}
    plugin = config.parse(INFLUX, env=env).ends[0].plugin

    assert (plugin.hostname, plugin.user, plugin.password) == ("env.example.org", "ios", "acacadabra")
    assert config.parse(INFLUX, env={"X": "-"}).ends[0].plugin.password == "from-file"


def test_secrets_are_never_shown(tmp_path, monkeypatch):
    path = tmp_path / "MySense.conf"
    path.write_text("[publisher:influxdb]\npassword = acacadabra\nuser = ios\n")
    shown = config.show(path)
    wrong = "\n".join(problems("[publisher:influxdb]\npassword = acacadabra\nport = x\n"))

    assert "acacadabra" not in shown + wrong
    assert "password = ********" in shown
    assert "user = ios" in shown


def test_what_is_shown_reads_the_same_again(tmp_path):
    path = tmp_path / "MySense.conf"
    path.write_text(GOOD)
    again = tmp_path / "again.conf"
    again.write_text(config.show(path))

    assert config.show(again) == config.show(path)


def test_a_password_file_for_everybody_is_pointed_out(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("acacadabra")
    secret.chmod(0o644)
    text = f"[publisher:influxdb]\npassword_file = {secret}\n"
    said = config.parse(text).notices
    secret.chmod(0o640)
    assert config.parse(text).notices == said
    secret.chmod(0o600)

    assert f"chmod 600 {secret}" in said[0]
    assert config.parse(text).notices == ()


def test_a_command_line_can_choose_what_runs():
    said = config.parse(GOOD)
    chosen = config.choose(said, "simulated:roof", "second")
    bare = config.choose(said, None, "influxdb")

    assert [e.section for e in chosen.ends if e.options.enabled] == [
        "sensor:simulated:roof",
        "publisher:console:second",
    ]
    assert [e.section for e in bare.of("publisher")] == ["publisher:influxdb"]
    with pytest.raises(ConfigError, match="did you mean 'simulated'"):
        config.choose(said, "simulatd", None)


CALIBRATE = "[processor:calibrate]\nfactors = a: 1\n"


@pytest.mark.parametrize(
    "text",
    [
        "[publisher:console]\nformat = x\nprocessors = calibrate\n",
        "[publisher:consle]\nprocessors = calibrate\n",
        "[daemon]\ninterval = x\nprocessors = calibrate\n",
        "[publisher:console]\nstart = x\nprocessors = calibrate\n",
    ],
)
def test_one_mistake_does_not_make_another(text):
    assert len(problems(text + CALIBRATE)) == 1


def test_a_section_that_is_off_names_its_processors_all_the_same():
    assert config.parse("[publisher:csv]\nenabled = no\nprocessors = calibrate\n" + CALIBRATE).ends == ()


def test_a_processor_with_a_mistake_is_told_once():
    found = problems("[publisher:console]\nprocessors = calibrate\n[processor:calibrate]\nfactors = x\n")

    assert len(found) == 1
    assert "[processor:calibrate] factors" in found[0]


def test_a_processor_of_an_unknown_plugin_is_told_once():
    found = problems("[publisher:console]\nprocessors = calibrat\n[processor:calibrat]\nfactors = a: 1\n")

    assert len(found) == 1
    assert "did you mean 'calibrate'" in found[0]


def test_mistakes_in_common_and_own_options_are_told_together():
    found = problems("[publisher:influxdb]\nstart = x\nport = y\nenabld = no\n")

    assert [problem.split()[2] for problem in found] == ["start:", "port:", "enabld:"]
    assert "did you mean 'enabled'" in found[2]


def test_a_name_that_fits_two_processors_is_asked_about():
    text = "[publisher:console]\nprocessors = calibrate\n[processor:calibrate]\nfactors = a: 1\n"
    assert len(config.parse(text).ends[0].processors) == 1  # the exact name wins

    two = "[processor:calibrate:w]\nfactors = a: 1\n[processor:calibrate:x:w]\nfactors = a: 1\n"
    found = problems("[publisher:console]\nprocessors = w\n" + two)
    assert any("say which" in problem for problem in found)


@pytest.mark.parametrize("label", ["", "a,b", "a:b"])
def test_a_label_can_be_named_in_a_list(label):
    assert any("a label" in problem for problem in problems(f"[publisher:console:{label}]\n"))


def test_a_section_is_chosen_once_and_the_settings_stay_as_they_were():
    said = config.parse(GOOD)
    chosen = config.choose(said, None, "second,publisher:console:second, second")

    assert [end.section for end in chosen.of("publisher")] == ["publisher:console:second"]
    assert [end.section for end in said.of("publisher")] == ["publisher:console"]


def test_a_single_plugin_is_told_where_its_mistake_stands(tmp_path):
    path = tmp_path / "MySense.conf"
    path.write_text("[publisher:influxdb]\nport = x\nenabled = no\nusr = a\n")
    with pytest.raises(ConfigError) as info:
        config.single("publisher", "influxdb", {"timeout": "y"}, path, {})

    assert [problem.split(" ")[0] for problem in info.value.problems] == [f"{path}:2:", f"{path}:4:", "--timeout:"]
    path.write_text("[publisher:influxdb]\nport = ${X}\nhostname = a\n")
    plugin = config.single("publisher", "influxdb", {"port": "1"}, path, {"INFLUXPUBHOST": "b"})
    assert (plugin.port, plugin.hostname) == (1, "b")  # a flag needs no ${X}; the environment beats the file


ENDS = [(kind, name) for kind in core.END_OPTIONS for name in registry.names(kind)]


@pytest.mark.parametrize(("kind", "name"), ENDS)
def test_no_plugin_has_an_option_that_every_section_has(kind, name):
    plugin = registry.find(kind, name)

    assert not options.declared(plugin).keys() & options.declared(core.END_OPTIONS[kind]).keys()


WORDS = """
[id] [daemon] [sensor:simulated] [publisher:console] [console] [process] [dylos] interval=5 output=true file=a
= [ ] [:] [sensor:] processors=a,b # ; calibrations=[[1,2]] fields=a,b password=${X ${} enabled=no
"""
LINES = st.lists(st.sampled_from([*WORDS.split(), " indented"]) | st.text(max_size=20), max_size=12)


@given(LINES)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_gives_settings_or_sentences(lines):
    try:
        said = config.parse("\n".join(lines), env={}).notices
    except ConfigError as error:
        said = error.problems

    assert all(sentence and "\n" not in sentence for sentence in said)
