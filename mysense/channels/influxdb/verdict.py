"""What an answer of the server means for the telegrams it was given, in words for whoever must mend it."""

import json
import re

from mysense.channels._http import Answer, retry_after
from mysense.channels.influxdb.admin import creation, granting
from mysense.errors import RejectedError, UnavailableError

_CONFLICT = re.compile(r'field type conflict: input field "(.+)" on measurement "info" is type')


def words(text: str) -> str:
    """The error in an answer's body, in the server's own words; empty when there is none."""
    if not text.strip():
        return ""
    try:
        said = json.loads(text)
    except ValueError:
        return " ".join(text.split())[:300]
    if isinstance(said, dict):
        results = said.get("results") or [{}]
        return str(said.get("error") or (results[0].get("error") if isinstance(results[0], dict) else "") or "")
    return ""


def verdict(answer: Answer, place: str, database: str, user: str) -> Exception | None:
    """What went wrong with a write, as the worker wants to know it; None: the telegrams are safe."""
    said = words(answer.text)
    if 200 <= answer.status < 300 and not said:
        return None
    if "hinted handoff queue not empty" in said:  # the server has them, and delivers them itself
        return None
    if beyond_retention(answer):
        return None
    match answer.status:
        case 400 | 422:
            return RejectedError(said or "the server cannot read it")
        case 413:
            return RejectedError("too large for the server (see its max-body-size)")
        case 401:
            return UnavailableError(f"{place} does not know user {user!r} or the password is wrong: {said}")
        case 403:
            return UnavailableError(
                f"{user or 'nobody'} may not write {database}: {said}; {asking(database, user or '<user>')}"
            )
        case 404:
            return UnavailableError(f"{said or f'there is no database {database}'}; {asking(database, user)}")
        case _:
            return UnavailableError(f"{place}: {answer.status} {said}".strip(), wait=retry_after(answer.headers))


def beyond_retention(answer: Answer) -> bool:
    """Whether the server took everything but what is older than it keeps."""
    return answer.status == 400 and "points beyond retention policy" in answer.text


def conflicting(answer: Answer) -> str:
    """The item of an ident that a database already has in another type; empty when that is not it."""
    found = _CONFLICT.search(words(answer.text)) if answer.status == 400 else None
    return found[1] if found else ""


def asking(database: str, user: str = "") -> str:
    """What an administrator must do, to be typed as it is."""
    grant = f"; {granting(database, user)}" if user else ""
    return f"an administrator types: {creation(database)}{grant}"
