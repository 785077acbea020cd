"""Whatever a configuration names where a file should be: nothing of it blocks the reactor."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from txkoji import Profile, login_problem, profiles
from txkoji.exceptions import BrokenConfiguration, ConfigurationError, KojiLoginException
from txkoji.hub.kerberos import Kerberos
from txkoji.hub.tls import PEMFile, plain_authorities, read_client_certificate, trust_root
from txkoji.profiles import open_regular, read_configured

pytestmark = pytest.mark.limit(30)

HUB = Profile("koji", "https://hub.test/kojihub")


def pipe(path: Path) -> None:
    """Make a pipe that nobody writes into."""
    os.mkfifo(path)


def directory(path: Path) -> None:
    """Make a directory."""
    path.mkdir()


def endless(path: Path) -> None:
    """Link to a device that never ends."""
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    """Make a file of a terabyte, which takes no space."""
    with path.open("wb") as file:
        file.truncate(1 << 40)


ODD = [pipe, directory, endless, huge]

Reader = Callable[[Path], object]


def _keytab(path: Path) -> None:
    found = login_problem(replace(HUB, authtype="kerberos", principal="bot@TEST", keytab=str(path)))
    if found is not None:
        raise BrokenConfiguration(found)


READERS: dict[str, Reader] = {
    "read_configured": read_configured,
    "koji.conf": lambda path: profiles.load("koji", config=path),
    "serverca": lambda path: trust_root(replace(HUB, serverca=str(path))),
    "serverca as text": lambda path: plain_authorities(replace(HUB, serverca=str(path))),
    "certificate": lambda path: read_client_certificate(PEMFile(str(path), "cert", "the profile")),
    "keytab": _keytab,
}


@pytest.mark.parametrize("make", ODD, ids=lambda each: each.__name__)
@pytest.mark.parametrize("name", READERS)
def test_odd_file(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    """What is no regular file of a usual size is refused at once, with its name."""
    path = tmp_path / "odd"
    make(path)
    with pytest.raises((OSError, ConfigurationError, KojiLoginException)):
        READERS[name](path)


def test_name_that_is_too_long() -> None:
    """What the system says of a path is in the message, whichever look at it fails."""
    with pytest.raises(BrokenConfiguration, match="File name too long"):
        trust_root(replace(HUB, serverca="/" + "a" * 5000))


def test_pipe_in_a_hashed_directory(tmp_path: Path) -> None:
    """OpenSSL would open it in the middle of a handshake."""
    pipe(tmp_path / "0a1b2c3d.0")
    with pytest.raises(BrokenConfiguration, match="it is no regular file"):
        trust_root(replace(HUB, serverca=str(tmp_path)))


def test_pipe_for_a_ticket(tmp_path: Path) -> None:
    """Kerberos is not given a pipe for a keytab or a cache of tickets."""
    path = tmp_path / "pipe"
    pipe(path)
    for kerberos in (
        Kerberos("bot@TEST", str(path), None, "the profile"),
        Kerberos("bot@TEST", None, f"FILE:{path}", "the profile"),
    ):
        with pytest.raises(KojiLoginException, match=r"is no regular file|needs the package"):
            kerberos.lifetime()


def test_file_that_became_a_pipe(tmp_path: Path) -> None:
    """A file may be replaced between two reads."""
    path = tmp_path / "file"
    path.write_bytes(b"1")
    assert read_configured(path) == b"1"
    path.unlink()
    pipe(path)
    with pytest.raises(OSError, match="it is no regular file"):
        open_regular(path)


@pytest.mark.parametrize("read", [open_regular, read_configured])
def test_null_character(read: Callable[[str], object]) -> None:
    """A path that no system has is an OSError like any other."""
    with pytest.raises(OSError, match="null"):
        read("/a\0b")


def test_null_device(tmp_path: Path) -> None:
    """A link to it hides a file: it reads as empty."""
    hidden = tmp_path / "config"
    hidden.symlink_to(os.devnull)
    assert read_configured(hidden) == b""
