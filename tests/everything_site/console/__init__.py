"""Tests of the program `everything-server`; tests/packaging runs it."""
