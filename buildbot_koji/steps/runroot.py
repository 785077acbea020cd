"""A step that runs a command in a buildroot."""

from __future__ import annotations

from typing import Any, ClassVar

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import flag, option, required
from buildbot_koji.steps.framework.task_step import KojiTaskStep
from txkoji import Call, Outcome


class KojiRunroot(KojiTaskStep):
    """Runs a command in a build root of a tag. Requires the permission ``runroot``."""

    name = "koji runroot"
    activity: ClassVar[str] = "running"

    tag = required(checks.name_or_id, "the name or id of the tag whose repo fills the build root")
    arch = required(checks.text, "the architecture")
    command = required(
        checks.text_or_texts, "the command: a list of its words, or one string for a shell"
    )
    packages = option(checks.texts, "packages to install")
    mounts = option(checks.texts, "directories to mount read-write")
    skip_setarch = flag("don't set the architecture in the build root", option=True)
    weight = option(checks.positive, "the weight of the task")
    channel = option(checks.name, "the channel of the task")
    new_chroot = option(
        checks.flag, "True for mock's ``--new-chroot`` (systemd-nspawn), False for ``--old-chroot``"
    )
    repo_id = option(checks.positive, "use this repo instead of the newest")
    upload_logs = option(checks.texts, "files of the build root to upload as logs")

    def hub_call(self) -> Call:
        """Return the call that submits the command."""
        command = self.command if isinstance(self.command, str) else list(self.command)
        return Call("runroot", (self.tag, self.arch, command), self.hub_options())

    def done_words(self, outcome: Outcome) -> str:
        """Return the command that was run."""
        shown: Any = self.command if isinstance(self.command, str) else " ".join(self.command)
        return f"ran {shown} on {self.arch}"
