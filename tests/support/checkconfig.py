"""What Buildbot says of a configuration when it reads it."""

from __future__ import annotations

from typing import Any

from buildbot.config.errors import capture_config_errors


def mistakes(plugin: Any, /, *args: Any, **arguments: Any) -> list[str]:
    """Return what checkconfig says of a configuration with a plugin."""
    with capture_config_errors() as errors:
        plugin(*args, **arguments)
    return list(errors.errors)
