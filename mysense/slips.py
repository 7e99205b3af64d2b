"""Slips of the pen in a MySense.conf: what can be read, and yet something else was meant."""

from collections.abc import Container, Iterable, Iterator

from mysense import ini, options, registry
from mysense.errors import ConfigError
from mysense.ini import Section
from mysense.settings import CORE, END_OPTIONS


def known(section: str) -> set[str]:
    """The options that a section may have; none of one that there is not."""
    kind, _, name = section.partition(":")
    try:
        own = CORE.get(section) or registry.find(kind, name.partition(":")[0])
    except (ConfigError, KeyError):
        return set()
    return {name for cls in (own, END_OPTIONS.get(kind)) if cls for name in options.declared(cls)}


def indented(section: Section) -> Iterator[tuple[int, str]]:
    """Lines that an option above has swallowed, because blanks stand before them. They are taken from it again."""
    for line, above, text in section.indented:
        if begun := _begun(text, known(section.name)):
            section.texts[above] = section.texts[above].partition("\n")[0]
            yield line, f"{begun} is indented, and so goes on with {above!r}: take the blanks before it away"


def elsewhere(option: str, sections: Iterable[str]) -> str:
    """Where an option belongs that its section does not have: ``, it belongs in [daemon]``, or nothing."""
    core = [section for section in CORE if option in known(section)]
    found = core or [section for section in sections if section not in CORE and option in known(section)]
    return f", it belongs in {' or '.join(f'[{section}]' for section in found)}" if found else ""


def in_quotes(section: Section) -> Iterator[str]:
    """Options whose text stands in quotes: they are part of it here. No text is quoted: it may be a password."""
    for option, text in section.texts.items():
        if options.quoted(text):
            yield f"[{section.name}] {option}: the quotes are part of the text; take them away if they are not meant"


def _begun(text: str, names: Container[str]) -> str:
    """The section or the option that *text* would begin if it stood on a line of its own."""
    if ini.SECTION.match(text):
        return text
    option = ini.OPTION.match(text)
    return option["name"] if option and option["name"].lower() in names else ""
