"""The table of hub methods: which only read, which write, which are about the session. Data.

It has the methods of Koji's hub (1.36) and its plugins. An unknown method counts as a write: a
plugin's method may do anything.
"""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """What a method does to the hub."""

    READ = "read"
    """Changes nothing: may be sent anonymously, in parallel, and retried."""
    WRITE = "write"
    """Changes something: sent one at a time, with a call number, never retried blindly."""
    SESSION = "session"
    """Concerns the session itself: sent inside it."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


SESSION_READS = _names("""
    checkUpload getLoggedInUser getPerms getSessionInfo hasPerm showSession
""")
"""Methods about the session that change nothing: they may be retried."""

SESSION_METHODS = SESSION_READS | _names("""
    exclusiveSession login logout logoutChild sharedSession sslLogin subsession
""")

POINT_LOOKUPS = _names("""
    getBuild getBuildTarget getBuildType getChannel getHost getPackage getPackageID getRPM
    getTag getTagID getTaskInfo getUser repoInfo taskFinished
""")
"""Reads of one row by its key: so light that many may be batched."""

READS = POINT_LOOKUPS | _names("""
    _listapi buildReferences checkTagAccess checkTagPackage count countAndFilterResults
    downloadTaskOutput echo error evalPolicy fault filterResults findBuildID getAPIVersion
    getActiveRepos getAllArches getAllPerms getArchive getArchiveFile getArchiveType
    getArchiveTypes getAverageBuildDuration getBuildConfig getBuildLogs getBuildNotification
    getBuildNotificationBlock getBuildNotificationBlocks getBuildNotifications
    getBuildTargets getBuildroot getBuildrootListing getChangelogEntries getEvent
    getExternalRepo getExternalRepoList getFullInheritance getGroupMembers getImageArchive
    getImageBuild getInheritanceData getKojiVersion getLastEvent getLastHostUpdate
    getLatestBuilds getLatestMavenArchives getLatestRPMS getMavenArchive getMavenBuild
    getNextRelease getPackageConfig getRPMChecksums getRPMDeps getRPMFile getRPMHeaders
    getRepo getTagExternalRepos getTagGroups getTaskChildren getTaskDescendents
    getTaskRequest getTaskResult getUserGroups getUserPerms getUserPermsInheritance
    getVolume getWinArchive getWinBuild hello host.checkPolicy host.evalPolicy host.getHost
    host.getHostTasks host.getID host.getLoadData host.getTasks host.isEnabled
    listArchiveFiles listArchives listBTypes listBuildRPMs listBuildroots listBuilds listCGs
    listChannels listExternalRepos listHosts listPackages listPackagesSimple listRPMFiles
    listRPMs listSideTags listTagged listTaggedArchives listTaggedRPMS listTags
    listTaskOutput listTasks listUsers listVolumes mavenEnabled queryHistory queryRPMSigs
    repo.autoRequests repo.checkRequest repo.get repo.getExternalRepoData repo.query
    repo.queryQueue repo.references scheduler.getHostData scheduler.getLogMessages
    scheduler.getTaskRefusals scheduler.getTaskRuns search showOpts system.listMethods
    system.methodHelp system.methodSignature tagChangedSinceEvent tagFirstChangeEvent
    tagLastChangeEvent untaggedBuilds winEnabled
""")

IDEMPOTENT_WRITES = _names("""
    cancelTask cancelTaskChildren cancelTaskFull setTaskPriority
""")
"""Idempotent writes, which also give the same answer again: they may be retried."""


def kind(method: str) -> Kind:
    """Return what a method does to the hub; an unknown one counts as a write."""
    if method in READS:
        return Kind.READ
    if method in SESSION_METHODS:
        return Kind.SESSION
    return Kind.WRITE
