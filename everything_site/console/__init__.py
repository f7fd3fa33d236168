"""The program `everything-server`: this project from its wheel, without a checkout."""
