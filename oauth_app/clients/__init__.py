"""Clients: their metadata, how they authenticate, and those that may introspect tokens."""
