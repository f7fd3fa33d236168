"""Calls of a session: running them, streaming, requests to the client, recovery after a crash."""
