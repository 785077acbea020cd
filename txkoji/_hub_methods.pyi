"""The hub's methods, as a type checker and an editor see them.

Written by ``make api`` from the tables in ``api/``.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeAlias, overload

from txkoji._deferreds import Deferred, Future
from txkoji.build import Build
from txkoji.channel import Channel
from txkoji.package import Package
from txkoji.task import Task
from txkoji.options import BuildOptions, CountOnly, QueryOptions, Strings, TaskOptions
from txkoji.results import (
    Archive,
    ArchiveFile,
    ArchiveType,
    BuildConfig,
    BuildLog,
    BuildNotification,
    BuildTarget,
    Buildroot,
    BuildrootRPM,
    CGReservation,
    ChangelogEntry,
    ContentGenerator,
    Event,
    ExternalRepo,
    FileStat,
    FullInheritance,
    Host,
    ImageArchive,
    ImageBuild,
    Inheritance,
    ListedPackage,
    LoggedInUser,
    MavenArchive,
    MavenBuild,
    NameAndId,
    PackageGroup,
    PackageName,
    Permission,
    RPM,
    RPMDependency,
    RPMFile,
    RPMSignature,
    Repo,
    RepoAnswer,
    RepoRequest,
    SessionInfo,
    SideTag,
    SideTagMade,
    Tag,
    TagExternalRepo,
    TaggedBuild,
    UntaggedBuild,
    UploadState,
    User,
    WinArchive,
    WinBuild,
)

Info: TypeAlias = int | str | Mapping[str, Any]
"""What names a tag, user, package and so on: its id, its name, or a struct with one of them."""
BuildInfo: TypeAlias = int | str | Mapping[str, Any]
"""What names a build: its id, its NVR, or a struct with name, version and release."""


class HubMethodsHost:
    """The methods ``host.*``."""
    def assertPolicy(self, name: str, data: Any, default: str = 'deny') -> Deferred[Any]:
        """For builders: assert policy."""
    def checkPolicy(self, name: str, data: Any, default: str = 'deny', strict: bool = False) -> Deferred[Any]:
        """For builders: check policy."""
    def closeTask(self, task_id: int, response: Any) -> Deferred[Any]:
        """For builders: close task."""
    def completeBuild(self, task_id: int, build_id: int, srpm: Any, rpms: Any, brmap: Any | None = None, logs: Any | None = None) -> Deferred[Any]:
        """For builders: complete build."""
    def completeImageBuild(self, task_id: int, build_id: int, results: Any) -> Deferred[Any]:
        """For builders: complete image build."""
    def completeMavenBuild(self, task_id: int, build_id: int, maven_results: Any, rpm_results: Any) -> Deferred[Any]:
        """For builders: complete maven build."""
    def completeWinBuild(self, task_id: int, build_id: int, results: Any, rpm_results: Any) -> Deferred[Any]:
        """For builders: complete win build."""
    def createMavenBuild(self, build_info: Any, maven_info: Any) -> Deferred[Any]:
        """For builders: create maven build."""
    def distRepoMove(self, repo_id: int, uploadpath: Any, arch: Any) -> Deferred[Any]:
        """For builders: dist repo move."""
    def evalPolicy(self, name: str, data: Any) -> Deferred[Any]:
        """For builders: eval policy."""
    def failBuild(self, task_id: int, build_id: int) -> Deferred[Any]:
        """For builders: fail build."""
    def failTask(self, task_id: int, response: Any) -> Deferred[Any]:
        """For builders: fail task."""
    def freeTasks(self, tasks: Any) -> Deferred[Any]:
        """For builders: free tasks."""
    def getHost(self) -> Deferred[Any]:
        """For builders: get host."""
    def getHostTasks(self) -> Deferred[Any]:
        """For builders: get host tasks."""
    def getID(self) -> Deferred[Any]:
        """For builders: get id."""
    def getLoadData(self) -> Deferred[Any]:
        """For builders: get load data."""
    def getTasks(self) -> Deferred[Any]:
        """For builders: get tasks."""
    def importArchive(self, filepath: Any, buildinfo: Any, type: Any, typeInfo: Any) -> Deferred[Any]:
        """For builders: import archive."""
    def importImage(self, task_id: int, build_info: Any, results: Any) -> Deferred[Any]:
        """For builders: import image."""
    def importWrapperRPMs(self, task_id: int, build_id: int, rpm_results: Any) -> Deferred[Any]:
        """For builders: import wrapper RPMs."""
    def initBuild(self, data: Any) -> Deferred[Any]:
        """For builders: init build."""
    def initImageBuild(self, task_id: int, build_info: Any) -> Deferred[Any]:
        """For builders: init image build."""
    def initMavenBuild(self, task_id: int, build_info: Any, maven_info: Any) -> Deferred[Any]:
        """For builders: init maven build."""
    def initWinBuild(self, task_id: int, build_info: Any, win_info: Any) -> Deferred[Any]:
        """For builders: init win build."""
    def isEnabled(self) -> Deferred[Any]:
        """For builders: is enabled."""
    def moveBuildToScratch(self, task_id: int, srpm: Any, rpms: Any, logs: Any | None = None) -> Deferred[Any]:
        """For builders: move build to scratch."""
    def moveImageBuildToScratch(self, task_id: int, results: Any) -> Deferred[Any]:
        """For builders: move image build to scratch."""
    def moveMavenBuildToScratch(self, task_id: int, results: Any, rpm_results: Any) -> Deferred[Any]:
        """For builders: move maven build to scratch."""
    def moveWinBuildToScratch(self, task_id: int, results: Any, rpm_results: Any) -> Deferred[Any]:
        """For builders: move win build to scratch."""
    def newBuildRoot(self, repo: Any, arch: Any, task_id: int | None = None) -> Deferred[Any]:
        """For builders: new build root."""
    def openTask(self, task_id: int) -> Deferred[Any]:
        """For builders: open task."""
    def refuseTask(self, task_id: int, soft: bool = True, msg: str = '') -> Deferred[Any]:
        """For builders: refuse task."""
    def repoDone(self, repo_id: int, data: Any, expire: bool = False, repo_json_updates: Any | None = None) -> Deferred[Any]:
        """For builders: repo done."""
    def repoInit(self, tag: Any, task_id: int | None = None, event: Any | None = None, opts: Any | None = None) -> Deferred[Any]:
        """For builders: repo init."""
    def setBuildRootList(self, brootid: Any, rpmlist: Any, task_id: int | None = None) -> Deferred[Any]:
        """For builders: set build root list."""
    def setBuildRootState(self, brootid: Any, state: Any, task_id: int | None = None) -> Deferred[Any]:
        """For builders: set build root state."""
    def setHostData(self, hostdata: Any) -> Deferred[Any]:
        """For builders: set host data."""
    def setTaskWeight(self, task_id: int, weight: Any) -> Deferred[Any]:
        """For builders: set task weight."""
    def subtask(self, method: Any, arglist: Any, parent: int, **opts: Any) -> Deferred[Any]:
        """For builders: subtask."""
    def subtask2(self, _HostExports__parent: Any, _HostExports__taskopts: Any, _HostExports__method: Any, *args: Any, **opts: Any) -> Deferred[Any]:
        """For builders: subtask2."""
    def tagBuild(self, task_id: int, tag: Any, build: Any, force: bool = False, fromtag: Any | None = None) -> Deferred[Any]:
        """For builders: tag build."""
    def tagNotification(self, is_successful: Any, tag_id: Any, from_id: Any, build_id: int, user_id: Any, ignore_success: bool = False, failure_msg: str = '') -> Deferred[Any]:
        """For builders: tag notification."""
    def taskSetWait(self, parent: int, tasks: Any) -> Deferred[Any]:
        """For builders: task set wait."""
    def taskWait(self, parent: int) -> Deferred[Any]:
        """For builders: task wait."""
    def taskWaitResults(self, parent: int, tasks: Any, canfail: Any | None = None) -> Deferred[Any]:
        """For builders: task wait results."""
    def updateBuildRootList(self, brootid: Any, rpmlist: Any, task_id: int | None = None) -> Deferred[Any]:
        """For builders: update build root list."""
    def updateBuildrootArchives(self, brootid: Any, task_id: int, archives: Any, project: bool = False) -> Deferred[Any]:
        """For builders: update buildroot archives."""
    def updateHost(self, task_load: Any, ready: Any, data: Any | None = None) -> Deferred[Any]:
        """For builders: update host."""
    def updateMavenBuildRootList(self, brootid: Any, task_id: int, mavenlist: Any, ignore: Any | None = None, project: bool = False, ignore_unknown: bool = False, extra_deps: Any | None = None) -> Deferred[Any]:
        """For builders: update maven build root list."""
    def writeSignedRPM(self, an_rpm: Any, sigkey: Any, force: bool = False) -> Deferred[Any]:
        """For builders: write signed RPM."""

class HubMethodsRepo:
    """The methods ``repo.*``."""
    def autoRequests(self) -> Deferred[None]:
        """Request the repos of tags that are regenerated automatically."""
    def checkQueue(self) -> Deferred[None]:
        """Process the queue of repo requests."""
    def checkRequest(self, req_id: int) -> Deferred[RepoAnswer]:
        """Return the state of a repo request (hub 1.35)."""
    def get(self, tag: Info, min_event: int | None = None, at_event: int | None = None, opts: Mapping[str, Any] | None = None) -> Deferred[Repo | None]:
        """Return the best ready repo of a tag (hub 1.35)."""
    def getExternalRepoData(self, erepo: Info) -> Deferred[Any]:
        """Return the data that are stored about an external repo."""
    @overload
    def query(self, clauses: list[Any], fields: Strings | None = None, *, opts: CountOnly) -> Deferred[int]:
        """Return repos by conditions (hub 1.35)."""
    @overload
    def query(self, clauses: list[Any], fields: Strings | None = None, opts: QueryOptions | None = None) -> Deferred[list[Repo]]:
        """Return repos by conditions (hub 1.35)."""
    @overload
    def queryQueue(self, clauses: list[Any] | None = None, fields: Strings | None = None, *, opts: CountOnly) -> Deferred[int]:
        """Return requests for repos by conditions (hub 1.35)."""
    @overload
    def queryQueue(self, clauses: list[Any] | None = None, fields: Strings | None = None, opts: QueryOptions | None = None) -> Deferred[list[RepoRequest]]:
        """Return requests for repos by conditions (hub 1.35)."""
    def references(self, repo_id: int) -> Deferred[list[Any]]:
        """Return the build roots that use a repo (hub 1.35)."""
    def request(self, tag: Info, min_event: int | str | None = None, at_event: int | None = None, opts: Mapping[str, Any] | None = None, priority: int | None = None, force: bool = False) -> Deferred[RepoAnswer]:
        """Request a repo: get an existing one, or a place in the queue (hub 1.35)."""
    def setExternalRepoData(self, external_repo_id: int, data: Any) -> Deferred[None]:
        """Store data about an external repo."""
    def setRequestPriority(self, req_id: int, priority: int) -> Deferred[None]:
        """Set the priority of a request for a repo. Needs admin."""
    def setState(self, repo_id: int, state: int) -> Deferred[None]:
        """Set the state of a repo. Needs admin."""
    def updateEndEvents(self) -> Deferred[None]:
        """Record which repos are outdated."""

class HubMethodsScheduler:
    """The methods ``scheduler.*``."""
    def doRun(self, force: bool = False) -> Deferred[bool]:
        """Run the scheduler now."""
    def getHostData(self, hostID: int | None = None) -> Deferred[Any]:
        """Return the data that builders reported to the scheduler."""
    @overload
    def getLogMessages(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None, *, opts: CountOnly) -> Deferred[int]:
        """Return the scheduler's log."""
    @overload
    def getLogMessages(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None, opts: QueryOptions | None = None) -> Deferred[list[dict[str, Any]]]:
        """Return the scheduler's log."""
    def getTaskRefusals(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None) -> Deferred[list[dict[str, Any]]]:
        """Return which builders refused which tasks, and why."""
    @overload
    def getTaskRuns(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None, *, opts: CountOnly) -> Deferred[int]:
        """Return which builders had which tasks."""
    @overload
    def getTaskRuns(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None, opts: QueryOptions | None = None) -> Deferred[list[dict[str, Any]]]:
        """Return which builders had which tasks."""

class HubMethodsSystem:
    """The methods ``system.*``."""
    def listMethods(self) -> Deferred[list[str]]:
        """Return the names of all methods."""
    def methodHelp(self, method: str) -> Deferred[str]:
        """Return what a method says of itself."""
    def methodSignature(self, method: str) -> Deferred[list[Any]]:
        """Return the arguments of a method."""

class HubMethods:
    """A hub's methods; each returns a Deferred."""
    @property
    def host(self) -> HubMethodsHost:
        """The methods ``host.*``."""
    @property
    def repo(self) -> HubMethodsRepo:
        """The methods ``repo.*``."""
    @property
    def scheduler(self) -> HubMethodsScheduler:
        """The methods ``scheduler.*``."""
    @property
    def system(self) -> HubMethodsSystem:
        """The methods ``system.*``."""
    def CGImport(self, metadata: Mapping[str, Any] | str | None, directory: str, token: str | None = None) -> Deferred[Build]:
        """Import what a content generator made."""
    def CGInitBuild(self, cg: Info, data: Mapping[str, Any]) -> Deferred[CGReservation]:
        """Reserve an NVR for a content generator."""
    def CGRefundBuild(self, cg: Info, build_id: int, token: str, state: int = 3) -> Deferred[None]:
        """Release a reserved NVR."""
    def addArchiveType(self, name: str, description: str, extensions: str, compression_type: str | None = None) -> Deferred[None]:
        """Add a type of archive."""
    def addBType(self, name: str) -> Deferred[None]:
        """Add a type of build."""
    def addChannel(self, channel_name: str, description: str | None = None) -> Deferred[int]:
        """Add a channel; return its id."""
    def addExternalRPM(self, rpminfo: Mapping[str, Any], external_repo: Info, strict: bool = True) -> Deferred[None]:
        """Record an RPM of an external repo."""
    def addExternalRepoToTag(self, tag_info: Info, repo_info: Info, priority: int, merge_mode: str = 'koji', arches: str | None = None) -> Deferred[None]:
        """Add an external repo to a tag."""
    def addGroupMember(self, group: Info, user: Info, strict: bool = True) -> Deferred[None]:
        """Add a user to a group."""
    def addHost(self, hostname: str, arches: str | Sequence[str], krb_principal: str | None = None, force: bool = False) -> Deferred[int]:
        """Add a builder; return its id."""
    def addHostToChannel(self, hostname: Info, channel_name: str, create: bool = False, force: bool = False) -> Deferred[None]:
        """Add a builder to a channel."""
    def addRPMSig(self, an_rpm: Info, data: str) -> Deferred[None]:
        """Add a signature (a base64 header) to an RPM."""
    def addUserKrbPrincipal(self, user: Info, krb_principal: str) -> Deferred[int]:
        """Add a Kerberos principal to a user; return the user's id."""
    def addVolume(self, name: str, strict: bool = True) -> Deferred[NameAndId]:
        """Add a volume."""
    def applyVolumePolicy(self, build: BuildInfo, strict: bool = False) -> Deferred[None]:
        """Move a build's files to the volume that the policy says."""
    def assignTask(self, task_id: int, host: Info, force: bool = False, override: bool = False) -> Deferred[bool]:
        """Assign a task to a builder. Needs admin."""
    def build(self, src: str | None, target: str | None, opts: BuildOptions | None = None, priority: int | None = None, channel: str | None = None) -> Deferred[int]:
        """Start the build of a package; return the task's id. See Connection.submit."""
    def buildContainer(self, src: str | None, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-binary') -> Deferred[int]:
        """Start a container build (plugin of OSBS); return the task's id."""
    def buildImage(self, name: str, version: str, arch: str | Sequence[str], target: str | None, ksfile: str, img_type: str, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Deferred[int]:
        """Start a livecd, livemedia or appliance image; return the task's id."""
    def buildImageIndirection(self, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Deferred[int]:
        """Start an image that is built inside another one; return the task's id."""
    def buildImageOz(self, name: str, version: str, arches: Strings, target: str | None, inst_tree: str, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Deferred[int]:
        """Start a disk image; return the task's id."""
    def buildReferences(self, build: BuildInfo, limit: int | None = None, lazy: bool = False) -> Deferred[dict[str, Any]]:
        """Return what refers to a build."""
    def buildSourceContainer(self, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-source') -> Deferred[int]:
        """Start the build of a source container (plugin of OSBS); return the task's id."""
    def cancelBuild(self, buildID: BuildInfo, strict: bool = False) -> Deferred[bool]:
        """Cancel a build in progress; tell whether it was one."""
    def cancelTask(self, task_id: int, recurse: bool = True) -> Deferred[None]:
        """Cancel a task, and those below it."""
    def cancelTaskChildren(self, task_id: int) -> Deferred[None]:
        """Cancel what is below a task."""
    def cancelTaskFull(self, task_id: int, strict: bool = True) -> Deferred[None]:
        """Cancel a top-level task and all below it. Needs admin."""
    def chainBuild(self, srcs: Sequence[Strings], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str | None = None) -> Deferred[int]:
        """Start builds one level after the other; return the task's id."""
    def chainMaven(self, builds: Mapping[str, Any], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven') -> Deferred[int]:
        """Start Maven builds in the order of their dependencies; return the task's id."""
    def changeBuildVolume(self, build: BuildInfo, volume: Info, strict: bool = True) -> Deferred[None]:
        """Move a build's files to another volume."""
    def checkTagAccess(self, tag_id: Info, user_id: Info | None = None) -> Deferred[tuple[bool, bool, str]]:
        """Return whether a user may tag into a tag, whether force helps, and the reason."""
    def checkTagPackage(self, tag: Info, pkg: Info) -> Deferred[bool]:
        """Tell whether a package is listed in a tag and not blocked."""
    def checkUpload(self, path: str, name: str, verify: str | None = None, tail: int | None = None, volume: str | None = None) -> Deferred[UploadState | None]:
        """Return how much of a file has been uploaded."""
    def count(self, methodName: str, *args: Any, **kw: Any) -> Deferred[int]:
        """Return how long the list of a method is."""
    def countAndFilterResults(self, methodName: str, *args: Any, **kw: Any) -> Deferred[tuple[int, list[Any]]]:
        """Return the length of a method's list and a part of it, by filterOpts."""
    def createBuildTarget(self, name: str, build_tag: Info, dest_tag: Info) -> Deferred[None]:
        """Make a build target."""
    def createEmptyBuild(self, name: str, version: str, release: str, epoch: int | None, owner: Info | None = None, draft: bool = False) -> Deferred[int]:
        """Make a build without content; return its id. Needs admin."""
    def createExternalRepo(self, name: str, url: str) -> Deferred[ExternalRepo]:
        """Make an external repo."""
    def createImageBuild(self, build_info: Mapping[str, Any]) -> Deferred[None]:
        """Make an image build without content."""
    def createMavenBuild(self, build_info: Mapping[str, Any], maven_info: Mapping[str, Any]) -> Deferred[None]:
        """Make a Maven build without content."""
    def createNotification(self, user_id: int, package_id: int | None, tag_id: int | None, success_only: bool) -> Deferred[None]:
        """Create a build notification."""
    def createNotificationBlock(self, user_id: int, package_id: int | None = None, tag_id: int | None = None) -> Deferred[None]:
        """Create a notification block."""
    def createSideTag(self, basetag: Info, debuginfo: bool = False, suffix: str | None = None) -> Deferred[SideTagMade]:
        """Make a side tag and a target for it (plugin sidetag)."""
    def createTag(self, name: str, parent: Info | None = None, arches: str | None = None, perm: Info | None = None, locked: bool = False, maven_support: bool = False, maven_include_all: bool = False, extra: Mapping[str, Any] | None = None) -> Deferred[int]:
        """Make a tag; return its id."""
    def createUser(self, username: str, status: int | None = None, krb_principal: str | None = None) -> Deferred[int]:
        """Make a user; return the id."""
    def createWinBuild(self, build_info: Mapping[str, Any], win_info: Mapping[str, Any]) -> Deferred[None]:
        """Make a Windows build without content."""
    def deleteBuild(self, build: BuildInfo, strict: bool = True, min_ref_age: int = 604800) -> Deferred[bool]:
        """Delete a build. Needs admin."""
    def deleteBuildTarget(self, buildTargetInfo: Info) -> Deferred[None]:
        """Delete a build target."""
    def deleteExternalRepo(self, info: Info) -> Deferred[None]:
        """Delete an external repo."""
    def deleteNotification(self, id: int) -> Deferred[None]:
        """Delete a build notification."""
    def deleteNotificationBlock(self, id: int) -> Deferred[None]:
        """Delete a notification block."""
    def deleteRPMSig(self, rpminfo: Info, sigkey: str | None = None, all_sigs: bool = False) -> Deferred[None]:
        """Delete a signature of an RPM."""
    def deleteTag(self, tagInfo: Info) -> Deferred[None]:
        """Delete a tag."""
    def disableChannel(self, channelname: Info, comment: str | None = None) -> Deferred[None]:
        """Disable a channel: its tasks wait."""
    def disableHost(self, hostname: Info) -> Deferred[None]:
        """Disable a builder: it takes no more tasks."""
    def disableUser(self, username: Info) -> Deferred[None]:
        """Block a user from logging in."""
    def distRepo(self, tag: Info, keys: Strings, *, arch: Strings | None = None, comps: str | None = None, delta: Sequence[int] | None = None, event: int | None = None, volume: str | None = None, inherit: bool | None = None, latest: bool | None = None, multilib: str | None = None, split_debuginfo: bool | None = None, skip_missing_signatures: bool | None = None, allow_missing_signatures: bool | None = None, zck: bool | None = None, zck_dict_dir: str | None = None, write_signed_rpms: bool | None = None) -> Deferred[int]:
        """Start a distRepo task, which makes a signed repo; return its id."""
    def downloadTaskOutput(self, taskID: int, fileName: str, offset: int = 0, size: int = -1, volume: str | None = None) -> Deferred[str]:
        """Return a part of a task's file, base64."""
    def dropGroupMember(self, group: Info, user: Info) -> Deferred[None]:
        """Drop a user from a group."""
    def echo(self, *args: Any) -> Deferred[list[Any]]:
        """Return the arguments."""
    def editBuildTarget(self, buildTargetInfo: Info, name: str, build_tag: Info, dest_tag: Info) -> Deferred[None]:
        """Change a build target."""
    def editChannel(self, channelInfo: Info, *, name: str | None = None, description: str | None = None, comment: str | None = None) -> Deferred[bool]:
        """Change a channel."""
    def editExternalRepo(self, info: Info, name: str | None = None, url: str | None = None) -> Deferred[None]:
        """Change an external repo."""
    def editHost(self, hostInfo: Info, *, arches: str | None = None, capacity: float | None = None, description: str | None = None, comment: str | None = None) -> Deferred[bool]:
        """Change a builder."""
    def editPermission(self, permission: Info, description: str) -> Deferred[None]:
        """Describe a permission."""
    def editSideTag(self, sidetag: Info, debuginfo: bool | None = None, rpm_macros: Mapping[str, Any] | None = None, remove_rpm_macros: Strings | None = None, extra: Mapping[str, Any] | None = None, remove_extra: Strings | None = None) -> Deferred[None]:
        """Change a side tag (plugin sidetag)."""
    def editTag(self, tagInfo: Info, name: str, arches: str | None, locked: bool | None, permissionID: int | None, extra: Mapping[str, Any] | None = None) -> Deferred[None]:
        """Change a tag. Prefer editTag2."""
    def editTag2(self, tagInfo: Info, *, name: str | None = None, arches: str | None = None, locked: bool | None = None, perm: str | None = None, perm_id: int | None = None, maven_support: bool | None = None, maven_include_all: bool | None = None, extra: Mapping[str, Any] | None = None, remove_extra: Strings | None = None, block_extra: Strings | None = None) -> Deferred[None]:
        """Change the named settings of a tag."""
    def editTagExternalRepo(self, tag_info: Info, repo_info: Info, priority: int | None = None, merge_mode: str | None = None, arches: str | None = None) -> Deferred[bool]:
        """Change an external repo of a tag."""
    def editUser(self, userInfo: Info, name: str | None = None, krb_principal_mappings: Sequence[Mapping[str, Any]] | None = None) -> Deferred[None]:
        """Change a user."""
    def enableChannel(self, channelname: Info, comment: str | None = None) -> Deferred[None]:
        """Enable a channel."""
    def enableHost(self, hostname: Info) -> Deferred[None]:
        """Enable a builder: it takes tasks."""
    def enableUser(self, username: Info) -> Deferred[None]:
        """Allow a user to log in again."""
    def error(self) -> Deferred[None]:
        """Raise an error, for tests."""
    def evalPolicy(self, name: str, data: Mapping[str, Any]) -> Deferred[str]:
        """Return what a policy says."""
    def fault(self) -> Deferred[None]:
        """Raise a fault, for tests."""
    def filterResults(self, methodName: str, *args: Any, **kw: Any) -> Deferred[list[Any]]:
        """Return a part of a method's list, by filterOpts."""
    @overload
    def findBuildID(self, X: BuildInfo, strict: Literal[True]) -> Deferred[int]:
        """Return the id of a build."""
    @overload
    def findBuildID(self, X: BuildInfo, strict: bool = False) -> Deferred[int | None]:
        """Return the id of a build."""
    def freeTask(self, task_id: int) -> Deferred[None]:
        """Free an assigned or open task: it returns to the queue. Needs admin."""
    def getAPIVersion(self) -> Deferred[int]:
        """Return the version of the API, which is 1."""
    def getActiveRepos(self) -> Deferred[list[Repo]]:
        """Return the repos that are not deleted."""
    def getAllArches(self) -> Deferred[list[str]]:
        """Return the architectures of all builders."""
    def getAllPerms(self) -> Deferred[list[Permission]]:
        """Return all permissions that there are."""
    @overload
    def getArchive(self, archive_id: int, strict: Literal[True]) -> Deferred[Archive]:
        """Return an archive."""
    @overload
    def getArchive(self, archive_id: int, strict: bool = False) -> Deferred[Archive | None]:
        """Return an archive."""
    @overload
    def getArchiveFile(self, archive_id: int, filename: str, strict: Literal[True]) -> Deferred[ArchiveFile]:
        """Return a file in an archive."""
    @overload
    def getArchiveFile(self, archive_id: int, filename: str, strict: bool = False) -> Deferred[ArchiveFile | None]:
        """Return a file in an archive."""
    @overload
    def getArchiveType(self, filename: str | None = None, type_name: str | None = None, type_id: int | None = None, *, strict: Literal[True]) -> Deferred[ArchiveType]:
        """Return a type of archive."""
    @overload
    def getArchiveType(self, filename: str | None = None, type_name: str | None = None, type_id: int | None = None, strict: bool = False) -> Deferred[ArchiveType | None]:
        """Return a type of archive."""
    def getArchiveTypes(self) -> Deferred[list[ArchiveType]]:
        """Return all types of archives."""
    def getAverageBuildDuration(self, package: Info, age: int | None = None) -> Deferred[timedelta | None]:
        """Return how long the builds of a package take on average."""
    @overload
    def getBuild(self, buildInfo: BuildInfo, strict: Literal[True]) -> Deferred[Build]:
        """Return a build."""
    @overload
    def getBuild(self, *, build_id: BuildInfo, strict: Literal[True]) -> Deferred[Build]:
        """Return a build."""
    @overload
    def getBuild(self, buildInfo: BuildInfo, strict: bool = False) -> Deferred[Build | None]:
        """Return a build."""
    @overload
    def getBuild(self, *, build_id: BuildInfo, strict: bool = False) -> Deferred[Build | None]:
        """Return a build."""
    def getBuildConfig(self, tag: Info, event: int | None = None) -> Deferred[BuildConfig]:
        """Return what a build in a tag is configured with, inherited."""
    def getBuildLogs(self, build: BuildInfo) -> Deferred[list[BuildLog]]:
        """Return where the logs of an imported build are, relative to the top of kojifiles."""
    @overload
    def getBuildNotification(self, id: int, strict: Literal[True]) -> Deferred[BuildNotification]:
        """Return a build notification."""
    @overload
    def getBuildNotification(self, id: int, strict: bool = False) -> Deferred[BuildNotification | None]:
        """Return a build notification."""
    @overload
    def getBuildNotificationBlock(self, id: int, strict: Literal[True]) -> Deferred[BuildNotification]:
        """Return a notification block."""
    @overload
    def getBuildNotificationBlock(self, id: int, strict: bool = False) -> Deferred[BuildNotification | None]:
        """Return a notification block."""
    def getBuildNotificationBlocks(self, userID: Info | None = None) -> Deferred[list[BuildNotification]]:
        """Return the notification blocks of a user."""
    def getBuildNotifications(self, userID: Info | None = None) -> Deferred[list[BuildNotification]]:
        """Return the build notifications of a user."""
    @overload
    def getBuildTarget(self, info: Info, event: int | None = None, *, strict: Literal[True]) -> Deferred[BuildTarget]:
        """Return a build target."""
    @overload
    def getBuildTarget(self, info: Info, event: int | None = None, strict: bool = False) -> Deferred[BuildTarget | None]:
        """Return a build target."""
    @overload
    def getBuildTargets(self, info: Info | None = None, event: int | None = None, buildTagID: Info | None = None, destTagID: Info | None = None, *, queryOpts: CountOnly) -> Deferred[int]:
        """Return build targets."""
    @overload
    def getBuildTargets(self, info: Info | None = None, event: int | None = None, buildTagID: Info | None = None, destTagID: Info | None = None, queryOpts: QueryOptions | None = None) -> Deferred[list[BuildTarget]]:
        """Return build targets."""
    @overload
    def getBuildType(self, buildInfo: BuildInfo, strict: Literal[True]) -> Deferred[dict[str, dict[str, Any] | None]]:
        """Return a build's types, with the details of each."""
    @overload
    def getBuildType(self, buildInfo: BuildInfo, strict: bool = False) -> Deferred[dict[str, dict[str, Any] | None] | None]:
        """Return a build's types, with the details of each."""
    @overload
    def getBuildroot(self, buildrootID: int, strict: Literal[True]) -> Deferred[Buildroot]:
        """Return a build root."""
    @overload
    def getBuildroot(self, buildrootID: int, strict: bool = False) -> Deferred[Buildroot | None]:
        """Return a build root."""
    def getBuildrootListing(self, id: int) -> Deferred[list[BuildrootRPM]]:
        """Return the RPMs in a build root."""
    @overload
    def getChangelogEntries(self, buildID: BuildInfo | None = None, taskID: int | None = None, filepath: str | None = None, author: str | None = None, before: float | str | None = None, after: float | str | None = None, *, queryOpts: CountOnly, strict: bool = False) -> Deferred[int]:
        """Return the changelog of a build's source RPM."""
    @overload
    def getChangelogEntries(self, buildID: BuildInfo | None = None, taskID: int | None = None, filepath: str | None = None, author: str | None = None, before: float | str | None = None, after: float | str | None = None, queryOpts: QueryOptions | None = None, strict: bool = False) -> Deferred[list[ChangelogEntry]]:
        """Return the changelog of a build's source RPM."""
    @overload
    def getChannel(self, channelInfo: Info, strict: Literal[True]) -> Deferred[Channel]:
        """Return a channel."""
    @overload
    def getChannel(self, *, channel_id: Info, strict: Literal[True]) -> Deferred[Channel]:
        """Return a channel."""
    @overload
    def getChannel(self, channelInfo: Info, strict: bool = False) -> Deferred[Channel | None]:
        """Return a channel."""
    @overload
    def getChannel(self, *, channel_id: Info, strict: bool = False) -> Deferred[Channel | None]:
        """Return a channel."""
    @overload
    def getEvent(self, id: int, strict: Literal[True] = True) -> Deferred[Event]:
        """Return an event: its id and its time."""
    @overload
    def getEvent(self, id: int, *, strict: bool) -> Deferred[Event | None]:
        """Return an event: its id and its time."""
    @overload
    def getExternalRepo(self, info: Info, strict: Literal[True], event: int | None = None) -> Deferred[ExternalRepo]:
        """Return an external repo."""
    @overload
    def getExternalRepo(self, info: Info, strict: bool = False, event: int | None = None) -> Deferred[ExternalRepo | None]:
        """Return an external repo."""
    def getExternalRepoList(self, tag_info: Info, event: int | None = None) -> Deferred[list[TagExternalRepo]]:
        """Return the external repos of a tag, inherited ones included."""
    def getFullInheritance(self, tag: Info, event: int | None = None, reverse: bool = False, **kwargs: Any) -> Deferred[list[FullInheritance]]:
        """Return all that a tag inherits from, in order."""
    def getGroupMembers(self, group: Info) -> Deferred[list[User]]:
        """Return the members of a group."""
    @overload
    def getHost(self, hostInfo: Info, strict: Literal[True], event: int | None = None) -> Deferred[Host]:
        """Return a builder."""
    @overload
    def getHost(self, hostInfo: Info, strict: bool = False, event: int | None = None) -> Deferred[Host | None]:
        """Return a builder."""
    @overload
    def getImageArchive(self, archive_id: int, strict: Literal[True]) -> Deferred[ImageArchive]:
        """Return the image side of an archive."""
    @overload
    def getImageArchive(self, archive_id: int, strict: bool = False) -> Deferred[ImageArchive | None]:
        """Return the image side of an archive."""
    @overload
    def getImageBuild(self, buildInfo: BuildInfo, strict: Literal[True]) -> Deferred[ImageBuild]:
        """Return the image side of a build."""
    @overload
    def getImageBuild(self, buildInfo: BuildInfo, strict: bool = False) -> Deferred[ImageBuild | None]:
        """Return the image side of a build."""
    def getInheritanceData(self, tag: Info, event: int | None = None) -> Deferred[list[Inheritance]]:
        """Return a tag's own parents."""
    def getKojiVersion(self) -> Deferred[str]:
        """Return the hub's version (hub 1.23)."""
    @overload
    def getLastEvent(self, before: float | None = None, strict: Literal[True] = True) -> Deferred[Event]:
        """Return the newest event."""
    @overload
    def getLastEvent(self, before: float | None = None, *, strict: bool) -> Deferred[Event | None]:
        """Return the newest event."""
    @overload
    def getLastHostUpdate(self, hostID: int, ts: Literal[False] = False) -> Deferred[str | None]:
        """Return when a builder was last heard: text, or seconds with ts."""
    @overload
    def getLastHostUpdate(self, hostID: int, ts: bool = False) -> Deferred[float | None]:
        """Return when a builder was last heard: text, or seconds with ts."""
    def getLatestBuilds(self, tag: Info, event: int | None = None, package: str | None = None, type: str | None = None, draft: bool | None = None) -> Deferred[list[Build]]:
        """Return the newest build of each package in a tag, inherited ones included."""
    def getLatestMavenArchives(self, tag: Info, event: int | None = None, inherit: bool = True) -> Deferred[list[Archive]]:
        """Return the Maven archives of a tag's newest builds."""
    def getLatestRPMS(self, tag: Info, package: str | None = None, arch: str | Sequence[str] | None = None, event: int | None = None, rpmsigs: bool = False, type: str | None = None, draft: bool | None = None) -> Deferred[tuple[list[RPM], list[TaggedBuild]]]:
        """Return the RPMs of a tag's newest builds, and those builds."""
    def getLoggedInUser(self) -> Deferred[LoggedInUser | None]:
        """Return the logged-in user."""
    @overload
    def getMavenArchive(self, archive_id: int, strict: Literal[True]) -> Deferred[MavenArchive]:
        """Return the Maven side of an archive."""
    @overload
    def getMavenArchive(self, archive_id: int, strict: bool = False) -> Deferred[MavenArchive | None]:
        """Return the Maven side of an archive."""
    @overload
    def getMavenBuild(self, buildInfo: BuildInfo, strict: Literal[True]) -> Deferred[MavenBuild]:
        """Return the Maven side of a build."""
    @overload
    def getMavenBuild(self, buildInfo: BuildInfo, strict: bool = False) -> Deferred[MavenBuild | None]:
        """Return the Maven side of a build."""
    def getNextRelease(self, build_info: Mapping[str, Any], incr: int = 1) -> Deferred[str]:
        """Return the release that comes after the newest build's."""
    @overload
    def getPackage(self, info: Info, strict: Literal[True], create: bool = False) -> Deferred[Package]:
        """Return a package."""
    @overload
    def getPackage(self, *, name: Info, strict: Literal[True], create: bool = False) -> Deferred[Package]:
        """Return a package."""
    @overload
    def getPackage(self, info: Info, strict: bool = False, create: bool = False) -> Deferred[Package | None]:
        """Return a package."""
    @overload
    def getPackage(self, *, name: Info, strict: bool = False, create: bool = False) -> Deferred[Package | None]:
        """Return a package."""
    def getPackageConfig(self, tag: Info, pkg: Info, event: int | None = None) -> Deferred[ListedPackage | None]:
        """Return how a package is listed in a tag."""
    @overload
    def getPackageID(self, name: str, strict: Literal[True]) -> Deferred[int]:
        """Return the id of a package."""
    @overload
    def getPackageID(self, name: str, strict: bool = False) -> Deferred[int | None]:
        """Return the id of a package."""
    def getPerms(self) -> Deferred[list[str]]:
        """Return the permissions of the logged-in user."""
    @overload
    def getRPM(self, rpminfo: Info, strict: Literal[True], multi: bool = False) -> Deferred[RPM]:
        """Return an RPM."""
    @overload
    def getRPM(self, rpminfo: Info, strict: bool = False, multi: bool = False) -> Deferred[RPM | None]:
        """Return an RPM."""
    def getRPMChecksums(self, rpm_id: int, checksum_types: Strings | None = None, cacheonly: bool = False) -> Deferred[dict[str, dict[str, str]]]:
        """Return the checksums of an RPM's signed copies, by key and type."""
    @overload
    def getRPMDeps(self, rpmID: Info, depType: int | None = None, *, queryOpts: CountOnly, strict: bool = False) -> Deferred[int]:
        """Return what an RPM requires, provides, and so on."""
    @overload
    def getRPMDeps(self, rpmID: Info, depType: int | None = None, queryOpts: QueryOptions | None = None, strict: bool = False) -> Deferred[list[RPMDependency]]:
        """Return what an RPM requires, provides, and so on."""
    @overload
    def getRPMFile(self, rpmID: Info, filename: str, strict: Literal[True]) -> Deferred[RPMFile]:
        """Return a file of an RPM."""
    @overload
    def getRPMFile(self, rpmID: Info, filename: str, strict: bool = False) -> Deferred[RPMFile | None]:
        """Return a file of an RPM."""
    def getRPMHeaders(self, rpmID: Info | None = None, taskID: int | None = None, filepath: str | None = None, headers: Strings | None = None, strict: bool = False) -> Deferred[dict[str, Any]]:
        """Return headers of an RPM, by name."""
    def getRepo(self, tag: Info, state: int | None = None, event: int | None = None, dist: bool = False, min_event: int | None = None) -> Deferred[Repo | None]:
        """Return the newest ready repo of a tag."""
    def getSessionInfo(self, details: bool = False, user_id: Info | None = None) -> Deferred[SessionInfo | None]:
        """Return the session that is used."""
    @overload
    def getTag(self, tagInfo: Info, strict: Literal[True], event: int | str | None = None, blocked: bool = False) -> Deferred[Tag]:
        """Return a tag."""
    @overload
    def getTag(self, tagInfo: Info, strict: bool = False, event: int | str | None = None, blocked: bool = False) -> Deferred[Tag | None]:
        """Return a tag."""
    def getTagExternalRepos(self, tag_info: Info | None = None, repo_info: Info | None = None, event: int | None = None) -> Deferred[list[TagExternalRepo]]:
        """Return which tags have which external repos."""
    def getTagGroups(self, tag: Info, event: int | None = None, inherit: bool = True, incl_pkgs: bool = True, incl_reqs: bool = True, incl_blocked: bool = False) -> Deferred[list[PackageGroup]]:
        """Return the groups of packages in a tag."""
    @overload
    def getTagID(self, info: Info, strict: Literal[True], create: bool = False) -> Deferred[int]:
        """Return the id of a tag."""
    @overload
    def getTagID(self, info: Info, strict: bool = False, create: bool = False) -> Deferred[int | None]:
        """Return the id of a tag."""
    def getTaskChildren(self, task_id: int, request: bool = False, strict: bool = False) -> Deferred[list[Task]]:
        """Return the tasks right below one."""
    def getTaskDescendents(self, task_id: int, request: bool = False) -> Deferred[list[Task]]:
        """Return all tasks below one, the older first."""
    @overload
    def getTaskInfo(self, task_id: int, request: bool = False, *, strict: Literal[True]) -> Deferred[Task]:
        """Return a task, its request included."""
    @overload
    def getTaskInfo(self, task_id: int, request: bool = False, strict: bool = False) -> Deferred[Task | None]:
        """Return a task, its request included."""
    @overload
    def getTaskInfo(self, task_id: Sequence[int], request: bool = False, strict: bool = False) -> Deferred[list[Task | None]]:
        """Return a task, its request included."""
    def getTaskRequest(self, taskId: int) -> Deferred[list[Any]]:
        """Return the arguments of a task."""
    def getTaskResult(self, taskId: int, raise_fault: bool = True) -> Deferred[Any]:
        """Return a closed task's result; fail with a failed task's own fault."""
    @overload
    def getUser(self, userInfo: Info | None = None, *, strict: Literal[True], krb_princs: bool = True, groups: bool = False) -> Deferred[User]:
        """Return a user; without arguments, the logged-in one."""
    @overload
    def getUser(self, userInfo: Info | None = None, strict: bool = False, krb_princs: bool = True, groups: bool = False) -> Deferred[User | None]:
        """Return a user; without arguments, the logged-in one."""
    def getUserGroups(self, user: Info) -> Deferred[list[NameAndId]]:
        """Return the groups of a user."""
    def getUserPerms(self, userID: Info | None = None, with_groups: bool = True) -> Deferred[list[str]]:
        """Return the permissions of a user."""
    def getUserPermsInheritance(self, userID: Info) -> Deferred[dict[str, list[str | None]]]:
        """Return where each permission of a user comes from."""
    @overload
    def getVolume(self, volume: Info, strict: Literal[True]) -> Deferred[NameAndId]:
        """Return a volume."""
    @overload
    def getVolume(self, volume: Info, strict: bool = False) -> Deferred[NameAndId | None]:
        """Return a volume."""
    @overload
    def getWinArchive(self, archive_id: int, strict: Literal[True]) -> Deferred[WinArchive]:
        """Return the Windows side of an archive."""
    @overload
    def getWinArchive(self, archive_id: int, strict: bool = False) -> Deferred[WinArchive | None]:
        """Return the Windows side of an archive."""
    @overload
    def getWinBuild(self, buildInfo: BuildInfo, strict: Literal[True]) -> Deferred[WinBuild]:
        """Return the Windows side of a build."""
    @overload
    def getWinBuild(self, buildInfo: BuildInfo, strict: bool = False) -> Deferred[WinBuild | None]:
        """Return the Windows side of a build."""
    def grantCGAccess(self, user: Info, cg: Info, create: bool = False) -> Deferred[None]:
        """Allow a user to import as a content generator."""
    def grantPermission(self, userinfo: Info, permission: Info, create: bool = False, description: str | None = None) -> Deferred[None]:
        """Grant a permission to a user."""
    def groupListAdd(self, taginfo: Info, grpinfo: Info, block: bool = False, force: bool = False, *, display_name: str | None = None, description: str | None = None, langonly: str | None = None, biarchonly: bool | None = None, exported: bool | None = None, uservisible: bool | None = None, is_default: bool | None = None) -> Deferred[None]:
        """Add a group to a tag."""
    def groupListBlock(self, taginfo: Info, grpinfo: Info) -> Deferred[None]:
        """Block a group in a tag."""
    def groupListRemove(self, taginfo: Info, grpinfo: Info, force: bool = False) -> Deferred[None]:
        """Remove a group from a tag."""
    def groupListUnblock(self, taginfo: Info, grpinfo: Info) -> Deferred[None]:
        """Unblock a group in a tag."""
    def groupPackageListAdd(self, taginfo: Info, grpinfo: Info, pkg_name: str, block: bool = False, force: bool = False, *, type: str | None = None, basearchonly: bool | None = None, requires: str | None = None) -> Deferred[None]:
        """Add a package to a group."""
    def groupPackageListBlock(self, taginfo: Info, grpinfo: Info, pkg_name: str) -> Deferred[None]:
        """Block a package in a group."""
    def groupPackageListRemove(self, taginfo: Info, grpinfo: Info, pkg_name: str) -> Deferred[None]:
        """Remove a package from a group."""
    def groupPackageListUnblock(self, taginfo: Info, grpinfo: Info, pkg_name: str) -> Deferred[None]:
        """Unblock a package in a group."""
    def groupReqListAdd(self, taginfo: Info, grpinfo: Info, reqinfo: Info, block: bool = False, force: bool = False, *, type: str | None = None, is_metapkg: bool | None = None) -> Deferred[None]:
        """Make a group require another."""
    def groupReqListBlock(self, taginfo: Info, grpinfo: Info, reqinfo: Info) -> Deferred[None]:
        """Block a required group."""
    def groupReqListRemove(self, taginfo: Info, grpinfo: Info, reqinfo: Info, force: bool | None = None) -> Deferred[None]:
        """Remove a required group from a group."""
    def groupReqListUnblock(self, taginfo: Info, grpinfo: Info, reqinfo: Info) -> Deferred[None]:
        """Unblock a required group."""
    def hasPerm(self, perm: str, strict: bool = False) -> Deferred[bool]:
        """Tell whether the logged-in user has a permission."""
    def hello(self, *args: Any) -> Deferred[str]:
        """Return a greeting."""
    def importArchive(self, filepath: str, buildinfo: BuildInfo, type: str, typeInfo: Mapping[str, Any]) -> Deferred[None]:
        """Import an uploaded archive."""
    def importRPM(self, path: str, basename: str) -> Deferred[RPM]:
        """Import an uploaded RPM."""
    def kiwiBuild(self, target: str | None, arches: Strings, desc_url: str, desc_path: str, optional_arches: Strings | None = None, profile: str | None = None, scratch: bool = False, priority: int | None = None, make_prep: bool = False, repos: Strings | None = None, release: str | None = None, type: str | None = None, type_attr: Strings | None = None, result_bundle_name_format: str | None = None, use_buildroot_repo: bool = True, version: str | None = None, repo_releasever: str | None = None) -> Deferred[int]:
        """Start a KIWI image (plugin kiwi); return the task's id."""
    @overload
    def listArchiveFiles(self, archive_id: int, *, queryOpts: CountOnly, strict: bool = False) -> Deferred[int]:
        """Return the files in an archive."""
    @overload
    def listArchiveFiles(self, archive_id: int, queryOpts: QueryOptions | None = None, strict: bool = False) -> Deferred[list[ArchiveFile]]:
        """Return the files in an archive."""
    @overload
    def listArchives(self, buildID: BuildInfo | None = None, buildrootID: int | None = None, componentBuildrootID: int | None = None, hostID: int | None = None, type: str | None = None, filename: str | None = None, size: int | None = None, checksum: str | None = None, checksum_type: int | None = None, typeInfo: Mapping[str, Any] | None = None, *, queryOpts: CountOnly, imageID: int | None = None, archiveID: int | None = None, strict: bool = False) -> Deferred[int]:
        """Return archives."""
    @overload
    def listArchives(self, buildID: BuildInfo | None = None, buildrootID: int | None = None, componentBuildrootID: int | None = None, hostID: int | None = None, type: str | None = None, filename: str | None = None, size: int | None = None, checksum: str | None = None, checksum_type: int | None = None, typeInfo: Mapping[str, Any] | None = None, queryOpts: QueryOptions | None = None, imageID: int | None = None, archiveID: int | None = None, strict: bool = False) -> Deferred[list[Archive]]:
        """Return archives."""
    @overload
    def listBTypes(self, query: Mapping[str, Any] | None = None, *, queryOpts: CountOnly) -> Deferred[int]:
        """Return the types of builds."""
    @overload
    def listBTypes(self, query: Mapping[str, Any] | None = None, queryOpts: QueryOptions | None = None) -> Deferred[list[NameAndId]]:
        """Return the types of builds."""
    def listBuildRPMs(self, build: BuildInfo) -> Deferred[list[RPM]]:
        """Return the RPMs of a build."""
    @overload
    def listBuildroots(self, hostID: int | None = None, tagID: int | None = None, state: int | Sequence[int] | None = None, rpmID: int | None = None, archiveID: int | None = None, taskID: int | None = None, buildrootID: int | None = None, repoID: int | None = None, *, queryOpts: CountOnly) -> Deferred[int]:
        """Return build roots."""
    @overload
    def listBuildroots(self, hostID: int | None = None, tagID: int | None = None, state: int | Sequence[int] | None = None, rpmID: int | None = None, archiveID: int | None = None, taskID: int | None = None, buildrootID: int | None = None, repoID: int | None = None, queryOpts: QueryOptions | None = None) -> Deferred[list[Buildroot]]:
        """Return build roots."""
    @overload
    def listBuilds(self, packageID: Info | None = None, userID: Info | None = None, taskID: int | None = None, prefix: str | None = None, state: int | None = None, volumeID: int | None = None, source: str | None = None, createdBefore: float | str | None = None, createdAfter: float | str | None = None, completeBefore: float | str | None = None, completeAfter: float | str | None = None, type: str | None = None, typeInfo: Mapping[str, Any] | None = None, *, queryOpts: CountOnly, pattern: str | None = None, cgID: Info | None = None, draft: bool | None = None, promotedBefore: float | str | None = None, promotedAfter: float | str | None = None, promoter: Info | None = None) -> Deferred[int]:
        """Return builds. Those of an unknown package are none."""
    @overload
    def listBuilds(self, packageID: Info | None = None, userID: Info | None = None, taskID: int | None = None, prefix: str | None = None, state: int | None = None, volumeID: int | None = None, source: str | None = None, createdBefore: float | str | None = None, createdAfter: float | str | None = None, completeBefore: float | str | None = None, completeAfter: float | str | None = None, type: str | None = None, typeInfo: Mapping[str, Any] | None = None, queryOpts: QueryOptions | None = None, pattern: str | None = None, cgID: Info | None = None, draft: bool | None = None, promotedBefore: float | str | None = None, promotedAfter: float | str | None = None, promoter: Info | None = None) -> Deferred[list[Build]]:
        """Return builds. Those of an unknown package are none."""
    @overload
    def listBuilds(self, *, package: Info, userID: Info | None = None, taskID: int | None = None, prefix: str | None = None, state: int | None = None, volumeID: int | None = None, source: str | None = None, createdBefore: float | str | None = None, createdAfter: float | str | None = None, completeBefore: float | str | None = None, completeAfter: float | str | None = None, type: str | None = None, typeInfo: Mapping[str, Any] | None = None, queryOpts: QueryOptions | None = None, pattern: str | None = None, cgID: Info | None = None, draft: bool | None = None, promotedBefore: float | str | None = None, promotedAfter: float | str | None = None, promoter: Info | None = None) -> Deferred[list[Build]]:
        """Return builds. Those of an unknown package are none."""
    def listCGs(self) -> Deferred[dict[str, ContentGenerator]]:
        """Return the content generators and who may use them, by name."""
    def listChannels(self, hostID: Info | None = None, event: int | None = None, enabled: bool | None = None) -> Deferred[list[Channel]]:
        """Return channels."""
    @overload
    def listExternalRepos(self, info: Info | None = None, url: str | None = None, event: int | None = None, *, queryOpts: CountOnly) -> Deferred[int]:
        """Return external repos."""
    @overload
    def listExternalRepos(self, info: Info | None = None, url: str | None = None, event: int | None = None, queryOpts: QueryOptions | None = None) -> Deferred[list[ExternalRepo]]:
        """Return external repos."""
    @overload
    def listHosts(self, arches: str | Sequence[str] | None = None, channelID: Info | None = None, ready: bool | None = None, enabled: bool | None = None, userID: int | None = None, *, queryOpts: CountOnly) -> Deferred[int]:
        """Return builders."""
    @overload
    def listHosts(self, arches: str | Sequence[str] | None = None, channelID: Info | None = None, ready: bool | None = None, enabled: bool | None = None, userID: int | None = None, queryOpts: QueryOptions | None = None) -> Deferred[list[Host]]:
        """Return builders."""
    @overload
    def listPackages(self, tagID: Info | None = None, userID: Info | None = None, pkgID: Info | None = None, prefix: str | None = None, inherited: bool = False, with_dups: bool = False, event: int | None = None, *, queryOpts: CountOnly, with_owners: bool = True, with_blocked: bool = True) -> Deferred[int]:
        """Return packages, and how they are listed."""
    @overload
    def listPackages(self, tagID: Info | None = None, userID: Info | None = None, pkgID: Info | None = None, prefix: str | None = None, inherited: bool = False, with_dups: bool = False, event: int | None = None, queryOpts: QueryOptions | None = None, with_owners: bool = True, with_blocked: bool = True) -> Deferred[list[ListedPackage]]:
        """Return packages, and how they are listed."""
    @overload
    def listPackagesSimple(self, prefix: str | None = None, *, queryOpts: CountOnly) -> Deferred[int]:
        """Return the names of packages."""
    @overload
    def listPackagesSimple(self, prefix: str | None = None, queryOpts: QueryOptions | None = None) -> Deferred[list[PackageName]]:
        """Return the names of packages."""
    @overload
    def listRPMFiles(self, rpmID: Info, *, queryOpts: CountOnly) -> Deferred[int]:
        """Return the files of an RPM."""
    @overload
    def listRPMFiles(self, rpmID: Info, queryOpts: QueryOptions | None = None) -> Deferred[list[RPMFile]]:
        """Return the files of an RPM."""
    @overload
    def listRPMs(self, buildID: int | None = None, buildrootID: int | None = None, imageID: int | None = None, componentBuildrootID: int | None = None, hostID: int | None = None, arches: str | Sequence[str] | None = None, *, queryOpts: CountOnly, draft: bool | None = None) -> Deferred[int]:
        """Return RPMs."""
    @overload
    def listRPMs(self, buildID: int | None = None, buildrootID: int | None = None, imageID: int | None = None, componentBuildrootID: int | None = None, hostID: int | None = None, arches: str | Sequence[str] | None = None, queryOpts: QueryOptions | None = None, draft: bool | None = None) -> Deferred[list[RPM]]:
        """Return RPMs."""
    @overload
    def listSideTags(self, basetag: Info | None = None, user: Info | None = None, *, queryOpts: CountOnly) -> Deferred[int]:
        """Return side tags (plugin sidetag)."""
    @overload
    def listSideTags(self, basetag: Info | None = None, user: Info | None = None, queryOpts: QueryOptions | None = None) -> Deferred[list[SideTag]]:
        """Return side tags (plugin sidetag)."""
    def listTagged(self, tag: Info, event: int | None = None, inherit: bool = False, prefix: str | None = None, latest: bool | int = False, package: str | None = None, owner: str | None = None, type: str | None = None, strict: bool = True, extra: bool = False, draft: bool | None = None) -> Deferred[list[Build]]:
        """Return the builds in a tag."""
    def listTaggedArchives(self, tag: Info, event: int | None = None, inherit: bool = False, latest: bool | int = False, package: str | None = None, type: str | None = None, strict: bool = True, extra: bool = True) -> Deferred[tuple[list[Archive], list[TaggedBuild]]]:
        """Return the archives in a tag, and their builds."""
    def listTaggedRPMS(self, tag: Info, event: int | None = None, inherit: bool = False, latest: bool | int = False, package: str | None = None, arch: str | Sequence[str] | None = None, rpmsigs: bool = False, owner: str | None = None, type: str | None = None, strict: bool = True, extra: bool = True, draft: bool | None = None) -> Deferred[tuple[list[RPM], list[TaggedBuild]]]:
        """Return the RPMs in a tag, and their builds."""
    @overload
    def listTags(self, build: BuildInfo | None = None, package: Info | None = None, perms: bool = True, *, queryOpts: CountOnly, pattern: str | None = None) -> Deferred[int]:
        """Return tags: all, or those of a build or package."""
    @overload
    def listTags(self, build: BuildInfo | None = None, package: Info | None = None, perms: bool = True, queryOpts: QueryOptions | None = None, pattern: str | None = None) -> Deferred[list[Tag]]:
        """Return tags: all, or those of a build or package."""
    @overload
    def listTaskOutput(self, taskID: int, stat: Literal[False] = False, all_volumes: Literal[False] = False, strict: bool = False) -> Deferred[list[str]]:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTaskOutput(self, taskID: int, stat: Literal[True], all_volumes: Literal[False] = False, strict: bool = False) -> Deferred[dict[str, FileStat]]:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTaskOutput(self, taskID: int, stat: Literal[False] = False, *, all_volumes: Literal[True], strict: bool = False) -> Deferred[dict[str, list[str]]]:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTaskOutput(self, taskID: int, stat: Literal[True], all_volumes: Literal[True], strict: bool = False) -> Deferred[dict[str, dict[str, FileStat]]]:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTaskOutput(self, taskID: int, stat: bool = False, all_volumes: bool = False, strict: bool = False) -> Deferred[list[str] | dict[str, Any]]:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTasks(self, opts: TaskOptions | None = None, *, queryOpts: CountOnly) -> Deferred[int]:
        """Return tasks, their requests and results decoded."""
    @overload
    def listTasks(self, opts: TaskOptions | None = None, queryOpts: QueryOptions | None = None) -> Deferred[list[Task]]:
        """Return tasks, their requests and results decoded."""
    @overload
    def listUsers(self, userType: int | None = 0, prefix: str | None = None, *, queryOpts: CountOnly, perm: Info | None = None, inherited_perm: bool = False) -> Deferred[int]:
        """Return users."""
    @overload
    def listUsers(self, userType: int | None = 0, prefix: str | None = None, queryOpts: QueryOptions | None = None, perm: Info | None = None, inherited_perm: bool = False) -> Deferred[list[User]]:
        """Return users."""
    def listVolumes(self) -> Deferred[list[NameAndId]]:
        """Return all volumes."""
    def makeTask(self, method: str, arglist: list[Any] | tuple[Any, ...], *, parent: int | None = None, label: str | None = None, channel: str | None = None, arch: str | None = None, priority: int | None = None, assign: Info | None = None) -> Deferred[int]:
        """Make a task of any kind; return its id. Needs admin."""
    def massTag(self, tag: Info, builds: Sequence[BuildInfo]) -> Deferred[None]:
        """Tag many builds at once, unchecked. Needs the permission tag."""
    def mavenBuild(self, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven') -> Deferred[int]:
        """Start a Maven build; return the task's id."""
    def mavenEnabled(self) -> Deferred[bool]:
        """Tell whether the hub takes Maven builds."""
    def mergeScratch(self, task_id: int) -> Deferred[int]:
        """Import a scratch build as a real one; return the build's id."""
    def moveAllBuilds(self, tag1: Info, tag2: Info, package: Info, force: bool = False) -> Deferred[list[int]]:
        """Start the move of a package's builds; return the tasks' ids."""
    def moveBuild(self, tag1: Info, tag2: Info, build: BuildInfo, force: bool = False) -> Deferred[int]:
        """Start the move of a build; return the task's id."""
    def newGroup(self, name: str) -> Deferred[int]:
        """Make a group of users; return its id."""
    def newRepo(self, tag: Info, event: int | None = None, src: bool = False, debuginfo: bool = False, separate_src: bool = False) -> Deferred[int]:
        """Start a newRepo task, which makes a build repo; return its id. Prefer repo.request."""
    def osbuildImage(self, name: str, version: str, distro: str, image_type: str | Sequence[str], target: str | None, arches: Strings, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Deferred[int]:
        """Start an image by osbuild (its plugin); return the task's id."""
    def packageListAdd(self, taginfo: Info, pkginfo: Info, owner: Info | None = None, block: bool | None = None, extra_arches: str | None = None, force: bool = False, update: bool = False) -> Deferred[None]:
        """List a package in a tag."""
    def packageListBlock(self, taginfo: Info, pkginfo: Info, force: bool = False) -> Deferred[None]:
        """Block a package in a tag."""
    def packageListRemove(self, taginfo: Info, pkginfo: Info, force: bool = False) -> Deferred[None]:
        """Remove a package from a tag's list."""
    def packageListSetArches(self, taginfo: Info, pkginfo: Info, arches: str | None, force: bool = False) -> Deferred[None]:
        """Set the extra architectures of a package in a tag."""
    def packageListSetOwner(self, taginfo: Info, pkginfo: Info, owner: Info, force: bool = False) -> Deferred[None]:
        """Set the owner of a package in a tag."""
    def packageListUnblock(self, taginfo: Info, pkginfo: Info, force: bool = False) -> Deferred[None]:
        """Unblock a package in a tag."""
    def promoteBuild(self, build: BuildInfo, force: bool = False) -> Deferred[Build]:
        """Make a draft build a regular one."""
    def queryHistory(self, tables: Strings | None = None, *, tag: Info | None = None, build: BuildInfo | None = None, package: Info | None = None, user: Info | None = None, editor: Info | None = None, permission: Info | None = None, external_repo: Info | None = None, build_target: Info | None = None, group: Info | None = None, cg: Info | None = None, host: Info | None = None, channel: Info | None = None, active: bool | None = None, before: float | str | None = None, after: float | str | None = None, beforeEvent: int | None = None, afterEvent: int | None = None, xkey: str | None = None, queryOpts: QueryOptions | None = None) -> Deferred[dict[str, list[dict[str, Any]]]]:
        """Return what changed, by table."""
    @overload
    def queryRPMSigs(self, rpm_id: Info | None = None, sigkey: str | None = None, *, queryOpts: CountOnly) -> Deferred[int]:
        """Return the signatures of RPMs."""
    @overload
    def queryRPMSigs(self, rpm_id: Info | None = None, sigkey: str | None = None, queryOpts: QueryOptions | None = None) -> Deferred[list[RPMSignature]]:
        """Return the signatures of RPMs."""
    def removeExternalRepoFromTag(self, tag_info: Info, repo_info: Info) -> Deferred[None]:
        """Remove an external repo from a tag."""
    def removeHostFromChannel(self, hostname: Info, channel_name: str) -> Deferred[None]:
        """Remove a builder from a channel."""
    def removeSideTag(self, sidetag: Info) -> Deferred[None]:
        """Remove a side tag and its target (plugin sidetag)."""
    def removeUserKrbPrincipal(self, user: Info, krb_principal: str) -> Deferred[int]:
        """Remove a Kerberos principal from a user; return the user's id."""
    def removeVolume(self, volume: Info) -> Deferred[None]:
        """Remove a volume."""
    def renameChannel(self, old: str, new: str) -> Deferred[None]:
        """Rename a channel. Prefer editChannel."""
    def repoDelete(self, repo_id: int) -> Deferred[int]:
        """Delete a repo; return how many things refer to it."""
    def repoExpire(self, repo_id: int) -> Deferred[None]:
        """Mark a repo as expired."""
    @overload
    def repoInfo(self, repo_id: int, strict: Literal[True]) -> Deferred[Repo]:
        """Return a repo."""
    @overload
    def repoInfo(self, repo_id: int, strict: bool = False) -> Deferred[Repo | None]:
        """Return a repo."""
    def repoProblem(self, repo_id: int) -> Deferred[None]:
        """Mark a repo as broken."""
    def resetBuild(self, build: BuildInfo) -> Deferred[None]:
        """Reset a failed or canceled build to an empty one. Needs admin."""
    def restartHosts(self, priority: int = 5, options: Mapping[str, Any] | None = None) -> Deferred[int]:
        """Start the restart of all builders; return the task's id."""
    def resubmitTask(self, taskID: int) -> Deferred[int]:
        """Start a failed or canceled top-level task again; return the new task's id."""
    def revokeCGAccess(self, user: Info, cg: Info) -> Deferred[None]:
        """Stop a user from importing as a content generator."""
    def revokePermission(self, userinfo: Info, permission: Info) -> Deferred[None]:
        """Revoke a permission from a user."""
    def runroot(self, tagInfo: Info, arch: str, command: str | Sequence[str], channel: str | None = None, *, packages: Strings | None = None, mounts: Strings | None = None, repo_id: int | None = None, skip_setarch: bool | None = None, weight: float | None = None, upload_logs: Strings | None = None, new_chroot: bool | None = None, keep: bool | None = None) -> Deferred[int]:
        """Run a command in a build root (plugin runroot); return the task's id."""
    def saveFailedTree(self, buildrootID: int, full: bool = False) -> Deferred[int]:
        """Save the build root of a failed task (plugin save_failed_tree); return the task's id."""
    @overload
    def search(self, terms: str, type: str, matchType: str, *, queryOpts: CountOnly) -> Deferred[int]:
        """Search by name: matchType is glob, regexp or exact."""
    @overload
    def search(self, terms: str, type: str, matchType: str, queryOpts: QueryOptions | None = None) -> Deferred[list[NameAndId]]:
        """Search by name: matchType is glob, regexp or exact."""
    def setBuildOwner(self, build: BuildInfo, user: Info) -> Deferred[None]:
        """Change the owner of a build."""
    def setBuildTimestamp(self, build: BuildInfo, ts: float | str) -> Deferred[None]:
        """Set when a build was completed."""
    def setInheritanceData(self, tag: Info, data: Mapping[str, Any] | Sequence[Mapping[str, Any]], clear: bool = False) -> Deferred[None]:
        """Change a tag's parents."""
    def setTaskPriority(self, task_id: int, priority: int, recurse: bool = True) -> Deferred[None]:
        """Set a task's priority, absolute: lower is sooner. Needs admin."""
    @overload
    def showOpts(self, as_string: Literal[True] = True) -> Deferred[str]:
        """Return the hub's configuration, as text. Needs admin."""
    @overload
    def showOpts(self, as_string: Literal[False]) -> Deferred[dict[str, Any]]:
        """Return the hub's configuration, as text. Needs admin."""
    @overload
    def showOpts(self, as_string: bool = True) -> Deferred[str | dict[str, Any]]:
        """Return the hub's configuration, as text. Needs admin."""
    def showSession(self) -> Deferred[str]:
        """Return the session that is used, as text."""
    def snapshotTag(self, src: Info, dst: Info, config: bool = True, pkgs: bool = True, builds: bool = True, groups: bool = True, latest_only: bool = True, inherit_builds: bool = True, event: int | None = None, force: bool = False) -> Deferred[None]:
        """Copy a tag into a new one."""
    def snapshotTagModify(self, src: Info, dst: Info, config: bool = True, pkgs: bool = True, builds: bool = True, groups: bool = True, latest_only: bool = True, inherit_builds: bool = True, event: int | None = None, force: bool = False, remove: bool = False) -> Deferred[None]:
        """Copy a tag over another."""
    def tagBuild(self, tag: Info | None, build: BuildInfo, force: bool = False, fromtag: Info | None = None) -> Deferred[int]:
        """Start the tagging of a build; return the task's id."""
    def tagBuildBypass(self, tag: Info, build: BuildInfo, force: bool = False, notify: bool = False) -> Deferred[None]:
        """Tag a build at once, without a task. Needs the permission tag."""
    def tagChangedSinceEvent(self, event: int, taglist: Sequence[int]) -> Deferred[bool]:
        """Tell whether tags have changed since an event."""
    def tagFirstChangeEvent(self, tag: Info, after: int | None = None, inherit: bool = True) -> Deferred[int | None]:
        """Return the event of a tag's first change."""
    def tagLastChangeEvent(self, tag: Info, before: int | None = None, inherit: bool = True) -> Deferred[int | None]:
        """Return the event of a tag's last change."""
    def taskFinished(self, taskId: int) -> Deferred[bool]:
        """Tell whether a task is closed, failed or canceled."""
    def untagBuild(self, tag: Info | None, build: BuildInfo, strict: bool = True, force: bool = False) -> Deferred[None]:
        """Untag a build."""
    def untagBuildBypass(self, tag: Info, build: BuildInfo, strict: bool = True, force: bool = False, notify: bool = False) -> Deferred[None]:
        """Untag a build without policy. Needs the permission tag."""
    @overload
    def untaggedBuilds(self, name: str | None = None, *, queryOpts: CountOnly, draft: bool | None = None) -> Deferred[int]:
        """Return the builds in no tag."""
    @overload
    def untaggedBuilds(self, name: str | None = None, queryOpts: QueryOptions | None = None, draft: bool | None = None) -> Deferred[list[UntaggedBuild]]:
        """Return the builds in no tag."""
    def updateNotification(self, id: int, package_id: int | None, tag_id: int | None, success_only: bool) -> Deferred[None]:
        """Change a build notification."""
    def uploadFile(self, path: str, name: str, size: int, md5sum: str, offset: int, data: str, volume: str | None = None, checksum: str | None = None) -> Deferred[bool]:
        """Upload a piece of a file, base64. See Connection.upload."""
    def winBuild(self, vm: str, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'vm') -> Deferred[int]:
        """Start a build on Windows; return the task's id."""
    def winEnabled(self) -> Deferred[bool]:
        """Tell whether the hub takes Windows builds."""
    def wrapperRPM(self, build: BuildInfo, url: str, target: str | None, priority: int | None = None, channel: str = 'maven', opts: Mapping[str, Any] | None = None) -> Deferred[int]:
        """Start the build of RPMs around a Maven build; return the task's id."""
    def writeSignedRPM(self, an_rpm: Info, sigkey: str, force: bool = False) -> Deferred[None]:
        """Write the signed copy of an RPM."""

class AwaitedMethodsHost:
    """The methods ``host.*``."""
    def assertPolicy(self, name: str, data: Any, default: str = 'deny') -> Future[Any]:
        """For builders: assert policy."""
    def checkPolicy(self, name: str, data: Any, default: str = 'deny', strict: bool = False) -> Future[Any]:
        """For builders: check policy."""
    def closeTask(self, task_id: int, response: Any) -> Future[Any]:
        """For builders: close task."""
    def completeBuild(self, task_id: int, build_id: int, srpm: Any, rpms: Any, brmap: Any | None = None, logs: Any | None = None) -> Future[Any]:
        """For builders: complete build."""
    def completeImageBuild(self, task_id: int, build_id: int, results: Any) -> Future[Any]:
        """For builders: complete image build."""
    def completeMavenBuild(self, task_id: int, build_id: int, maven_results: Any, rpm_results: Any) -> Future[Any]:
        """For builders: complete maven build."""
    def completeWinBuild(self, task_id: int, build_id: int, results: Any, rpm_results: Any) -> Future[Any]:
        """For builders: complete win build."""
    def createMavenBuild(self, build_info: Any, maven_info: Any) -> Future[Any]:
        """For builders: create maven build."""
    def distRepoMove(self, repo_id: int, uploadpath: Any, arch: Any) -> Future[Any]:
        """For builders: dist repo move."""
    def evalPolicy(self, name: str, data: Any) -> Future[Any]:
        """For builders: eval policy."""
    def failBuild(self, task_id: int, build_id: int) -> Future[Any]:
        """For builders: fail build."""
    def failTask(self, task_id: int, response: Any) -> Future[Any]:
        """For builders: fail task."""
    def freeTasks(self, tasks: Any) -> Future[Any]:
        """For builders: free tasks."""
    def getHost(self) -> Future[Any]:
        """For builders: get host."""
    def getHostTasks(self) -> Future[Any]:
        """For builders: get host tasks."""
    def getID(self) -> Future[Any]:
        """For builders: get id."""
    def getLoadData(self) -> Future[Any]:
        """For builders: get load data."""
    def getTasks(self) -> Future[Any]:
        """For builders: get tasks."""
    def importArchive(self, filepath: Any, buildinfo: Any, type: Any, typeInfo: Any) -> Future[Any]:
        """For builders: import archive."""
    def importImage(self, task_id: int, build_info: Any, results: Any) -> Future[Any]:
        """For builders: import image."""
    def importWrapperRPMs(self, task_id: int, build_id: int, rpm_results: Any) -> Future[Any]:
        """For builders: import wrapper RPMs."""
    def initBuild(self, data: Any) -> Future[Any]:
        """For builders: init build."""
    def initImageBuild(self, task_id: int, build_info: Any) -> Future[Any]:
        """For builders: init image build."""
    def initMavenBuild(self, task_id: int, build_info: Any, maven_info: Any) -> Future[Any]:
        """For builders: init maven build."""
    def initWinBuild(self, task_id: int, build_info: Any, win_info: Any) -> Future[Any]:
        """For builders: init win build."""
    def isEnabled(self) -> Future[Any]:
        """For builders: is enabled."""
    def moveBuildToScratch(self, task_id: int, srpm: Any, rpms: Any, logs: Any | None = None) -> Future[Any]:
        """For builders: move build to scratch."""
    def moveImageBuildToScratch(self, task_id: int, results: Any) -> Future[Any]:
        """For builders: move image build to scratch."""
    def moveMavenBuildToScratch(self, task_id: int, results: Any, rpm_results: Any) -> Future[Any]:
        """For builders: move maven build to scratch."""
    def moveWinBuildToScratch(self, task_id: int, results: Any, rpm_results: Any) -> Future[Any]:
        """For builders: move win build to scratch."""
    def newBuildRoot(self, repo: Any, arch: Any, task_id: int | None = None) -> Future[Any]:
        """For builders: new build root."""
    def openTask(self, task_id: int) -> Future[Any]:
        """For builders: open task."""
    def refuseTask(self, task_id: int, soft: bool = True, msg: str = '') -> Future[Any]:
        """For builders: refuse task."""
    def repoDone(self, repo_id: int, data: Any, expire: bool = False, repo_json_updates: Any | None = None) -> Future[Any]:
        """For builders: repo done."""
    def repoInit(self, tag: Any, task_id: int | None = None, event: Any | None = None, opts: Any | None = None) -> Future[Any]:
        """For builders: repo init."""
    def setBuildRootList(self, brootid: Any, rpmlist: Any, task_id: int | None = None) -> Future[Any]:
        """For builders: set build root list."""
    def setBuildRootState(self, brootid: Any, state: Any, task_id: int | None = None) -> Future[Any]:
        """For builders: set build root state."""
    def setHostData(self, hostdata: Any) -> Future[Any]:
        """For builders: set host data."""
    def setTaskWeight(self, task_id: int, weight: Any) -> Future[Any]:
        """For builders: set task weight."""
    def subtask(self, method: Any, arglist: Any, parent: int, **opts: Any) -> Future[Any]:
        """For builders: subtask."""
    def subtask2(self, _HostExports__parent: Any, _HostExports__taskopts: Any, _HostExports__method: Any, *args: Any, **opts: Any) -> Future[Any]:
        """For builders: subtask2."""
    def tagBuild(self, task_id: int, tag: Any, build: Any, force: bool = False, fromtag: Any | None = None) -> Future[Any]:
        """For builders: tag build."""
    def tagNotification(self, is_successful: Any, tag_id: Any, from_id: Any, build_id: int, user_id: Any, ignore_success: bool = False, failure_msg: str = '') -> Future[Any]:
        """For builders: tag notification."""
    def taskSetWait(self, parent: int, tasks: Any) -> Future[Any]:
        """For builders: task set wait."""
    def taskWait(self, parent: int) -> Future[Any]:
        """For builders: task wait."""
    def taskWaitResults(self, parent: int, tasks: Any, canfail: Any | None = None) -> Future[Any]:
        """For builders: task wait results."""
    def updateBuildRootList(self, brootid: Any, rpmlist: Any, task_id: int | None = None) -> Future[Any]:
        """For builders: update build root list."""
    def updateBuildrootArchives(self, brootid: Any, task_id: int, archives: Any, project: bool = False) -> Future[Any]:
        """For builders: update buildroot archives."""
    def updateHost(self, task_load: Any, ready: Any, data: Any | None = None) -> Future[Any]:
        """For builders: update host."""
    def updateMavenBuildRootList(self, brootid: Any, task_id: int, mavenlist: Any, ignore: Any | None = None, project: bool = False, ignore_unknown: bool = False, extra_deps: Any | None = None) -> Future[Any]:
        """For builders: update maven build root list."""
    def writeSignedRPM(self, an_rpm: Any, sigkey: Any, force: bool = False) -> Future[Any]:
        """For builders: write signed RPM."""

class AwaitedMethodsRepo:
    """The methods ``repo.*``."""
    def autoRequests(self) -> Future[None]:
        """Request the repos of tags that are regenerated automatically."""
    def checkQueue(self) -> Future[None]:
        """Process the queue of repo requests."""
    def checkRequest(self, req_id: int) -> Future[RepoAnswer]:
        """Return the state of a repo request (hub 1.35)."""
    def get(self, tag: Info, min_event: int | None = None, at_event: int | None = None, opts: Mapping[str, Any] | None = None) -> Future[Repo | None]:
        """Return the best ready repo of a tag (hub 1.35)."""
    def getExternalRepoData(self, erepo: Info) -> Future[Any]:
        """Return the data that are stored about an external repo."""
    @overload
    def query(self, clauses: list[Any], fields: Strings | None = None, *, opts: CountOnly) -> Future[int]:
        """Return repos by conditions (hub 1.35)."""
    @overload
    def query(self, clauses: list[Any], fields: Strings | None = None, opts: QueryOptions | None = None) -> Future[list[Repo]]:
        """Return repos by conditions (hub 1.35)."""
    @overload
    def queryQueue(self, clauses: list[Any] | None = None, fields: Strings | None = None, *, opts: CountOnly) -> Future[int]:
        """Return requests for repos by conditions (hub 1.35)."""
    @overload
    def queryQueue(self, clauses: list[Any] | None = None, fields: Strings | None = None, opts: QueryOptions | None = None) -> Future[list[RepoRequest]]:
        """Return requests for repos by conditions (hub 1.35)."""
    def references(self, repo_id: int) -> Future[list[Any]]:
        """Return the build roots that use a repo (hub 1.35)."""
    def request(self, tag: Info, min_event: int | str | None = None, at_event: int | None = None, opts: Mapping[str, Any] | None = None, priority: int | None = None, force: bool = False) -> Future[RepoAnswer]:
        """Request a repo: get an existing one, or a place in the queue (hub 1.35)."""
    def setExternalRepoData(self, external_repo_id: int, data: Any) -> Future[None]:
        """Store data about an external repo."""
    def setRequestPriority(self, req_id: int, priority: int) -> Future[None]:
        """Set the priority of a request for a repo. Needs admin."""
    def setState(self, repo_id: int, state: int) -> Future[None]:
        """Set the state of a repo. Needs admin."""
    def updateEndEvents(self) -> Future[None]:
        """Record which repos are outdated."""

class AwaitedMethodsScheduler:
    """The methods ``scheduler.*``."""
    def doRun(self, force: bool = False) -> Future[bool]:
        """Run the scheduler now."""
    def getHostData(self, hostID: int | None = None) -> Future[Any]:
        """Return the data that builders reported to the scheduler."""
    @overload
    def getLogMessages(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None, *, opts: CountOnly) -> Future[int]:
        """Return the scheduler's log."""
    @overload
    def getLogMessages(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None, opts: QueryOptions | None = None) -> Future[list[dict[str, Any]]]:
        """Return the scheduler's log."""
    def getTaskRefusals(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None) -> Future[list[dict[str, Any]]]:
        """Return which builders refused which tasks, and why."""
    @overload
    def getTaskRuns(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None, *, opts: CountOnly) -> Future[int]:
        """Return which builders had which tasks."""
    @overload
    def getTaskRuns(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None, opts: QueryOptions | None = None) -> Future[list[dict[str, Any]]]:
        """Return which builders had which tasks."""

class AwaitedMethodsSystem:
    """The methods ``system.*``."""
    def listMethods(self) -> Future[list[str]]:
        """Return the names of all methods."""
    def methodHelp(self, method: str) -> Future[str]:
        """Return what a method says of itself."""
    def methodSignature(self, method: str) -> Future[list[Any]]:
        """Return the arguments of a method."""

class AwaitedMethods:
    """A hub's methods; each returns a Future."""
    @property
    def host(self) -> AwaitedMethodsHost:
        """The methods ``host.*``."""
    @property
    def repo(self) -> AwaitedMethodsRepo:
        """The methods ``repo.*``."""
    @property
    def scheduler(self) -> AwaitedMethodsScheduler:
        """The methods ``scheduler.*``."""
    @property
    def system(self) -> AwaitedMethodsSystem:
        """The methods ``system.*``."""
    def CGImport(self, metadata: Mapping[str, Any] | str | None, directory: str, token: str | None = None) -> Future[Build]:
        """Import what a content generator made."""
    def CGInitBuild(self, cg: Info, data: Mapping[str, Any]) -> Future[CGReservation]:
        """Reserve an NVR for a content generator."""
    def CGRefundBuild(self, cg: Info, build_id: int, token: str, state: int = 3) -> Future[None]:
        """Release a reserved NVR."""
    def addArchiveType(self, name: str, description: str, extensions: str, compression_type: str | None = None) -> Future[None]:
        """Add a type of archive."""
    def addBType(self, name: str) -> Future[None]:
        """Add a type of build."""
    def addChannel(self, channel_name: str, description: str | None = None) -> Future[int]:
        """Add a channel; return its id."""
    def addExternalRPM(self, rpminfo: Mapping[str, Any], external_repo: Info, strict: bool = True) -> Future[None]:
        """Record an RPM of an external repo."""
    def addExternalRepoToTag(self, tag_info: Info, repo_info: Info, priority: int, merge_mode: str = 'koji', arches: str | None = None) -> Future[None]:
        """Add an external repo to a tag."""
    def addGroupMember(self, group: Info, user: Info, strict: bool = True) -> Future[None]:
        """Add a user to a group."""
    def addHost(self, hostname: str, arches: str | Sequence[str], krb_principal: str | None = None, force: bool = False) -> Future[int]:
        """Add a builder; return its id."""
    def addHostToChannel(self, hostname: Info, channel_name: str, create: bool = False, force: bool = False) -> Future[None]:
        """Add a builder to a channel."""
    def addRPMSig(self, an_rpm: Info, data: str) -> Future[None]:
        """Add a signature (a base64 header) to an RPM."""
    def addUserKrbPrincipal(self, user: Info, krb_principal: str) -> Future[int]:
        """Add a Kerberos principal to a user; return the user's id."""
    def addVolume(self, name: str, strict: bool = True) -> Future[NameAndId]:
        """Add a volume."""
    def applyVolumePolicy(self, build: BuildInfo, strict: bool = False) -> Future[None]:
        """Move a build's files to the volume that the policy says."""
    def assignTask(self, task_id: int, host: Info, force: bool = False, override: bool = False) -> Future[bool]:
        """Assign a task to a builder. Needs admin."""
    def build(self, src: str | None, target: str | None, opts: BuildOptions | None = None, priority: int | None = None, channel: str | None = None) -> Future[int]:
        """Start the build of a package; return the task's id. See Connection.submit."""
    def buildContainer(self, src: str | None, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-binary') -> Future[int]:
        """Start a container build (plugin of OSBS); return the task's id."""
    def buildImage(self, name: str, version: str, arch: str | Sequence[str], target: str | None, ksfile: str, img_type: str, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Future[int]:
        """Start a livecd, livemedia or appliance image; return the task's id."""
    def buildImageIndirection(self, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Future[int]:
        """Start an image that is built inside another one; return the task's id."""
    def buildImageOz(self, name: str, version: str, arches: Strings, target: str | None, inst_tree: str, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Future[int]:
        """Start a disk image; return the task's id."""
    def buildReferences(self, build: BuildInfo, limit: int | None = None, lazy: bool = False) -> Future[dict[str, Any]]:
        """Return what refers to a build."""
    def buildSourceContainer(self, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-source') -> Future[int]:
        """Start the build of a source container (plugin of OSBS); return the task's id."""
    def cancelBuild(self, buildID: BuildInfo, strict: bool = False) -> Future[bool]:
        """Cancel a build in progress; tell whether it was one."""
    def cancelTask(self, task_id: int, recurse: bool = True) -> Future[None]:
        """Cancel a task, and those below it."""
    def cancelTaskChildren(self, task_id: int) -> Future[None]:
        """Cancel what is below a task."""
    def cancelTaskFull(self, task_id: int, strict: bool = True) -> Future[None]:
        """Cancel a top-level task and all below it. Needs admin."""
    def chainBuild(self, srcs: Sequence[Strings], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str | None = None) -> Future[int]:
        """Start builds one level after the other; return the task's id."""
    def chainMaven(self, builds: Mapping[str, Any], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven') -> Future[int]:
        """Start Maven builds in the order of their dependencies; return the task's id."""
    def changeBuildVolume(self, build: BuildInfo, volume: Info, strict: bool = True) -> Future[None]:
        """Move a build's files to another volume."""
    def checkTagAccess(self, tag_id: Info, user_id: Info | None = None) -> Future[tuple[bool, bool, str]]:
        """Return whether a user may tag into a tag, whether force helps, and the reason."""
    def checkTagPackage(self, tag: Info, pkg: Info) -> Future[bool]:
        """Tell whether a package is listed in a tag and not blocked."""
    def checkUpload(self, path: str, name: str, verify: str | None = None, tail: int | None = None, volume: str | None = None) -> Future[UploadState | None]:
        """Return how much of a file has been uploaded."""
    def count(self, methodName: str, *args: Any, **kw: Any) -> Future[int]:
        """Return how long the list of a method is."""
    def countAndFilterResults(self, methodName: str, *args: Any, **kw: Any) -> Future[tuple[int, list[Any]]]:
        """Return the length of a method's list and a part of it, by filterOpts."""
    def createBuildTarget(self, name: str, build_tag: Info, dest_tag: Info) -> Future[None]:
        """Make a build target."""
    def createEmptyBuild(self, name: str, version: str, release: str, epoch: int | None, owner: Info | None = None, draft: bool = False) -> Future[int]:
        """Make a build without content; return its id. Needs admin."""
    def createExternalRepo(self, name: str, url: str) -> Future[ExternalRepo]:
        """Make an external repo."""
    def createImageBuild(self, build_info: Mapping[str, Any]) -> Future[None]:
        """Make an image build without content."""
    def createMavenBuild(self, build_info: Mapping[str, Any], maven_info: Mapping[str, Any]) -> Future[None]:
        """Make a Maven build without content."""
    def createNotification(self, user_id: int, package_id: int | None, tag_id: int | None, success_only: bool) -> Future[None]:
        """Create a build notification."""
    def createNotificationBlock(self, user_id: int, package_id: int | None = None, tag_id: int | None = None) -> Future[None]:
        """Create a notification block."""
    def createSideTag(self, basetag: Info, debuginfo: bool = False, suffix: str | None = None) -> Future[SideTagMade]:
        """Make a side tag and a target for it (plugin sidetag)."""
    def createTag(self, name: str, parent: Info | None = None, arches: str | None = None, perm: Info | None = None, locked: bool = False, maven_support: bool = False, maven_include_all: bool = False, extra: Mapping[str, Any] | None = None) -> Future[int]:
        """Make a tag; return its id."""
    def createUser(self, username: str, status: int | None = None, krb_principal: str | None = None) -> Future[int]:
        """Make a user; return the id."""
    def createWinBuild(self, build_info: Mapping[str, Any], win_info: Mapping[str, Any]) -> Future[None]:
        """Make a Windows build without content."""
    def deleteBuild(self, build: BuildInfo, strict: bool = True, min_ref_age: int = 604800) -> Future[bool]:
        """Delete a build. Needs admin."""
    def deleteBuildTarget(self, buildTargetInfo: Info) -> Future[None]:
        """Delete a build target."""
    def deleteExternalRepo(self, info: Info) -> Future[None]:
        """Delete an external repo."""
    def deleteNotification(self, id: int) -> Future[None]:
        """Delete a build notification."""
    def deleteNotificationBlock(self, id: int) -> Future[None]:
        """Delete a notification block."""
    def deleteRPMSig(self, rpminfo: Info, sigkey: str | None = None, all_sigs: bool = False) -> Future[None]:
        """Delete a signature of an RPM."""
    def deleteTag(self, tagInfo: Info) -> Future[None]:
        """Delete a tag."""
    def disableChannel(self, channelname: Info, comment: str | None = None) -> Future[None]:
        """Disable a channel: its tasks wait."""
    def disableHost(self, hostname: Info) -> Future[None]:
        """Disable a builder: it takes no more tasks."""
    def disableUser(self, username: Info) -> Future[None]:
        """Block a user from logging in."""
    def distRepo(self, tag: Info, keys: Strings, *, arch: Strings | None = None, comps: str | None = None, delta: Sequence[int] | None = None, event: int | None = None, volume: str | None = None, inherit: bool | None = None, latest: bool | None = None, multilib: str | None = None, split_debuginfo: bool | None = None, skip_missing_signatures: bool | None = None, allow_missing_signatures: bool | None = None, zck: bool | None = None, zck_dict_dir: str | None = None, write_signed_rpms: bool | None = None) -> Future[int]:
        """Start a distRepo task, which makes a signed repo; return its id."""
    def downloadTaskOutput(self, taskID: int, fileName: str, offset: int = 0, size: int = -1, volume: str | None = None) -> Future[str]:
        """Return a part of a task's file, base64."""
    def dropGroupMember(self, group: Info, user: Info) -> Future[None]:
        """Drop a user from a group."""
    def echo(self, *args: Any) -> Future[list[Any]]:
        """Return the arguments."""
    def editBuildTarget(self, buildTargetInfo: Info, name: str, build_tag: Info, dest_tag: Info) -> Future[None]:
        """Change a build target."""
    def editChannel(self, channelInfo: Info, *, name: str | None = None, description: str | None = None, comment: str | None = None) -> Future[bool]:
        """Change a channel."""
    def editExternalRepo(self, info: Info, name: str | None = None, url: str | None = None) -> Future[None]:
        """Change an external repo."""
    def editHost(self, hostInfo: Info, *, arches: str | None = None, capacity: float | None = None, description: str | None = None, comment: str | None = None) -> Future[bool]:
        """Change a builder."""
    def editPermission(self, permission: Info, description: str) -> Future[None]:
        """Describe a permission."""
    def editSideTag(self, sidetag: Info, debuginfo: bool | None = None, rpm_macros: Mapping[str, Any] | None = None, remove_rpm_macros: Strings | None = None, extra: Mapping[str, Any] | None = None, remove_extra: Strings | None = None) -> Future[None]:
        """Change a side tag (plugin sidetag)."""
    def editTag(self, tagInfo: Info, name: str, arches: str | None, locked: bool | None, permissionID: int | None, extra: Mapping[str, Any] | None = None) -> Future[None]:
        """Change a tag. Prefer editTag2."""
    def editTag2(self, tagInfo: Info, *, name: str | None = None, arches: str | None = None, locked: bool | None = None, perm: str | None = None, perm_id: int | None = None, maven_support: bool | None = None, maven_include_all: bool | None = None, extra: Mapping[str, Any] | None = None, remove_extra: Strings | None = None, block_extra: Strings | None = None) -> Future[None]:
        """Change the named settings of a tag."""
    def editTagExternalRepo(self, tag_info: Info, repo_info: Info, priority: int | None = None, merge_mode: str | None = None, arches: str | None = None) -> Future[bool]:
        """Change an external repo of a tag."""
    def editUser(self, userInfo: Info, name: str | None = None, krb_principal_mappings: Sequence[Mapping[str, Any]] | None = None) -> Future[None]:
        """Change a user."""
    def enableChannel(self, channelname: Info, comment: str | None = None) -> Future[None]:
        """Enable a channel."""
    def enableHost(self, hostname: Info) -> Future[None]:
        """Enable a builder: it takes tasks."""
    def enableUser(self, username: Info) -> Future[None]:
        """Allow a user to log in again."""
    def error(self) -> Future[None]:
        """Raise an error, for tests."""
    def evalPolicy(self, name: str, data: Mapping[str, Any]) -> Future[str]:
        """Return what a policy says."""
    def fault(self) -> Future[None]:
        """Raise a fault, for tests."""
    def filterResults(self, methodName: str, *args: Any, **kw: Any) -> Future[list[Any]]:
        """Return a part of a method's list, by filterOpts."""
    @overload
    def findBuildID(self, X: BuildInfo, strict: Literal[True]) -> Future[int]:
        """Return the id of a build."""
    @overload
    def findBuildID(self, X: BuildInfo, strict: bool = False) -> Future[int | None]:
        """Return the id of a build."""
    def freeTask(self, task_id: int) -> Future[None]:
        """Free an assigned or open task: it returns to the queue. Needs admin."""
    def getAPIVersion(self) -> Future[int]:
        """Return the version of the API, which is 1."""
    def getActiveRepos(self) -> Future[list[Repo]]:
        """Return the repos that are not deleted."""
    def getAllArches(self) -> Future[list[str]]:
        """Return the architectures of all builders."""
    def getAllPerms(self) -> Future[list[Permission]]:
        """Return all permissions that there are."""
    @overload
    def getArchive(self, archive_id: int, strict: Literal[True]) -> Future[Archive]:
        """Return an archive."""
    @overload
    def getArchive(self, archive_id: int, strict: bool = False) -> Future[Archive | None]:
        """Return an archive."""
    @overload
    def getArchiveFile(self, archive_id: int, filename: str, strict: Literal[True]) -> Future[ArchiveFile]:
        """Return a file in an archive."""
    @overload
    def getArchiveFile(self, archive_id: int, filename: str, strict: bool = False) -> Future[ArchiveFile | None]:
        """Return a file in an archive."""
    @overload
    def getArchiveType(self, filename: str | None = None, type_name: str | None = None, type_id: int | None = None, *, strict: Literal[True]) -> Future[ArchiveType]:
        """Return a type of archive."""
    @overload
    def getArchiveType(self, filename: str | None = None, type_name: str | None = None, type_id: int | None = None, strict: bool = False) -> Future[ArchiveType | None]:
        """Return a type of archive."""
    def getArchiveTypes(self) -> Future[list[ArchiveType]]:
        """Return all types of archives."""
    def getAverageBuildDuration(self, package: Info, age: int | None = None) -> Future[timedelta | None]:
        """Return how long the builds of a package take on average."""
    @overload
    def getBuild(self, buildInfo: BuildInfo, strict: Literal[True]) -> Future[Build]:
        """Return a build."""
    @overload
    def getBuild(self, *, build_id: BuildInfo, strict: Literal[True]) -> Future[Build]:
        """Return a build."""
    @overload
    def getBuild(self, buildInfo: BuildInfo, strict: bool = False) -> Future[Build | None]:
        """Return a build."""
    @overload
    def getBuild(self, *, build_id: BuildInfo, strict: bool = False) -> Future[Build | None]:
        """Return a build."""
    def getBuildConfig(self, tag: Info, event: int | None = None) -> Future[BuildConfig]:
        """Return what a build in a tag is configured with, inherited."""
    def getBuildLogs(self, build: BuildInfo) -> Future[list[BuildLog]]:
        """Return where the logs of an imported build are, relative to the top of kojifiles."""
    @overload
    def getBuildNotification(self, id: int, strict: Literal[True]) -> Future[BuildNotification]:
        """Return a build notification."""
    @overload
    def getBuildNotification(self, id: int, strict: bool = False) -> Future[BuildNotification | None]:
        """Return a build notification."""
    @overload
    def getBuildNotificationBlock(self, id: int, strict: Literal[True]) -> Future[BuildNotification]:
        """Return a notification block."""
    @overload
    def getBuildNotificationBlock(self, id: int, strict: bool = False) -> Future[BuildNotification | None]:
        """Return a notification block."""
    def getBuildNotificationBlocks(self, userID: Info | None = None) -> Future[list[BuildNotification]]:
        """Return the notification blocks of a user."""
    def getBuildNotifications(self, userID: Info | None = None) -> Future[list[BuildNotification]]:
        """Return the build notifications of a user."""
    @overload
    def getBuildTarget(self, info: Info, event: int | None = None, *, strict: Literal[True]) -> Future[BuildTarget]:
        """Return a build target."""
    @overload
    def getBuildTarget(self, info: Info, event: int | None = None, strict: bool = False) -> Future[BuildTarget | None]:
        """Return a build target."""
    @overload
    def getBuildTargets(self, info: Info | None = None, event: int | None = None, buildTagID: Info | None = None, destTagID: Info | None = None, *, queryOpts: CountOnly) -> Future[int]:
        """Return build targets."""
    @overload
    def getBuildTargets(self, info: Info | None = None, event: int | None = None, buildTagID: Info | None = None, destTagID: Info | None = None, queryOpts: QueryOptions | None = None) -> Future[list[BuildTarget]]:
        """Return build targets."""
    @overload
    def getBuildType(self, buildInfo: BuildInfo, strict: Literal[True]) -> Future[dict[str, dict[str, Any] | None]]:
        """Return a build's types, with the details of each."""
    @overload
    def getBuildType(self, buildInfo: BuildInfo, strict: bool = False) -> Future[dict[str, dict[str, Any] | None] | None]:
        """Return a build's types, with the details of each."""
    @overload
    def getBuildroot(self, buildrootID: int, strict: Literal[True]) -> Future[Buildroot]:
        """Return a build root."""
    @overload
    def getBuildroot(self, buildrootID: int, strict: bool = False) -> Future[Buildroot | None]:
        """Return a build root."""
    def getBuildrootListing(self, id: int) -> Future[list[BuildrootRPM]]:
        """Return the RPMs in a build root."""
    @overload
    def getChangelogEntries(self, buildID: BuildInfo | None = None, taskID: int | None = None, filepath: str | None = None, author: str | None = None, before: float | str | None = None, after: float | str | None = None, *, queryOpts: CountOnly, strict: bool = False) -> Future[int]:
        """Return the changelog of a build's source RPM."""
    @overload
    def getChangelogEntries(self, buildID: BuildInfo | None = None, taskID: int | None = None, filepath: str | None = None, author: str | None = None, before: float | str | None = None, after: float | str | None = None, queryOpts: QueryOptions | None = None, strict: bool = False) -> Future[list[ChangelogEntry]]:
        """Return the changelog of a build's source RPM."""
    @overload
    def getChannel(self, channelInfo: Info, strict: Literal[True]) -> Future[Channel]:
        """Return a channel."""
    @overload
    def getChannel(self, *, channel_id: Info, strict: Literal[True]) -> Future[Channel]:
        """Return a channel."""
    @overload
    def getChannel(self, channelInfo: Info, strict: bool = False) -> Future[Channel | None]:
        """Return a channel."""
    @overload
    def getChannel(self, *, channel_id: Info, strict: bool = False) -> Future[Channel | None]:
        """Return a channel."""
    @overload
    def getEvent(self, id: int, strict: Literal[True] = True) -> Future[Event]:
        """Return an event: its id and its time."""
    @overload
    def getEvent(self, id: int, *, strict: bool) -> Future[Event | None]:
        """Return an event: its id and its time."""
    @overload
    def getExternalRepo(self, info: Info, strict: Literal[True], event: int | None = None) -> Future[ExternalRepo]:
        """Return an external repo."""
    @overload
    def getExternalRepo(self, info: Info, strict: bool = False, event: int | None = None) -> Future[ExternalRepo | None]:
        """Return an external repo."""
    def getExternalRepoList(self, tag_info: Info, event: int | None = None) -> Future[list[TagExternalRepo]]:
        """Return the external repos of a tag, inherited ones included."""
    def getFullInheritance(self, tag: Info, event: int | None = None, reverse: bool = False, **kwargs: Any) -> Future[list[FullInheritance]]:
        """Return all that a tag inherits from, in order."""
    def getGroupMembers(self, group: Info) -> Future[list[User]]:
        """Return the members of a group."""
    @overload
    def getHost(self, hostInfo: Info, strict: Literal[True], event: int | None = None) -> Future[Host]:
        """Return a builder."""
    @overload
    def getHost(self, hostInfo: Info, strict: bool = False, event: int | None = None) -> Future[Host | None]:
        """Return a builder."""
    @overload
    def getImageArchive(self, archive_id: int, strict: Literal[True]) -> Future[ImageArchive]:
        """Return the image side of an archive."""
    @overload
    def getImageArchive(self, archive_id: int, strict: bool = False) -> Future[ImageArchive | None]:
        """Return the image side of an archive."""
    @overload
    def getImageBuild(self, buildInfo: BuildInfo, strict: Literal[True]) -> Future[ImageBuild]:
        """Return the image side of a build."""
    @overload
    def getImageBuild(self, buildInfo: BuildInfo, strict: bool = False) -> Future[ImageBuild | None]:
        """Return the image side of a build."""
    def getInheritanceData(self, tag: Info, event: int | None = None) -> Future[list[Inheritance]]:
        """Return a tag's own parents."""
    def getKojiVersion(self) -> Future[str]:
        """Return the hub's version (hub 1.23)."""
    @overload
    def getLastEvent(self, before: float | None = None, strict: Literal[True] = True) -> Future[Event]:
        """Return the newest event."""
    @overload
    def getLastEvent(self, before: float | None = None, *, strict: bool) -> Future[Event | None]:
        """Return the newest event."""
    @overload
    def getLastHostUpdate(self, hostID: int, ts: Literal[False] = False) -> Future[str | None]:
        """Return when a builder was last heard: text, or seconds with ts."""
    @overload
    def getLastHostUpdate(self, hostID: int, ts: bool = False) -> Future[float | None]:
        """Return when a builder was last heard: text, or seconds with ts."""
    def getLatestBuilds(self, tag: Info, event: int | None = None, package: str | None = None, type: str | None = None, draft: bool | None = None) -> Future[list[Build]]:
        """Return the newest build of each package in a tag, inherited ones included."""
    def getLatestMavenArchives(self, tag: Info, event: int | None = None, inherit: bool = True) -> Future[list[Archive]]:
        """Return the Maven archives of a tag's newest builds."""
    def getLatestRPMS(self, tag: Info, package: str | None = None, arch: str | Sequence[str] | None = None, event: int | None = None, rpmsigs: bool = False, type: str | None = None, draft: bool | None = None) -> Future[tuple[list[RPM], list[TaggedBuild]]]:
        """Return the RPMs of a tag's newest builds, and those builds."""
    def getLoggedInUser(self) -> Future[LoggedInUser | None]:
        """Return the logged-in user."""
    @overload
    def getMavenArchive(self, archive_id: int, strict: Literal[True]) -> Future[MavenArchive]:
        """Return the Maven side of an archive."""
    @overload
    def getMavenArchive(self, archive_id: int, strict: bool = False) -> Future[MavenArchive | None]:
        """Return the Maven side of an archive."""
    @overload
    def getMavenBuild(self, buildInfo: BuildInfo, strict: Literal[True]) -> Future[MavenBuild]:
        """Return the Maven side of a build."""
    @overload
    def getMavenBuild(self, buildInfo: BuildInfo, strict: bool = False) -> Future[MavenBuild | None]:
        """Return the Maven side of a build."""
    def getNextRelease(self, build_info: Mapping[str, Any], incr: int = 1) -> Future[str]:
        """Return the release that comes after the newest build's."""
    @overload
    def getPackage(self, info: Info, strict: Literal[True], create: bool = False) -> Future[Package]:
        """Return a package."""
    @overload
    def getPackage(self, *, name: Info, strict: Literal[True], create: bool = False) -> Future[Package]:
        """Return a package."""
    @overload
    def getPackage(self, info: Info, strict: bool = False, create: bool = False) -> Future[Package | None]:
        """Return a package."""
    @overload
    def getPackage(self, *, name: Info, strict: bool = False, create: bool = False) -> Future[Package | None]:
        """Return a package."""
    def getPackageConfig(self, tag: Info, pkg: Info, event: int | None = None) -> Future[ListedPackage | None]:
        """Return how a package is listed in a tag."""
    @overload
    def getPackageID(self, name: str, strict: Literal[True]) -> Future[int]:
        """Return the id of a package."""
    @overload
    def getPackageID(self, name: str, strict: bool = False) -> Future[int | None]:
        """Return the id of a package."""
    def getPerms(self) -> Future[list[str]]:
        """Return the permissions of the logged-in user."""
    @overload
    def getRPM(self, rpminfo: Info, strict: Literal[True], multi: bool = False) -> Future[RPM]:
        """Return an RPM."""
    @overload
    def getRPM(self, rpminfo: Info, strict: bool = False, multi: bool = False) -> Future[RPM | None]:
        """Return an RPM."""
    def getRPMChecksums(self, rpm_id: int, checksum_types: Strings | None = None, cacheonly: bool = False) -> Future[dict[str, dict[str, str]]]:
        """Return the checksums of an RPM's signed copies, by key and type."""
    @overload
    def getRPMDeps(self, rpmID: Info, depType: int | None = None, *, queryOpts: CountOnly, strict: bool = False) -> Future[int]:
        """Return what an RPM requires, provides, and so on."""
    @overload
    def getRPMDeps(self, rpmID: Info, depType: int | None = None, queryOpts: QueryOptions | None = None, strict: bool = False) -> Future[list[RPMDependency]]:
        """Return what an RPM requires, provides, and so on."""
    @overload
    def getRPMFile(self, rpmID: Info, filename: str, strict: Literal[True]) -> Future[RPMFile]:
        """Return a file of an RPM."""
    @overload
    def getRPMFile(self, rpmID: Info, filename: str, strict: bool = False) -> Future[RPMFile | None]:
        """Return a file of an RPM."""
    def getRPMHeaders(self, rpmID: Info | None = None, taskID: int | None = None, filepath: str | None = None, headers: Strings | None = None, strict: bool = False) -> Future[dict[str, Any]]:
        """Return headers of an RPM, by name."""
    def getRepo(self, tag: Info, state: int | None = None, event: int | None = None, dist: bool = False, min_event: int | None = None) -> Future[Repo | None]:
        """Return the newest ready repo of a tag."""
    def getSessionInfo(self, details: bool = False, user_id: Info | None = None) -> Future[SessionInfo | None]:
        """Return the session that is used."""
    @overload
    def getTag(self, tagInfo: Info, strict: Literal[True], event: int | str | None = None, blocked: bool = False) -> Future[Tag]:
        """Return a tag."""
    @overload
    def getTag(self, tagInfo: Info, strict: bool = False, event: int | str | None = None, blocked: bool = False) -> Future[Tag | None]:
        """Return a tag."""
    def getTagExternalRepos(self, tag_info: Info | None = None, repo_info: Info | None = None, event: int | None = None) -> Future[list[TagExternalRepo]]:
        """Return which tags have which external repos."""
    def getTagGroups(self, tag: Info, event: int | None = None, inherit: bool = True, incl_pkgs: bool = True, incl_reqs: bool = True, incl_blocked: bool = False) -> Future[list[PackageGroup]]:
        """Return the groups of packages in a tag."""
    @overload
    def getTagID(self, info: Info, strict: Literal[True], create: bool = False) -> Future[int]:
        """Return the id of a tag."""
    @overload
    def getTagID(self, info: Info, strict: bool = False, create: bool = False) -> Future[int | None]:
        """Return the id of a tag."""
    def getTaskChildren(self, task_id: int, request: bool = False, strict: bool = False) -> Future[list[Task]]:
        """Return the tasks right below one."""
    def getTaskDescendents(self, task_id: int, request: bool = False) -> Future[list[Task]]:
        """Return all tasks below one, the older first."""
    @overload
    def getTaskInfo(self, task_id: int, request: bool = False, *, strict: Literal[True]) -> Future[Task]:
        """Return a task, its request included."""
    @overload
    def getTaskInfo(self, task_id: int, request: bool = False, strict: bool = False) -> Future[Task | None]:
        """Return a task, its request included."""
    @overload
    def getTaskInfo(self, task_id: Sequence[int], request: bool = False, strict: bool = False) -> Future[list[Task | None]]:
        """Return a task, its request included."""
    def getTaskRequest(self, taskId: int) -> Future[list[Any]]:
        """Return the arguments of a task."""
    def getTaskResult(self, taskId: int, raise_fault: bool = True) -> Future[Any]:
        """Return a closed task's result; fail with a failed task's own fault."""
    @overload
    def getUser(self, userInfo: Info | None = None, *, strict: Literal[True], krb_princs: bool = True, groups: bool = False) -> Future[User]:
        """Return a user; without arguments, the logged-in one."""
    @overload
    def getUser(self, userInfo: Info | None = None, strict: bool = False, krb_princs: bool = True, groups: bool = False) -> Future[User | None]:
        """Return a user; without arguments, the logged-in one."""
    def getUserGroups(self, user: Info) -> Future[list[NameAndId]]:
        """Return the groups of a user."""
    def getUserPerms(self, userID: Info | None = None, with_groups: bool = True) -> Future[list[str]]:
        """Return the permissions of a user."""
    def getUserPermsInheritance(self, userID: Info) -> Future[dict[str, list[str | None]]]:
        """Return where each permission of a user comes from."""
    @overload
    def getVolume(self, volume: Info, strict: Literal[True]) -> Future[NameAndId]:
        """Return a volume."""
    @overload
    def getVolume(self, volume: Info, strict: bool = False) -> Future[NameAndId | None]:
        """Return a volume."""
    @overload
    def getWinArchive(self, archive_id: int, strict: Literal[True]) -> Future[WinArchive]:
        """Return the Windows side of an archive."""
    @overload
    def getWinArchive(self, archive_id: int, strict: bool = False) -> Future[WinArchive | None]:
        """Return the Windows side of an archive."""
    @overload
    def getWinBuild(self, buildInfo: BuildInfo, strict: Literal[True]) -> Future[WinBuild]:
        """Return the Windows side of a build."""
    @overload
    def getWinBuild(self, buildInfo: BuildInfo, strict: bool = False) -> Future[WinBuild | None]:
        """Return the Windows side of a build."""
    def grantCGAccess(self, user: Info, cg: Info, create: bool = False) -> Future[None]:
        """Allow a user to import as a content generator."""
    def grantPermission(self, userinfo: Info, permission: Info, create: bool = False, description: str | None = None) -> Future[None]:
        """Grant a permission to a user."""
    def groupListAdd(self, taginfo: Info, grpinfo: Info, block: bool = False, force: bool = False, *, display_name: str | None = None, description: str | None = None, langonly: str | None = None, biarchonly: bool | None = None, exported: bool | None = None, uservisible: bool | None = None, is_default: bool | None = None) -> Future[None]:
        """Add a group to a tag."""
    def groupListBlock(self, taginfo: Info, grpinfo: Info) -> Future[None]:
        """Block a group in a tag."""
    def groupListRemove(self, taginfo: Info, grpinfo: Info, force: bool = False) -> Future[None]:
        """Remove a group from a tag."""
    def groupListUnblock(self, taginfo: Info, grpinfo: Info) -> Future[None]:
        """Unblock a group in a tag."""
    def groupPackageListAdd(self, taginfo: Info, grpinfo: Info, pkg_name: str, block: bool = False, force: bool = False, *, type: str | None = None, basearchonly: bool | None = None, requires: str | None = None) -> Future[None]:
        """Add a package to a group."""
    def groupPackageListBlock(self, taginfo: Info, grpinfo: Info, pkg_name: str) -> Future[None]:
        """Block a package in a group."""
    def groupPackageListRemove(self, taginfo: Info, grpinfo: Info, pkg_name: str) -> Future[None]:
        """Remove a package from a group."""
    def groupPackageListUnblock(self, taginfo: Info, grpinfo: Info, pkg_name: str) -> Future[None]:
        """Unblock a package in a group."""
    def groupReqListAdd(self, taginfo: Info, grpinfo: Info, reqinfo: Info, block: bool = False, force: bool = False, *, type: str | None = None, is_metapkg: bool | None = None) -> Future[None]:
        """Make a group require another."""
    def groupReqListBlock(self, taginfo: Info, grpinfo: Info, reqinfo: Info) -> Future[None]:
        """Block a required group."""
    def groupReqListRemove(self, taginfo: Info, grpinfo: Info, reqinfo: Info, force: bool | None = None) -> Future[None]:
        """Remove a required group from a group."""
    def groupReqListUnblock(self, taginfo: Info, grpinfo: Info, reqinfo: Info) -> Future[None]:
        """Unblock a required group."""
    def hasPerm(self, perm: str, strict: bool = False) -> Future[bool]:
        """Tell whether the logged-in user has a permission."""
    def hello(self, *args: Any) -> Future[str]:
        """Return a greeting."""
    def importArchive(self, filepath: str, buildinfo: BuildInfo, type: str, typeInfo: Mapping[str, Any]) -> Future[None]:
        """Import an uploaded archive."""
    def importRPM(self, path: str, basename: str) -> Future[RPM]:
        """Import an uploaded RPM."""
    def kiwiBuild(self, target: str | None, arches: Strings, desc_url: str, desc_path: str, optional_arches: Strings | None = None, profile: str | None = None, scratch: bool = False, priority: int | None = None, make_prep: bool = False, repos: Strings | None = None, release: str | None = None, type: str | None = None, type_attr: Strings | None = None, result_bundle_name_format: str | None = None, use_buildroot_repo: bool = True, version: str | None = None, repo_releasever: str | None = None) -> Future[int]:
        """Start a KIWI image (plugin kiwi); return the task's id."""
    @overload
    def listArchiveFiles(self, archive_id: int, *, queryOpts: CountOnly, strict: bool = False) -> Future[int]:
        """Return the files in an archive."""
    @overload
    def listArchiveFiles(self, archive_id: int, queryOpts: QueryOptions | None = None, strict: bool = False) -> Future[list[ArchiveFile]]:
        """Return the files in an archive."""
    @overload
    def listArchives(self, buildID: BuildInfo | None = None, buildrootID: int | None = None, componentBuildrootID: int | None = None, hostID: int | None = None, type: str | None = None, filename: str | None = None, size: int | None = None, checksum: str | None = None, checksum_type: int | None = None, typeInfo: Mapping[str, Any] | None = None, *, queryOpts: CountOnly, imageID: int | None = None, archiveID: int | None = None, strict: bool = False) -> Future[int]:
        """Return archives."""
    @overload
    def listArchives(self, buildID: BuildInfo | None = None, buildrootID: int | None = None, componentBuildrootID: int | None = None, hostID: int | None = None, type: str | None = None, filename: str | None = None, size: int | None = None, checksum: str | None = None, checksum_type: int | None = None, typeInfo: Mapping[str, Any] | None = None, queryOpts: QueryOptions | None = None, imageID: int | None = None, archiveID: int | None = None, strict: bool = False) -> Future[list[Archive]]:
        """Return archives."""
    @overload
    def listBTypes(self, query: Mapping[str, Any] | None = None, *, queryOpts: CountOnly) -> Future[int]:
        """Return the types of builds."""
    @overload
    def listBTypes(self, query: Mapping[str, Any] | None = None, queryOpts: QueryOptions | None = None) -> Future[list[NameAndId]]:
        """Return the types of builds."""
    def listBuildRPMs(self, build: BuildInfo) -> Future[list[RPM]]:
        """Return the RPMs of a build."""
    @overload
    def listBuildroots(self, hostID: int | None = None, tagID: int | None = None, state: int | Sequence[int] | None = None, rpmID: int | None = None, archiveID: int | None = None, taskID: int | None = None, buildrootID: int | None = None, repoID: int | None = None, *, queryOpts: CountOnly) -> Future[int]:
        """Return build roots."""
    @overload
    def listBuildroots(self, hostID: int | None = None, tagID: int | None = None, state: int | Sequence[int] | None = None, rpmID: int | None = None, archiveID: int | None = None, taskID: int | None = None, buildrootID: int | None = None, repoID: int | None = None, queryOpts: QueryOptions | None = None) -> Future[list[Buildroot]]:
        """Return build roots."""
    @overload
    def listBuilds(self, packageID: Info | None = None, userID: Info | None = None, taskID: int | None = None, prefix: str | None = None, state: int | None = None, volumeID: int | None = None, source: str | None = None, createdBefore: float | str | None = None, createdAfter: float | str | None = None, completeBefore: float | str | None = None, completeAfter: float | str | None = None, type: str | None = None, typeInfo: Mapping[str, Any] | None = None, *, queryOpts: CountOnly, pattern: str | None = None, cgID: Info | None = None, draft: bool | None = None, promotedBefore: float | str | None = None, promotedAfter: float | str | None = None, promoter: Info | None = None) -> Future[int]:
        """Return builds. Those of an unknown package are none."""
    @overload
    def listBuilds(self, packageID: Info | None = None, userID: Info | None = None, taskID: int | None = None, prefix: str | None = None, state: int | None = None, volumeID: int | None = None, source: str | None = None, createdBefore: float | str | None = None, createdAfter: float | str | None = None, completeBefore: float | str | None = None, completeAfter: float | str | None = None, type: str | None = None, typeInfo: Mapping[str, Any] | None = None, queryOpts: QueryOptions | None = None, pattern: str | None = None, cgID: Info | None = None, draft: bool | None = None, promotedBefore: float | str | None = None, promotedAfter: float | str | None = None, promoter: Info | None = None) -> Future[list[Build]]:
        """Return builds. Those of an unknown package are none."""
    @overload
    def listBuilds(self, *, package: Info, userID: Info | None = None, taskID: int | None = None, prefix: str | None = None, state: int | None = None, volumeID: int | None = None, source: str | None = None, createdBefore: float | str | None = None, createdAfter: float | str | None = None, completeBefore: float | str | None = None, completeAfter: float | str | None = None, type: str | None = None, typeInfo: Mapping[str, Any] | None = None, queryOpts: QueryOptions | None = None, pattern: str | None = None, cgID: Info | None = None, draft: bool | None = None, promotedBefore: float | str | None = None, promotedAfter: float | str | None = None, promoter: Info | None = None) -> Future[list[Build]]:
        """Return builds. Those of an unknown package are none."""
    def listCGs(self) -> Future[dict[str, ContentGenerator]]:
        """Return the content generators and who may use them, by name."""
    def listChannels(self, hostID: Info | None = None, event: int | None = None, enabled: bool | None = None) -> Future[list[Channel]]:
        """Return channels."""
    @overload
    def listExternalRepos(self, info: Info | None = None, url: str | None = None, event: int | None = None, *, queryOpts: CountOnly) -> Future[int]:
        """Return external repos."""
    @overload
    def listExternalRepos(self, info: Info | None = None, url: str | None = None, event: int | None = None, queryOpts: QueryOptions | None = None) -> Future[list[ExternalRepo]]:
        """Return external repos."""
    @overload
    def listHosts(self, arches: str | Sequence[str] | None = None, channelID: Info | None = None, ready: bool | None = None, enabled: bool | None = None, userID: int | None = None, *, queryOpts: CountOnly) -> Future[int]:
        """Return builders."""
    @overload
    def listHosts(self, arches: str | Sequence[str] | None = None, channelID: Info | None = None, ready: bool | None = None, enabled: bool | None = None, userID: int | None = None, queryOpts: QueryOptions | None = None) -> Future[list[Host]]:
        """Return builders."""
    @overload
    def listPackages(self, tagID: Info | None = None, userID: Info | None = None, pkgID: Info | None = None, prefix: str | None = None, inherited: bool = False, with_dups: bool = False, event: int | None = None, *, queryOpts: CountOnly, with_owners: bool = True, with_blocked: bool = True) -> Future[int]:
        """Return packages, and how they are listed."""
    @overload
    def listPackages(self, tagID: Info | None = None, userID: Info | None = None, pkgID: Info | None = None, prefix: str | None = None, inherited: bool = False, with_dups: bool = False, event: int | None = None, queryOpts: QueryOptions | None = None, with_owners: bool = True, with_blocked: bool = True) -> Future[list[ListedPackage]]:
        """Return packages, and how they are listed."""
    @overload
    def listPackagesSimple(self, prefix: str | None = None, *, queryOpts: CountOnly) -> Future[int]:
        """Return the names of packages."""
    @overload
    def listPackagesSimple(self, prefix: str | None = None, queryOpts: QueryOptions | None = None) -> Future[list[PackageName]]:
        """Return the names of packages."""
    @overload
    def listRPMFiles(self, rpmID: Info, *, queryOpts: CountOnly) -> Future[int]:
        """Return the files of an RPM."""
    @overload
    def listRPMFiles(self, rpmID: Info, queryOpts: QueryOptions | None = None) -> Future[list[RPMFile]]:
        """Return the files of an RPM."""
    @overload
    def listRPMs(self, buildID: int | None = None, buildrootID: int | None = None, imageID: int | None = None, componentBuildrootID: int | None = None, hostID: int | None = None, arches: str | Sequence[str] | None = None, *, queryOpts: CountOnly, draft: bool | None = None) -> Future[int]:
        """Return RPMs."""
    @overload
    def listRPMs(self, buildID: int | None = None, buildrootID: int | None = None, imageID: int | None = None, componentBuildrootID: int | None = None, hostID: int | None = None, arches: str | Sequence[str] | None = None, queryOpts: QueryOptions | None = None, draft: bool | None = None) -> Future[list[RPM]]:
        """Return RPMs."""
    @overload
    def listSideTags(self, basetag: Info | None = None, user: Info | None = None, *, queryOpts: CountOnly) -> Future[int]:
        """Return side tags (plugin sidetag)."""
    @overload
    def listSideTags(self, basetag: Info | None = None, user: Info | None = None, queryOpts: QueryOptions | None = None) -> Future[list[SideTag]]:
        """Return side tags (plugin sidetag)."""
    def listTagged(self, tag: Info, event: int | None = None, inherit: bool = False, prefix: str | None = None, latest: bool | int = False, package: str | None = None, owner: str | None = None, type: str | None = None, strict: bool = True, extra: bool = False, draft: bool | None = None) -> Future[list[Build]]:
        """Return the builds in a tag."""
    def listTaggedArchives(self, tag: Info, event: int | None = None, inherit: bool = False, latest: bool | int = False, package: str | None = None, type: str | None = None, strict: bool = True, extra: bool = True) -> Future[tuple[list[Archive], list[TaggedBuild]]]:
        """Return the archives in a tag, and their builds."""
    def listTaggedRPMS(self, tag: Info, event: int | None = None, inherit: bool = False, latest: bool | int = False, package: str | None = None, arch: str | Sequence[str] | None = None, rpmsigs: bool = False, owner: str | None = None, type: str | None = None, strict: bool = True, extra: bool = True, draft: bool | None = None) -> Future[tuple[list[RPM], list[TaggedBuild]]]:
        """Return the RPMs in a tag, and their builds."""
    @overload
    def listTags(self, build: BuildInfo | None = None, package: Info | None = None, perms: bool = True, *, queryOpts: CountOnly, pattern: str | None = None) -> Future[int]:
        """Return tags: all, or those of a build or package."""
    @overload
    def listTags(self, build: BuildInfo | None = None, package: Info | None = None, perms: bool = True, queryOpts: QueryOptions | None = None, pattern: str | None = None) -> Future[list[Tag]]:
        """Return tags: all, or those of a build or package."""
    @overload
    def listTaskOutput(self, taskID: int, stat: Literal[False] = False, all_volumes: Literal[False] = False, strict: bool = False) -> Future[list[str]]:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTaskOutput(self, taskID: int, stat: Literal[True], all_volumes: Literal[False] = False, strict: bool = False) -> Future[dict[str, FileStat]]:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTaskOutput(self, taskID: int, stat: Literal[False] = False, *, all_volumes: Literal[True], strict: bool = False) -> Future[dict[str, list[str]]]:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTaskOutput(self, taskID: int, stat: Literal[True], all_volumes: Literal[True], strict: bool = False) -> Future[dict[str, dict[str, FileStat]]]:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTaskOutput(self, taskID: int, stat: bool = False, all_volumes: bool = False, strict: bool = False) -> Future[list[str] | dict[str, Any]]:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTasks(self, opts: TaskOptions | None = None, *, queryOpts: CountOnly) -> Future[int]:
        """Return tasks, their requests and results decoded."""
    @overload
    def listTasks(self, opts: TaskOptions | None = None, queryOpts: QueryOptions | None = None) -> Future[list[Task]]:
        """Return tasks, their requests and results decoded."""
    @overload
    def listUsers(self, userType: int | None = 0, prefix: str | None = None, *, queryOpts: CountOnly, perm: Info | None = None, inherited_perm: bool = False) -> Future[int]:
        """Return users."""
    @overload
    def listUsers(self, userType: int | None = 0, prefix: str | None = None, queryOpts: QueryOptions | None = None, perm: Info | None = None, inherited_perm: bool = False) -> Future[list[User]]:
        """Return users."""
    def listVolumes(self) -> Future[list[NameAndId]]:
        """Return all volumes."""
    def makeTask(self, method: str, arglist: list[Any] | tuple[Any, ...], *, parent: int | None = None, label: str | None = None, channel: str | None = None, arch: str | None = None, priority: int | None = None, assign: Info | None = None) -> Future[int]:
        """Make a task of any kind; return its id. Needs admin."""
    def massTag(self, tag: Info, builds: Sequence[BuildInfo]) -> Future[None]:
        """Tag many builds at once, unchecked. Needs the permission tag."""
    def mavenBuild(self, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven') -> Future[int]:
        """Start a Maven build; return the task's id."""
    def mavenEnabled(self) -> Future[bool]:
        """Tell whether the hub takes Maven builds."""
    def mergeScratch(self, task_id: int) -> Future[int]:
        """Import a scratch build as a real one; return the build's id."""
    def moveAllBuilds(self, tag1: Info, tag2: Info, package: Info, force: bool = False) -> Future[list[int]]:
        """Start the move of a package's builds; return the tasks' ids."""
    def moveBuild(self, tag1: Info, tag2: Info, build: BuildInfo, force: bool = False) -> Future[int]:
        """Start the move of a build; return the task's id."""
    def newGroup(self, name: str) -> Future[int]:
        """Make a group of users; return its id."""
    def newRepo(self, tag: Info, event: int | None = None, src: bool = False, debuginfo: bool = False, separate_src: bool = False) -> Future[int]:
        """Start a newRepo task, which makes a build repo; return its id. Prefer repo.request."""
    def osbuildImage(self, name: str, version: str, distro: str, image_type: str | Sequence[str], target: str | None, arches: Strings, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> Future[int]:
        """Start an image by osbuild (its plugin); return the task's id."""
    def packageListAdd(self, taginfo: Info, pkginfo: Info, owner: Info | None = None, block: bool | None = None, extra_arches: str | None = None, force: bool = False, update: bool = False) -> Future[None]:
        """List a package in a tag."""
    def packageListBlock(self, taginfo: Info, pkginfo: Info, force: bool = False) -> Future[None]:
        """Block a package in a tag."""
    def packageListRemove(self, taginfo: Info, pkginfo: Info, force: bool = False) -> Future[None]:
        """Remove a package from a tag's list."""
    def packageListSetArches(self, taginfo: Info, pkginfo: Info, arches: str | None, force: bool = False) -> Future[None]:
        """Set the extra architectures of a package in a tag."""
    def packageListSetOwner(self, taginfo: Info, pkginfo: Info, owner: Info, force: bool = False) -> Future[None]:
        """Set the owner of a package in a tag."""
    def packageListUnblock(self, taginfo: Info, pkginfo: Info, force: bool = False) -> Future[None]:
        """Unblock a package in a tag."""
    def promoteBuild(self, build: BuildInfo, force: bool = False) -> Future[Build]:
        """Make a draft build a regular one."""
    def queryHistory(self, tables: Strings | None = None, *, tag: Info | None = None, build: BuildInfo | None = None, package: Info | None = None, user: Info | None = None, editor: Info | None = None, permission: Info | None = None, external_repo: Info | None = None, build_target: Info | None = None, group: Info | None = None, cg: Info | None = None, host: Info | None = None, channel: Info | None = None, active: bool | None = None, before: float | str | None = None, after: float | str | None = None, beforeEvent: int | None = None, afterEvent: int | None = None, xkey: str | None = None, queryOpts: QueryOptions | None = None) -> Future[dict[str, list[dict[str, Any]]]]:
        """Return what changed, by table."""
    @overload
    def queryRPMSigs(self, rpm_id: Info | None = None, sigkey: str | None = None, *, queryOpts: CountOnly) -> Future[int]:
        """Return the signatures of RPMs."""
    @overload
    def queryRPMSigs(self, rpm_id: Info | None = None, sigkey: str | None = None, queryOpts: QueryOptions | None = None) -> Future[list[RPMSignature]]:
        """Return the signatures of RPMs."""
    def removeExternalRepoFromTag(self, tag_info: Info, repo_info: Info) -> Future[None]:
        """Remove an external repo from a tag."""
    def removeHostFromChannel(self, hostname: Info, channel_name: str) -> Future[None]:
        """Remove a builder from a channel."""
    def removeSideTag(self, sidetag: Info) -> Future[None]:
        """Remove a side tag and its target (plugin sidetag)."""
    def removeUserKrbPrincipal(self, user: Info, krb_principal: str) -> Future[int]:
        """Remove a Kerberos principal from a user; return the user's id."""
    def removeVolume(self, volume: Info) -> Future[None]:
        """Remove a volume."""
    def renameChannel(self, old: str, new: str) -> Future[None]:
        """Rename a channel. Prefer editChannel."""
    def repoDelete(self, repo_id: int) -> Future[int]:
        """Delete a repo; return how many things refer to it."""
    def repoExpire(self, repo_id: int) -> Future[None]:
        """Mark a repo as expired."""
    @overload
    def repoInfo(self, repo_id: int, strict: Literal[True]) -> Future[Repo]:
        """Return a repo."""
    @overload
    def repoInfo(self, repo_id: int, strict: bool = False) -> Future[Repo | None]:
        """Return a repo."""
    def repoProblem(self, repo_id: int) -> Future[None]:
        """Mark a repo as broken."""
    def resetBuild(self, build: BuildInfo) -> Future[None]:
        """Reset a failed or canceled build to an empty one. Needs admin."""
    def restartHosts(self, priority: int = 5, options: Mapping[str, Any] | None = None) -> Future[int]:
        """Start the restart of all builders; return the task's id."""
    def resubmitTask(self, taskID: int) -> Future[int]:
        """Start a failed or canceled top-level task again; return the new task's id."""
    def revokeCGAccess(self, user: Info, cg: Info) -> Future[None]:
        """Stop a user from importing as a content generator."""
    def revokePermission(self, userinfo: Info, permission: Info) -> Future[None]:
        """Revoke a permission from a user."""
    def runroot(self, tagInfo: Info, arch: str, command: str | Sequence[str], channel: str | None = None, *, packages: Strings | None = None, mounts: Strings | None = None, repo_id: int | None = None, skip_setarch: bool | None = None, weight: float | None = None, upload_logs: Strings | None = None, new_chroot: bool | None = None, keep: bool | None = None) -> Future[int]:
        """Run a command in a build root (plugin runroot); return the task's id."""
    def saveFailedTree(self, buildrootID: int, full: bool = False) -> Future[int]:
        """Save the build root of a failed task (plugin save_failed_tree); return the task's id."""
    @overload
    def search(self, terms: str, type: str, matchType: str, *, queryOpts: CountOnly) -> Future[int]:
        """Search by name: matchType is glob, regexp or exact."""
    @overload
    def search(self, terms: str, type: str, matchType: str, queryOpts: QueryOptions | None = None) -> Future[list[NameAndId]]:
        """Search by name: matchType is glob, regexp or exact."""
    def setBuildOwner(self, build: BuildInfo, user: Info) -> Future[None]:
        """Change the owner of a build."""
    def setBuildTimestamp(self, build: BuildInfo, ts: float | str) -> Future[None]:
        """Set when a build was completed."""
    def setInheritanceData(self, tag: Info, data: Mapping[str, Any] | Sequence[Mapping[str, Any]], clear: bool = False) -> Future[None]:
        """Change a tag's parents."""
    def setTaskPriority(self, task_id: int, priority: int, recurse: bool = True) -> Future[None]:
        """Set a task's priority, absolute: lower is sooner. Needs admin."""
    @overload
    def showOpts(self, as_string: Literal[True] = True) -> Future[str]:
        """Return the hub's configuration, as text. Needs admin."""
    @overload
    def showOpts(self, as_string: Literal[False]) -> Future[dict[str, Any]]:
        """Return the hub's configuration, as text. Needs admin."""
    @overload
    def showOpts(self, as_string: bool = True) -> Future[str | dict[str, Any]]:
        """Return the hub's configuration, as text. Needs admin."""
    def showSession(self) -> Future[str]:
        """Return the session that is used, as text."""
    def snapshotTag(self, src: Info, dst: Info, config: bool = True, pkgs: bool = True, builds: bool = True, groups: bool = True, latest_only: bool = True, inherit_builds: bool = True, event: int | None = None, force: bool = False) -> Future[None]:
        """Copy a tag into a new one."""
    def snapshotTagModify(self, src: Info, dst: Info, config: bool = True, pkgs: bool = True, builds: bool = True, groups: bool = True, latest_only: bool = True, inherit_builds: bool = True, event: int | None = None, force: bool = False, remove: bool = False) -> Future[None]:
        """Copy a tag over another."""
    def tagBuild(self, tag: Info | None, build: BuildInfo, force: bool = False, fromtag: Info | None = None) -> Future[int]:
        """Start the tagging of a build; return the task's id."""
    def tagBuildBypass(self, tag: Info, build: BuildInfo, force: bool = False, notify: bool = False) -> Future[None]:
        """Tag a build at once, without a task. Needs the permission tag."""
    def tagChangedSinceEvent(self, event: int, taglist: Sequence[int]) -> Future[bool]:
        """Tell whether tags have changed since an event."""
    def tagFirstChangeEvent(self, tag: Info, after: int | None = None, inherit: bool = True) -> Future[int | None]:
        """Return the event of a tag's first change."""
    def tagLastChangeEvent(self, tag: Info, before: int | None = None, inherit: bool = True) -> Future[int | None]:
        """Return the event of a tag's last change."""
    def taskFinished(self, taskId: int) -> Future[bool]:
        """Tell whether a task is closed, failed or canceled."""
    def untagBuild(self, tag: Info | None, build: BuildInfo, strict: bool = True, force: bool = False) -> Future[None]:
        """Untag a build."""
    def untagBuildBypass(self, tag: Info, build: BuildInfo, strict: bool = True, force: bool = False, notify: bool = False) -> Future[None]:
        """Untag a build without policy. Needs the permission tag."""
    @overload
    def untaggedBuilds(self, name: str | None = None, *, queryOpts: CountOnly, draft: bool | None = None) -> Future[int]:
        """Return the builds in no tag."""
    @overload
    def untaggedBuilds(self, name: str | None = None, queryOpts: QueryOptions | None = None, draft: bool | None = None) -> Future[list[UntaggedBuild]]:
        """Return the builds in no tag."""
    def updateNotification(self, id: int, package_id: int | None, tag_id: int | None, success_only: bool) -> Future[None]:
        """Change a build notification."""
    def uploadFile(self, path: str, name: str, size: int, md5sum: str, offset: int, data: str, volume: str | None = None, checksum: str | None = None) -> Future[bool]:
        """Upload a piece of a file, base64. See Connection.upload."""
    def winBuild(self, vm: str, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'vm') -> Future[int]:
        """Start a build on Windows; return the task's id."""
    def winEnabled(self) -> Future[bool]:
        """Tell whether the hub takes Windows builds."""
    def wrapperRPM(self, build: BuildInfo, url: str, target: str | None, priority: int | None = None, channel: str = 'maven', opts: Mapping[str, Any] | None = None) -> Future[int]:
        """Start the build of RPMs around a Maven build; return the task's id."""
    def writeSignedRPM(self, an_rpm: Info, sigkey: str, force: bool = False) -> Future[None]:
        """Write the signed copy of an RPM."""

class CollectedMethodsHost:
    """The methods ``host.*``."""
    def assertPolicy(self, name: str, data: Any, default: str = 'deny') -> None:
        """For builders: assert policy."""
    def checkPolicy(self, name: str, data: Any, default: str = 'deny', strict: bool = False) -> None:
        """For builders: check policy."""
    def closeTask(self, task_id: int, response: Any) -> None:
        """For builders: close task."""
    def completeBuild(self, task_id: int, build_id: int, srpm: Any, rpms: Any, brmap: Any | None = None, logs: Any | None = None) -> None:
        """For builders: complete build."""
    def completeImageBuild(self, task_id: int, build_id: int, results: Any) -> None:
        """For builders: complete image build."""
    def completeMavenBuild(self, task_id: int, build_id: int, maven_results: Any, rpm_results: Any) -> None:
        """For builders: complete maven build."""
    def completeWinBuild(self, task_id: int, build_id: int, results: Any, rpm_results: Any) -> None:
        """For builders: complete win build."""
    def createMavenBuild(self, build_info: Any, maven_info: Any) -> None:
        """For builders: create maven build."""
    def distRepoMove(self, repo_id: int, uploadpath: Any, arch: Any) -> None:
        """For builders: dist repo move."""
    def evalPolicy(self, name: str, data: Any) -> None:
        """For builders: eval policy."""
    def failBuild(self, task_id: int, build_id: int) -> None:
        """For builders: fail build."""
    def failTask(self, task_id: int, response: Any) -> None:
        """For builders: fail task."""
    def freeTasks(self, tasks: Any) -> None:
        """For builders: free tasks."""
    def getHost(self) -> None:
        """For builders: get host."""
    def getHostTasks(self) -> None:
        """For builders: get host tasks."""
    def getID(self) -> None:
        """For builders: get id."""
    def getLoadData(self) -> None:
        """For builders: get load data."""
    def getTasks(self) -> None:
        """For builders: get tasks."""
    def importArchive(self, filepath: Any, buildinfo: Any, type: Any, typeInfo: Any) -> None:
        """For builders: import archive."""
    def importImage(self, task_id: int, build_info: Any, results: Any) -> None:
        """For builders: import image."""
    def importWrapperRPMs(self, task_id: int, build_id: int, rpm_results: Any) -> None:
        """For builders: import wrapper RPMs."""
    def initBuild(self, data: Any) -> None:
        """For builders: init build."""
    def initImageBuild(self, task_id: int, build_info: Any) -> None:
        """For builders: init image build."""
    def initMavenBuild(self, task_id: int, build_info: Any, maven_info: Any) -> None:
        """For builders: init maven build."""
    def initWinBuild(self, task_id: int, build_info: Any, win_info: Any) -> None:
        """For builders: init win build."""
    def isEnabled(self) -> None:
        """For builders: is enabled."""
    def moveBuildToScratch(self, task_id: int, srpm: Any, rpms: Any, logs: Any | None = None) -> None:
        """For builders: move build to scratch."""
    def moveImageBuildToScratch(self, task_id: int, results: Any) -> None:
        """For builders: move image build to scratch."""
    def moveMavenBuildToScratch(self, task_id: int, results: Any, rpm_results: Any) -> None:
        """For builders: move maven build to scratch."""
    def moveWinBuildToScratch(self, task_id: int, results: Any, rpm_results: Any) -> None:
        """For builders: move win build to scratch."""
    def newBuildRoot(self, repo: Any, arch: Any, task_id: int | None = None) -> None:
        """For builders: new build root."""
    def openTask(self, task_id: int) -> None:
        """For builders: open task."""
    def refuseTask(self, task_id: int, soft: bool = True, msg: str = '') -> None:
        """For builders: refuse task."""
    def repoDone(self, repo_id: int, data: Any, expire: bool = False, repo_json_updates: Any | None = None) -> None:
        """For builders: repo done."""
    def repoInit(self, tag: Any, task_id: int | None = None, event: Any | None = None, opts: Any | None = None) -> None:
        """For builders: repo init."""
    def setBuildRootList(self, brootid: Any, rpmlist: Any, task_id: int | None = None) -> None:
        """For builders: set build root list."""
    def setBuildRootState(self, brootid: Any, state: Any, task_id: int | None = None) -> None:
        """For builders: set build root state."""
    def setHostData(self, hostdata: Any) -> None:
        """For builders: set host data."""
    def setTaskWeight(self, task_id: int, weight: Any) -> None:
        """For builders: set task weight."""
    def subtask(self, method: Any, arglist: Any, parent: int, **opts: Any) -> None:
        """For builders: subtask."""
    def subtask2(self, _HostExports__parent: Any, _HostExports__taskopts: Any, _HostExports__method: Any, *args: Any, **opts: Any) -> None:
        """For builders: subtask2."""
    def tagBuild(self, task_id: int, tag: Any, build: Any, force: bool = False, fromtag: Any | None = None) -> None:
        """For builders: tag build."""
    def tagNotification(self, is_successful: Any, tag_id: Any, from_id: Any, build_id: int, user_id: Any, ignore_success: bool = False, failure_msg: str = '') -> None:
        """For builders: tag notification."""
    def taskSetWait(self, parent: int, tasks: Any) -> None:
        """For builders: task set wait."""
    def taskWait(self, parent: int) -> None:
        """For builders: task wait."""
    def taskWaitResults(self, parent: int, tasks: Any, canfail: Any | None = None) -> None:
        """For builders: task wait results."""
    def updateBuildRootList(self, brootid: Any, rpmlist: Any, task_id: int | None = None) -> None:
        """For builders: update build root list."""
    def updateBuildrootArchives(self, brootid: Any, task_id: int, archives: Any, project: bool = False) -> None:
        """For builders: update buildroot archives."""
    def updateHost(self, task_load: Any, ready: Any, data: Any | None = None) -> None:
        """For builders: update host."""
    def updateMavenBuildRootList(self, brootid: Any, task_id: int, mavenlist: Any, ignore: Any | None = None, project: bool = False, ignore_unknown: bool = False, extra_deps: Any | None = None) -> None:
        """For builders: update maven build root list."""
    def writeSignedRPM(self, an_rpm: Any, sigkey: Any, force: bool = False) -> None:
        """For builders: write signed RPM."""

class CollectedMethodsRepo:
    """The methods ``repo.*``."""
    def autoRequests(self) -> None:
        """Request the repos of tags that are regenerated automatically."""
    def checkQueue(self) -> None:
        """Process the queue of repo requests."""
    def checkRequest(self, req_id: int) -> None:
        """Return the state of a repo request (hub 1.35)."""
    def get(self, tag: Info, min_event: int | None = None, at_event: int | None = None, opts: Mapping[str, Any] | None = None) -> None:
        """Return the best ready repo of a tag (hub 1.35)."""
    def getExternalRepoData(self, erepo: Info) -> None:
        """Return the data that are stored about an external repo."""
    def query(self, clauses: list[Any], fields: Strings | None = None, opts: QueryOptions | None = None) -> None:
        """Return repos by conditions (hub 1.35)."""
    def queryQueue(self, clauses: list[Any] | None = None, fields: Strings | None = None, opts: QueryOptions | None = None) -> None:
        """Return requests for repos by conditions (hub 1.35)."""
    def references(self, repo_id: int) -> None:
        """Return the build roots that use a repo (hub 1.35)."""
    def request(self, tag: Info, min_event: int | str | None = None, at_event: int | None = None, opts: Mapping[str, Any] | None = None, priority: int | None = None, force: bool = False) -> None:
        """Request a repo: get an existing one, or a place in the queue (hub 1.35)."""
    def setExternalRepoData(self, external_repo_id: int, data: Any) -> None:
        """Store data about an external repo."""
    def setRequestPriority(self, req_id: int, priority: int) -> None:
        """Set the priority of a request for a repo. Needs admin."""
    def setState(self, repo_id: int, state: int) -> None:
        """Set the state of a repo. Needs admin."""
    def updateEndEvents(self) -> None:
        """Record which repos are outdated."""

class CollectedMethodsScheduler:
    """The methods ``scheduler.*``."""
    def doRun(self, force: bool = False) -> None:
        """Run the scheduler now."""
    def getHostData(self, hostID: int | None = None) -> None:
        """Return the data that builders reported to the scheduler."""
    def getLogMessages(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None, opts: QueryOptions | None = None) -> None:
        """Return the scheduler's log."""
    def getTaskRefusals(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None) -> None:
        """Return which builders refused which tasks, and why."""
    def getTaskRuns(self, clauses: Sequence[Any] | None = None, fields: Strings | None = None, opts: QueryOptions | None = None) -> None:
        """Return which builders had which tasks."""

class CollectedMethodsSystem:
    """The methods ``system.*``."""
    def listMethods(self) -> None:
        """Return the names of all methods."""
    def methodHelp(self, method: str) -> None:
        """Return what a method says of itself."""
    def methodSignature(self, method: str) -> None:
        """Return the arguments of a method."""

class CollectedMethods:
    """A hub's methods; each is collected."""
    @property
    def host(self) -> CollectedMethodsHost:
        """The methods ``host.*``."""
    @property
    def repo(self) -> CollectedMethodsRepo:
        """The methods ``repo.*``."""
    @property
    def scheduler(self) -> CollectedMethodsScheduler:
        """The methods ``scheduler.*``."""
    @property
    def system(self) -> CollectedMethodsSystem:
        """The methods ``system.*``."""
    def CGImport(self, metadata: Mapping[str, Any] | str | None, directory: str, token: str | None = None) -> None:
        """Import what a content generator made."""
    def CGInitBuild(self, cg: Info, data: Mapping[str, Any]) -> None:
        """Reserve an NVR for a content generator."""
    def CGRefundBuild(self, cg: Info, build_id: int, token: str, state: int = 3) -> None:
        """Release a reserved NVR."""
    def addArchiveType(self, name: str, description: str, extensions: str, compression_type: str | None = None) -> None:
        """Add a type of archive."""
    def addBType(self, name: str) -> None:
        """Add a type of build."""
    def addChannel(self, channel_name: str, description: str | None = None) -> None:
        """Add a channel; return its id."""
    def addExternalRPM(self, rpminfo: Mapping[str, Any], external_repo: Info, strict: bool = True) -> None:
        """Record an RPM of an external repo."""
    def addExternalRepoToTag(self, tag_info: Info, repo_info: Info, priority: int, merge_mode: str = 'koji', arches: str | None = None) -> None:
        """Add an external repo to a tag."""
    def addGroupMember(self, group: Info, user: Info, strict: bool = True) -> None:
        """Add a user to a group."""
    def addHost(self, hostname: str, arches: str | Sequence[str], krb_principal: str | None = None, force: bool = False) -> None:
        """Add a builder; return its id."""
    def addHostToChannel(self, hostname: Info, channel_name: str, create: bool = False, force: bool = False) -> None:
        """Add a builder to a channel."""
    def addRPMSig(self, an_rpm: Info, data: str) -> None:
        """Add a signature (a base64 header) to an RPM."""
    def addUserKrbPrincipal(self, user: Info, krb_principal: str) -> None:
        """Add a Kerberos principal to a user; return the user's id."""
    def addVolume(self, name: str, strict: bool = True) -> None:
        """Add a volume."""
    def applyVolumePolicy(self, build: BuildInfo, strict: bool = False) -> None:
        """Move a build's files to the volume that the policy says."""
    def assignTask(self, task_id: int, host: Info, force: bool = False, override: bool = False) -> None:
        """Assign a task to a builder. Needs admin."""
    def build(self, src: str | None, target: str | None, opts: BuildOptions | None = None, priority: int | None = None, channel: str | None = None) -> None:
        """Start the build of a package; return the task's id. See Connection.submit."""
    def buildContainer(self, src: str | None, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-binary') -> None:
        """Start a container build (plugin of OSBS); return the task's id."""
    def buildImage(self, name: str, version: str, arch: str | Sequence[str], target: str | None, ksfile: str, img_type: str, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> None:
        """Start a livecd, livemedia or appliance image; return the task's id."""
    def buildImageIndirection(self, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> None:
        """Start an image that is built inside another one; return the task's id."""
    def buildImageOz(self, name: str, version: str, arches: Strings, target: str | None, inst_tree: str, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> None:
        """Start a disk image; return the task's id."""
    def buildReferences(self, build: BuildInfo, limit: int | None = None, lazy: bool = False) -> None:
        """Return what refers to a build."""
    def buildSourceContainer(self, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'container-source') -> None:
        """Start the build of a source container (plugin of OSBS); return the task's id."""
    def cancelBuild(self, buildID: BuildInfo, strict: bool = False) -> None:
        """Cancel a build in progress; tell whether it was one."""
    def cancelTask(self, task_id: int, recurse: bool = True) -> None:
        """Cancel a task, and those below it."""
    def cancelTaskChildren(self, task_id: int) -> None:
        """Cancel what is below a task."""
    def cancelTaskFull(self, task_id: int, strict: bool = True) -> None:
        """Cancel a top-level task and all below it. Needs admin."""
    def chainBuild(self, srcs: Sequence[Strings], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str | None = None) -> None:
        """Start builds one level after the other; return the task's id."""
    def chainMaven(self, builds: Mapping[str, Any], target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven') -> None:
        """Start Maven builds in the order of their dependencies; return the task's id."""
    def changeBuildVolume(self, build: BuildInfo, volume: Info, strict: bool = True) -> None:
        """Move a build's files to another volume."""
    def checkTagAccess(self, tag_id: Info, user_id: Info | None = None) -> None:
        """Return whether a user may tag into a tag, whether force helps, and the reason."""
    def checkTagPackage(self, tag: Info, pkg: Info) -> None:
        """Tell whether a package is listed in a tag and not blocked."""
    def checkUpload(self, path: str, name: str, verify: str | None = None, tail: int | None = None, volume: str | None = None) -> None:
        """Return how much of a file has been uploaded."""
    def count(self, methodName: str, *args: Any, **kw: Any) -> None:
        """Return how long the list of a method is."""
    def countAndFilterResults(self, methodName: str, *args: Any, **kw: Any) -> None:
        """Return the length of a method's list and a part of it, by filterOpts."""
    def createBuildTarget(self, name: str, build_tag: Info, dest_tag: Info) -> None:
        """Make a build target."""
    def createEmptyBuild(self, name: str, version: str, release: str, epoch: int | None, owner: Info | None = None, draft: bool = False) -> None:
        """Make a build without content; return its id. Needs admin."""
    def createExternalRepo(self, name: str, url: str) -> None:
        """Make an external repo."""
    def createImageBuild(self, build_info: Mapping[str, Any]) -> None:
        """Make an image build without content."""
    def createMavenBuild(self, build_info: Mapping[str, Any], maven_info: Mapping[str, Any]) -> None:
        """Make a Maven build without content."""
    def createNotification(self, user_id: int, package_id: int | None, tag_id: int | None, success_only: bool) -> None:
        """Create a build notification."""
    def createNotificationBlock(self, user_id: int, package_id: int | None = None, tag_id: int | None = None) -> None:
        """Create a notification block."""
    def createSideTag(self, basetag: Info, debuginfo: bool = False, suffix: str | None = None) -> None:
        """Make a side tag and a target for it (plugin sidetag)."""
    def createTag(self, name: str, parent: Info | None = None, arches: str | None = None, perm: Info | None = None, locked: bool = False, maven_support: bool = False, maven_include_all: bool = False, extra: Mapping[str, Any] | None = None) -> None:
        """Make a tag; return its id."""
    def createUser(self, username: str, status: int | None = None, krb_principal: str | None = None) -> None:
        """Make a user; return the id."""
    def createWinBuild(self, build_info: Mapping[str, Any], win_info: Mapping[str, Any]) -> None:
        """Make a Windows build without content."""
    def deleteBuild(self, build: BuildInfo, strict: bool = True, min_ref_age: int = 604800) -> None:
        """Delete a build. Needs admin."""
    def deleteBuildTarget(self, buildTargetInfo: Info) -> None:
        """Delete a build target."""
    def deleteExternalRepo(self, info: Info) -> None:
        """Delete an external repo."""
    def deleteNotification(self, id: int) -> None:
        """Delete a build notification."""
    def deleteNotificationBlock(self, id: int) -> None:
        """Delete a notification block."""
    def deleteRPMSig(self, rpminfo: Info, sigkey: str | None = None, all_sigs: bool = False) -> None:
        """Delete a signature of an RPM."""
    def deleteTag(self, tagInfo: Info) -> None:
        """Delete a tag."""
    def disableChannel(self, channelname: Info, comment: str | None = None) -> None:
        """Disable a channel: its tasks wait."""
    def disableHost(self, hostname: Info) -> None:
        """Disable a builder: it takes no more tasks."""
    def disableUser(self, username: Info) -> None:
        """Block a user from logging in."""
    def distRepo(self, tag: Info, keys: Strings, *, arch: Strings | None = None, comps: str | None = None, delta: Sequence[int] | None = None, event: int | None = None, volume: str | None = None, inherit: bool | None = None, latest: bool | None = None, multilib: str | None = None, split_debuginfo: bool | None = None, skip_missing_signatures: bool | None = None, allow_missing_signatures: bool | None = None, zck: bool | None = None, zck_dict_dir: str | None = None, write_signed_rpms: bool | None = None) -> None:
        """Start a distRepo task, which makes a signed repo; return its id."""
    def downloadTaskOutput(self, taskID: int, fileName: str, offset: int = 0, size: int = -1, volume: str | None = None) -> None:
        """Return a part of a task's file, base64."""
    def dropGroupMember(self, group: Info, user: Info) -> None:
        """Drop a user from a group."""
    def echo(self, *args: Any) -> None:
        """Return the arguments."""
    def editBuildTarget(self, buildTargetInfo: Info, name: str, build_tag: Info, dest_tag: Info) -> None:
        """Change a build target."""
    def editChannel(self, channelInfo: Info, *, name: str | None = None, description: str | None = None, comment: str | None = None) -> None:
        """Change a channel."""
    def editExternalRepo(self, info: Info, name: str | None = None, url: str | None = None) -> None:
        """Change an external repo."""
    def editHost(self, hostInfo: Info, *, arches: str | None = None, capacity: float | None = None, description: str | None = None, comment: str | None = None) -> None:
        """Change a builder."""
    def editPermission(self, permission: Info, description: str) -> None:
        """Describe a permission."""
    def editSideTag(self, sidetag: Info, debuginfo: bool | None = None, rpm_macros: Mapping[str, Any] | None = None, remove_rpm_macros: Strings | None = None, extra: Mapping[str, Any] | None = None, remove_extra: Strings | None = None) -> None:
        """Change a side tag (plugin sidetag)."""
    def editTag(self, tagInfo: Info, name: str, arches: str | None, locked: bool | None, permissionID: int | None, extra: Mapping[str, Any] | None = None) -> None:
        """Change a tag. Prefer editTag2."""
    def editTag2(self, tagInfo: Info, *, name: str | None = None, arches: str | None = None, locked: bool | None = None, perm: str | None = None, perm_id: int | None = None, maven_support: bool | None = None, maven_include_all: bool | None = None, extra: Mapping[str, Any] | None = None, remove_extra: Strings | None = None, block_extra: Strings | None = None) -> None:
        """Change the named settings of a tag."""
    def editTagExternalRepo(self, tag_info: Info, repo_info: Info, priority: int | None = None, merge_mode: str | None = None, arches: str | None = None) -> None:
        """Change an external repo of a tag."""
    def editUser(self, userInfo: Info, name: str | None = None, krb_principal_mappings: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Change a user."""
    def enableChannel(self, channelname: Info, comment: str | None = None) -> None:
        """Enable a channel."""
    def enableHost(self, hostname: Info) -> None:
        """Enable a builder: it takes tasks."""
    def enableUser(self, username: Info) -> None:
        """Allow a user to log in again."""
    def error(self) -> None:
        """Raise an error, for tests."""
    def evalPolicy(self, name: str, data: Mapping[str, Any]) -> None:
        """Return what a policy says."""
    def fault(self) -> None:
        """Raise a fault, for tests."""
    def filterResults(self, methodName: str, *args: Any, **kw: Any) -> None:
        """Return a part of a method's list, by filterOpts."""
    def findBuildID(self, X: BuildInfo, strict: bool = False) -> None:
        """Return the id of a build."""
    def freeTask(self, task_id: int) -> None:
        """Free an assigned or open task: it returns to the queue. Needs admin."""
    def getAPIVersion(self) -> None:
        """Return the version of the API, which is 1."""
    def getActiveRepos(self) -> None:
        """Return the repos that are not deleted."""
    def getAllArches(self) -> None:
        """Return the architectures of all builders."""
    def getAllPerms(self) -> None:
        """Return all permissions that there are."""
    def getArchive(self, archive_id: int, strict: bool = False) -> None:
        """Return an archive."""
    def getArchiveFile(self, archive_id: int, filename: str, strict: bool = False) -> None:
        """Return a file in an archive."""
    def getArchiveType(self, filename: str | None = None, type_name: str | None = None, type_id: int | None = None, strict: bool = False) -> None:
        """Return a type of archive."""
    def getArchiveTypes(self) -> None:
        """Return all types of archives."""
    def getAverageBuildDuration(self, package: Info, age: int | None = None) -> None:
        """Return how long the builds of a package take on average."""
    @overload
    def getBuild(self, buildInfo: BuildInfo, strict: bool = False) -> None:
        """Return a build."""
    @overload
    def getBuild(self, *, build_id: BuildInfo, strict: bool = False) -> None:
        """Return a build."""
    def getBuildConfig(self, tag: Info, event: int | None = None) -> None:
        """Return what a build in a tag is configured with, inherited."""
    def getBuildLogs(self, build: BuildInfo) -> None:
        """Return where the logs of an imported build are, relative to the top of kojifiles."""
    def getBuildNotification(self, id: int, strict: bool = False) -> None:
        """Return a build notification."""
    def getBuildNotificationBlock(self, id: int, strict: bool = False) -> None:
        """Return a notification block."""
    def getBuildNotificationBlocks(self, userID: Info | None = None) -> None:
        """Return the notification blocks of a user."""
    def getBuildNotifications(self, userID: Info | None = None) -> None:
        """Return the build notifications of a user."""
    def getBuildTarget(self, info: Info, event: int | None = None, strict: bool = False) -> None:
        """Return a build target."""
    def getBuildTargets(self, info: Info | None = None, event: int | None = None, buildTagID: Info | None = None, destTagID: Info | None = None, queryOpts: QueryOptions | None = None) -> None:
        """Return build targets."""
    def getBuildType(self, buildInfo: BuildInfo, strict: bool = False) -> None:
        """Return a build's types, with the details of each."""
    def getBuildroot(self, buildrootID: int, strict: bool = False) -> None:
        """Return a build root."""
    def getBuildrootListing(self, id: int) -> None:
        """Return the RPMs in a build root."""
    def getChangelogEntries(self, buildID: BuildInfo | None = None, taskID: int | None = None, filepath: str | None = None, author: str | None = None, before: float | str | None = None, after: float | str | None = None, queryOpts: QueryOptions | None = None, strict: bool = False) -> None:
        """Return the changelog of a build's source RPM."""
    @overload
    def getChannel(self, channelInfo: Info, strict: bool = False) -> None:
        """Return a channel."""
    @overload
    def getChannel(self, *, channel_id: Info, strict: bool = False) -> None:
        """Return a channel."""
    def getEvent(self, id: int, strict: bool = True) -> None:
        """Return an event: its id and its time."""
    def getExternalRepo(self, info: Info, strict: bool = False, event: int | None = None) -> None:
        """Return an external repo."""
    def getExternalRepoList(self, tag_info: Info, event: int | None = None) -> None:
        """Return the external repos of a tag, inherited ones included."""
    def getFullInheritance(self, tag: Info, event: int | None = None, reverse: bool = False, **kwargs: Any) -> None:
        """Return all that a tag inherits from, in order."""
    def getGroupMembers(self, group: Info) -> None:
        """Return the members of a group."""
    def getHost(self, hostInfo: Info, strict: bool = False, event: int | None = None) -> None:
        """Return a builder."""
    def getImageArchive(self, archive_id: int, strict: bool = False) -> None:
        """Return the image side of an archive."""
    def getImageBuild(self, buildInfo: BuildInfo, strict: bool = False) -> None:
        """Return the image side of a build."""
    def getInheritanceData(self, tag: Info, event: int | None = None) -> None:
        """Return a tag's own parents."""
    def getKojiVersion(self) -> None:
        """Return the hub's version (hub 1.23)."""
    def getLastEvent(self, before: float | None = None, strict: bool = True) -> None:
        """Return the newest event."""
    @overload
    def getLastHostUpdate(self, hostID: int, ts: Literal[False] = False) -> None:
        """Return when a builder was last heard: text, or seconds with ts."""
    @overload
    def getLastHostUpdate(self, hostID: int, ts: bool = False) -> None:
        """Return when a builder was last heard: text, or seconds with ts."""
    def getLatestBuilds(self, tag: Info, event: int | None = None, package: str | None = None, type: str | None = None, draft: bool | None = None) -> None:
        """Return the newest build of each package in a tag, inherited ones included."""
    def getLatestMavenArchives(self, tag: Info, event: int | None = None, inherit: bool = True) -> None:
        """Return the Maven archives of a tag's newest builds."""
    def getLatestRPMS(self, tag: Info, package: str | None = None, arch: str | Sequence[str] | None = None, event: int | None = None, rpmsigs: bool = False, type: str | None = None, draft: bool | None = None) -> None:
        """Return the RPMs of a tag's newest builds, and those builds."""
    def getLoggedInUser(self) -> None:
        """Return the logged-in user."""
    def getMavenArchive(self, archive_id: int, strict: bool = False) -> None:
        """Return the Maven side of an archive."""
    def getMavenBuild(self, buildInfo: BuildInfo, strict: bool = False) -> None:
        """Return the Maven side of a build."""
    def getNextRelease(self, build_info: Mapping[str, Any], incr: int = 1) -> None:
        """Return the release that comes after the newest build's."""
    @overload
    def getPackage(self, info: Info, strict: bool = False, create: bool = False) -> None:
        """Return a package."""
    @overload
    def getPackage(self, *, name: Info, strict: bool = False, create: bool = False) -> None:
        """Return a package."""
    def getPackageConfig(self, tag: Info, pkg: Info, event: int | None = None) -> None:
        """Return how a package is listed in a tag."""
    def getPackageID(self, name: str, strict: bool = False) -> None:
        """Return the id of a package."""
    def getPerms(self) -> None:
        """Return the permissions of the logged-in user."""
    def getRPM(self, rpminfo: Info, strict: bool = False, multi: bool = False) -> None:
        """Return an RPM."""
    def getRPMChecksums(self, rpm_id: int, checksum_types: Strings | None = None, cacheonly: bool = False) -> None:
        """Return the checksums of an RPM's signed copies, by key and type."""
    def getRPMDeps(self, rpmID: Info, depType: int | None = None, queryOpts: QueryOptions | None = None, strict: bool = False) -> None:
        """Return what an RPM requires, provides, and so on."""
    def getRPMFile(self, rpmID: Info, filename: str, strict: bool = False) -> None:
        """Return a file of an RPM."""
    def getRPMHeaders(self, rpmID: Info | None = None, taskID: int | None = None, filepath: str | None = None, headers: Strings | None = None, strict: bool = False) -> None:
        """Return headers of an RPM, by name."""
    def getRepo(self, tag: Info, state: int | None = None, event: int | None = None, dist: bool = False, min_event: int | None = None) -> None:
        """Return the newest ready repo of a tag."""
    def getSessionInfo(self, details: bool = False, user_id: Info | None = None) -> None:
        """Return the session that is used."""
    def getTag(self, tagInfo: Info, strict: bool = False, event: int | str | None = None, blocked: bool = False) -> None:
        """Return a tag."""
    def getTagExternalRepos(self, tag_info: Info | None = None, repo_info: Info | None = None, event: int | None = None) -> None:
        """Return which tags have which external repos."""
    def getTagGroups(self, tag: Info, event: int | None = None, inherit: bool = True, incl_pkgs: bool = True, incl_reqs: bool = True, incl_blocked: bool = False) -> None:
        """Return the groups of packages in a tag."""
    def getTagID(self, info: Info, strict: bool = False, create: bool = False) -> None:
        """Return the id of a tag."""
    def getTaskChildren(self, task_id: int, request: bool = False, strict: bool = False) -> None:
        """Return the tasks right below one."""
    def getTaskDescendents(self, task_id: int, request: bool = False) -> None:
        """Return all tasks below one, the older first."""
    @overload
    def getTaskInfo(self, task_id: int, request: bool = False, strict: bool = False) -> None:
        """Return a task, its request included."""
    @overload
    def getTaskInfo(self, task_id: Sequence[int], request: bool = False, strict: bool = False) -> None:
        """Return a task, its request included."""
    def getTaskRequest(self, taskId: int) -> None:
        """Return the arguments of a task."""
    def getTaskResult(self, taskId: int, raise_fault: bool = True) -> None:
        """Return a closed task's result; fail with a failed task's own fault."""
    def getUser(self, userInfo: Info | None = None, strict: bool = False, krb_princs: bool = True, groups: bool = False) -> None:
        """Return a user; without arguments, the logged-in one."""
    def getUserGroups(self, user: Info) -> None:
        """Return the groups of a user."""
    def getUserPerms(self, userID: Info | None = None, with_groups: bool = True) -> None:
        """Return the permissions of a user."""
    def getUserPermsInheritance(self, userID: Info) -> None:
        """Return where each permission of a user comes from."""
    def getVolume(self, volume: Info, strict: bool = False) -> None:
        """Return a volume."""
    def getWinArchive(self, archive_id: int, strict: bool = False) -> None:
        """Return the Windows side of an archive."""
    def getWinBuild(self, buildInfo: BuildInfo, strict: bool = False) -> None:
        """Return the Windows side of a build."""
    def grantCGAccess(self, user: Info, cg: Info, create: bool = False) -> None:
        """Allow a user to import as a content generator."""
    def grantPermission(self, userinfo: Info, permission: Info, create: bool = False, description: str | None = None) -> None:
        """Grant a permission to a user."""
    def groupListAdd(self, taginfo: Info, grpinfo: Info, block: bool = False, force: bool = False, *, display_name: str | None = None, description: str | None = None, langonly: str | None = None, biarchonly: bool | None = None, exported: bool | None = None, uservisible: bool | None = None, is_default: bool | None = None) -> None:
        """Add a group to a tag."""
    def groupListBlock(self, taginfo: Info, grpinfo: Info) -> None:
        """Block a group in a tag."""
    def groupListRemove(self, taginfo: Info, grpinfo: Info, force: bool = False) -> None:
        """Remove a group from a tag."""
    def groupListUnblock(self, taginfo: Info, grpinfo: Info) -> None:
        """Unblock a group in a tag."""
    def groupPackageListAdd(self, taginfo: Info, grpinfo: Info, pkg_name: str, block: bool = False, force: bool = False, *, type: str | None = None, basearchonly: bool | None = None, requires: str | None = None) -> None:
        """Add a package to a group."""
    def groupPackageListBlock(self, taginfo: Info, grpinfo: Info, pkg_name: str) -> None:
        """Block a package in a group."""
    def groupPackageListRemove(self, taginfo: Info, grpinfo: Info, pkg_name: str) -> None:
        """Remove a package from a group."""
    def groupPackageListUnblock(self, taginfo: Info, grpinfo: Info, pkg_name: str) -> None:
        """Unblock a package in a group."""
    def groupReqListAdd(self, taginfo: Info, grpinfo: Info, reqinfo: Info, block: bool = False, force: bool = False, *, type: str | None = None, is_metapkg: bool | None = None) -> None:
        """Make a group require another."""
    def groupReqListBlock(self, taginfo: Info, grpinfo: Info, reqinfo: Info) -> None:
        """Block a required group."""
    def groupReqListRemove(self, taginfo: Info, grpinfo: Info, reqinfo: Info, force: bool | None = None) -> None:
        """Remove a required group from a group."""
    def groupReqListUnblock(self, taginfo: Info, grpinfo: Info, reqinfo: Info) -> None:
        """Unblock a required group."""
    def hasPerm(self, perm: str, strict: bool = False) -> None:
        """Tell whether the logged-in user has a permission."""
    def hello(self, *args: Any) -> None:
        """Return a greeting."""
    def importArchive(self, filepath: str, buildinfo: BuildInfo, type: str, typeInfo: Mapping[str, Any]) -> None:
        """Import an uploaded archive."""
    def importRPM(self, path: str, basename: str) -> None:
        """Import an uploaded RPM."""
    def kiwiBuild(self, target: str | None, arches: Strings, desc_url: str, desc_path: str, optional_arches: Strings | None = None, profile: str | None = None, scratch: bool = False, priority: int | None = None, make_prep: bool = False, repos: Strings | None = None, release: str | None = None, type: str | None = None, type_attr: Strings | None = None, result_bundle_name_format: str | None = None, use_buildroot_repo: bool = True, version: str | None = None, repo_releasever: str | None = None) -> None:
        """Start a KIWI image (plugin kiwi); return the task's id."""
    def listArchiveFiles(self, archive_id: int, queryOpts: QueryOptions | None = None, strict: bool = False) -> None:
        """Return the files in an archive."""
    def listArchives(self, buildID: BuildInfo | None = None, buildrootID: int | None = None, componentBuildrootID: int | None = None, hostID: int | None = None, type: str | None = None, filename: str | None = None, size: int | None = None, checksum: str | None = None, checksum_type: int | None = None, typeInfo: Mapping[str, Any] | None = None, queryOpts: QueryOptions | None = None, imageID: int | None = None, archiveID: int | None = None, strict: bool = False) -> None:
        """Return archives."""
    def listBTypes(self, query: Mapping[str, Any] | None = None, queryOpts: QueryOptions | None = None) -> None:
        """Return the types of builds."""
    def listBuildRPMs(self, build: BuildInfo) -> None:
        """Return the RPMs of a build."""
    def listBuildroots(self, hostID: int | None = None, tagID: int | None = None, state: int | Sequence[int] | None = None, rpmID: int | None = None, archiveID: int | None = None, taskID: int | None = None, buildrootID: int | None = None, repoID: int | None = None, queryOpts: QueryOptions | None = None) -> None:
        """Return build roots."""
    @overload
    def listBuilds(self, packageID: Info | None = None, userID: Info | None = None, taskID: int | None = None, prefix: str | None = None, state: int | None = None, volumeID: int | None = None, source: str | None = None, createdBefore: float | str | None = None, createdAfter: float | str | None = None, completeBefore: float | str | None = None, completeAfter: float | str | None = None, type: str | None = None, typeInfo: Mapping[str, Any] | None = None, queryOpts: QueryOptions | None = None, pattern: str | None = None, cgID: Info | None = None, draft: bool | None = None, promotedBefore: float | str | None = None, promotedAfter: float | str | None = None, promoter: Info | None = None) -> None:
        """Return builds. Those of an unknown package are none."""
    @overload
    def listBuilds(self, *, package: Info, userID: Info | None = None, taskID: int | None = None, prefix: str | None = None, state: int | None = None, volumeID: int | None = None, source: str | None = None, createdBefore: float | str | None = None, createdAfter: float | str | None = None, completeBefore: float | str | None = None, completeAfter: float | str | None = None, type: str | None = None, typeInfo: Mapping[str, Any] | None = None, queryOpts: QueryOptions | None = None, pattern: str | None = None, cgID: Info | None = None, draft: bool | None = None, promotedBefore: float | str | None = None, promotedAfter: float | str | None = None, promoter: Info | None = None) -> None:
        """Return builds. Those of an unknown package are none."""
    def listCGs(self) -> None:
        """Return the content generators and who may use them, by name."""
    def listChannels(self, hostID: Info | None = None, event: int | None = None, enabled: bool | None = None) -> None:
        """Return channels."""
    def listExternalRepos(self, info: Info | None = None, url: str | None = None, event: int | None = None, queryOpts: QueryOptions | None = None) -> None:
        """Return external repos."""
    def listHosts(self, arches: str | Sequence[str] | None = None, channelID: Info | None = None, ready: bool | None = None, enabled: bool | None = None, userID: int | None = None, queryOpts: QueryOptions | None = None) -> None:
        """Return builders."""
    def listPackages(self, tagID: Info | None = None, userID: Info | None = None, pkgID: Info | None = None, prefix: str | None = None, inherited: bool = False, with_dups: bool = False, event: int | None = None, queryOpts: QueryOptions | None = None, with_owners: bool = True, with_blocked: bool = True) -> None:
        """Return packages, and how they are listed."""
    def listPackagesSimple(self, prefix: str | None = None, queryOpts: QueryOptions | None = None) -> None:
        """Return the names of packages."""
    def listRPMFiles(self, rpmID: Info, queryOpts: QueryOptions | None = None) -> None:
        """Return the files of an RPM."""
    def listRPMs(self, buildID: int | None = None, buildrootID: int | None = None, imageID: int | None = None, componentBuildrootID: int | None = None, hostID: int | None = None, arches: str | Sequence[str] | None = None, queryOpts: QueryOptions | None = None, draft: bool | None = None) -> None:
        """Return RPMs."""
    def listSideTags(self, basetag: Info | None = None, user: Info | None = None, queryOpts: QueryOptions | None = None) -> None:
        """Return side tags (plugin sidetag)."""
    def listTagged(self, tag: Info, event: int | None = None, inherit: bool = False, prefix: str | None = None, latest: bool | int = False, package: str | None = None, owner: str | None = None, type: str | None = None, strict: bool = True, extra: bool = False, draft: bool | None = None) -> None:
        """Return the builds in a tag."""
    def listTaggedArchives(self, tag: Info, event: int | None = None, inherit: bool = False, latest: bool | int = False, package: str | None = None, type: str | None = None, strict: bool = True, extra: bool = True) -> None:
        """Return the archives in a tag, and their builds."""
    def listTaggedRPMS(self, tag: Info, event: int | None = None, inherit: bool = False, latest: bool | int = False, package: str | None = None, arch: str | Sequence[str] | None = None, rpmsigs: bool = False, owner: str | None = None, type: str | None = None, strict: bool = True, extra: bool = True, draft: bool | None = None) -> None:
        """Return the RPMs in a tag, and their builds."""
    def listTags(self, build: BuildInfo | None = None, package: Info | None = None, perms: bool = True, queryOpts: QueryOptions | None = None, pattern: str | None = None) -> None:
        """Return tags: all, or those of a build or package."""
    @overload
    def listTaskOutput(self, taskID: int, stat: Literal[False] = False, all_volumes: Literal[False] = False, strict: bool = False) -> None:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTaskOutput(self, taskID: int, stat: Literal[True], all_volumes: Literal[False] = False, strict: bool = False) -> None:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTaskOutput(self, taskID: int, stat: Literal[False] = False, *, all_volumes: Literal[True], strict: bool = False) -> None:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTaskOutput(self, taskID: int, stat: Literal[True], all_volumes: Literal[True], strict: bool = False) -> None:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    @overload
    def listTaskOutput(self, taskID: int, stat: bool = False, all_volumes: bool = False, strict: bool = False) -> None:
        """Return the names of a task's files; with stat their details, with all_volumes the volumes of each, by name."""
    def listTasks(self, opts: TaskOptions | None = None, queryOpts: QueryOptions | None = None) -> None:
        """Return tasks, their requests and results decoded."""
    def listUsers(self, userType: int | None = 0, prefix: str | None = None, queryOpts: QueryOptions | None = None, perm: Info | None = None, inherited_perm: bool = False) -> None:
        """Return users."""
    def listVolumes(self) -> None:
        """Return all volumes."""
    def makeTask(self, method: str, arglist: list[Any] | tuple[Any, ...], *, parent: int | None = None, label: str | None = None, channel: str | None = None, arch: str | None = None, priority: int | None = None, assign: Info | None = None) -> None:
        """Make a task of any kind; return its id. Needs admin."""
    def massTag(self, tag: Info, builds: Sequence[BuildInfo]) -> None:
        """Tag many builds at once, unchecked. Needs the permission tag."""
    def mavenBuild(self, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'maven') -> None:
        """Start a Maven build; return the task's id."""
    def mavenEnabled(self) -> None:
        """Tell whether the hub takes Maven builds."""
    def mergeScratch(self, task_id: int) -> None:
        """Import a scratch build as a real one; return the build's id."""
    def moveAllBuilds(self, tag1: Info, tag2: Info, package: Info, force: bool = False) -> None:
        """Start the move of a package's builds; return the tasks' ids."""
    def moveBuild(self, tag1: Info, tag2: Info, build: BuildInfo, force: bool = False) -> None:
        """Start the move of a build; return the task's id."""
    def newGroup(self, name: str) -> None:
        """Make a group of users; return its id."""
    def newRepo(self, tag: Info, event: int | None = None, src: bool = False, debuginfo: bool = False, separate_src: bool = False) -> None:
        """Start a newRepo task, which makes a build repo; return its id. Prefer repo.request."""
    def osbuildImage(self, name: str, version: str, distro: str, image_type: str | Sequence[str], target: str | None, arches: Strings, opts: Mapping[str, Any] | None = None, priority: int | None = None) -> None:
        """Start an image by osbuild (its plugin); return the task's id."""
    def packageListAdd(self, taginfo: Info, pkginfo: Info, owner: Info | None = None, block: bool | None = None, extra_arches: str | None = None, force: bool = False, update: bool = False) -> None:
        """List a package in a tag."""
    def packageListBlock(self, taginfo: Info, pkginfo: Info, force: bool = False) -> None:
        """Block a package in a tag."""
    def packageListRemove(self, taginfo: Info, pkginfo: Info, force: bool = False) -> None:
        """Remove a package from a tag's list."""
    def packageListSetArches(self, taginfo: Info, pkginfo: Info, arches: str | None, force: bool = False) -> None:
        """Set the extra architectures of a package in a tag."""
    def packageListSetOwner(self, taginfo: Info, pkginfo: Info, owner: Info, force: bool = False) -> None:
        """Set the owner of a package in a tag."""
    def packageListUnblock(self, taginfo: Info, pkginfo: Info, force: bool = False) -> None:
        """Unblock a package in a tag."""
    def promoteBuild(self, build: BuildInfo, force: bool = False) -> None:
        """Make a draft build a regular one."""
    def queryHistory(self, tables: Strings | None = None, *, tag: Info | None = None, build: BuildInfo | None = None, package: Info | None = None, user: Info | None = None, editor: Info | None = None, permission: Info | None = None, external_repo: Info | None = None, build_target: Info | None = None, group: Info | None = None, cg: Info | None = None, host: Info | None = None, channel: Info | None = None, active: bool | None = None, before: float | str | None = None, after: float | str | None = None, beforeEvent: int | None = None, afterEvent: int | None = None, xkey: str | None = None, queryOpts: QueryOptions | None = None) -> None:
        """Return what changed, by table."""
    def queryRPMSigs(self, rpm_id: Info | None = None, sigkey: str | None = None, queryOpts: QueryOptions | None = None) -> None:
        """Return the signatures of RPMs."""
    def removeExternalRepoFromTag(self, tag_info: Info, repo_info: Info) -> None:
        """Remove an external repo from a tag."""
    def removeHostFromChannel(self, hostname: Info, channel_name: str) -> None:
        """Remove a builder from a channel."""
    def removeSideTag(self, sidetag: Info) -> None:
        """Remove a side tag and its target (plugin sidetag)."""
    def removeUserKrbPrincipal(self, user: Info, krb_principal: str) -> None:
        """Remove a Kerberos principal from a user; return the user's id."""
    def removeVolume(self, volume: Info) -> None:
        """Remove a volume."""
    def renameChannel(self, old: str, new: str) -> None:
        """Rename a channel. Prefer editChannel."""
    def repoDelete(self, repo_id: int) -> None:
        """Delete a repo; return how many things refer to it."""
    def repoExpire(self, repo_id: int) -> None:
        """Mark a repo as expired."""
    def repoInfo(self, repo_id: int, strict: bool = False) -> None:
        """Return a repo."""
    def repoProblem(self, repo_id: int) -> None:
        """Mark a repo as broken."""
    def resetBuild(self, build: BuildInfo) -> None:
        """Reset a failed or canceled build to an empty one. Needs admin."""
    def restartHosts(self, priority: int = 5, options: Mapping[str, Any] | None = None) -> None:
        """Start the restart of all builders; return the task's id."""
    def resubmitTask(self, taskID: int) -> None:
        """Start a failed or canceled top-level task again; return the new task's id."""
    def revokeCGAccess(self, user: Info, cg: Info) -> None:
        """Stop a user from importing as a content generator."""
    def revokePermission(self, userinfo: Info, permission: Info) -> None:
        """Revoke a permission from a user."""
    def runroot(self, tagInfo: Info, arch: str, command: str | Sequence[str], channel: str | None = None, *, packages: Strings | None = None, mounts: Strings | None = None, repo_id: int | None = None, skip_setarch: bool | None = None, weight: float | None = None, upload_logs: Strings | None = None, new_chroot: bool | None = None, keep: bool | None = None) -> None:
        """Run a command in a build root (plugin runroot); return the task's id."""
    def saveFailedTree(self, buildrootID: int, full: bool = False) -> None:
        """Save the build root of a failed task (plugin save_failed_tree); return the task's id."""
    def search(self, terms: str, type: str, matchType: str, queryOpts: QueryOptions | None = None) -> None:
        """Search by name: matchType is glob, regexp or exact."""
    def setBuildOwner(self, build: BuildInfo, user: Info) -> None:
        """Change the owner of a build."""
    def setBuildTimestamp(self, build: BuildInfo, ts: float | str) -> None:
        """Set when a build was completed."""
    def setInheritanceData(self, tag: Info, data: Mapping[str, Any] | Sequence[Mapping[str, Any]], clear: bool = False) -> None:
        """Change a tag's parents."""
    def setTaskPriority(self, task_id: int, priority: int, recurse: bool = True) -> None:
        """Set a task's priority, absolute: lower is sooner. Needs admin."""
    @overload
    def showOpts(self, as_string: Literal[True] = True) -> None:
        """Return the hub's configuration, as text. Needs admin."""
    @overload
    def showOpts(self, as_string: Literal[False]) -> None:
        """Return the hub's configuration, as text. Needs admin."""
    @overload
    def showOpts(self, as_string: bool = True) -> None:
        """Return the hub's configuration, as text. Needs admin."""
    def showSession(self) -> None:
        """Return the session that is used, as text."""
    def snapshotTag(self, src: Info, dst: Info, config: bool = True, pkgs: bool = True, builds: bool = True, groups: bool = True, latest_only: bool = True, inherit_builds: bool = True, event: int | None = None, force: bool = False) -> None:
        """Copy a tag into a new one."""
    def snapshotTagModify(self, src: Info, dst: Info, config: bool = True, pkgs: bool = True, builds: bool = True, groups: bool = True, latest_only: bool = True, inherit_builds: bool = True, event: int | None = None, force: bool = False, remove: bool = False) -> None:
        """Copy a tag over another."""
    def tagBuild(self, tag: Info | None, build: BuildInfo, force: bool = False, fromtag: Info | None = None) -> None:
        """Start the tagging of a build; return the task's id."""
    def tagBuildBypass(self, tag: Info, build: BuildInfo, force: bool = False, notify: bool = False) -> None:
        """Tag a build at once, without a task. Needs the permission tag."""
    def tagChangedSinceEvent(self, event: int, taglist: Sequence[int]) -> None:
        """Tell whether tags have changed since an event."""
    def tagFirstChangeEvent(self, tag: Info, after: int | None = None, inherit: bool = True) -> None:
        """Return the event of a tag's first change."""
    def tagLastChangeEvent(self, tag: Info, before: int | None = None, inherit: bool = True) -> None:
        """Return the event of a tag's last change."""
    def taskFinished(self, taskId: int) -> None:
        """Tell whether a task is closed, failed or canceled."""
    def untagBuild(self, tag: Info | None, build: BuildInfo, strict: bool = True, force: bool = False) -> None:
        """Untag a build."""
    def untagBuildBypass(self, tag: Info, build: BuildInfo, strict: bool = True, force: bool = False, notify: bool = False) -> None:
        """Untag a build without policy. Needs the permission tag."""
    def untaggedBuilds(self, name: str | None = None, queryOpts: QueryOptions | None = None, draft: bool | None = None) -> None:
        """Return the builds in no tag."""
    def updateNotification(self, id: int, package_id: int | None, tag_id: int | None, success_only: bool) -> None:
        """Change a build notification."""
    def uploadFile(self, path: str, name: str, size: int, md5sum: str, offset: int, data: str, volume: str | None = None, checksum: str | None = None) -> None:
        """Upload a piece of a file, base64. See Connection.upload."""
    def winBuild(self, vm: str, url: str, target: str | None, opts: Mapping[str, Any] | None = None, priority: int | None = None, channel: str = 'vm') -> None:
        """Start a build on Windows; return the task's id."""
    def winEnabled(self) -> None:
        """Tell whether the hub takes Windows builds."""
    def wrapperRPM(self, build: BuildInfo, url: str, target: str | None, priority: int | None = None, channel: str = 'maven', opts: Mapping[str, Any] | None = None) -> None:
        """Start the build of RPMs around a Maven build; return the task's id."""
    def writeSignedRPM(self, an_rpm: Info, sigkey: str, force: bool = False) -> None:
        """Write the signed copy of an RPM."""
