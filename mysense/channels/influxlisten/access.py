"""Who may write: a user with a password, or a token, shown in any of the ways that InfluxDB knows."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest


@dataclass(frozen=True)
class Access:
    """What must be shown; where both a password and a token are set, either will do."""

    user: str = ""
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def open(self) -> bool:
        """Whether everybody may write."""
        return not (self.secret or self.token)

    def allows(self, authorization: str, asked: Mapping[str, str]) -> bool:
        """Whether a request may write, by its header Authorization and its parameters ``u`` and ``p``."""
        if self.open:
            return True
        kind, _, shown = authorization.partition(" ")
        shown = shown.strip()
        match kind.lower():
            case "basic":
                return self._is_user(*_pair(shown))
            case "token" | "bearer":
                user, _, secret = shown.partition(":")
                return self._is_token(shown) or self._is_user(user, secret)
        return self._is_user(asked.get("u", ""), asked.get("p", ""))

    def _is_user(self, user: str, secret: str) -> bool:
        # Both are compared in any case: how long it takes says nothing.
        known, right = _same(user, self.user), _same(secret, self.secret)
        return known and right and bool(self.secret)

    def _is_token(self, token: str) -> bool:
        return _same(token, self.token) and bool(self.token)


def _same(one: str, other: str) -> bool:
    return compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))


def _pair(shown: str) -> tuple[str, str]:
    try:
        user, _, secret = b64decode(shown, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return user, secret
