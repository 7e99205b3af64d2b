"""What says what was measured: line protocol, telegrams as JSON, uplinks of The Things Network."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hypothesis import strategies as st

from mysense import wire
from mysense.channels._influx.protocol import Reader
from mysense.channels.influxlisten.telegrams import Telegrams as Written
from mysense.channels.mqtt.telegrams import Telegrams as Sent
from mysense.channels.mqtt.topics import Topics, checked
from mysense.channels.ttn import ports
from mysense.channels.ttn.nodes import Nodes, Rule
from mysense.channels.ttn.telegrams import Telegrams as Uplinks
from mysense.channels.ttn.telegrams import Wanted
from mysense.state import State
from mysense.telegram import SECOND
from tests.fuzz.damage import Check, Examples, damaged, text
from tests.fuzz.places import NOW, journal

SAMPLES = Path(__file__).parent.parent.parent / "testdata"

LINES = [
    b'data,label=k1,geolocation=51.5\\,6.1\\,22,new=1 temp=20.5,rh=50,say="a \\"b\\"",ok=t 1700000000\n',
    b'info,label=k1 project="Demo",serial="k1",ident="{\\"project\\":\\"Demo\\",\\"serial\\":\\"k1\\"}" 17\n',
    b'station,label=k1 kind="up",text="begun" 1700000001\n',
    b"feinstaub,node=esp8266-1234 SDS_P1=12.30,SDS_P2=5.10,samples=812345i,u=5u\r\n",
]


@contextmanager
def line_protocol(folder: Path) -> Iterator[tuple[Examples, Check]]:
    """Lines that are written to the listener."""
    with journal(folder) as take:
        telegrams = Written(State())

        def check(example: tuple[str, str, int]) -> None:
            database, body, step = example
            for points, _ in Reader().read(body, step, NOW):
                take(list(telegrams.of(database, points)))

        databases = text(damaged([b"Demo_k1", b"sensors"]))
        yield st.tuples(databases, text(damaged(LINES, [b"i", b"u", b"#"])), st.sampled_from([1, SECOND])), check


DATA = [
    b'{"metadata":{"project":"Demo","serial":"k1","fields":["pm10","pm25"],"units":["a","b"],"types":["x","y"],'
    b'"geolocation":"51.5,6.1,22","extern_ip":["192.0.2.7"]},"data":{"time":1494777772.5,"pm10":3.5,"pm25":null}}',
    b'{"ident":{"project":"Demo","serial":"k1","label":"k","fields":[{"name":"t","unit":"C"}],"since":1494777772}}',
    b'{"project":"Demo","serial":"k1","data":{"time":1494777772,"pm25":3.5,"say":"hello"},"flags":{"pm25":"low"}}',
    b'{"project":"Demo","serial":"k1","note":{"time":1494777800,"kind":"stuck","text":"x","values":{"n":1}}}',
    b'{"time": 1494777772, "pm25": 3.5}',
    b"\n",
]
JSON = [b"{", b"}", b"[", b"]", b"[" * 2000, b":", b"null", b"true", b"\\ud800", b'"time":', b'"data":', b"1e999"]


@contextmanager
def telegrams(folder: Path) -> Iterator[tuple[Examples, Check]]:
    """Telegrams as JSON: classic, split, lines; from a file and from a broker."""
    with journal(folder) as take:
        topics = [b"IoS/Demo/k1", b"IoS/Demo/k1/data", b"IoS/Demo/k1/ident"]
        sent = Sent(Topics(checked("IoS"), ".+", ".+"), State())

        def check(example: tuple[str, bytes]) -> None:
            topic, payload = example
            with suppress(ValueError):
                take(sent.of(topic, payload))
            with suppress(ValueError):
                list(wire.decode(payload.split(b"\n")))

        yield st.tuples(text(damaged(topics)), damaged(DATA, JSON)), check


@contextmanager
def uplinks(folder: Path) -> Iterator[tuple[Examples, Check]]:
    """Uplinks of The Things Network, v3 and v2, and the bytes of kits on every port."""
    with journal(folder) as take:
        whole = [path.read_bytes() for path in sorted((SAMPLES / "ttn").glob("*.json"))]
        state = State()
        made = Uplinks(Nodes({}, Rule(), state), Wanted(signal=True, prefer="bytes"), state)

        def check(example: tuple[bytes, int, bytes]) -> None:
            message, port, payload = example
            with suppress(ValueError):
                take(list(made.of(message)))
            with suppress(ValueError):
                ports.read(port, payload)

        yield st.tuples(damaged(whole, JSON), st.integers(0, 255), st.binary(max_size=60)), check
