"""A package of a hub."""

from __future__ import annotations

from txkoji import paths
from txkoji._rich_base import RichObject

__all__ = ["Package"]


class Package(RichObject):
    """A package, as ``getPackage``, ``listPackages`` and the like return it."""

    # Listings give `package_id` and `package_name` instead.
    id: int
    name: str

    @property
    def url(self) -> str:
        """The address of the package's page."""
        return paths.package_url(self.connection.weburl, self.get("package_id") or self.id)
