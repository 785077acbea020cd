"""What a ``master.cfg`` wants of each hub: read from what its plugins declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
from buildbot.process.buildstep import BuildStep

from buildbot_koji.arguments.checks import is_renderable
from buildbot_koji.arguments.plugins import DeclaredArguments, DeclaredObject
from buildbot_koji.changes.change_filter import KojiChangeFilter
from buildbot_koji.hubs.brokers import KojiBroker
from buildbot_koji.hubs.koji_hub import profile_name
from txkoji import Connection, is_glob, matches

TAGS = (
    "tag",
    "tags",
    "from_tag",
    "to_tag",
    "basetag",
    "sidetag",
    "other",
    "latestfrom",
    "source_tag",
)
TARGETS = ("target", "targets")
PACKAGES = ("packages",)
ARCHES = ("arch", "arches", "arch_override", "can_fail")
CHANNELS = ("channel",)

OWN_CHANNELS: Mapping[str, str] = {
    "KojiBuild": "default",
    "KojiBuildSRPM": "default",
    "KojiChainBuild": "default",
    "KojiMassBuild": "default",
    "KojiMavenBuild": "maven",
    "KojiWinBuild": "vm",
}
"""The channel of a step that names none, by the name of the step, unless a policy decides."""

WRITTEN_TAGS: Mapping[str, tuple[str, ...]] = {
    "KojiMassTag": ("to_tag",),
    "KojiMove": ("from_tag", "to_tag"),
    "KojiTag": ("tag",),
    "KojiUntag": ("tag",),
}
"""The arguments that name the tags whose builds a step changes, by the step's name."""

PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "KojiDistRepo": ("dist-repo",),
    "KojiImageBuild": ("image", "livecd", "appliance", "livemedia"),
    "KojiKiwiBuild": ("image",),
    "KojiOSBuild": ("image",),
    "KojiRegenRepo": ("regen-repo", "repo"),
    "KojiRunroot": ("runroot",),
}
"""A permission, one of several, that Koji asks for by default; by the name of the step."""

PLUGINS: Mapping[str, str] = {
    "KojiContainerBuild": "buildContainer",
    "KojiCreateSideTag": "createSideTag",
    "KojiKiwiBuild": "kiwiBuild",
    "KojiOSBuild": "osbuildImage",
    "KojiRemoveSideTag": "removeSideTag",
    "KojiRunroot": "runroot",
}
"""The hub method without which a step can't work; by the name of the step."""


@attrs.define
class HubNeeds:
    """What is wanted of one hub. Names with a glob or a property in them are left out.

    Attributes:
        profile: a profile's name, or a ``util.KojiHub``.
        logs_in: something writes.
        tags: names of tags, each with who names it.
        written_tags: the tags among them that builds go into or out of.
        targets: names of build targets, each with who names it.
        packages: names of packages by tag, each with who names it.
        channels: names of channels, each with who names it.
        users: names of users, each with who names it.
        build_types: names of types of builds, each with who names it.
        arches: architectures, each with the kind and name of the tag or target that is to have it,
            and with who names it.
        repos: ids of repos, each with the kind and name of what it is to be a repo of, and with who
            names it.
        mass: names of targets and of all packages of a mass build for them, each with who builds.
        permissions: sets of permissions of which one is needed, each with who needs it.
        methods: hub methods that must be there, each with who needs it.
        brokers: the brokers that its messages are received from.
        publishers: the brokers that messages about its builds are only published to.
        downloads: something reads kojifiles.
    """

    profile: Any
    logs_in: bool = False
    tags: dict[str, str] = attrs.field(factory=dict)
    written_tags: set[str] = attrs.field(factory=set)
    targets: dict[str, str] = attrs.field(factory=dict)
    packages: dict[str, str] = attrs.field(factory=dict)
    channels: dict[str, str] = attrs.field(factory=dict)
    users: dict[str, str] = attrs.field(factory=dict)
    build_types: dict[str, str] = attrs.field(factory=dict)
    arches: dict[tuple[str, str, str], str] = attrs.field(factory=dict)
    repos: dict[tuple[int, str, str], str] = attrs.field(factory=dict)
    mass: dict[tuple[str, tuple[str, ...]], str] = attrs.field(factory=dict)
    permissions: dict[tuple[str, ...], str] = attrs.field(factory=dict)
    methods: dict[str, str] = attrs.field(factory=dict)
    brokers: list[KojiBroker] = attrs.field(factory=list)
    publishers: list[KojiBroker] = attrs.field(factory=list)
    downloads: bool = False


def wanted_of(config: Any) -> list[HubNeeds]:
    """Return what a ``MasterConfig`` wants of each hub that it names."""
    found: dict[tuple[str, ...], HubNeeds] = {}
    listening: list[tuple[Mapping[str, Any], HubNeeds]] = []
    for plugin, where in _plugins(config):
        hub = plugin.declared_values.get("profile")
        if hub is None or (is_renderable(hub) and not hasattr(hub, "complaints_about")):
            continue
        # Two with different credentials have the same name.
        values = getattr(hub, "declared_values", {}).values()
        key = (repr(hub), *(str(getattr(each, "secret_name", each)) for each in values))
        _add(found.setdefault(key, HubNeeds(hub)), plugin, where)
        if where.startswith("change source"):
            listening.append((plugin.declared_values, found[key]))
    for values, where in _filters(config):
        hubs = {
            id(needs): needs for source, needs in listening if not _unmet(values, source, NAMES)
        }
        # Which hub is to have what it names is known if all its changes come from one.
        if len(hubs) == 1:
            [needs] = hubs.values()
            for argument in ("tags", "targets", "packages", "users", "build_types"):
                for name in _plain_names(values[argument]):
                    getattr(needs, argument).setdefault(name, where)
            for name in _plain_names(values["owners"]):
                needs.users.setdefault(name, where)
    return list(found.values())


def deaf_filters(config: Any) -> Iterator[tuple[str, str]]:
    """Yield the owner of each change filter that no source's changes can pass, and why none can."""
    sources = [
        each.declared_values
        for each, where in _plugins(config)
        if where.startswith("change source")
    ]
    for values, where in _filters(config):
        unmet = [_unmet(values, each, (*NAMES, *KINDS)) for each in sources]
        if all(unmet):
            reasons = (
                f"{each['name']} has {words}" for each, words in zip(sources, unmet, strict=True)
            )
            yield where, "; ".join(reasons) or "there is no change source"


NAMES = {"sources": "name", "hubs": "profile"}
KINDS = ("events", "tags", "packages", "targets", "owners")
"""Arguments that change filters and change sources share; ``NAMES`` maps those that differ."""


def _unmet(wanted: Mapping[str, Any], source: Mapping[str, Any], arguments: Iterable[str]) -> str:
    """Return in words what a change source lacks that a filter wants, empty if nothing."""
    for argument in arguments:
        name = NAMES.get(argument, argument)
        given = profile_name(source[name]) if name == "profile" else source[name]
        globs = [given] if isinstance(given, str) else list(given)
        # A source that names none reports all; only without tags it reports no tagging.
        is_open = not globs and argument != "tags"
        if wanted[argument] is None or is_open or (argument == "tags" and source["inherited"]):
            continue
        if not any(_may_match(a, b) for a in wanted[argument] for b in globs):
            other = f"other {name}" if name in KINDS else f"another {name}"
            return f"{other} than {', '.join(wanted[argument])}"
    return ""


def _may_match(one: str, other: str) -> bool:
    return matches(one, [other]) or matches(other, [one]) or (is_glob(one) and is_glob(other))


def _filters(config: Any) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield the arguments of our change filters, each with the scheduler that has it."""
    for scheduler in config.schedulers.values():
        # A scheduler that has not started has only its arguments.
        for each in {**vars(scheduler), **vars(scheduler).get("_config_kwargs", {})}.values():
            if isinstance(each, KojiChangeFilter):
                yield each.declared_values, f"scheduler {scheduler.name}"


def _plugins(config: Any) -> Iterator[tuple[Any, str]]:
    """Yield our plugins in a configuration, each with where it is."""
    for kind, services in (
        ("change source", config.change_sources),
        ("reporter", config.services.values()),
    ):
        for service in services:
            if isinstance(service, DeclaredArguments):
                yield service, f"{kind} {service.declared_values['name']}"
    for builder in config.builders:
        for factory in builder.factory.steps:
            step = factory.buildStep() if hasattr(factory, "buildStep") else factory
            if isinstance(step, DeclaredArguments) and isinstance(step, BuildStep):
                yield step, f"builder {builder.name}"


def _add(wanted: HubNeeds, plugin: Any, where: str) -> None:
    kind = type(plugin).__name__
    is_source = where.startswith("change source")
    wanted.logs_in |= plugin.logs_in
    wanted.downloads |= kind.startswith("KojiDownload")
    known = {
        TAGS: wanted.tags,
        TARGETS: wanted.targets,
        CHANNELS: wanted.channels,
        ("build_types",): wanted.build_types,
    }
    # util.KojiPackages names a tag, too.
    values = plugin.declared_values.values()
    for named in (plugin, *(each for each in values if isinstance(each, DeclaredObject))):
        for names, into in known.items():
            for name in _names(named, names):
                into.setdefault(name, where)
    if kind in OWN_CHANNELS and plugin.declared_values["channel"] is None:
        wanted.channels.setdefault(OWN_CHANNELS[kind], where)
    wanted.written_tags.update(_names(plugin, WRITTEN_TAGS.get(kind, ())))
    for name in _names(plugin, ("on_success", "on_failure")):
        wanted.tags.setdefault(name, where)
        wanted.written_tags.add(name)
    is_latest = plugin.declared_values.get("latestfrom") is not None
    for name in _names(plugin, PACKAGES if is_source else ("build_name",) if is_latest else ()):
        wanted.packages.setdefault(name, where)
    root = next(_build_roots(plugin), ("", ""))
    for arch in _names(plugin, ARCHES):
        wanted.arches.setdefault((arch, *root), where)
    repo_id = plugin.declared_values.get("repo_id")
    if isinstance(repo_id, int):
        wanted.repos.setdefault((repo_id, *root), where)
    skips = plugin.declared_values.get("skip_unknown")
    if kind == "KojiMassBuild" and not skips and (built := tuple(_names(plugin, PACKAGES))):
        for target in _names(plugin, ("target",)):
            wanted.mass.setdefault((target, built), where)
    if kind in PERMISSIONS:
        wanted.permissions.setdefault(PERMISSIONS[kind], where)
    if kind in PLUGINS:
        wanted.methods.setdefault(PLUGINS[kind], where)
    priority = plugin.declared_values.get("priority")
    is_urgent = isinstance(priority, int) and priority < 0
    if is_urgent or (kind == "KojiTask" and plugin.hub_method is False):
        wanted.permissions.setdefault(("admin",), where)
    elif kind in {"KojiCall", "KojiTask"} and isinstance(plugin.method, str):
        wanted.methods.setdefault(plugin.method, where)
    of_hub = getattr(wanted.profile, "declared_values", {}).get("bus")
    of_plugin = plugin.declared_values.get("bus")
    publishes = kind == "KojiCIMessages"
    for bus, brokers in (
        (of_hub, wanted.brokers),
        (of_plugin, wanted.publishers if publishes else wanted.brokers),
    ):
        if isinstance(bus, KojiBroker) and bus not in brokers:
            brokers.append(bus)


def _build_roots(plugin: Any) -> Iterator[tuple[str, str]]:
    """Yield the kind and name of the tag or target in whose build root a step works."""
    # A dist repo may have architectures that its tag lacks.
    for kind in ("target", "tag") if type(plugin).__name__ != "KojiDistRepo" else ():
        for name in _names(plugin, (kind,)):
            yield kind, name


def _names(plugin: Any, arguments: Iterable[str]) -> Iterator[str]:
    """Yield the names that a plugin's arguments give, those that are known before a build."""
    for argument in arguments:
        yield from _plain_names(plugin.declared_values.get(argument))


def _plain_names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, str):
        value = value.split()
    for each in value if isinstance(value, (list, tuple)) else ():
        if isinstance(each, str) and each and not is_glob(each) and "%(" not in each:
            yield each


@attrs.define
class Examined:
    """A hub under examination.

    Attributes:
        connection: the connection to it.
        wanted: what is wanted of it.
        is_reachable: it answers as a hub does.
        can_log_in: no credential is known to be unusable.
        user: who we are, None until the login.
        held: the permissions of the user; none before the login.
        destinations: the tags that builds go into, by the targets.
        arches: the architectures of the build tags, by the targets.
        build_tags: the build tags, by the targets.
    """

    connection: Connection
    wanted: HubNeeds
    is_reachable: bool = False
    can_log_in: bool = True
    user: Any = None
    held: set[str] = attrs.field(factory=set)
    destinations: dict[str, str] = attrs.field(factory=dict)
    arches: dict[str, str] = attrs.field(factory=dict)
    build_tags: dict[str, str] = attrs.field(factory=dict)

    def build_tag(self, kind: str, name: str) -> str | None:
        """Return the tag of a build root by a tag or target, None if it is unknown."""
        return name if kind == "tag" else self.build_tags.get(name)
