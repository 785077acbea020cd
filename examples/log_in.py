"""Log in as the profile says, and print who we are: ``log_in.py [PROFILE]``."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from txkoji import Connection
from txkoji.exceptions import KojiException


async def main(reactor: Any, profile: str = "koji") -> None:
    try:
        koji = Connection(profile, reactor=reactor)
        await koji.login()
        user = await koji.getLoggedInUser()
        assert user is not None
        print(f"{user.name} on {koji.url}, session {koji.session_id}")
        await koji.logout()
        await koji.close()
    except KojiException as error:
        sys.exit(str(error))


if __name__ == "__main__":
    react(lambda *args: Deferred.fromCoroutine(main(*args)), sys.argv[1:])
