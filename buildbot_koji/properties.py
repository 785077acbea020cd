"""The names of Buildbot properties, and of their source, that several modules share."""

from __future__ import annotations

SOURCE = "Koji"
"""The source that Buildbot shows for each property that these plugins set."""

EVENT_KEY = "koji_event_key"
"""The property of a change with the key of its event: no two changes have the same."""

CHANGE_SOURCE = "koji_change_source"
"""The property of a change with the name of the change source that made it."""

PACKAGE = "koji_package"
"""The property of a build with the name of the package that its task builds."""

REASON = "koji_reason"
"""Why a step failed, in one line."""

FAILED_ARCH = "koji_failed_arch"
"""The architecture whose task failed first."""

LOG_URL = "koji_log_url"
"""The address of the log that says why a task failed."""

MASS_ID = "koji_mass_id"
"""The property of a build with the id of its mass build: the first build of the build request."""

EXCERPT = "summary"
"""The log with the end of the failing log. Buildbot shows a log of that name first, and opened."""
