"""A relay by way of a broker with TLS, passwords and a list of rights, as one stands in the open."""

import json
import ssl

import trustme

from tests.fleet import Fleet, once
from tests.kit import mysense, until
from tests.mqtt import Loader
from tests.relay import Relay
from tests.servers import Mosquitto

RIGHTS = """\
user kits
topic write IoS/Fleet/+
user relay
topic read IoS/#
"""


def test_a_broker_with_encryption_passwords_and_rights_is_relayed_as_any(tmp_path):
    authority, fleet = trustme.CA(), Fleet(3)
    ca, certificate, secret = (tmp_path / name for name in ("ca.pem", "certificate.pem", "password"))
    authority.cert_pem.write_to_path(ca)
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    tls = ssl.create_default_context(cafile=str(ca))
    subscriber = f"ssl = yes\nca_file = {ca}\nuser = relay\npassword_file = {secret}"
    with Mosquitto(
        tmp_path / "broker",
        passwords={"kits": "sunshine", "relay": "acacadabra"},
        acl=RIGHTS,
        certificate=certificate,
        more=f"cafile {ca}",
    ) as broker:
        loader = Loader(broker, user="kits", password="sunshine", tls=tls)
        relay = Relay(tmp_path / "relay", broker, subscriber=subscriber)
        with relay:
            until(lambda: relay.taking()["state"] == "waiting")
            assert "does not let us in: see user and password" in relay.taking()["message"]
            secret.write_text("acacadabra\n")  # it is mended, and nobody has to be told
            relay.listens()
            loader.load(fleet.messages(range(1_000)))
            relay.stop()
            loader.load(fleet.messages(range(1_000, 2_000)))
            checked = json.loads(mysense("check", "-c", relay.conf, "--json").stdout)
            relay.start()
            # What these kits have no right to write does not come in.
            loader.load(Fleet(3, "Stranger").messages(range(3)))
            loader.load(fleet.messages(range(2_000, 2_100)))
            wanted = fleet.marks(range(2_100))
            until(lambda: len(relay.files()) >= len(wanted))

    once(relay.files(), wanted, "in the CSV files")
    assert "acacadabra" not in relay.log.read_text()
    assert all(each["ok"] for each in checked), checked
