"""What front ends do to the files that they serve.

The program that fetches files on a worker packs this module: it needs the standard library alone.
"""

PACE_BYTES = 64 * 1024
"""A download that receives fewer bytes than this within its deadline is given up."""

COMPRESSED = (".gz", ".tgz", ".Z", ".bz2", ".xz", ".zst", ".br")
"""Ends of the names of files that are compressed themselves, as a front end may say of them."""

PAGES = ("text/html", "application/xhtml+xml")
"""The content types that only a front end sends in place of a file or a hub's reply."""
