"""Buildbot plugins for Koji."""
