"""Buildbot plugins for Koji."""

try:
    from txkoji import TaskWatcher as _  # noqa: F401 - the other txkoji has none
except ImportError as error:
    raise ImportError(
        f"{error.path} is of the distribution txkoji, which has overwritten buildbot-koji's:"
        " run pip uninstall txkoji, then pip install --force-reinstall --no-deps buildbot-koji"
    ) from error
