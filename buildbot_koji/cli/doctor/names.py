"""Whether a hub has what the configuration names: targets, tags, packages, channels."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from typing import Any

from buildbot_koji.arguments.checks import nearest
from buildbot_koji.cli.doctor.findings import Finding, error, ok, warning
from buildbot_koji.cli.doctor.wanted import Examined
from buildbot_koji.database_values import number
from buildbot_koji.error_messages import add_package, grant_permission
from buildbot_koji.hubs.survey import ready_hosts
from buildbot_koji.mass.packages import listed_packages, unlisted
from buildbot_koji.words import counted, named
from txkoji import task_states

_DELETED = 3
"""The state of a repo whose files the hub has deleted."""


async def targets(examined: Examined) -> AsyncIterator[Finding]:
    """Check that the build targets exist, and that builds for them can succeed."""
    koji, wanted = examined.connection, examined.wanted
    if not wanted.targets:
        return
    known = {each.name: each for each in await koji.checked("getBuildTargets") if each.name}
    for name, where in wanted.targets.items():
        target = known.get(name)
        if target is None:
            tags = ("build_tag_name", "dest_tag_name")
            meant = [each for each in known if name in map(known[each].get, tags)]
            remedy = f"it is a tag of the target {meant[0]}: did you mean that?" if meant else ""
            yield _missing("target", name, where, known, remedy)
            continue
        build_tag, destination = str(target.build_tag_name), str(target.dest_tag_name)
        config: Any = await koji.getBuildConfig(build_tag)
        tag = await koji.checked("getTag", destination)
        if not getattr(config, "arches", None):
            yield error(
                f"target {name}",
                f"its build tag {build_tag} has no architectures: every build fails",
                f"koji edit-tag --arches 'x86_64 ...' {build_tag}, by an admin",
            )
        elif tag is not None and tag.locked:
            yield warning(
                f"target {name}",
                f"its tag {destination} is locked: only scratch builds succeed",
                f"koji edit-tag --unlock {destination}, by an admin, or another target",
            )
        elif tag is not None and tag.perm and not examined.held & {tag.perm, "admin"}:
            yield warning(
                f"target {name}",
                f"its tag {destination} takes builds only from users with the permission"
                f" {tag.perm}: only scratch builds succeed",
                grant_permission(tag.perm, getattr(examined.user, "name", "USER")),
            )
        elif config.locked:
            yield warning(
                f"target {name}",
                f"its build tag {build_tag} is locked: what builds are made with can't be changed",
                f"koji edit-tag --unlock {build_tag}, by an admin, or another target",
            )
        else:
            yield ok(f"target {name}", f"{build_tag} -> {destination}")
        examined.arches[name] = str(getattr(config, "arches", None) or "")
        wanted.tags.setdefault(destination, f"target {name}")
        examined.destinations[name] = destination
        examined.build_tags[name] = build_tag


async def tags(examined: Examined) -> AsyncIterator[Finding]:
    """Check that the tags exist, and that we may change those that something changes."""
    koji, wanted = examined.connection, examined.wanted
    for name, where in list(wanted.tags.items()):
        tag = await koji.checked("getTag", name)
        if tag is None:
            # No package can be listed there.
            del wanted.tags[name]
            known = [each.name for each in await koji.checked("listTags")]
            yield _missing("tag", name, where, known)
        elif tag.locked and name in wanted.written_tags:
            yield error(
                f"tag {name}",
                f"is locked; {where} changes it",
                f"koji edit-tag --unlock {name}, by an admin, or another tag",
            )
        elif tag.perm and name in wanted.written_tags and not examined.held & {tag.perm, "admin"}:
            yield warning(
                f"tag {name}",
                f"takes builds only from users with the permission {tag.perm}; {where} changes it",
                grant_permission(tag.perm, getattr(examined.user, "name", "USER")),
            )
        else:
            yield ok(f"tag {name}", "exists")


async def packages(examined: Examined) -> AsyncIterator[Finding]:
    """Check that the packages exist, and may go where builds of them are to go."""
    koji, wanted = examined.connection, examined.wanted
    for name, where in wanted.packages.items():
        if await koji.getPackage(name) is None:
            remedy = f"{add_package('TAG', name)} lists it, if the name is right"
            yield _missing("package", name, where, remedy=remedy)
            continue
        rows = {tag: (await listed_packages(koji, tag, [name])).get(name) for tag in wanted.tags}
        tags = dict.fromkeys(examined.destinations.values())
        blocked = [tag for tag in tags if (rows[tag] or {}).get("blocked")]
        if blocked:
            yield warning(
                f"package {name}",
                f"is blocked in {', '.join(blocked)}, where builds of it are to go",
                f"koji unblock-pkg {blocked[0]} {name}",
            )
            continue
        if rows and all(unlisted(row, tag) for tag, row in rows.items()):
            yield warning(
                f"package {name}",
                f"is listed in none of {', '.join(rows)}",
                add_package(next(iter(rows)), name),
            )
        else:
            yield ok(f"package {name}", "exists")


async def mass_builds(examined: Examined) -> AsyncIterator[Finding]:
    """Check that the packages of mass builds are listed in the destination tags."""
    for (target, names), where in examined.wanted.mass.items():
        tag = examined.destinations.get(target)
        if tag is None:
            continue
        listed = await listed_packages(examined.connection, tag, names)
        if missing := [each for each in names if unlisted(listed.get(each), tag)]:
            yield warning(
                "packages",
                f"{where} builds {len(missing)} of {counted(len(names), 'package')} that are not"
                f" listed in {tag}: {named(missing, 5)}",
                add_package(tag, missing[0]),
            )


async def architectures(examined: Examined) -> AsyncIterator[Finding]:
    """Check that build tags have the architectures that are built or run a command there."""
    for (arch, *root), where in examined.wanted.arches.items():
        name, koji = examined.build_tag(*root), examined.connection
        # Other checks say that there is no such tag, or that it has no architectures.
        if name is None or await koji.checked("getTag", name) is None:
            continue
        config: Any = await koji.getBuildConfig(name)
        arches = str(getattr(config, "arches", None) or "")
        if arches and arch != "noarch" and _family(arch) not in map(_family, arches.split()):
            yield error(
                f"tag {name}",
                f"has no architecture {arch}, which {where} names; it has {arches}",
                f"koji edit-tag --arches '{arches} {arch}' {name}, by an admin, or another arch",
            )


async def repos(examined: Examined) -> AsyncIterator[Finding]:
    """Check that the repos exist, and are of the build tags that they are used for."""
    for (repo_id, *root), where in examined.wanted.repos.items():
        name = examined.build_tag(*root)
        repo: Any = await examined.connection.checked("repoInfo", repo_id)
        check, remedy = f"repo {repo_id}", "without repo_id the newest repo is used"
        if repo is None:
            yield error(check, f"the hub does not have it; {where} names it", remedy)
        elif repo.state == _DELETED:
            yield error(check, f"is deleted; {where} names it", remedy)
        elif name is not None and repo.get("tag_name") not in (None, name):
            text = f"is a repo of {repo.tag_name}, not of {name}; {where} names it"
            yield warning(check, text, remedy)
        else:
            yield ok(check, "exists")


async def users(examined: Examined) -> AsyncIterator[Finding]:
    """Check that the users exist."""
    for name, where in examined.wanted.users.items():
        if await examined.connection.getUser(name) is None:
            yield _missing("user", name, where)


async def build_types(examined: Examined) -> AsyncIterator[Finding]:
    """Check that the types of builds exist."""
    if wanted := examined.wanted.build_types:
        found: Any = await examined.connection.listBTypes()
        known = [str(getattr(each, "name", None)) for each in found or ()]
        for name, where in wanted.items():
            if name not in known:
                yield _missing("btype", name, where, known)


async def channels(examined: Examined) -> AsyncIterator[Finding]:
    """Check that the channels have builders for the targets' architectures."""
    koji = examined.connection
    names = examined.wanted.channels or {"default": "Koji"}
    arches: set[str] = set()
    for name, where in names.items():
        channel = await koji.checked("getChannel", name)
        if channel is None:
            known = [each.name for each in await koji.checked("listChannels")]
            yield _missing("channel", name, where, known)
            continue
        hosts = ready_hosts(await koji.checked("listHosts", channelID=name, enabled=True))
        # What Maven and Windows build is of no architecture of the build tag.
        if name not in ("maven", "vm"):
            found = (arch for each in hosts for arch in str(each.get("arches")).split())
            arches.update(map(_family, found))
        waiting = await koji.listTasks(
            {"state": [task_states.FREE], "channel_id": channel.id}, {"countOnly": True}
        )
        is_enabled = channel.get("enabled") is not False
        yield _channel(name, is_enabled, len(hosts), int(number(waiting) or 0))
    for target, wanted in examined.arches.items():
        lacking = [arch for arch in wanted.split() if arches and _family(arch) not in arches]
        if lacking:
            yield warning(
                f"target {target}",
                f"no builder for {', '.join(lacking)} is ready in the channel {', '.join(names)}",
                "koji list-hosts --arch shows why; builds of that architecture wait until one is",
            )


def _channel(name: str, is_enabled: bool, builders: int, waiting: int) -> Finding:
    check, tasks = f"channel {name}", f"{counted(waiting, 'task')} waiting"
    if not is_enabled:
        remedy = f"koji enable-channel {name}, by an admin; tasks wait until it is enabled"
        return warning(check, f"is disabled, {tasks}", remedy)
    if not builders:
        remedy = "koji list-hosts --channel shows why; tasks wait until one is"
        return warning(check, f"no builder is ready, {tasks}", remedy)
    return ok(check, f"{counted(builders, 'builder')} ready, {tasks}")


def _family(arch: str) -> str:
    """Return an architecture as hosts name it: a host for i386 takes what is built for i686."""
    return "arm" if arch.startswith("arm") else re.sub("^i[3-6]86$", "i386", arch)


def _missing(
    kind: str, name: str, where: str, known: Iterable[str] = (), remedy: str = ""
) -> Finding:
    """Return that the hub lacks what the configuration names, and what may have been meant."""
    near = nearest(name, known)
    lists = f"did you mean {near}?" if near else f"koji list-{kind}s lists those it has"
    return error(f"{kind} {name}", f"the hub does not have it; {where} names it", remedy or lists)
