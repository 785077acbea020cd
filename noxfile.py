"""The checks on every Python and with every set of dependencies. ``make`` needs none of it.

``nox --list`` names the sessions; ``nox -s "tests-3.10(lowest)" -- tests/txkoji`` runs one of them
over some of the tests.
"""

from __future__ import annotations

import shutil
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
    session.install("--no-deps", "koji>=1.36")
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
def package(session: nox.Session) -> None:
    """Build the wheel, install it where nothing else is, and load what it offers."""
    session.install("build", "twine")
    dist = Path(session.create_tmp()).absolute() / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(dist))
    session.run("twine", "check", "--strict", *map(str, dist.iterdir()))
    [wheel] = dist.glob("*.whl")
    session.install(f"buildbot-koji[master,amqp] @ {wheel.as_uri()}")
    session.cd(dist)
    session.run("python", "-c", CHECK_WHEEL)
    session.run("buildbot-koji", "--help", silent=True)


def _make(session: nox.Session, target: str) -> None:
    """Run a target of the Makefile in the session's own environment."""
    session.install("-e", ".[dev]")
    place = Path(session.virtualenv.location)
    (place / "ready").touch()
    session.run("make", target, f"VENV={place}", external=True)
