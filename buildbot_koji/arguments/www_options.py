"""Check the options of the Koji pages, ``c["www"]["plugins"]["koji"]``: there are none."""

from __future__ import annotations

from functools import wraps
from typing import Any

from buildbot.config.errors import error as config_error
from buildbot.config.master import MasterConfig

__all__ = ["check_www_options", "wrong_options"]

_LOAD = MasterConfig.load_www


def wrong_options(options: object) -> str | None:
    """Return what is wrong with the options of the pages, None if nothing is. Pure."""
    if options == {}:
        return None
    found = ", ".join(sorted(map(str, options))) if isinstance(options, dict) else repr(options)
    return f"takes no options: write {{}} instead of {found}"


@wraps(_LOAD)
def _load_www(self: MasterConfig, filename: str, config_dict: dict[str, Any]) -> None:
    _LOAD(self, filename, config_dict)
    plugins = self.www.get("plugins")
    if isinstance(plugins, dict) and "koji" in plugins:
        complaint = wrong_options(plugins["koji"])
        if complaint is not None:
            config_error(f"c['www']['plugins']['koji'] {complaint}")


def check_www_options() -> None:
    """Let each load of a configuration check them: Buildbot asks no plugin of its pages to."""
    MasterConfig.load_www = _load_www  # type: ignore[method-assign]
