"""Buildbot plugins for Koji."""

from importlib.util import find_spec


def _check_client() -> None:
    """Refuse a client that another distribution has overwritten, without the time to import it."""
    spec = find_spec("txkoji")
    if spec is None or spec.origin is None:
        return
    with open(spec.origin, encoding="utf-8") as source:  # noqa: PTH123 - pathlib takes long
        if "TaskWatcher" in source.read():
            return
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution("txkoji")
    except PackageNotFoundError:
        return
    raise ImportError(
        "the distribution txkoji has overwritten files of buildbot-koji: run pip uninstall txkoji,"
        " then pip install --force-reinstall --no-deps buildbot-koji"
    )


_check_client()
