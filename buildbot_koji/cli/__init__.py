"""The command ``buildbot-koji``."""


class Mistake(Exception):
    """What the user has to change; the text says it in one line."""
