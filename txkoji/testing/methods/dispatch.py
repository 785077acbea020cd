"""Run hub methods with XML-RPC parameters, one by one or as a multiCall."""

from __future__ import annotations

import inspect
import traceback
from typing import Any

from txkoji import exceptions
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import (
    NEEDS,
    NEW_PARAMETERS,
    PASSES_ON,
    HubMethod,
    as_before_drafts,
    method_of,
)
from txkoji.testing.tables.columns import check_arguments

OURS = "call"
"""The first parameter of each method here: no caller can know it."""


def find_method(call: MethodCall, name: str) -> HubMethod:
    """Return the method of a name.

    Raises:
        GenericError: the hub has no such method.
    """
    function = _HANDLERS.get(name) or method_of(call.hub, name)
    if function is None:
        raise exceptions.GenericError(f"Invalid method: {name}")
    return function


def run_method(call: MethodCall, name: str, params: list[Any]) -> Any:
    """Call a hub method with XML-RPC parameters.

    Args:
        call: who calls.
        name: the method.
        params: positional parameters; a last one that is a struct with a true ``__starstar``
            holds the named ones.

    Returns:
        What the method returns.

    Raises:
        GenericError: the hub has no such method.
        ParameterError: the method does not take these arguments, in Python's words.
        HubFault: the method's refusal.
    """
    return call.hub.answer(name, params, lambda: _run(call, name, params))


def _run(call: MethodCall, name: str, params: list[Any]) -> Any:
    function = find_method(call, name)
    args = list(params)
    kwargs: dict[str, Any] = {}
    if args and isinstance(args[-1], dict) and args[-1].get("__starstar"):
        kwargs = dict(args.pop())
        del kwargs["__starstar"]
    if function.__code__.co_flags & inspect.CO_VARKEYWORDS:
        # It takes any name, but this one is ours.
        kwargs.pop(OURS, None)
    for parameter in kwargs:
        since = NEW_PARAMETERS.get(parameter, call.hub.release)
        if since > call.hub.release or parameter == OURS:
            text = f"{function.__qualname__}() got an unexpected keyword argument {parameter!r}"
            raise exceptions.ParameterError(text)
    try:
        answer = invoke(call, name, *args, **kwargs)
        # A hub asks its database last.
        names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
        check_arguments(name, {**dict(zip(names, args, strict=False)), **kwargs})
        return as_before_drafts(call.hub.release, answer)
    except TypeError as error:
        misfit = not _fits(function, call, *args, **kwargs)
        if misfit and name not in PASSES_ON:
            raise exceptions.ParameterError(_misfit_text(function, args, kwargs)) from error
        raise


def invoke(call: MethodCall, name: str, /, *args: Any, **kwargs: Any) -> Any:
    """Call a hub method; refuse callers without the permission, unless the arguments don't fit.

    Raises:
        TypeError: the arguments do not fit.
    """
    function = find_method(call, name)
    needed = NEEDS.get(name)
    if needed and (name in PASSES_ON or _fits(function, call, *args, **kwargs)):
        call.require_permission(needed)
    return function(call, *args, **kwargs)


def _fits(function: HubMethod, /, *args: Any, **kwargs: Any) -> bool:
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _misfit_text(function: HubMethod, args: list[Any], kwargs: dict[str, Any]) -> str:
    """Return what Python says of the call of a hub's function, which lacks our own argument.

    A method of a hub's class has one more as well.
    """
    ours, *others = inspect.signature(function).parameters.values()
    is_method = "." in function.__qualname__
    names = [each.replace(annotation=each.empty) for each in (*[ours] * is_method, *others)]
    called = eval(f"lambda {str(inspect.Signature(names))[1:-1]}: None")
    called.__qualname__ = function.__qualname__
    try:
        return str(called(*[None] * is_method, *args, **kwargs))
    except TypeError as error:
        return str(error)


def _multicall(call: MethodCall, calls: list[Any]) -> list[Any]:
    """Run the calls of a multiCall, each in a savepoint and at an event of its own.

    Returns:
        For each call, in order: a list that holds its value, or a struct with ``faultCode``,
        ``faultString`` and ``traceback``.
    """
    results: list[Any] = []
    for entry in calls:
        try:
            with call.state.transaction():
                call.state.end_event()
                name, params = entry["methodName"], list(entry["params"])
                call.hub.calls[name] += 1
                results.append([run_method(call, name, params)])
        except exceptions.HubFault as fault:
            results.append(_fault_struct(fault.code, fault.text, fault))
        except Exception as error:  # noqa: BLE001 - any error of a method is a fault 1, as on a hub
            results.append(_fault_struct(1, ", ".join(str(arg) for arg in error.args), error))
    return results


_multicall.__qualname__ = "ModXMLRPCRequestHandler.multiCall"
_HANDLERS: dict[str, HubMethod] = dict.fromkeys(("multiCall", "system.multicall"), _multicall)
"""The methods that belong to what serves XML-RPC: no list of the hub's methods has them."""


def _fault_struct(code: int, text: str, error: BaseException) -> dict[str, Any]:
    lines = traceback.format_exception(error)
    return {"faultCode": code, "faultString": text, "traceback": lines}
