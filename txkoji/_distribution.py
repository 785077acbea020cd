"""The version of these files, unless another distribution has overwritten some of them.

The package imports this first: any other module may be the other distribution's by now.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

OURS = "buildbot-koji"
OTHER = "txkoji"


def version_of(package: Path) -> str:
    """Return the version of a directory of our files, ``0+unknown`` if it is not installed.

    Raises:
        ImportError: the distribution ``txkoji`` is installed into the same directory.
    """
    try:
        other = metadata.distribution(OTHER)
    except metadata.PackageNotFoundError:
        pass
    else:
        if Path(str(other.locate_file("txkoji"))).resolve() == package.resolve():
            raise ImportError(
                f"{package} holds files of two distributions, {OURS} and {OTHER} {other.version}:"
                f" run pip uninstall {OTHER}, then pip install --force-reinstall --no-deps {OURS}"
            )
    try:
        return metadata.version(OURS)
    except metadata.PackageNotFoundError:
        return "0+unknown"


VERSION = version_of(Path(__file__).parent)
