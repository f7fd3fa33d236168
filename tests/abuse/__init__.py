"""The abuse run: hostile input, and floods, against real processes that others use at the same time."""
