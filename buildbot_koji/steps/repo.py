"""Steps that wait for repos and request new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from buildbot.process import results

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag
from buildbot_koji.hubs.builds import TAGGABLE, named_build
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.base import WAITING
from buildbot_koji.steps.framework.write_step import KojiTasksStep
from txkoji import Call, RetryPolicy, build_states, is_infrastructure, paths, read_fault
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import GenericError, HubFault, UnusableAnswer

TWO_HOURS = 2 * 60 * 60
"""Seconds that Koji's own client waits for a repo."""


@dataclass(frozen=True)
class Wanted:
    """The requirements for a repo.

    Attributes:
        tag: the hub's struct of the tag.
        builds: the hub's structs of the builds that must be in the repo.
        min_event: the repo is created at this event or later; ``"last"`` for the last change of the
            tag, None for any event.
        at_event: the repo is created at exactly this event, None for any.
        opts: the repo's additional contents, as the hub's options.
    """

    tag: Any
    builds: Sequence[Any] = ()
    min_event: int | str | None = None
    at_event: int | None = None
    opts: tuple[tuple[str, bool], ...] = ()

    def __str__(self) -> str:
        named = " and ".join(build.nvr for build in self.builds)
        return f"a repo of {self.tag.name} with {named}" if named else f"a repo of {self.tag.name}"

    @property
    def request(self) -> dict[str, Any]:
        """The arguments of ``repo.request``."""
        # The builds are in the tag by now, so a repo of the tag's last change has them.
        min_event = "last" if self.builds and self.at_event is None else self.min_event
        given = {"min_event": min_event, "at_event": self.at_event, "opts": dict(self.opts)}
        return {name: value for name, value in given.items() if value}


class _Never(Exception):
    """No repo will ever meet the requirements.

    Args:
        words: why.
        fault: the fault of the task that should have made it, or None.
    """

    def __init__(self, words: str, fault: HubFault | None = None) -> None:
        super().__init__(words)
        self.fault = fault


class RepoStep(KojiTasksStep):
    """Gets a repo from the hub. The base class of the steps that do.

    Sets the properties ``koji_repo_id`` and ``koji_repo_url``.
    """

    polling: ClassVar[RetryPolicy] = RetryPolicy(first=2.0, factor=1.5, ceiling=30.0, jitter=0.0)
    """The pauses between two checks for a repo."""

    tag = argument(
        checks.name_or_id,
        "the name or id of the tag",
        required_unless=("target",),
        excludes=("target",),
    )
    target = argument(checks.name, "a build target, to use its build tag")
    debuginfo = flag("a repo with debuginfo packages")
    source = flag("a repo with source packages")
    separate_source = flag("a repo with source packages in a separate part")
    timeout = argument(
        checks.seconds,
        "seconds for all attempts of a build request together, by default two hours, as in"
        " Koji's client",
        default=TWO_HOURS,
    )

    @property
    def repo_opts(self) -> dict[str, bool]:
        """The additional contents of the repo, as the hub's options."""
        given = {
            "debuginfo": self.debuginfo,
            "src": self.source,
            "separate_src": self.separate_source,
        }
        return {name: True for name, value in given.items() if value}

    async def change(self) -> int:
        """Get the repo."""
        try:
            return await self.get_repo()
        except _Never as never:
            if is_infrastructure(never.fault):
                self.say(f"the build system failed: {never}")
                return results.EXCEPTION
            return self.fail(str(never))

    async def get_repo(self) -> int:
        """Get the repo; returns the result. A subclass implements it."""
        raise NotImplementedError

    async def find_tag(self) -> Any:
        """Return the tag."""
        name = self.tag
        if self.target is not None:
            target = await self.connection.checked("getBuildTarget", self.target, strict=True)
            name = target.build_tag
        return await self.connection.checked("getTag", name, strict=True)

    async def request_repo(self, wanted: Wanted) -> Any:
        """Request a repo and wait for it; the hub makes one unless it has one.

        Returns:
            The repo; None from a hub that is older than repo requests.

        Raises:
            _Never: the request failed.
        """

        async def ask() -> Any:
            """Ask the hub for the repo."""
            await self.hub.log_in()
            # The call is idempotent: the hub returns the same request.
            return await self.connection.checked("repo.request", wanted.tag.id, **wanted.request)

        try:
            check = await self.ask(ask, WAITING)
        except GenericError as fault:
            if not fault.unknown_method:
                raise
            return None
        looks = 0
        shown = None
        while True:
            request = check.get("request")
            if request is not None and request.task_id not in (None, shown):
                shown = request.task_id
                url = paths.task_url(self.connection.weburl, shown)
                await self.addURL(f"newRepo (task {shown})", url)
                if not check.get("repo"):
                    self.say(f"waiting for {wanted}: task {shown} makes it")
                    await self.hub.watch(shown, self.build).done
                looks = 0
            elif check.get("repo"):
                return check.repo
            elif not request.active:
                raise await self._why(wanted, request.task_id)
            else:
                self.say(f"waiting for {wanted}: request {request.id} is in the hub's queue")
                looks += 1
                await self._pause(looks)
            if not check.get("repo"):
                check = await self.ask(
                    partial(self.connection.checked, "repo.checkRequest", request.id), WAITING
                )

    async def _why(self, wanted: Wanted, task_id: int | None) -> _Never:
        """Return what to raise for a request that failed, with its last task if it had one."""
        words = f"the hub gave up making {wanted}"
        if task_id is None:
            return _Never(words)
        fault, reason = await read_fault(self.connection, task_id)
        return _Never(f"{words}: task {task_id}: {reason}", fault)

    async def _pause(self, looks: int) -> None:
        """Wait before the next check, after so many looks in a row."""
        await ElapsedTime(self.master.reactor).pause(self.polling.pause(looks))

    async def show(self, repo: Any, wanted: Wanted) -> int:
        """Show the repo and set its properties; returns SUCCESS."""
        url = f"{self.connection.weburl}/repoinfo?repoID={repo.id}"
        self.setProperty("koji_repo_id", repo.id, SOURCE)
        self.setProperty("koji_repo_url", url, SOURCE)
        await self.addURL(f"repo {repo.id}", url)
        self.say(f"repo {repo.id}: {wanted}")
        return results.SUCCESS


class KojiWaitRepo(RepoStep):
    """Waits for a repo that contains some builds, or that is as new as its tag.

    The step requests the repo from a hub that makes them on request (since 1.35). On an older hub,
    and with ``request=False``, it waits for one to appear: since 1.35 that happens only for tags
    with ``repo.auto``. Sets the properties ``koji_repo_id`` and ``koji_repo_url``.
    """

    name = "koji wait-repo"

    builds = argument(
        checks.builds, "the NVRs or ids of builds that the repo must contain, a list or one string"
    )
    min_event = argument(
        checks.positive,
        "wait for a repo of this event of the hub or a later one",
        excludes=("at_event", "current"),
    )
    at_event = argument(
        checks.positive,
        "wait for a repo of exactly this event of the hub",
        excludes=("current",),
    )
    current = argument(
        checks.flag,
        "wait for a repo as new as the tag is at the start of the step; by default unless"
        " ``builds``, ``min_event`` or ``at_event`` is given",
    )
    request = argument(
        checks.flag,
        "request the repo from the hub, which requires a login; otherwise only wait",
        default=True,
    )

    @property
    def logs_in(self) -> bool:
        """Whether the repo is requested."""
        return bool(self.request)

    async def get_repo(self) -> int:
        """Wait for the repo."""
        wanted = await self._wanted()
        asks = self.request
        checks = 0
        while True:
            missing, repo = await self.ask(partial(self._find, wanted), WAITING)
            if repo is None and asks and not missing:
                asks = await self.request_repo(wanted) is not None
            if repo is None and asks and not missing:
                # Check the new repo like an existing one: the builds must be in it.
                _, repo = await self.ask(partial(self._find, wanted), WAITING)
            if repo is not None:
                return await self.show(repo, wanted)
            self.say(
                f"waiting for {wanted}" + (f": {missing} is not in the tag" if missing else "")
            )
            checks += 1
            await self._pause(checks)

    async def _find(self, wanted: Wanted) -> tuple[str, Any]:
        """Return the NVR of a build that is not in the tag yet, or ""; and the repo, or None.

        Raises:
            _Never: no repo will meet the requirements.
        """
        missing = await self._missing(wanted)
        repo = None if missing else await self.connection.checked("getRepo", wanted.tag.id)
        return missing, repo if await self._is_it(repo, wanted) else None

    async def _wanted(self) -> Wanted:
        tag = await self.find_tag()
        builds = [await named_build(self.connection, each) for each in checks.words(self.builds)]
        current = self.current
        if current is None:
            current = not builds and self.min_event is None and self.at_event is None
        min_event = self.min_event
        if current:
            # The current event: later changes of the tag are not waited for.
            min_event = await self.connection.checked("tagLastChangeEvent", tag.id)
        opts = tuple(sorted(self.repo_opts.items()))
        return Wanted(tag, builds, min_event, self.at_event, opts)

    async def _missing(self, wanted: Wanted) -> str:
        """Return the NVR of a build that is not in the tag yet, "" if all are.

        Raises:
            _Never: a later build of the same package is in the tag, too; or a build has failed or
                is deleted.
        """
        for build in wanted.builds:
            package = build.package_name
            latest = await self.connection.checked(
                "getLatestBuilds", wanted.tag.id, package=package
            )
            if build.id in [each.id for each in latest]:
                continue
            tagged = await self.connection.checked(
                "listTagged", wanted.tag.id, inherit=True, package=package
            )
            if latest and build.id in [each.id for each in tagged]:
                raise _Never(
                    f"{latest[0].nvr} is the latest {package} in {wanted.tag.name}: no repo of it"
                    f" will hold {build.nvr}"
                )
            now = await named_build(self.connection, build.id)
            if now.state not in TAGGABLE:
                raise _Never(f"{now.nvr} is {build_states.to_str(now.state)}: no repo will hold it")
            return str(build.nvr)
        return ""

    async def _is_it(self, repo: Any, wanted: Wanted) -> bool:
        """Return whether a repo's contents meet the requirements."""
        if repo is None:
            return False
        if wanted.at_event is not None and repo.create_event != wanted.at_event:
            return False
        if isinstance(wanted.min_event, int) and repo.create_event < wanted.min_event:
            return False
        has = repo.get("opts") or {}
        if any(not has.get(name) for name, _ in wanted.opts):
            return False
        for build in wanted.builds:
            found = await self.connection.checked(
                "getLatestBuilds",
                wanted.tag.id,
                event=repo.create_event,
                package=build.package_name,
            )
            if build.id not in [each.id for each in found]:
                return False
        return True


class KojiRegenRepo(RepoStep):
    """Makes a repo of a tag as it is now, and waits for it.

    On hubs since 1.35 the step requests the repo, as any user may; the hub makes none if it has one
    already. On an older hub, and with ``make_task``, it makes a task, which requires the permission
    ``repo`` or ``regen-repo``. Sets the properties ``koji_repo_id`` and ``koji_repo_url``.
    """

    name = "koji regen-repo"
    activity: ClassVar[str] = "making a repo"

    make_task = flag("always make a task of our own")

    async def get_repo(self) -> int:
        """Get the repo made."""
        tag = await self.find_tag()
        wanted = Wanted(tag, min_event="last", opts=tuple(sorted(self.repo_opts.items())))
        repo = None if self.make_task else await self.request_repo(wanted)
        if repo is None:
            call = Call("newRepo", (tag.name,), self.repo_opts)
            result = await self.run_tasks({tag.name: call}, _never_done)
            if result != results.SUCCESS:
                return result
            [task_id] = self.task_ids
            made = await self.connection.getTaskResult(task_id)
            if not (isinstance(made, list) and made and type(made[0]) is int):
                raise UnusableAnswer("getTaskResult", made, "the id of a repo")
            repo = await self.connection.checked("repoInfo", made[0], strict=True)
        return await self.show(repo, wanted)


async def _never_done(_label: str) -> bool:
    return False
