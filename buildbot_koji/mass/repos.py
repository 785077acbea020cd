"""Waits until the build repo has what was built: one request for all packages that wait."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable

import attrs
from twisted.internet.task import deferLater

from buildbot_koji.mass.context import MassContext
from buildbot_koji.mass.packages import BadPlan, latest_in_tag, listed_packages
from buildbot_koji.mass.plan import MassPackage, MassPlan, PackageEvent
from buildbot_koji.words import duration, named
from txkoji import one_line, read_fault
from txkoji.exceptions import AuthError, GenericError, HubFault, KojiException
from txkoji.retry import is_passing

LONGEST_PAUSE = 3600.0
"""Seconds between two polls that count as waited: if more passed, the machine was suspended."""

RELEASED_AT_ONCE = 1000
"""Packages that a repo releases per reactor iteration."""


@attrs.define(eq=False, repr=False, slots=False)
class RepoWaiter:
    """Waits for repos of the build tag that a target has when the wait begins.

    A hub since 1.35 makes a requested repo only if it has none that is new enough. The call may be
    repeated: it returns the same request. An older hub makes repos by itself.

    A package that waits too long is skipped. One that requires a package that is blocked in the
    build tag is skipped at once.

    Args:
        context: the mass build.
        patience: seconds that a package waits; those in which the hub is unreachable don't count.

    Attributes:
        due: when to poll next, in elapsed time.
        is_refused: whether the hub refused the last poll.
    """

    _context: MassContext
    _patience: float

    def __attrs_post_init__(self) -> None:
        self._hub, self._timing = self._context.hub, self._context.timing
        self._tag = (0, f"target {self._context.options.target}")
        self._request: int | None = None
        self._waiting: list[MassPackage] = []
        self._lacking: list[MassPackage] = []
        self._there: set[int] = set()
        self._event = 0
        # How long each held package has waited, up to the last poll.
        self._waited: dict[int, float] = {}
        self._polled = 0.0
        self._is_old_hub = False
        self._polls = self._failures = 0
        self._trouble = self._how = ""
        self.is_refused = False
        self.due = 0.0

    @property
    def words(self) -> str:
        """What is waited for."""
        waited = max(self._waited.values(), default=0.0)
        since = f", for {duration(waited)} now" if waited >= self._timing.long else ""
        return f"{self._wanted}{since}"

    @property
    def _wanted(self) -> str:
        lacking = [each.nvr or each.name for each in self._lacking]
        lacks = f" with {named(lacking, 3)}, which must be tagged" if lacking else ""
        return f"a repo of {self._tag[1]}{lacks}{self._trouble}{self._how}"

    async def poll(self) -> None:
        """Request a repo for the packages that are held, or ask whether it is ready.

        Raises:
            KojiException: the hub is unreachable, or refused the login.
        """
        plan, now = self._context.plan, self._context.elapsed.seconds()
        if self.due > now:
            return
        before, passed = self._waited, min(now - self._polled, LONGEST_PAUSE)
        self._waited = {e: before[e] + passed if e in before else 0.0 for e in plan.held}
        self._polled = now
        try:
            is_there = await self._poll(plan)
            self.is_refused = False
        except KojiException as fault:
            is_answer = isinstance(fault, (HubFault, BadPlan)) and not is_passing(fault)
            if not is_answer or isinstance(fault, AuthError):
                # An outage does not count.
                self._waited, self._polled = before, self._context.elapsed.seconds()
                raise
            # A restored hub does not know the request; a policy or the target may change.
            is_there, self._waiting, self._request, self.is_refused = False, [], None, True
            self._trouble = f" ({one_line(fault)}); asking again"
        if is_there:
            for place, package in enumerate(self._waiting):
                if package.index in plan.held:
                    plan.happened(package, PackageEvent.IN_REPO)
                if place % RELEASED_AT_ONCE == RELEASED_AT_ONCE - 1:
                    await deferLater(self._context.clock, 0)
            self._waiting, self._request, self._trouble, self._how = [], None, "", ""
            self._polls, self._failures, self.due = 0, 0, 0.0
            return
        self._polls += 1
        pause = self._timing.repo_polling.pause(self._polls)
        if self._failures and self._request is None:
            pause = self._timing.infra_retry.pause(self._failures)
            self._how = f"; asking again in {duration(pause)}"
        self.due = now + pause
        late = [index for index, waited in self._waited.items() if waited >= self._patience]
        reason = f"waited {duration(self._patience)} for {self._wanted}"
        self._skip((plan.held[index] for index in late if index in plan.held), reason)

    def _skip(self, packages: Iterable[MassPackage], reason: str) -> None:
        """Skip packages for which no repo comes, and those that require them."""
        for package in packages:
            self._context.plan.happened(package, PackageEvent.DROPPED, reason=reason)
            self._context.note(package)

    async def _poll(self, plan: MassPlan) -> bool:
        """Return whether there is a repo for those that wait."""
        connection = self._hub.connection
        if not self._waiting:
            self._tag = await self._build_tag()
            await self._find_lacking(plan)
            await self._skip_blocked(plan)
            if not plan.held:
                return False
            # Packages that are held later wait for the next repo.
            self._event = await connection.checked("tagLastChangeEvent", self._tag[0])
            lacks = _needs(self._lacking)
            self._waiting = [each for each in plan.held.values() if not lacks(each)]
        if not (self._waiting and await self._has_repo()):
            return False
        if await self._build_tag() == self._tag:
            return True
        # The target has another build tag by now: its repo is waited for.
        self._waiting, self._request = [], None
        return False

    async def _find_lacking(self, plan: MassPlan) -> None:
        """Find the builds that held packages require and that the build tag lacks.

        A newer build of the package will do, an older one won't. An adopted build may be in another
        tag, and what was built may have been moved.
        """
        required = {index for each in plan.held.values() for index in each.requires}
        highest = max(each.level for each in plan.held.values())
        unseen = [
            each
            for each in plan.packages
            if each.build_id is not None
            and each.index not in self._there
            and (each.index in required or each.level < highest)
        ]
        names = [each.name for each in unseen]
        latest = await latest_in_tag(self._hub.connection, self._tag[0], names)
        self._lacking = [e for e in unseen if latest.get(e.name, 0) < (e.build_id or 0)]
        self._there.update({e.index for e in unseen} - {e.index for e in self._lacking})

    async def _skip_blocked(self, plan: MassPlan) -> None:
        """Skip what requires a build whose package is blocked in the build tag."""
        names = [each.name for each in self._lacking]
        listed = await listed_packages(self._hub.connection, self._tag[0], names)
        for each in self._lacking:
            if listed.get(each.name, {}).get("blocked"):
                reason = f"requires {each.name}, which is blocked in {self._tag[1]}"
                self._skip(filter(_needs([each]), list(plan.held.values())), reason)

    async def _build_tag(self) -> tuple[int, str]:
        """Return the id and the name of the target's build tag."""
        name = self._context.options.target
        target = await self._hub.connection.checked("getBuildTarget", name, strict=True)
        return target["build_tag"], target["build_tag_name"]

    async def _has_repo(self) -> bool:
        connection = self._hub.connection
        if self._is_old_hub:
            repo = await connection.checked("getRepo", self._tag[0])
            return repo is not None and repo["create_event"] >= self._event
        try:
            if self._request is None:
                await self._hub.log_in()
                check = await connection.checked(
                    "repo.request", self._tag[0], min_event=self._event
                )
            else:
                check = await connection.checked("repo.checkRequest", self._request)
        except GenericError as fault:
            if not fault.unknown_method:
                raise
            self._is_old_hub = True
            return False
        if check.get("repo"):
            return True
        request = check.get("request") or {}
        self._request, task_id = request.get("id"), request.get("task_id")
        if request.get("active", True):
            self._how = f" (task {task_id})" if task_id else " (in the hub's queue)"
            return False
        # Each request costs the hub several tries.
        self._request, self._failures = None, self._failures + 1
        self._trouble = ", which the hub gave up making"
        if task_id is not None:
            _, why = await read_fault(connection, task_id)
            self._trouble += f": task {task_id}: {why}"
        return False


def _needs(packages: Collection[MassPackage]) -> Callable[[MassPackage], bool]:
    """Return a function that returns whether a package directly requires one of these."""
    places = {each.index for each in packages}
    lowest = min((each.level for each in packages), default=math.inf)
    return lambda package: package.level > lowest or not places.isdisjoint(package.requires)
