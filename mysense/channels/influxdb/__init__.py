"""InfluxDB 1, 2 and 3: a database for each node, with what it is (``info``) and what it measured (``data``)."""

from mysense.channels.influxdb.publisher import Publisher as Publisher
from mysense.channels.influxdb.subscriber import Subscriber as Subscriber
