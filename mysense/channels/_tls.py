"""How to speak https: whom to trust, and with what to show who we are."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mysense.errors import ConfigError


def context(verify: bool, ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """How to speak https: with a CA of one's own, a client certificate, or without looking at all.

    Raises ConfigError for a file that is not there, or holds something else.
    """
    made = ssl.create_default_context()
    if ca_file:
        with _named("ca_file", ca_file):
            made.load_verify_locations(ca_file)
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if cert_file:
        with _named("cert_file", cert_file):
            made.load_cert_chain(cert_file, key_file)
    return made


@contextmanager
def _named(option: str, file: Path) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise ConfigError(f"{option} {file} holds no certificate that can be used: {error.reason}") from None
    except OSError as error:
        raise ConfigError(f"{option} {file}: {error.strerror}") from None
