"""Processors: each module here has a class ``Processor``; its name is a verb."""
