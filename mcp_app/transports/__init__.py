"""Transports: they read HTTP, check it, hand it over, and write JSON or event streams."""
