"""The command ``buildbot-koji``."""
