"""Methods that take a hub method's name, as type checkers see them.

Written by ``make api`` from the tables in ``api/``.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, overload

from txkoji._deferreds import Deferred, Future
from txkoji._hub_methods import BuildInfo, Info
from txkoji.build import Build
from txkoji.channel import Channel
from txkoji.task import Task
from txkoji.options import BuildOptions, Strings, TaskOptions
from txkoji.results import Archive, BuildTarget, Buildroot, ExternalRepo, Host, ListedPackage, PackageName, RPM, SideTag, Tag, UntaggedBuild, User
from txkoji.submission.search import Submission

class Pages:
    """Iterates over a list of any length, with only one page in memory."""
    @overload
    def __call__(self, hub_method: Literal["getBuildTargets"], /, info: Info | None = None, event: int | None = None, buildTagID: Info | None = None, destTagID: Info | None = None, *, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[BuildTarget]:
        """Return build targets."""
    @overload
    def __call__(self, hub_method: Literal["listArchives"], /, buildID: BuildInfo | None = None, buildrootID: int | None = None, componentBuildrootID: int | None = None, hostID: int | None = None, type: str | None = None, filename: str | None = None, size: int | None = None, checksum: str | None = None, checksum_type: int | None = None, typeInfo: Mapping[str, Any] | None = None, *, imageID: int | None = None, archiveID: int | None = None, strict: bool = False, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[Archive]:
        """Return archives."""
    @overload
    def __call__(self, hub_method: Literal["listBuildRPMs"], /, build: BuildInfo, *, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[RPM]:
        """Return the RPMs of a build."""
    @overload
    def __call__(self, hub_method: Literal["listBuildroots"], /, hostID: int | None = None, tagID: int | None = None, state: int | Sequence[int] | None = None, rpmID: int | None = None, archiveID: int | None = None, taskID: int | None = None, buildrootID: int | None = None, repoID: int | None = None, *, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[Buildroot]:
        """Return build roots."""
    @overload
    def __call__(self, hub_method: Literal["listBuilds"], /, packageID: Info | None = None, userID: Info | None = None, taskID: int | None = None, prefix: str | None = None, state: int | None = None, volumeID: int | None = None, source: str | None = None, createdBefore: float | str | None = None, createdAfter: float | str | None = None, completeBefore: float | str | None = None, completeAfter: float | str | None = None, type: str | None = None, typeInfo: Mapping[str, Any] | None = None, *, pattern: str | None = None, cgID: Info | None = None, draft: bool | None = None, promotedBefore: float | str | None = None, promotedAfter: float | str | None = None, promoter: Info | None = None, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[Build]:
        """Return builds. Those of an unknown package are none."""
    @overload
    def __call__(self, hub_method: Literal["listBuilds"], /, *, package: Info, userID: Info | None = None, taskID: int | None = None, prefix: str | None = None, state: int | None = None, volumeID: int | None = None, source: str | None = None, createdBefore: float | str | None = None, createdAfter: float | str | None = None, completeBefore: float | str | None = None, completeAfter: float | str | None = None, type: str | None = None, typeInfo: Mapping[str, Any] | None = None, pattern: str | None = None, cgID: Info | None = None, draft: bool | None = None, promotedBefore: float | str | None = None, promotedAfter: float | str | None = None, promoter: Info | None = None, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[Build]:
        """Return builds. Those of an unknown package are none."""
    @overload
    def __call__(self, hub_method: Literal["listChannels"], /, hostID: Info | None = None, event: int | None = None, enabled: bool | None = None, *, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[Channel]:
        """Return channels."""
    @overload
    def __call__(self, hub_method: Literal["listExternalRepos"], /, info: Info | None = None, url: str | None = None, event: int | None = None, *, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[ExternalRepo]:
        """Return external repos."""
    @overload
    def __call__(self, hub_method: Literal["listHosts"], /, arches: str | Sequence[str] | None = None, channelID: Info | None = None, ready: bool | None = None, enabled: bool | None = None, userID: int | None = None, *, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[Host]:
        """Return builders."""
    @overload
    def __call__(self, hub_method: Literal["listPackages"], /, tagID: Info | None = None, userID: Info | None = None, pkgID: Info | None = None, prefix: str | None = None, inherited: bool = False, with_dups: bool = False, event: int | None = None, *, with_owners: bool = True, with_blocked: bool = True, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[ListedPackage]:
        """Return packages, and how they are listed."""
    @overload
    def __call__(self, hub_method: Literal["listPackagesSimple"], /, prefix: str | None = None, *, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[PackageName]:
        """Return the names of packages."""
    @overload
    def __call__(self, hub_method: Literal["listRPMs"], /, buildID: int | None = None, buildrootID: int | None = None, imageID: int | None = None, componentBuildrootID: int | None = None, hostID: int | None = None, arches: str | Sequence[str] | None = None, *, draft: bool | None = None, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[RPM]:
        """Return RPMs."""
    @overload
    def __call__(self, hub_method: Literal["listSideTags"], /, basetag: Info | None = None, user: Info | None = None, *, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[SideTag]:
        """Return side tags (plugin sidetag)."""
    @overload
    def __call__(self, hub_method: Literal["listTagged"], /, tag: Info, event: int | None = None, inherit: bool = False, prefix: str | None = None, latest: bool | int = False, package: str | None = None, owner: str | None = None, type: str | None = None, strict: bool = True, extra: bool = False, draft: bool | None = None, *, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[Build]:
        """Return the builds in a tag."""
    @overload
    def __call__(self, hub_method: Literal["listTags"], /, build: BuildInfo | None = None, package: Info | None = None, perms: bool = True, *, pattern: str | None = None, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[Tag]:
        """Return tags: all, or those of a build or package."""
    @overload
    def __call__(self, hub_method: Literal["listTasks"], /, opts: TaskOptions | None = None, *, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[Task]:
        """Return tasks, their requests and results decoded."""
    @overload
    def __call__(self, hub_method: Literal["listUsers"], /, userType: int | None = 0, prefix: str | None = None, *, perm: Info | None = None, inherited_perm: bool = False, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[User]:
        """Return users."""
    @overload
    def __call__(self, hub_method: Literal["untaggedBuilds"], /, name: str | None = None, *, draft: bool | None = None, page_size: int | None = None, key: str | Sequence[str] | None = None) -> AsyncIterator[UntaggedBuild]:
        """Return the builds in no tag."""
    @overload
    def __call__(self, hub_method: str, /, *args: Any, key: str | Sequence[str], page_size: int | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Return the rows of another list, by what numbers them."""

def pages(function: object) -> Pages: ...

class Submit:
    """Submits a task exactly once; gives its id."""
    @overload
    def __call__(self, hub_method: Literal["build"], /, src: str | None, target: str | None, opts: BuildOptions | None = None, priority: int | None = None, channel: str | None = None, *, submission: Submission | None = None) -> Deferred[int]:
        """Start the build of a package; return the task's id. See Connection.submit."""
    @overload
    def __call__(self, hub_method: Literal["buildContainer"], /, src: str | None, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-binary', *, submission: Submission | None = None) -> Deferred[int]:
        """Start a container build (plugin of OSBS); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["buildImage"], /, name: str, version: str, arch: str | Sequence[str], target: str | None, ksfile: str, img_type: str, opts: Mapping[str, Any] | None = None, priority: int | None = None, *, submission: Submission | None = None) -> Deferred[int]:
        """Start a livecd, livemedia or appliance image; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["buildImageIndirection"], /, opts: Mapping[str, Any] | None = None, priority: int | None = None, *, submission: Submission | None = None) -> Deferred[int]:
        """Start an image that is built inside another one; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["buildImageOz"], /, name: str, version: str, arches: Strings, target: str | None, inst_tree: str, opts: Mapping[str, Any] | None = None, priority: int | None = None, *, submission: Submission | None = None) -> Deferred[int]:
        """Start a disk image; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["buildSourceContainer"], /, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-source', *, submission: Submission | None = None) -> Deferred[int]:
        """Start the build of a source container (plugin of OSBS); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["chainBuild"], /, srcs: Sequence[Strings], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str | None = None, *, submission: Submission | None = None) -> Deferred[int]:
        """Start builds one level after the other; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["chainMaven"], /, builds: Mapping[str, Any], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven', *, submission: Submission | None = None) -> Deferred[int]:
        """Start Maven builds in the order of their dependencies; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["distRepo"], /, tag: Info, keys: Strings, *, arch: Strings | None = None, comps: str | None = None, delta: Sequence[int] | None = None, event: int | None = None, volume: str | None = None, inherit: bool | None = None, latest: bool | None = None, multilib: str | None = None, split_debuginfo: bool | None = None, skip_missing_signatures: bool | None = None, allow_missing_signatures: bool | None = None, zck: bool | None = None, zck_dict_dir: str | None = None, write_signed_rpms: bool | None = None, submission: Submission | None = None) -> Deferred[int]:
        """Start a distRepo task, which makes a signed repo; return its id."""
    @overload
    def __call__(self, hub_method: Literal["kiwiBuild"], /, target: str | None, arches: Strings, desc_url: str, desc_path: str, optional_arches: Strings | None = None, profile: str | None = None, scratch: bool = False, priority: int | None = None, make_prep: bool = False, repos: Strings | None = None, release: str | None = None, type: str | None = None, type_attr: Strings | None = None, result_bundle_name_format: str | None = None, use_buildroot_repo: bool = True, version: str | None = None, repo_releasever: str | None = None, *, submission: Submission | None = None) -> Deferred[int]:
        """Start a KIWI image (plugin kiwi); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["makeTask"], /, method: str, arglist: list[Any] | tuple[Any, ...], *, parent: int | None = None, label: str | None = None, channel: str | None = None, arch: str | None = None, priority: int | None = None, assign: Info | None = None, submission: Submission | None = None) -> Deferred[int]:
        """Make a task of any kind; return its id. Needs admin."""
    @overload
    def __call__(self, hub_method: Literal["mavenBuild"], /, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven', *, submission: Submission | None = None) -> Deferred[int]:
        """Start a Maven build; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["moveBuild"], /, tag1: Info, tag2: Info, build: BuildInfo, force: bool = False, *, submission: Submission | None = None) -> Deferred[int]:
        """Start the move of a build; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["newRepo"], /, tag: Info, event: int | None = None, src: bool = False, debuginfo: bool = False, separate_src: bool = False, *, submission: Submission | None = None) -> Deferred[int]:
        """Start a newRepo task, which makes a build repo; return its id. Prefer repo.request."""
    @overload
    def __call__(self, hub_method: Literal["osbuildImage"], /, name: str, version: str, distro: str, image_type: str | Sequence[str], target: str | None, arches: Strings, opts: Mapping[str, Any] | None = None, priority: int | None = None, *, submission: Submission | None = None) -> Deferred[int]:
        """Start an image by osbuild (its plugin); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["restartHosts"], /, priority: int = 5, options: Mapping[str, Any] | None = None, *, submission: Submission | None = None) -> Deferred[int]:
        """Start the restart of all builders; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["resubmitTask"], /, taskID: int, *, submission: Submission | None = None) -> Deferred[int]:
        """Start a failed or canceled top-level task again; return the new task's id."""
    @overload
    def __call__(self, hub_method: Literal["runroot"], /, tagInfo: Info, arch: str, command: str | Sequence[str], channel: str | None = None, *, packages: Strings | None = None, mounts: Strings | None = None, repo_id: int | None = None, skip_setarch: bool | None = None, weight: float | None = None, upload_logs: Strings | None = None, new_chroot: bool | None = None, keep: bool | None = None, submission: Submission | None = None) -> Deferred[int]:
        """Run a command in a build root (plugin runroot); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["saveFailedTree"], /, buildrootID: int, full: bool = False, *, submission: Submission | None = None) -> Deferred[int]:
        """Save the build root of a failed task (plugin save_failed_tree); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["tagBuild"], /, tag: Info | None, build: BuildInfo, force: bool = False, fromtag: Info | None = None, *, submission: Submission | None = None) -> Deferred[int]:
        """Start the tagging of a build; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["winBuild"], /, vm: str, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'vm', *, submission: Submission | None = None) -> Deferred[int]:
        """Start a build on Windows; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["wrapperRPM"], /, build: BuildInfo, url: str, target: str | None, priority: int | None = None, channel: str = 'maven', opts: Mapping[str, Any] | None = None, *, submission: Submission | None = None) -> Deferred[int]:
        """Start the build of RPMs around a Maven build; return the task's id."""

def submit(function: object) -> Submit: ...

class AwaitedSubmit:
    """Submits a task exactly once; gives its id."""
    @overload
    def __call__(self, hub_method: Literal["build"], /, src: str | None, target: str | None, opts: BuildOptions | None = None, priority: int | None = None, channel: str | None = None, *, submission: Submission | None = None) -> Future[int]:
        """Start the build of a package; return the task's id. See Connection.submit."""
    @overload
    def __call__(self, hub_method: Literal["buildContainer"], /, src: str | None, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-binary', *, submission: Submission | None = None) -> Future[int]:
        """Start a container build (plugin of OSBS); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["buildImage"], /, name: str, version: str, arch: str | Sequence[str], target: str | None, ksfile: str, img_type: str, opts: Mapping[str, Any] | None = None, priority: int | None = None, *, submission: Submission | None = None) -> Future[int]:
        """Start a livecd, livemedia or appliance image; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["buildImageIndirection"], /, opts: Mapping[str, Any] | None = None, priority: int | None = None, *, submission: Submission | None = None) -> Future[int]:
        """Start an image that is built inside another one; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["buildImageOz"], /, name: str, version: str, arches: Strings, target: str | None, inst_tree: str, opts: Mapping[str, Any] | None = None, priority: int | None = None, *, submission: Submission | None = None) -> Future[int]:
        """Start a disk image; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["buildSourceContainer"], /, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-source', *, submission: Submission | None = None) -> Future[int]:
        """Start the build of a source container (plugin of OSBS); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["chainBuild"], /, srcs: Sequence[Strings], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str | None = None, *, submission: Submission | None = None) -> Future[int]:
        """Start builds one level after the other; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["chainMaven"], /, builds: Mapping[str, Any], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven', *, submission: Submission | None = None) -> Future[int]:
        """Start Maven builds in the order of their dependencies; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["distRepo"], /, tag: Info, keys: Strings, *, arch: Strings | None = None, comps: str | None = None, delta: Sequence[int] | None = None, event: int | None = None, volume: str | None = None, inherit: bool | None = None, latest: bool | None = None, multilib: str | None = None, split_debuginfo: bool | None = None, skip_missing_signatures: bool | None = None, allow_missing_signatures: bool | None = None, zck: bool | None = None, zck_dict_dir: str | None = None, write_signed_rpms: bool | None = None, submission: Submission | None = None) -> Future[int]:
        """Start a distRepo task, which makes a signed repo; return its id."""
    @overload
    def __call__(self, hub_method: Literal["kiwiBuild"], /, target: str | None, arches: Strings, desc_url: str, desc_path: str, optional_arches: Strings | None = None, profile: str | None = None, scratch: bool = False, priority: int | None = None, make_prep: bool = False, repos: Strings | None = None, release: str | None = None, type: str | None = None, type_attr: Strings | None = None, result_bundle_name_format: str | None = None, use_buildroot_repo: bool = True, version: str | None = None, repo_releasever: str | None = None, *, submission: Submission | None = None) -> Future[int]:
        """Start a KIWI image (plugin kiwi); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["makeTask"], /, method: str, arglist: list[Any] | tuple[Any, ...], *, parent: int | None = None, label: str | None = None, channel: str | None = None, arch: str | None = None, priority: int | None = None, assign: Info | None = None, submission: Submission | None = None) -> Future[int]:
        """Make a task of any kind; return its id. Needs admin."""
    @overload
    def __call__(self, hub_method: Literal["mavenBuild"], /, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven', *, submission: Submission | None = None) -> Future[int]:
        """Start a Maven build; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["moveBuild"], /, tag1: Info, tag2: Info, build: BuildInfo, force: bool = False, *, submission: Submission | None = None) -> Future[int]:
        """Start the move of a build; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["newRepo"], /, tag: Info, event: int | None = None, src: bool = False, debuginfo: bool = False, separate_src: bool = False, *, submission: Submission | None = None) -> Future[int]:
        """Start a newRepo task, which makes a build repo; return its id. Prefer repo.request."""
    @overload
    def __call__(self, hub_method: Literal["osbuildImage"], /, name: str, version: str, distro: str, image_type: str | Sequence[str], target: str | None, arches: Strings, opts: Mapping[str, Any] | None = None, priority: int | None = None, *, submission: Submission | None = None) -> Future[int]:
        """Start an image by osbuild (its plugin); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["restartHosts"], /, priority: int = 5, options: Mapping[str, Any] | None = None, *, submission: Submission | None = None) -> Future[int]:
        """Start the restart of all builders; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["resubmitTask"], /, taskID: int, *, submission: Submission | None = None) -> Future[int]:
        """Start a failed or canceled top-level task again; return the new task's id."""
    @overload
    def __call__(self, hub_method: Literal["runroot"], /, tagInfo: Info, arch: str, command: str | Sequence[str], channel: str | None = None, *, packages: Strings | None = None, mounts: Strings | None = None, repo_id: int | None = None, skip_setarch: bool | None = None, weight: float | None = None, upload_logs: Strings | None = None, new_chroot: bool | None = None, keep: bool | None = None, submission: Submission | None = None) -> Future[int]:
        """Run a command in a build root (plugin runroot); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["saveFailedTree"], /, buildrootID: int, full: bool = False, *, submission: Submission | None = None) -> Future[int]:
        """Save the build root of a failed task (plugin save_failed_tree); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["tagBuild"], /, tag: Info | None, build: BuildInfo, force: bool = False, fromtag: Info | None = None, *, submission: Submission | None = None) -> Future[int]:
        """Start the tagging of a build; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["winBuild"], /, vm: str, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'vm', *, submission: Submission | None = None) -> Future[int]:
        """Start a build on Windows; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["wrapperRPM"], /, build: BuildInfo, url: str, target: str | None, priority: int | None = None, channel: str = 'maven', opts: Mapping[str, Any] | None = None, *, submission: Submission | None = None) -> Future[int]:
        """Start the build of RPMs around a Maven build; return the task's id."""

def awaited_submit(function: object) -> AwaitedSubmit: ...

class NewSubmission:
    """Starts a submission."""
    @overload
    def __call__(self, hub_method: Literal["build"], /, src: str | None, target: str | None, opts: BuildOptions | None = None, priority: int | None = None, channel: str | None = None) -> Deferred[Submission]:
        """Start the build of a package; return the task's id. See Connection.submit."""
    @overload
    def __call__(self, hub_method: Literal["buildContainer"], /, src: str | None, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-binary') -> Deferred[Submission]:
        """Start a container build (plugin of OSBS); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["buildImage"], /, name: str, version: str, arch: str | Sequence[str], target: str | None, ksfile: str, img_type: str, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Deferred[Submission]:
        """Start a livecd, livemedia or appliance image; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["buildImageIndirection"], /, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Deferred[Submission]:
        """Start an image that is built inside another one; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["buildImageOz"], /, name: str, version: str, arches: Strings, target: str | None, inst_tree: str, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Deferred[Submission]:
        """Start a disk image; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["buildSourceContainer"], /, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-source') -> Deferred[Submission]:
        """Start the build of a source container (plugin of OSBS); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["chainBuild"], /, srcs: Sequence[Strings], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str | None = None) -> Deferred[Submission]:
        """Start builds one level after the other; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["chainMaven"], /, builds: Mapping[str, Any], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven') -> Deferred[Submission]:
        """Start Maven builds in the order of their dependencies; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["distRepo"], /, tag: Info, keys: Strings, *, arch: Strings | None = None, comps: str | None = None, delta: Sequence[int] | None = None, event: int | None = None, volume: str | None = None, inherit: bool | None = None, latest: bool | None = None, multilib: str | None = None, split_debuginfo: bool | None = None, skip_missing_signatures: bool | None = None, allow_missing_signatures: bool | None = None, zck: bool | None = None, zck_dict_dir: str | None = None, write_signed_rpms: bool | None = None) -> Deferred[Submission]:
        """Start a distRepo task, which makes a signed repo; return its id."""
    @overload
    def __call__(self, hub_method: Literal["kiwiBuild"], /, target: str | None, arches: Strings, desc_url: str, desc_path: str, optional_arches: Strings | None = None, profile: str | None = None, scratch: bool = False, priority: int | None = None, make_prep: bool = False, repos: Strings | None = None, release: str | None = None, type: str | None = None, type_attr: Strings | None = None, result_bundle_name_format: str | None = None, use_buildroot_repo: bool = True, version: str | None = None, repo_releasever: str | None = None) -> Deferred[Submission]:
        """Start a KIWI image (plugin kiwi); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["makeTask"], /, method: str, arglist: list[Any] | tuple[Any, ...], *, parent: int | None = None, label: str | None = None, channel: str | None = None, arch: str | None = None, priority: int | None = None, assign: Info | None = None) -> Deferred[Submission]:
        """Make a task of any kind; return its id. Needs admin."""
    @overload
    def __call__(self, hub_method: Literal["mavenBuild"], /, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven') -> Deferred[Submission]:
        """Start a Maven build; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["moveBuild"], /, tag1: Info, tag2: Info, build: BuildInfo, force: bool = False) -> Deferred[Submission]:
        """Start the move of a build; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["newRepo"], /, tag: Info, event: int | None = None, src: bool = False, debuginfo: bool = False, separate_src: bool = False) -> Deferred[Submission]:
        """Start a newRepo task, which makes a build repo; return its id. Prefer repo.request."""
    @overload
    def __call__(self, hub_method: Literal["osbuildImage"], /, name: str, version: str, distro: str, image_type: str | Sequence[str], target: str | None, arches: Strings, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Deferred[Submission]:
        """Start an image by osbuild (its plugin); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["restartHosts"], /, priority: int = 5, options: Mapping[str, Any] | None = None) -> Deferred[Submission]:
        """Start the restart of all builders; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["resubmitTask"], /, taskID: int) -> Deferred[Submission]:
        """Start a failed or canceled top-level task again; return the new task's id."""
    @overload
    def __call__(self, hub_method: Literal["runroot"], /, tagInfo: Info, arch: str, command: str | Sequence[str], channel: str | None = None, *, packages: Strings | None = None, mounts: Strings | None = None, repo_id: int | None = None, skip_setarch: bool | None = None, weight: float | None = None, upload_logs: Strings | None = None, new_chroot: bool | None = None, keep: bool | None = None) -> Deferred[Submission]:
        """Run a command in a build root (plugin runroot); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["saveFailedTree"], /, buildrootID: int, full: bool = False) -> Deferred[Submission]:
        """Save the build root of a failed task (plugin save_failed_tree); return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["tagBuild"], /, tag: Info | None, build: BuildInfo, force: bool = False, fromtag: Info | None = None) -> Deferred[Submission]:
        """Start the tagging of a build; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["winBuild"], /, vm: str, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'vm') -> Deferred[Submission]:
        """Start a build on Windows; return the task's id."""
    @overload
    def __call__(self, hub_method: Literal["wrapperRPM"], /, build: BuildInfo, url: str, target: str | None, priority: int | None = None, channel: str = 'maven', opts: Mapping[str, Any] | None = None) -> Deferred[Submission]:
        """Start the build of RPMs around a Maven build; return the task's id."""

def new_submission(function: object) -> NewSubmission: ...

class Find:
    """Finds a submitted task."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["build"], /, src: str | None, target: str | None, opts: BuildOptions | None = None, priority: int | None = None, channel: str | None = None) -> Deferred[int | None]:
        """Start the build of a package; return the task's id. See Connection.submit."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["buildContainer"], /, src: str | None, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-binary') -> Deferred[int | None]:
        """Start a container build (plugin of OSBS); return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["buildImage"], /, name: str, version: str, arch: str | Sequence[str], target: str | None, ksfile: str, img_type: str, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Deferred[int | None]:
        """Start a livecd, livemedia or appliance image; return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["buildImageIndirection"], /, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Deferred[int | None]:
        """Start an image that is built inside another one; return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["buildImageOz"], /, name: str, version: str, arches: Strings, target: str | None, inst_tree: str, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Deferred[int | None]:
        """Start a disk image; return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["buildSourceContainer"], /, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-source') -> Deferred[int | None]:
        """Start the build of a source container (plugin of OSBS); return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["chainBuild"], /, srcs: Sequence[Strings], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str | None = None) -> Deferred[int | None]:
        """Start builds one level after the other; return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["chainMaven"], /, builds: Mapping[str, Any], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven') -> Deferred[int | None]:
        """Start Maven builds in the order of their dependencies; return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["distRepo"], /, tag: Info, keys: Strings, *, arch: Strings | None = None, comps: str | None = None, delta: Sequence[int] | None = None, event: int | None = None, volume: str | None = None, inherit: bool | None = None, latest: bool | None = None, multilib: str | None = None, split_debuginfo: bool | None = None, skip_missing_signatures: bool | None = None, allow_missing_signatures: bool | None = None, zck: bool | None = None, zck_dict_dir: str | None = None, write_signed_rpms: bool | None = None) -> Deferred[int | None]:
        """Start a distRepo task, which makes a signed repo; return its id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["kiwiBuild"], /, target: str | None, arches: Strings, desc_url: str, desc_path: str, optional_arches: Strings | None = None, profile: str | None = None, scratch: bool = False, priority: int | None = None, make_prep: bool = False, repos: Strings | None = None, release: str | None = None, type: str | None = None, type_attr: Strings | None = None, result_bundle_name_format: str | None = None, use_buildroot_repo: bool = True, version: str | None = None, repo_releasever: str | None = None) -> Deferred[int | None]:
        """Start a KIWI image (plugin kiwi); return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["makeTask"], /, method: str, arglist: list[Any] | tuple[Any, ...], *, parent: int | None = None, label: str | None = None, channel: str | None = None, arch: str | None = None, priority: int | None = None, assign: Info | None = None) -> Deferred[int | None]:
        """Make a task of any kind; return its id. Needs admin."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["mavenBuild"], /, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven') -> Deferred[int | None]:
        """Start a Maven build; return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["moveBuild"], /, tag1: Info, tag2: Info, build: BuildInfo, force: bool = False) -> Deferred[int | None]:
        """Start the move of a build; return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["newRepo"], /, tag: Info, event: int | None = None, src: bool = False, debuginfo: bool = False, separate_src: bool = False) -> Deferred[int | None]:
        """Start a newRepo task, which makes a build repo; return its id. Prefer repo.request."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["osbuildImage"], /, name: str, version: str, distro: str, image_type: str | Sequence[str], target: str | None, arches: Strings, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Deferred[int | None]:
        """Start an image by osbuild (its plugin); return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["restartHosts"], /, priority: int = 5, options: Mapping[str, Any] | None = None) -> Deferred[int | None]:
        """Start the restart of all builders; return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["resubmitTask"], /, taskID: int) -> Deferred[int | None]:
        """Start a failed or canceled top-level task again; return the new task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["runroot"], /, tagInfo: Info, arch: str, command: str | Sequence[str], channel: str | None = None, *, packages: Strings | None = None, mounts: Strings | None = None, repo_id: int | None = None, skip_setarch: bool | None = None, weight: float | None = None, upload_logs: Strings | None = None, new_chroot: bool | None = None, keep: bool | None = None) -> Deferred[int | None]:
        """Run a command in a build root (plugin runroot); return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["saveFailedTree"], /, buildrootID: int, full: bool = False) -> Deferred[int | None]:
        """Save the build root of a failed task (plugin save_failed_tree); return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["tagBuild"], /, tag: Info | None, build: BuildInfo, force: bool = False, fromtag: Info | None = None) -> Deferred[int | None]:
        """Start the tagging of a build; return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["winBuild"], /, vm: str, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'vm') -> Deferred[int | None]:
        """Start a build on Windows; return the task's id."""
    @overload
    def __call__(self, submission: Submission, hub_method: Literal["wrapperRPM"], /, build: BuildInfo, url: str, target: str | None, priority: int | None = None, channel: str = 'maven', opts: Mapping[str, Any] | None = None) -> Deferred[int | None]:
        """Start the build of RPMs around a Maven build; return the task's id."""

def find_submitted(function: object) -> Find: ...
