"""Calls of a session: how one runs, becomes a stream, asks its client, and outlives its process."""
