"""paho's client, with our stream in place of its socket."""

from collections.abc import Callable
from typing import Any

from mysense.channels._mqtt.stream import Stream


def made(client_id: str, version: int, begin: Callable[[], Stream], lasting: bool) -> Any:
    """A client that speaks *version* (4 or 5) over the stream that *begin* opens, its attribute ``stream``.

    *lasting*: the broker keeps the session (for version 5 that is said when it connects).
    """
    from paho.mqtt import client
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

    class Paho(client.Client):
        stream: Stream | None = None

        def _create_socket(self) -> Any:
            self.stream = begin()
            return self.stream

    paho = Paho(
        CallbackAPIVersion.VERSION2,
        client_id,
        clean_session=None if version == 5 else not lasting,
        protocol=MQTTProtocolVersion(version),
        manual_ack=True,
        reconnect_on_failure=False,
    )
    paho.max_inflight_messages = 0  # whoever publishes keeps to a window of his own
    return paho
