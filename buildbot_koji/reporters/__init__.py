"""Reporters: they answer Buildbot's results with tags in Koji and messages for CI."""
