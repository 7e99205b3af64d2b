"""The Things Network: uplinks of LoRaWAN devices, from a Things Stack (v3) or as version 2 had them."""

from mysense.channels.ttn.subscriber import Subscriber as Subscriber
