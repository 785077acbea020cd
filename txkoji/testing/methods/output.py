"""The output of tasks, read through the hub."""

from __future__ import annotations

import base64
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.tables.lookups.values import hub_error


def task_directory(task_id: int) -> str:
    """Return the directory of a task's output, below the hub's top directory."""
    return f"work/tasks/{task_id % 10000}/{task_id}"


@hub_method("listTaskOutput(taskID, stat=False, all_volumes=False, strict=False)")
def list_task_output(
    call: MethodCall, taskID: Any, stat: bool, all_volumes: bool, strict: bool
) -> Any:
    """Return the names of a task's files; with all_volumes, the volumes of each."""
    if strict:
        call.require("task with output", taskID)
    directory = task_directory(int(taskID))
    files = call.hub.files
    names = list(files.walk(directory))
    if not stat:
        return {name: ["DEFAULT"] for name in names} if all_volumes else names
    output: dict[str, Any] = {}
    for name in names:
        path = f"{directory}/{name}"
        modified = files.modified(path)
        status = {
            "st_atime": modified,
            "st_ctime": modified,
            "st_mtime": modified,
            "st_size": str(files.size(path)),
        }
        output[name] = {"DEFAULT": status} if all_volumes else status
    return output


@hub_method("downloadTaskOutput(taskID, fileName, offset=0, size=-1, volume=None)")
def download_task_output(
    call: MethodCall, taskID: Any, fileName: str, offset: Any, size: Any, volume: Any
) -> str:
    """Return a part of a task's file, base64."""
    if ".." in fileName:
        raise GenericError(f"Invalid file name: {fileName}")
    if volume is not None and call.state.one("volume", name=volume) is None:
        raise GenericError(f"No such volume: {volume}")
    path = "/".join((task_directory(taskID), fileName))
    files = call.hub.files
    if not files.exists(path):
        raise GenericError(f'no file "{fileName}" output by task {taskID}')
    start = int(offset)
    if start < 0:
        start += files.size(path)
    if start < 0 or int(size) < -1:
        raise hub_error(f"{OSError}: [Errno 22] Invalid argument")
    return base64.encodebytes(files.read(path, start, int(size))).decode("ascii").replace("\n", "")
