"""What sensors of anybody share: I2C buses, serial lines, files of the kernel.

A sensor on I2C derives from ``chip.Chip``, one on a serial line from ``serial.SerialSensor``; each needs nothing
else of this package. docs/add-a-sensor.md has an example of both.
"""
