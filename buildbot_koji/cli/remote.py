"""``buildbot-koji pause``, ``resume`` and ``dead-letters``: through a running master's pages."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from http.client import HTTPException
from http.cookiejar import CookieJar
from typing import Any, TextIO
from urllib.parse import quote, urlsplit

from buildbot_koji.cli import Mistake

LIMIT = 30.0
"""Seconds for an answer."""

PASSWORD = "BUILDBOT_PASSWORD"  # noqa: S105 - the name of a variable
"""The environment variable with the password: other users can see a command line."""


class _Staying(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the login redirects to the address that people use."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect."""
        return


class Master:
    """A running master, reached through its Koji pages.

    Args:
        url: the address of its web UI.
        user: who logs in there, with the password of the environment; by default nobody.
    """

    def __init__(self, url: str, user: str | None = None) -> None:
        try:
            usable = urlsplit(url).scheme in {"http", "https"} and urlsplit(url).port != 0
        except ValueError:
            usable = False
        if not usable:
            raise Mistake(f"{url} is no http:// or https:// address of a master")
        if "@" in urlsplit(url).netloc:
            raise Mistake(f"--url takes no user and password: give --user, and {PASSWORD}")
        # People copy the address of the page that they are on.
        self._url = url.partition("#")[0].partition("/plugins/koji")[0].rstrip("/")
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(cookies, _Staying())
        if user is not None:
            if PASSWORD not in os.environ:
                raise Mistake(f"--user needs the password, in {PASSWORD}")
            login = f"{user}:{os.environ[PASSWORD]}".encode()
            given = {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
            self._open(f"{self._url}/auth/login", None, given)

    def read(self, path: str) -> Any:
        """Return what is at a path below ``/plugins/koji/api/``."""
        return json.loads(self._open(f"{self._url}/plugins/koji/api/{path}", None, {}))

    def act(self, page: str, name: str, action: str, **options: Any) -> str:
        """Run an action of a change source or a reporter; returns what was done, in words."""
        path = f"{page}/{quote(name, safe='')}/{action}"
        headers = {"X-Requested-With": "buildbot-koji", "Content-Type": "application/json"}
        body = json.dumps(options).encode()
        answer = json.loads(self._open(f"{self._url}/plugins/koji/api/{path}", body, headers))
        return str(answer.get("message", ""))

    def _open(self, url: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - checked above
        try:
            with self._opener.open(request, timeout=LIMIT) as answer:
                return bytes(answer.read(10_000_000))
        except urllib.error.HTTPError as error:
            with error:
                text = error.read(10_000)
            if error.code in {302, 303}:
                return b""
            if url.endswith("/auth/login") and error.code not in {401, 403}:
                raise Mistake(f"{self._url} takes no user and password: leave --user out") from None
            raise Mistake(_reason(error.code, text)) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            words = getattr(reason, "strerror", None) or reason
            raise Mistake(
                f"no answer from {self._url}: {words}; is the master up, and --url its address?"
            ) from None


def _reason(status: int, text: bytes) -> str:
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = ""
    if status == 404 and not message:
        return 'the master has no Koji pages: c["www"]["plugins"] = {"koji": {}}'
    if status in {401, 403}:
        hint = f"log in with --user NAME, and the password in {PASSWORD}"
        return f"{message or 'the master refuses'}: {hint}"
    return message or f"the master answers with status {status}"


def dead_letters(master: Master, out: TextIO, reporter: str | None = None) -> int:
    """List dead letters; returns how many there are.

    Raises:
        Mistake: the master has no such reporter.
    """
    count = 0
    found = master.read("deliveries")["reporters"]
    names = [each["name"] for each in found]
    if reporter is not None and reporter not in names:
        known = f"; it has {', '.join(names)}" if names else ""
        raise Mistake(f"the master has no Koji reporter {reporter}{known}")
    for each in found:
        if reporter is None or each["name"] == reporter:
            for letter in each["dead"]:
                count += 1
                what = letter.get("nvr") or letter["what"]
                reason = letter["reason"] or "not sent yet"
                print(f"{each['name']}  {letter['id']}  {what}: {reason}", file=out)
    return count
