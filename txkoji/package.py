"""A package of a hub."""

from __future__ import annotations

from txkoji import paths
from txkoji._rich_base import RichObject

__all__ = ["Package"]


class Package(RichObject):
    """A package, as ``getPackage`` returns it."""

    id: int
    name: str

    @property
    def url(self) -> str:
        """The address of the package's page."""
        return paths.package_url(self.connection.weburl, self.id)
