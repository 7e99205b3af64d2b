"""What is wrong with a journal's file, in sentences for a person."""

from mysense.errors import UnavailableError
from mysense.journal.reader import Reader


def damage(reader: Reader) -> list[str]:
    """What SQLite finds wrong with the file itself; takes a minute for ten million entries."""
    try:
        return [row[0] for row in reader.query("PRAGMA integrity_check") if row[0] != "ok"]
    except UnavailableError as error:
        return [str(error)]


def contradictions(reader: Reader) -> list[str]:
    """What does not fit together in a file that is sound."""
    wrong = []
    [(without,)] = reader.query("SELECT count(*) FROM entry WHERE ident NOT IN (SELECT id FROM ident)")
    if without:
        wrong.append(f"{without} entries have no ident")
    [(undated,)] = reader.query("SELECT count(*) FROM dated WHERE boot AND dating IS NULL")
    if undated:
        wrong.append(f"{undated} entries have lost what their times count from")
    [(broken,)] = reader.query("SELECT count(*) FROM entry WHERE body != '' AND NOT json_valid(body)")
    if broken:
        wrong.append(f"{broken} entries can no longer be read; they are published as text called 'unreadable'")
    last = reader.bounds()[1]
    wrong += [
        f"cursor {name} stands at {seq}, the journal ends at {last}"
        for name, seq in reader.query("SELECT name, seq FROM cursor WHERE seq > ?", last)
    ]
    return wrong
