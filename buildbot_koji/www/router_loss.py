"""Answers for a master that has lost its message router, in place of Buildbot's web server.

Buildbot stops the services of a master that has lost its message router, and does not end the
process. Without this, a probe of ``health`` would be refused, and a person would see nothing.
"""

from __future__ import annotations

import signal
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import Site

from buildbot_koji.www.plain import encoded
from txkoji.elapsed import ElapsedTime

ROUTER_LOST = "the master has lost its message router: restart it"

LISTEN_AGAIN = 1.0
"""Seconds between two attempts to listen while Buildbot still has the port."""

_log = Logger()


def answer_after_router_loss(master: Any) -> None:
    """Answer every request with 503 and the reason once Buildbot has closed the web server.

    SIGTERM ends the process then.
    """
    joined = master.wamp.getService()
    joined.addCallback(lambda session: session.on("disconnect", partial(_disconnected, master)))


def _disconnected(master: Any, session: Any, **_: object) -> None:
    if not session.leaving:
        listening = Deferred.fromCoroutine(_listen(master))
        listening.addErrback(lambda failure: _log.failure("can't answer for the master", failure))


async def _listen(master: Any) -> None:
    port = master.config.www["port"]
    endpoint = serverFromString(master.reactor, f"tcp:{port}" if isinstance(port, int) else port)
    while True:
        try:
            await endpoint.listen(Site(_Stopped()))
        except CannotListenError:
            await ElapsedTime(master.reactor).pause(LISTEN_AGAIN)
        else:
            break
    _log.error("{words}", words=ROUTER_LOST)
    # Buildbot would stop the master once more, and wait forever: no `buildbot restart` would work.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _Stopped(Resource):
    """Answers every request with 503 and the reason, as ``health`` does."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        request.setResponseCode(503)
        request.setHeader(b"content-type", b"application/json")
        return encoded({"ok": False, "reasons": [ROUTER_LOST], "warnings": []})
