"""The names of the structs that hub methods return, for annotations.

At run time each is a :class:`munch.Munch`; the stub beside this file says what is in them.

Written by ``make api`` from the tables in ``api/``.
"""

from munch import Munch

__all__ = [
    "Archive",
    "ArchiveFile",
    "ArchiveType",
    "BuildConfig",
    "BuildLog",
    "BuildNotification",
    "BuildTarget",
    "Buildroot",
    "CGReservation",
    "ChangelogEntry",
    "Event",
    "ExternalRepo",
    "FullInheritance",
    "Host",
    "ImageBuild",
    "Inheritance",
    "ListedPackage",
    "LoggedInUser",
    "MavenBuild",
    "NameAndId",
    "PackageGroup",
    "PackageName",
    "Permission",
    "RPM",
    "RPMDependency",
    "RPMFile",
    "RPMSignature",
    "Repo",
    "RepoAnswer",
    "RepoRequest",
    "SessionInfo",
    "SideTag",
    "SideTagMade",
    "Tag",
    "TagExternalRepo",
    "TaggedBuild",
    "UntaggedBuild",
    "UploadState",
    "User",
    "WinBuild",
]

Archive = ArchiveFile = ArchiveType = BuildConfig = BuildLog = BuildNotification = BuildTarget = Buildroot = CGReservation = ChangelogEntry = Event = ExternalRepo = FullInheritance = Host = ImageBuild = Inheritance = ListedPackage = LoggedInUser = MavenBuild = NameAndId = PackageGroup = PackageName = Permission = RPM = RPMDependency = RPMFile = RPMSignature = Repo = RepoAnswer = RepoRequest = SessionInfo = SideTag = SideTagMade = Tag = TagExternalRepo = TaggedBuild = UntaggedBuild = UploadState = User = WinBuild = Munch
