"""What Buildbot's own reporters send, to a mail server and web servers that record it."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import reporters, steps, util
from buildbot.process.results import EXCEPTION, FAILURE
from buildbot.reporters.base import ReporterBase
from buildbot.reporters.generators.build import BuildStartEndStatusGenerator, BuildStatusGenerator
from buildbot.reporters.utils import getDetailsForBuild
from twisted.internet import defer, reactor
from twisted.mail.smtp import ESMTP, IMessage, IMessageDelivery, SMTPFactory, User
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from buildbot_koji.reporters.formatters import one_line_of
from tests.buildbot_koji.workbench import SOURCE, Workbench
from tests.docs.tutorial import blocks
from tests.support import REPOSITORY, until
from txkoji.exceptions import BuildError
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers.registry import HANDLERS
from txkoji.testing.methods.output import task_directory
from txkoji.testing.tables.state import Row

SHA = "0123456789abcdef0123456789abcdef01234567"
STAMP = {
    "branch": "main",
    # Gitea's reporter reads owner and name of no https address.
    "repository": "git@git.example.test:me/hello.git",
    "project": "me/hello",
    "revision": SHA,
}


CHAIN = [f"p{number}-1.0-1" for number in range(40)]
EVIL = "</pre><script>alert('1')</script>"
ODD: list[dict[str, Any]] = [
    {},
    {"koji_reason": "x y" * 350_000, "koji_nvr": "a-1-1"},
    {"koji_nvr": CHAIN[-1], "koji_nvrs": CHAIN, "koji_reason": EVIL},
    {"koji_nvr": "a-1-1,draft_7", "koji_failed_arch": EVIL},
    {"koji_nvr": {"a": EVIL}, "koji_reason": [EVIL, None], "koji_log_url": "https://[" + EVIL},
    {"koji_task_url": "javascript:alert(1)", "koji_build_url": f"https://k/'{EVIL}"},
    {"koji_nvr": "h\N{LATIN SMALL LETTER E WITH ACUTE}llo-1-1", "koji_reason": "a\nb: c\r\n\r\nd"},
    {"koji_nvr": "a-1-1", "koji_reason": "\N{PILE OF POO}" * 300},
    {"koji_reason": "\x00\x1b[31mred\x1b[0m \ud800"},
]
"""Properties of odd builds."""


@implementer(IMessage)
class _Mail:
    def __init__(self, mails: list[Any]) -> None:
        self._mails = mails
        self._lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        self._lines.append(line)

    def eomReceived(self) -> Any:  # noqa: N802
        self._mails.append(message_from_bytes(b"\n".join(self._lines), policy=policy.default))
        return defer.succeed(None)

    def connectionLost(self) -> None:  # noqa: N802
        """Forget what did not come whole."""


@implementer(IMessageDelivery)
class _Mailbox:
    """A mail server that takes everything.

    Attributes:
        mails: what came.
    """

    def __init__(self) -> None:
        self.mails: list[Any] = []

    def receivedHeader(self, *_: Any) -> bytes:  # noqa: N802
        return b"Received: by the test"

    def validateFrom(self, _helo: Any, origin: Any) -> Any:  # noqa: N802
        return origin

    def validateTo(self, _user: User) -> Any:  # noqa: N802
        return lambda: _Mail(self.mails)


class _Forge(Resource):
    """A forge's web API that takes everything.

    Attributes:
        states: the states of commits: the path of each, and what came.
    """

    isLeaf = True  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self.states: list[tuple[str, dict[str, Any]]] = []

    def render_POST(self, request: Any) -> bytes:  # noqa: N802
        self.states.append((request.path.decode(), json.load(request.content)))
        request.setResponseCode(201)
        return b"{}"

    def render_GET(self, _request: Any) -> bytes:  # noqa: N802
        return b'{"id": 7}'


class Sinks:
    """Where the reporters of a master send to."""

    def __init__(self) -> None:
        self.mailbox = _Mailbox()
        self.forge = _Forge()
        post = SMTPFactory()
        post.protocol = ESMTP
        post.buildProtocol = self._smtp  # type: ignore[method-assign]
        site = Site(self.forge)
        self._factories = post, site
        self.ports = [
            reactor.listenTCP(0, each, interface="127.0.0.1")  # type: ignore[attr-defined]
            for each in self._factories
        ]

    def _smtp(self, _address: Any) -> Any:
        protocol = ESMTP()
        protocol.delivery = self.mailbox
        protocol.factory = self._factories[0]
        protocol.portal = None
        return protocol

    @property
    def reporters(self) -> list[Any]:
        """The reporters, as the documentation has them."""
        smtp, web = (port.getHost().port for port in self.ports)
        url = f"http://127.0.0.1:{web}"
        mode = ("failing", "exception", "warnings")

        def line() -> list[Any]:
            formatter = util.KojiStatusFormatter()
            return [
                BuildStartEndStatusGenerator(start_formatter=formatter, end_formatter=formatter)
            ]

        return [
            *(
                reporters.MailNotifier(
                    name=f"mail-{kind}",
                    fromaddr="buildbot@example.test",
                    extraRecipients=[f"{kind}@example.test"],
                    sendToInterestedUsers=False,
                    relayhost="127.0.0.1",
                    smtpPort=smtp,
                    useTls=False,
                    generators=[
                        BuildStatusGenerator(
                            mode=mode,
                            message_formatter=util.KojiMessageFormatter(message_type=kind),
                        )
                    ],
                )
                for kind in ("plain", "html")
            ),
            reporters.GitHubStatusPush("token", baseURL=url, generators=line()),
            reporters.GitLabStatusPush("token", baseURL=url, generators=line()),
            reporters.BitbucketStatusPush(
                auth=("user", "password"), base_url=f"{url}/bitbucket", generators=line()
            ),
            reporters.GiteaStatusPush(url, "token", generators=line()),
        ]

    async def stop(self) -> None:
        """Close the ports."""
        for port in self.ports:
            await port.stopListening()


@pytest_twisted.async_yield_fixture
async def sinks() -> AsyncIterator[Sinks]:
    sinks = Sinks()
    yield sinks
    await sinks.stop()


async def send_odd_builds(master: Any, sinks: Sinks) -> None:
    """Let each reporter send what it makes of odd builds: all of it arrives, in its limits."""
    [number, *_] = [each["buildid"] for each in await master.data.get(("builds",))]
    real = await master.data.get(("builds", number))
    await getDetailsForBuild(master, real, want_properties=True)
    services = master.service_manager.namedServices.values()
    senders = [each for each in services if isinstance(each, ReporterBase)]
    assert len(senders) == 6
    for odd, results in itertools.product(ODD, (FAILURE, EXCEPTION)):
        properties = {name: (value, "Koji") for name, value in odd.items()}
        given = {**real, "results": results, "properties": {**real["properties"], **properties}}
        sinks.mailbox.mails.clear()
        sinks.forge.states.clear()
        for each in senders:
            [generator] = each.generators
            formatter = getattr(generator, "formatter", None) or generator.end_formatter
            report = await generator.build_message(formatter, master, each, given)
            await each.sendMessage([report])
        assert len(sinks.mailbox.mails) == 2, odd
        for mail in sinks.mailbox.mails:
            assert mail["Subject"].startswith("any: ")
            assert mail.get_content().strip()
        assert len(sinks.forge.states) == 4, odd
        assert all(0 < len(state["description"]) <= 140 for _, state in sinks.forge.states)


@pytest.mark.filterwarnings("ignore:twisted.internet.ssl.Protocol:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*HTTPClientService:DeprecationWarning")
@pytest_twisted.ensureDeferred
async def test_reporters(
    sinks: Sinks, tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure and an exception are mailed and sent to forges, with reason, links and log."""

    async def fails(builder: Builder, task: Row) -> None:
        path = f"{task_directory(task['id'])}/build.log"
        builder.hub.files.write(path, b"make\nhello.c:1: <b>bad</b> & ugly\n")
        raise BuildError("error building <i>package</i>; see build.log for more information")

    monkeypatch.setitem(HANDLERS, "buildArch", fails)
    directory = tmp_path / "master"
    directory.mkdir()
    bench = Workbench(directory, *sinks.reporters)
    await bench.open(empty_home)
    try:
        source = SOURCE.format("hello", "main")
        step = steps.KojiBuild(bench.profile, target="demo", source=source)
        ended = await bench.ended(await bench.begin(step, stamp=STAMP))
        assert ended.result == "failure"
        await until(lambda: len(sinks.mailbox.mails) == 2 and len(sinks.forge.states) == 8)
        mails = {each["To"].partition("@")[0]: each for each in sinks.mailbox.mails}
        plain, page = (mails[kind].get_content() for kind in ("plain", "html"))
        assert mails["plain"]["Subject"].startswith("any: hello-1.0-main: failure on ")
        for url in (
            ended.properties["koji_task_url"],
            ended.properties["koji_build_url"],
            ended.properties["koji_log_url"],
        ):
            assert url in plain
            assert f"<a href='{url}'>" in page
        assert "\nhello.c:1: <b>bad</b> & ugly\n" in plain
        assert "hello.c:1: &lt;b&gt;bad&lt;/b&gt; &amp; ugly" in page
        assert "error building &lt;i&gt;package" in page
        # The longest line of a log does not make the mail wider than a phone.
        assert "<pre style='overflow-wrap: anywhere; white-space: pre-wrap'>" in page
        assert "<b>" not in page
        assert "<i>" not in page
        told = sorted({each["description"] for _, each in sinks.forge.states})
        assert told[0] == "building in Koji"
        assert told[1].startswith("hello-1.0-main: failure on ")
        assert len(told) == 2
        ended_as = {path: each["state"] for path, each in sinks.forge.states}
        assert ended_as == {
            f"/repos/me/hello/statuses/{SHA}": "failure",
            f"/api/v4/projects/7/statuses/{SHA}": "failed",
            f"/bitbucket/me/hello/commit/{SHA}/statuses/build": "FAILED",
            f"/api/v1/repos/me/hello/statuses/{SHA}": "failure",
        }

        await send_odd_builds(bench.master, sinks)
        sinks.mailbox.mails.clear()
        step = steps.KojiBuild("no such profile", target="demo", source=source)
        ended = await bench.ended(await bench.begin(step, stamp=STAMP))
        assert ended.result == "exception"
        await until(lambda: len(sinks.mailbox.mails) == 2)
        assert "no such profile" in sinks.mailbox.mails[0].get_content()
    finally:
        await bench.close()


@pytest.mark.filterwarnings("ignore:twisted.internet.ssl.Protocol:DeprecationWarning")
@pytest_twisted.ensureDeferred
async def test_mail_of_regressions(sinks: Sinks, tmp_path: Path, empty_home: Path) -> None:
    """The how-to's mail names what a mass build built the time before, and nothing else."""
    text = (REPOSITORY / "docs" / "mass.rst").read_text(encoding="utf-8")
    [code] = [each for kind, _, each in blocks(text) if "class Regressions" in each]
    smtp = sinks.ports[0].getHost().port
    where = f'relayhost="127.0.0.1", smtpPort={smtp}, useTls=False,'
    code = code.replace('"rebuild"', '"any"').replace("sendTo", f"{where} sendTo", 1)
    services: list[Any] = []
    exec(code, {"c": {"services": services}})
    (directory := tmp_path / "master").mkdir()
    bench = Workbench(directory, *services)
    await bench.open(empty_home)
    names = ["p0", "p1", "failarch-1"]
    for name in names:
        bench.hub.add_package("demo-candidate", name)
    try:
        for bad in ([], [], ["p1"], ["p1"], ["p0", "p1"]):
            source = {
                each: SOURCE.format(each, "failsrpm" if each in bad else "x") for each in names
            }
            step = steps.KojiMassBuild(
                bench.profile, "demo", names, source=source.__getitem__, scratch=True
            )
            await bench.build(step)
        await until(lambda: len(sinks.mailbox.mails) >= 2)
        said = [(each["Subject"], each.get_content().split()[0]) for each in sinks.mailbox.mails]
        assert said == [("no longer built: 1", f"{each}:") for each in ("p1", "p0")]
    finally:
        await bench.close()


def build(results: int | None, state: str = "", **properties: Any) -> dict[str, Any]:
    found = {name: (value, "Koji") for name, value in properties.items()}
    complete = results is not None
    return {
        "results": results,
        "complete": complete,
        "started_at": 1,
        "state_string": state,
        "properties": found,
    }


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (build(None), "building in Koji"),
        ({**build(None), "started_at": None}, "waiting to be built in Koji"),
        (build(0, "build successful built hello-1-1", koji_nvr="hello-1-1"), "built hello-1-1"),
        (build(0, "tested", koji_nvr="hello-1-1"), "hello-1-1: tested"),
        (build(6, "cancelled", koji_package="hello"), "hello: cancelled"),
        (
            build(6, koji_package="hello", koji_reason="canceled task 7"),
            "hello: canceled: canceled task 7",
        ),
        (build(0, "built a-1-1", koji_nvr="a-1-1", koji_reason="tolerated"), "built a-1-1"),
        (build(0, "built a-1-1, b-1-1"), "built a-1-1, b-1-1"),
        (
            build(2, koji_nvr="hello-1-1", koji_reason="no\nspace", koji_failed_arch="s390x"),
            "hello-1-1: failure on s390x: no space",
        ),
        (
            build(2, koji_package="hello", koji_reason="unknown build target: dmeo"),
            "hello: failure: unknown build target: dmeo",
        ),
        (
            build(2, koji_nvr="a-1-1", koji_nvrs=["a-1-1"], koji_reason="b: no space"),
            "failure: b: no space",
        ),
        (build(4, koji_reason="the hub has not answered"), "exception: the hub has not answered"),
        ({"properties": {}}, "waiting to be built in Koji"),
    ],
)
def test_line(given: dict[str, Any], line: str) -> None:
    """One line gives the outcome of a build, whatever properties it has."""
    assert one_line_of(given) == line


def test_what_a_forge_refuses() -> None:
    """A text that is too long is cut, and an emoji, which GitHub refuses, replaced."""
    told = util.KojiStatusFormatter().format_message_for_build(None, build(0, "\U0001f4e6 a\xf6"))
    assert told.result["body"] == "\ufffd a\xf6"
    formatter = util.KojiStatusFormatter(length=20)
    told = formatter.format_message_for_build(None, build(2, koji_reason="x" * 500)).result
    assert told["body"] == told["subject"] == "failure: xxxxxxxx..."
    formatter = util.KojiStatusFormatter(length=2)
    assert formatter.format_message_for_build(None, build(4)).result["body"] == ".."


@pytest.mark.parametrize("results", range(7))
@pytest.mark.parametrize("properties", ODD)
def test_odd_builds(results: int, properties: dict[str, Any]) -> None:
    """Whatever a build's properties hold, a state is short, and a page is without their markup."""
    given = build(results, EVIL, **properties)
    [state, plain, page] = [
        each.format_message_for_build(None, given).result
        for each in (
            util.KojiStatusFormatter(),
            util.KojiMessageFormatter(),
            util.KojiMessageFormatter(message_type="html"),
        )
    ]
    assert 0 < len(state["body"]) <= 140
    assert "\n" not in state["body"] + plain["subject"]
    assert len(plain["subject"]) <= 200
    assert len(page["body"]) < 50_000
    assert "<script" not in page["body"]
    assert "href='javascript" not in page["body"]
    for nvr in properties.get("koji_nvrs", ()):
        assert nvr in plain["body"]
    if "koji_nvrs" in properties:
        assert "\nPackage: " not in plain["body"]


def test_worst_of_several_builds() -> None:
    """The subject of a buildset is about the build that went worst, as Buildbot orders results."""
    builds = [build(3, "skipped"), build(2, koji_nvr="a-1-1", koji_reason="no space"), build(0)]
    told = util.KojiMessageFormatter().format_message_for_buildset(None, {}, builds).result
    assert told["subject"] == " and 2 more: a-1-1: failure: no space"
