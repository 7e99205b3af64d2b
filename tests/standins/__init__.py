"""Stand-ins for servers that are not to be had as Debian packages: each says which public description it follows.

They are strict: what the description does not name (a path, a parameter, a query of another form) is refused.
"""
