"""Sensor kits that lose nothing: measure, keep, publish, relay."""

__version__ = "0.1.0"
