"""A step that makes a dist repo: one for users, of signed packages."""

from __future__ import annotations

from typing import Any, ClassVar

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.uploads import UploadingStep
from txkoji import Call, Outcome, task_states
from txkoji.exceptions import GenericError

__all__ = ["KojiDistRepo"]

EXPIRED = 2
"""The state of a repo that a newer one has replaced (Koji's REPO_STATES)."""

MULTILIB = {"x86_64": "i686", "s390x": "s390", "ppc64": "ppc"}
"""The architecture whose packages a multilib repo of another takes in, too."""


class KojiDistRepo(UploadingStep):
    """Makes a dist repo of a tag. Needs the permission ``dist-repo``, or the hub's policy.

    Sets the property ``koji_repo_id``.
    """

    name = "koji dist-repo"
    activity: ClassVar[str] = "making the repo"

    tag = argument(checks.name_or_id, "the tag", required=True)
    keys = argument(
        checks.text_or_texts,
        "the ids of keys with which packages are signed, a list or one string",
        required=True,
    )
    arches = argument(
        checks.text_or_texts, "the architectures, a list or one string; by default the tag's"
    )
    with_src = argument(checks.flag, "also a repo of source packages", default=False)
    allow_missing_signatures = argument(
        checks.flag,
        "take a package unsigned where no key has signed it",
        default=False,
        option="allow_missing_signatures",
    )
    skip_missing_signatures = argument(
        checks.flag,
        "leave out packages that no key has signed",
        default=False,
        option="skip_missing_signatures",
    )
    split_debuginfo = argument(
        checks.flag,
        "debuginfo packages in repos of their own",
        default=False,
        option="split_debuginfo",
    )
    comps = argument(checks.text, "a comps file to upload")
    multilib = argument(checks.text, "a configuration file for multilib packages to upload")
    delta_rpms = argument(
        checks.names_or_ids,
        "dist repos to make delta RPMs against: their ids, or names of tags that have one",
    )
    event = argument(checks.integer, "the tag as it was at this event of the hub", option="event")
    volume = argument(checks.text, "the volume for the repo", option="volume")
    non_latest = argument(checks.flag, "also older builds", default=False)
    latest_n = argument(checks.integer, "only so many of the latest builds of a package")
    inherit = argument(checks.flag, "also what the tag inherits", default=True, option="inherit")
    zck = argument(checks.flag, "also zchunk files", default=False, option="zck")
    zck_dict_dir = argument(
        checks.text, "the builder's directory with dictionaries for zchunk", option="zck_dict_dir"
    )
    write_signed_rpms = argument(
        checks.flag,
        "write signed copies of the tag's packages",
        default=False,
        option="write_signed_rpms",
    )
    skip_stat = argument(
        checks.flag,
        "whether createrepo looks only at the names of files; by default as the builder is set up",
        option="createrepo_skip_stat",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepared: dict[str, Any] = {}

    def complaints(self) -> list[str]:
        """Return one line for each mistake, in a single argument or in how they go together."""
        found = super().complaints()
        if self.non_latest is True and self.latest_n is not None:
            found.append("non_latest and latest_n exclude each other")
        if self.allow_missing_signatures is True and self.skip_missing_signatures is True:
            found.append("allow_missing_signatures and skip_missing_signatures exclude each other")
        if self.multilib is not None and checks.text_or_texts(self.arches) is None:
            arches = checks.words(self.arches)
            found += [
                f"multilib needs the architecture {other} beside {arch}"
                for arch, other in MULTILIB.items()
                if arch in arches and other not in arches
            ]
        return found

    async def prepare(self, hub: Hub) -> None:
        """Find out the architectures and repos, and upload the files."""
        arches = [each for each in await self._arches(hub) if each != "noarch"]
        if self.with_src and "src" not in arches:
            arches.append("src")
        delta = [await self._delta_repo(hub, each) for each in checks.words(self.delta_rpms)]
        self._prepared = {"arch": arches, "delta": delta}
        for name in ("comps", "multilib"):
            path = getattr(self, name)
            self._prepared[name] = None if path is None else await self.upload(hub, path)

    async def _arches(self, hub: Hub) -> list[str]:
        if self.arches is not None:
            return checks.words(self.arches)
        config = await hub.connection.getBuildConfig(self.tag)
        found = checks.words(config.get("arches") or "")
        if not found:
            raise GenericError(f"the tag {self.tag} has no architectures: give arches")
        return found

    async def _delta_repo(self, hub: Hub, repo: int | str) -> int:
        if isinstance(repo, int) or repo.isdecimal():
            return int((await hub.connection.repoInfo(int(repo), strict=True)).id)
        found = await hub.connection.getRepo(repo, dist=True) or await hub.connection.getRepo(
            repo, state=EXPIRED, dist=True
        )
        if found is None:
            raise GenericError(f"the tag {repo} has no dist repo for delta RPMs")
        return int(found.id)

    def hub_call(self) -> Call:
        """Return the call that submits the task."""
        latest = self.latest_n if self.latest_n is not None else not self.non_latest
        defaults = {
            "event": None,
            "volume": None,
            "inherit": True,
            "split_debuginfo": False,
            "skip_missing_signatures": False,
            "allow_missing_signatures": False,
        }
        options = {**defaults, "latest": latest, **self.hub_options(), **self._prepared}
        return Call("distRepo", (self.tag, checks.words(self.keys)), options)

    async def finished(self, hub: Hub, outcome: Outcome) -> None:
        """Tell the repo's id, which the hub gave it with the task."""
        task = outcome.tree.root
        _, repo_id, *_ = await hub.connection.getTaskRequest(task.id)
        self.setProperty("koji_repo_id", repo_id, SOURCE)
        if task.state == task_states.CLOSED:
            self.say(f"made dist repo {repo_id} of {self.tag}")
