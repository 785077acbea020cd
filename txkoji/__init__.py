"""An asynchronous Koji client on Twisted."""

from txkoji.connection import Connection
from txkoji.exceptions import KojiException, KojiLoginException
from txkoji.files.downloads import RemoteFile
from txkoji.files.logs import LogPiece
from txkoji.files.uploads import Progress
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient
from txkoji.hub.methods import Kind
from txkoji.hub.requests import Limits
from txkoji.profiles import Profile
from txkoji.retry import RetryPolicy
from txkoji.submission.recognition import TASK_METHODS
from txkoji.submission.submitter import Submission, Submitter
from txkoji.watching.infrastructure import INFRASTRUCTURE_FAULTS, is_infrastructure
from txkoji.watching.outcomes import Outcome, read_outcome, reason_of
from txkoji.watching.task_tree import TaskChange, TaskTree, arch_of
from txkoji.watching.watcher import TaskWatcher, UnknownTask, Watch

__all__ = [
    "INFRASTRUCTURE_FAULTS",
    "TASK_METHODS",
    "Call",
    "Connection",
    "HubClient",
    "Kind",
    "KojiException",
    "KojiLoginException",
    "Limits",
    "LogPiece",
    "Outcome",
    "Profile",
    "Progress",
    "RemoteFile",
    "RetryPolicy",
    "Submission",
    "Submitter",
    "TaskChange",
    "TaskTree",
    "TaskWatcher",
    "UnknownTask",
    "Watch",
    "arch_of",
    "is_infrastructure",
    "read_outcome",
    "reason_of",
]
