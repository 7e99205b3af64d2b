"""Simulated devices, one a module, named after the sensor that reads it; ``mysense.testing.serial`` plays them."""
