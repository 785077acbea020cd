"""The client and the program on the worker obey the same rules about what they fetch."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import pytest_twisted
from OpenSSL import SSL, crypto
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.threads import deferToThread

from buildbot_koji import fetcher
from buildbot_koji.fetcher import __main__ as program
from tests.support import do_not_retry
from tests.support.ends import AtEnd
from tests.support.hubs import Connect
from tests.support.peers import Peer
from txkoji import Connection, RemoteFile
from txkoji.exceptions import KojiException, TruncatedReply
from txkoji.testing import FakeHub
from txkoji.testing.front.certificates import CertificateAuthority

CONTENT = bytes(range(256)) * 4000
DIGEST = ("sha256", hashlib.sha256(CONTENT).hexdigest())

Fetch = Callable[..., Awaitable[str]]
"""Fetches a file into a directory, by a connection; gives what went wrong, or nothing."""


@pytest.fixture(params=["client", "worker"])
def fetch(request: pytest.FixtureRequest, koji: Connection, tmp_path: Path) -> Fetch:
    """Fetch by the client, and by the program on a worker."""
    zipapp = tmp_path / "program"

    async def by_client(
        file: RemoteFile, directory: Path, koji: Connection = koji, more: Sequence[RemoteFile] = ()
    ) -> str:
        koji.deadline = 5
        try:
            await koji.download([file, *more], directory)
        except KojiException as error:
            return str(error)
        return ""

    async def by_worker(
        file: RemoteFile,
        directory: Path,
        koji: Connection = koji,
        more: Sequence[RemoteFile] = (),
        most: int = -1,
    ) -> str:
        zipapp.write_bytes(fetcher.archive())
        koji.deadline = 2
        order = fetcher.request_for(koji, str(directory), [file, *more], 2)
        done = await deferToThread(
            subprocess.run,
            [sys.executable, zipapp],
            input=json.dumps(order).encode(),
            capture_output=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        )
        assert not done.stderr, done.stderr
        return "" if done.returncode == 0 else done.stdout.decode()

    return by_client if request.param == "client" else by_worker


def there(hub: FakeHub, content: bytes = CONTENT) -> str:
    """Put a file on the hub; returns its address."""
    hub.files.write("work/big", content)
    # With TLS, too, unlike topurl.
    return f"{hub.url.removesuffix('kojihub')}kojifiles/work/big"


@pytest_twisted.ensureDeferred
async def test_more_than_announced(
    fetch: Fetch, hub: FakeHub, tmp_path: Path, at_end: AtEnd
) -> None:
    """A server that sends more than the hub announces fills no disk, and is asked once."""
    peer = odd([])
    trouble = await fetch(RemoteFile("big", f"http://{peer.start(at_end)}/big", 4), tmp_path / "d")
    assert "more than the 4 bytes that the hub announces arrived" in trouble
    assert peer.count == 1
    assert list((tmp_path / "d").iterdir()) == []
    # A log grows until the builder is done with it.
    assert await fetch(RemoteFile("big", there(hub), 1000, grows=True), tmp_path) == ""
    assert (tmp_path / "big").read_bytes() == CONTENT


@pytest_twisted.ensureDeferred
async def test_complete_part(fetch: Fetch, hub: FakeHub, tmp_path: Path) -> None:
    """A part that is complete already is the file, also where the hub does not tell the size."""
    (tmp_path / ".big.part").write_bytes(CONTENT)
    assert await fetch(RemoteFile("big", there(hub), None, DIGEST), tmp_path) == ""
    assert (tmp_path / "big").read_bytes() == CONTENT


@pytest_twisted.ensureDeferred
async def test_part_of_a_longer_file(fetch: Fetch, hub: FakeHub, tmp_path: Path) -> None:
    """A part that is longer than the file is of another one: it is fetched from its start."""
    (tmp_path / ".big.part").write_bytes(CONTENT * 2)
    assert await fetch(RemoteFile("big", there(hub), None, DIGEST), tmp_path) == ""
    assert (tmp_path / "big").read_bytes() == CONTENT


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
@pytest_twisted.ensureDeferred
async def test_part_that_is_a_link(
    fetch: Fetch, hub: FakeHub, tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    """A part that is a link of either kind is removed; its target is untouched."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    directory = tmp_path / "d"
    directory.mkdir()
    link(directory / ".big.part", precious)
    assert await fetch(RemoteFile("big", there(hub), len(CONTENT), DIGEST), directory) == ""
    assert (directory / "big").read_bytes() == CONTENT
    assert precious.read_bytes() == b"mine"
    assert not (directory / "big").is_symlink()


@pytest_twisted.ensureDeferred
async def test_part_that_is_a_pipe(fetch: Fetch, hub: FakeHub, tmp_path: Path) -> None:
    """A pipe in the place of the part is removed, not waited for."""
    os.mkfifo(tmp_path / ".big.part")
    assert await fetch(RemoteFile("big", there(hub), len(CONTENT), DIGEST), tmp_path) == ""
    assert (tmp_path / "big").read_bytes() == CONTENT


@pytest.mark.parametrize("taken", [".big.part", "big"])
@pytest_twisted.ensureDeferred
async def test_directory_in_its_place(
    fetch: Fetch, hub: FakeHub, tmp_path: Path, taken: str
) -> None:
    """A directory where the file or its part should go stays, and is reported in one line."""
    (tmp_path / taken / "inside").mkdir(parents=True)
    trouble = await fetch(RemoteFile("big", there(hub), len(CONTENT), DIGEST), tmp_path)
    assert f"can't write {tmp_path / 'big'}: Is a directory" in trouble
    assert (tmp_path / taken / "inside").is_dir()


@pytest.mark.parametrize("name", ["../big", "/big", "a/../../big", "a//../big", "b\n5 bytes"])
@pytest_twisted.ensureDeferred
async def test_name_that_leads_out(fetch: Fetch, hub: FakeHub, tmp_path: Path, name: str) -> None:
    """A file that the hub names outside of the directory is not fetched."""
    file = RemoteFile(name, there(hub), len(CONTENT), DIGEST)
    assert "outside of the directory" in await fetch(file, tmp_path / "d")
    assert not (tmp_path / "big").exists()


@pytest_twisted.ensureDeferred
async def test_names_next_to_each_other(fetch: Fetch, hub: FakeHub, tmp_path: Path) -> None:
    """Case, normal form and the name of a part tell files apart; the longest name works."""
    names = ["Gr\u00f6\u00dfe", "gr\u00f6\u00dfe", "Gro\u0308\u00dfe", "n" * 255, "n" * 250]
    names += ["x", ".x.part", ".x.part~", "..x.part.part"]
    files = [RemoteFile(name, there(hub), len(CONTENT), DIGEST) for name in names]
    assert await fetch(files[0], tmp_path / "d", more=files[1:]) == ""
    found = {path.name: path.read_bytes() == CONTENT for path in (tmp_path / "d").iterdir()}
    assert found == dict.fromkeys(names, True)
    twice = RemoteFile("a/x", there(hub))
    trouble = await fetch(twice, tmp_path / "e", more=[twice])
    assert f"several files would go to {tmp_path}/e/a/x" in trouble
    assert not (tmp_path / "e").exists()


@pytest_twisted.ensureDeferred
async def test_progress(
    koji: Connection, hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that takes long is reported while it arrives: Buildbot ends a silent command."""
    order = fetcher.request_for(koji, str(tmp_path), [RemoteFile("big", there(hub))], 1)
    assert await deferToThread(program.main, {**order, "report": 0.0}) == 0
    first, *_, last, _ = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"big: [0-9,]+ bytes so far", first)
    assert last == f"big: {len(CONTENT):,} bytes"


@pytest_twisted.ensureDeferred
async def test_pause_that_a_front_end_asks_for(
    koji: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    at_end: AtEnd,
) -> None:
    """The program on the worker asks no sooner than the front end wants, and says so."""
    pauses: list[float] = []
    monkeypatch.setattr(program.time, "sleep", pauses.append)
    url = f"http://{odd([BUSY]).start(at_end)}/big"
    order = fetcher.request_for(koji, str(tmp_path), [RemoteFile("big", url)], 1)
    assert await deferToThread(program.main, order) == 0
    assert pauses == [70.0]
    assert capsys.readouterr().out.startswith(
        "big waits 70 s: it answered with HTTP status 429\nbig: 9 bytes\n"
    )


@pytest.mark.parametrize("fetch", ["worker"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_disk_that_takes_no_more(fetch: Fetch, hub: FakeHub, tmp_path: Path) -> None:
    """An error of the disk is reported at once, and not as the network's."""
    file = RemoteFile("big", there(hub), len(CONTENT), DIGEST)
    assert f"can't write {tmp_path}/big: File too large" in await fetch(file, tmp_path, most=1000)


def with_trust(pem: str) -> str:
    """Return a certificate in OpenSSL's own form, among text that is not ASCII."""
    data = ssl.PEM_cert_to_DER_cert(pem) + b"\x30\x00"
    trusted = ssl.DER_cert_to_PEM_cert(data).replace("CERTIFICATE", "TRUSTED CERTIFICATE")
    return f"# Ausgestellt für Köln\n{trusted}"


@pytest.mark.hub(tls=True)
@pytest_twisted.ensureDeferred
async def test_authorities(fetch: Fetch, connect: Connect, hub: FakeHub, tmp_path: Path) -> None:
    """Each form of ``serverca`` that the client reads counts for the worker, too."""
    pem = hub.authority.certificate_path.read_text()
    odd = tmp_path / "odd.pem"
    odd.write_text(with_trust(pem), encoding="latin-1")
    hashed = tmp_path / "hashed"
    hashed.mkdir()
    number = crypto.load_certificate(crypto.FILETYPE_PEM, pem.encode()).subject_name_hash()
    (hashed / f"{number:08x}.0").write_text(pem)
    for number, place in enumerate((odd, hashed)):
        koji = connect(serverca=str(place))
        file = RemoteFile("big", there(hub), len(CONTENT), DIGEST)
        assert await fetch(file, tmp_path / str(number), koji) == ""
        assert (tmp_path / str(number) / "big").read_bytes() == CONTENT


@pytest.mark.hub(tls=True)
@pytest_twisted.ensureDeferred
async def test_verification(fetch: Fetch, connect: Connect, hub: FakeHub, tmp_path: Path) -> None:
    """``no_ssl_verify`` counts unless there is a ``serverca``."""
    other = CertificateAuthority(tmp_path)
    file = RemoteFile("big", there(hub), len(CONTENT), DIGEST)
    for serverca, works in ((None, True), (str(other.certificate_path), False)):
        koji = connect(serverca=serverca, no_ssl_verify=True)
        trouble = await fetch(file, tmp_path / str(works), koji)
        assert ("certificate" not in trouble) == works, trouble
        assert (tmp_path / str(works) / "big").exists() == works


@pytest.mark.hub(tls=True)
@pytest_twisted.ensureDeferred
async def test_server_that_asks_for_a_certificate(
    fetch: Fetch,
    connect: Connect,
    hub: FakeHub,
    tmp_path: Path,
    at_end: AtEnd,
) -> None:
    """Where files need a client certificate, that is reported at once."""
    certificate = str(hub.authority.server("127.0.0.1"))
    context = DefaultOpenSSLContextFactory(certificate, certificate)
    wanted = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    context.getContext().set_verify(wanted, lambda *_: True)
    url = f"https://{odd([]).start(at_end, context)}/big"
    koji = connect(serverca=str(hub.authority.certificate_path))
    handshakes: list[int] = []
    context.getContext().set_info_callback(lambda _, step, __: handshakes.append(step))
    assert "client certificate" in await fetch(RemoteFile("big", url), tmp_path, koji)
    # An attempt that can't succeed is not repeated.
    assert handshakes.count(SSL.SSL_CB_HANDSHAKE_START) == 1


HEAD = b"HTTP/1.1 %s\r\nConnection: close\r\n"
BUSY = HEAD % b"429 X" + b"Retry-After: 70\r\n\r\n"


def odd(answers: list[bytes], most: int = 9) -> Peer:
    """Answer the first requests oddly, and the others with what is missing of a file."""

    def answer(data: bytes) -> bytes:
        if answers:
            return answers.pop(0)
        begin = int((re.search(rb"bytes=(\d+)-", data) or [b"", b"0"])[1])
        if not begin:
            return HEAD % b"200 OK" + b"Content-Length: 9\r\n\r\nxxxxxxxxx"
        if begin == 9:
            return HEAD % b"416 X" + b"\r\n"
        # Less than was asked for: a server may limit the size of a part.
        end = min(begin + most, 9)
        status = b"206 Part\r\nContent-Range: bytes %d-%d/9" % (begin, end - 1)
        return HEAD % status + b"Content-Length: %d\r\n\r\n" % (end - begin) + b"x" * (end - begin)

    return Peer(then=answer, closes=True)


@pytest_twisted.ensureDeferred
async def test_parts(fetch: Fetch, tmp_path: Path, at_end: AtEnd) -> None:
    """A file whose size is unknown is whole when the server says that no part is missing."""
    peer = odd([HEAD % b"200 OK" + b"Content-Length: 9\r\n\r\nxx"], most=4)
    url = f"http://{peer.start(at_end)}/big"
    assert await fetch(RemoteFile("big", url), tmp_path) == ""
    assert (tmp_path / "big").read_bytes() == b"x" * 9


@pytest_twisted.ensureDeferred
async def test_interim_answer(fetch: Fetch, tmp_path: Path, at_end: AtEnd) -> None:
    """A front end may send early hints before the file."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    peer = odd([hints * 2 + HEAD % b"200 OK" + b"Content-Length: 9\r\n\r\nxxxxxxxxx"])
    assert await fetch(RemoteFile("big", f"http://{peer.start(at_end)}/big", 9), tmp_path) == ""
    assert peer.count == 1


@pytest_twisted.ensureDeferred
async def test_proxy(
    fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_end: AtEnd
) -> None:
    """Both take the same proxy of the environment, and tell nobody else its password."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    content = HEAD % b"200 OK" + b"Content-Length: 9\r\n\r\nxxxxxxxxx"
    direct = odd([content], most=2)
    address = direct.start(at_end)
    peer = odd([content, HEAD % b"302 Found" + b"Location: http://%s/x\r\n\r\n" % address.encode()])
    monkeypatch.setenv("ALL_PROXY", f"http://me:word@{peer.start(at_end)}")
    assert await fetch(RemoteFile("one", "http://koji.test/one", 9), tmp_path) == ""
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    assert await fetch(RemoteFile("two", f"http://{address}/two", 9), tmp_path) == ""
    assert await fetch(RemoteFile("three", "http://koji.test/three", 9), tmp_path) == ""
    requests = [re.match(rb"GET \S+", each)[0] for each in peer.heard + direct.heard]
    assert requests == [
        b"GET http://koji.test/one", b"GET http://koji.test/three", b"GET /two", b"GET /x"
    ]  # fmt: skip
    told = [b"proxy-authorization: basic" in each.lower() for each in peer.heard + direct.heard]
    assert told == [True, True, False, False]
    monkeypatch.setenv("ALL_PROXY", "socks5://p")
    assert "names a socks5 proxy" in await fetch(
        RemoteFile("four", "http://koji2.test/four", 9), tmp_path
    )


Known = tuple[int | None, tuple[str, str] | None, bool]

PAGE = b"\n<!DOCTYPE html><title>Back soon</title>"


@pytest.mark.parametrize("left", [b"", b"xx"], ids=["", "resumed"])
@pytest.mark.parametrize(
    ("body", "known"),
    [
        (b"Down", (9, None, False)),
        (b"", (9, None, False)),
        (PAGE, (9, None, False)),
        (PAGE, (9, None, True)),
        (PAGE, (None, ("sha256", hashlib.sha256(b"x" * 9).hexdigest()), False)),
        (b"\xef\xbb\xbf<HTML lang=en>", (None, None, False)),
    ],
    ids=["short", "empty", "long", "of a log", "digest", "nothing known"],
)
@pytest_twisted.ensureDeferred
async def test_page_that_says_nothing_of_itself(
    fetch: Fetch, tmp_path: Path, body: bytes, known: Known, left: bytes, at_end: AtEnd
) -> None:
    """A page with status 200 and no content type is waited out, where size or form show it."""
    page = HEAD % b"200 OK" + b"Content-Length: %d\r\n\r\n" % len(body) + body
    peer = odd([page, page])
    if left:
        (tmp_path / ".big.part").write_bytes(left)
    size, digest, grows = known
    file = RemoteFile("big", f"http://{peer.start(at_end)}/big", size, digest, grows=grows)
    assert await fetch(file, tmp_path) == ""
    assert (tmp_path / "big").read_bytes() == b"x" * 9
    assert peer.count == 3


@pytest.mark.parametrize(
    "page",
    [
        b"\r\n<html>",
        b"Content-Length: 99\r\n\r\n<html>",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\n<\r\n5\r\nhtml>\r\n",
    ],
    ids=["open end", "cut", "in pieces"],
)
@pytest_twisted.ensureDeferred
async def test_page_that_ends_early(
    fetch: Fetch, tmp_path: Path, page: bytes, at_end: AtEnd
) -> None:
    """The rest of a file is not appended to the start of a page."""
    file = RemoteFile("big", f"http://{odd([HEAD % b'200 OK' + page]).start(at_end)}/big", 9)
    assert await fetch(file, tmp_path) == ""
    assert (tmp_path / "big").read_bytes() == b"x" * 9


@pytest.mark.parametrize("header", [b"", b"Content-Range: bytes 0-8/9\r\n"])
@pytest_twisted.ensureDeferred
async def test_another_part(fetch: Fetch, tmp_path: Path, header: bytes, at_end: AtEnd) -> None:
    """Where a proxy sends another part than it was asked for, the whole file is asked for."""
    wrong = HEAD % b"206 Part" + header + b"Content-Length: 9\r\n\r\nyyyyyyyyy"
    peer = odd([wrong])
    (tmp_path / ".big.part").write_bytes(b"xxx")
    url = f"http://{peer.start(at_end)}/big"
    assert await fetch(RemoteFile("big", url, 9), tmp_path) == ""
    assert (tmp_path / "big").read_bytes() == b"x" * 9
    assert [b"Range" in each for each in peer.heard] == [True, False]


CHUNKED = b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"200 OK\r\nContent-Length: 9\r\n\r\nxxx",
        b"200 OK\r\n\r\nxxx",
        b"200 OK\r\n\r\nxxxxxxxxx",
        CHUNKED,
        CHUNKED + b"6\r\nxx",
        b"200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nxxx\r\n0\r\n\r\n",
        b"206 Part\r\nContent-Range: bytes 0-2/*\r\nContent-Length: 3\r\n\r\nxxx",
        b"204 No Content\r\n\r\n",
        b"200 OK\r\nContent-Type: application/xhtml+xml\r\n\r\n<p>Back soon</p>",
        b"200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
    ],
    ids=[
        "short",
        "cut",
        "open end",
        "no last chunk",
        "half a chunk",
        "encoded twice",
        "part of what",
        "nothing",
        "page",
        "compressed",
    ],
)
@pytest_twisted.ensureDeferred
async def test_odd_answer(fetch: Fetch, tmp_path: Path, answer: bytes, at_end: AtEnd) -> None:
    """What ends early, or may have, is a web page, or comes compressed is requested again."""
    peer = odd([HEAD.partition(b"%s")[0] + answer])
    url = f"http://{peer.start(at_end)}/big"
    (tmp_path / ".big.part").write_bytes(b"of another file")
    assert await fetch(RemoteFile("big", url), tmp_path) == ""
    assert (tmp_path / "big").read_bytes() == b"x" * 9
    assert peer.count == 2


@pytest_twisted.ensureDeferred
async def test_end_that_nobody_knows(
    fetch: Fetch,
    koji: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    at_end: AtEnd,
) -> None:
    """Where no reply says how long a file is, only its size or digest show that it is whole."""
    peer = Peer(then=HEAD % b"200 OK" + b"\r\n" + CONTENT, closes=True)
    url = f"http://{peer.start(at_end)}/big"
    for number, known in enumerate([(None, DIGEST), (len(CONTENT), None)]):
        assert await fetch(RemoteFile("big", url, *known), tmp_path / str(number)) == ""
    # Not even the query of a signed address is shown.
    signed = RemoteFile("big", f"{url}?st=unseen", len(CONTENT), ("md5", "0"))
    trouble = await fetch(signed, tmp_path / "signed")
    assert "its md5 digest is" in trouble
    assert "unseen" not in f"{trouble} {signed!r}"
    peer.count -= 1
    assert peer.count == 2
    do_not_retry(koji)
    with pytest.raises(TruncatedReply, match="never said how long the file is: it may be cut"):
        await koji.download([RemoteFile("big", url)], tmp_path)
    order = fetcher.request_for(koji, str(tmp_path), [RemoteFile("big", url)], 1)
    assert await deferToThread(program.main, {**order, "attempts": 1}) == 1
    assert "never said how long the file is: it may be cut" in capsys.readouterr().out
    assert not (tmp_path / "big").exists()


@pytest.mark.parametrize(
    ("scheme", "start"),
    [
        ("http", b"HTTP/1.1 200 OK\r\nServer: "),
        ("http", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"),
        ("http", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("https", b"\x16\x03\x03\x40\x00\x02"),
    ],
    ids=["head", "chunk", "body", "handshake"],
)
@pytest_twisted.ensureDeferred
async def test_dripping_answer(
    koji: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    scheme: str,
    start: bytes,
    at_end: AtEnd,
) -> None:
    """No part of an answer may take forever, though each read of it is short."""
    url = f"{scheme}://{Peer(first=start, drip=b'x').start(at_end)}/big"
    koji.deadline = 2
    order = fetcher.request_for(koji, str(tmp_path), [RemoteFile("big", url)], 1)
    assert await deferToThread(program.main, {**order, "attempts": 1}) == 1
    assert "less than 65,536 bytes arrived in 2 s" in capsys.readouterr().out
    assert list(tmp_path.glob("*big*")) == []


@pytest.mark.hub(tls=True)
@pytest_twisted.ensureDeferred
async def test_redirect_without_tls(
    fetch: Fetch,
    connect: Connect,
    hub: FakeHub,
    tmp_path: Path,
    at_end: AtEnd,
) -> None:
    """Nobody follows a redirect from https to http."""
    peer = odd([HEAD % b"301 Moved\r\nLocation: http://127.0.0.1:1/" + b"\r\n"])
    certificate = str(hub.authority.server("127.0.0.1"))
    context = DefaultOpenSSLContextFactory(certificate, certificate)
    url = f"https://{peer.start(at_end, context)}/big"
    koji = connect(serverca=str(hub.authority.certificate_path))
    assert "301" in await fetch(RemoteFile("big", url), tmp_path, koji)


@pytest.mark.parametrize("location", ["http://[", "http://a..b/big", "ftp://127.0.0.1:{}/big"])
@pytest_twisted.ensureDeferred
async def test_redirect_that_leads_nowhere(
    fetch: Fetch, tmp_path: Path, location: str, at_end: AtEnd
) -> None:
    """A redirect to what is no address of the web is not followed, and is waited out."""
    answers: list[bytes] = []
    peer = odd(answers)
    place = peer.start(at_end)
    location = location.format(place.partition(":")[2])
    answers.append(HEAD % f"302 X\r\nLocation: {location}\r\n".encode() + b"\r\n")
    assert await fetch(RemoteFile("big", f"http://{place}/big", 9), tmp_path) == ""
    assert peer.count == 2


@pytest.mark.parametrize("location", ["http://u:unseen@127.0.0.1:1/big", "gopher://a/?unseen"])
@pytest_twisted.ensureDeferred
async def test_redirect_with_a_secret(
    koji: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    location: str,
    at_end: AtEnd,
) -> None:
    """The message about a redirect that is not followed shows nothing of where it leads."""
    peer = Peer(then=HEAD % f"302 X\r\nLocation: {location}\r\n".encode() + b"\r\n", closes=True)
    file = RemoteFile("big", f"http://{peer.start(at_end)}/big")
    order = fetcher.request_for(koji, str(tmp_path), [file], 1)
    assert await deferToThread(program.main, {**order, "attempts": 1}) == 1
    assert capsys.readouterr().out == f"{file.url}: it answered with HTTP status 302\n"


@pytest_twisted.ensureDeferred
async def test_odd_headers(fetch: Fetch, tmp_path: Path, at_end: AtEnd) -> None:
    """A redirect to an address in UTF-8 is followed; the encoding ``identity`` is none."""
    plain = HEAD % b"200 OK" + b"Content-Encoding: identity\r\n\r\nxxxxxxxxx"
    peer = Peer(then=lambda data: plain if b"/Gr" in data else moved, closes=True)
    url = f"http://{peer.start(at_end)}"
    moved = HEAD % f"302 Found\r\nLocation: {url}/Gr\u00f6\u00dfe\r\n".encode() + b"\r\n"
    assert await fetch(RemoteFile("big", f"{url}/big", 9), tmp_path) == ""
    assert (tmp_path / "big").read_bytes() == b"x" * 9
    assert peer.count == 2
