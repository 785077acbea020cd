"""The checks on every Python and with every set of dependencies. ``make`` needs none of it.

``nox --list`` names the sessions; ``nox -s "tests-3.10(lowest)" -- tests/txkoji`` runs one of them
over some of the tests.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "tests", "docs", "package"]
# A Python that this machine does not have is named, and skipped.
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
SETS = ["lowest", "newest-twisted", "latest"]

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

CHECK_WHEEL = """
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
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadgroup", *session.posargs)


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
    """Build wheel and sdist, install them where nothing else is, and use them from there."""
    session.install("build", "check-wheel-contents", "twine")
    dist = Path(session.create_tmp()).absolute() / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    _build(session, dist)
    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    # What is built of the sdist is what is built of the clone.
    session.run("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(dist / "of"), str(sdist))
    [second] = (dist / "of").glob("*.whl")
    names = [sorted(zipfile.ZipFile(each).namelist()) for each in (wheel, second)]
    if names[0] != names[1]:
        session.error(f"wheel and sdist differ: {set(names[0]) ^ set(names[1])}")
    session.install(f"buildbot-koji[master,amqp] @ {wheel.as_uri()}")
    clone = Path.cwd()
    session.cd(dist)
    session.run("python", "-c", CHECK_WHEEL)
    session.run("buildbot-koji", "--help", silent=True)
    session.run("buildbot-koji", "demo", "--once")
    home = dist / "home"
    home.mkdir()
    session.run(
        "python",
        str(clone / "tests" / "docs" / "tutorial.py"),
        str(home),
        env={"HOME": str(home), "PIP_FIND_LINKS": str(dist), "PIP_QUIET": "1"},
    )


@nox.session
def release(session: nox.Session) -> None:
    """Make a release: ``nox -s release -- 1.0.0``; it ends with a tag to push and files to publish.

    The changelog is made of the fragments; the files are the same whoever builds them again.
    """
    [version] = session.posargs
    session.install("build", "check-wheel-contents", "towncrier", "twine")
    for path, pattern in (
        ("setup.py", r'(?<=version=")[^"]+'),
        ("buildbot_koji/www/VERSION", r"(?m)^.+$"),
    ):
        text = Path(path).read_text(encoding="utf-8")
        Path(path).write_text(re.sub(pattern, version, text, count=1), encoding="utf-8")
    session.run("towncrier", "build", "--yes", "--version", version)
    session.run("git", "commit", "--all", "--message", f"Release {version}", external=True)
    session.run("git", "tag", "--annotate", f"v{version}", "--message", version, external=True)
    _build(session, Path("dist"))
    session.log(f"now: git push --follow-tags; the workflow publishes v{version}, attested")


def _build(session: nox.Session, dist: Path) -> None:
    """Build wheel and sdist, and check them."""
    # The time of the last commit, in place of the present: a second build gives the same bytes.
    time = session.run("git", "log", "-1", "--format=%ct", external=True, silent=True)
    environment = {"SOURCE_DATE_EPOCH": str(time).strip()}
    session.run("python", "-m", "build", "--outdir", str(dist), env=environment)
    built = [str(each) for each in dist.iterdir() if each.suffix in {".whl", ".gz"}]
    session.run("twine", "check", "--strict", *built)
    # W009: the two packages are one distribution on purpose.
    wheels = [each for each in built if each.endswith(".whl")]
    session.run("check-wheel-contents", "--ignore", "W009", *wheels)


def _make(session: nox.Session, target: str) -> None:
    """Run a target of the Makefile in the session's own environment."""
    session.install("-e", ".[dev]")
    place = Path(session.virtualenv.location)
    (place / "ready").touch()
    session.run("make", target, f"VENV={place}", external=True)
