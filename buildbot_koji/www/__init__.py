"""The Koji pages in Buildbot's web UI, with their JSON, health and metrics.

Buildbot imports this at the start of every master that has it installed, configured or not.
"""

from __future__ import annotations

from typing import Any

from buildbot.www.plugin import Application
from twisted.logger import Logger

from buildbot_koji.arguments.www_plugins import mistakes_in_options
from buildbot_koji.www.collect import Collector
from buildbot_koji.www.resource import koji_pages
from buildbot_koji.www.router_loss import answer_after_router_loss


class KojiApplication(Application):
    """What ``c["www"]["plugins"] = {"koji": {}}`` switches on."""

    _served: Any = None
    _collector: Collector

    def setConfiguration(self, config: Any) -> None:
        """Take the options, of which there are none."""
        super().setConfiguration(config)
        for mistake in mistakes_in_options(config):
            Logger().warn("{mistake}", mistake=mistake)

    def setMaster(self, master: Any) -> None:
        """Serve the pages of a master; a reconfiguration of the same one keeps what is cached."""
        super().setMaster(master)
        if self._served is not master:
            self._served = master
            self._collector = Collector(master)
            self.resource = koji_pages(master, str(self.static_dir), self._collector)
            answer_after_router_loss(master)
        self._collector.say_left_behind()


ep = KojiApplication("buildbot_koji.www", "Koji")
