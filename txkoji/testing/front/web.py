"""The embedded hub's files and pages over HTTP: ``/kojifiles`` with ranges, a small ``/koji``."""

from __future__ import annotations

import re
from html import escape
from typing import Any
from urllib.parse import unquote

from twisted.web.http import Request
from twisted.web.resource import Resource

from txkoji import build_states, task_states
from txkoji.testing.core import HubCore
from txkoji.testing.methods.output import task_directory
from txkoji.testing.methods.tasks import FINISHED
from txkoji.testing.tables.lookups.builds import build_struct
from txkoji.testing.tables.lookups.structs import rpm_name
from txkoji.testing.tables.state import Row

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def _path(request: Request) -> str:
    parts = [unquote(part.decode("ascii", "replace")) for part in getattr(request, "postpath", [])]
    return "/".join(part for part in parts if part not in ("", ".", ".."))


def _send(request: Request, data: bytes, content_type: bytes) -> bytes:
    request.setHeader(b"Content-Type", content_type)
    return data


class _Leaf(Resource):
    isLeaf = True

    def __init__(self, hub: HubCore) -> None:
        super().__init__()
        self.hub = hub


class FilesResource(_Leaf):
    """``/kojifiles``: the hub's file tree, read only."""

    def render_GET(self, request: Request) -> bytes:
        """Answer with a file, a range of it, or the list of a directory."""
        path = _path(request)
        files = self.hub.files
        if not files.exists(path):
            return self._directory(request, path)
        request.setHeader(b"Accept-Ranges", b"bytes")
        size = files.size(path)
        kind = b"text/plain" if path.endswith(".log") else b"application/octet-stream"
        wanted = _RANGE.fullmatch(request.getHeader("range") or "")
        if wanted is None or wanted.groups() == ("", ""):
            return _send(request, files.read(path), kind)
        first, last = wanted.groups()
        start = int(first) if first else max(0, size - int(last))
        end = min(int(last), size - 1) if first and last else size - 1
        if start >= size or end < start:
            request.setResponseCode(416)
            request.setHeader(b"Content-Range", b"bytes */%d" % size)
            return b""
        request.setResponseCode(206)
        request.setHeader(b"Content-Range", b"bytes %d-%d/%d" % (start, end, size))
        return _send(request, files.read(path, start, end - start + 1), kind)

    def _directory(self, request: Request, path: str) -> bytes:
        names = sorted({name.partition("/")[0] for name in self.hub.files.walk(path)})
        if not names:
            request.setResponseCode(404)
            return _send(request, b"404 Not Found\n", b"text/plain")
        links = "".join(f'<li><a href="{escape(name)}">{escape(name)}</a></li>' for name in names)
        page = f"<!DOCTYPE html><title>{escape(path)}</title><ul>{links}</ul>"
        return _send(request, page.encode(), b"text/html; charset=utf-8")


class PagesResource(_Leaf):
    """``/koji``: the pages that links to tasks, builds and logs point to."""

    def render_GET(self, request: Request) -> bytes:
        """Answer with a page, or 404 for one that the embedded hub lacks."""
        pages = {"taskinfo": self._task, "buildinfo": self._build, "getfile": self._file}
        page = pages.get(_path(request))
        arguments = {
            name.decode("ascii", "replace"): values[0].decode("utf-8", "replace")
            for name, values in (request.args or {}).items()
        }
        body = page(request, arguments) if page else None
        if body is None:
            request.setResponseCode(404)
            return _send(request, b"404 Not Found\n", b"text/plain")
        return body

    def _html(self, request: Request, title: str, rows: list[tuple[str, str]]) -> bytes:
        table = "".join(f"<tr><th>{escape(name)}</th><td>{cell}</td></tr>" for name, cell in rows)
        style = "body{font-family:sans-serif}th{text-align:left;padding-right:1em}"
        head = f"<!DOCTYPE html><title>{escape(title)}</title><style>{style}</style>"
        page = f"{head}<h1>{escape(title)}</h1><table>{table}</table>"
        return _send(request, page.encode(), b"text/html; charset=utf-8")

    def _row(self, table: str, text: str | None) -> Row | None:
        return self.hub.state.get(table, int(text)) if text and text.isdigit() else None

    def _task(self, request: Request, arguments: dict[str, str]) -> bytes | None:
        task = self._row("task", arguments.get("taskID"))
        if task is None:
            return None
        rows: list[tuple[str, str]] = [
            ("Method", escape(task["method"])),
            ("State", escape(task_states.to_str(task["state"]))),
            ("Request", escape(repr(task["request"]))),
        ]
        if task["fault"]:
            rows.append(("Result", escape(task["fault"][1])))
        for child in self.hub.task_children(task["id"]):
            link = f'<a href="taskinfo?taskID={child["id"]}">{escape(child["method"])}</a>'
            state = task_states.to_str(child["state"]).lower()
            rows.append(("Child", f"{link} {escape(str(child['label']))}: {escape(state)}"))
        for name in self.hub.files.walk(task_directory(task["id"])):
            link = (
                f'<a href="getfile?taskID={task["id"]}&amp;name={escape(name)}">{escape(name)}</a>'
            )
            rows.append(("Output", link))
        if task["state"] not in FINISHED:
            request.setHeader(b"Refresh", b"2")
        return self._html(request, f"Task {task['id']}", rows)

    def _build(self, request: Request, arguments: dict[str, str]) -> bytes | None:
        row = self._row("build", arguments.get("buildID"))
        if row is None:
            return None
        struct: dict[str, Any] = build_struct(self.hub.state, row)
        rows = [
            ("State", escape(build_states.to_str(struct["state"]))),
            ("Source", escape(str(struct["source"]))),
            ("Built by", escape(struct["owner_name"])),
            ("Task", f'<a href="taskinfo?taskID={struct["task_id"]}">{struct["task_id"]}</a>'),
        ]
        rpms = self.hub.state.rows("rpminfo", build_id=row["id"])
        rows += [("RPM", escape(rpm_name(rpm))) for rpm in rpms]
        return self._html(request, struct["nvr"], rows)

    def _file(self, request: Request, arguments: dict[str, str]) -> bytes | None:
        task_id, name = arguments.get("taskID", ""), arguments.get("name", "")
        path = f"{task_directory(int(task_id))}/{name}" if task_id.isdigit() else ""
        if not self.hub.files.exists(path):
            return None
        return _send(request, self.hub.files.read(path), b"text/plain; charset=utf-8")
