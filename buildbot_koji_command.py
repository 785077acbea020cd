"""The command ``buildbot-koji`` from its first moment: nothing slow is imported before Ctrl-C."""

__all__ = ["main"]


def main() -> int:
    """Run the command; returns its exit status."""
    try:
        from buildbot_koji.__main__ import main as run

        return run()
    except KeyboardInterrupt:
        return 130
