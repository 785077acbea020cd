"""A master in this process that serves the Koji pages over HTTP, and a browser's requests."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from buildbot.changes.base import ChangeSource
from buildbot.plugins import changes, reporters
from twisted.internet.threads import deferToThread

from tests.buildbot_koji.workbench import Workbench
from tests.buildbot_koji.www import declared
from tests.support import PROCESS_LIMIT

BUTTON = {"X-Requested-With": "buildbot-koji"}
"""What the page's own requests carry."""


@dataclass
class Reply:
    """An HTTP response.

    Attributes:
        code: its status.
        headers: its headers.
        body: its body.
    """

    code: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class _Staying(HTTPRedirectHandler):
    """Follows no redirection: a login leads to the address of another port."""

    def redirect_request(self, *_args: Any) -> None:
        return None


_OPENER = build_opener(_Staying)


def _fetch(request: Request) -> Reply:
    try:
        with _OPENER.open(request, timeout=PROCESS_LIMIT) as answer:
            return Reply(answer.status, answer.headers, answer.read())
    except HTTPError as error:
        with error:
            return Reply(error.code, error.headers, error.read())


class ServedMaster(Workbench):
    """A workbench with a change source, one that is not Koji's, two reporters and the Koji pages.

    One waits for a builder that does not exist, the other tags into a tag that does not exist.

    Args:
        directory: the master's base directory.
        profile: the name of the hub's profile, or a hub.
        www: what else is in the configuration of the pages.
        services: what else the master runs.
        more: what else is in the master's configuration.
    """

    def __init__(
        self,
        directory: Path,
        profile: Any,
        www: dict[str, Any] | None = None,
        services: Sequence[Any] = (),
        **more: Any,
    ) -> None:
        source = changes.KojiChangeSource(
            profile, name="koji", tags=["*"], poll_interval=300, bus=more.pop("bus", None)
        )
        tagging = reporters.KojiTagReporter(
            name="gating", profile=profile, requires=["any", "other"], on_success={"tag": "demo"}
        )
        strict = reporters.KojiTagReporter(
            name="tagging", profile=profile, builders=["any"], on_success={"tag": "nowhere"}
        )
        super().__init__(
            directory,
            tagging,
            strict,
            *services,
            change_source=[source, ChangeSource(name="git")],
            www={
                "port": "tcp:0:interface=127.0.0.1",
                "plugins": {"koji": {}},
                **(www or {}),
            },
            **more,
        )

    @property
    def url(self) -> str:
        """The address of the Koji pages."""
        return f"http://127.0.0.1:{self.master.www.getPortnum()}/plugins/koji/"

    async def ask(self, path: str, *, body: Any = None, **headers: str) -> Reply:
        """Send a request; a POST if there is a body. The JSON must be what is declared of it."""
        data = None if body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = await deferToThread(_fetch, Request(f"{self.url}{path}", data, given))
        if data is None and path.startswith("api/") and reply.code == 200:
            assert declared.mistakes(path.removeprefix("api/"), reply.json) == [], path
        return reply

    async def press(self, path: str, body: Any = None, **headers: str) -> Reply:
        """Press a button of the page."""
        return await self.ask(path, body=body or {}, **{**BUTTON, **headers})

    async def log_in(self, user: str, password: str) -> dict[str, str]:
        """Log in to Buildbot; returns the header that says so."""
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        url = self.url.replace("/plugins/koji/", "/auth/login")
        request = Request(url, headers={"Authorization": f"Basic {token}"})
        reply = await deferToThread(_fetch, request)
        # The last one counts: the first is that of nobody in particular.
        return {"Cookie": reply.headers.get_all("Set-Cookie")[-1].partition(";")[0]}
