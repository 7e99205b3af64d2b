"""Simulated chips for the simulated I2C bus: registers, commands, timing and states as the data sheets tell them.

Each module has a class ``Chip`` with what there is to measure as attributes (``temp``, ``rh``,
``hpa``, ``co2``), to be changed at any time.
"""
