"""Sensors: each module here has a class ``Sensor``."""
