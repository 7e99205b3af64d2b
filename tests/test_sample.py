"""Samples: made from the classes, read by the daemon, compared with what lies in the repository."""

from pathlib import Path

import pytest

from mysense import config, options, registry, sample, settings
from mysense.errors import ConfigError

ROOT = Path(__file__).parent.parent


def test_the_files_of_the_repository_are_what_the_classes_say():
    assert (ROOT / "MySense.conf").read_text(encoding="utf-8") == sample.repository()
    assert (ROOT / "docs" / "config.md").read_text(encoding="utf-8") == sample.reference()


def test_make_run_starts_a_simulated_kit_on_the_screen():
    said = config.parse(sample.repository())

    assert [end.section for kind in settings.END_OPTIONS for end in said.of(kind)] == [
        "sensor:simulated", "publisher:console"]  # fmt: skip
    assert said.daemon.interval <= 10


def test_a_dylos_and_a_server_are_two_edits():
    text = sample.repository()
    for section in ("sensor:dylos", "publisher:influxdb"):
        before, header, after = text.partition(f"[{section}]\n")
        text = before + header + after.replace("enabled = no", "enabled = yes", 1)

    assert {"sensor:dylos", "publisher:influxdb"} <= {e.section for e in config.parse(text).ends if e.options.enabled}


def test_the_whole_sample_needs_only_what_has_no_default():
    try:
        config.parse(sample.sample())
        wrong = []
    except ConfigError as error:
        wrong = error.problems

    assert [problem for problem in wrong if "is required" not in problem and "no section names" not in problem] == []


def test_a_sample_of_some_plugins_holds_these_only():
    headers = [line for line in sample.sample(["sensor:dylos", "csv"]).splitlines() if line.startswith("[")]

    assert headers == ["[sensor:dylos]", "[publisher:csv]"]


def test_a_sample_of_an_unknown_plugin_names_the_nearest():
    with pytest.raises(ConfigError, match="there is no plugin 'sensor:dilos', did you mean 'sensor:dylos'"):
        sample.sample(["sensor:dilos"])


def test_what_all_sections_of_a_kind_share_is_explained_once_in_a_file():
    for kind, cls in settings.END_OPTIONS.items():
        lines = sample.sample([f"{kind}:{name}" for name in registry.names(kind)]).splitlines()
        first = next(line for line in lines if line.startswith(f"[{kind}:"))
        sections = sum(line.startswith(f"[{kind}:") for line in lines)
        assert sum(f"as explained in {first}: " in line for line in lines) == sections - 1
        for option in options.declared(cls).values():
            assert sum(line.startswith(f"## {option.help}") for line in lines) == 1


def test_an_option_that_is_set_is_written_wherever_it_is_explained():
    sections = {"sensor:pi": {"counts": "yes"}, "sensor:wifi": {"errors": "9", "enabled": "no", "interface": "wlan1"}}

    first, second = sample.of_plugins(sections)

    assert "counts = yes" in first
    assert second[1:3] == ["[sensor:wifi]", "enabled = no"]
    assert {"errors = 9", "interface = wlan1"} < {*second}
    named = " ".join(line for line in second if "[sensor:pi]" in line or line == second[-1])
    assert "counts" in named
    assert "errors" not in named


def test_the_reference_has_every_section():
    text = sample.reference()
    for kind, (package, _) in registry.KINDS.items():
        for name in set(registry.names(kind)) & registry.builtin(package):
            assert f"## [{kind}:{name}]\n" in text
