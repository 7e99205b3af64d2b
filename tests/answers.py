"""Damage to what a simulated chip on I2C answers, byte by byte."""

DAMAGES = ("a bit turns", "the rest is missing")


class Answers:
    """What a chip answers in a reading, and damage to one of these answers."""

    def __init__(self, simulated):
        self._real, simulated.read = simulated.read, self._read
        self.spoil(-1, 0, "")

    def spoil(self, which, at, damage):
        """The byte *at* so many of the answer *which* will not come through, or nothing from there on."""
        self._which, self._at, self._damage, self.sizes = which, at, damage, []

    def _read(self, count):
        answer = self._real(count)
        if len(self.sizes) == self._which:
            rest = answer[self._at + 1 :] if self._damage == "a bit turns" else b"\xff" * (count - self._at - 1)
            answer = answer[: self._at] + bytes((answer[self._at] ^ 0x10,)) + rest
        self.sizes.append(count)
        return answer
