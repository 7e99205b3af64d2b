"""Options: one declaration gives the parser, the messages and the sample."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mysense import options, sample
from mysense.errors import ConfigError
from mysense.options import host, option, pattern, seconds, size


@dataclass(kw_only=True)
class Every:
    """Every kind of option."""

    needed: str = option(help="must be there")
    yes: bool = option(True)
    whole: int = option(5, least=1, most=9)
    number: float = option(0.5)
    words: tuple[str, ...] = option(())
    path: Path = option(Path())
    choice: Literal["red", "green"] = option("red")
    wait: float = option(60.0, parse=seconds)
    room: int = option(10**6, parse=size)
    place: str = option("localhost", parse=host)
    password: str = option("", secret=True)
    code: int = option(0, secret=True)


def made(**texts):
    return options.parse(Every, {"needed": "x", **texts}, "here [x] {}:".format)


def problems(**texts):
    with pytest.raises(ConfigError) as info:
        made(**texts)
    return list(info.value.problems)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("yes", "Off", False), ("yes", "1", True), ("whole", "0x7", 7), ("number", "-1e-3", -0.001),
        ("words", "a, b,,c", ("a", "b", "c")), ("words", "a\nb", ("a", "b")), ("choice", "GREEN", "green"),
        ("wait", "1.5 h", 5400.0), ("room", "2 MB", 2_000_000), ("path", "a/b", Path("a/b")), ("words", "", ()),
        ("place", "192.0.2.1", "192.0.2.1"), ("place", "2001:db8::1", "2001:db8::1"),
    ],
)  # fmt: skip
def test_a_text_becomes_a_value(name, text, value):
    assert getattr(made(**{name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("yes", "maybe", "neither yes nor no"), ("whole", "5.5", "not a whole number"),
        ("whole", "10", "too large, the most is 9"), ("whole", "0", "too small, the least is 1"),
        ("number", "nan", "not a number to work with"), ("number", "inf", "not a number to work with"),
        ("choice", "gren", "did you mean 'green'?"), ("wait", "5 fortnights", "is not a time"),
        ("wait", "99999999 w", "more than anybody can mean"), ("room", "much", "is not a size"),
        ("path", "~nobody-of-that-name/x", "nobody has that home directory"),
        ("whole", "5 ; five", "a comment stands on a line of its own"),
        ("number", "5 # five", "a comment stands on a line of its own"),
        ("whole", '"5"', "write it without quotes"), ("choice", "'red'", "write it without quotes"),
        ("place", "http://a", "'http://a' is more than the name of a host: the port has an option of its own"),
        ("place", '"localhost"', "is no name of a host; write it without quotes"),
        ("place", "a:8086", "more than the name"), ("place", "a 8086", "more than the name"),
        ("place", "http://ios:acacadabra@a", "this is more than the name of a host"),
        ("needed", "", "required: must be there"), ("nedded", "x", "unknown option, did you mean 'needed'?"),
    ],
)  # fmt: skip
def test_what_is_no_value_is_told_in_words(name, text, said):
    [problem] = problems(**{name: text})

    assert said in problem
    assert problem.startswith("here [x]")


def test_all_that_is_wrong_is_told_at_once():
    assert len(problems(needed="", whole="x", yes="x", other="x")) == 4


def test_a_secret_is_in_no_message():
    assert "acacadabra" not in str(problems(code="acacadabra"))


def test_what_came_from_the_environment_is_in_no_message():
    with pytest.raises(ConfigError) as info:
        options.parse(Every, {"needed": "x", "whole": "77"}, str, {"whole": "${CODE}"})

    assert "77" not in str(info.value)
    assert "${CODE}" in str(info.value)


VALUES = st.fixed_dictionaries(
    {
        "yes": st.booleans(),
        "whole": st.integers(1, 9),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "words": st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), max_size=3).map(tuple),
        "choice": st.sampled_from(["red", "green"]),
        "wait": st.integers(0, 10**6).map(float) | st.floats(0.001, 1e6),
        "room": st.integers(0, 10**12),
    }
)


@given(VALUES)
def test_what_is_shown_reads_the_same_again(values):
    again = made(**{name: options.show(value) for name, value in values.items()})

    assert {name: getattr(again, name) for name in values} == values


def test_the_sample_says_what_the_class_says():
    lines = sample.of_class(Every, "every:x")

    assert lines[:4] == ["## Every kind of option.", "[every:x]", "## must be there", "needed ="]
    assert "#wait = 1 min" in lines
    assert "#room = 1 MB" in lines
    assert "##  (red | green)" in lines
    assert lines[-1] == "#code = 0"


@pytest.mark.parametrize("text", ["(", "[a", "a{99999999999999999999}", "*"])
def test_what_is_no_pattern_is_told(text):
    with pytest.raises(ValueError, match="is no pattern"):
        pattern(text)
