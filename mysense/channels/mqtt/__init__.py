"""MQTT: telegrams to and from a broker, and kits shown in Home Assistant."""

from mysense.channels.mqtt.publisher import Publisher as Publisher
