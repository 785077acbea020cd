"""Koji drives Buildbot: the change source, its filter, and the switch that pauses it."""
