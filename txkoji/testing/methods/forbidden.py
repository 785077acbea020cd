"""Administration that the embedded hub leaves out: it answers like a hub that forbids it to all.

A client must tell a method that it may not call from one that does not exist.
"""

from __future__ import annotations

from typing import Any, NoReturn

from txkoji.exceptions import ActionNotAllowed, AuthError, GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import HubMethod, hub_method

BY_PERMISSION = {
    "admin": (
        "addArchiveType", "addBType", "addExternalRPM", "addGroupMember",
        "applyVolumePolicy", "changeBuildVolume", "dropGroupMember", "importArchive", "importRPM",
        "newGroup", "removeVolume", "resetBuild", "scheduler.doRun", "setBuildOwner",
        "setBuildTimestamp", "showOpts",
    ),
    "image-import": ("createImageBuild",),
    "maven-import": ("createMavenBuild",),
    "repo": ("repo.setExternalRepoData", "repo.setState", "repo.updateEndEvents"),
    "tag": ("editTag", "snapshotTagModify"),
    "win-import": ("createWinBuild",),
}  # fmt: skip
"""The methods that are refused for lack of a permission, by the permission."""

FOR_HOSTS = (
    "assertPolicy", "checkPolicy", "closeTask", "completeBuild", "completeImageBuild",
    "completeMavenBuild", "completeWinBuild", "createMavenBuild", "distRepoMove", "evalPolicy",
    "failBuild", "failTask", "freeTasks", "getHost", "getHostTasks", "getID", "getLoadData",
    "getTasks", "importArchive", "importImage", "importWrapperRPMs", "initBuild", "initImageBuild",
    "initMavenBuild", "initWinBuild", "isEnabled", "moveBuildToScratch", "moveImageBuildToScratch",
    "moveMavenBuildToScratch", "moveWinBuildToScratch", "newBuildRoot", "openTask", "refuseTask",
    "repoDone", "repoInit", "setBuildRootList", "setBuildRootState", "setHostData",
    "setTaskWeight", "subtask", "subtask2", "tagBuild", "tagNotification", "taskSetWait",
    "taskWait", "taskWaitResults", "updateBuildRootList", "updateBuildrootArchives", "updateHost",
    "updateMavenBuildRootList", "writeSignedRPM",
)  # fmt: skip
"""The methods that only builders may call, without their prefix ``host.``."""


def _refuse_without(permission: str) -> HubMethod:
    def refuse(call: MethodCall, *args: Any, **kwargs: Any) -> NoReturn:
        who = "user not logged in" if call.user is None else f"logged in as {call.user['name']}"
        raise ActionNotAllowed(f"{permission} permission required ({who})")

    return refuse


def _refuse_user(call: MethodCall, *args: Any, **kwargs: Any) -> NoReturn:
    if call.user is None:
        raise AuthError("Not logged-in")
    raise AuthError(f"User {call.user['id']} is not a host")


for _permission, _names in BY_PERMISSION.items():
    for _name in _names:
        hub_method(_name)(_refuse_without(_permission))
for _name in FOR_HOSTS:
    hub_method(f"host.{_name}", python_name=f"HostExports.{_name}")(_refuse_user)


@hub_method("addVolume")
def add_volume(call: MethodCall, name: Any, strict: bool = True) -> NoReturn:
    call.require_permission("admin")
    raise GenericError("please create the volume directory first")
