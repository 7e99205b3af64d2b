"""The text of a MySense.conf: sections, options, lines, and everything that is neither."""

from hypothesis import given
from hypothesis import strategies as st

from mysense import ini


def test_options_keep_their_text_and_their_line():
    sections, mistakes = ini.read("\n[id]\nLabel = a = b\nowner: c\n# no\n; no\n[daemon] # the core\ninterval=5\n")

    assert mistakes == []
    assert sections["id"].texts == {"label": "a = b", "owner": "c"}
    assert sections["id"].lines == {"label": 3, "owner": 4}
    assert (sections["daemon"].line, sections["daemon"].lines) == (7, {"interval": 8})


def test_an_indented_line_goes_on_with_the_option_above():
    sections, mistakes = ini.read("[id]\nlabel = a\n  # not this\n  b\n\towner = c\n")

    assert mistakes == []
    assert sections["id"].texts == {"label": "a\nb\nowner = c"}


def test_an_empty_line_ends_an_option():
    sections, _ = ini.read("[id]\nlabel = a\n\n  owner = c\n")

    assert sections["id"].texts == {"label": "a", "owner": "c"}


def test_lines_are_counted_as_editors_count_them():
    _, mistakes = ini.read("[id]\nlabel = a\x0cb\u2028c\r\nnonsense\n")

    assert [line for line, _ in mistakes] == [3]


def test_every_mistake_is_told_and_no_text_is_quoted():
    text = "early = 1\n[id]\npassword acacadabra\nlabel = a\nlabel = b\n[id]\n[broken\n"
    _, mistakes = ini.read(text)

    assert [line for line, _ in mistakes] == [1, 3, 5, 6, 7]
    assert "acacadabra" not in str(mistakes)
    assert "see line 4" in mistakes[2][1]
    assert "began in line 2" in mistakes[3][1]


def test_of_a_section_that_is_there_twice_all_options_count():
    sections, _ = ini.read("[id]\nlabel = a\n[daemon]\n[id]\nproject = b\n")

    assert sections["id"].texts == {"label": "a", "project": "b"}


@given(st.text(max_size=200))
def test_any_text_has_sections_and_mistakes_within_its_lines(text):
    sections, mistakes = ini.read(text)
    lines = text.count("\n") + 1

    assert all(1 <= line <= lines and "\n" not in sentence for line, sentence in mistakes)
    assert all(1 <= line <= lines for section in sections.values() for line in section.lines.values())
