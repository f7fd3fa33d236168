"""The clients that people use, each in an environment of its own, against this server."""
