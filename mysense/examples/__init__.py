"""The example telegrams: one ident and three data, for tryouts and tests."""

from importlib.resources import files

from mysense import wire
from mysense.telegram import Telegram, ident_of


def telegrams() -> list[Telegram]:
    """The example ident, then its data telegrams in the order of their times."""
    text = files(__name__).joinpath("telegrams.json").read_text(encoding="utf-8")
    data = list(wire.decode([text.replace("\n", " ")]))
    return [ident_of(data[0]), *data]
