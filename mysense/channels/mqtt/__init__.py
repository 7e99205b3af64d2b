"""Telegrams over an MQTT broker: from kits to relays, and on."""

from mysense.channels.mqtt.subscriber import Subscriber as Subscriber
