"""What a hub says about itself, and calls about calls."""

from __future__ import annotations

import fnmatch
import inspect
import re
from collections.abc import Callable
from typing import Any, NoReturn

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.dispatch import find_method, invoke
from txkoji.testing.methods.table import (
    METHODS,
    PASSES_ON,
    HubMethod,
    declare_all,
    hub_method,
    look_up,
    method_of,
)
from txkoji.testing.tables.columns import check_name
from txkoji.testing.tables.lookups.builds import build_nvr
from txkoji.testing.tables.lookups.structs import rpm_name
from txkoji.testing.tables.lookups.values import check_integers, hub_error
from txkoji.testing.tables.queries import apply_query_options, in_order
from txkoji.testing.tables.state import HubState, Row


def _present(call: MethodCall) -> dict[str, HubMethod]:
    found = {name: method_of(call.hub, name) for name in METHODS}
    return {name: function for name, function in found.items() if function is not None}


@hub_method("_listapi")
def list_api(call: MethodCall) -> list[dict[str, Any]]:
    """Return each method with its arguments."""
    api = []
    for name, function in _present(call).items():
        signature = _parameters(name, function)
        parameters = signature.parameters.values()
        args: list[Any] = [
            each.name if each.default is each.empty else [each.name, each.default]
            for each in parameters
        ]
        spec = inspect.getfullargspec(_any if name in PASSES_ON else function)
        argspec = [spec.args[1:], spec.varargs, spec.varkw, spec.defaults]
        description = {"argdesc": str(signature), "doc": function.__doc__}
        api.append({"name": name, "args": args, "argspec": argspec, **description})
    return api


def _any(call: MethodCall, *args: Any, **opts: Any) -> None:
    """Show the parameters of the methods that pass theirs on."""


def _parameters(name: str, function: HubMethod) -> inspect.Signature:
    """Return the parameters of a hub's method as a hub describes them: without types."""
    described = _any if name in PASSES_ON else function
    _, *parameters = inspect.signature(described).parameters.values()
    return inspect.Signature([each.replace(annotation=each.empty) for each in parameters])


_METHODS: dict[str, HubMethod] = {
    "hello(*args) -> a greeting": lambda *_: "Hello World",
    "echo(*args) -> the arguments": lambda _, *args: list(args),
    "getAPIVersion() -> the version of the API, which is 1": lambda _: 1,
    "getKojiVersion() -> the hub's version (hub 1.23)": lambda call: call.hub.version,
    "mavenEnabled() -> whether it builds with Maven": lambda call: call.hub.maven_enabled,
    "winEnabled() -> whether it builds on Windows": lambda call: call.hub.win_enabled,
    "listVolumes() -> all volumes": lambda call: call.state.rows("volume"),
    "system.listMethods() -> their names": lambda call: sorted(_present(call)),
    "system.methodSignature(method) -> a fixed text": lambda *_: "signatures not supported",
}
declare_all(_METHODS)


@hub_method("system.methodHelp")
def method_help(call: MethodCall, method: str) -> str:
    """Return what a method says of itself."""
    function = find_method(call, method)
    described = f"{method}{_parameters(method, function)}"
    return f"{described}\ndescription: {function.__doc__}" if function.__doc__ else described


@hub_method("listBTypes")
def list_btypes(call: MethodCall, query: Any = None, queryOpts: Any = None) -> Any:
    """Return the types of builds."""
    rows = [{"id": row["id"], "name": row["name"]} for row in call.state.rows("btype")]
    wanted = {key: query[key] for key in ("id", "name") if query and key in query}
    check_integers(wanted.get("id"))
    rows = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return apply_query_options(rows, queryOpts, "listBTypes")


look_up("getVolume(volume, strict=False)", "volume", lambda _, row: row)


@hub_method("addVolume")
def add_volume(call: MethodCall, name: Any, strict: bool = True) -> NoReturn:
    """Refuse another volume: there is the default one only."""
    check_name(name)
    if strict and call.state.one("volume", name=name):
        raise GenericError(f"volume {name} already exists")
    raise GenericError("please create the volume directory first")


@hub_method("removeVolume")
def remove_volume(call: MethodCall, volume: Any) -> NoReturn:
    """Refuse to remove a volume."""
    row = call.require("volume", volume)
    raise GenericError(f"volume {row['name']} has build references")


@hub_method("changeBuildVolume")
def change_build_volume(call: MethodCall, build: Any, volume: Any, strict: bool = True) -> None:
    """Move a build to another volume: it is on the only one already."""
    row = call.require("volume", volume)
    found = call.require("build", build)
    if strict:
        nvr = build_nvr(call.state, found)
        raise GenericError(f"Build {nvr} already on volume {row['name']}")


@hub_method("applyVolumePolicy")
def apply_volume_policy(call: MethodCall, build: Any, strict: bool = False) -> None:
    """Move a build to the volume that the policy says: the only one, where it is."""
    call.require("build", build)


@hub_method("showOpts")
def show_opts(call: MethodCall, as_string: bool = True) -> Any:
    """Return the options of the hub's configuration, without passwords."""
    options = {
        "CheckClientIP": True,
        "EnableMaven": call.hub.maven_enabled,
        "EnableWin": call.hub.win_enabled,
        "KojiDebug": False,
        "MissingPolicyOk": True,
    }
    return repr(options) if as_string else options


def _filtered(rows: Any, options: dict[str, Any]) -> Any:
    if rows is None:
        return None
    if not isinstance(rows, list):
        raise GenericError("the method does not return a list of maps")
    none_greatest = bool(options.get("noneGreatest", True))
    for key in reversed(str(options.get("order") or "").split(",")):
        name = key.lstrip("-")
        if name:
            reverse = key.startswith("-")
            rows = in_order(rows, name, reverse=reverse, none_greatest=none_greatest)
    offset, limit = options.get("offset") or 0, options.get("limit")
    return rows[offset : offset + limit if limit is not None else None]


def _result(call: MethodCall, name: Any, /, *args: Any, **kw: Any) -> Any:
    """Return what a method returns that is called by its name, as an attribute of the hub."""
    if not isinstance(name, str) or method_of(call.hub, name) is None:
        raise hub_error(f"'RootExports' object has no attribute {name!r}")
    return invoke(call, name, *args, **kw)


@hub_method("count")
def count(call: MethodCall, methodName: str, *args: Any, **kw: Any) -> int:
    """Return how long the result of a method is: 0 for None, 1 for a single value."""
    result = _result(call, methodName, *args, **kw)
    return len(result) if isinstance(result, list | dict) else int(result is not None)


@hub_method("filterResults")
def filter_results(call: MethodCall, methodName: str, *args: Any, **kw: Any) -> Any:
    """Return a part of a method's list, by filterOpts."""
    options = kw.pop("filterOpts", None) or {}
    return _filtered(_result(call, methodName, *args, **kw), options)


@hub_method("countAndFilterResults")
def count_and_filter_results(call: MethodCall, methodName: str, *args: Any, **kw: Any) -> Any:
    """Return the length of a method's list and a part of it, by filterOpts."""
    options = kw.pop("filterOpts", None) or {}
    rows = _result(call, methodName, *args, **kw)
    return [0 if rows is None else len(rows), _filtered(rows, options)]


_SEARCHED = {
    **{name: name for name in ("build", "host", "package", "tag")},
    "maven": "archiveinfo",
    "rpm": "rpminfo",
    "target": "build_target",
    "user": "users",
    "win": "archiveinfo",
}
"""The tables that can be searched."""

_NAME_OF: dict[str, Callable[[HubState, Row], str]] = {
    "archiveinfo": lambda _, row: str(row["filename"]),
    "build": build_nvr,
    "rpminfo": lambda _, row: f"{rpm_name(row)}.rpm",
}
"""What is searched in those whose rows have no name."""


@hub_method("search")
def search(call: MethodCall, terms: str, type: str, matchType: str, queryOpts: Any = None) -> Any:
    """Search by name: matchType is glob, regexp or exact."""
    if not terms:
        raise GenericError("empty search terms")
    if type not in _SEARCHED:
        raise GenericError(f"No such search type: {type}")
    if matchType == "regexp":
        try:
            expression = re.compile(terms)
        except re.error as error:
            raise hub_error(f"invalid regular expression: {error}") from error
        found = expression.search
    elif matchType == "glob":
        # In a pattern of a search, `%` and `_` are ordinary characters.
        found = re.compile(fnmatch.translate(terms.replace("[", "[[]")), re.IGNORECASE).match
    else:
        found = re.compile(re.escape(terms)).fullmatch
    table = _SEARCHED[type]
    name_of = _NAME_OF.get(table, lambda _, row: str(row["name"]))
    equal = {"btype": type} if table == "archiveinfo" else {}
    names = [(row["id"], name_of(call.state, row)) for row in call.state.rows(table, **equal)]
    rows = [{"id": number, "name": name} for number, name in names if found(name)]
    return apply_query_options(rows, queryOpts, "search")
