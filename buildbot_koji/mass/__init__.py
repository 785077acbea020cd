"""Mass builds: any number of packages in one step."""

from buildbot_koji.mass.registry import RunningMassBuild, running

__all__ = ["RunningMassBuild", "running"]
