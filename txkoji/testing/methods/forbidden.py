"""Administration that the embedded hub leaves out: it answers like a hub that forbids it to all.

A client must tell a method that it may not call from one that does not exist.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from txkoji.exceptions import AuthError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare

WITHOUT_EFFECT = (
    "repo.autoRequests()",
    "repo.checkQueue()",
    "repo.setExternalRepoData(external_repo_id, data)",
    "repo.updateEndEvents()",
    "scheduler.doRun(force=False)",
)
"""The methods that do nothing here, even for a user with the permission."""

FOR_HOSTS = re.findall(
    r"\b\w+\([^()]*\)",
    """
    assertPolicy(name, data, default='deny') checkPolicy(name, data, default='deny', strict=False)
    closeTask(task_id, response) completeBuild(task_id, build_id, srpm, rpms, brmap=None, logs=None)
    completeImageBuild(task_id, build_id, results)
    completeMavenBuild(task_id, build_id, maven_results, rpm_results)
    completeWinBuild(task_id, build_id, results, rpm_results)
    createMavenBuild(build_info, maven_info) distRepoMove(repo_id, uploadpath, arch)
    evalPolicy(name, data) failBuild(task_id, build_id) failTask(task_id, response) freeTasks(tasks)
    getHost() getHostTasks() getID() getLoadData() getTasks()
    importArchive(filepath, buildinfo, type, typeInfo) importImage(task_id, build_info, results)
    importWrapperRPMs(task_id, build_id, rpm_results) initBuild(data)
    initImageBuild(task_id, build_info) initMavenBuild(task_id, build_info, maven_info)
    initWinBuild(task_id, build_info, win_info) isEnabled()
    moveBuildToScratch(task_id, srpm, rpms, logs=None) moveImageBuildToScratch(task_id, results)
    moveMavenBuildToScratch(task_id, results, rpm_results)
    moveWinBuildToScratch(task_id, results, rpm_results) newBuildRoot(repo, arch, task_id=None)
    openTask(task_id) refuseTask(task_id, soft=True, msg='')
    repoDone(repo_id, data, expire=False, repo_json_updates=None)
    repoInit(tag, task_id=None, event=None, opts=None)
    setBuildRootList(brootid, rpmlist, task_id=None) setBuildRootState(brootid, state, task_id=None)
    setHostData(hostdata) setTaskWeight(task_id, weight) subtask(method, arglist, parent, **opts)
    subtask2(_HostExports__parent, _HostExports__taskopts, _HostExports__method, *args, **opts)
    tagBuild(task_id, tag, build, force=False, fromtag=None)
    tagNotification(is_successful, tag_id, from_id, build_id, user_id, ignore_success=False,
    failure_msg='')
    taskSetWait(parent, tasks) taskWait(parent) taskWaitResults(parent, tasks, canfail=None)
    updateBuildRootList(brootid, rpmlist, task_id=None)
    updateBuildrootArchives(brootid, task_id, archives, project=False)
    updateHost(task_load, ready, data=None)
    updateMavenBuildRootList(brootid, task_id, mavenlist, ignore=None, project=False,
    ignore_unknown=False, extra_deps=None)
    writeSignedRPM(an_rpm, sigkey, force=False)
    """,
)
"""The methods that only builders may call, without their prefix ``host.``."""


def _do_nothing(call: MethodCall, *_: Any) -> None:
    pass


def _refuse_user(call: MethodCall, *_: Any, **__: Any) -> NoReturn:
    if call.user is None:
        raise AuthError("Not logged-in")
    raise AuthError(f"User {call.user['id']} is not a host")


for _signature in WITHOUT_EFFECT:
    declare(_signature, _do_nothing)
for _signature in FOR_HOSTS:
    declare(f"host.{_signature}", _refuse_user)
