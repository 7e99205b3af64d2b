"""Files of the original MySense, read as they are (being written)."""


def recognises(text: str) -> bool:
    """Whether a text is a MySense.conf of the original."""
    return False


def translate(text: str) -> tuple[str, list[str]]:
    """The text in today's form, and what was passed over."""
    return text, []


def migrate(text: str) -> str:
    """The text in today's form."""
    return text
