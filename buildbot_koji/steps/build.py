"""Steps that build packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from buildbot_koji import checks
from buildbot_koji.steps.watching import HubCall, KojiTaskStep

__all__ = ["KojiBuild"]

BACKGROUND_PRIORITY = 5
"""What ``koji build --background`` adds to the priority."""

_OPTIONS: dict[str, checks.Check] = {
    "scratch": checks.flag,
    "draft": checks.flag,
    "skip_tag": checks.flag,
    "arch_override": checks.text_or_texts,
    "repo_id": checks.integer,
    "wait_repo": checks.flag,
    "wait_builds": checks.texts,
    "fail_fast": checks.flag,
    "rebuild_srpm": checks.flag,
    "custom_user_metadata": checks.struct,
}
"""The options of Koji's ``build``, by the hub's own names."""


class KojiBuild(KojiTaskStep):
    """Builds a package in Koji.

    Sets the properties ``koji_task_id``, ``koji_task_url`` and ``koji_nvr``, and but for a scratch
    build ``koji_build_id`` and ``koji_build_url``.

    Args:
        profile: the profile of the hub in Koji's configuration files.
        target: the name of the build target; may be left out with ``repo_id``.
        source: an SCM URL with a revision (``git+https://host/path.git#ref``), or the hub's path of
            an uploaded source RPM.
        scratch: build without importing the result.
        draft: make a draft build, to be promoted later.
        skip_tag: don't tag the build.
        arch_override: the architectures of a scratch build, a list or one string.
        repo_id: build with this repo instead of the target's newest.
        wait_repo: wait for a repo newer than the submission.
        wait_builds: wait for a repo that has these builds (NVRs).
        fail_fast: cancel the other architectures as soon as one fails.
        rebuild_srpm: whether an uploaded source RPM of a scratch build is rebuilt first.
        custom_user_metadata: a dictionary that Koji keeps with the build.
        priority: of the task, relative to Koji's own 20; higher is later, negative needs an admin.
        channel: the channel of the task, where the hub's policy should not choose.
        background: build at a lower priority, as ``koji build --background`` does.
        kwargs: the arguments of :class:`KojiTaskStep`, and Buildbot's own.
    """

    name = "koji build"
    renderables: Sequence[str] = (
        "target",
        "source",
        *_OPTIONS,
        "priority",
        "channel",
        "background",
    )
    checks: ClassVar[Mapping[str, checks.Check]] = {
        **KojiTaskStep.checks,
        "target": checks.text,
        "source": checks.source,
        **_OPTIONS,
        "priority": checks.integer,
        "channel": checks.text,
        "background": checks.flag,
    }
    required: ClassVar[Sequence[str]] = ["profile", "source"]

    def __init__(
        self,
        profile: Any = None,
        target: Any = None,
        source: Any = None,
        *,
        scratch: Any = False,
        draft: Any = False,
        skip_tag: Any = False,
        arch_override: Any = None,
        repo_id: Any = None,
        wait_repo: Any = False,
        wait_builds: Any = None,
        fail_fast: Any = False,
        rebuild_srpm: Any = None,
        custom_user_metadata: Any = None,
        priority: Any = None,
        channel: Any = None,
        background: Any = False,
        **kwargs: Any,
    ) -> None:
        self.target = target
        self.source = source
        self.scratch = scratch
        self.draft = draft
        self.skip_tag = skip_tag
        self.arch_override = arch_override
        self.repo_id = repo_id
        self.wait_repo = wait_repo
        self.wait_builds = wait_builds
        self.fail_fast = fail_fast
        self.rebuild_srpm = rebuild_srpm
        self.custom_user_metadata = custom_user_metadata
        self.priority = priority
        self.channel = channel
        self.background = background
        super().__init__(profile, **kwargs)

    def complaints(self) -> list[str]:
        """Return one line for each mistake, in a single argument or in how they go together."""
        found = super().complaints()
        if self.target is None and self.repo_id is None:
            found.append("target is missing (it may be left out only with repo_id)")
        if self.scratch is True and self.draft is True:
            found.append("scratch and draft exclude each other: a scratch build is not kept at all")
        if self.scratch is False:
            found += [
                f"{name} is for scratch builds: add scratch=True, or leave it out"
                for name in ("arch_override", "rebuild_srpm")
                if getattr(self, name) is not None
            ]
        if self.background is True and self.priority is not None:
            found.append("background and priority exclude each other: background is a priority")
        return found

    @property
    def _hub_options(self) -> dict[str, Any]:
        """The options as the hub takes them; those not given are left out."""
        options = {name: getattr(self, name) for name in _OPTIONS}
        if isinstance(self.arch_override, (list, tuple)):
            options["arch_override"] = " ".join(self.arch_override)
        return {
            name: value
            for name, value in options.items()
            if value is not None and value is not False
        } | ({"rebuild_srpm": False} if self.rebuild_srpm is False else {})

    def hub_call(self) -> HubCall:
        """Return the call that submits the build."""
        priority = BACKGROUND_PRIORITY if self.background else self.priority
        return HubCall(
            "build", (self.source, self.target, self._hub_options, priority, self.channel)
        )
