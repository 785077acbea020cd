"""An asynchronous Koji client on Twisted."""

from txkoji.connection import Connection
from txkoji.exceptions import KojiException, KojiLoginException
from txkoji.profiles import Profile
from txkoji.watching.watcher import TaskWatcher

__all__ = ["Connection", "KojiException", "KojiLoginException", "Profile", "TaskWatcher"]
