"""Floods by one person or one stranger, and their effect on the server and on somebody else."""
