"""Why there is no connection to a broker, in words that say what to do."""

import ssl

WRONG_VERSION = 0x84
TAKEN_OVER = 0x8E
_REFUSALS = {
    WRONG_VERSION: "does not speak this version of MQTT: set version = 3.1.1",
    0x85: "does not like the client_id {id!r}: set another",
    0x86: "does not know this user with this password: see user and password",
    0x87: "does not let us in: see user and password",
    0x8C: "does not know this user with this password: see user and password",
}
_CERTIFICATE = {  # by OpenSSL's codes (X509_V_ERR_…)
    9: "is the clock of this machine right?",
    10: "it has to be renewed, unless the clock of this machine is wrong",
    62: "see hostname",
    64: "see hostname",
}


def refused(code: int, said: str, client_id: str) -> str:
    """Why the broker refuses a connection, by the code of its answer (MQTT 5, table 3-1)."""
    return _REFUSALS.get(code, "refuses us: {said}").format(id=client_id, said=said.lower())


def ended(code: int, said: str, client_id: str) -> str:
    """Why the broker has ended a connection, by its code."""
    if code == TAKEN_OVER:
        return f"another client has the client_id {client_id!r}: give each its own"
    return f"the broker ended the connection: {said.lower()}"


def silent(secure: bool) -> str:
    """What it may mean that the broker hangs up before it has said anything."""
    return f"closes the connection without a word; is ssl = {'yes' if secure else 'no'} right for this port?"


def failed(error: Exception, secure: bool = False) -> str:
    """What is wrong with the network, or with the encryption."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what = _CERTIFICATE.get(error.verify_code, "see ca_file")
        return f"its certificate is not trusted ({error.verify_message.rstrip('.')}): {what}"
    if isinstance(error, ssl.SSLError):
        return f"no encrypted connection ({(error.reason or str(error)).lower().replace('_', ' ')})"
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, ConnectionResetError) and secure:  # in the middle of the handshake
        return silent(secure)
    return str(getattr(error, "strerror", None) or error)
