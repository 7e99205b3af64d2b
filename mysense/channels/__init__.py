"""Channels: each module here has a class ``Publisher``, a class ``Subscriber``, or both."""
