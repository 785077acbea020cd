"""Profiles are found where Koji's own client finds them, and what is wrong with one is one line."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from txkoji import Connection, KojiException, Profile, login_problem, profiles
from txkoji.exceptions import BrokenConfiguration, ConfigurationError, ProfileNotFound
from txkoji.hub.auth import way_to_log_in
from txkoji.hub.credentials import certificate_credential
from txkoji.hub.kerberos import Kerberos
from txkoji.hub.tls import PEMFile, plain_authorities, trust_root


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """Return a directory in the place of /etc."""
    directory = tmp_path / "etc"
    (directory / "koji.conf.d").mkdir(parents=True)
    return directory


@pytest.fixture
def user(empty_home: Path) -> Path:
    """Return the user's directory for Koji's configuration."""
    (empty_home / ".koji").mkdir()
    return empty_home / ".koji"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_later_files_win(system: Path, user: Path) -> None:
    """The directory in /etc, the file in /etc, the user's directory, the user's file: last wins."""
    write(system / "koji.conf.d" / "b.conf", "[k]\nserver = http://b\nweburl = http://b/w\n")
    write(system / "koji.conf.d" / "a.conf", "[k]\nserver = http://a\ncert = /a.pem\n")
    write(system / "koji.conf", "[k]\nweburl = http://etc/w/\ntopurl = http://etc/t/\n")
    write(user / "config.d" / "x.conf", "[k]\ntopurl = http://user/t\n")
    write(user / "config", "[k]\nprincipal = me\n")
    profile = profiles.load("k", system=system)
    assert profile.server == "http://b"
    assert profile.weburl == "http://etc/w"
    assert profile.topurl == "http://user/t"
    assert profile.cert == "/a.pem"
    assert profile.principal == "me"


def test_file_of_a_foreign_editor(system: Path, user: Path) -> None:
    """A file may begin with the mark of its encoding, and end its lines as on Windows."""
    write(system / "koji.conf", "\ufeff[k]\r\nserver = http://k\r\n")
    assert profiles.load("k", system=system).server == "http://k"


def test_files_that_are_not_conf(system: Path, user: Path) -> None:
    """A directory's files count only with the ending ``.conf``."""
    write(system / "koji.conf.d" / "k.conf", "[k]\nserver = http://k\n")
    write(system / "koji.conf.d" / "k.conf.rpmsave", "[k]\nserver = http://old\n")
    assert profiles.load("k", system=system).server == "http://k"


def test_config_takes_the_place_of_the_users(system: Path, user: Path, tmp_path: Path) -> None:
    """A file that is named is read after those of /etc, instead of the user's."""
    write(system / "koji.conf", "[k]\nserver = http://etc\nweburl = http://etc/w\n")
    write(user / "config", "[k]\nweburl = http://user/w\n")
    named = write(tmp_path / "named.conf", "[k]\nserver = http://named\n")
    profile = profiles.load("k", config=named, system=system)
    assert (profile.server, profile.weburl) == ("http://named", "http://etc/w")
    with pytest.raises(BrokenConfiguration, match="there is no configuration file"):
        profiles.load("k", config=tmp_path / "absent.conf", system=system)


def test_defaults(system: Path, user: Path) -> None:
    """Defaults are Koji's own, except a shorter timeout; ~ is the user's home."""
    write(
        system / "koji.conf",
        "[k]\nserver = https://k/kojihub/\ntopurl = http://k/f/\ncert = ~/me.pem\n",
    )
    profile = profiles.load("k", system=system)
    assert profile.server == "https://k/kojihub/"
    assert profile.weburl == "http://localhost/koji"
    assert profile.topurl == "http://k/f"
    assert profile.cert == str(user.parent / "me.pem")
    assert profile.serverca is None
    assert (profile.timeout, profile.poll_interval) == (120, 6)
    assert not profile.no_ssl_verify
    assert profile.settings["server"] == "https://k/kojihub/"


def test_certificates_in_their_usual_place(system: Path, user: Path) -> None:
    """``~/.koji/client.crt`` and ``serverca.crt`` are used by default if they exist."""
    write(system / "koji.conf", "[k]\nserver = https://k\n[none]\nserver = https://k\ncert =\n")
    write(user / "client.crt", "x")
    write(user / "serverca.crt", "x")
    assert profiles.load("k", system=system).cert == str(user / "client.crt")
    assert profiles.load("k", system=system).serverca == str(user / "serverca.crt")
    assert profiles.load("none", system=system).cert is None


def test_old_pkgurl(system: Path, user: Path) -> None:
    """The old ``pkgurl`` says where the files are, where ``topurl`` does not."""
    write(system / "koji.conf", "[k]\nserver = http://k\npkgurl = http://k/files/packages/\n")
    assert profiles.load("k", system=system).topurl == "http://k/files"


@pytest.mark.parametrize("misspelt", ["fedroa", "FEDORA"])
def test_missing_profile(system: Path, user: Path, misspelt: str) -> None:
    """A profile that is not there: where was looked, and which ones there are. A ValueError too."""
    write(system / "koji.conf", "[fedora]\nserver = http://f\n[centos]\nserver = http://c\n")
    with pytest.raises(ProfileNotFound) as caught:
        profiles.load(misspelt, system=system)
    assert str(caught.value) == (
        f"no Koji profile '{misspelt}' in {system}/koji.conf.d/*.conf, {system}/koji.conf,"
        f" {user}/config.d, {user}/config; there are: centos, fedora; did you mean fedora?"
    )
    # Of a directory only some files are read, also where one has the name of a file.
    (user / "config").mkdir()
    with pytest.raises(ProfileNotFound, match=r"/config/\*\.conf; there are: centos, fedora$"):
        profiles.load("ours", system=system)
    with pytest.raises(ProfileNotFound, match="; that is an address: write it into one of them as"):
        profiles.load("https://koji.example.com/kojihub", system=system)
    with pytest.raises(ValueError, match="no Koji profile 'nope'"):
        Connection("nope", reactor=object())
    assert profiles.names(system=system) == ["centos", "fedora"]


def test_nothing_is_configured(system: Path, user: Path) -> None:
    """Without any profile the error says so."""
    with pytest.raises(ProfileNotFound, match="no profile is configured at all"):
        profiles.load(system=system)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[k]\nweburl = http://k\n", "has no 'server'"),
        ("[k]\nserver = k.example.com\n", "'k.example.com' is no http:// or https:// address"),
        ("[k]\nserver = http://k:0/kojihub\n", "'http://k:0/kojihub' has the port 0"),
        ("[k]\nserver = http://k\ntimeout = soon\n", "timeout of the Koji profile 'k' is not a w"),
        ("[k]\nserver = http://k\npoll_interval = x\n", "poll_interval of the Koji profile 'k'"),
        ("[k]\nserver = http://k\nno_ssl_verify = perhaps\n", "no_ssl_verify of the Koji profile"),
        ("[k]\nserver = http://k\npassword = %Hunter2\n", "a literal % must be written %%"),
        ("[k]\nserver = http://u:Hunter2@k\n", "'http://***@k' holds a user or password"),
        ("[k]\nserver = u:Hunter2@k\n", "'***@k' is no http:// or https:// address"),
        ("[k]\nserver = http://k/?token=Hunter2\n", "'http://k/?***' has a query or a fragment"),
        ("[k]\nserver = http://k\ntopurl = http://k/#Hunter2\n", "'http://k/?***' has a query"),
        (
            "[k]\nserver = http://k\nno_ssl_verify = http://u:Hunter2@k\n",
            "true nor false: 'http://***@k'",
        ),
        ("[k]\nserver = http://k/%41\n", "a literal % must be written %%"),
        ("password = Hunter2\n", "can't be parsed: line 1 comes before any [section]"),
        ("[k]\nserver = http://k\n[k]\n", "can't be parsed: line 3 begins the section 'k' once"),
        ("[k]\npassword=1\npassword=Hunter2\n", "line 3 gives password of 'k' once more"),
        ("[k]\nserver = http://k\npassword Hunter2\n", "line 3 is no 'key = value'"),
    ],
)
def test_broken_profile(system: Path, user: Path, text: str, words: str) -> None:
    """What is wrong with a profile is one line that names it."""
    write(system / "koji.conf", text)
    with pytest.raises(ConfigurationError) as caught:
        profiles.load("k", system=system)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Hunter2" not in "".join(traceback.format_exception(caught.value))


def test_file_that_is_not_text(system: Path, user: Path) -> None:
    """A configuration in another encoding is named."""
    (system / "koji.conf").write_bytes(b"[k]\nserver = http://k\n# caf\xe9\n")
    with pytest.raises(BrokenConfiguration, match=r"koji\.conf is not UTF-8"):
        profiles.load("k", system=system)


def test_file_that_cannot_be_read(system: Path, user: Path) -> None:
    """A configuration that is asked for and can't be read is named, with the reason."""
    with pytest.raises(
        BrokenConfiguration, match=r"configuration /dev/zero: it is no regular file"
    ):
        profiles.load("k", config="/dev/zero", system=system)


CLOSED = """
import os, pathlib, sys
from txkoji import profiles
os.chdir(sys.argv[1])
profiles.names("none", system=pathlib.Path())  # Imports what another user may not.
os.getuid() or os.setuid(65534)
for name in "kq":
    try:
        print(profiles.load(name, config="none", system=pathlib.Path()).server)
    except profiles.ProfileNotFound as error:
        print(error)
try:
    profiles.load("k", config="koji.conf.d", system=pathlib.Path())
except profiles.BrokenConfiguration as error:
    print(error)
"""


def test_file_that_is_no_configuration_of_ours(system: Path, tmp_path: Path) -> None:
    """Another user's file, an editor's lock and a directory hide no other file's profiles."""
    directory = system / "koji.conf.d"
    write(directory / "a.conf", "[k]\nserver = http://k\n")
    write(directory / "closed.conf", "[q]\nserver = http://q\n").chmod(0)
    (directory / ".#a.conf").symlink_to("root@host.1234:5")
    (directory / "d.conf").mkdir()
    system.chmod(0o755)
    (system / "none").mkdir()
    command = [sys.executable, "-c", CLOSED, str(system)]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert found[0] == "http://k"
    assert "(this user can't read koji.conf.d/closed.conf)" in found[1]
    # What was asked for is not passed over.
    assert found[2].startswith("can't read the Koji configuration koji.conf.d/closed.conf: ")


def test_keytab_is_not_shown(system: Path, user: Path) -> None:
    """The path of a keytab is in no repr."""
    write(system / "koji.conf", "[k]\nserver = http://k\nkeytab = /etc/secret.keytab\n")
    profile = profiles.load("k", system=system)
    assert profile.keytab == "/etc/secret.keytab"
    assert "secret" not in repr(profile)


def test_poll_interval(system: Path, user: Path) -> None:
    """Seconds between two polls of a task are the profile's; 0 stands for the default."""
    write(system / "koji.conf", "[a]\nserver = http://k\npoll_interval = 30\n")
    write(
        user / "config",
        "[b]\nserver = http://k\npoll_interval = 0\n",
    )
    assert profiles.load("a", system=system).poll_interval == 30
    assert profiles.load("b", system=system).poll_interval == 6


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("timeout = -5", "timeout .* from 0 to 2147483647: '-5'"),
        ("poll_interval = -1", "poll_interval .* from 0 to 2147483647: '-1'"),
        (f"timeout = 1{'0' * 400}", "timeout .* from 0 to 2147483647"),
        ("max_retries = many", "max_retries .* is not a whole number: 'many'"),
        ("max_retries = -1", "max_retries .* from 0 to 2147483647: '-1'"),
        ("server = https://koji..example.com/", "impossible host name: 'koji..example.com'"),
        (f"server = https://{'a' * 64}.example.com/", "impossible host name"),
        ("topurl = https://a%%20b/", "topurl .* impossible host name"),
    ],
)
def test_impossible_values(system: Path, user: Path, line: str, words: str) -> None:
    """A number or a host that can't be meant is refused with the profile, not at the first call."""
    server = "" if line.startswith("server") else "server = http://k\n"
    write(user / "config", f"[k]\n{server}{line}\n")
    with pytest.raises(BrokenConfiguration, match=words):
        profiles.load("k", system=system)


def test_home_of_nobody(
    system: Path, user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown user's ``~`` is kept; an unreadable home counts as empty."""
    path = write(tmp_path / "k.conf", "[k]\nserver = http://k\ncert = ~nosuch/a\n")
    assert profiles.load("k", config=path, system=system).cert == "~nosuch/a"
    # Any error but "there is none" will do: root may read everything.
    monkeypatch.setenv("HOME", "/" + "x" * 5000)
    with pytest.raises(ProfileNotFound, match="no profile is configured"):
        profiles.load("k", system=system)
    assert profiles.load("k", config=path, system=system).serverca is None


def test_secrets_are_not_settings(tmp_path: Path) -> None:
    """What must stay secret, and where it lies, no lookup of a setting shows."""
    path = tmp_path / "koji.conf"
    path.write_text(
        "[koji]\nserver = http://h\npassword = p1\nkeytab = /k/t\nccache = /c/c\nuser = me\n"
    )
    profile = profiles.load(config=path)
    assert (profile.password, profile.keytab, profile.ccache) == ("p1", "/k/t", "/c/c")
    assert dict(profile.settings) == {"server": "http://h", "user": "me"}


SECRET = "Xk29staple"

PLANTS = [
    f"https://robot:{SECRET}@files.example.test/a",
    f"https://{SECRET}@files.example.test/a",
    f"https://files.example.test/a?token={SECRET}",
    f"robot:{SECRET}@files.example.test",
]

OPTIONS = [
    *("server", "weburl", "topurl", "pkgurl", "authtype", "user", "password", "cert", "serverca"),
    *("no_ssl_verify", "principal", "keytab", "ccache", "proxyuser", "timeout", "poll_interval"),
    *("max_retries", "anon_retry", "debug", "http://x"),
]


def _said_of(path: Path, name: str) -> Iterator[object]:
    """Give all that a program may show of a profile without asking a hub."""
    try:
        profile = profiles.load(name, config=path, system=path.parent)
        koji = Connection(profile, reactor=Clock())
    except ConfigurationError as error:
        yield "".join(traceback.format_exception(error))
        return
    yield from (profile, koji, koji.client, koji.proxy, koji.submissions, koji.client.session)
    yield login_problem(profile)
    yield from (profile.title, profile.owner)
    for read in (way_to_log_in, trust_root, plain_authorities, _certificate, _ticket):
        try:
            yield read(profile)
        except KojiException as error:
            yield "".join(traceback.format_exception(error))


def _certificate(profile: Profile) -> object:
    file = PEMFile(profile.cert or "", "cert", profile.owner)
    return file, str(file), certificate_credential(file)


def _ticket(profile: Profile) -> object:
    kerberos = Kerberos(profile.principal, profile.keytab, profile.ccache, profile.owner)
    return kerberos, str(kerberos), kerberos.begin("hub.example.test")


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("key", OPTIONS)
def test_planted_secret(tmp_path: Path, user: Path, key: str, plant: str) -> None:
    """A password or token of an address is never shown, whichever option or name it stands in."""
    path = tmp_path / "planted.conf"
    for authtype in ("ssl", "password", "kerberos", None):
        values = {"server": "https://hub.example.test", "user": "me", "password": "secret word"}
        values |= {"authtype": authtype} if authtype else {}
        values |= {key: plant}
        lines = "".join(f"{name} = {value}\n" for name, value in values.items())
        path.write_text(f"[k]\n{lines}")
        said = [f"{each} {each!r}" for each in _said_of(path, "k")]
        assert said
        assert [each for each in said if SECRET in each] == []


@pytest.mark.parametrize("plant", PLANTS)
def test_planted_name(tmp_path: Path, user: Path, plant: str) -> None:
    """The same holds for the name of a profile, and of one that is missing."""
    path = tmp_path / "planted.conf"
    path.write_text(f"[{plant}]\nserver = http://h\nauthtype = noauth\n")
    said = [f"{each} {each!r}" for name in (plant, plant[:-1]) for each in _said_of(path, name)]
    path.write_text(f"[{plant}]\nserver = http://h\n[{plant}]\n")
    said += [str(each) for each in _said_of(path, "k")]
    path.write_text(f"[{plant}]\nuser = a\nuser = b\n")
    said += [str(each) for each in _said_of(path, "k")]
    assert len(said) > 10
    assert [each for each in said if SECRET in each] == []


def test_address_with_a_secret() -> None:
    """A program can't make a profile whose address each message about a request would show."""
    addresses = (f"https://me:{SECRET}@h/", f"https://h/?st={SECRET}", f"https://h/#{SECRET}")
    for key, address in product(("server", "weburl", "topurl"), addresses):
        with pytest.raises(BrokenConfiguration) as caught:
            Profile("k", **{"server": "http://h", key: address})
        assert (
            str(caught.value)
            == f"{key} of the Koji profile 'k' holds a user, password, query or fragment:"
            " leave them out"
        )
