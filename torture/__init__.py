"""Programmes that do their worst to mysense for minutes, and count afterwards what arrived."""
