"""What is wrong with the www plugins of a configuration, as far as they concern our pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

from buildbot_koji.arguments.checks import nearest
from buildbot_koji.arguments.places import line_of_key

PLUGIN = "koji"


def mistakes_in_options(options: Any) -> Iterator[str]:
    """Yield what is wrong with the options of the www plugin."""
    if isinstance(options, Mapping):
        given = ", ".join(sorted(map(str, options)))
        found = f"not {given}" if given else None
    else:
        found = None if options is True else f"not {options!r:.200}"
    if found is not None:
        yield f"www plugin 'koji' takes no options, {found}: did you mean 'koji': {{}}?"


def mistakes_in_plugins(www: Any, file: str) -> Iterator[str]:
    """Yield what is wrong with our plugin in ``c["www"]``, with the file and the line."""
    plugins = www.get("plugins") if isinstance(www, Mapping) else None
    if not isinstance(plugins, Mapping):
        if plugins is not None:
            # Buildbot starts with an AttributeError.
            said = f"plugins={plugins!r:.200} must be a dictionary, such as {{'koji': {{}}}}"
            yield f"{line_of_key(file, 'plugins')}: c['www']: {said}"
        return
    if PLUGIN in plugins:
        where = line_of_key(file, PLUGIN, "plugins")
        yield from (f"{where}: {each}" for each in mistakes_in_options(plugins[PLUGIN]))
        return
    installed = {each.name for each in entry_points(group="buildbot.www")}
    for name in plugins:
        if name not in installed and nearest(str(name), [PLUGIN]) is not None:
            said = f"www plugin '{name}' is not installed: did you mean koji?"
            yield f"{line_of_key(file, str(name), 'plugins')}: {said}"
