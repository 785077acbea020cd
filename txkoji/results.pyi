"""The structs that hub methods return.

Written by ``make api`` from the tables in ``api/``.
"""

from typing import Any, Literal, overload

from txkoji.package import Package

class Tag(dict[str, Any]):
    """A tag, as getTag and listTags return it."""

    id: int
    name: str
    arches: str | None
    locked: bool
    perm: str | None
    perm_id: int | None
    maven_support: bool
    maven_include_all: bool
    extra: dict[str, Any]
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["arches", "perm"]) -> str | None: ...
    @overload
    def __getitem__(self, key: Literal["locked", "maven_support", "maven_include_all"]) -> bool: ...
    @overload
    def __getitem__(self, key: Literal["perm_id"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["extra"]) -> dict[str, Any]: ...

class BuildConfig(Tag):
    """What a build in a tag is configured with."""

    config_inheritance: dict[str, Any]
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["arches", "perm"]) -> str | None: ...
    @overload
    def __getitem__(self, key: Literal["locked", "maven_support", "maven_include_all"]) -> bool: ...
    @overload
    def __getitem__(self, key: Literal["perm_id"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["extra", "config_inheritance"]) -> dict[str, Any]: ...

class BuildTarget(dict[str, Any]):
    """A build target."""

    id: int
    name: str
    build_tag: int
    build_tag_name: str
    dest_tag: int
    dest_tag_name: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "build_tag", "dest_tag"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name", "build_tag_name", "dest_tag_name"]) -> str: ...

class Inheritance(dict[str, Any]):
    """A parent of a tag."""

    child_id: int
    parent_id: int
    name: str
    priority: int
    maxdepth: int | None
    intransitive: bool
    noconfig: bool
    pkg_filter: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["child_id", "parent_id", "priority"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name", "pkg_filter"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["maxdepth"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["intransitive", "noconfig"]) -> bool: ...

class FullInheritance(Inheritance):
    """A tag that another inherits from, however far above."""

    currdepth: int
    nextdepth: int | None
    filter: list[Any]
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["child_id", "parent_id", "priority", "currdepth"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name", "pkg_filter"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["maxdepth", "nextdepth"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["intransitive", "noconfig"]) -> bool: ...
    @overload
    def __getitem__(self, key: Literal["filter"]) -> list[Any]: ...

class SideTag(dict[str, Any]):
    """A side tag."""

    id: int
    name: str
    user_id: str
    user_name: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name", "user_id", "user_name"]) -> str: ...

class SideTagMade(dict[str, Any]):
    """A side tag that was just made."""

    id: int
    name: str
    task_id: int | None
    request: RepoAnswer | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["task_id"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["request"]) -> RepoAnswer | None: ...

class User(dict[str, Any]):
    """A user, a builder's user or a group."""

    id: int
    name: str
    status: int
    usertype: int
    krb_principals: list[str]
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "status", "usertype"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["krb_principals"]) -> list[str]: ...

class LoggedInUser(User):
    """The logged-in user."""

    authtype: int
    krb_principal: str | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "status", "usertype", "authtype"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["krb_principals"]) -> list[str]: ...
    @overload
    def __getitem__(self, key: Literal["krb_principal"]) -> str | None: ...

class Permission(dict[str, Any]):
    """A permission that users can hold."""

    id: int
    name: str
    description: str | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["description"]) -> str | None: ...

class SessionInfo(dict[str, Any]):
    """A session."""

    id: int
    user_id: int
    authtype: int
    callnum: int | None
    exclusive: bool | None
    expired: bool
    master: int | None
    start_time: str
    start_ts: float
    update_time: str
    update_ts: float
    renew_time: str | None
    renew_ts: float | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "user_id", "authtype"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["callnum", "master"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["exclusive"]) -> bool | None: ...
    @overload
    def __getitem__(self, key: Literal["expired"]) -> bool: ...
    @overload
    def __getitem__(self, key: Literal["start_time", "update_time"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["start_ts", "update_ts"]) -> float: ...
    @overload
    def __getitem__(self, key: Literal["renew_time"]) -> str | None: ...
    @overload
    def __getitem__(self, key: Literal["renew_ts"]) -> float | None: ...

class BuildNotification(dict[str, Any]):
    """A build notification, or a notification block."""

    id: int
    user_id: int
    package_id: int | None
    tag_id: int | None
    success_only: bool
    email: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "user_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["package_id", "tag_id"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["success_only"]) -> bool: ...
    @overload
    def __getitem__(self, key: Literal["email"]) -> str: ...

class Host(dict[str, Any]):
    """A builder."""

    id: int
    user_id: int
    name: str
    arches: str
    capacity: float
    task_load: float
    enabled: bool
    ready: bool
    description: str | None
    comment: str | None
    update_ts: float | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "user_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name", "arches"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["capacity", "task_load"]) -> float: ...
    @overload
    def __getitem__(self, key: Literal["enabled", "ready"]) -> bool: ...
    @overload
    def __getitem__(self, key: Literal["description", "comment"]) -> str | None: ...
    @overload
    def __getitem__(self, key: Literal["update_ts"]) -> float | None: ...

class Buildroot(dict[str, Any]):
    """A build root."""

    id: int
    br_type: int
    arch: str | None
    container_arch: str | None
    container_type: str | None
    host_arch: str | None
    host_id: int | None
    host_name: str | None
    host_os: str | None
    cg_id: int | None
    cg_name: str | None
    cg_version: str | None
    repo_id: int | None
    repo_state: int | None
    state: int | None
    tag_id: int | None
    tag_name: str | None
    task_id: int | None
    extra: dict[str, Any] | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "br_type"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["arch", "container_arch", "container_type", "host_arch", "host_name", "host_os", "cg_name", "cg_version", "tag_name"]) -> str | None: ...
    @overload
    def __getitem__(self, key: Literal["host_id", "cg_id", "repo_id", "repo_state", "state", "tag_id", "task_id"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["extra"]) -> dict[str, Any] | None: ...

class NameAndId(dict[str, Any]):
    """What has a name and an id."""

    id: int
    name: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name"]) -> str: ...

class PackageName(Package):
    """The name of a package."""

    package_id: int
    package_name: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["package_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["package_name"]) -> str: ...

class ListedPackage(PackageName):
    """A package; of a tag, also how it is listed there."""

    tag_id: int
    tag_name: str
    owner_id: int
    owner_name: str
    extra_arches: str | None
    blocked: bool
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["package_id", "tag_id", "owner_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["package_name", "tag_name", "owner_name"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["extra_arches"]) -> str | None: ...
    @overload
    def __getitem__(self, key: Literal["blocked"]) -> bool: ...

class GroupedPackage(dict[str, Any]):
    """A package in a group of packages."""

    group_id: int
    tag_id: int
    package: str
    type: str
    basearchonly: bool | None
    requires: str | None
    blocked: bool
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["group_id", "tag_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["package", "type"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["basearchonly"]) -> bool | None: ...
    @overload
    def __getitem__(self, key: Literal["requires"]) -> str | None: ...
    @overload
    def __getitem__(self, key: Literal["blocked"]) -> bool: ...

class GroupedGroup(dict[str, Any]):
    """A group that a group of packages needs."""

    group_id: int
    req_id: int
    tag_id: int
    name: str
    type: str
    is_metapkg: bool
    blocked: bool
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["group_id", "req_id", "tag_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name", "type"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["is_metapkg", "blocked"]) -> bool: ...

class PackageGroup(dict[str, Any]):
    """A group of packages in a tag."""

    group_id: int
    tag_id: int
    name: str
    display_name: str
    description: str | None
    langonly: str | None
    biarchonly: bool
    exported: bool
    uservisible: bool
    is_default: bool | None
    blocked: bool
    packagelist: list[GroupedPackage]
    grouplist: list[GroupedGroup]
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["group_id", "tag_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name", "display_name"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["description", "langonly"]) -> str | None: ...
    @overload
    def __getitem__(self, key: Literal["biarchonly", "exported", "uservisible", "blocked"]) -> bool: ...
    @overload
    def __getitem__(self, key: Literal["is_default"]) -> bool | None: ...
    @overload
    def __getitem__(self, key: Literal["packagelist"]) -> list[GroupedPackage]: ...
    @overload
    def __getitem__(self, key: Literal["grouplist"]) -> list[GroupedGroup]: ...

class Repo(dict[str, Any]):
    """A repo that builds are made in, or a signed one."""

    id: int
    tag_id: int
    tag_name: str
    state: int
    dist: bool
    create_event: int
    create_ts: float
    creation_time: str
    creation_ts: float
    state_time: str
    state_ts: float
    begin_event: int | None
    begin_ts: float | None
    end_event: int | None
    end_ts: float | None
    opts: dict[str, Any] | None
    custom_opts: dict[str, Any] | None
    task_id: int | None
    task_state: int | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "tag_id", "state", "create_event"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["tag_name", "creation_time", "state_time"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["dist"]) -> bool: ...
    @overload
    def __getitem__(self, key: Literal["create_ts", "creation_ts", "state_ts"]) -> float: ...
    @overload
    def __getitem__(self, key: Literal["begin_event", "end_event", "task_id", "task_state"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["begin_ts", "end_ts"]) -> float | None: ...
    @overload
    def __getitem__(self, key: Literal["opts", "custom_opts"]) -> dict[str, Any] | None: ...

class RepoRequest(dict[str, Any]):
    """A repo request."""

    id: int
    tag_id: int
    tag_name: str
    priority: int
    owner: int
    owner_name: str
    opts: dict[str, Any]
    at_event: int | None
    min_event: int | None
    create_time: str
    create_ts: float
    update_time: str
    update_ts: float
    active: bool
    tries: int
    task_id: int | None
    task_state: int | None
    repo_id: int | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "tag_id", "priority", "owner", "tries"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["tag_name", "owner_name", "create_time", "update_time"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["opts"]) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: Literal["at_event", "min_event", "task_id", "task_state", "repo_id"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["create_ts", "update_ts"]) -> float: ...
    @overload
    def __getitem__(self, key: Literal["active"]) -> bool: ...

class RepoAnswer(dict[str, Any]):
    """The answer to a request for a repo."""

    repo: Repo | None
    request: RepoRequest | None
    duplicate: bool
    task: dict[str, Any] | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["repo"]) -> Repo | None: ...
    @overload
    def __getitem__(self, key: Literal["request"]) -> RepoRequest | None: ...
    @overload
    def __getitem__(self, key: Literal["duplicate"]) -> bool: ...
    @overload
    def __getitem__(self, key: Literal["task"]) -> dict[str, Any] | None: ...

class ExternalRepo(dict[str, Any]):
    """A repo outside of the hub."""

    id: int
    name: str
    url: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name", "url"]) -> str: ...

class TagExternalRepo(dict[str, Any]):
    """An external repo of a tag."""

    external_repo_id: int
    external_repo_name: str
    url: str
    priority: int
    merge_mode: str
    arches: str | None
    tag_id: int
    tag_name: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["external_repo_id", "priority", "tag_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["external_repo_name", "url", "merge_mode", "tag_name"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["arches"]) -> str | None: ...

class Event(dict[str, Any]):
    """A change of the hub's database."""

    id: int
    ts: float
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["ts"]) -> float: ...

class FileStat(dict[str, Any]):
    """The size of a task's file, a number as a text, and its times in seconds since the epoch."""

    st_size: str
    st_atime: float
    st_mtime: float
    st_ctime: float
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["st_size"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["st_atime", "st_mtime", "st_ctime"]) -> float: ...

class BuildLog(dict[str, Any]):
    """Where a log of a build is."""

    name: str
    dir: str
    path: str
    def __getitem__(self, key: Literal["name", "dir", "path"]) -> str: ...  # type: ignore[override]

class UntaggedBuild(dict[str, Any]):
    """A build in no tag."""

    id: int
    name: str
    version: str
    release: str
    draft: bool
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name", "version", "release"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["draft"]) -> bool: ...

class MavenBuild(dict[str, Any]):
    """The Maven side of a build."""

    build_id: int
    group_id: str
    artifact_id: str
    version: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["build_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["group_id", "artifact_id", "version"]) -> str: ...

class WinBuild(dict[str, Any]):
    """The Windows side of a build."""

    build_id: int
    platform: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["build_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["platform"]) -> str: ...

class ImageBuild(dict[str, Any]):
    """The image side of a build."""

    build_id: int
    def __getitem__(self, key: Literal["build_id"]) -> int: ...  # type: ignore[override]

class CGReservation(dict[str, Any]):
    """An NVR that a content generator has reserved."""

    build_id: int
    token: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["build_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["token"]) -> str: ...

class ChangelogEntry(dict[str, Any]):
    """An entry of a changelog."""

    author: str
    date: str
    date_ts: int
    text: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["author", "date", "text"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["date_ts"]) -> int: ...

class RPM(dict[str, Any]):
    """An RPM."""

    id: int
    name: str
    version: str
    release: str
    epoch: int | None
    arch: str
    nvr: str
    draft: bool
    build_id: int | None
    buildroot_id: int | None
    buildtime: int
    size: int
    payloadhash: str
    external_repo_id: int
    external_repo_name: str
    metadata_only: bool
    extra: dict[str, Any] | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "buildtime", "size", "external_repo_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name", "version", "release", "arch", "nvr", "payloadhash", "external_repo_name"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["epoch", "build_id", "buildroot_id"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["draft", "metadata_only"]) -> bool: ...
    @overload
    def __getitem__(self, key: Literal["extra"]) -> dict[str, Any] | None: ...

class RPMDependency(dict[str, Any]):
    """What an RPM requires or provides."""

    name: str
    version: str
    flags: int
    type: int
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["name", "version"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["flags", "type"]) -> int: ...

class RPMFile(dict[str, Any]):
    """A file of an RPM."""

    name: str
    digest: str
    digest_algo: str
    md5: str
    flags: int
    group: str
    mode: int
    mtime: int
    rpm_id: int
    size: int
    user: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["name", "digest", "digest_algo", "md5", "group", "user"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["flags", "mode", "mtime", "rpm_id", "size"]) -> int: ...

class RPMSignature(dict[str, Any]):
    """A signature of an RPM."""

    rpm_id: int
    sigkey: str
    sighash: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["rpm_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["sigkey", "sighash"]) -> str: ...

class Archive(dict[str, Any]):
    """An archive of a build."""

    id: int
    build_id: int
    btype: str
    btype_id: int
    buildroot_id: int | None
    checksum: str
    checksum_type: int
    compression_type: str | None
    extra: dict[str, Any] | None
    filename: str
    metadata_only: bool
    size: int
    type_id: int
    type_name: str
    type_description: str
    type_extensions: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "build_id", "btype_id", "checksum_type", "size", "type_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["btype", "checksum", "filename", "type_name", "type_description", "type_extensions"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["buildroot_id"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["compression_type"]) -> str | None: ...
    @overload
    def __getitem__(self, key: Literal["extra"]) -> dict[str, Any] | None: ...
    @overload
    def __getitem__(self, key: Literal["metadata_only"]) -> bool: ...

class MavenArchive(dict[str, Any]):
    """The Maven side of an archive."""

    archive_id: int
    group_id: str
    artifact_id: str
    version: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["archive_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["group_id", "artifact_id", "version"]) -> str: ...

class WinArchive(dict[str, Any]):
    """The Windows side of an archive."""

    archive_id: int
    relpath: str
    platforms: str
    flags: str | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["archive_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["relpath", "platforms"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["flags"]) -> str | None: ...

class ImageArchive(dict[str, Any]):
    """The image side of an archive."""

    archive_id: int
    arch: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["archive_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["arch"]) -> str: ...

class ContentGenerator(dict[str, Any]):
    """What imports builds that it made elsewhere."""

    id: int
    users: list[str]
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["users"]) -> list[str]: ...

class BuildrootRPM(dict[str, Any]):
    """An RPM in a build root."""

    id: int
    build_id: int | None
    name: str
    version: str
    release: str
    epoch: int | None
    arch: str
    is_update: bool
    external_repo_id: int
    external_repo_name: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "external_repo_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["build_id", "epoch"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["name", "version", "release", "arch", "external_repo_name"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["is_update"]) -> bool: ...

class ArchiveFile(dict[str, Any]):
    """A file in an archive."""

    archive_id: int
    name: str
    size: int
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["archive_id", "size"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name"]) -> str: ...

class ArchiveType(dict[str, Any]):
    """A type of archive."""

    id: int
    name: str
    description: str
    extensions: str
    compression_type: str | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name", "description", "extensions"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["compression_type"]) -> str | None: ...

class UploadState(dict[str, Any]):
    """How much of an uploaded file the hub has."""

    size: int
    mtime: float
    sumlength: int
    hexdigest: str
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["size", "sumlength"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["mtime"]) -> float: ...
    @overload
    def __getitem__(self, key: Literal["hexdigest"]) -> str: ...

class TaggedBuild(dict[str, Any]):
    """A build in a tag, beside its RPMs or archives."""

    id: int
    build_id: int
    name: str
    version: str
    release: str
    epoch: int | None
    nvr: str
    state: int
    draft: bool
    package_id: int
    package_name: str
    task_id: int | None
    owner_id: int
    owner_name: str
    tag_id: int
    tag_name: str
    volume_id: int
    volume_name: str
    create_event: int
    creation_event_id: int
    creation_time: str
    start_time: str | None
    completion_time: str | None
    promoter_id: int | None
    promoter_name: str | None
    promotion_time: str | None
    @overload  # type: ignore[override]
    def __getitem__(self, key: Literal["id", "build_id", "state", "package_id", "owner_id", "tag_id", "volume_id", "create_event", "creation_event_id"]) -> int: ...
    @overload
    def __getitem__(self, key: Literal["name", "version", "release", "nvr", "package_name", "owner_name", "tag_name", "volume_name", "creation_time"]) -> str: ...
    @overload
    def __getitem__(self, key: Literal["epoch", "task_id", "promoter_id"]) -> int | None: ...
    @overload
    def __getitem__(self, key: Literal["draft"]) -> bool: ...
    @overload
    def __getitem__(self, key: Literal["start_time", "completion_time", "promoter_name", "promotion_time"]) -> str | None: ...

