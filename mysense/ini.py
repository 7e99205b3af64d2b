"""The text of a MySense.conf as sections, with the line of everything and all mistakes at once."""

import re
from dataclasses import dataclass, field

SECTION = re.compile(r"\[(?P<name>[^\]]*)\]\s*(?:[#;].*)?$")
OPTION = re.compile(r"(?P<name>[^=:\s][^=:]*?)\s*[=:]\s*(?P<text>.*)$")


@dataclass
class Section:
    """One section: the texts of its options and the lines they stand on."""

    name: str
    line: int
    texts: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    indented: list[tuple[int, str, str]] = field(default_factory=list)
    """The lines that go on with an option: where each stands, whose it is, and what it says."""


def read(text: str) -> tuple[dict[str, Section], list[tuple[int, str]]]:
    """The sections of *text* by name, and its mistakes as line and sentence.

    Options are ``name = text`` or ``name: text``; lines that begin with ``#`` or ``;`` are
    comments; an indented line goes on with the option above it.
    """
    sections: dict[str, Section] = {}
    mistakes: list[tuple[int, str]] = []
    section: Section | None = None
    option = ""
    for number, line in enumerate(text.split("\n"), 1):  # as editors count
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            option = "" if not stripped else option
        elif line[0] in " \t" and section and option:
            section.texts[option] = f"{section.texts[option]}\n{stripped}".strip()
            section.indented.append((number, option, stripped))
        elif match := SECTION.match(stripped):
            name, option = match["name"].strip(), ""
            if name in sections:
                mistakes.append((number, f"[{name}] is here again; it began in line {sections[name].line}"))
            section = sections.setdefault(name, Section(name, number))
        elif not (match := OPTION.match(stripped)):
            mistakes.append((number, "this is neither [section] nor option = value"))  # it may be a password
        elif section is None:
            mistakes.append((number, f"{match['name']!r} stands before the first [section]"))
        else:
            option = match["name"].lower()
            if option in section.texts:
                mistakes.append((number, f"[{section.name}] {option}: is here again; see line {section.lines[option]}"))
            section.texts[option], section.lines[option] = match["text"].strip(), number
    return sections, mistakes
