"""The step that builds any number of packages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

from buildbot.process import results
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, of_nothing, required
from buildbot_koji.arguments.places import Place
from buildbot_koji.arguments.plugins import CheckedRenderable
from buildbot_koji.durable.attempts import StepIdentity
from buildbot_koji.durable.claims import ClaimLost
from buildbot_koji.durable.unreadable import reading
from buildbot_koji.mass.at_once import AT_ONCE, AtOnce
from buildbot_koji.mass.context import MassContext
from buildbot_koji.mass.earlier import EarlierMassBuilds, rest_of
from buildbot_koji.mass.options import MassOptions, MassTiming
from buildbot_koji.mass.packages import (
    BadPlan,
    MassOrder,
    check_package_template,
    check_packages,
    names_in,
    ordered_names,
    plan_mistakes,
)
from buildbot_koji.mass.plan import MADE, MassPackage, MassPlan, PackageState
from buildbot_koji.mass.planning import MassPlanner
from buildbot_koji.mass.report import (
    csv_report,
    facts_of,
    html_report,
    json_report,
    package_row,
    result_and_summary,
)
from buildbot_koji.mass.repos import RepoWaiter
from buildbot_koji.mass.runner import MassRunner
from buildbot_koji.mass.status import MassStatus, register
from buildbot_koji.mass.stored import MassStore, MassStores, MixedPlans
from buildbot_koji.mass.values import (
    check_levels,
    check_moment,
    check_reasons,
    check_requirements,
    count_or_share,
    number_of,
    seconds_of,
    some_or_share,
)
from buildbot_koji.properties import MASS_ID, SOURCE
from buildbot_koji.steps.build import KojiBuild, PackageBuildStep
from buildbot_koji.steps.framework.base import SUPERSEDED
from buildbot_koji.steps.framework.early_end import Ending
from buildbot_koji.steps.framework.worker import read_on_worker
from txkoji import one_line
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import TransferError
from txkoji.profiles import read_configured

PACKAGES = ("packages", "packages_file", "levels", "requires")
"""The arguments that name packages."""

BUILT = ("source", "source_tag", *PACKAGES, "only")
"""The arguments that say what is built."""

REPO_PATIENCE = 24 * 60 * 60.0

LARGEST_FILE = 4 << 20
"""Bytes of a file with the names of packages."""


class KojiMassBuild(PackageBuildStep):
    """Builds any number of packages in Koji, in one step.

    It resumes where it was after a restart or a kill of the master, on another master too: no
    package is submitted twice, none is forgotten. Everything that is wrong with the packages is
    reported at once, before anything is submitted.

    Sets the properties ``koji_mass_id`` (names this mass build in ``earlier`` of a later one),
    ``koji_mass_total``, ``koji_mass_built``, ``koji_mass_failed``, ``koji_mass_skipped``,
    ``koji_mass_left``, ``koji_mass_failed_packages`` and ``koji_mass_regressions``. Leaves a report
    in the logs ``report.html``, ``report.json`` and ``report.csv``.
    """

    name = "koji mass build"

    warnOnWarnings = True

    mass_timing: ClassVar[MassTiming] = MassTiming()
    """The pauses and limits that users don't set."""

    target = required(checks.name, "the build target", positional=True)
    packages = argument(
        check_packages,
        "the names of the packages: a list, one string, or a ``util.KojiPackages``, which asks"
        " the hub",
        positional=True,
    )
    source = argument(
        check_package_template,
        "what each package is built from: a template such as"
        " ``git+https://host/{package}.git#main``, or a function of the package's name",
        required_unless=("source_tag",),
        excludes=("source_tag",),
    )
    source_tag = argument(
        checks.text, "build each package from the source of its latest build in this tag"
    )
    packages_file = argument(
        checks.text,
        "a file with the names of the packages, one a line; ``#`` starts a comment",
        excludes=("packages", "levels"),
    )
    files_on = argument(
        checks.one_of("worker", "master"),
        'where ``packages_file`` is: on the ``"worker"``, relative to the build\'s directory, or on'
        ' the ``"master"``, relative to its base directory',
        default="worker",
    )
    levels = argument(
        check_levels,
        "lists of packages, each built with what the lists before it made; a failure skips all"
        " later lists",
        excludes=("packages",),
    )
    requires = argument(
        check_requirements,
        "the packages that a package requires, by its name: it starts when they are built and in"
        " the build repo, and is skipped if one of them fails. What it requires of packages that"
        " are not built here counts as built",
        excludes=("levels",),
    )
    skip = argument(
        check_reasons,
        "packages that need not be built, a list, or a dictionary with the reason of each; what"
        " requires them is built",
    )
    since = argument(
        check_moment,
        "adopt a build that is the latest of its package in the target's destination tag and"
        " completed after this time: seconds since the epoch, or a date and time (UTC)",
        excludes=("scratch",),
    )
    only = argument(
        checks.several_of("failed", "skipped", "missing"),
        "build only packages that failed, were skipped, or are missing (were not reached) in the"
        " mass build ``earlier``",
    )
    earlier = argument(
        checks.positive,
        "an earlier mass build, by its property ``koji_mass_id``, for ``only`` and to find"
        " regressions; by default the builder's latest one",
    )
    at_once = argument(
        checks.positive,
        "how many packages may be in Koji at the same time; a renderable is evaluated every"
        " few seconds while the step runs, and may say 0: submit nothing now",
        default=AT_ONCE,
    )
    only_when_idle = flag(
        "submit nothing while tasks of other users wait for a builder in the channel, ``default``"
        " if ``channel`` is not given"
    )
    stop_after_failures = argument(
        some_or_share,
        'start nothing more after so many failures: a number, or a share of all (``"5%"``)',
    )
    max_failures = argument(
        count_or_share,
        "with so many failures, a number or a share of all, the result is still a warning",
        default=0,
    )
    max_packages = argument(checks.positive, "refuse to build more packages than this")
    skip_unknown = flag(
        "skip packages that are blocked, not listed in the destination tag, or have no source,"
        " rather than refuse to start"
    )

    existing = argument(
        checks.one_of("adopt", "fail"),
        "what to do if the hub already has a build of a package's NVR, complete or in progress:"
        ' ``"adopt"`` it if it is of the same commit, or ``"fail"``',
        default="adopt",
    )
    infra_retries = argument(
        checks.count,
        "how often to resubmit a package after failures of the build system, each later than the"
        " one before",
        default=2,
    )
    infra_faults = KojiBuild.arguments["infra_faults"]
    max_queue_time = argument(
        checks.seconds,
        "seconds that a task may wait for a builder; then it is canceled, and its package failed",
    )
    package_timeout = argument(
        checks.seconds,
        "seconds that a package's task may take since a builder took it; then it is canceled, and"
        " its package failed",
    )
    repo_patience = argument(
        checks.seconds,
        "seconds that a package may wait until the build repo has what it requires; then it is"
        " skipped",
        default=REPO_PATIENCE,
    )
    on_stop: Any = KojiBuild.arguments["on_stop"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        at_once = CheckedRenderable(self.declared_values["at_once"])
        self.most_at_once = AtOnce(lambda: at_once.getRenderingFor(self.build))
        if checks.is_renderable(self.at_once):
            # A renderable that fails must not end a later attempt, whose packages are in Koji.
            self.at_once = AT_ONCE
        self.given_name = self.name
        self.runner: MassRunner | None = None
        self._root = 0
        self._package_log: Any = None

    def check_together(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Complain if no packages are given."""
        yield from super().check_together(values)
        for name in ("packages", "only"):
            # A renderable compares as another renderable.
            if not checks.is_renderable(values[name]) and values[name] in ("", [], ()):
                yield f"{name} is empty: there is nothing to build"
        if all(values[each] is None for each in PACKAGES):
            yield "packages is missing: give packages, packages_file, levels or requires"

    def complaints_at_load(self, values: Mapping[str, Any], place: Place) -> Iterator[str]:
        """Complain of packages that are wrong on any hub."""
        yield from super().complaints_at_load(values, place)
        given = [values[name] for name in (*PACKAGES, "max_packages", "only")]
        if any(map(checks.is_renderable, given)) or values["packages_file"] is not None:
            return
        levels = [checks.words(level) for level in values["levels"] or ()]
        requires = values["requires"] or {}
        names = ordered_names(values["packages"], levels, requires)
        limit = None if values["only"] else values["max_packages"]
        yield from map(str, plan_mistakes(MassOrder(names, requires, levels), limit))

    # The work

    async def work(self) -> int:
        """Make the plan, or find that of an earlier attempt, and run it to its end."""
        try:
            stores, store, identity = await self.resume()
        except MixedPlans as error:
            self.say(str(error))
            return results.FAILURE
        if self.runner is None:
            self.say("looking up the packages")
            await self.hub.log_in()
            try:
                header, packages, notes = await self._make_plan()
            except BadPlan as error:
                self.say(one_line(error))
                if lines := [*error.lines()]:
                    await self.write_report("mistakes", "t", lines)
                return results.FAILURE
            await self.check_claim()
            await self.until_stored(lambda: store.save_plan(header, packages))
            await self._make_runner(store, header, packages, notes)
        await self.until_stored(lambda: stores.add(store, identity))
        return await self._run_plan(store)

    async def find_begun(self) -> tuple[MassStores, MassStore, StepIdentity]:
        """Find the plan of an earlier attempt, and make a runner of it."""
        rows = await self.own_rows()
        self._root = rows.root
        stores, names = MassStores(rows), await self._names_of_steps()
        # Its packages may change between two attempts, or its name and its place.
        place = {"target": self.target, "steps": names}
        what = {"scratch": bool(self.scratch), **{each: getattr(self, each) for each in BUILT}}
        values = {"target": self.target, **what}
        identify = partial(StepIdentity.of, type(self).__name__, place, values)
        identity = await self.in_thread(identify)
        store = await self.until_stored(lambda: stores.resume(str(self.name), names, identity))
        found = await self.until_stored(store.load)
        if found is not None:
            await self.until_stored(lambda: stores.rename(store, str(self.name)))
            await self._make_runner(store, *found)
        return stores, store, identity

    async def _names_of_steps(self) -> list[str]:
        """Return the names of all mass builds of the build, in their order."""
        names: list[str] = []
        given: Counter[str] = Counter()
        for each in (*self.build.executedSteps, *self.build.steps):
            if isinstance(each, KojiMassBuild):
                # Buildbot renders a name, and makes it unique, only when the step starts.
                name = str(await self.build.render(each.given_name))
                names.append(f"{name}_{given[name]}" if given[name] else name)
                given[name] += 1
        return names

    async def _run_plan(self, store: MassStore) -> int:
        assert self.runner is not None
        runner, packages = self.runner, self.runner.plan.packages
        self.early_end.limit(Ending.TIMED_OUT, self.timeout, self.began)
        status = MassStatus(
            f"{self._root}-{self.number}",
            self.connection.profile,
            self.connection.weburl,
            self.build.builder.name,
            await self.build.builder.getBuilderId(),
            self.build.number,
            packages,
            runner,
            self.build.stopBuild,
        )
        register(self.master, status)
        if self._package_log is None:
            self._package_log = await self.addLog("packages", "t")
        # A later build may name this one, also if no attempt of it ends.
        await self.store_properties()
        try:
            await runner.run()
            await self.until_stored(lambda: store.save_control({**runner.control(), "ended": True}))
            most_failures = number_of(self.max_failures, len(packages), rounded_down=True)
            result, words = result_and_summary(runner.plan, most_failures)
            self.say(words)
            await self._leave_report(runner.plan)
        finally:
            status.has_ended = True
        return result

    async def _make_runner(
        self,
        store: MassStore,
        header: dict[str, Any],
        packages: list[MassPackage],
        notes: Iterable[str] = (),
    ) -> None:
        self.setProperty(MASS_ID, self._root, SOURCE)
        # Once the plan is stored, the step waits for the hub without a limit.
        self.patience.begun()
        clock, timing = self.master.reactor, self.mass_timing
        with reading(f"the mass build {store.name}"):
            self.began, run_id = float(header["began"]), str(header["run"])
        self.wait_builds = header.get("wait_builds")
        limit = self.stop_after_failures
        most = None if limit is None else number_of(limit, len(packages))
        plan = await self.in_thread(partial(MassPlan, packages, holds=self.holds, stop_after=most))
        options = MassOptions(
            lambda package: self.build_call(package.source),
            self.target,
            destination=header.get("destination"),
            skip_tag=bool(self.skip_tag),
            scratch=bool(self.scratch),
            adopts=self.existing == "adopt",
            infra_retries=self.infra_retries,
            infra_faults=self.infra_faults,
            max_queue_time=self.max_queue_time,
            package_timeout=self.package_timeout,
            channel=self.own_channel,
            only_when_idle=bool(self.only_when_idle),
        )
        context = MassContext(self.hub, plan, options, self, clock, run_id, timing, [*notes])
        repos = RepoWaiter(context, self.repo_patience) if self.holds else None
        runner = MassRunner(context, store, self.began, self.most_at_once, repos)
        await self.until_stored(runner.load)
        self.runner = runner

    # The plan

    @property
    def holds(self) -> bool:
        """Whether a package also waits until what it requires is in the build repo."""
        return not (self.scratch or self.skip_tag or self.repo_id)

    @property
    def own_channel(self) -> str | None:
        """The channel that must exist; None for those that the hub's policy chooses."""
        return self.channel or ("default" if self.only_when_idle else None)

    async def _make_plan(self) -> tuple[dict[str, Any], list[MassPackage], list[str]]:
        """Return the header and the packages of the plan, and what may be a mistake in it.

        Raises:
            BadPlan: something of it can't be built.
            KojiException: the hub is unreachable.
        """
        earlier = EarlierMassBuilds(self.master, str(self.name), self.until_stored)
        number, states = await earlier.states(
            self.earlier, self.build.buildid, self._root, stopped=bool(self.only)
        )
        if self.only and (earlier.notes or number is None):
            raise BadPlan(next(iter(earlier.notes), "this builder has no earlier mass build"))
        planner = await self._planner(number, states)
        if isinstance(mistake := await self.most_at_once.evaluate(), str):
            planner.complain(f"at_once can't be evaluated: {mistake}")
        if complaint := await self.name_builds():
            planner.complain(complaint)
        packages = await planner.make()
        for package in packages:
            package.was_built = states.get(package.name) in MADE
        if self.only and self.existing == "adopt":
            await earlier.follow_unended(self.connection, packages, self.build_call)
        header = {
            "run": uuid4().hex,
            "hub": self.connection.profile,
            "weburl": self.connection.weburl,
            "began": self.began,
            "destination": planner.destination,
            "wait_builds": self.wait_builds,
            "rest_of": number if self.only else None,
            # LeftTasks cancels the tasks by these if no attempt of the step does.
            "call": self.build_call("").to_json(),
            "cancel_on": self.hub.identity if self.on_stop == "cancel" else None,
        }
        return header, packages, [*earlier.notes, *planner.notes]

    async def _planner(
        self, earlier: int | None, states: Mapping[str, PackageState]
    ) -> MassPlanner:
        """Return what plans what the arguments ask for; raise BadPlan if that can't be read."""
        if self.earlier and not self.only and (given := self.declared_values["only"]) is not None:
            # Buildbot renders an empty list as None. Without it all packages would be built.
            raise BadPlan(f"only is missing: {of_nothing(given)}")
        packages = self.packages
        if self.packages_file is not None:
            packages = await self._names_in_file(self.packages_file)
        return MassPlanner(
            self.connection,
            self._build_data.pause,
            self.in_thread,
            target=self.target,
            packages=packages,
            requires=self.requires or {},
            levels=[checks.words(level) for level in self.levels or ()],
            skip=self.skip or {},
            only=rest_of(states, self.only) if self.only else None,
            only_words=f"{' or '.join(self.only or ())} in mass build {earlier}",
            source=self.source,
            source_tag=self.source_tag,
            since=None if self.since is None else seconds_of(self.since),
            must_be_listed=not (self.scratch or self.skip_tag),
            holds=self.holds,
            channel=self.own_channel,
            limit=self.max_packages,
            skip_unknown=bool(self.skip_unknown),
        )

    async def _names_in_file(self, path: str) -> list[str]:
        try:
            if self.files_on == "master":
                file = Path(self.master.basedir, path)
                content = await self.in_thread(partial(read_configured, file, LARGEST_FILE))
            else:
                content = await read_on_worker(self, path, LARGEST_FILE)
            names = names_in(content)
        except TransferError as error:
            raise BadPlan(str(error)) from error
        except (OSError, ValueError) as error:
            # The text of an OSError names the file again.
            why = getattr(error, "strerror", None) or error
            raise BadPlan(f"can't read {path} on the {self.files_on}: {why}") from error
        if not names:
            raise BadPlan(f"{path} on the {self.files_on} names no packages")
        return names

    # For the runner

    async def note(self, lines: list[str]) -> None:
        """Add lines to the log."""
        await self._package_log.addContent("\n".join([*lines, ""]))

    # What is left behind

    async def _leave_report(self, plan: MassPlan) -> None:
        """Set the properties and write the reports."""
        facts = facts_of(plan)
        for name, value in facts.items():
            self.setProperty(f"koji_mass_{name}", value, SOURCE)
        packages = list(plan.packages)
        weburl = self.connection.weburl
        row = partial(package_row, weburl=weburl, stopped=plan.stopped, has_ended=True)
        rows = await self.in_thread(lambda: [*map(row, packages)])
        head = {"summary": self._text, "target": self.target, **facts}
        html = html_report(f"Mass build for {self.target}", self._text, packages, rows)
        for name, kind, parts in (
            ("report.html", "h", html),
            ("report.json", "t", json_report(head, "packages", rows)),
            ("report.csv", "t", csv_report(rows)),
        ):
            await self.write_report(name, kind, await self.in_thread(partial(list, parts)))

    # Early ends

    async def end_early(self, ending: Ending) -> None:
        """Leave all to the next attempt; on a stop, cancel what runs and say what is left."""
        runner = self.runner
        if runner is None:
            await super().end_early(ending)
            return
        if ending is Ending.SUPERSEDED:
            self.say(f"{SUPERSEDED}; left to it: {runner.plan.summary(None)}")
            return
        plan, detached = runner.plan, ending is Ending.DETACHED
        cancels = self.on_stop == "cancel"
        why = "stopped" if ending is Ending.STOPPED else f"timed out after {self.timeout} s"
        if not detached:
            plan.abandon(why, cancels=cancels)
        flushing = Deferred.fromCoroutine(runner.flush())
        with suppress(DeferredTimeout, ClaimLost):
            await ElapsedTime(self.master.reactor).limit(flushing, self.timing.cancel_limit)
        if detached:
            self.say(f"left to the next attempt: {plan.summary(None)}")
            return
        held = runner.held_words
        intents = runner.submissions.intents() if cancels else []
        done = ""
        if intents:
            done = "; " + await self.hub.cancellations.cancel_all(intents, self.timing.cancel_limit)
        left = len(plan.packages) - plan.ended
        self.say(f"{why}: {plan.ended:,} of {len(plan.packages):,} done, {left:,} left{held}{done}")
        await self._leave_report(plan)
