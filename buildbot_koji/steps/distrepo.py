"""A step that makes a dist repo: a repo of signed packages, for users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, option, required
from buildbot_koji.database_values import id_of, member
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.uploads import UploadingStep
from txkoji import Call, Outcome, task_states
from txkoji.exceptions import GenericError

EXPIRED = 2
"""The state of a repo that a newer one replaced (Koji's REPO_STATES)."""

MULTILIB = {"x86_64": "i686", "s390x": "s390", "ppc64": "ppc"}
"""The additional architecture of an architecture's multilib repo."""


class KojiDistRepo(UploadingStep):
    """Makes a dist repo of a tag. Requires the permission ``dist-repo``, or the hub's policy.

    Sets the property ``koji_repo_id``.
    """

    name = "koji dist-repo"
    activity: ClassVar[str] = "making the repo"

    tag = required(checks.name_or_id, "the name or id of the tag")
    keys = required(
        checks.listed_words,
        "the ids of the keys that the packages are signed with, a list or one string",
    )
    arches = argument(
        checks.listed_words, "the architectures, a list or one string; by default those of the tag"
    )
    with_src = flag("also make a repo of source packages")
    allow_missing_signatures = flag(
        "include unsigned a package that none of the keys signed", option=True
    )
    skip_missing_signatures = flag(
        "leave out packages that none of the keys signed",
        excludes=("allow_missing_signatures",),
        option=True,
    )
    split_debuginfo = flag("put debuginfo packages in separate repos", option=True)
    comps = argument(checks.text, "a comps file to upload")
    multilib = argument(checks.text, "a configuration file for multilib packages to upload")
    delta_rpms = argument(
        checks.names_or_ids,
        "the dist repos to make delta RPMs against: their ids, or names of tags that have one",
    )
    event = option(checks.positive, "use the tag as of this event of the hub")
    volume = option(checks.text, "the volume for the repo")
    non_latest = flag("also include older builds")
    latest_n = argument(
        checks.positive,
        "how many of the latest builds of each package to include",
        excludes=("non_latest",),
    )
    inherit = option(checks.flag, "also include what the tag inherits", default=True)
    zck = flag("also make zchunk files", option=True)
    zck_dict_dir = option(checks.text, "the directory with zchunk dictionaries on the builder")
    write_signed_rpms = flag("write signed copies of the tag's packages", option=True)
    skip_stat = argument(
        checks.flag,
        "let createrepo look only at the names of files; by default as the builder is configured",
        option="createrepo_skip_stat",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepared: dict[str, Any] = {}

    def check_together(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what is wrong with ``arches`` where ``multilib`` is given."""
        if values["multilib"] is None or checks.is_renderable(values["arches"]):
            return
        arches = checks.words(values["arches"])
        for arch, other in MULTILIB.items():
            if arch in arches and other not in arches:
                yield f"multilib requires the architecture {other} beside {arch}"

    async def prepare(self) -> None:
        """Look up the architectures and repos, and upload the files."""
        arches = [each for each in await self._arches() if each != "noarch"]
        if self.with_src and "src" not in arches:
            arches.append("src")
        delta = [await self._delta_repo(each) for each in checks.words(self.delta_rpms)]
        self._prepared = {"arch": arches, "delta": delta}
        for name in ("comps", "multilib"):
            path = getattr(self, name)
            self._prepared[name] = None if path is None else await self.upload(path)

    async def _arches(self) -> list[str]:
        if self.arches is not None:
            return checks.words(self.arches)
        config = await self.connection.checked("getBuildConfig", self.tag)
        found = checks.words(config.arches or "")
        if not found:
            raise GenericError(f"the tag {self.tag} has no architectures: give arches")
        return found

    async def _delta_repo(self, repo: int | str) -> int:
        repo_id = id_of(repo)
        if repo_id is not None:
            return int((await self.connection.checked("repoInfo", repo_id, strict=True)).id)
        find = partial(self.connection.checked, "getRepo", repo, dist=True)
        found = await find() or await find(state=EXPIRED)
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

    async def finished(self, outcome: Outcome) -> None:
        """Set ``koji_repo_id``; the hub assigned the id with the task."""
        task = outcome.tree.root
        repo_id = id_of(member(task.params, "repo_id")) or outcome.repo_id
        if repo_id is not None:
            self.setProperty("koji_repo_id", repo_id, SOURCE)
        if task.state == task_states.CLOSED:
            self.say(f"made dist repo {repo_id or 'of unknown id'} of {self.tag}")
