"""What the channels that speak MQTT share."""
