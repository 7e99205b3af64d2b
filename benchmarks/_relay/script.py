"""A relay as people write it: paho and the package influxdb, a write for 1,000 telegrams or a second.

usage: script.py BROKER-PORT INFLUXD-PORT [DATABASE]; without DATABASE each node has its own
"""

import json
import sys
import threading

import paho.mqtt.client as mqtt
from influxdb import InfluxDBClient

BATCH, SECONDS = 1000, 1.0
broker, server = int(sys.argv[1]), int(sys.argv[2])
database = sys.argv[3] if len(sys.argv) > 3 else None
influx = InfluxDBClient("127.0.0.1", server, database=database)
points: list[dict] = []
lock = threading.Lock()


def write() -> None:
    """Write what has come, in a request for each database."""
    global points
    with lock:
        batch, points = points, []
        groups: dict[str, list[dict]] = {}
        for point in batch:
            tags = point["tags"]
            groups.setdefault(database or f"{tags['project']}_{tags['serial']}", []).append(point)
        for name, group in groups.items():
            try:
                influx.write_points(group, database=name, time_precision="s")
            except Exception as error:  # as people do: say it, and go on with what comes next
                print("not written:", error, flush=True)


def on_connect(client, userdata, flags, reason, properties) -> None:
    client.subscribe("IoS/#", qos=1)


def on_message(client, userdata, message) -> None:
    telegram = json.loads(message.payload)
    metadata, data = telegram["metadata"], telegram["data"]
    when = data.pop("time")
    tags = {"project": metadata["project"], "serial": metadata["serial"]}
    points.append({"measurement": "data", "tags": tags, "time": when, "fields": data})
    if len(points) >= BATCH:
        write()


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bench", clean_session=False)
client.on_connect, client.on_message = on_connect, on_message
client.connect("127.0.0.1", broker)
client.loop_start()
while not threading.Event().wait(SECONDS):
    write()
