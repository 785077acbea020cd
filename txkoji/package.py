"""A package of a hub."""

from __future__ import annotations

from txkoji import paths
from txkoji._rich_base import RichObject
from txkoji._values import integer, text

__all__ = ["Package"]


class Package(RichObject):
    """A package, as ``getPackage``, ``listPackages`` and the like return it."""

    # Listings give `package_id` and `package_name` alone.
    @property
    def id(self) -> int:
        """The package's id."""
        found = integer(self.get("package_id")) or integer(self.get("id"))
        if found is None:
            raise AttributeError("id")
        return found

    @property
    def name(self) -> str:
        """The package's name."""
        found = text(self.get("package_name")) or text(self.get("name"))
        if found is None:
            raise AttributeError("name")
        return found

    @property
    def url(self) -> str:
        """The address of the package's page."""
        return paths.package_url(self.connection.weburl, self.id)
