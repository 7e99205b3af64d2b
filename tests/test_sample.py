"""Samples: made from the classes, read by the daemon, compared with what lies in the repository."""

from pathlib import Path

import pytest

from mysense import config, registry, sample, settings
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


def test_the_reference_has_every_section():
    text = sample.reference()
    for kind, (package, _) in registry.KINDS.items():
        for name in set(registry.names(kind)) & registry.builtin(package):
            assert f"## [{kind}:{name}]\n" in text
