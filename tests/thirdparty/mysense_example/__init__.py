"""A sensor and a channel for mysense."""
