"""Buildbot plugins for Koji."""

try:
    from txkoji import TaskWatcher as _  # noqa: F401 - the other txkoji has none
except ImportError as error:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution("txkoji")
    except PackageNotFoundError:
        raise error from None
    raise ImportError(
        "the distribution txkoji has overwritten files of buildbot-koji: run pip uninstall txkoji,"
        " then pip install --force-reinstall --no-deps buildbot-koji"
    ) from error
