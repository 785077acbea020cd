"""Fills an embedded hub with the content of a test or a demonstration."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from txkoji.testing.core import KOJIADMIN, HubCore
from txkoji.testing.farm.handlers import failures
from txkoji.testing.formats import rpms
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.dispatch import run_method
from txkoji.testing.methods.hosts import insert_host
from txkoji.testing.methods.repos import READY, insert_repo
from txkoji.testing.methods.rpms import find_rpm, rpm_path
from txkoji.testing.methods.users import insert_user
from txkoji.testing.tables.state import Row


class Content(HubCore):
    """A hub that can be filled, as ``kojiadmin``."""

    def call(self, method: str, *args: Any, user: str | None = KOJIADMIN, **kwargs: Any) -> Any:
        """Run a hub method synchronously, as a user, in a transaction.

        Args:
            method: the method's name.
            args: its positional arguments.
            user: who calls; None for nobody.
            kwargs: its named arguments.

        Returns:
            What the method returns.

        Raises:
            HubFault: the method's refusal.
        """
        state = self.state
        row = state.one("users", name=user) if user is not None else None
        params: list[Any] = list(args)
        if kwargs:
            params.append({**kwargs, "__starstar": True})
        with self._change():
            return run_method(MethodCall(self, row), method, params)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Run the block in a transaction, at a hub event of its own."""
        with self.state.transaction():
            self.state.end_event()
            yield

    def add_user(
        self,
        name: str,
        *,
        password: str | None = None,
        permissions: Iterable[str] = (),
        principals: Iterable[str] = (),
    ) -> Row:
        """Add a user with permissions and Kerberos principals; returns the row."""
        with self._change():
            return insert_user(
                self.state,
                name,
                password=password,
                permissions=permissions,
                principals=principals,
            )

    def add_host(
        self,
        name: str,
        arches: str,
        *,
        channels: Iterable[str] = ("default", "createrepo"),
        capacity: float | None = None,
    ) -> Row:
        """Add a build host.

        Args:
            name: its name.
            arches: its architectures, separated by blanks.
            channels: the channels whose tasks it takes.
            capacity: as soon as its tasks weigh this much together it takes no more: the others
                wait FREE (:mod:`txkoji.testing.farm.scheduler`). By default it takes any number.

        Returns:
            The host's row.
        """
        with self._change():
            return insert_host(
                self.state,
                name,
                arches,
                creator_id=self.admin["id"],
                channels=channels,
                capacity=capacity,
            )

    def add_tag(self, name: str, *, parent: str | None = None, arches: str = "") -> int:
        """Add a tag; returns its id."""
        return int(self.call("createTag", name, parent=parent, arches=arches))

    def add_target(self, name: str, build_tag: str, dest_tag: str) -> None:
        """Add a build target."""
        self.call("createBuildTarget", name, build_tag, dest_tag)

    def add_package(self, tag: str, name: str, *, owner: str = KOJIADMIN) -> None:
        """List a package in a tag."""
        self.call("packageListAdd", tag, name, owner=owner)

    def add_repo(self, tag: str) -> int:
        """Add a READY repo of a tag as it is now; returns its id."""
        with self._change():
            call = MethodCall(self, self.admin)
            return int(insert_repo(call, call.tag_id(tag), state=READY)["id"])

    def sign_rpm(self, rpm: Any, key_id: str = "45719a39") -> None:
        """Sign an RPM with a key.

        Args:
            rpm: the RPM's id or its N-V-R.A.
            key_id: the key's id in hex.
        """
        call = MethodCall(self, self.admin)
        row = find_rpm(call, rpm)
        assert row is not None, f"no such RPM: {rpm}"
        header = rpms.signed_header(self.files.read(rpm_path(call, row)), key_id)
        self.call("addRPMSig", row["id"], base64.b64encode(header).decode("ascii"))

    def add_demo_content(self, *, capacity: float | None = None) -> None:
        """Add what a demonstration needs; a restored hub has it.

        Users ``kojiadmin`` and ``alice``; a host ``builder1``; the tags ``demo-build``,
        ``demo-candidate`` and ``demo-released``; the target ``demo``; packages, listed in
        ``demo-candidate`` and ``demo-released``: ``hello``, ``world``, ``foo``, the Maven project
        ``org.example-hello``, and the ones that fail, which
        :mod:`txkoji.testing.farm.handlers.failures` names. Maven and Windows builds are enabled.

        Args:
            capacity: the capacity of the host, as :meth:`add_host` takes it; a restored hub's
                host gets it too.
        """
        self.allow_srpm_builds = self.maven_enabled = self.win_enabled = True
        host = self.state.one("host", name="builder1")
        if host is not None and capacity is not None:
            self.state.update("host", host["id"], capacity=capacity, limited=True)
        if host is not None:
            return
        with self.state.transaction():
            self._add_demo_content(capacity)

    def _add_demo_content(self, capacity: float | None) -> None:
        self.add_user("alice", password="alice")
        channels = [row["name"] for row in self.state.rows("channels")]
        for channel in ("runroot", "container-binary", "container-source"):
            self.call("addChannel", channel)
            channels.append(channel)
        for permission in ("runroot", "livemedia", "regen-repo"):
            self.call("grantPermission", KOJIADMIN, permission, create=True)
        self.add_host(
            "builder1", "x86_64 aarch64 ppc64le noarch", channels=channels, capacity=capacity
        )
        self.add_tag("demo-candidate")
        self.add_tag("demo-released")
        self.add_tag("demo-build", parent="demo-candidate", arches="x86_64 aarch64 ppc64le")
        self.add_target("demo", "demo-build", "demo-candidate")
        failing = (failures.ARCH, failures.ROOT, failures.BUILDER, failures.HOST)
        for package in ("hello", "world", "foo", "org.example-hello", *failing):
            self.add_package("demo-candidate", package)
            self.add_package("demo-released", package)
        self.add_repo("demo-build")
