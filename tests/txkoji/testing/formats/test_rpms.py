"""The RPM files that the embedded hub's builder makes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import koji
import pytest

from txkoji.testing.formats import rpms


def test_headers_give_what_was_put_in() -> None:
    """A file has the tags that it was made with."""
    tags = rpms.headers(rpms.make_rpm("hello", "1.0", "2", "x86_64", buildtime=1795454345))
    assert (tags["NAME"], tags["VERSION"], tags["RELEASE"]) == ("hello", "1.0", "2")
    assert tags["ARCH"] == "x86_64"
    assert tags["BUILDTIME"] == 1795454345
    assert tags["SOURCERPM"] == "hello-1.0-2.src.rpm"
    assert "SOURCEPACKAGE" not in tags


def test_source_package() -> None:
    """A source RPM is marked as one, and names no source RPM."""
    tags = rpms.headers(rpms.make_rpm("hello", "1.0", "2", "noarch", source=True))
    assert tags["SOURCEPACKAGE"] == 1
    assert "SOURCERPM" not in tags


def test_payload_hash_tells_files_apart() -> None:
    """Different contents have different payload hashes, equal contents the same."""
    first, again, other = (rpms.make_rpm("hello", "1.0", release, "noarch") for release in "112")
    assert rpms.payload_hash(first) == rpms.payload_hash(again)
    assert rpms.payload_hash(first) != rpms.payload_hash(other)


@pytest.mark.parametrize("data", [b"", b"no RPM", b"\0" * 500])
def test_what_is_no_rpm(data: bytes) -> None:
    """Anything but an RPM file is refused."""
    with pytest.raises(ValueError, match="not an RPM file"):
        rpms.headers(data)


@pytest.mark.parametrize("padding", [0, 100_000])
def test_koji_reads_it(tmp_path: Path, padding: int) -> None:
    """Koji's own RPM reader finds the same headers."""
    data = rpms.make_rpm("hello", "1.0", "2", "noarch", source=True, padding=padding)
    path = tmp_path / "hello-1.0-2.src.rpm"
    path.write_bytes(data)
    signature = koji.RawHeader(koji.rip_rpm_sighdr(str(path)))
    assert signature.get(koji.RPM_SIGTAG_MD5).hex() == rpms.payload_hash(data)
    header = koji.RawHeader(koji.rip_rpm_hdr(str(path)))
    assert header.get(koji.RPM_TAG_NAME if hasattr(koji, "RPM_TAG_NAME") else 1000) == b"hello"


@pytest.mark.parametrize("source", [False, True])
def test_rpm_accepts_it(tmp_path: Path, source: bool) -> None:
    """The program rpm verifies all digests of the file."""
    program = shutil.which("rpm")
    if program is None:
        pytest.skip("the program rpm is not installed: apt-get install rpm")
    path = tmp_path / "file.rpm"
    path.write_bytes(rpms.make_rpm("hello", "1.0", "2", "x86_64", source=source, padding=5000))
    asked = ["-qp", "--nosignature", "--qf", "%{NAME} %{VERSION} %{RELEASE} %{ARCH}[ %{FILENAMES}]"]
    queried = subprocess.run(
        [program, *asked, str(path)], capture_output=True, text=True, check=True
    )
    assert queried.stdout == f"hello 1.0 2 {'noarch hello.spec' if source else 'x86_64'}"
    checked = subprocess.run(
        [program, "-K", "--nosignature", str(path)], capture_output=True, text=True, check=True
    )
    assert checked.stdout.endswith(": digests OK\n")
