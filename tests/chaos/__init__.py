"""The chaos run: clients at work while processes die and connections to Redis are cut."""
