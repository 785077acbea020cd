"""Which hubs a configuration names, and what Koji's configuration files say of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from buildbot_koji.arguments.plugins import DeclaredArguments
from txkoji import Profile, profiles
from txkoji.exceptions import ConfigurationError


def configured_profile(name: str) -> Profile | None:
    """Return what the files say of a profile now; None if it can't be used."""
    try:
        return profiles.load(name)
    except ConfigurationError:
        return None


def may_name(config: Any, profile: str) -> bool:
    """Return whether a plugin of a master's configuration may use the hub of a profile."""
    names = [getattr(each, "profile", each) for each in configured_hubs(config)]
    # A renderable may name any hub.
    return profile in names or not all(isinstance(each, str) for each in names)


def configured_hubs(config: Any) -> Iterator[Any]:
    """Yield the hubs that the plugins of a configuration name, each as its argument does."""
    for plugin in (*config.change_sources, *config.services.values()):
        if isinstance(plugin, DeclaredArguments) and plugin.declared_values.get("profile"):
            yield plugin.declared_values["profile"]
    for builder in config.builders:
        for step in builder.factory.steps:
            if issubclass(step.step_class, DeclaredArguments):
                named = step.kwargs.get("profile", step.args[0] if step.args else None)
                yield from () if named is None else (named,)
