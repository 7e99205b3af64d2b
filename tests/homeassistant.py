"""What Home Assistant takes, written from its documentation: rules of a device message, and what it makes of a state.

Device messages: integrations/mqtt, "Discovery messages and availability"; sensors:
integrations/sensor.mqtt and integrations/sensor; units and state classes of each device
class: developers.home-assistant.io, "Sensor entity".
"""

import json
import re

MASS = {"µg/m³"}
UNITS = {
    "pm1": MASS, "pm25": MASS, "pm4": MASS, "pm10": MASS, "temperature": {"°C", "°F", "K"}, "humidity": {"%"},
    "absolute_humidity": {"g/m³", "mg/m³"}, "carbon_dioxide": {"ppm"}, "carbon_monoxide": {"ppm"},
    "atmospheric_pressure": {"cbar", "bar", "hPa", "mmHg", "inHg", "kPa", "mbar", "mPa", "Pa", "psi"},
    "nitrogen_dioxide": MASS, "nitrogen_monoxide": MASS, "ozone": MASS, "sulphur_dioxide": MASS,
    "volatile_organic_compounds": MASS | {"mg/m³"}, "volatile_organic_compounds_parts": {"ppm", "ppb"},
    "sound_pressure": {"dB", "dBA"}, "aqi": {None}, "illuminance": {"lx"},
    "wind_speed": {"ft/s", "km/h", "kn", "m/s", "mph", "Beaufort", "mm/s"}, "wind_direction": {"°"},
    "precipitation": {"cm", "in", "mm"}, "precipitation_intensity": {"in/d", "in/h", "mm/d", "mm/h"},
    "distance": {"km", "m", "cm", "mm", "mi", "nmi", "yd", "in"}, "signal_strength": {"dB", "dBm"}, "battery": {"%"},
    "voltage": {"V", "mV", "µV", "kV", "MV"}, "duration": {"d", "h", "min", "s", "ms", "µs"},
}  # fmt: skip
STATES = {"measurement", "measurement_angle", "total", "total_increasing"}
ROOT = {"dev", "o", "stat_t", "avty", "qos", "cmps"}
DEVICE = {"ids": list, "name": str, "mf": str, "mdl": str, "sn": str}
COMPONENT = {
    "p": str, "uniq_id": str, "name": str, "val_tpl": str, "dev_cla": str, "unit_of_meas": str, "stat_cla": str,
    "sug_dsp_prc": int, "exp_aft": int, "ent_cat": str,
}  # fmt: skip
ID = re.compile(r"[A-Za-z0-9_-]+")
TEMPLATE = re.compile(r"\{\{ value_json\.get\((\".*\")\) \}\}", re.DOTALL)


def device(payload):
    """The components of a device message by key; AssertionError where Home Assistant would refuse or complain."""
    message = json.loads(payload)
    assert message.keys() <= ROOT
    assert message.keys() >= ROOT - {"avty"}
    assert message["qos"] in (0, 1, 2)
    assert message["dev"]["ids"]
    assert all(type(value) is DEVICE[key] for key, value in message["dev"].items())
    assert message["o"]["name"]
    assert message["o"].keys() <= {"name", "sw", "url"}
    for each in message.get("avty", ()):
        assert each.keys() == {"t"}  # online and offline are what it waits for by itself
    sensors = {key: each for key, each in message["cmps"].items() if each != {"p": "sensor"}}
    for key, each in sensors.items():
        sensor(key, each)
    assert len({each["uniq_id"] for each in sensors.values()}) == len(sensors)
    return message


def sensor(key, each):
    """The rules for one sensor."""
    assert ID.fullmatch(key)
    assert ID.fullmatch(each["uniq_id"])
    assert each["p"] == "sensor"
    assert each.keys() <= COMPONENT.keys()
    assert all(type(value) is COMPONENT[name] for name, value in each.items())
    assert each["name"]
    assert each["exp_aft"] > 0
    assert TEMPLATE.fullmatch(each["val_tpl"])
    device_class, unit, state = each.get("dev_cla"), each.get("unit_of_meas"), each.get("stat_cla")
    assert unit != ""
    if device_class:
        assert unit in UNITS[device_class]
    assert state in STATES | {None}
    if device_class not in ("precipitation", "distance"):
        assert state in ("measurement", "measurement_angle", None)
    assert (state == "measurement_angle") == (device_class == "wind_direction")
    assert each.get("ent_cat") in ("diagnostic", None)
    if "sug_dsp_prc" in each:
        assert state
        assert each["sug_dsp_prc"] >= 0


def shown(each, payload):
    """The state that a sensor takes on from a message; None is unknown."""
    values = json.loads(payload)
    name = json.loads(TEMPLATE.fullmatch(each["val_tpl"])[1])
    text = str(values.get(name))
    if text == "None":
        return None
    if each.get("unit_of_meas") or each.get("stat_cla") or each.get("dev_cla"):
        float(text)  # else it complains: a sensor with a unit or a class has a numeric value
    assert len(text) <= 255
    return text


class Home:
    """What a Home Assistant makes of the messages of a broker: entities by their unique ids, and their states."""

    def __init__(self, prefix="homeassistant"):
        self.prefix = prefix
        self.filters = (f"{prefix}/+/+/config", f"{prefix}/+/+/+/config")
        self.devices = {}
        self.states = {}
        self._said = {}

    @property
    def online(self):
        """Whether each device is there, by its id."""
        return {
            each["dev"]["ids"][0]: all(self._said.get(topic["t"]) == "online" for topic in each.get("avty", ()))
            for each in self.devices.values()
        }

    def take(self, heard):
        """Take in one message."""
        self._said[heard.topic] = heard.payload
        *_, last = levels = heard.topic.split("/")
        if levels[0] == self.prefix and last == "config":
            self._configure(heard.topic, heard.payload)
        for message in self.devices.values():
            if heard.topic == message["stat_t"]:
                for each in message["cmps"].values():
                    self.states[each["uniq_id"]] = shown(each, heard.payload)

    def _configure(self, topic, payload):
        if not payload:
            for key in self.devices.pop(topic, {"cmps": {}})["cmps"]:
                self.states.pop(key, None)
            return
        message = device(payload)
        before = self.devices.get(topic, {"cmps": {}})["cmps"]
        for key, each in list(message["cmps"].items()):
            if each == {"p": "sensor"}:
                self.states.pop(key, None)
                before.pop(key, None)
                del message["cmps"][key]
            else:
                self.states.setdefault(key, None)
        message["cmps"] = before | message["cmps"]  # what is only left out stays until the next start
        self.devices[topic] = message
