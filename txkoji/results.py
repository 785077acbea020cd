"""The names of the structs that hub methods return, for annotations.

At run time each is a :class:`munch.Munch`; the stub beside this file says what is in them.

Written by ``make api`` from the tables in ``api/``.
"""

from munch import Munch

__all__ = """
Archive ArchiveFile ArchiveType BuildConfig BuildLog BuildNotification BuildTarget Buildroot
BuildrootRPM CGReservation ChangelogEntry ContentGenerator Event ExternalRepo FileStat
FullInheritance GroupedGroup GroupedPackage Host ImageArchive ImageBuild Inheritance
ListedPackage LoggedInUser MavenArchive MavenBuild NameAndId PackageGroup PackageName Permission
RPM RPMDependency RPMFile RPMSignature Repo RepoAnswer RepoRequest SessionInfo SideTag
SideTagMade Tag TagExternalRepo TaggedBuild UntaggedBuild UploadState User WinArchive WinBuild
""".split()  # pyright: ignore[reportUnsupportedDunderAll]

globals().update(dict.fromkeys(__all__, Munch))
