"""The pages of the tour, one module a theme; tests/tour/features.py puts them in order."""
