"""What the channels that speak InfluxDB share: points, and the telegrams they stand for."""
