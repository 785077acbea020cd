"""``buildbot-koji doctor`` finds each planted fault, and nothing wrong with a good setup."""

from __future__ import annotations

import copy
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.web import resource, server, static

from buildbot_koji.cli.doctor.broker import check_broker
from buildbot_koji.cli.doctor.command import examine
from buildbot_koji.cli.doctor.database import check_database
from buildbot_koji.cli.doctor.network import answer_to, way_to
from tests.support import PROCESS_LIMIT, forks, until
from tests.support.brokers import PASSWORD, USER, RabbitMQ
from tests.support.ends import AtEnd
from tests.support.peers import Peer
from txkoji import Connection, TaskWatcher
from txkoji.bus import AMQP, AMQP1, Broker, Publisher, Receiver, ReceiverState
from txkoji.exceptions import AuthError, GenericError
from txkoji.testing import FakeHub
from txkoji.testing.front.certificates import CertificateAuthority

pytestmark = pytest.mark.hub(tls=True, anonymous_user=None, build_seconds=0.1)

CONFIG = """
from buildbot.plugins import changes, reporters, schedulers, steps, util, worker
c = BuildmasterConfig = {{
    "buildbotNetUsageData": None,
    "protocols": {{"null": {{}}}},
    "db": {{"db_url": "{db}"}},
    "workers": [worker.LocalWorker("w")],
    "change_source": [
        changes.KojiChangeSource("fake", name="s", tags=["{tag}"], packages=["{package}"]{bus})
    ],
    "builders": [
        util.BuilderConfig(
            name="b",
            workernames=["w"],
            factory=util.BuildFactory([
                steps.KojiBuild("fake", target="{target}", source="git+https://a.example/b.git#c"),
                steps.KojiTag("fake", tag="demo-released", builds=util.Property("koji_nvr")),
                {step}
            ]),
        )
    ],
    "schedulers": [schedulers.AnyBranchScheduler(name="all", builderNames=["b"])],
    "services": [{services}],
    {more}
}}
"""


@dataclass
class Site:
    """A machine with a master.cfg and a koji.conf, and a hub."""

    hub: FakeHub
    home: Path
    monkeypatch: pytest.MonkeyPatch
    at_end: AtEnd

    def __post_init__(self) -> None:
        (self.home / ".koji").mkdir()
        self.profile = self.home / ".koji" / "config"
        self.profile.write_text(self.hub.profile_text("fake", user="kojiadmin"), encoding="utf-8")
        (self.home / "state.sqlite").touch()
        self.values = {
            "db": "sqlite:///state.sqlite",
            "tag": "demo-candidate",
            "package": "hello",
            "target": "demo",
            "step": "",
            "bus": "",
            "services": "",
            "more": "",
        }

    def set(self, key: str, value: str | None) -> None:
        """Change a setting of the profile; None takes it away."""
        text = re.sub(rf"(?m)^{key} =.*\n", "", self.profile.read_text(encoding="utf-8"))
        line = "" if value is None else f"{key} = {value}\n"
        self.profile.write_text(f"{text}{line}", encoding="utf-8")

    def serve(
        self, *, interface: str = "127.0.0.1", days: float | None = None, page: Any = None
    ) -> str:
        """Serve a page, or a file without byte ranges; with TLS if its certificate's days are given."""
        resource = page or static.Data(b"0123456789", "application/octet-stream")
        resource.isLeaf = True
        site = server.Site(resource)
        if days is None:
            port = reactor.listenTCP(0, site, interface=interface)
        else:
            authority = self.hub.authority
            authority.days_valid = days
            pem = str(authority.server("127.0.0.1"))
            context = DefaultOpenSSLContextFactory(pem, pem)
            port = reactor.listenSSL(0, site, context, interface=interface)
        self.at_end(port.stopListening)
        scheme = "http" if days is None else "https"
        return f"{scheme}://{interface}:{port.getHost().port}"

    def write_config(self) -> Path:
        """Write the master.cfg; returns its path."""
        path = self.home / "master.cfg"
        path.write_text(CONFIG.format(**self.values), encoding="utf-8")
        return path

    async def doctor(self, *, profile_only: bool = False) -> tuple[int, list[dict[str, Any]]]:
        """Return the exit status and all findings."""
        path = self.write_config()
        out = io.StringIO()
        status = await examine(
            reactor,
            out,
            profile="fake",
            config=None if profile_only else path,
            as_json_text=True,
        )
        subjects = json.loads(out.getvalue())["subjects"]
        return status, [each for subject in subjects for each in subject["findings"]]

    async def queue(self, bus: str) -> tuple[int, str, str]:
        """Return the exit status, and the level and text of the finding about a bus's queue."""
        self.values["bus"] = bus
        status, found = await self.doctor()
        [queue] = [each for each in found if each["check"] == "queue"]
        return status, queue["level"], queue["text"]

    async def refused(self, bus: str, check: str, *words: str) -> None:
        """Prove that the only thing wrong with a bus is an error of a check, in these words."""
        self.values["bus"] = bus
        status, found = await self.doctor()
        [refused] = [each for each in found if each["level"] != "ok"]
        assert (status, refused["level"], refused["check"]) == (2, "error", check)
        said = f"{refused['text']} {refused['remedy']}"
        assert all(each in said for each in words), said
        assert "planted-secret" not in json.dumps(found)


@pytest.fixture
def site(hub: FakeHub, empty_home: Path, monkeypatch: pytest.MonkeyPatch, at_end: AtEnd) -> Site:
    """Give a good setup."""
    return Site(hub, empty_home, monkeypatch, at_end)


def _bad_certificate(site: Site) -> None:
    path = site.home / "bad.pem"
    path.write_text("no certificate", encoding="utf-8")
    site.set("cert", str(path))


def _open_certificate(site: Site) -> None:
    # The directory of a test lets nobody else in.
    directory = Path(tempfile.mkdtemp())
    site.at_end(shutil.rmtree, directory)
    directory.chmod(0o755)
    path = directory / "me.pem"
    shutil.copyfile(site.hub.certificate("kojiadmin"), path)
    path.chmod(0o644)
    site.set("cert", str(path))


def _maintenance(site: Site) -> None:
    page = static.Data(b"<html>back at noon", "text/html")
    page.render_POST = page.render_GET  # type: ignore[attr-defined]
    site.set("server", f"{site.serve(days=30, page=page)}/kojihub")


def _peer(**said: Any) -> Callable[[Site], None]:
    """Let the hub be a server of another kind."""
    return lambda site: site.set("server", f"https://{Peer(**said).start(site.at_end)}/kojihub")


def _unknown_ca(site: Site) -> None:
    other = CertificateAuthority(site.home)
    site.set("serverca", str(other.certificate_path))


def _one_listed_elsewhere(site: Site) -> None:
    site.hub.call("packageListAdd", "demo-build", "elsewhere", "kojiadmin")
    site.values["package"] = "elsewhere"


def _stopped_hosts(site: Site) -> None:
    site.hub.call("disableHost", "builder1")


def _locked(site: Site) -> None:
    site.hub.call("editTag2", "demo-released", locked=True)


def _wrong_password(site: Site) -> None:
    for key, value in (("authtype", "password"), ("user", "alice"), ("password", "planted-secret")):
        site.set(key, value)


def _needs_permission(site: Site) -> None:
    site.hub.call("editTag2", "demo-released", perm="livemedia")
    site.profile.write_text(site.hub.profile_text("fake", user="alice"), encoding="utf-8")


def _no_permission(site: Site) -> None:
    site.profile.write_text(site.hub.profile_text("fake", user="alice"), encoding="utf-8")
    site.values["step"] = 'steps.KojiRegenRepo("fake", tag="demo-build"),'


def _any_task(site: Site) -> None:
    site.profile.write_text(site.hub.profile_text("fake", user="alice"), encoding="utf-8")
    site.values["step"] = 'steps.KojiTask("fake", method="newRepo", args=["demo-build"]),'


def _urgent_build(site: Site) -> None:
    _any_task(site)
    site.values["step"] = (
        'steps.KojiBuild("fake", target="demo", source="git+https://a.example/b.git#c", priority=-5),'
    )


BUILD = '"fake", target="demo", source="git+https://a.example/b.git#c"'


def _repo(tag: str, *, is_deleted: bool = False) -> Callable[[Site], None]:
    """Return what has a build use a new repo of a tag."""

    def plant(site: Site) -> None:
        repo_id = site.hub.add_repo(tag)
        if is_deleted:
            site.hub.call("repoDelete", repo_id)
        site.values["step"] = f"steps.KojiBuild({BUILD}, repo_id={repo_id}),"

    return plant


def _no_plugin_of_a_task(site: Site) -> None:
    site.hub.without_plugins("save_failed_tree")
    site.values["step"] = 'steps.KojiTask("fake", method="saveFailedTree", hub_method=True),'


def _keytab(site: Site) -> None:
    for key, value in (("authtype", "kerberos"), ("keytab", "/nowhere/robot.keytab")):
        site.set(key, value)
    site.set("principal", "robot@EXAMPLE.TEST")


def _no_plugin(site: Site) -> None:
    site.hub.without_plugins("sidetag")
    site.values["step"] = 'steps.KojiCreateSideTag("fake", basetag="demo-build"),'


def _set(key: str, value: str | None) -> Callable[[Site], None]:
    return lambda site: site.set(key, value)


def _value(key: str, value: str) -> Callable[[Site], None]:
    return lambda site: site.values.update({key: value})


def _certificate(days: float) -> Callable[[Site], None]:
    def plant(site: Site) -> None:
        site.hub.authority.days_valid = days
        site.profile.write_text(site.hub.profile_text("fake", user="alice"), encoding="utf-8")

    return plant


def _server(**options: Any) -> Callable[[Site], None]:
    return lambda site: site.set("server", f"{site.serve(**options)}/kojihub")


def _behind(site: Site) -> None:
    site.hub.clock = Clock()
    site.hub.clock.advance(time.time() - 3600)


def _odd_version(site: Site) -> None:
    site.hub.answer = lambda name, _, run: (
        "1.\N{SUPERSCRIPT TWO}" if name == "getKojiVersion" else run()
    )


def _proxy(site: Site) -> None:
    site.monkeypatch.setenv("HTTPS_PROXY", "http://me:planted-secret@127.0.0.1:9")


class Page(resource.Resource):
    """Answers each request with one status and a web page."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__()
        self._status, self._headers = status, headers

    def render(self, request: Any) -> bytes:
        request.setResponseCode(self._status)
        for name, value in {"content-type": "text/html", **self._headers}.items():
            request.setHeader(name, value)
        return b"<html>no"


def _page(key: str, status: int, **headers: str) -> Callable[[Site], None]:
    return lambda site: site.set(key, site.serve(page=Page(status, **headers)))


def _listening(site: Site, port: Any) -> str:
    site.at_end(port.stopListening)
    return f"127.0.0.1:{port.getHost().port}"


def _of_another_ca(key: str) -> Callable[[Site], None]:
    """Let the server of a setting have a certificate that nobody here trusts."""

    def plant(site: Site) -> None:
        directory = site.home / "their"
        directory.mkdir()
        pem = str(CertificateAuthority(directory).server("127.0.0.1"))
        context = DefaultOpenSSLContextFactory(pem, pem)
        port = reactor.listenSSL(0, server.Site(Page(200)), context, interface="127.0.0.1")
        site.set(key, f"https://{_listening(site, port)}/kojihub")

    return plant


class _AsksForCertificate(DefaultOpenSSLContextFactory):
    """Ends the handshake of whoever has no client certificate."""

    def cacheContext(self) -> None:  # noqa: N802
        super().cacheContext()
        assert self._context is not None
        self._context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)


def _asks_for_certificate(site: Site) -> None:
    _wrong_password(site)
    site.set("cert", None)
    pem = str(site.hub.authority.server("127.0.0.1"))
    context = _AsksForCertificate(pem, pem)
    port = reactor.listenSSL(0, server.Site(Page(200)), context, interface="127.0.0.1")
    site.set("server", f"https://{_listening(site, port)}/kojihub")


def _encrypted_key(site: Site) -> None:
    pem = Path(site.hub.certificate("kojiadmin")).read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"planted-secret"),
    )
    path = site.home / "encrypted.pem"
    path.write_bytes(pem.partition(b"-----BEGIN PRIVATE")[0] + encrypted)
    site.set("cert", str(path))


def _proxy_that_asks(site: Site) -> None:
    address = site.serve(page=Page(407)).replace("//", "//me:planted-secret@")
    site.monkeypatch.setenv("HTTPS_PROXY", address)


def _password_without_user(site: Site) -> None:
    for key, value in (("authtype", "password"), ("user", None), ("cert", None)):
        site.set(key, value)


def _redirecting(site: Site) -> None:
    page = Page(302, location="https://login.example.com/")
    site.set("server", f"{site.serve(days=30, page=page)}/kojihub")


def _foreign_certificate(site: Site) -> None:
    directory = site.home / "other"
    directory.mkdir()
    site.set("cert", str(CertificateAuthority(directory).client("kojiadmin")))


def _other_key(site: Site) -> None:
    # A file with the certificate of one and the key of another.
    parts = [Path(site.hub.certificate(user)).read_text() for user in ("kojiadmin", "alice")]
    pem = r"-----BEGIN {0}-----.*?-----END {0}-----\n"
    certificate = re.search(pem.format("CERTIFICATE"), parts[0], re.DOTALL)
    key = re.search(pem.format("[A-Z ]*PRIVATE KEY"), parts[1], re.DOTALL)
    assert certificate is not None
    assert key is not None
    path = site.home / "mixed.pem"
    path.write_text(f"{certificate[0]}{key[0]}", encoding="utf-8")
    site.set("cert", str(path))


def _tunnel_to_nowhere(site: Site) -> None:
    site.monkeypatch.setenv("HTTPS_PROXY", site.serve(page=Page(200)))


def _old_hub(site: Site) -> None:
    def answer(name: str, _: Any, run: Callable[[], Any]) -> Any:
        if name == "system.listMethods":
            raise GenericError(f"Invalid method: {name}")
        return run()

    site.hub.answer = answer


def _foreign_realm(site: Site) -> None:
    def answer(name: str, _: Any, run: Callable[[], Any]) -> Any:
        if name == "sslLogin":
            raise AuthError("Kerberos principal's realm: OTHER.EXAMPLE is not allowed")
        return run()

    site.hub.answer = answer


def _filter(arguments: str) -> Callable[[Site], None]:
    scheduler = (
        'schedulers.AnyBranchScheduler(name="filtered", builderNames=["b"],'
        f" change_filter=util.KojiChangeFilter({arguments}))"
    )
    return _value("more", f'"schedulers": [{scheduler}],')


def _hub_secret(site: Site) -> None:
    site.values["step"] = (
        'steps.KojiCall(util.KojiHub("fake", user="me", password=util.Secret("nope")),'
        ' method="getAPIVersion"),'
    )


def _broker_secret(site: Site) -> None:
    site.values["bus"] = (
        ', bus=util.KojiAMQP("amqps://broker.example", user="me", password=util.Secret("nope"),'
        ' queue="q", routing_keys=["koji.#"])'
    )


FAULTS: dict[str, tuple[Callable[[Site], None], str, str, str]] = {
    # What is broken: how, and the level and check, the text and the remedy that are to be found.
    "no profile": (lambda site: site.profile.write_text("[other]\nserver=http://x/"),
        "error profile", "no Koji profile 'fake'", "write it into"),
    "no server": (_set("server", None), "error profile", "has no 'server'", "write it"),
    "broken url": (_set("server", "ftp://hub.example.com/"),
        "error profile", "no http:// or https:// address", ""),
    "unreadable file": (lambda site: site.profile.write_bytes(b"[fake]\nserver=\xff"),
        "error profile", "not UTF-8", ""),
    "odd number": (_set("timeout", "many"), "error profile", "not a whole number", ""),
    "unknown name": (_set("server", "https://hub.invalid/kojihub"),
        "error DNS", "hub.invalid has no address", "this machine's DNS"),
    "nothing listens": (_set("server", "https://127.0.0.1:9/kojihub"),
        "error TCP", "no connection at port 9", "is the server up"),
    "odd version": (_odd_version, "warning version", "Koji 1.\N{SUPERSCRIPT TWO}", "1.31"),
    "dead proxy": (_proxy, "error TCP", "the proxy http://127.0.0.1:9", "firewalls"),
    "odd proxy": (
        lambda site: site.monkeypatch.setenv("HTTPS_PROXY", "http://proxy:planted-secret"),
        "error hub", "https_proxy in the environment is no usable address",
        "the environment of the master"),
    "plain http port": (_peer(then=b"HTTP/1.1 400 Bad Request\r\n\r\n", closes=True), "error TLS", "no TLS with", "https server at all"),
    "expired server certificate": (_server(days=-2), "error TLS",
        "the certificate of 127.0.0.1 expired on ", "the server's administrators have to renew it"),
    "server certificate runs out": (_server(days=5.5),
        "warning TLS", "expires in 5 days", "tell the server's administrators"),
    "wrong host name": (_server(days=30, interface="127.0.0.2"),
        "error hub", "for another host name", "a name that its certificate has"),
    "expired client certificate": (_certificate(-2),
        "error certificate", "expired on ", "get a new one"),
    "client certificate runs out": (_certificate(5.5),
        "warning certificate", "expires in 5 days", "get a new one"),
    "clock": (_behind, "warning clock", "s behind this machine's", "NTP"),
    "no Range": (lambda site: site.set("topurl", site.serve()),
        "warning kojifiles", "serves no byte ranges", "answer Range"),
    "unknown CA": (_unknown_ca, "error hub", "certificate", "serverca"),
    "no hub there": (
        lambda site: site.set("server", f"{site.hub.url.removesuffix('/kojihub')}/nothing"),
        "error hub", "404", "ends in /kojihub"),
    "offline hub": (lambda site: site.hub.offline("database outage"), "error hub", "outage", ""),
    "unusable certificate": (_bad_certificate, "error certificate", "bad.pem", "login can't work"),
    "missing certificate": (_set("cert", "/nowhere/me.pem"),
        "error certificate", "/nowhere/me.pem", "login"),
    "no way to log in": (_set("authtype", "noauth"),
        "error login", "authtype = noauth", "a way to log in"),
    "wrong password": (_wrong_password, "error login", "refuses", "moshimoshi"),
    "unknown target": (_value("target", "dmeo"),
        "error target dmeo", "builder b names it", "did you mean demo?"),
    "build tag for target": (_value("target", "demo-build"),
        "error target demo-build", "builder b names it", "it is a tag of the target demo"),
    "unknown tag": (_value("tag", "demo-candidat"),
        "error tag demo-candidat", "change source s names it", "did you mean demo-candidate?"),
    "tag in capitals": (_value("tag", "DEMO-CANDIDATE"),
        "error tag DEMO-CANDIDATE", "change source s names it", "did you mean demo-candidate?"),
    "method in capitals": (_value("step", 'steps.KojiCall("fake", method="GETBUILDTARGET"),'),
        "error plugin", "no GETBUILDTARGET", "did you mean getBuildTarget?"),
    "tag to compare with": (
        _value("step", 'steps.KojiCompareTags("fake", tag="demo-build", other="demo-candidat"),'),
        "error tag demo-candidat", "builder b names it", "did you mean demo-candidate?"),
    "tag to download from": (
        _value("step", 'steps.KojiDownloadBuild("fake", build_name="hello", latestfrom="demo-candidat"),'),
        "error tag demo-candidat", "builder b names it", "did you mean demo-candidate?"),
    "locked tag of a mass tagging": (
        lambda site: (
            site.hub.call("createTag", "done", locked=True),
            site.values.update(
                step='steps.KojiMassTag("fake", from_tag="demo-candidate", to_tag="done"),'
            ),
        ),
        "error tag done", "is locked; builder b changes it", "koji edit-tag --unlock done"),
    "priority of an admin": (
        _urgent_build,
        "warning permission", "alice does not have admin", "koji grant-permission admin alice"),
    "locked tag": (_locked,
        "error tag demo-released", "is locked", "koji edit-tag --unlock demo-released"),
    "locked tag of the target": (
        lambda site: site.hub.call("editTag2", "demo-candidate", locked=True),
        "warning target demo", "only scratch builds succeed",
        "koji edit-tag --unlock demo-candidate"),
    "no architectures": (
        lambda site: site.hub.call("editTag2", "demo-build", arches=""),
        "error target demo", "its build tag demo-build has no architectures",
        "koji edit-tag --arches"),
    "tag of the target with permission": (
        lambda site: (_needs_permission(site), site.hub.call("editTag2", "demo-candidate", perm="image")),
        "warning target demo", "its tag demo-candidate takes builds only from users with the permission image",
        "koji grant-permission image alice"),
    "tag with permission": (_needs_permission, "warning tag demo-released",
        "with the permission livemedia", "koji grant-permission livemedia alice"),
    "unknown package": (_value("package", "hallo"),
        "error package hallo", "the hub does not have it", "koji add-pkg"),
    "unlisted package": (_one_listed_elsewhere,
        "warning package elsewhere", "is listed in none", "koji add-pkg --owner OWNER"),
    "blocked package": (
        lambda site: site.hub.call("packageListBlock", "demo-candidate", "hello"),
        "warning package hello", "is blocked in demo-candidate",
        "koji unblock-pkg demo-candidate hello"),
    "missing permission": (_no_permission,
        "warning permission", "regen-repo or repo", "koji grant-permission"),
    "missing plugin": (_no_plugin, "error plugin", "no createSideTag", "install its plugin"),
    "misspelt method": (_value("step", 'steps.KojiCall("fake", method="getBuildTraget"),'),
        "error plugin", "no getBuildTraget, which builder b needs", "did you mean getBuildTarget?"),
    "option of the pages": (
        lambda site: site.values.update(
            services="",
            db='sqlite:///state.sqlite"},\n"www": {"plugins": {"koji": {"dark": 1}}, "port": "',
        ),
        "error www", "master.cfg:7: www plugin 'koji' takes no options, not dark",
        "correct master.cfg there"),
    "taken port": (
        lambda site: site.values.update(
            db=f'sqlite:///state.sqlite"}},\n"www": {{"port": "tcp:{site.serve()[17:]}'
        ),
        "error www", "another program listens at 127.0.0.1", "another port"),
    **{
        f"port {port}": (
            _value("db", f'sqlite:///state.sqlite"}},\n"www": {{"port": "{port}'),
            "error www", f"no master can listen at c['www']['port'], '{port}'", "write a number")
        for port in ("tcp:80x", "tcp:80100", "8010", "tpc:8010", "tcp:8010:interfaces=::1")
    },
    "tag of packages": (
        _value(
            "step",
            'steps.KojiMassBuild("fake", "demo", packages=util.KojiPackages("demo-candidat"),'
            ' source="git+https://a.example/{package}#1"),',
        ),
        "error tag demo-candidat", "the hub does not have it", "did you mean demo-candidate?"),
    "tag of a filter": (_filter('tags=["demo-candidat"], targets=["demo*"]'),
        "error tag demo-candidat", "scheduler filtered names it", "did you mean demo-candidate?"),
    "user of a filter": (_filter('users=["alcie"], packages=["hello"], owners=["alice"]'),
        "error user alcie", "scheduler filtered names it", "koji list-users"),
    "source of a filter": (_filter('sources=["kojj"], hubs=["fak"]'),
        "warning change filter",
        "scheduler filtered never sees a change: s has another name than kojj",
        "correct its KojiChangeFilter"),
    "hub of a filter": (_filter('sources=["s"], hubs=["fak"]'),
        "warning change filter", "s has another profile than fak", "correct its KojiChangeFilter"),
    "tag that no source reports": (_filter('tags=["demo-released"], events=["tagged"]'),
        "warning change filter", "s has other tags than demo-released", "the change source reports"),
    "event that no source reports": (_filter('events=["build-*"]'),
        "warning change filter", "s has other events than build-*", "the change source reports"),
    "type of a filter": (_filter('build_types=["rpm", "imgae"]'),
        "error btype imgae", "scheduler filtered names it", "did you mean image?"),
    "missing plugin of a task": (_no_plugin_of_a_task,
        "error plugin", "no saveFailedTree, which builder b needs", "install its plugin"),
    "any task": (_any_task, "warning permission", "alice does not have admin", "koji grant-permission admin alice"),
    "unreadable keytab": (_keytab,
        "error keytab", "can't read the keytab of the Koji profile 'fake': No such file",
        "fix /nowhere/robot.keytab first"),
    "architecture of runroot": (
        _value("step", 'steps.KojiRunroot("fake", tag="demo-build", arch="sparc", command="ls"),'),
        "error tag demo-build",
        "has no architecture sparc, which builder b names; it has ",
        "koji edit-tag --arches '"),
    "tag of runroot": (
        _value("step", 'steps.KojiRunroot("fake", tag="demo-buidl", arch="x86_64", command="ls"),'),
        "error tag demo-buidl", "builder b names it", "did you mean demo-build?"),
    "architecture of a scratch build": (
        _value("step", f'steps.KojiBuild({BUILD}, scratch=True, arch_override="noarch amd64 x86_64"),'),
        "error tag demo-build",
        "has no architecture amd64, which builder b names; it has ",
        "koji edit-tag --arches '"),
    "unknown repo": (_value("step", f"steps.KojiBuild({BUILD}, repo_id=4711),"),
        "error repo 4711", "the hub does not have it; builder b names it", "without repo_id"),
    "deleted repo": (_repo("demo-build", is_deleted=True),
        "error repo 2", "is deleted; builder b names it", "without repo_id"),
    "repo of another tag": (_repo("demo-released"),
        "warning repo 2", "is a repo of demo-released, not of demo-build", "without repo_id"),
    "packages of a mass build": (
        _value(
            "step",
            'steps.KojiMassBuild("fake", "demo", ["hello", "wurld", "foo"],'
            ' source="git+https://a.example/{package}#1"),',
        ),
        "warning packages",
        "builder b builds 1 of 3 packages that are not listed in demo-candidate: wurld",
        "koji add-pkg"),
    "foreign realm": (_foreign_realm,
        "error login", "OTHER.EXAMPLE is not allowed", "a realm that the hub accepts"),
    "source among the services": (
        _value("services", 'changes.KojiChangeSource("fake", name="t", tags=["dmeo"])'),
        "error checkconfig", "list it in c['change_source']", "buildbot checkconfig"),
    "no builder": (_stopped_hosts,
        "warning channel default", "no builder is ready", "koji list-hosts"),
    "unknown channel": (
        _value(
            "step",
            'steps.KojiBuild("fake", target="demo", source="git+https://a.example/b.git#c", channel="defauld"),',
        ),
        "error channel defauld", "the hub does not have it", "did you mean default?"),
    "no builder beside a channel that has one": (
        lambda site: (
            site.hub.call("editTag2", "demo-build", arches="x86_64"),
            site.hub.call("addHostToChannel", "builder1", "own", create=True),
            site.hub.call("removeHostFromChannel", "builder1", "default"),
            site.values.update(step=f"steps.KojiBuild({BUILD}, channel='own'),"),
        ),
        "warning channel default", "no builder is ready", "koji list-hosts"),
    "no builder with Windows": (
        lambda site: (
            site.hub.call("removeHostFromChannel", "builder1", "vm"),
            site.values.update(step=f"steps.KojiWinBuild({BUILD}, vm='win10'),"),
        ),
        "warning channel vm", "no builder is ready", "koji list-hosts"),
    "package to download": (
        _value("step", 'steps.KojiDownloadBuild("fake", build_name="helo", latestfrom="demo-candidate"),'),
        "error package helo", "the hub does not have it; builder b names it", "koji add-pkg"),
    "driver by another name": (_value("db", "mysql+mysqldb://127.0.0.1:9/x?storage_engine=InnoDB"),
        "error database", "the driver MySQLdb is missing", "pip install mysqlclient"),
    "wrong weburl": (lambda site: site.set("weburl", site.hub.url.replace("kojihub", "nothing")),
        "warning weburl", "there is no page", "'weburl' of the profile"),
    "misspelt authtype": (_set("authtype", "kerbros"),
        "error login", "'kerbros': it may be", "login can't work"),
    "no topurl": (_set("topurl", None), "warning kojifiles", "no 'topurl'", "topurl ="),
    "wrong topurl": (lambda site: site.set("topurl", f"{site.hub.url}/files"),
        "error kojifiles", "status 4", "topurl"),
    "no database file": (lambda site: (site.home / "state.sqlite").unlink(),
        "warning database", "does not exist yet", "create-master"),
    "database down": (_value("db", "postgresql+psycopg2://me:planted-secret@127.0.0.1:9/x"),
        "error database", "onnection", "db_url"),
    "mysql without transactions": (_value("db", "mysql+pymysql://127.0.0.1:9/x"),
        "warning database", "MyISAM", "storage_engine=InnoDB"),
    "mysql charset": (_value("db", "mysql+pymysql://127.0.0.1:9/x?charset=utf8mb4"),
        "error database", "Buildbot requires charset=utf8", "db_url"),
    "damaged database": (lambda site: (site.home / "state.sqlite").write_text("<html>"),
        "error database", "state.sqlite is no SQLite database", "restore this one from a copy"),
    "new hub with a dead weburl": (_set("weburl", "http://127.0.0.1:9/koji"),
        "warning weburl", "refused", "'weburl' of the profile"),
    "new hub with a dead topurl": (_set("topurl", "http://127.0.0.1:9/kojifiles"),
        "error kojifiles", "refused", "'topurl' of the profile"),
    "secret that all can read": (_open_certificate,
        "warning certificate", "every user of this machine can read /", "chmod 600 /"),
    "maintenance page": (_maintenance, "error hub",
        "a web page instead of a hub's reply", "wait, if the hub is under maintenance"),
    "client certificate of another CA": (_foreign_certificate,
        "error login", "refuses the client certificate /", "'cert' must be one"),
    "key of another certificate": (_other_key,
        "error certificate", "its private key is of another certificate", "login can't work"),
    "NUL in a path": (_set("cert", "/etc/pki/\0me.pem"),
        "error certificate", "no client certificate at /etc/pki/", "login can't work"),
    "no CA file": (_set("serverca", "/nowhere/ca.pem"),
        "error hub", "can't read /nowhere/ca.pem, serverca of", "correct it in the profile"),
    "locked build tag": (
        lambda site: site.hub.call("editTag2", "demo-build", locked=True),
        "warning target demo", "its build tag demo-build is locked",
        "koji edit-tag --unlock demo-build"),
    "no builder for an architecture": (
        lambda site: site.hub.call("editTag2", "demo-build", arches="i686 x86_64 sparc"),
        "warning target demo", "no builder for i686, sparc is ready in the channel default",
        "koji list-hosts --arch"),
    "disabled channel": (lambda site: site.hub.call("disableChannel", "default"),
        "warning channel default", "is disabled", "koji enable-channel default"),
    "failing pages": (_page("weburl", 502), "warning weburl", "status 502", "administrators"),
    "login portal before the files": (_page("topurl", 200),
        "error kojifiles", "is a web page and no RPM", "without a login"),
    "files in maintenance": (_page("topurl", 503), "error kojifiles", "status 503", "wait"),
    "files on an unknown host": (_set("topurl", "http://files.invalid/kojifiles"),
        "error kojifiles", "src.rpm: [Errno -", "'topurl' of the profile"),
    "files of another CA": (_of_another_ca("topurl"), "error kojifiles",
        "its certificate is not trusted: ",
        "'serverca' of the profile must hold the CA of this server, too"),
    "hub of another CA": (_of_another_ca("server"), "error hub", "signed by a CA", "serverca"),
    "port of SSH": (_peer(first=b"SSH-2.0-OpenSSH_9.6\r\n"), "error TLS", "no TLS with 127.0.0.1", "is it an https server at all?"),
    "no client certificate": (_asks_for_certificate,
        "error hub", "it wants a client certificate", "'cert' must be one"),
    "encrypted key": (_encrypted_key,
        "error certificate", "its private key has a pass phrase", "login can't work"),
    "proxy that asks for a login": (_proxy_that_asks, "error hub",
        "status 407: it asks for a login: put user and password into the environment", "NO_PROXY"),
    "password without user": (_password_without_user,
        "error login", "a login by password needs user", "login can't work"),
    "database in memory": (_value("db", "sqlite://"),
        "error database", "the master forgets everything when it ends", "sqlite:///state.sqlite"),
    "no directory of the database": (_value("db", "sqlite:///nowhere/state.sqlite"),
        "error database", "there is no directory /", "that exists"),
    "unknown database": (_value("db", "oracel://host/name"),
        "error database", "SQLAlchemy knows no database oracel", "db_url"),
    "unknown driver of the database": (_value("db", "postgresql+nope://host/name"),
        "error database", "SQLAlchemy knows no database postgresql+nope", "postgresql+psycopg2://"),
    "odd port of the database": (_value("db", "postgresql://me:planted-secret@host:port/name"),
        "error database", "db_url is no address", "postgresql+psycopg2://host/name"),
    "redirecting hub": (_redirecting, "error hub", "it redirects", "curl -I"),
    "proxy without tunnels": (_tunnel_to_nowhere,
        "error hub", "does not speak TLS", "or of the proxy"),
    "old hub": (_old_hub, "error version", "Invalid method", "older than 1.31"),
    "no such secret": (_hub_secret, "error profile",
        "password of KojiHub('fake'): secret key nope is not found in any provider",
        "in what its secretsProviders give"),
    "second user of a hub": (
        _value(
            "step",
            'steps.KojiTag(util.KojiHub("fake"), tag="demo-released", builds="a-1-1"),'
            ' steps.KojiTag(util.KojiHub("fake", user="alice", password="planted-secret"),'
            ' tag="demo-released", builds="a-1-1"),',
        ),
        "error login", "the password of alice", "koji moshimoshi"),
    "dead broker of a hub": (
        _value(
            "step",
            'steps.KojiTag(util.KojiHub("fake", bus=util.KojiAMQP("amqp://127.0.0.1:9", user="me",'
            ' password="planted-secret", queue="q", routing_keys=["#"], allow_insecure_login=True)),'
            ' tag="demo-released", builds="a-1-1"),',
        ),
        "error TCP", "takes no connection at port 9", "firewalls"),
    "no such secret of a broker": (_broker_secret,
        "error secrets", "secret key nope is not found in any provider", "see secretsProviders"),
    "no dictionary": (_value("db", '"}}\nBuildmasterConfig = 3\n_ = {"x": {"y": "'),
        "error checkconfig", "master.cfg: AttributeError: ", "buildbot checkconfig"),
    "wrong attribute": (
        _value("db", '"}}\nclass Names:\n    def names(self): pass\nNames().nimes\n_ = {"x": {"y": "'),
        "error checkconfig", "AttributeError: 'Names' object has no attribute 'nimes'",
        "buildbot checkconfig"),
    "misspelt step": (_value("step", "steps.KojiBuidl(),"),
        "error checkconfig", "Unknown component name: KojiBuidl: did you mean KojiBuild?",
        "buildbot checkconfig"),
    "syntax error": (_value("step", "steps.KojiTag(tag=),"),
        "error checkconfig", "master.cfg:18: SyntaxError: ", "buildbot checkconfig"),
    "broken configuration": (_value("step", "steps.KojiBuild(),"),
        "error checkconfig", "", "buildbot checkconfig"),
}  # fmt: skip


async def build(hub: FakeHub) -> None:
    """Create a build on the hub, whose files can be checked."""
    task_id = hub.call("build", "git+https://git.example.test/rpms/hello.git#1", "demo")
    koji = Connection("fake", reactor=reactor)
    await TaskWatcher(koji, reactor, interval=0.05).watch(task_id).done
    await koji.close()


@pytest_twisted.ensureDeferred
async def test_a_good_setup(site: Site) -> None:
    """It checks much and finds nothing wrong."""
    await build(site.hub)
    status, found = await site.doctor()
    assert [each for each in found if each["level"] != "ok"] == []
    assert status == 0
    checks = {each["check"] for each in found}
    assert {"login", "target demo", "tag demo-released", "package hello", "kojifiles"} <= checks
    status, found = await site.doctor(profile_only=True)
    assert (status, {each["level"] for each in found}) == (0, {"ok"})
    out, said = io.StringIO(), []

    def answer(name: str, _call: Any, run: Callable[[], Any]) -> Any:
        if name == "getAPIVersion":
            said.append(out.getvalue())
        return run()

    # A profile may be in several files.
    more = site.home / ".koji" / "config.d" / "more.conf"
    more.parent.mkdir()
    more.write_text("[fake]\nuser = me\n", encoding="utf-8")
    _, [where, *_] = await site.doctor(profile_only=True)
    assert where["text"] == f"fake: {site.hub.url}, from {more} and then {site.profile}"
    # What was found is written before the next server is asked.
    site.hub.answer = answer
    assert await examine(reactor, out, profile="fake") == 0
    assert said[0].startswith("hub fake\n  ok      profile: ")
    assert "  ok      TLS: " in said[0]


def _files(directory: Path) -> dict[str, bytes | None]:
    """Return the contents of all files below a directory, by their paths."""
    paths = sorted(directory.rglob("*"))
    return {str(each): each.read_bytes() if each.is_file() else None for each in paths}


@pytest_twisted.ensureDeferred
async def test_it_writes_nothing(site: Site) -> None:
    """Neither the hub's records nor the files of the master differ after a run."""
    await build(site.hub)
    site.write_config()

    def records() -> dict[str, Any]:
        # Looking into a table that has no rows makes an empty one; a login makes a session.
        tables = site.hub.state._tables.items()
        return {name: rows for name, rows in tables if rows and name != "sessions"}

    before = _files(site.home), copy.deepcopy(records())
    status, _ = await site.doctor()
    assert status == 0
    assert site.hub.calls["sslLogin"] == 1
    assert (_files(site.home), records()) == before


@pytest.mark.hub(tls=True, anonymous_user="kojiadmin")
@pytest_twisted.ensureDeferred
async def test_hub_without_login(site: Site) -> None:
    """An embedded hub may let everyone write: nothing is wrong with that of the demonstration."""
    site.set("authtype", "noauth")
    site.values["more"] = '"www": {"port": "tcp:0"},'
    status, found = await site.doctor()
    assert "without the Koji pages" in next(
        each["text"] for each in found if each["check"] == "www"
    )
    assert [each["text"] for each in found if each["check"] == "login"] == ["as kojiadmin"]
    assert status == 0


@pytest.mark.parametrize("name", sorted(FAULTS))
@pytest_twisted.ensureDeferred
async def test_planted_fault(site: Site, name: str, logged_failures: list[Any]) -> None:
    """It is found, named and has a remedy; no secret is shown."""
    plant, where, text, remedy = FAULTS[name]
    level, _, check = where.partition(" ")
    if check in {"kojifiles", "weburl"} and not name.startswith("new hub"):
        await build(site.hub)
    plant(site)
    # Buildbot does not load a configuration whose profile can't be used.
    unusable = (check == "profile" and "secret" not in name) or name in {
        "key of another certificate",
        "unreadable keytab",
        "missing certificate",
        "NUL in a path",
        "unusable certificate",
        "misspelt authtype",
        "encrypted key",
        "password without user",
    }
    status, found = await site.doctor(profile_only=unusable)
    if check == "checkconfig":
        # Buildbot logs what a configuration raises.
        logged_failures.clear()
    bad = [each for each in found if each["level"] != "ok"]
    matching = [each for each in bad if each["check"] == check and text in each["text"]]
    assert matching, bad
    assert len({each["text"] for each in bad}) == len(bad), bad
    # No check stumbles over what another one reports.
    assert not any("run this again" in each["remedy"] for each in bad), bad
    assert matching[0]["level"] == level
    assert remedy in matching[0]["remedy"]
    assert matching[0]["remedy"]
    assert status == (2 if any(each["level"] == "error" for each in bad) else 1)
    assert "planted-secret" not in json.dumps(found)


def start_silently(*command: str) -> forks.ForkedProcess:
    """Start a command whose output nobody reads."""
    with Path(os.devnull).open("wb") as nowhere:
        return forks.start(*command, stdout=nowhere)


@pytest_twisted.ensureDeferred
async def test_database_that_says_nothing(site: Site) -> None:
    """It is an error in the end, and does not keep the command alive after Ctrl-C."""
    pytest.importorskip("psycopg2", reason="pip install psycopg2-binary")
    silent = Peer()
    url = f"postgresql+psycopg2://me:planted-secret@{silent.start(site.at_end)}/x"
    [found] = await check_database(url, site.home, reactor, 0.3)
    assert (found.level, found.text) == ("error", "no answer within 0.3 s")
    assert "db_url" in found.remedy
    site.values["db"] = url
    config = site.write_config()
    await until(lambda: silent.count == 1)
    command = ("buildbot_koji", "doctor", "--config", str(config))
    process = await deferToThread(start_silently, *command)
    await until(lambda: silent.count == 2 or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    try:
        status = await deferToThread(process.wait, PROCESS_LIMIT)
    finally:
        process.kill()
    assert status == 130


@pytest_twisted.ensureDeferred
async def test_network_without_a_proxy(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor takes the way that the client takes: NO_PROXY may name a network."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    found = await deferToThread(lambda: list(way_to(hub.url)))
    assert [each.check for each in found] == ["DNS", "TCP", "TLS"]
    assert (await deferToThread(answer_to, hub.url))[0] == 405
    monkeypatch.delenv("NO_PROXY")
    found = await deferToThread(lambda: list(way_to(hub.url)))
    assert [each.check for each in found] == ["proxy", "DNS", "TCP"]


@pytest.mark.parametrize("kind", [AMQP, AMQP1])
@pytest_twisted.ensureDeferred
async def test_broker_that_says_nothing(kind: type[Broker], at_end: AtEnd) -> None:
    """A broker that takes the connection and never lets anybody in is an error in the end."""
    url = f"amqp://{Peer().start(at_end)}"
    place = {"address": "q"} if kind is AMQP1 else {"queue": "q", "passive": True}
    settings = kind(url, user="u", password="p", allow_insecure_login=True, **place)
    found = [each async for each in check_broker(settings, reactor, limit=0.3)]
    assert [each.check for each in found] == ["DNS", "TCP", "broker"]
    assert (
        found[-1].text == "the broker accepted no login within 0.3 s: does it speak this protocol?"
    )


@pytest_twisted.ensureDeferred
async def test_certificates_of_a_broker(site: Site) -> None:
    """One that has expired is an error, be it the broker's own or ours."""
    url = site.serve(days=-2).replace("https", "amqps")
    broker = AMQP(url, user="u", password="p", queue="q", passive=True)
    *_, found = [each async for each in check_broker(broker, reactor, limit=5)]
    assert (found.level, found.check) == ("error", "TLS")
    assert found.text.startswith("the certificate of 127.0.0.1 expired on ")
    assert found.remedy == "the server's administrators have to renew it"
    ours = str(site.hub.authority.client("robot"))
    broker = AMQP(url, certificate=ours, queue="q", passive=True)
    [found] = [each async for each in check_broker(broker, reactor, limit=5)]
    assert (found.level, found.check) == ("error", "certificate")
    assert "CN=robot expired on " in found.text
    assert found.remedy == "get a new one"


@pytest_twisted.ensureDeferred
async def test_a_broker(site: Site, broker: RabbitMQ, at_end: AtEnd) -> None:
    """Login and queue are checked; no queue is a warning, a wrong password an error."""
    pytest.importorskip("pika", reason="pip install 'buildbot-koji[amqp]'")
    bus = (
        f', bus=util.KojiAMQP("{broker.url}", user="{USER}", password="{{}}", queue="doctor-{{}}",'
        ' routing_keys=["koji.#"], allow_insecure_login=True)'
    )
    at = bus.format(PASSWORD, "nowhere")
    status, level, text = await site.queue(at)
    assert (status, level, "nowhere" in text) == (1, "warning", True)
    for broken, check, text in [
        (bus.format("wrong-planted-secret", "nowhere"), "broker", "ACCESS_REFUSED"),
        (at.replace(broker.url, f"{broker.url}/elsewhere"), "broker", "vhost elsewhere not found"),
        (at.replace(broker.url, "amqp://127.0.0.1:9"), "TCP", "no connection at port 9"),
        (at.replace(broker.url, "amqp://broker.invalid"), "DNS", "broker.invalid has no address"),
        (at.replace(broker.url, broker.tls_url), "broker", "CA"),
        (at.replace("queue=", "exchange='amq.topik', queue="), "exchange", "amq.topik"),
        (at.replace(broker.url, f"amqps://127.0.0.1:{broker.port}"), "TLS", "an amqps server"),
    ]:
        await site.refused(broken, check, text)

    # A broker that is only published to needs no queue.
    site.values["bus"] = ""
    services = site.values["services"]
    site.values["services"] += (
        'reporters.KojiCIMessages(name="ci", profile="fake", bus=util.KojiAMQP('
        f'"{broker.url}", user="{USER}", password="{PASSWORD}", allow_insecure_login=True),'
        ' contact={"name": "CI", "team": "CI", "docs": "https://ci.example/", "email": "a@b.example"},'
        ' test={"namespace": "ci", "type": "tier0", "category": "functional"})'
    )
    status, found = await site.doctor()
    assert (status, "broker" in {each["check"] for each in found}) == (0, True), found
    site.values["services"] = site.values["services"].replace(
        "password=", "exchange='no', password="
    )
    status, found = await site.doctor()
    [bad] = [each for each in found if each["level"] != "ok"]
    assert (status, bad["check"], "no exchange 'no'" in bad["text"]) == (2, "exchange", True)
    site.values["services"] = services

    # A message that waits is counted, and stays as it was.
    settings = AMQP(
        broker.url, user=USER, password=PASSWORD, allow_insecure_login=True,
        queue="doctor-there", routing_keys=["koji.#"],
    )  # fmt: skip
    got: list[Any] = []
    receiver = Receiver(settings, got.append, reactor=reactor)
    at_end(receiver.stop)
    receiver.start()
    await until(lambda: receiver.state is ReceiverState.READY)
    await receiver.stop()
    publisher = Publisher(settings, reactor=reactor)
    at_end(publisher.stop)
    await publisher.publish("koji.test", "{}")
    there = bus.format(PASSWORD, "there")
    assert await site.queue(there) == (0, "ok", "exists, 1 message waiting, no receivers")
    again = Receiver(settings, got.append, reactor=reactor)
    at_end(again.stop)
    again.start()
    await until(lambda: bool(got))
    assert got[0].redelivered is False
    status, level, text = await site.queue(there)
    assert (status, level) == (0, "ok")
    assert text.startswith("exists, no messages waiting, 1 receiver;")
    assert "list_bindings, list_topic_permissions" in text

    inequivalent = ("PRECONDITION_FAILED - inequivalent arg ", "give those that it has")
    for setting in ("durable=False", "auto_delete=True", "arguments={'x-max-length': 5}"):
        await site.refused(there.replace("queue=", f"{setting}, queue="), "queue", *inequivalent)
    denied = there.replace(f'"{USER}"', '"nobody"')
    await site.refused(denied, "queue", "ACCESS_REFUSED", "the rights to configure")
    taken = evolve(settings, queue="doctor-taken", durable=False, exclusive=True)
    owner = Receiver(taken, got.append, reactor=reactor)
    at_end(owner.stop)
    owner.start()
    await until(lambda: owner.state is ReceiverState.READY)
    await site.refused(bus.format(PASSWORD, "taken"), "queue", "name your own")


@pytest_twisted.ensureDeferred
async def test_the_command(site: Site) -> None:
    """It writes lines for people, and ends with the status; a mistake is a line, no traceback."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return forks.run("buildbot_koji", "doctor", *arguments, timeout=PROCESS_LIMIT)

    good = await deferToThread(run, "fake")
    assert (good.returncode, good.stderr) == (0, "")
    assert re.search(r"^hub fake\n  ok      profile: fake: https://", good.stdout)
    assert "  ok      login: as kojiadmin\n" in good.stdout
    both = await deferToThread(run, "fake", "--config", "master.cfg")
    assert (both.returncode, both.stderr) == (2, "name a profile or --config, not both\n")
    missing = await deferToThread(run, "--config", "/nowhere/master.cfg")
    assert (missing.returncode, missing.stderr) == (2, "there is no file /nowhere/master.cfg\n")


@pytest_twisted.ensureDeferred
async def test_server_that_drips(at_end: AtEnd) -> None:
    """A server that sends a byte now and then holds neither a check nor the program."""
    place = Peer(first=b"H", drip=b"H").start(at_end)
    with pytest.raises(OSError, match=r"no complete answer within 0\.3 s"):
        await deferToThread(answer_to, f"http://{place}/koji", 0.3)
    # To TLS the bytes are a record whose length they say.
    found = await deferToThread(lambda: list(way_to(f"https://{place}/koji", 0.3)))
    assert found[-1].check == "TLS"
