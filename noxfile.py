"""The checks on every Python and with every set of dependencies. ``make`` needs none of it.

``nox --list`` names the sessions; ``nox -s "tests-3.10(lowest)" -- tests/txkoji`` runs one of them
over some of the tests.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "tests", "docs", "package", "tutorial"]
# A Python that this machine does not have is named, and skipped.
nox.options.error_on_missing_interpreters = False

PYENV = shutil.which("pyenv")
if PYENV and "PYENV_VERSION" not in os.environ:
    # pyenv's commands start only the versions that are chosen: name all of them.
    listed = [
        subprocess.run([PYENV, *each], capture_output=True, text=True, check=True).stdout  # noqa: S603
        for each in (["version-name"], ["versions", "--bare"])
    ]
    os.environ["PYENV_VERSION"] = ":".join(
        dict.fromkeys("".join(listed).replace(":", "\n").split())
    )

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
SETS = ["lowest", "newest-twisted", "latest"]

_BUILT: list[Path] = []

BUILDER = ["build==1.6.1", "setuptools==84.2.1"]
"""What builds wheel and sdist: the wheel names its version."""

FLOORS = """
from importlib.metadata import requires
from packaging.requirements import Requirement
for requirement in map(Requirement, requires("buildbot-koji")):
    if requirement.marker and not any(
        requirement.marker.evaluate({"extra": extra})
        for extra in ("", "amqp", "amqp1", "gssapi", "master")
    ):
        continue
    for each in requirement.specifier:
        if each.operator == ">=" and requirement.name.lower() not in EXCEPT:
            print(f"{requirement.name}=={each.version}")
"""
"""Prints the lowest versions that we declare; what only the tests need is always the latest."""

CHECK = """
import sys
from importlib.metadata import distribution
from importlib.resources import files
ours = distribution("buildbot-koji").entry_points
assert len(ours) > 25, ours
for each in ours:
    each.load()
for package in ("txkoji", "buildbot_koji"):
    assert files(package).joinpath("py.typed").is_file(), package
    assert sys.prefix in str(files(package)), files(package)
print(len(ours), "entry points")
"""


@nox.session(python=PYTHONS)
@nox.parametrize("dependencies", SETS, ids=SETS)
def tests(session: nox.Session, dependencies: str) -> None:
    """Run the tests with the lowest declared dependencies, those but Twisted, or the latest."""
    # These two are built when they are installed.
    built = ",gssapi,amqp1" if shutil.which("krb5-config") else ""
    ours = f".[test,amqp{built}]"
    if dependencies == "latest":
        session.install("--upgrade", "--upgrade-strategy", "eager", "-e", ours)
    else:
        session.install("packaging", "setuptools>=77")
        session.install("--no-deps", "-e", ".")
        free = ["twisted"] if dependencies == "newest-twisted" else []
        program = f"EXCEPT = {free}\n{FLOORS}"
        lowest = session.run("python", "-c", program, silent=True)
        constraints = Path(session.create_tmp()) / "lowest.txt"
        constraints.write_text(str(lowest), encoding="utf-8")
        session.install("-c", str(constraints), "-e", ours)
    # Without its dependencies: see OFFICIAL_CLIENT in setup.py.
    session.install("--no-deps", "koji>=1.36", "requests-gssapi>=1.3")
    # pytest fails where it collects nothing.
    session.run(
        *("python", "-m", "pytest", "-n", "2", "--dist", "loadgroup", *session.posargs),
        # nox's own is below the clone, where other users (Apache's) may not look.
        env={"TMPDIR": tempfile.gettempdir()},
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Run ``make lint``: format, lint, types, layers, spelling."""
    _make(session, "lint")


@nox.session
def types(session: nox.Session) -> None:
    """Run ``make types``."""
    _make(session, "types")


@nox.session
def docs(session: nox.Session) -> None:
    """Test the pages, their examples and the news."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "pytest", "tests/docs", *session.posargs)
    session.run("towncrier", "build", "--draft")


@nox.session
def linkcheck(session: nox.Session) -> None:
    """Ask every address that the pages name whether it is there; needs the network."""
    session.install("-e", ".[dev]")
    session.run("sphinx-build", "-q", "-b", "linkcheck", "docs", "build/linkcheck")


@nox.session(python=PYTHONS)
def package(session: nox.Session) -> None:
    """Install wheel and sdist where nothing else is, and use them outside of the clone."""
    dist = _dist(session)
    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    session.install(f"buildbot-koji[master,amqp] @ {sdist.as_uri()}")
    session.cd(dist)
    session.run("python", "-c", CHECK)
    session.install("--force-reinstall", "--no-deps", wheel.as_uri())
    session.run("python", "-c", CHECK)
    session.run("buildbot-koji", "--help", silent=True)
    session.run("buildbot-koji", "demo", "--once")


@nox.session
def tutorial(session: nox.Session) -> None:
    """Do what the tutorial says, literally, with the wheel."""
    dist = _dist(session)
    home = Path(session.create_tmp()).absolute() / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    session.run(
        "python",
        "tests/docs/tutorial.py",
        str(home),
        env={"HOME": str(home), "PIP_FIND_LINKS": str(dist), "PIP_QUIET": "1"},
    )


@nox.session
def build(session: nox.Session) -> None:
    """Build wheel and sdist of the last commit in ``dist``: the same bytes whoever builds them.

    They depend on the commit, and on the versions of Python and of ``BUILDER`` alone.
    """
    session.install(*BUILDER, "check-wheel-contents", "twine")
    _build(session, Path("dist"), _snapshot(session, "once"))
    again = Path(session.create_tmp()) / "dist"
    _build(session, again, _snapshot(session, "twice"))
    for each in again.iterdir():
        if each.read_bytes() != Path("dist", each.name).read_bytes():
            session.error(f"a second build of {each.name} differs")
        session.log(f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}")


@nox.session
def release(session: nox.Session) -> None:
    """Make a release: ``nox -s release -- 1.0.0``; it ends with a tag to push and files to publish.

    The changelog is built from the fragments.
    """
    [version] = session.posargs
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        session.error(f"{version} is no version such as 1.0.0 or 1.0.0rc1")
    if _git(session, "status", "--porcelain"):
        session.error("commit or stash what git status names first")
    if _git(session, "tag", "--list", f"v{version}"):
        session.error(f"v{version} is there already")
    session.install("towncrier")
    for path, pattern in (
        ("setup.py", r'(?<=version=")[^"]+'),
        ("buildbot_koji/www/VERSION", r"(?m)^.+$"),
    ):
        text = Path(path).read_text(encoding="utf-8")
        Path(path).write_text(re.sub(pattern, version, text, count=1), encoding="utf-8")
    session.run("towncrier", "build", "--yes", "--version", version)
    changelog = Path("CHANGELOG.rst")
    text = changelog.read_text(encoding="utf-8")
    changelog.write_text(re.sub(r"\nNothing is published yet: .*\n", "", text), encoding="utf-8")
    _git(session, "commit", "--all", "--message", f"Release {version}")
    _git(session, "tag", "--annotate", f"v{version}", "--message", version)
    build(session)
    if "project_urls" not in Path("setup.py").read_text(encoding="utf-8"):
        session.warn("setup.py names no project_urls: the page at PyPI would link to nothing")
    session.log(f"now: git push --follow-tags; the workflow publishes v{version}, attested")


def _dist(session: nox.Session) -> Path:
    """Return a directory with wheel and sdist of the clone, which a run of nox builds once."""
    if not _BUILT:
        session.install(*BUILDER, "check-wheel-contents", "twine")
        _BUILT.append(Path(session.create_tmp()).absolute() / "dist")
        _build(session, _BUILT[0], Path())
    return _BUILT[0]


def _git(session: nox.Session, *arguments: str) -> str:
    """Run git; returns what it prints."""
    return str(session.run("git", *arguments, external=True, silent=True)).strip()


def _snapshot(session: nox.Session, name: str) -> Path:
    """Write the files of the last commit, with the modes that git knows, to a new directory."""
    place = Path(session.create_tmp()).absolute() / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    archive = place.with_suffix(".tar")
    _git(session, "-c", "tar.umask=0022", "archive", "--output", str(archive), "HEAD")
    with tarfile.open(archive) as files:
        files.extractall(place, filter="tar")
    return place


def _build(session: nox.Session, dist: Path, source: Path) -> None:
    """Build wheel and sdist, and check them."""
    # The time of the last commit, in place of the present.
    time = _git(session, "log", "-1", "--format=%ct")
    os.umask(0o022)
    shutil.rmtree(dist, ignore_errors=True)
    session.run(
        *("python", "-m", "build", "--no-isolation", "--outdir", str(dist.absolute()), str(source)),
        env={"SOURCE_DATE_EPOCH": time},
        silent=True,
    )
    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    _repack(sdist, int(time))
    session.run("twine", "check", "--strict", str(wheel), str(sdist))
    # W009: the two packages are one distribution on purpose.
    session.run("check-wheel-contents", "--ignore", "W009", str(wheel))


def _repack(sdist: Path, time: int) -> None:
    """Write an sdist without what differs between machines: owners, times, order, gzip's header."""
    with tarfile.open(sdist) as old:
        members = sorted(old, key=lambda member: member.name)
        contents = [old.extractfile(member) if member.isfile() else None for member in members]
        with (
            sdist.with_suffix(".new").open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=time) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
        ):
            for member, content in zip(members, contents, strict=True):
                member.uid = member.gid = 0
                member.uname = member.gname = "root"
                member.mtime = time
                member.pax_headers = {}
                new.addfile(member, content)
    sdist.with_suffix(".new").replace(sdist)


def _make(session: nox.Session, target: str) -> None:
    """Run a target of the Makefile in the session's own environment."""
    session.install("-e", ".[dev]")
    place = Path(session.virtualenv.location)
    (place / "ready").touch()
    session.run("make", target, f"VENV={place}", external=True)
