"""The subscriber: its options, and messages of nodes into the journal."""

from collections.abc import Sequence

from mysense.channels._mqtt.source import Source
from mysense.channels.mqtt.telegrams import Telegrams
from mysense.channels.mqtt.topics import Topics, checked, possible, shared
from mysense.options import pattern
from mysense.plugin import option
from mysense.telegram import Telegram


class Subscriber(Source):
    """Take telegrams from an MQTT broker, to which kits or other relays publish them."""

    topic: str = option(
        "IoS", "where nodes publish: IoS means IoS/{project}/{serial}; + and # may stand for levels", parse=possible
    )
    projects: str = option(".+", "projects to take in: a pattern (regular expression)", parse=pattern)
    serials: str = option(".+", "and serials", parse=pattern)
    group: str = option("", "share the messages with all who name the same group: each gets a part", parse=shared)

    def filters(self) -> Sequence[str]:
        return self._topics().filters("" if self.passing else self.group)  # who only has a look takes no part

    def open(self) -> None:
        super().open()
        topics = self._topics()
        self._made, self._others = Telegrams(topics, self.state), topics.others

    def telegrams(self, topic: str, payload: bytes) -> Sequence[Telegram]:
        return () if topic.endswith(self._others) else self._made.of(topic, payload)

    def _topics(self) -> Topics:
        return Topics(checked(self.topic), self.projects, self.serials)
