"""Tags any number of builds: in parts, each sent exactly once, over lost replies and crashes.

A part is one request, which a hub carries out as a whole or not at all. Its row in the database
says which builds it has before the hub gets it, then what the hub answered, then how its tasks
ended. A later attempt searches for what may have been sent, and waits for the tasks whose end was
not stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import attrs

from buildbot_koji.durable.once import CheckClaim, Intent, IntentState, OnceAction
from buildbot_koji.durable.store import BuildRows
from buildbot_koji.durable.task_intents import NO_TASK
from buildbot_koji.durable.unreadable import check_fields, reading
from buildbot_koji.error_messages import explain
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.mass.comparison import TagContents, TaggedBuild, builds_of
from buildbot_koji.mass.context import REFUSALS
from buildbot_koji.mass.options import StepHost
from txkoji import Call, Submission, TaskTree, Watch, one_line, read_outcome, task_states
from txkoji.exceptions import HubFault, KojiException, UnusableAnswer
from txkoji.gathering import gather
from txkoji.retry import is_passing

T = TypeVar("T")

PART = 300
"""Builds of a part, which one request carries. Its tasks end before the next part is sent."""

OUTCOMES_AT_ONCE = 20
"""Failed tasks that are read at the same time."""

READ_AT_ONCE = 100
"""Parts whose rows one query reads: a damaged number of parts costs no more."""

WAITING = "waiting to read the tag again"

TAGGED = "tagged"
"""The word of a build that is in the tag."""

UNKNOWN = "unknown"
"""The word of a build that was sent, and of which nothing tells whether it was tagged."""


async def read_builds(
    hub: Hub,
    tag: str | int,
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
    **options: Any,
) -> list[TaggedBuild]:
    """Return the builds that ``listTagged`` lists with some options."""
    rows = await hub.connection.checked("listTagged", tag, **options)
    builds: list[TaggedBuild] = await in_thread(partial(builds_of, rows))
    return builds


class TagHost(StepHost, Protocol):
    """The step that tags."""

    def in_thread(self, make: Callable[[], T]) -> Awaitable[T]:
        """Compute something that takes long in a thread."""
        ...

    async def run_once(self, action: OnceAction[T], intent: Intent, words: str) -> T:
        """Do something on the hub exactly once; wait while it is unreachable."""
        ...

    async def ask(self, ask: Callable[[], Awaitable[T]], words: str) -> T:
        """Ask the hub something that is safe to repeat; wait while it is unreachable."""
        ...


@dataclass
class TagPart:
    """Builds that are tagged by one request.

    Attributes:
        number: its place among the parts.
        builds: their NVRs, by ids.
        submission: what finds their tasks; None if there are none.
        answers: the task of each build, or why the hub refused it; incomplete until the hub has
            answered.
        failed: why builds were not tagged; None until the tasks have ended.
    """

    number: int
    builds: dict[int, str]
    submission: Submission | None = None
    answers: dict[int, int | str] = field(default_factory=dict)
    failed: dict[int, str] | None = None

    @property
    def unanswered(self) -> list[int]:
        """The builds that the hub may or may not have a request for."""
        return [each for each in self.builds if each not in self.answers]

    def submission_of(self, build: int) -> Submission:
        """Return the submission of a build, whose marker finds its task."""
        assert self.submission is not None
        return replace(self.submission, marker=f"{self.submission.marker}.{build}")

    def to_row(self) -> dict[str, Any]:
        """Return the stored form."""
        return {
            "builds": list(self.builds.items()),
            "submission": None if self.submission is None else asdict(self.submission),
            "answers": list(self.answers.items()),
            "failed": None if self.failed is None else list(self.failed.items()),
        }

    @classmethod
    def from_row(cls, number: int, row: Mapping[str, Any]) -> TagPart:
        """Return the part of a stored form."""
        check_fields(cls, row, what := f"part {number} of what is to be tagged")
        submission, failed = row["submission"], row["failed"]
        if submission is not None:
            check_fields(Submission, submission, what)
        return cls(
            number,
            _by_build(row["builds"], str),
            None if submission is None else Submission(**submission),
            _by_build(row["answers"], int, str),
            None if failed is None else _by_build(failed, str),
        )


def _by_build(pairs: Any, *kinds: type[int | str]) -> dict[int, Any]:
    """Return stored values by builds; raise TypeError if one is of another kind."""
    found = dict(pairs)
    if not all(isinstance(key, int) and isinstance(value, kinds) for key, value in found.items()):
        raise TypeError(pairs)
    return found


@attrs.define(eq=False, repr=False, slots=False)
class MassTagger:
    """Tags builds with a tag."""

    _hub: Hub
    _tag: str | int
    _tag_id: int | None
    _rows: BuildRows
    _host: TagHost
    _bypass: bool = attrs.field(kw_only=True)
    _part: int = attrs.field(default=PART, kw_only=True)

    def __attrs_post_init__(self) -> None:
        self.parts: list[TagPart] = []

    async def load(self) -> None:
        """Read the parts that earlier attempts sent; raise UnreadableRow, also if one is lost."""
        found = await self._host.until_stored(partial(self._rows.get, "sent"))
        with reading(f"the number of parts that are tagged with {self._tag}"):
            numbers = range(found or 0)
        self.parts = []
        for start in numbers[::READ_AT_ONCE]:
            several = numbers[start : start + READ_AT_ONCE]
            read = partial(self._rows.get_several, [f"part {number}" for number in several])
            for number, row in zip(several, await self._host.until_stored(read), strict=True):
                with reading(f"part {number} of what is tagged with {self._tag}"):
                    self.parts.append(TagPart.from_row(number, row))

    async def _store(self, part: TagPart) -> None:
        await self._host.until_stored(lambda: self._rows.put(f"part {part.number}", part.to_row()))

    async def tagged(self) -> list[TaggedBuild]:
        """Return all builds in the tag itself."""
        return await read_builds(self._hub, self._tag, self._host.in_thread)

    async def contents(self) -> TagContents:
        """Return all builds in the tag itself, to look builds up in."""
        builds = await self.tagged()
        return await self._host.in_thread(lambda: TagContents.of(builds))

    def succeeded(self) -> TagContents:
        """Return the builds whose tasks have ended well, wherever those are now."""
        return TagContents(
            each
            for part in self.parts
            if part.failed is not None
            for each in part.builds.items()
            if each[0] in part.answers and each[0] not in part.failed
        )

    @property
    def refusal(self) -> str:
        """Why the hub refused all builds of the last part alike: that is about none of them."""
        answers = list(self.parts[-1].answers.values()) if self.parts else []
        is_one = len(answers) > 1 and len(set(answers)) == 1
        return answers[0] if is_one and isinstance(answers[0], str) else ""

    async def tag(self, builds: Sequence[TaggedBuild]) -> None:
        """Finish what earlier attempts began, then tag more builds."""
        total = sum(len(each.builds) for each in self.parts) + len(builds)
        group: list[TagPart] = []
        for part in self.parts:
            if part.failed is None:
                if part.unanswered:
                    await self._send(part, IntentState.IN_DOUBT)
                group.append(part)
        await self._finish(group)
        for start in range(0, len(builds), self._part):
            self._host.say(f"tagging: {total - len(builds) + start:,} of {total:,} done")
            part = await self._begin(builds[start : start + self._part])
            await self._finish([part])
            if self.refusal:
                return

    async def _begin(self, builds: Sequence[TaggedBuild]) -> TagPart:
        """Store the intent to tag builds, and send it."""
        part = TagPart(len(self.parts), {each.id: str(each.nvr) for each in builds})
        if not self._bypass:
            part.submission, others = await self._host.ask(
                partial(self._begin_submission, self._call(str(builds[0].nvr))), WAITING
            )
            part.answers.update({each: others[each] for each in part.builds if each in others})
        await self._store(part)
        self.parts.append(part)
        await self._host.until_stored(partial(self._rows.put, "sent", len(self.parts)))
        if part.unanswered:
            await self._send(part, IntentState.STORED)
        return part

    async def _begin_submission(self, call: Call) -> tuple[Submission, dict[int, int]]:
        return await self._hub.begin(call), await self._in_progress()

    def _call(self, nvr: str) -> Call:
        # Not its id, which a hub that is restored meanwhile may give to another build.
        return Call("tagBuildBypass" if self._bypass else "tagBuild", (self._tag, nvr))

    async def _send(self, part: TagPart, state: IntentState) -> None:
        """Send what the hub has not answered, once."""
        if self._tag_id is None:
            # A tag that is deleted takes nothing, and nothing tells what it had.
            return

        async def save(_: Any) -> None:
            await self._store(part)

        action = OnceAction(partial(self._do, part), partial(self._search, part))
        words = "checking what is tagged as soon as the hub answers"
        await self._host.run_once(action, Intent(save, state), words)

    async def _do(self, part: TagPart, check_claim: CheckClaim) -> bool:
        """Send the request; its answers are the part's."""
        asked = part.unanswered
        multicall = self._hub.connection.MultiCall(batch=len(asked))
        for build in asked:
            call = self._call(part.builds[build])
            multicall.call(call.method, *call.args)
        answers = iter(await multicall(before=check_claim))
        passing: HubFault | None = None
        odd: dict[int, str] = {}
        for build in asked:
            try:
                answer = next(answers)
                part.answers[build] = NO_TASK if self._bypass else _task_of(answer)
            except HubFault as fault:
                if is_passing(fault):
                    passing = fault
                else:
                    part.answers[build] = explain(fault, str(self._tag))
            except UnusableAnswer as error:
                odd[build] = one_line(error)
        if odd:
            # The hub may have done it all the same.
            await self._search(part)
            part.answers = {**odd, **part.answers}
        if passing is not None:
            # Those without an answer are asked again.
            raise passing
        return True

    async def _search(self, part: TagPart) -> bool | None:
        """Find what the hub has of a request whose reply was lost; True if that is all of it."""
        asked = part.unanswered
        # The tasks first: one that ends between the two reads has tagged its build by the second.
        if part.submission is not None:
            find = self._hub.connection.submissions.find_all
            found = await find(
                [(self._call(part.builds[each]), part.submission_of(each)) for each in asked]
            )
            part.answers.update(
                {build: task for build, task in zip(asked, found, strict=True) if task is not None}
            )
        there = await self.contents()
        part.answers.update(
            {each: NO_TASK for each in part.unanswered if there.has(each, part.builds[each])}
        )
        return None if part.unanswered else True

    async def _in_progress(self) -> dict[int, int]:
        """Return the tasks in progress that tag builds with the tag, by the builds' ids."""
        tag = await self._hub.connection.checked("getTag", self._tag, strict=True)
        states = [task_states.FREE, task_states.OPEN, task_states.ASSIGNED]
        found = {}
        rows = await self._hub.connection.checked(
            "listTasks", {"method": "tagBuild", "state": states, "decode": True}
        )
        for row in rows:
            request = row.get("request")
            if not isinstance(request, list) or len(request) < 2:
                continue
            named, build = request[:2]
            if named in (tag.id, tag.name) and isinstance(build, int):
                found[build] = row["id"]
        return found

    async def _finish(self, group: Sequence[TagPart]) -> None:
        """Wait for the tasks of parts, and store why builds could not be tagged."""
        ended = await self._ends(group)
        lost = [
            (part, build)
            for part in group
            for build, answer in part.answers.items()
            if answer in ended and not self._may_tag(part, build, ended[answer])
        ]
        # A hub that was restored from a backup has lost their tasks.
        for part, build in lost:
            del part.answers[build]
        left = {answer for part in group for answer in part.answers.values()}
        ended = {task_id: tree for task_id, tree in ended.items() if task_id in left}
        for part in group:
            if part.unanswered:
                await self._send(part, IntentState.IN_DOUBT)
        ended |= await self._ends(group, ended)
        failed = await self._reasons(
            {
                each: tree
                for each, tree in ended.items()
                if tree is None or tree.root.state != task_states.CLOSED
            }
        )
        for part in group:
            part.failed = {}
            for build, answer in part.answers.items():
                if isinstance(answer, str):
                    part.failed[build] = answer
                elif answer in failed:
                    part.failed[build] = failed[answer]
            await self._store(part)

    async def _ends(
        self, group: Sequence[TagPart], known: Collection[int] = ()
    ) -> dict[int, TaskTree | None]:
        """Wait for the tasks of parts, except those that are known to have ended."""
        watches = {
            answer: self._hub.watch(answer, self._host.build)
            for part in group
            for answer in part.answers.values()
            if isinstance(answer, int) and answer != NO_TASK and answer not in known
        }
        try:
            return {task_id: await _tree_of(watch) for task_id, watch in watches.items()}
        finally:
            for watch in watches.values():
                watch.stop()

    def _may_tag(self, part: TagPart, build: int, tree: TaskTree | None) -> bool:
        """Return whether a task, which may be someone else's, tags a build."""
        call, submissions = (
            Call("tagBuild", (self._tag_id, build)),
            self._hub.connection.submissions,
        )
        return tree is not None and submissions.may_have_made(
            tree.root, call, part.submission_of(build)
        )

    async def _reasons(self, trees: Mapping[int, TaskTree | None]) -> dict[int, str]:
        """Return why tasks failed, by their ids."""
        asked, reasons = list(trees.items()), list[str]()
        for start in range(0, len(asked), OUTCOMES_AT_ONCE):
            several = asked[start : start + OUTCOMES_AT_ONCE]
            reasons += await gather(
                self._host.ask(partial(self._reason, *each), WAITING) for each in several
            )
        return dict(zip(trees, reasons, strict=True))

    async def _reason(self, task_id: int, tree: TaskTree | None) -> str:
        if tree is None:
            return f"the hub has no task {task_id} any more"
        try:
            outcome = await read_outcome(self._hub.connection, tree)
        except REFUSALS as error:
            if is_passing(error):
                raise
            return one_line(error)
        return f"task {task_id}: {outcome.reason}"


async def _tree_of(watch: Watch) -> TaskTree | None:
    """Return the tree of a task that has ended; None if the hub has lost it."""
    try:
        return await watch.done
    except KojiException as error:
        if is_passing(error):
            raise
        return None


def _task_of(answer: Any) -> int:
    """Return the id of a task; raise UnusableAnswer."""
    if type(answer) is not int or not 0 < answer < 1 << 31:
        raise UnusableAnswer("tagBuild", answer, "the id of a task")
    return answer


def outcomes_of(parts: Collection[TagPart], there: TagContents, broken: str = "") -> dict[str, str]:
    """Return what became of the builds of some parts, by their NVRs.

    Args:
        parts: the parts.
        there: what is in the tag.
        broken: why the tag can't be read, empty if it can.
    """
    outcomes = {}
    for part in parts:
        for build, nvr in part.builds.items():
            answer = part.answers.get(build)
            refusal = answer if isinstance(answer, str) else None
            why = refusal if part.failed is None else part.failed.get(build)
            if there.has(build, nvr):
                outcomes[nvr] = TAGGED
            elif why is not None:
                outcomes[nvr] = f"failed: {why}"
            elif part.failed is not None and answer is not None:
                outcomes[nvr] = "failed: untagged, deleted or blocked meanwhile"
            elif broken or answer is None:
                outcomes[nvr] = f"{UNKNOWN}: {broken or 'the hub may have it'}"
            else:
                outcomes[nvr] = "sent: the hub finishes it"
    return outcomes
