"""Widely used clients, each in its own environment, against this server."""
