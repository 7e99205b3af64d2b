"""MQTT: telegrams to a broker, from kits to relays and on, and kits shown in Home Assistant."""

from mysense.channels.mqtt.publisher import Publisher as Publisher
from mysense.channels.mqtt.subscriber import Subscriber as Subscriber
