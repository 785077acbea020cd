"""The hub methods that make a task, and how the task of a call is recognized. Pure data.

A call whose reply was lost may have made a task. If the hub stores free-form data with that kind of
task, the call carries a marker there. Otherwise the task is recognized by its request, which the
hub made of the call's arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from txkoji._values import from_params, member, struct
from txkoji.hub.call import Call

KEY = "submission_marker"
"""The key of the marker in ``custom_user_metadata``, which Koji keeps for its users."""

REST = "**"
"""In the list of a request's parts: a struct of all arguments that are not listed."""

METADATA = "custom_user_metadata"
LABEL = "label"

ELSEWHERE = frozenset(["priority", "channel", "img_type"])
"""Parameters that a task has in columns of their own, not in its request."""

TELLING = frozenset(["scratch"])
"""Arguments that no hub adds by itself: a request has one only if its call passed it."""

SOURCES = ("src", "url")
"""Parameters that a request holds as the call gave them."""


@dataclass(frozen=True)
class TaskMethod:
    """How a hub method makes a task.

    Attributes:
        task: the method of the task; of some hub methods, the name of the argument that holds it.
        parameters: the parameters of the hub method, in their order.
        request: which of them the task's request holds, in its order. None stands for what the hub
            puts in; :data:`REST` for a struct of all further ones.
        marker: where the task carries a marker: :data:`METADATA` among its ``opts``, as its
            :data:`LABEL`, or nowhere: then it is recognized by its request.
        aliases: the hub method that looks up what a parameter names, where the request may have
            another name for it than the call.
        replaced: parameters that the hub replaces by something of its own.
    """

    task: str
    parameters: tuple[str, ...]
    request: tuple[str | None, ...]
    marker: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()


def _method(task: str, parameters: str, request: str, **more: Any) -> TaskMethod:
    held = tuple(None if name == "-" else name for name in request.split())
    return TaskMethod(task, tuple(parameters.split()), held, **more)


TASK_METHODS: dict[str, TaskMethod] = {
    # Recorded: custom_user_metadata comes back with the task and its build.
    "build": _method(
        "build", "src target opts priority channel", "src target opts", marker=METADATA
    ),
    # No recording shows that builders accept unknown keys in the options below (that of container
    # builds checks them against a schema), so no marker goes there.
    "chainBuild": _method("chainbuild", "srcs target opts priority channel", "srcs target opts"),
    "mavenBuild": _method("maven", "url target opts priority channel", "url target opts"),
    "chainMaven": _method(
        "chainmaven", "builds target opts priority channel", "builds target opts"
    ),
    "wrapperRPM": _method(
        "wrapperRPM",
        "build url target priority channel opts",
        "url target build - opts",
        aliases={"build": "getBuild", "target": "getBuildTarget"},
    ),
    "winBuild": _method("winbuild", "vm url target opts priority channel", "vm url target opts"),
    "buildImage": _method(
        "img_type",
        "name version arch target ksfile img_type opts priority",
        "name version arch target ksfile opts",
    ),
    "buildImageOz": _method(
        "image",
        "name version arches target inst_tree opts priority",
        "name version arches target inst_tree opts",
    ),
    "buildImageIndirection": _method("indirectionimage", "opts priority", "opts"),
    "kiwiBuild": _method(
        "kiwiBuild",
        "target arches desc_url desc_path optional_arches profile scratch priority make_prep repos"
        " release type type_attr result_bundle_name_format use_buildroot_repo version"
        " repo_releasever",
        "target arches desc_url desc_path **",
    ),
    "osbuildImage": _method(
        "osbuildImage",
        "name version distro image_type target arches opts priority",
        "name version distro image_type target arches opts",
    ),
    "buildContainer": _method(
        "buildContainer", "src target opts priority channel", "src target opts"
    ),
    "buildSourceContainer": _method(
        "buildSourceContainer", "target opts priority channel", "target opts"
    ),
    "runroot": _method(
        "runroot",
        "tagInfo arch command channel",
        "tagInfo arch command **",
        aliases={"tagInfo": "getTag"},
    ),
    "distRepo": _method(
        "distRepo",
        "tag keys",
        "tag - keys **",
        aliases={"tag": "getTag"},
        replaced=frozenset(["comps"]),
    ),
    "newRepo": _method(
        "newRepo",
        "tag event src debuginfo separate_src",
        "tag event src debuginfo separate_src **",
        aliases={"tag": "getTag"},
    ),
    "tagBuild": _method(
        "tagBuild",
        "tag build force fromtag",
        "tag build force fromtag",
        aliases={"tag": "getTag", "build": "getBuild", "fromtag": "getTag"},
    ),
    "moveBuild": _method(
        "tagBuild",
        "tag1 tag2 build force",
        "tag2 build force tag1",
        aliases={"tag1": "getTag", "tag2": "getTag", "build": "getBuild"},
    ),
    "restartHosts": _method("restartHosts", "priority options", "options"),
    "saveFailedTree": _method("saveFailedTree", "buildrootID full", "buildrootID full"),
    # Recorded: the label comes back with the task, and no task without a parent has one of its own.
    "makeTask": _method("method", "method arglist", "", marker=LABEL),
    # Its task is a copy of another, with the same method and request.
    "resubmitTask": _method("taskID", "taskID", ""),
}
"""How each hub method makes its task, in Koji 1.36 and its plugins.

Not ``moveAllBuilds``, which makes any number of tasks.
"""


def arguments_of(call: Call) -> dict[str, Any]:
    """Return the arguments of a call that makes a task, by their names."""
    parameters = TASK_METHODS[call.method].parameters
    return {**dict(zip(parameters, call.args, strict=False)), **call.kwargs}


def with_marker(call: Call, marker: str) -> Call:
    """Return a call with the marker in its arguments, if its method takes one."""
    entry = TASK_METHODS[call.method]
    if entry.marker == LABEL:
        return replace(call, kwargs={LABEL: marker, **call.kwargs})
    if entry.marker != METADATA:
        return call
    place = entry.parameters.index("opts")
    options = dict(arguments_of(call).get("opts") or {})
    options[METADATA] = {**(options.get(METADATA) or {}), KEY: marker}
    if len(call.args) > place:
        return replace(call, args=(*call.args[:place], options, *call.args[place + 1 :]))
    return replace(call, kwargs={**call.kwargs, "opts": options})


def may_have_made(
    call: Call, marker: str, task: Mapping[str, Any], others: Mapping[str, Any]
) -> bool:
    """Return whether a call may have made a task; see :meth:`Submitter.may_have_made`."""
    entry, arguments = TASK_METHODS[call.method], arguments_of(call)
    if call.method != "resubmitTask":
        method = arguments.get(entry.task, entry.task)
        if task.get("method") not in (None, method):
            return False
    have, found = _held(entry, task["request"]), _marker_in(call, task)
    if found is None and entry.marker == METADATA:
        # A hub may drop what it does not know: only another source is another task.
        source = entry.parameters[0]
        return _same(arguments.get(source), have.get(source), None)
    if found is None:
        # A name proves nothing unless it was looked up: the request may hold the id.
        told = {**dict.fromkeys(SOURCES, str), **dict.fromkeys(entry.aliases, int)}
        ids = {name: member(found, "id") for name, found in others.items() if found}
        given = {**arguments, **ids}
        pairs = [(given.get(name), have.get(name), kind) for name, kind in told.items()]
        return not any(
            type(ours) is kind and type(theirs) is kind and ours != theirs
            for ours, theirs, kind in pairs
        )
    return bool(found == marker)


def is_marked_by(call: Call, marker: str, task: Mapping[str, Any]) -> bool:
    """Return whether a task carries the marker of the call that made it."""
    return isinstance(task.get("request"), list) and _marker_in(call, task) == marker


def _marker_in(call: Call, task: Mapping[str, Any]) -> Any:
    entry = TASK_METHODS[call.method]
    if entry.marker == LABEL:
        return task.get(LABEL)
    return _marker(_held(entry, task["request"])) if entry.marker == METADATA else None


def surplus(
    method: str,
    arguments: Mapping[str, Any],
    task: Mapping[str, Any],
    others: Mapping[str, Any],
) -> int | None:
    """Return how well a task fits a call.

    Args:
        method: the hub method.
        arguments: the call's arguments by name, including the marker.
        task: a task, with its request.
        others: the objects on the hub that arguments refer to, by argument name.

    Returns:
        How many values the request has that the call did not pass: the hub may add some. If the
        method takes a marker, 0 for a task that has it, and more for one that has none: a hub may
        drop what it does not know. None if another call made the task.
    """
    entry = TASK_METHODS[method]
    if not isinstance(task.get("request"), list):
        # An unreadable request is not ours.
        return None
    if entry.marker == LABEL:
        label = task.get(LABEL)
        fits = label in (None, arguments[LABEL])
        fits = fits and _plain(task["request"]) == _plain(arguments["arglist"])
        return int(label is None) if fits else None
    if method == "resubmitTask":
        return 0 if _plain(task["request"]) == _plain(arguments["request"]) else None
    have = _held(entry, task["request"])
    if entry.marker == METADATA:
        if member(have.get("opts"), METADATA):
            return 0 if _marker(have) == _marker(arguments) else None
        have, arguments = _without_metadata(have), _without_metadata(arguments)
    want = {name: value for name, value in arguments.items() if name not in ELSEWHERE}
    for name, value in want.items():
        if name not in entry.replaced and not _same(value, have.get(name), others.get(name)):
            return None
    more = {name for name, value in have.items() if _plain(value) and name not in want}
    if more and (REST not in entry.request or more & TELLING):
        return None
    return len(more) + (entry.marker is not None)


def _held(entry: TaskMethod, request: Sequence[Any]) -> dict[str, Any]:
    """Return the arguments in a request, by the names of the hub method's parameters."""
    values, further = from_params(request)
    held: dict[str, Any] = {}
    for name, value in zip(entry.request, values, strict=False):
        if name == REST:
            held.update(value if isinstance(value, dict) else {})
        elif name is not None:
            held[name] = value
    if REST in entry.request:
        # Newer hubs put named arguments into one more struct.
        more = further.pop("opts", None)
        held.update(more if isinstance(more, dict) else {})
    return {**held, **further}


def _marker(arguments: Mapping[str, Any]) -> Any:
    return member(member(arguments.get("opts"), METADATA), KEY)


def _without_metadata(arguments: Mapping[str, Any]) -> dict[str, Any]:
    options = struct(arguments.get("opts")) or {}
    return {**arguments, "opts": {name: options[name] for name in options if name != METADATA}}


def _same(ours: Any, theirs: Any, other: Any) -> bool:
    """Return whether an argument equals the request's, which may name the object differently."""
    if other is not None or isinstance(theirs, dict):
        return bool((_identities(ours) | _identities(other)) & _identities(theirs)) or _plain(
            ours
        ) == _plain(theirs)
    ours, theirs = _plain(ours), _plain(theirs)
    if isinstance(ours, list) and isinstance(theirs, str):
        theirs = theirs.split()
    if isinstance(theirs, list) and isinstance(ours, str):
        ours = ours.split()
    return bool(ours == theirs)


def _identities(value: Any) -> set[Any]:
    if isinstance(value, dict):
        named = [value.get(key) for key in ("id", "build_id", "name", "nvr")]
        return {each for each in named if isinstance(each, (int, str))}
    return {value} if isinstance(value, (int, str)) else set()


def _plain(value: Any) -> Any:
    """Return a value without empty members: a hub may drop or add them."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if _plain(each)} or None
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value] or None
    return value or None
