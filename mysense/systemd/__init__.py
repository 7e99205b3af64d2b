"""A kit as a service: what systemd is told while it runs, and the files that make it one."""
