"""Every telegram as a file of its own, for another program to pick up."""

from hashlib import sha256
from pathlib import Path

from mysense import plugin, wire
from mysense.plugin import option


class Publisher(plugin.Publisher):
    """Leave every telegram in a folder, for another program to pick up."""

    directory: Path = option(help="the folder; it is made where there is none")
    suffix: str = option(".json", "how the names of the files end")

    def open(self):
        self.directory.mkdir(parents=True, exist_ok=True)

    def publish(self, batch):
        for telegram in batch:
            line = wire.encode(telegram).encode()
            path = self.directory / (sha256(line).hexdigest() + self.suffix)
            part = path.with_suffix(".part")
            part.write_bytes(line)
            part.rename(path)


if __name__ == "__main__":
    from mysense import tryout

    tryout.channel("spool")
