"""The JSON and the buttons of the Koji pages, over HTTP in a real master."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import reporters, steps, util
from sqlalchemy import event
from twisted.logger import capturedLogs

from buildbot_koji.changes.storage import SourceStorage
from buildbot_koji.durable.cancellations import CLASS as CANCELLATIONS
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.durable.store import MasterState
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.hubs.hub import get_hub, hubs_of
from buildbot_koji.hubs.survey import HISTORY_CLASS, HubSurvey
from buildbot_koji.left_tasks import LeftTasks
from buildbot_koji.mass.ended import EndedMassBuilds
from buildbot_koji.mass.status import running
from buildbot_koji.properties import CHANGE_SOURCE
from buildbot_koji.reporters.records import CLASS as REPORTERS
from buildbot_koji.reporters.records import DeliveryRecords, Position, position_key
from buildbot_koji.www import KojiApplication, collect
from buildbot_koji.www.collect import change_sources
from tests.buildbot_koji.workbench import SOURCE
from tests.buildbot_koji.www.served import ServedMaster
from tests.support import poll, until
from tests.support.ends import AtEnd
from tests.support.fault_proxy import Fate
from tests.support.hubs import hold
from tests.support.secret_net import SecretNet
from txkoji import Call, Submission
from txkoji.gathering import gather

PASSWORD = "a-planted-password-17"
PAGES_OF_NOW = ("tasks", "sources", "deliveries", "mass")


async def begin(made: ServedMaster, home: Path) -> None:
    await made.use_hub(home, profile="hub-www")
    made.hub.add_user("robot", password=PASSWORD)
    path = home / ".koji" / "config"
    login = f"authtype = password\nuser = robot\npassword = {PASSWORD}"
    path.write_text(path.read_text().replace("authtype = noauth", login))
    await made.start()


@pytest_twisted.async_fixture
async def served(tmp_path: Path, empty_home: Path, at_end: AtEnd) -> ServedMaster:
    made = ServedMaster(tmp_path, "hub-www")
    at_end(made.close)
    await begin(made, empty_home)
    return made


@pytest_twisted.async_fixture
async def guarded(tmp_path: Path, empty_home: Path, at_end: AtEnd) -> ServedMaster:
    """A master whose buttons only administrators may press."""
    authz = util.Authz(
        allowRules=[util.AnyControlEndpointMatcher(role="admins")],
        roleMatchers=[util.RolesFromUsername(roles=["admins"], usernames=["ann"])],
    )
    users = util.UserPasswordAuth([("ann", "ann's"), ("bob", "bob's")])
    made = ServedMaster(tmp_path, "hub-www", {"authz": authz, "auth": users})
    at_end(made.close)
    await begin(made, empty_home)
    return made


async def until_listening(served: ServedMaster) -> None:
    """Wait until the change source has polled."""

    async def listens() -> bool:
        [source] = (await served.ask("api/sources")).json["sources"]
        return bool(source["state"] == "listening")

    await poll(listens)


@pytest_twisted.ensureDeferred
async def test_pages(served: ServedMaster) -> None:
    """Each page shows what lives."""
    script = await served.ask("scripts.js")
    assert script.code == 200
    release = hold(served.hub, "buildArch")
    request = await served.begin(
        steps.KojiBuild(
            profile=served.profile, target="demo", source=SOURCE.format("hello", "main")
        )
    )
    await until(lambda: served.text().startswith("building"))

    async def has_arches() -> bool:
        [tree] = (await served.ask("api/tasks")).json["trees"]
        return len(tree["arches"]) == 3

    # The summary may be there before the tasks of the architectures are.
    await poll(has_arches)
    [hub] = (await served.ask("api/overview")).json["hubs"]
    assert (hub["name"], hub["state"], hub["watched"]) == ("hub-www", "ok", 1)

    [tree] = (await served.ask("api/tasks")).json["trees"]
    assert (tree["package"], tree["builder"], tree["build_number"]) == ("hello", "any", 1)
    assert tree["nvr"] == tree["label"] == "hello-1.0-main"
    assert {each["arch"] for each in tree["arches"]} == {"x86_64", "aarch64", "ppc64le"}

    [source] = (await served.ask("api/sources")).json["sources"]
    assert (source["name"], source["state"]) == ("koji", "listening")
    for revision in map(str, range(12)):
        properties = {CHANGE_SOURCE: "koji"}
        await served.master.data.updates.addChange(
            author="a", comments="", revision=revision, properties=properties
        )

    async def last_revisions() -> list[str]:
        [source] = (await served.ask("api/sources")).json["sources"]
        return [each["revision"] for each in source["last_changes"]]

    # The answer of a moment ago is given again.
    await poll(last_revisions)
    assert await last_revisions() == [str(11 - place) for place in range(10)]

    shown = (await served.ask("api/deliveries")).json["reporters"]
    assert [(each["name"], each["kind"]) for each in shown] == [
        ("gating", "KojiTagReporter"),
        ("tagging", "KojiTagReporter"),
    ]

    assert (await served.ask("health")).json == {"ok": True, "reasons": [], "warnings": []}
    release()
    await served.ended(request)
    assert (await served.ask("api/packages?q=HEL")).json == {"packages": ["hello"]}
    assert (await served.ask("api/packages?q=other")).json == {"packages": []}
    [build] = (await served.ask("api/package/hello")).json["builds"]
    assert (build["builder"], build["nvr"], build["results"]) == ("any", "hello-1.0-main", 0)
    assert (await served.ask("api/failures")).json == {"builds": [], "mass_builds": []}
    failing = steps.KojiBuild(
        profile=served.profile, target="demo", source=SOURCE.format("failarch", "main")
    )
    await served.ended(await served.begin(failing))
    [build] = (await served.ask("api/failures")).json["builds"]
    assert (build["nvr"], build["failed_arch"]) == ("failarch-1.0-main", "x86_64")
    assert build["reason"].startswith("error building package")
    source = SOURCE.format("{package}", "mass")
    mass = steps.KojiMassBuild(served.profile, "demo", ["failarch", "world"], source=source)
    await served.ended(await served.begin(mass))
    last, *_ = (await served.ask("api/failures")).json["builds"]
    assert (last["nvr"], last["builder"], last["build_number"]) == ("failarch-1.0-mass", "any", 3)
    assert last["log_url"]
    assert (await served.ask("api/packages?q=wor")).json == {"packages": ["world"]}
    [build] = (await served.ask("api/package/world")).json["builds"]
    assert (build["nvr"], build["results"]) == ("world-1.0-mass", 0)
    # A master that starts later reads the mass build from the database.
    [here], [ended] = running(served.master), await EndedMassBuilds(served.master).get()
    for each in ("id", "hub", "build_number", "summary", "failed", "failures_by_owner"):
        assert ended.status()[each] == here.status()[each], each
    assert list(ended.package_rows()) == list(here.package_rows())
    assert ended.status()["progress"][-1][1:] == [2, 1]
    chain = [[SOURCE.format("hello", "chain")], [SOURCE.format("failarch", "chain")]]
    await served.build(steps.KojiChainBuild(served.profile, target="demo", sources=chain))
    for package, nvr, results in (("hello", "hello-1.0-chain", 0), ("failarch", "failarch", 2)):
        last, *_ = (await served.ask(f"api/package/{package}")).json["builds"]
        assert (last["build_number"], last["nvr"], last["results"]) == (4, nvr, results)
    last, *_ = (await served.ask("api/failures")).json["builds"]
    assert last["nvr"] == "failarch"
    # The page's first look asked the hub what it is.
    [hub] = (await served.ask("api/overview")).json["hubs"]
    assert hub["version"]
    assert "default" in [each["name"] for each in hub["channels"]]
    assert hub["plugins"]


def test_options() -> None:
    """There are none: one that is given is named in the log."""
    application = KojiApplication("buildbot_koji.www", "Koji")
    with capturedLogs() as logged:
        application.setConfiguration({})
        application.setConfiguration({"colour": "red"})
    said = "www plugin 'koji' takes no options, not colour: did you mean 'koji': {}?"
    assert [each["mistake"] for each in logged] == [said]


@pytest_twisted.ensureDeferred
async def test_buttons(served: ServedMaster) -> None:
    """A button pauses, resumes and polls; only the page's own requests press it."""
    await until_listening(served)
    [source] = change_sources(served.master)
    assert (await served.press("api/sources/koji/pause")).json == {"message": "koji is paused"}
    await until(lambda: source.status().listener.state == "paused")
    [shown] = (await served.ask("api/sources")).json["sources"]
    assert shown["state"] == "paused"
    said = "koji is paused: it polls once it is resumed"
    assert (await served.press("api/sources/koji/poll")).json == {"message": said}
    assert (await served.ask("health")).code == 200
    assert (await served.press("api/sources/koji/resume")).code == 200
    await until(lambda: source.status().listener.state == "listening")
    [shown] = (await served.ask("api/sources")).json["sources"]
    assert shown["master"] == served.master.name
    polls = source._running.polls
    assert (await served.press("api/sources/koji/poll")).json == {"message": "koji polls now"}
    await until(lambda: source._running.polls > polls)

    redelivery = await served.press("api/deliveries/gating/redeliver", {"ids": None})
    assert redelivery.json == {"message": "no dead letters of gating"}
    for path, body, code in [
        ("api/sources/other/pause", None, 404),
        ("api/sources/other/poll", None, 404),
        ("api/sources/koji/explode", None, 404),
        ("api/deliveries/other/redeliver", None, 404),
        ("api/deliveries/gating/redeliver", {"ids": "all"}, 400),
        ("api/deliveries/gating/redeliver", ["no", "object"], 400),
    ]:
        assert (await served.press(path, body)).code == code

    # Another site's page can neither send the header nor hide where it is.
    path = "api/sources/koji/pause"
    assert (await served.ask(path, body={})).code == 403
    for name in ("Origin", "Referer"):
        reply = await served.press(path, **{name: "http://evil.example.test/"})
        assert (reply.code, "another site" in reply.json["message"]) == (403, True)
    for odd in ("null", "", "http://[", "file://"):
        assert (await served.press(path, Origin=odd)).code == 403
    # What a reverse proxy hands on.
    known = served.master.config.buildbotURL
    assert (await served.press("api/sources/koji/resume", Origin=known)).code == 200
    origin = served.url.removesuffix("/plugins/koji/")
    assert (await served.press("api/sources/koji/resume", Origin=origin)).code == 200
    [source_now] = (await served.ask("api/sources")).json["sources"]
    assert source_now["state"] == "listening"


@pytest_twisted.ensureDeferred
async def test_gates_and_dead_letters(served: ServedMaster, logged: list[str]) -> None:
    """A gate names the votes that are missing; a dead letter says why, and is sent again.

    What a removed reporter, hub or source left is reported, and waits for its return.
    """
    nvr = await served.built("hello")
    ended = await served.build(
        steps.KojiCall(profile=served.profile, method="getAPIVersion"), koji_nvr=nvr
    )
    assert ended.result == "success", ended.text

    async def shown(name: str) -> Any:
        found = (await served.ask("api/deliveries")).json["reporters"]
        return next(each for each in found if each["name"] == name)

    async def has_gate() -> bool:
        return bool((await shown("gating"))["gates"])

    await poll(has_gate)
    [gate] = (await shown("gating"))["gates"]
    missing = [{"builder": "other", "builder_id": None}]
    assert (gate["nvr"], gate["votes_missing"]) == (nvr, missing)
    assert gate["votes_there"] == [{"builder": "any", "result": "success"}]

    async def is_dead() -> bool:
        return bool((await shown("tagging"))["dead"])

    await poll(is_dead)
    # What needs a person comes first.
    first, *_ = (await served.ask("api/deliveries")).json["reporters"]
    assert first["name"] == "tagging"
    [letter] = (await shown("tagging"))["dead"]
    assert (letter["what"], letter["nvr"]) == (f"tag of {nvr}", nvr)
    assert (letter["builder"], letter["build_number"]) == ("any", 1)
    assert "nowhere" in letter["reason"]
    assert (await shown("tagging"))["does"] == "on success: tag into nowhere"

    async def both_count(number: int, words: str) -> None:
        async def do() -> bool:
            attention = (await served.ask("api/overview")).json["attention"]
            letters = [each["text"] for each in attention if "dead letter" in each["text"]]
            return (await shown("tagging"))["dead_count"] == number and letters == [words]

        await poll(do)

    # Both pages count those of all masters.
    await both_count(1, "1 dead letter of the reporter tagging")
    other = await served.master.db.masters.findMasterId("other")
    position = Position(9, [], [], [(letter["build_id"], "tag")], [])
    state = MasterState(served.master, "tagging", REPORTERS)
    await state.put(position_key(other), asdict(position))
    await both_count(2, "2 dead letters of the reporter tagging")
    await state.put(position_key(other), asdict(replace(position, dead=[])))
    path = "api/deliveries/tagging/redeliver"
    services = served.master.config_loader._services
    [tagging] = [each for each in services if each.name == "tagging"]
    services.remove(tagging)
    name = f"{served.master.name} koji-hub-gone"
    await MasterState(served.master, name, CANCELLATIONS).put("cancel m", {})
    await SourceStorage(served.master, "gone").put("held-0", [{"a": "change"}])
    await served.master.reconfig()
    [looking] = [each for each in served.master if isinstance(each, LeftTasks)]
    await looking.look()
    for words in (
        "tagging: no reporter of that name is configured, and 1 delivery of it has not arrived",
        "gone: tasks of stopped builds wait to be canceled on this hub, which no plugin can use",
        "gone: no change source of that name is configured, and it holds changes back",
    ):
        await until(lambda words=words: any(line.startswith(words) for line in logged))

    async def is_left() -> bool:
        return bool((await shown("tagging"))["kind"] == "not configured")

    await poll(is_left)
    assert (await shown("tagging"))["dead"] == [letter]
    await both_count(1, "1 dead letter of the reporter tagging")
    refused = await served.press(path)
    assert (refused.code, refused.json) == (
        404,
        {"message": "this master has no reporter tagging: it has gating"},
    )
    services.append(reporters.KojiTagReporter(name="tagging", **tagging._config_kwargs))
    await served.master.reconfig()
    nothing = await served.press(path, {"ids": ["other"]})
    assert nothing.json == {"message": "no dead letters of tagging"}
    served.hub.add_tag("nowhere")
    served.hub.add_package("nowhere", "hello")
    again = await served.press(path, {"ids": [letter["id"]]})
    assert again.json == {"message": "trying 1 dead letter of tagging again"}
    await until(lambda: nvr in [each["nvr"] for each in served.hub.call("listTagged", "nowhere")])

    async def is_settled() -> bool:
        reporter = await shown("tagging")
        return reporter["dead"] == reporter["pending"] == []

    await poll(is_settled)


@pytest_twisted.ensureDeferred
async def test_outage_and_history(served: ServedMaster) -> None:
    """An unreachable hub says since when and why; the history of a day survives a restart.

    It does so even if the database is unreachable when the master starts.
    """
    await until_listening(served)
    [hub] = hubs_of(served.master)
    await hub.survey.ask([1, 1])
    assert [each.ours for each in hub.status().survey.channels if each.ours] == [2]
    await hub.survey.sample(1, 5, 2)
    await hub.survey.sample(1, 6, 2)
    points = (await served.ask("api/history?hub=hub-www")).json["points"]
    *points, live = points
    assert [point[3:] for point in points] == [[1, 5, 2], [1, 1, 0]]
    assert live[3] == 0

    assert HubSurvey(hub.connection).point(0, 0, 0)[1:3] == (None, None)
    assert None not in live
    requester = hub.connection.client.requester
    # What the hub once did not say of itself is asked again.
    again, answer = HubSurvey(hub.connection), served.hub.answer
    served.hub.answer = lambda name, _, run: {} if name == "listChannels" else run()
    await again.ask([])
    assert again.result.channels == ()
    assert "listChannels" in (again.result.trouble or "")
    served.hub.answer = answer
    await again.ask([])
    assert [each.name for each in again.result.channels] == ["default"]
    assert again.result.trouble is None
    requester.limits = replace(limits := requester.limits, max_reply_bytes=200)
    await hub.survey.ask([])
    survey = hub.status().survey
    assert (survey.channels, hub.history()[-1][1:3]) == ((), (None, None))
    assert survey.trouble is not None
    assert "200" in survey.trouble
    served.hub.offline("maintenance until noon")
    requester.limits = replace(limits, deadline=0.1)
    await hub.survey.ask([])
    requester.limits = limits
    assert hub.history()[-1][1:4] == (None, None, 0)
    assert (await served.press("api/sources/koji/poll")).code == 200

    async def state() -> Any:
        [shown] = (await served.ask("api/overview")).json["hubs"]
        return shown

    async def is_unreachable() -> bool:
        return bool((await state())["state"] == "unreachable")

    await poll(is_unreachable)
    shown = await state()
    assert "maintenance until noon" in shown["reason"]
    assert shown["since"] >= shown["last_heard"]
    served.hub.online()

    # A hub that takes requests and answers none is noticed by the request that waits longest.
    assert (await served.press("api/sources/koji/poll")).code == 200
    await until(lambda: hub.connection.trouble is None)
    began = served.master.reactor.seconds()
    requester.limits = replace(limits, silence=0.3)
    served.proxy.decide = lambda _: Fate.STALL
    request = await served.begin(steps.KojiCall(profile=served.profile, method="getAPIVersion"))
    # Others ask the hub too, and notice it perhaps before the build has begun.
    await until(served.running)
    await poll(is_unreachable)
    shown = await state()
    # Since it was sent, not since it was noticed.
    assert began <= shown["since"] <= served.master.reactor.seconds() - 0.3
    assert shown["reason"].startswith("no answer to ")

    async def is_shown() -> bool:
        # It follows no task: what it waits for shows all the same.
        found = (await served.ask("api/tasks")).json["steps"]
        shown = [(each["name"], each["builder"], each["build_number"]) for each in found]
        return shown == [("koji call", "any", 1)] and "no answer to" in found[0]["text"]

    await poll(is_shown)
    health = (await served.ask("health")).json
    assert (health["ok"], "no answer to" in health["warnings"][0]) == (True, True)
    served.proxy.decide = lambda _: Fate.PASS
    await served.stop_build()
    await served.ended(request)

    refused = list[Any]()

    def refuse(_: Any, __: Any, ___: Any, parameters: Any, *____: Any) -> None:
        if "day" in parameters and not refused:
            refused.append(parameters)
            raise sqlite3.OperationalError("the server closed the connection")

    await hub.disownServiceParent()
    event.listen(served.master.db.pool.engine, "before_cursor_execute", refuse)
    again = await get_hub(served.master, served.profile)
    await until(lambda: [list(point) for point in again.survey.history] == points)
    event.remove(served.master.db.pool.engine, "before_cursor_execute", refuse)
    assert refused


@pytest_twisted.ensureDeferred
async def test_front_end_that_lets_nothing_through(served: ServedMaster) -> None:
    """A hub behind whatever answers in its place is down on each page, in health and metrics."""
    await until_listening(served)

    async def said() -> tuple[list[dict[str, Any]], list[str]]:
        found = (await served.ask("api/overview")).json["hubs"]
        for page in PAGES_OF_NOW:
            found += (await served.ask(f"api/{page}")).json["down"]
        [source] = (await served.ask("api/sources")).json["sources"]
        found += [source] if source["state"] != "listening" else []
        return found, (await served.ask("health")).json["warnings"]

    async def is_said(words: str) -> bool:
        found, warnings = await said()
        reasons = [f"{each['state']}: {each['reason']}" for each in found]
        is_everywhere = len(found) == 2 + len(PAGES_OF_NOW) and len(warnings) == 1
        return is_everywhere and all("unreachable: " in each and words in each for each in reasons)

    async def is_not_said() -> bool:
        found, warnings = await said()
        return [each["state"] for each in found] == ["ok"] and warnings == []

    since = set()
    for fate, words in (
        (Fate.PAGE_BEFORE, "a web page instead of"),
        (Fate.REFUSE, "HTTP status 403"),
    ):
        served.proxy.decide = lambda _, fate=fate: fate
        assert (await served.press("api/sources/koji/poll")).code == 200
        await poll(partial(is_said, words))
        since |= {each["since"] for each in (await said())[0]}
    # It is one outage, whatever is in the way, and began at one time.
    assert len(since) == 1
    up = b'koji_hub_up{hub="hub-www",link="hub-www"} 0.0'
    assert up in (await served.ask("metrics")).body
    served.proxy.decide = lambda _: Fate.PASS
    assert (await served.press("api/sources/koji/poll")).code == 200
    await poll(is_not_said)


@pytest_twisted.ensureDeferred
async def test_database_outage(
    served: ServedMaster, logged_failures: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page says that the database is unreachable, hides nothing, and logs no traceback."""
    await until_listening(served)
    source = SOURCE.format("{package}", "mass")
    mass = steps.KojiMassBuild(served.profile, "demo", ["world"], source=source)
    await served.ended(await served.begin(mass))
    # What ran in this master would not be read.
    monkeypatch.setattr(collect, "running", lambda _: [])

    def refuse(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "build_data" in statement:
            raise sqlite3.OperationalError("planted-secret: the server closed the connection")

    engine = served.master.db.pool.engine
    event.listen(engine, "before_cursor_execute", refuse)
    try:
        with capturedLogs() as logged:
            shown = await served.ask("api/mass")
    finally:
        event.remove(engine, "before_cursor_execute", refuse)
    words = "the master's database is unreachable: OperationalError"
    assert (shown.code, shown.json) == (503, {"message": words})
    ours = [each for each in logged if each.get("log_namespace", "").startswith("buildbot_koji")]
    assert [each["log_format"] for each in ours] == []
    # Buildbot's own.
    logged_failures.clear()
    [shown] = (await served.ask("api/mass")).json["mass_builds"]
    assert shown["build_number"] == 1


@pytest_twisted.ensureDeferred
async def test_other_masters(served: ServedMaster) -> None:
    """What another master has stored in the database they share is shown, too."""
    await until_listening(served)
    master = served.master
    request = await served.begin(steps.KojiCall(profile=served.profile, method="getAPIVersion"))
    await served.ended(request)
    other = await master.db.masters.findMasterId("other:/master")
    delivery = Delivery(1, "tag", "lane", {"build": "hello-1.0-7"}, 1e9, said="no route to host")
    await DeliveryRecords(master, "gating").save(delivery)
    state = {"mark": 9, "first": 0, "open": [1], "done": [], "dead": [], "revived": []}
    await MasterState(master, "gating", REPORTERS).put(f"master-{other}", state)
    intent = TaskIntent(Call("build", ["x"]), Submission("m", 1e9, 0), 1e9, 77)
    of_hub = MasterState(master, "other:/master koji-hub-hub-www", CANCELLATIONS)
    await of_hub.put("cancel m", intent.to_struct())

    shown = (await served.ask("api/deliveries")).json
    [gating] = [each for each in shown["reporters"] if each["name"] == "gating"]
    assert [each["reason"] for each in gating["pending"]] == ["no route to host"]
    assert [each["what"] for each in gating["pending"]] == ["tag of hello-1.0-7"]
    assert [each["task_id"] for each in shown["cancellations"]] == [77]
    masters = (await served.ask("api/overview")).json["masters"]
    assert [each["active"] for each in masters if each["name"] == "other:/master"] == [False]


@pytest_twisted.ensureDeferred
async def test_permission(guarded: ServedMaster) -> None:
    """Buildbot's own rules say who may press a button, and who may look."""
    await until_listening(guarded)
    path = "api/sources/koji/pause"
    for user in (None, "bob"):
        cookie = {} if user is None else await guarded.log_in(user, f"{user}'s")
        refused = await guarded.press(path, **cookie)
        assert (refused.code, refused.json["message"]) == (403, "you need to have role 'admins'")
    ann = await guarded.log_in("ann", "ann's")
    assert (await guarded.press(path, **ann)).code == 200
    assert (await guarded.ask("api/overview")).code == 200

    authz = guarded.master.www.authz
    authz.allowRules = [util.AnyEndpointMatcher(role="admins")]
    authz.setMaster(guarded.master)
    refused = await guarded.ask("api/overview")
    assert (refused.code, refused.json["message"]) == (403, "you need to have role 'admins'")
    assert (await guarded.ask("api/overview", **ann)).code == 200
    assert (await guarded.ask("health")).code == 200


@pytest_twisted.ensureDeferred
async def test_two_users(served: ServedMaster) -> None:
    """Each user of a hub is a link of its own, with its own metrics and history."""
    pytest.importorskip("prometheus_client")
    await until_listening(served)
    robot = util.KojiHub("hub-www", user="robot", password=PASSWORD)
    for method in ("getAPIVersion", "getLoggedInUser"):
        ended = await served.build(steps.KojiCall(profile=robot, method=method))
        assert ended.result == "success", ended.text
        # At first nobody has logged in.
        for hub in hubs_of(served.master):
            await hub.survey.ask([])
    users = {hub.status().survey.user for hub in hubs_of(served.master)}
    assert users == {None, "robot"}
    hubs = (await served.ask("api/overview")).json["hubs"]
    assert [each["name"] for each in hubs] == ["hub-www", "hub-www"]
    links = {each["link"] for each in hubs}
    assert (len(links), "hub-www" in links) == (2, True)
    metrics = (await served.ask("metrics")).body.decode().splitlines()
    series = [line.rpartition(" ")[0] for line in metrics if not line.startswith("#")]
    assert len(series) == len(set(series))
    for number, hub in enumerate(hubs_of(served.master)):
        await hub.survey.sample(number, 0, 0)
    for number, hub in enumerate(hubs_of(served.master)):
        points = (await served.ask(f"api/history?hub={hub.link}")).json["points"]
        assert points[-2][3] == number
        stored = MasterState(served.master, f"{served.master.name} {hub.link}", HISTORY_CLASS)
        assert (await stored.get("day", []))[-1][3] == number


@pytest_twisted.ensureDeferred
async def test_cheap(served: ServedMaster) -> None:
    """What did not change is not sent again, and fifty open pages ask the hub nothing more."""
    await until_listening(served)
    first = await served.ask("api/sources")
    assert first.headers["Cache-Control"] == "no-cache"
    again = await served.ask("api/packages", **{"If-None-Match": "nothing"})
    same = await served.ask("api/packages", **{"If-None-Match": again.headers["ETag"]})
    assert (same.code, same.body) == (304, b"")
    await served.ask("api/overview")
    [hub] = hubs_of(served.master)
    await until(lambda: hub.status().survey.plugins is not None)
    before = hub.connection.statistics.requests
    await gather([served.ask("api/overview") for _ in range(50)])
    assert hub.connection.statistics.requests == before
    assert (await served.ask("api/nothing")).code == 404


@pytest_twisted.ensureDeferred
async def test_no_secrets(served: ServedMaster, secret_net: SecretNet) -> None:
    """No page and no metric shows a password, a session key or what odd data hide in them."""
    pytest.importorskip("prometheus_client")
    release = hold(served.hub, "buildArch")
    request = await served.begin(
        steps.KojiBuild(
            profile=served.profile, target="demo", source=SOURCE.format("hello", "main")
        )
    )
    await until(lambda: served.text().startswith("building"))
    for path in (
        *("api/overview", "api/tasks", "api/sources", "api/deliveries", "api/history"),
        *("api/packages", "api/package/hello", "api/mass", "health", "metrics"),
    ):
        reply = await served.ask(path)
        assert reply.code == 200, path
        secret_net.hear(path, reply.body.decode())
    assert PASSWORD in secret_net.words
    assert secret_net.leaks() == []
    release()
    await served.ended(request)


@pytest_twisted.ensureDeferred
async def test_damaged_rows(served: ServedMaster, logged: list[str]) -> None:
    """Each page answers, whatever of ours is damaged in the database; the source says it."""
    await until_listening(served)
    await served.press("api/sources/koji/pause")

    def damage(connection: Any) -> None:
        for table, column in (("object_state", "value_json"), ("build_data", "value")):
            connection.exec_driver_sql(f"UPDATE {table} SET {column} = '{{\"' || {column}")

    await served.master.db.pool.do_with_transaction(damage)
    pages = ["overview", "tasks", "sources", "deliveries", "failures", "packages", "mass"]
    answers = [await served.ask(path) for path in (*(f"api/{each}" for each in pages), "metrics")]
    assert [each.code for each in answers] == [200] * len(answers)
    assert (await served.press("api/sources/koji/poll")).json == {"message": "koji polls now"}
    said = "holds the state 'paused' of 'koji', damaged"
    await until(lambda: any(said in line for line in logged))
    [source] = (await served.ask("api/sources")).json["sources"]
    assert said in source["reason"]
    # It takes either button to mend this one.
    assert (await served.press("api/sources/koji/resume")).code == 200
    await until_listening(served)
