"""The table of hub methods, filled by this package's modules, and what older hubs lack.

A hub method is a plain function whose first argument is a
:class:`txkoji.testing.methods.call.MethodCall`. Its other parameters have the real hub's names and
defaults (``_listapi`` tells them), because callers pass them by name. It returns the value to
marshal, or raises a :class:`txkoji.exceptions.HubFault`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from txkoji.testing.core import HubCore

HubMethod = Callable[..., Any]
Registered = TypeVar("Registered", bound=HubMethod)
Version = tuple[int, int]

METHODS: dict[str, HubMethod] = {}
"""Every method that the embedded hub answers, by the name that clients use."""

PLUGIN_OF: dict[str, str] = {}
"""For a method of a hub plugin, the plugin's name."""

NEEDS = {
    name: permission
    for permission, names in {
        "admin": """
            addArchiveType addBType addChannel addExternalRPM addGroupMember addUserKrbPrincipal
            addVolume applyVolumePolicy assignTask cancelTaskFull changeBuildVolume createEmptyBuild
            createExternalRepo createUser deleteBuild deleteExternalRepo deleteRPMSig
            dropGroupMember editExternalRepo editPermission editUser freeTask grantCGAccess
            grantPermission importRPM makeTask mergeScratch newGroup removeUserKrbPrincipal
            removeVolume repo.setRequestPriority resetBuild revokeCGAccess revokePermission
            scheduler.doRun setBuildOwner setBuildTimestamp setTaskPriority showOpts
            """,
        "host": """
            addHost addHostToChannel disableChannel disableHost editChannel editHost enableChannel
            enableHost removeHostFromChannel renameChannel restartHosts
            """,
        "image": "buildImageIndirection buildImageOz kiwiBuild osbuildImage",
        "image-import": "createImageBuild",
        "maven-import": "createMavenBuild",
        "repo": """
            repo.autoRequests repo.checkQueue repo.setExternalRepoData repo.setState
            repo.updateEndEvents repoDelete repoExpire repoProblem
            """,
        "runroot": "runroot",
        "sign": "addRPMSig writeSignedRPM",
        "tag": """
            addExternalRepoToTag createTag deleteTag editTag editTag2 editTagExternalRepo
            groupListAdd groupListBlock groupListRemove groupListUnblock groupPackageListAdd
            groupPackageListBlock groupPackageListRemove groupPackageListUnblock groupReqListAdd
            groupReqListBlock groupReqListRemove groupReqListUnblock massTag
            removeExternalRepoFromTag setInheritanceData snapshotTag snapshotTagModify
            tagBuildBypass untagBuildBypass
            """,
        "target": "createBuildTarget deleteBuildTarget editBuildTarget",
        "win-import": "createWinBuild",
    }.items()
    for name in names.split()
}
"""The permission that a hub checks before all else, by the method that needs it."""

SINCE: dict[str, Version] = {}
"""For a method that older hubs lack, the version that introduced it."""

NEW_PARAMETERS: dict[str, Version] = {
    "draft": (1, 34),
    "promotedBefore": (1, 36),
    "cgID": (1, 27),
    "promotedAfter": (1, 36),
    "promoter": (1, 36),
    "min_event": (1, 35),
    "renew": (1, 32),
}
"""The parameters that older hubs lack, with the version that introduced them."""

_FUNCTIONS = """
    addArchiveType addBType addChannel addExternalRepoToTag addGroupMember addHostToChannel
    addVolume buildReferences createBuildTarget createExternalRepo createTag deleteBuild
    deleteBuildTarget deleteExternalRepo deleteTag disableChannel dropGroupMember editBuildTarget
    editChannel editExternalRepo editHost editPermission editTagExternalRepo editUser enableChannel
    findBuildID getActiveRepos getAllArches getArchive getArchiveFile getArchiveType getArchiveTypes
    getBuild getBuildLogs getBuildTarget getBuildTargets getBuildType getBuildroot getChannel
    getExternalRepo getExternalRepoList getGroupMembers getHost getImageArchive getImageBuild
    getMavenArchive getMavenBuild getNextRelease getRPM getTag getTagExternalRepos getTagID getUser
    getWinArchive getWinBuild grantCGAccess grantPermission listArchiveFiles listArchives listBTypes
    listCGs listChannels listRPMs listTags listVolumes newGroup queryHistory queryRPMSigs
    removeExternalRepoFromTag removeHostFromChannel removeVolume renameChannel repoInfo resetBuild
    revokeCGAccess revokePermission tagChangedSinceEvent tagFirstChangeEvent tagLastChangeEvent
    """
"""The methods that are functions on a hub, with their names in Python's style."""

_FUNCTION_NAMES = {
    "editTag": "old_edit_tag",
    "editTag2": "edit_tag",
    "getPackage": "lookup_package",
    "getTagGroups": "readTagGroups",
    "listExternalRepos": "get_external_repos",
    **{
        f"{method}{action.title()}": f"{function}_{action}"
        for method, function in (
            ("groupList", "grplist"),
            ("groupPackageList", "grp_pkg"),
            ("groupReqList", "grp_req"),
            ("packageList", "pkglist"),
        )
        for action in ("add", "remove", "block", "unblock")
    },
    "packageListSetArches": "pkglist_setarches",
    "packageListSetOwner": "pkglist_setowner",
}
"""The methods that are functions of other names."""


def _python_name(name: str) -> str:
    """Return the name of a method in the text of fault 1019: a function's, or a class's method's.

    For example "get_tag() missing 1 required positional argument: 'tagInfo'".
    """
    if name in _FUNCTION_NAMES:
        return _FUNCTION_NAMES[name]
    family, _, method = name.rpartition(".")
    if family == "host":
        return f"HostExports.{method}"
    if family or name in _FUNCTIONS.split():
        return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=RPM)(?=S)|(?<=CG)(?=A)", "_", method).lower()
    return f"RootExports.{name}"


PASSES_ON = frozenset(("exclusiveSession", "login", "makeTask", "sslLogin"))
"""The methods that a hub passes any arguments on from: those that do not fit are its own error."""

_DRAFT_KEYS = frozenset(("draft", "promoter_id", "promoter_name", "promotion_time", "promotion_ts"))
_DRAFTS_SINCE: Version = (1, 34)


def as_before_drafts(release: Version, value: Any) -> Any:
    """Return a reply as a hub of a release gives it: a hub without drafts has no keys for them."""
    if release >= _DRAFTS_SINCE:
        return value
    if isinstance(value, dict):
        return {
            key: as_before_drafts(release, each)
            for key, each in value.items()
            if key not in _DRAFT_KEYS
        }
    if isinstance(value, list):
        return [as_before_drafts(release, each) for each in value]
    return value


_FAMILIES: dict[str, Version] = {"repo": (1, 35), "scheduler": (1, 34)}
"""The versions that introduced methods of a common prefix."""


def _register(
    name: str, function: HubMethod, plugin: str | None = None, since: Version | None = None
) -> None:
    function.__qualname__ = name if plugin else _python_name(name)
    METHODS[name] = function
    if plugin is not None:
        PLUGIN_OF[name] = plugin
    introduced = since or _FAMILIES.get(name.partition(".")[0])
    if introduced is not None:
        SINCE[name] = introduced


def hub_method(
    signature: str, *, plugin: str | None = None, since: Version | None = None
) -> Callable[[Registered], Registered]:
    """Register a function as a hub method.

    Args:
        signature: the name that clients call, and the parameters, which the function gets by their
            names: ``getTagID(info, strict=False, create=False)``; a name alone for a function
            whose own parameters are the method's.
        plugin: the hub plugin that provides it; by default the hub itself does.
        since: the version of the hub that introduced it; by default its family's, if any.
    """

    def register(function: Registered) -> Registered:
        if "(" in signature:
            _register(*_with_parameters(signature, function, True), plugin, since)
        else:
            _register(signature, function, plugin, since)
        return function

    return register


def declare(
    signature: str, run: Callable[..., Any], doc: str | None = None, *, plugin: str | None = None
) -> None:
    """Register a method that a function runs which others share.

    Args:
        signature: the name and the parameters: ``addBType(name)``.
        run: called with the call and the arguments, in their order.
        doc: what the method says of itself; by default the function's docstring.
        plugin: the hub plugin that provides it; by default the hub itself does.
    """
    name, function = _with_parameters(signature, run, False)
    function.__doc__ = doc or function.__doc__
    _register(name, function, plugin)


def declare_all(methods: Mapping[str, Callable[..., Any]]) -> None:
    """Register methods that one expression answers.

    Args:
        methods: functions as :func:`declare` takes them, by their signatures and what they return:
            ``listVolumes() -> all volumes``.
    """
    for text, run in methods.items():
        signature, _, what = text.partition(" -> ")
        declare(signature, run, f"Return {what}.")


def look_up(
    signature: str, kind: str, struct: Callable[[Any, Any], Any], doc: str | None = None
) -> None:
    """Register a method that returns what callers name, or None; ``strict`` refuses the latter.

    Args:
        signature: the name, and the parameters: what is named, ``strict``, and ``event`` or one
            without effect.
        kind: how it is found: a key of :data:`txkoji.testing.tables.lookups.find.LOOKUPS`.
        struct: called with the call and what was found; it returns the answer.
        doc: what the method says of itself; by default that it returns such a thing.
    """

    def run(call: Any, info: Any, strict: Any, *more: Any) -> Any:
        found = call.find(kind, info, strict, *(more if "event=" in signature else ()))
        return None if found is None else struct(call, found)

    declare(signature, run, doc or f"Return {'an' if kind[0] in 'aeiou' else 'a'} {kind}.")


def _with_parameters(
    signature: str, run: Callable[..., Any], by_name: bool
) -> tuple[str, HubMethod]:
    """Return the name, and a function with the parameters, whose arguments Python checks."""
    name, parameters = " ".join(signature.split()).removesuffix(")").split("(", 1)
    node = ast.parse(f"def f({parameters}): pass").body[0]
    assert isinstance(node, ast.FunctionDef)
    names = [f"{each.arg}={each.arg}" if by_name else each.arg for each in node.args.args]
    if node.args.vararg is not None:
        names.append(f"*{node.args.vararg.arg}")
    if node.args.kwarg is not None:
        names.append(f"**{node.args.kwarg.arg}")
    heads = ", ".join(filter(None, ("call", parameters)))
    function = eval(f"lambda {heads}: run({', '.join(['call', *names])})", {"run": run})
    function.__doc__ = getattr(run, "func", run).__doc__
    return name, function


def method_of(hub: HubCore, name: str) -> HubMethod | None:
    """Return the method of a name, None if a hub of this version and these plugins has none."""
    if PLUGIN_OF.get(name) in hub.absent_plugins or SINCE.get(name, hub.release) > hub.release:
        return None
    return METHODS.get(name)
