"""Login, logout and session information."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import AuthError, AuthLockError, GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.methods.users import insert_user
from txkoji.testing.tables.lookups.users import user_struct
from txkoji.testing.tables.lookups.values import check_integers, hub_error, time_text
from txkoji.testing.tables.state import Row, pick

NORMAL, SSL, GSSAPI = 0, 2, 3


def _require_no_session(call: MethodCall) -> None:
    if call.session is not None and not call.session["expired"]:
        raise AuthError("Already logged in")


def _own_session(call: MethodCall) -> Row:
    if call.session is None:
        raise AuthError("Not logged in")
    return call.session


def check_user(user: Row) -> None:
    """Refuse a user who is disabled: a login, and each call in a session from before."""
    if user["status"] != 0:
        raise AuthError(f"logins by {user['name']} are not allowed")


def _start(call: MethodCall, user: Row, authtype: int, renew: bool, exclusive: Any) -> Any:
    sessions = call.hub.sessions
    check_user(user)
    if renew and call.session is not None:
        session = sessions.renew(call.session, call.hub.now())
    else:
        session = sessions.create(user["id"], authtype, call.address, call.hub.now())
    if exclusive and not session["exclusive"]:
        _lock(call, session)
    return sessions.login_reply(session)


@hub_method("login(user=None, password=None, opts=None, renew=False, exclusive=False)")
def login(call: MethodCall, user: Any, password: Any, renew: bool, exclusive: Any, **_: Any) -> Any:
    """Log in with a password; return the session."""
    _require_no_session(call)
    row = call.state.one("users", name=user)
    if row is None or not row.get("password") or row["password"] != password:
        raise AuthError("invalid username or password")
    return _start(call, row, NORMAL, renew, exclusive)


@hub_method("sslLogin(proxyuser=None, proxyauthtype=None, renew=False, exclusive=None)")
def ssl_login(call: MethodCall, proxyuser: Any, renew: bool, exclusive: Any, **_: Any) -> Any:
    """Log in by certificate or ticket; return the session."""
    _require_no_session(call)
    if call.principal is not None:
        row = call.find("user", {"krb_principal": call.principal}) or insert_user(
            call.state, call.principal.partition("@")[0], principals=[call.principal]
        )
        name, authtype = str(row["name"]), GSSAPI
    elif call.certificate_name is not None:
        name, authtype = call.certificate_name, SSL
    else:
        raise AuthError("could not verify client: NONE")
    if proxyuser is not None and name not in call.hub.proxy_users:
        raise AuthError(f"{name} is not authorized to login other users")
    name = name if proxyuser is None else proxyuser
    # LoginCreatesUser, on by default.
    user = call.state.one("users", name=name) or insert_user(call.state, name)
    return _start(call, user, authtype, renew, exclusive)


@hub_method("logout")
def logout(call: MethodCall, session_id: Any = None) -> None:
    """End the session, or another one of the user; an admin may end any."""
    own = _own_session(call)
    check_integers(session_id)
    ended = [own] if session_id is None else call.state.rows("sessions", id=session_id)
    owners = [each["user_id"] for each in ended]
    if own["user_id"] not in owners and not call.has_permission("admin"):
        raise AuthError("only admins or owner may logout other session")
    for session in ended:
        call.hub.sessions.close(session)


@hub_method("subsession")
def subsession(call: MethodCall) -> Any:
    """Return a session below this one."""
    own = _own_session(call)
    same, master = pick(own, "user_id authtype address"), own["master"] or own["id"]
    child = call.hub.sessions.create(**same, now=call.hub.now(), master=master)
    return call.hub.sessions.login_reply(child)


@hub_method("logoutChild")
def logout_child(call: MethodCall, session_id: Any) -> None:
    """End a session below this one."""
    own = _own_session(call)
    check_integers(session_id)
    for other in call.state.rows("sessions", id=session_id, master=own["id"]):
        call.hub.sessions.close(other)


@hub_method("exclusiveSession")
def exclusive_session(call: MethodCall, force: bool = False) -> None:
    """Make the session the only one of its user."""
    if call.session is not None:
        _lock(call, call.session, force)


def _lock(call: MethodCall, session: Row, force: bool = False) -> None:
    if session["master"] is not None:
        raise GenericError("subsessions cannot become exclusive")
    for other in call.hub.sessions.excluding(session):
        if not force:
            raise AuthLockError("Cannot get exclusive session")
        call.hub.sessions.close(other)
    call.hub.sessions.update(session, exclusive=True)


@hub_method("sharedSession")
def shared_session(call: MethodCall) -> None:
    """Let the user have other sessions again."""
    if call.session is not None:
        call.hub.sessions.update(call.session, exclusive=False)


@hub_method("showSession")
def show_session(call: MethodCall) -> str:
    """Return the session that is used, as text."""
    own = call.session
    if own is None or call.user is None:
        return "session: not logged in (no session header or session args)"
    info = _info(own, details=True)
    # As the hub's own object, with the row of its database in the end.
    shown = {
        "logged_in": True,
        **{name: info[name] for name in ("id", "master")},
        "key": own["key"],
        **{name: info[name] for name in ("user_id", "authtype", "hostip")},
        "user_data": pick(call.user, "name status usertype"),
        "message": "",
        "exclusive": own["exclusive"],
        "lockerror": None,
        "callnum": own["callnum"],
        **dict.fromkeys(("_perms", "_groups")),
        "_host_id": "",
        "session_data": dict(sorted(_info(own, details=False).items())),
    }
    return f"session {own['id']}: {shown}"


def _info(session: Row, details: bool) -> dict[str, Any]:
    info = pick(session, "user_id expired master authtype callnum")
    info["exclusive"] = session["exclusive"] or None
    for name, column in (("start", "start"), ("update", "updated"), ("renew", "renewed")):
        info[f"{name}_time"] = time_text(session[column])
        info[f"{name}_ts"] = session[column]
    if details:
        info.update(hostip=session["address"], id=session["id"])
    return info


@hub_method("getSessionInfo")
def get_session_info(call: MethodCall, details: bool = False, user_id: Any = None) -> Any:
    """Return the session that is used."""
    if call.session is None or call.user is None:
        return None
    if user_id is None:
        return _info(call.session, details)
    if user_id != call.user["id"]:
        call.require_permission("admin")
    own = call.state.rows("sessions", user_id=user_id)
    return [_info(session, details) for session in own]


@hub_method("getLoggedInUser")
def get_logged_in_user(call: MethodCall) -> Any:
    """Return the logged-in user."""
    if call.user is None:
        return None
    authtype = call.session["authtype"] if call.session else None
    return {**user_struct(call.user), "authtype": authtype, "krb_principal": None}


@hub_method("error")
def error(call: MethodCall) -> None:
    """Raise an error, for tests."""
    raise GenericError("test error")


@hub_method("fault")
def fault(call: MethodCall) -> None:
    """Raise a fault, for tests."""
    raise hub_error("test exception")
