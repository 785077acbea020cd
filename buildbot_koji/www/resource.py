"""What is served below ``/plugins/koji/``: the page's files, JSON, actions, health, metrics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.error import Error
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from twisted.web.static import File

from buildbot_koji.arguments.buttons import NotThere
from buildbot_koji.durable.database import is_database_unreachable
from buildbot_koji.www.actions import ActionRefused, find_action
from buildbot_koji.www.collect import Collector
from buildbot_koji.www.masters import database_words
from buildbot_koji.www.metrics import exposition
from buildbot_koji.www.plain import encoded
from txkoji.elapsed import ElapsedTime

JSON = b"application/json; charset=utf-8"

FRESH_FOR = 1.0
"""Seconds for which an answer is cached: fifty open pages cost as much as one."""

MOST_ANSWERS = 200
"""Answers that are cached."""

LARGEST_BODY = 100_000
"""Bytes of an action's body."""

HEADER = b"buildbot-koji"
"""The value of ``X-Requested-With`` that an action needs: no form of another site can send it."""

Make = Callable[[], Awaitable[Any]]
"""Makes an answer: a value for JSON, or bytes."""


class Answers:
    """Caches answers for a moment; requests for one that is being rendered share it."""

    def __init__(self, clock: Any) -> None:
        self._elapsed = ElapsedTime(clock)
        self._made: dict[str, tuple[float, bytes]] = {}
        self._waiting: dict[str, list[Deferred[bytes]]] = {}

    def forget(self) -> None:
        """Drop all answers: something was changed."""
        self._made.clear()

    async def get(self, key: str, make: Make) -> bytes:
        """Return the cached answer of a key, or make it."""
        made_at, body = self._made.get(key, (None, b""))
        if made_at is not None and self._elapsed.seconds() - made_at < FRESH_FOR:
            return body
        if key in self._waiting:
            waiting: Deferred[bytes] = Deferred()
            self._waiting[key].append(waiting)
            return await waiting
        waiters = self._waiting[key] = []
        try:
            made = await make()
            body = made if isinstance(made, bytes) else encoded(made)
        except BaseException:
            del self._waiting[key]
            for each in waiters:
                each.errback(Failure())
            raise
        del self._waiting[key]
        while len(self._made) >= MOST_ANSWERS:
            del self._made[next(iter(self._made))]
        self._made[key] = (self._elapsed.seconds(), body)
        for each in waiters:
            each.callback(body)
        return body


def koji_pages(master: Any, static: str, collector: Collector) -> File:
    """Return everything below ``/plugins/koji/``."""
    root = File(static)
    answers = Answers(master.reactor)
    root.putChild(b"api", _Api(master, collector, answers))
    root.putChild(b"health", _Health(collector, answers))
    root.putChild(b"metrics", _Metrics(collector, answers))
    return root


class _Answering(Resource):
    """A resource whose answer is made in the background."""

    isLeaf = True
    _log = Logger()

    def __init__(self, collector: Collector, answers: Answers) -> None:
        super().__init__()
        self._collector = collector
        self._answers = answers

    def render_GET(self, request: Any) -> Any:
        return self._in_background(request, self._get(request))

    def _in_background(self, request: Any, answer: Any) -> int:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)

        def failed(failure: Failure) -> None:
            error = failure.value
            code, message = 500, "the master's log has the reason"
            if isinstance(error, Error):
                code, message = 403, (error.message or b"").decode(errors="replace")
            elif isinstance(error, (NotThere, ActionRefused)):
                code, message = 404 if isinstance(error, NotThere) else 400, str(error)
            elif is_database_unreachable(error):
                # Whoever works in the background logs it: an open page asks every two seconds.
                code, message = 503, database_words(error)
            else:
                self._log.failure("can't answer {path}", failure, path=request.path)
            if not gone and not request.startedWriting:
                self._reply(request, code, {"message": message})

        def ended(_: object) -> None:
            if not gone and not request.finished:
                request.finish()

        Deferred.fromCoroutine(answer).addErrback(failed).addCallback(ended)
        return NOT_DONE_YET

    async def _get(self, request: Any) -> None:
        raise NotImplementedError

    @staticmethod
    def _reply(request: Any, code: int, content: Any) -> None:
        request.setResponseCode(code)
        _Answering._send(request, encoded(content), JSON)

    @staticmethod
    def _send(request: Any, body: bytes, kind: bytes) -> None:
        request.setHeader(b"content-type", kind)
        request.setHeader(b"x-content-type-options", b"nosniff")
        request.setHeader(b"cache-control", b"no-cache")
        if request.code == 200 and request.method == b"GET":
            tag = b'"' + hashlib.blake2b(body, digest_size=12).hexdigest().encode() + b'"'
            # Twisted compares it with If-None-Match; the answer is 304 then, without a body.
            if request.setETag(tag):
                return
        request.setHeader(b"content-length", str(len(body)).encode())
        request.write(body)


class _Api(_Answering):
    """``api/...``: what the pages show, and what their buttons do."""

    def __init__(self, master: Any, collector: Collector, answers: Answers) -> None:
        super().__init__(collector, answers)
        self._master = master

    async def _get(self, request: Any) -> None:
        path = _path_of(request)
        await self._allow(request, path, "GET")
        wanted = {
            name.decode(errors="replace"): values[0].decode(errors="replace")
            for name, values in request.args.items()
        }
        make = self._page(path, wanted)
        if make is None:
            raise NotThere("there is no such page")
        key = json.dumps([path, sorted(wanted.items())])
        body = await self._answers.get(key, make)
        if body == b"null":
            raise NotThere("there is nothing of that name")
        self._send(request, body, JSON)

    def _page(self, path: list[str], wanted: dict[str, str]) -> Make | None:
        collector = self._collector
        pages: dict[str, Make] = {
            "overview": collector.overview,
            "tasks": lambda: collector.tasks(wanted.get("hub")),
            "sources": collector.sources,
            "deliveries": collector.deliveries,
            "history": lambda: collector.history(wanted.get("hub")),
            "failures": collector.failures,
            "packages": lambda: collector.packages(wanted.get("q", "")),
            "mass": collector.mass,
        }
        match path:
            case ["package", name]:
                return partial(collector.package, name)
            case ["mass", name, "packages"]:
                return partial(collector.mass_packages, name)
        return pages.get("/".join(path))

    def render_POST(self, request: Any) -> Any:
        return self._in_background(request, self._post(request))

    async def _post(self, request: Any) -> None:
        refusal = _cross_site(request, self._master.config.buildbotURL)
        if refusal is not None:
            raise Error(403, refusal.encode())
        path = _path_of(request)
        action = find_action(self._master, path)
        if action is None:
            raise NotThere("there is no such action")
        await self._allow(request, path, action.name)
        message = await action.do(_body(request))
        self._answers.forget()
        self._reply(request, 200, {"message": message})

    async def _allow(self, request: Any, path: list[str], action: str) -> None:
        # Buildbot's authorization does not cover what plugins serve.
        await self._master.www.assertUserAllowed(request, ("koji", *path), action, {})


def _path_of(request: Any) -> list[str]:
    path = [each.decode(errors="replace") for each in request.postpath]
    return path[:-1] if path[-1:] == [""] else path


def _cross_site(request: Any, own: str) -> str | None:
    """Return why a request may come from another site's page, None if it can't."""
    if request.getHeader(b"x-requested-with") != HEADER:
        return "the header X-Requested-With: buildbot-koji is missing"
    # A proxy may hand a request on under another host.
    hosts = {
        request.getHeader(b"host"),
        request.getHeader(b"x-forwarded-host"),
        _host(own.encode()),
    }
    for name in (b"origin", b"referer"):
        address = request.getHeader(name)
        if address is not None and not (_host(address) and _host(address) in hosts):
            return "the request comes from another site"
    return None


def _host(address: bytes) -> bytes:
    try:
        return bytes(urlsplit(address).netloc)
    except ValueError:
        return b""


def _body(request: Any) -> dict[str, Any]:
    content = request.content.read(LARGEST_BODY + 1)
    if len(content) > LARGEST_BODY:
        raise ActionRefused("the body is too large")
    try:
        found = json.loads(content) if content.strip() else {}
    except (ValueError, RecursionError):
        raise ActionRefused("the body must be JSON") from None
    if not isinstance(found, dict):
        raise ActionRefused("the body must be a JSON object")
    return found


class _Health(_Answering):
    """``health``: 200, or 503 with the reasons."""

    async def _get(self, request: Any) -> None:
        body = await self._answers.get("health", self._collector.health)
        request.setResponseCode(200 if json.loads(body)["ok"] else 503)
        self._send(request, body, JSON)


class _Metrics(_Answering):
    """``metrics``: what Prometheus reads."""

    async def _get(self, request: Any) -> None:
        async def make() -> bytes:
            return exposition(await self._collector.snapshot())

        try:
            body = await self._answers.get("metrics", make)
        except ImportError:
            remedy = "prometheus_client is missing: pip install 'buildbot-koji[metrics]'"
            self._reply(request, 501, {"message": remedy})
        else:
            self._send(request, body, b"text/plain; version=0.0.4; charset=utf-8")
