"""Lines as points: what is one, what is none and why, and what another parser reads."""

import ast
import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from line_protocol_parser import parse_line

from mysense.channels._influx import protocol
from mysense.channels._influx.protocol import Reader
from mysense.channels._influx.values import STEPS
from mysense.journal.codec import body
from mysense.telegram import Data, Ident
from mysense.wire import JsonValues

NOW = 1_700_000_000_000_000_000


def read(text, step=1):
    [(points, mistakes)] = Reader().read(text, step, NOW)
    return [(p.series.measurement, dict(p.series.tags), dict(p.fields), p.time) for p in points], mistakes


@pytest.mark.parametrize(
    ("line", "point"),
    [
        ("m f=1", ("m", {}, {"f": 1.0}, NOW)),
        ("m,t=a,u=b f=1.5,g=2i 5", ("m", {"t": "a", "u": "b"}, {"f": 1.5, "g": 2}, 5)),
        ("m f=.5,g=5.,h=-1e-5,i=0012 -5", ("m", {}, {"f": 0.5, "g": 5.0, "h": -1e-5, "i": 12.0}, -5)),
        ("m a=t,b=T,c=true,d=True,e=TRUE 1", ("m", {}, dict.fromkeys("abcde", True), 1)),
        ("m a=f,b=F,c=false,d=False,e=FALSE 1", ("m", {}, dict.fromkeys("abcde", False), 1)),
        ("m f=5u 1", ("m", {}, {"f": 5}, 1)),
        ("m f=9223372036854775807i,g=18446744073709551615u 1", ("m", {}, {"f": 2**63 - 1, "g": 2**64 - 1}, 1)),
        (r'm f="a \"b\" \\ \n, c=d" 1', ("m", {}, {"f": r'a "b" \ \n, c=d'}, 1)),
        ('m f="two\nrows",g=1 1', ("m", {}, {"f": "two\nrows", "g": 1.0}, 1)),
        (r"m\,x\ y=z,a\=b\ c=d\,e f\ g\=h=1 1", ("m,x y=z", {"a=b c": "d,e"}, {"f g=h": 1.0}, 1)),
        (r"m,path=C:\dir f=1 1", ("m", {"path": r"C:\dir"}, {"f": 1.0}, 1)),
        ('m,t="a" "f"=1 1', ("m", {"t": '"a"'}, {'"f"': 1.0}, 1)),
        (r"m\"x,t\"=a\"b f\"x=1 1", ('m"x', {r"t\"": r"a\"b"}, {'f"x': 1.0}, 1)),
        ("m,t==a f=1 1", ("m", {"t": "=a"}, {"f": 1.0}, 1)),
        ("  m  f=1  5  ", ("m", {}, {"f": 1.0}, 5)),
        ("m f=1,g=3,f=2 1", ("m", {}, {"f": 2.0, "g": 3.0}, 1)),
        ("m time=1,f=2 1", ("m", {}, {"f": 2.0}, 1)),
        ("m f=1 9223372036854775806", ("m", {}, {"f": 1.0}, 2**63 - 2)),
    ],
)
def test_a_line_is_a_point(line, point):
    assert read(line) == ([point], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("m", "missing fields"),
        (",t=1 f=1", "missing measurement"),
        ("m, f=1", "missing tag key"),
        ("m,=v f=1", "missing tag key"),
        ("m,t f=1", "missing tag value"),
        ("m,t= f=1", "missing tag value"),
        ("m,t=a=b f=1", "invalid tag format"),
        ("m,t==a=b f=1", "invalid tag format"),
        ("m,t=a\\ f=1", "invalid tag format"),
        ("m,a=1,a=2 f=1", "duplicate tags"),
        ("m,time=1 f=1", "invalid tag key: a tag cannot be called time"),
        ("m time=1", "invalid field name: a field cannot be called time"),
        ("m f", "invalid field format"),
        ("m f=1,", "invalid field format"),
        ("m =1", "missing field key"),
        ("m f=", "missing field value"),
        ("m f=1.2.3", "invalid number"),
        ("m f=1_000", "invalid number"),
        ("m f=٣", "invalid boolean"),
        ("m f=NaN", "invalid number"),
        ("m f=1e400", "invalid float"),
        ("m f=+1", "invalid boolean"),
        ("m f=inf", "invalid boolean"),
        ("m f=tRUE", "invalid boolean"),
        ("m f=9223372036854775808i", "unable to parse integer 9223372036854775808: value out of range"),
        ("m f=18446744073709551616u", "unable to parse integer 18446744073709551616: value out of range"),
        ('m f="abc', "unbalanced quotes"),
        ('m f="a"b', "invalid text: something follows its closing quote"),
        ("m f=1 abc", "bad timestamp"),
        ("m f=1 1.5", "bad timestamp"),
        ("m f=1 5 6", "point is invalid"),
        ("m f=1 9223372036854775807", "time outside range -9223372036854775806 - 9223372036854775806"),
        (f"m f=1 {'9' * 30}", "time outside range -9223372036854775806 - 9223372036854775806"),
        (f"m f={'9' * 5000}i", "invalid number"),
    ],
)
def test_a_line_that_is_none_has_its_reason(line, reason):
    points, [mistake] = read(line)

    assert points == []
    assert mistake == (1, line, reason)


def test_comments_and_empty_lines_are_nothing_and_a_carriage_return_ends_a_line_too():
    text = '# a "comment\r\n\r\nm f=1 1\r\n  \n\t# another\nm g="x" 2\r\n'

    assert read(text) == ([("m", {}, {"f": 1.0}, 1), ("m", {}, {"g": "x"}, 2)], [])


def test_mistakes_are_told_with_the_number_of_their_line():
    points, mistakes = read('m f=1 1\nbad\nm f="two\nrows" 2\n\nworse f\nm f=3 3')

    assert [point[2]["f"] for point in points] == [1.0, "two\nrows", 3.0]
    assert [(m.number, m.line, m.reason) for m in mistakes] == [
        (2, "bad", "missing fields"), (6, "worse f", "invalid field format")]  # fmt: skip


def test_what_follows_a_quote_that_is_never_closed_is_not_taken_for_lines():
    points, [mistake] = read('m f=1 1\nm f="never closed 2\nm f=3 3\n')

    assert [point[3] for point in points] == [1]
    assert (mistake.number, mistake.reason) == (2, "unbalanced quotes")


@pytest.mark.parametrize(
    ("precision", "at"),
    [("n", 7), ("ns", 7), ("nanosecond", 7), ("u", 7000), ("µ", 7000), ("us", 7000), ("ms", 7_000_000),
     ("s", 7 * 10**9), ("second", 7 * 10**9), ("m", 420 * 10**9), ("h", 25_200 * 10**9)],
)  # fmt: skip
def test_times_are_in_the_precision_that_was_said(precision, at):
    assert read("m f=1 7", STEPS[precision])[0][0][3] == at


@pytest.mark.parametrize("digits", ["1700000000", "1700000000000", "1700000000000000", "1700000000000000000"])
def test_a_precision_that_was_not_said_is_told_by_the_size_of_the_time(digits):
    reader = Reader()

    for _ in range(2):  # the second time the quick way
        [([point], _)] = reader.read(f"m f=1.5 {digits}", STEPS["auto"], NOW)
        assert point.time == 1_700_000_000 * 10**9


NAMES = st.text("ab_:-. ,=\"'é1#", min_size=1, max_size=6)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False).map(repr)
FIXED = st.decimals(-1000, 1000, places=3).map(str)
NUMBERS = st.one_of(FLOATS, FIXED, st.integers(-(2**60), 2**60).map(str))
TEXTS = st.text('ab "\\,=é\n#', max_size=8)
VALUES = st.one_of(
    NUMBERS,
    st.integers(-(2**63), 2**63 - 1).map("{}i".format),
    st.sampled_from(["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"]),
    TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False).replace("\\n", "\n")),
)


def escaped(text, signs=",= "):
    for sign in signs:
        text = text.replace(sign, f"\\{sign}")
    return text


@st.composite
def lines(draw, names=NAMES, values=VALUES):
    """Good lines: a measurement, tags, fields, a time."""
    measurement = escaped("m" + draw(names), ", ")
    tags = {"t" + draw(names): draw(names) for _ in range(draw(st.integers(0, 3)))}
    fields = {"f" + draw(names): draw(values) for _ in range(draw(st.integers(1, 4)))}
    head = "".join(f",{escaped(key)}={escaped(value)}" for key, value in tags.items())
    said = ",".join(f"{escaped(key)}={value}" for key, value in fields.items())
    return f"{measurement}{head} {said} {draw(st.integers(-(2**62), 2**62))}"


@given(lines(st.text("ab_:-. é1", min_size=1, max_size=6)))
def test_another_parser_reads_the_same(line):
    if "\n" in line:  # it reads single lines only
        return
    there = parse_line(line)

    [(measurement, tags, fields, at)], mistakes = read(line)

    assert mistakes == []
    assert (measurement, tags, at) == (there["measurement"], there["tags"], there["time"])
    assert {k: (type(v), v) for k, v in fields.items()} == {k: (type(v), v) for k, v in there["fields"].items()}


PLAIN = st.one_of(
    FIXED,
    st.integers(-(10**18), 10**18).map(str),
    st.integers(-(10**18), 10**18).map("{}i".format),
    st.sampled_from(
        ["true", "false", "t", "0", "-0", "00", "5.", "-0.0", "1e3", "0i", "-5i", "-0i", "12.30", "0.0001", "0.00001"]
    ),
    st.sampled_from(["1234567890123456", "0.1234567890123456", "123456789012345", "0.123456789012345"]),
)


@given(st.lists(st.tuples(st.text("ab_:-.1", min_size=1, max_size=4), PLAIN), min_size=1, max_size=5))
def test_the_quick_way_reads_what_the_thorough_one_does(pairs):
    line = f"m {','.join(f'{key}={value}' for key, value in pairs)} 5"
    reader = Reader()
    [([thorough], _)] = reader.read(line, 1, NOW)  # nothing is known of its series yet
    [([quick], _)] = reader.read(line, 1, NOW)

    assert thorough.fields.__class__ is dict
    bodies = [body(Data(Ident("a", "b"), 5, point.fields)) for point in (thorough, quick)]
    assert bodies[0] == bodies[1]  # or the journal would not know a repeat
    kinds = [{k: (type(v), v) for k, v in point.fields.items()} for point in (thorough, quick)]
    assert kinds[0] == kinds[1]
    assert quick.time == thorough.time
    assert quick.series is thorough.series


def test_plain_numbers_stay_text():
    reader = Reader()
    list(reader.read("m f=1 1", 1, NOW))
    [([point], _)] = reader.read("m f=1,g=2i,h=-3.05,i=true,j=0.0,k=97.38220640569 1", 1, NOW)

    assert point.fields.__class__ is JsonValues
    assert point.fields.text == '{"f":1.0,"g":2,"h":-3.05,"i":true,"j":0.0,"k":97.38220640569}'


def test_beginnings_of_strangers_do_not_fill_the_memory():
    reader = Reader()
    for n in range(25_000):
        list(reader.read(f"m,t={n} f=1 1", 1, NOW))

    assert len(reader._series) <= 10_000


def test_a_long_body_is_read_in_slices_and_never_as_a_whole(monkeypatch):
    monkeypatch.setattr(protocol, "SLICE", 3)
    rows = [f"m f={n} {n}" if n % 4 else f"bad{n}" for n in range(20)]
    for extra in ("", ' g="x"'):  # with quotes it is taken apart in another way
        slices = list(Reader().read("\n".join([*rows, *extra.split("\n")]), 1, NOW))

        assert [len(points) + len(mistakes) for points, mistakes in slices[:-1]] == [3] * (len(slices) - 1)
        assert [point.time for points, _ in slices for point in points] == [n for n in range(20) if n % 4]
        assert [m.number for _, mistakes in slices for m in mistakes][:5] == [1, 5, 9, 13, 17]


@pytest.mark.parametrize("length", [1, 7, 65_536, 65_537])
@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_lines_are_numbered_rightly_wherever_a_piece_of_the_body_ends(length, end):
    rows = ["#".ljust(length, "x")] * (200_000 // length // 50 + 3)
    [(_, [mistake])] = Reader().read("\n".join([*rows, "bad"]) + end, 1, NOW)

    assert (mistake.number, mistake.line) == (len(rows) + 1, "bad")


def test_a_number_that_is_none_is_told_at_once():
    text = "\n".join([f"m f={'1' * 990}x"] * 2000)
    begun = time.process_time()
    _, mistakes = read(text)

    assert len(mistakes) == 2000
    assert time.process_time() - begun < 1.0  # with a pattern that tries again from every digit: many seconds


@given(st.text('m,=" \\\nf1t.#i-', max_size=40))
def test_whatever_comes_is_points_and_mistakes_and_never_an_exception(text):
    points, mistakes = read(text)

    assert len(points) + len(mistakes) <= text.count("\n") + 1


FILES = sorted((Path(protocol.__file__).parent.parent.parent).rglob("*.py"))


@pytest.mark.parametrize("file", [file for file in FILES if "re.compile" in file.read_text(encoding="utf-8")])
def test_no_pattern_repeats_a_group_possessively(file):
    """That matches wrongly in Python 3.11.0 to 3.11.4, which Debian 12 has: ``(?>(?:…)*)`` is the same and right."""
    for found in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(found, ast.Constant) and isinstance(found.value, str):
            assert not re.search(r"\)[*+?]\+|\)\{[0-9,]+\}\+", found.value), found.value
