"""What front ends answer, and do to the files that they serve.

The program that fetches files on a worker packs this module: it needs the standard library alone.
"""

PACE_BYTES = 64 * 1024
"""A download that receives fewer bytes than this within its deadline is given up."""

COMPRESSED = (".gz", ".tgz", ".Z", ".bz2", ".xz", ".zst", ".br")
"""Ends of the names of files that are compressed themselves, as a front end may say of them."""

PAGES = ("text/html", "application/xhtml+xml")
"""The content types that only a front end sends in place of a file or a hub's reply."""

REFUSALS = frozenset([400, 401, 403, 404, 405, 406, 407, 410, 411, 413, 414, 415, 417, 431, 451])
"""The statuses of a request that is refused for what it is (RFC 9110, section 15.5)."""

LASTING = REFUSALS | {301, 308}
"""The statuses that the same request would get again. Any other is the front end's trouble."""
