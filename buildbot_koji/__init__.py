"""Buildbot plugins for Koji."""

import txkoji

if not hasattr(txkoji, "TaskWatcher"):
    raise ImportError(
        f"{txkoji.__file__} is of the distribution txkoji, which has overwritten buildbot-koji's:"
        " run pip uninstall txkoji, then pip install --force-reinstall --no-deps buildbot-koji"
    )
