"""A listener that speaks InfluxDB: what others write into an InfluxDB, they write into mysense."""

from mysense.channels.influxlisten.subscriber import Subscriber as Subscriber
