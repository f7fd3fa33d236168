"""Settings of projects that have one of the apps: each starts, and passes its tests, without the other."""
