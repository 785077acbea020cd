"""What is stored about a submission."""

from __future__ import annotations

import json

from buildbot_koji.durable.task_intents import TaskIntent
from txkoji import Call, Submission

INTENT = TaskIntent(
    Call("build", ("src", "demo", {"scratch": True}), {"priority": 5}),
    Submission("abc", 12.5, 7, 1),
    10.0,
    earlier=(3, 4),
)

STORED_BY_1_0 = (
    '{"call": {"method": "build", "args": ["src", "demo", {"scratch": true}],'
    ' "kwargs": {"priority": 5}}, "submission": {"marker": "abc", "submitted": 12.5,'
    ' "newest_task": 7, "owner": 1}, "began": 10.0, "task_id": null, "adopted": false,'
    ' "earlier": [3, 4]}'
)
"""What earlier versions stored: a build may span an upgrade."""


def test_stored_form() -> None:
    """The stored form is that of earlier versions, and gives the same intent."""
    stored, earlier = json.loads(json.dumps(INTENT.to_struct())), json.loads(STORED_BY_1_0)
    assert stored["submission"].pop("newest_created") is None
    assert stored.pop("cancel_on") is None
    assert stored == earlier
    assert TaskIntent.from_struct(json.loads(STORED_BY_1_0)) == INTENT
