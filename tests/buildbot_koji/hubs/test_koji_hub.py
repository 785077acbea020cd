"""``util.KojiHub``: a hub with its credentials, from Buildbot's secrets."""

from __future__ import annotations

import base64
import gc
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps, util
from buildbot.process.properties import Properties
from twisted.internet import reactor

from buildbot_koji.durable.cancellations import CLASS, PENDING, Canceled
from buildbot_koji.durable.database import transact
from buildbot_koji.durable.store import MasterState
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.hubs.hub import get_hub, hubs_of
from buildbot_koji.left_tasks import LeftTasks
from buildbot_koji.orphans import OrphanReleaser
from tests.buildbot_koji.workbench import SOURCE, Workbench
from tests.support import until
from tests.support.checkconfig import mistakes
from tests.support.ends import AtEnd
from txkoji import Call, task_states
from txkoji.exceptions import BrokenConfiguration, KojiException

PASSWORD = "correct horse"
KEYTAB = base64.encodebytes(b"\x05\x02" + bytes(100)).decode()


def call(bench: Workbench, **credentials: Any) -> Any:
    """Make a step that requires a login."""
    hub = util.KojiHub(bench.profile, **credentials)
    return steps.KojiCall(hub, method="getLoggedInUser", login=True)


@pytest_twisted.ensureDeferred
async def test_password_from_a_secret(bench: Workbench) -> None:
    """A secret logs in, once while it stays the same, and is shown nowhere."""
    bench.hub.add_user("robot", password=PASSWORD)
    bench.secrets["koji"] = PASSWORD
    for _ in range(2):
        step = call(bench, user="robot", password=util.Secret("koji"))
        ended = await bench.build(step)
        assert (ended.result, ended.properties["koji_call_result"]["name"]) == ("success", "robot")
        assert PASSWORD not in repr(ended)
        assert PASSWORD not in repr(step)
    assert bench.hub.calls["login"] == 1
    assert PASSWORD not in repr([service.name for service in bench.master])

    robot = bench.hub.call("getUser", "robot")["id"]
    with bench.hub.state.transaction():
        bench.hub.state.update("users", robot, password="another")
    bench.secrets["koji"] = "another"
    ended = await bench.build(call(bench, user="robot", password=util.Secret("koji")))
    assert (ended.result, bench.hub.calls["login"]) == ("success", 2)


@pytest_twisted.ensureDeferred
async def test_services_take_it_too(bench: Workbench) -> None:
    """Services use the same object, and share the session."""
    bench.hub.add_user("robot", password=PASSWORD)
    bench.secrets["koji"] = PASSWORD
    named = util.KojiHub(bench.profile, user="robot", password=util.Secret("koji"))
    hub = await get_hub(bench.master, named)
    assert await get_hub(bench.master, named) is hub
    assert await get_hub(bench.master, bench.profile) is not hub
    await hub.log_in()
    assert (await hub.connection.getLoggedInUser()).name == "robot"
    assert PASSWORD not in f"{named!r} {hub.name} {hub.connection!r}"


@pytest.mark.parametrize("of", ["this master", "a master that is dead", "one that dies later"])
@pytest_twisted.ensureDeferred
async def test_pending_cancellation_outlives_the_password(bench: Workbench, of: str) -> None:
    """A pending cancellation resumes after a restart, unasked, even with another password.

    Another master resumes that of a dead one.
    """
    master = bench.master
    if of == "one that dies later":
        await OrphanReleaser.getService(master)
    bench.hub.builder.seconds = 60
    bench.hub.add_user("robot", password=PASSWORD)
    bench.secrets["koji"] = PASSWORD
    named = util.KojiHub(bench.profile, user="robot", password=util.Secret("koji"))
    hub = await get_hub(bench.master, named)
    await hub.log_in()
    call = Call("build", [SOURCE.format("hello", "main"), "demo", {"scratch": True}])
    submission = await hub.connection.submissions.begin(call)
    task_id = await hub.connection.submissions.submit(call, submission)
    bench.hub.offline()
    intent = TaskIntent(call, submission, 0.0, task_id)
    assert await hub.cancellations.cancel(intent, 0.5) is Canceled.PENDING
    [pending] = hub.cancellations.status()
    assert (pending.intent.task_id, pending.intent.call.method) == (task_id, "build")
    await hub.disownServiceParent()
    if of != "this master":
        dead = await master.db.masters.findMasterId("dead:/master")
        masters = master.db.model.masters
        long_ago = masters.update().where(masters.c.id == dead).values(last_active=0)
        await transact(master, lambda connection: connection.execute(long_ago) and None)
        names = [f"{name} {hub.identity}" for name in (master.name, "dead:/master")]
        mine, of_dead = [MasterState(master, name, CLASS) for name in names]
        await mine.move(PENDING, of_dead)

    robot = bench.hub.call("getUser", "robot")["id"]
    with bench.hub.state.transaction():
        bench.hub.state.update("users", robot, password="another")
    bench.secrets["koji"] = "another"
    bench.hub.online()
    bench.use_steps(steps.KojiCall(named, method="getAPIVersion"))
    if of == "one that dies later":
        [looking] = [each for each in master if isinstance(each, LeftTasks)]
        await looking.look()
    else:
        await OrphanReleaser.getService(master)
    [again] = await until(lambda: hubs_of(bench.master))
    await until(lambda: bench.hub.call("getTaskInfo", task_id)["state"] == task_states.CANCELED)
    await until(lambda: again.cancellations.status() == [])


@pytest_twisted.ensureDeferred
async def test_secret_that_is_not_there(bench: Workbench) -> None:
    """A secret that no provider has is named, in one line."""
    ended = await bench.build(call(bench, user="robot", password=util.Secret("no-such")))
    assert ended.result == "exception"
    assert ended.text == (
        f"password of KojiHub('{bench.profile}'): secret key no-such is not found in any provider"
    )


@pytest_twisted.ensureDeferred
async def test_contents_of_files(bench: Workbench) -> None:
    """A keytab may be a secret itself: it is in a file for the master alone while it is used."""
    bench.secrets["keytab"] = KEYTAB
    hub = await get_hub(
        bench.master,
        util.KojiHub(bench.profile, principal="robot@EXAMPLE.TEST", keytab=util.Secret("keytab")),
    )
    settings = hub.connection.settings
    assert (settings.authtype, settings.principal) == ("kerberos", "robot@EXAMPLE.TEST")
    path = Path(settings.keytab or "")
    assert path.read_bytes() == base64.b64decode(KEYTAB)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    await hub.disownServiceParent()
    del hub, settings
    gc.collect()
    assert not path.parent.exists()


@pytest_twisted.ensureDeferred
async def test_values_that_are_neither_path_nor_content(bench: Workbench) -> None:
    """A value that is neither a path nor a file's content is reported without showing it."""
    for name, value in {"keytab": "etc/robot.keytab", "cert": "robot.pem"}.items():
        with pytest.raises(BrokenConfiguration, match="neither an absolute path nor") as caught:
            await get_hub(bench.master, util.KojiHub(bench.profile, **{name: value}))
        assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "profile is missing"),
        ({"profile": 5}, "profile=5 must be a non-empty string"),
        ({"profile": "koji", "user": "a"}, "user can't be used without password"),
        (
            {"profile": "koji", "user": "a", "password": 12345},
            "password must be a non-empty string",
        ),
        (
            {"profile": "koji", "cert": "/c", "keytab": util.Secret("k")},
            "keytab and cert exclude each other: choose one way to log in",
        ),
        *[
            (
                {"profile": "koji", "user": "a", "password": value},
                "password can't come from a property, which every page shows: use util.Secret",
            )
            for value in (
                util.Property("x12345"),
                util.Interpolate("%(prop:x12345)s"),
                util.Interpolate("a" * 300 + "%(prop:x12345)s"),
                [util.Property("x12345")],
                util.Transform(str, util.Property("x12345")),
            )
        ],
    ],
)
def test_mistakes(arguments: dict[str, Any], words: str) -> None:
    """A mistake is one line at ``buildbot checkconfig``, without any value that may be secret."""
    [complaint] = mistakes(util.KojiHub, **arguments)
    assert complaint.startswith(f"KojiHub: {words}")
    assert "12345" not in complaint


@pytest_twisted.ensureDeferred
async def test_certificate_text_is_named(empty_home: Path, at_end: AtEnd) -> None:
    """An error in a certificate given as text names the argument, not a temporary file."""
    (empty_home / ".koji").mkdir()
    profile = "[fake]\nserver = https://koji.example.test/kojihub\n"
    (empty_home / ".koji" / "config").write_text(profile, encoding="utf-8")
    text = "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n"
    connection = (await util.KojiHub("fake", cert=text).getRenderingFor(Properties())).connect(
        reactor
    )
    at_end(connection.close)
    with pytest.raises(KojiException) as refused:
        await connection.login()
    assert "can't read text of util.KojiHub('fake')" in str(refused.value)
    assert "/cert" not in str(refused.value)
