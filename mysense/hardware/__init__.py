"""What sensors of anybody share: I2C buses, serial lines, files of the kernel."""
