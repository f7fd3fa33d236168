"""Transports: read and validate HTTP requests, dispatch them, write JSON or event streams."""
