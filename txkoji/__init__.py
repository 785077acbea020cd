"""An asynchronous Koji client on Twisted."""

from txkoji._distribution import VERSION
from txkoji._program import run
from txkoji._values import one_line
from txkoji.connection import Connection
from txkoji.exceptions import KojiException, KojiLoginException
from txkoji.files.downloads import RemoteFile
from txkoji.files.logs import LogPiece
from txkoji.files.uploads import Progress
from txkoji.history.cursor import Cursor
from txkoji.history.events import BUS_ONLY as BUS_ONLY_EVENTS
from txkoji.history.events import IN_TAGS as TAG_EVENTS
from txkoji.history.events import NAMES as EVENT_NAMES
from txkoji.history.events import (
    BuildPromote,
    BuildStateChange,
    Event,
    Import,
    PackageListChange,
    RepoDone,
    RepoInit,
    RPMSign,
    TagUntag,
    TaskStateChange,
)
from txkoji.history.following import Follower
from txkoji.history.interest import Interest
from txkoji.history.poller import Poller
from txkoji.history.tags import is_glob, matches
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient
from txkoji.hub.credentials import Credential, login_problem
from txkoji.hub.keytabs import keytab_problem
from txkoji.hub.methods import Kind
from txkoji.hub.proxies import Proxy, proxy_for
from txkoji.hub.requests import Limits
from txkoji.hub.statistics import LATENCY_BOUNDS, RequestStatistics
from txkoji.outcomes import Outcome, read_fault, read_outcome, reason_of
from txkoji.profiles import Profile
from txkoji.retry import RetryPolicy
from txkoji.submission.recognition import KEY as SUBMISSION_MARKER
from txkoji.submission.recognition import TASK_METHODS
from txkoji.submission.search import Submission
from txkoji.submission.submitter import Submitter
from txkoji.watching.infrastructure import INFRASTRUCTURE_FAULTS, is_infrastructure, is_refusal
from txkoji.watching.queues import QUEUE_LIMIT
from txkoji.watching.task_tree import TaskChange, TaskTree, arch_of
from txkoji.watching.watch import Watch
from txkoji.watching.watcher import TaskWatcher, UnknownTask, WatchedTask, WatcherStatus

__version__ = VERSION

__all__ = [
    "BUS_ONLY_EVENTS",
    "EVENT_NAMES",
    "INFRASTRUCTURE_FAULTS",
    "LATENCY_BOUNDS",
    "QUEUE_LIMIT",
    "SUBMISSION_MARKER",
    "TAG_EVENTS",
    "TASK_METHODS",
    "BuildPromote",
    "BuildStateChange",
    "Call",
    "Connection",
    "Credential",
    "Cursor",
    "Event",
    "Follower",
    "HubClient",
    "Import",
    "Interest",
    "Kind",
    "KojiException",
    "KojiLoginException",
    "Limits",
    "LogPiece",
    "Outcome",
    "PackageListChange",
    "Poller",
    "Profile",
    "Progress",
    "Proxy",
    "RPMSign",
    "RemoteFile",
    "RepoDone",
    "RepoInit",
    "RequestStatistics",
    "RetryPolicy",
    "Submission",
    "Submitter",
    "TagUntag",
    "TaskChange",
    "TaskStateChange",
    "TaskTree",
    "TaskWatcher",
    "UnknownTask",
    "Watch",
    "WatchedTask",
    "WatcherStatus",
    "arch_of",
    "is_glob",
    "is_infrastructure",
    "is_refusal",
    "keytab_problem",
    "login_problem",
    "matches",
    "one_line",
    "proxy_for",
    "read_fault",
    "read_outcome",
    "reason_of",
    "run",
]
