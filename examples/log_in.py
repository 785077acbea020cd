"""Log in as the profile says, and print who we are: ``log_in.py [PROFILE]``."""

from __future__ import annotations

import sys
from typing import Any

from txkoji import Connection, run


async def main(reactor: Any, profile: str = "koji") -> None:
    koji = Connection(profile, reactor=reactor)
    await koji.login()
    user = await koji.getLoggedInUser()
    assert user is not None
    print(f"{user.name} on {koji.url}, session {koji.session_id}")
    await koji.logout()
    await koji.close()


if __name__ == "__main__":
    run(main, *sys.argv[1:])
