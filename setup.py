"""Metadata of the distribution ``buildbot-koji``: the packages ``txkoji`` and ``buildbot_koji``."""

from pathlib import Path

from setuptools import find_packages, setup

MASTER = [
    "buildbot>=4.3",
    "buildbot-www>=4.3",
    "buildbot-worker>=4.3",
]

DOCS = ["furo>=2024.8", "sphinx>=7.4", "sphinx-copybutton>=0.5"]

# Koji's official client comes from PyPI too, but `make venv` installs it by itself and
# without its dependencies: one of them, gssapi, needs a compiler and the Kerberos headers, which
# most tests don't. What else the client imports is named here.
OFFICIAL_CLIENT = [
    "defusedxml>=0.7",
    "python-dateutil>=2.8",
    "requests>=2.28",
    "six>=1.16",
]

METRICS = ["prometheus-client>=0.20"]

TEST = [
    *MASTER,
    # Views that example_master.cfg, which `make demo` runs, shows where they are installed.
    "buildbot-console-view>=4.3",
    "buildbot-grid-view>=4.3",
    *METRICS,
    *OFFICIAL_CLIENT,
    # A reporter that our formatters are tested with.
    "buildbot-gitea>=1.8",
    # 7.10 is the first that measures subprocesses by itself.
    "coverage>=7.10",
    # Below import-linter; the tests look for import circles with it.
    "grimp>=3.9",
    "hypothesis>=6.100",
    # What many editors show of a package.
    "jedi>=0.19.2",
    "mock>=5.1",
    "psycopg2-binary>=2.9",
    "pika>=1.3",
    "playwright>=1.45",
    "pymysql[rsa]>=1.1",
    # With 9.2, pytest-xdist 3.8 does not keep the tests of a group together, and says nothing.
    "pytest>=8.2,<9.2",
    "rich>=13",
    "pytest-asyncio>=0.24",
    "pytest-randomly>=3.16",
    "pytest-twisted>=1.14.3",
    "pytest-xdist>=3.6",
    "treq>=24.9",
    "trove-classifiers",
]

setup(
    name="buildbot-koji",
    version="0.1.0",
    description="Koji in Buildbot: an asynchronous Koji client on Twisted, and plugins on it",
    long_description=Path(__file__).with_name("README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    license_expression="MIT",
    license_files=["LICENSE"],
    author="The buildbot-koji authors",
    # Its own addresses are added by whoever publishes it.
    project_urls={"Koji": "https://koji.build/", "Buildbot": "https://buildbot.net/"},
    keywords=["koji", "buildbot", "twisted", "rpm", "fedora", "continuous integration"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Web Environment",
        "Framework :: Twisted",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Software Development :: Build Tools",
        "Topic :: System :: Archiving :: Packaging",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    packages=find_packages(include=["txkoji", "txkoji.*", "buildbot_koji", "buildbot_koji.*"]),
    package_data={
        "txkoji": ["py.typed", "*.pyi"],
        "buildbot_koji": ["py.typed", "example_master.cfg", "www/VERSION", "www/static/*"],
    },
    install_requires=[
        # 24.7 is the first release whose inlineCallbacks accept a yielded coroutine,
        # which is how Buildbot calls an `async def run`.
        "twisted[tls]>=24.7",
        "attrs>=22.2",
        "munch>=4.0",
        # 24.3 is the first that takes cryptography's own certificates.
        "pyopenssl>=24.3",
        # 24.1 calls what pyOpenSSL 24.3 deprecates, and later removes.
        "service-identity>=24.2",
    ],
    extras_require={
        # 1.8.0 was withdrawn; 1.9 is the first that can be built for Python 3.13.
        "gssapi": [
            'gssapi>=1.8.1; python_version < "3.13"',
            'gssapi>=1.9; python_version >= "3.13"',
        ],
        "amqp": ["pika>=1.3"],
        "amqp1": ["python-qpid-proton>=0.39"],
        # For /plugins/koji/metrics only.
        "metrics": METRICS,
        # For a live tree in a terminal.
        "terminal": ["rich>=13"],
        "master": MASTER,
        "test": TEST,
        "dev": [
            *TEST,
            "codespell[toml]>=2.3",
            "import-linter>=2.5",
            "interrogate>=1.7",
            "mypy>=1.13",
            "mypy-zope>=1.0.9",
            "nox>=2024.4.15",
            "pre-commit>=3.7",
            "pyright>=1.1.390",
            "ruff>=0.8",
            *DOCS,
            "towncrier>=24.8",
        ],
    },
    entry_points={
        "buildbot.util": [
            "KojiAMQP = buildbot_koji.hubs.brokers:KojiAMQP",
            "KojiAMQP1 = buildbot_koji.hubs.brokers:KojiAMQP1",
            "KojiChangeFilter = buildbot_koji.changes.change_filter:KojiChangeFilter",
            "KojiOrphanReleaser = buildbot_koji.orphans:KojiOrphanReleaser",
            "KojiHub = buildbot_koji.hubs.koji_hub:KojiHub",
            "KojiMessageFormatter = buildbot_koji.reporters.formatters:KojiMessageFormatter",
            "KojiStatusFormatter = buildbot_koji.reporters.formatters:KojiStatusFormatter",
            "KojiPackages = buildbot_koji.mass.packages:KojiPackages",
        ],
        "buildbot.worker": ["KojiPlace = buildbot_koji.place:KojiPlace"],
        "buildbot.www": ["koji = buildbot_koji.www:ep"],
        "console_scripts": ["buildbot-koji = buildbot_koji.__main__:main"],
        "buildbot.changes": [
            "KojiChangeSource = buildbot_koji.changes.source:KojiChangeSource",
        ],
        "buildbot.reporters": [
            "KojiCIMessages = buildbot_koji.reporters.ci_messages:KojiCIMessages",
            "KojiTagReporter = buildbot_koji.reporters.tagging:KojiTagReporter",
        ],
        "buildbot.steps": [
            "KojiBuild = buildbot_koji.steps.build:KojiBuild",
            "KojiCall = buildbot_koji.steps.call:KojiCall",
            "KojiCancel = buildbot_koji.steps.call:KojiCancel",
            "KojiChainBuild = buildbot_koji.steps.chain:KojiChainBuild",
            "KojiCompareTags = buildbot_koji.steps.mass_tag:KojiCompareTags",
            "KojiContainerBuild = buildbot_koji.steps.container:KojiContainerBuild",
            "KojiCreateSideTag = buildbot_koji.steps.sidetag:KojiCreateSideTag",
            "KojiDistRepo = buildbot_koji.steps.distrepo:KojiDistRepo",
            "KojiBuildSRPM = buildbot_koji.steps.srpm:KojiBuildSRPM",
            "KojiDownloadBuild = buildbot_koji.steps.download:KojiDownloadBuild",
            "KojiDownloadTask = buildbot_koji.steps.download:KojiDownloadTask",
            "KojiImageBuild = buildbot_koji.steps.image:KojiImageBuild",
            "KojiKiwiBuild = buildbot_koji.steps.image:KojiKiwiBuild",
            "KojiMassBuild = buildbot_koji.steps.mass:KojiMassBuild",
            "KojiMassTag = buildbot_koji.steps.mass_tag:KojiMassTag",
            "KojiMavenBuild = buildbot_koji.steps.maven:KojiMavenBuild",
            "KojiMove = buildbot_koji.steps.tag:KojiMove",
            "KojiOSBuild = buildbot_koji.steps.image:KojiOSBuild",
            "KojiPauseChanges = buildbot_koji.changes.switch:KojiPauseChanges",
            "KojiPauseMassBuild = buildbot_koji.mass.switch:KojiPauseMassBuild",
            "KojiPromote = buildbot_koji.steps.tag:KojiPromote",
            "KojiRedelivery = buildbot_koji.reporters.redelivery:KojiRedelivery",
            "KojiRegenRepo = buildbot_koji.steps.repo:KojiRegenRepo",
            "KojiRemoveSideTag = buildbot_koji.steps.sidetag:KojiRemoveSideTag",
            "KojiRunroot = buildbot_koji.steps.runroot:KojiRunroot",
            "KojiTag = buildbot_koji.steps.tag:KojiTag",
            "KojiTask = buildbot_koji.steps.task:KojiTask",
            "KojiUntag = buildbot_koji.steps.tag:KojiUntag",
            "KojiWaitRepo = buildbot_koji.steps.repo:KojiWaitRepo",
            "KojiWinBuild = buildbot_koji.steps.win:KojiWinBuild",
        ],
    },
)
