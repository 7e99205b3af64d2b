"""MQTT packets as a broker sends them, made by hand (MQTT 3.1.1 and 5, chapters 2 and 3)."""


def length(number):
    """The remaining length of a packet."""
    made = b""
    while True:
        number, digit = number >> 7, number & 127
        made += bytes([digit | 128 if number else digit])
        if not number:
            return made


def packet(head, body=b""):
    return bytes([head]) + length(len(body)) + body


def publish(topic, payload, number=1, *, retain=False, again=False, version=5, properties=b""):
    """A message; *number* 0 is QoS 0."""
    name = topic if isinstance(topic, bytes) else topic.encode()
    body = len(name).to_bytes(2, "big") + name
    if number:
        body += number.to_bytes(2, "big")
    if version == 5:
        body += length(len(properties)) + properties
    return packet(0x30 | again << 3 | bool(number) << 1 | retain, body + payload)


def user_property(name, value):
    """A property that anybody may add (MQTT 5, 3.3.2.3.7)."""
    parts = (each.encode() for each in (name, value))
    return b"\x26" + b"".join(len(each).to_bytes(2, "big") + each for each in parts)


CONNACK = {4: packet(0x20, b"\0\0"), 5: packet(0x20, b"\0\0\0")}
SUBACK = packet(0x90, b"\0\1\0\1")
PINGRESP = b"\xd0\0"
