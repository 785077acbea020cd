"""Submit a task exactly once, also when a reply is lost or the process is killed."""

from txkoji.submission.recognition import TASK_METHODS
from txkoji.submission.submitter import Submission, Submitter

__all__ = ["TASK_METHODS", "Submission", "Submitter"]
