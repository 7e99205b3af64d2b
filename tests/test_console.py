"""The console: to read along, and for programs."""

import json

import pytest

from mysense import examples, wire
from mysense.channels import console
from mysense.telegram import SECOND, Data, Ident, Note


def printed(capsys, batch, **options):
    with console.Publisher(**options) as publisher:
        publisher.publish(batch)
    return capsys.readouterr().out


def test_an_ident_is_shown_when_it_is_new_and_when_it_changes(capsys):
    ident, first, second, _ = examples.telegrams()
    text = printed(capsys, [ident, first, second, Ident(ident.project, ident.serial, "roof")])

    assert text.count("alphaTest") == 1
    assert text.count("roof") == 1
    assert text.count("1494777772") == 1


def test_values_have_their_units_and_devices(capsys):
    text = printed(capsys, examples.telegrams())

    assert "28.8" in text  # a digit behind the point, as the table of quantities has it
    assert "BME280" in text
    assert "2017-05-14T16:02:52" in text


def test_zero_and_text_and_notes_are_shown(capsys):
    ident = Ident("Demo", "1")
    text = printed(
        capsys, [Data(ident, SECOND, {"rh": 0, "state": "up\nagain", "rain": False}), Note(ident, SECOND, "lost", "x")]
    )

    assert "rh" in text
    assert "lost" in text
    assert len(text.splitlines()) < 12


def test_json_lines_are_telegrams_again(capsys):
    telegrams = examples.telegrams()
    text = printed(capsys, telegrams, format="json")

    assert list(wire.decode(text.splitlines())) == telegrams
    assert all(json.loads(line) for line in text.splitlines())


def test_a_file_is_written_to_its_end(tmp_path):
    path = tmp_path / "out"
    path.write_text("before\n")
    with console.Publisher(file=path) as publisher:
        publisher.publish(examples.telegrams())

    assert path.read_text().startswith("before\n")
    assert "1494777772" in path.read_text()


def test_a_file_that_cannot_be_written_is_an_oserror(tmp_path):
    with pytest.raises(OSError), console.Publisher(file=tmp_path) as publisher:
        publisher.publish(examples.telegrams())
