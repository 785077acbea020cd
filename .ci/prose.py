"""Find phrases that are not the field's English. ``make lint`` runs it; it prints what to write."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

INSTEAD = {
    r"(?<!\.)\bthe begin\b(?!\()": "the start",
    r"\bbut for\b": "except, apart from",
    r"\b(?:is|are|was|were|be|been) told of\b": "is reported",
    r"\bbe told\b": "be notified, receive",
    r"\bfor good\b": "permanently; for a build: real (non-scratch)",
    r"\blets? (?:us|me|them|him|somebody|one|it) in\b": "log in, accept",
    r"\blet in\b": "accepted, logged in",
    r"\bthe (?:hub|broker|master|worker) is away\b": "is unreachable",
    r"\bthat is away\b": "that is unreachable",
    r"\bwhat becomes of\b": "the outcome of",
    r"\bgoes? on (?:where|with|watching|waiting)\b": "resumes, continues",
    r"\bnobody knows\b": "unknown, can't be determined",
    r"\bwhoever's\b": "any user's",
    r"\bits? turn to the reactor\b|\bthe reactor its turn\b": "yield to the reactor",
    r"\bin one reactor turn\b|\bthe same reactor turn\b": "in one reactor iteration",
    r"\blet alone\b": "ignored",
    r"\bcan be had\b": "is available",
    r"\bis not to be had\b": "is not available",
    r"\bneeded, but with\b": "required unless",
    r"\bmust be there as it is\b": "can't be a renderable",
    r"\bas far as (?:a|the) .{1,30} must know\b": "what it needs",
    r"\banew\b": "again; of a log: started over",
    r"\bfor ever\b": "forever",
    r"\blook-ups?\b": "lookup",
    r"\bput aside\b": "set aside",
    r"\btr(?:y|ies|ied|ying) again\b": "retry",
    r"\b(?:behaviour|initialise|licence|neighbour)": "the American spelling",
    r"\bis had\b": "exists",
    r"\bthat are told\b": "that are reported",
    r"\bmade out of\b": "built from",
    r"\bthereupon\b|\bwhereupon\b": "then",
    r"\bin vain\b": "without success",
    r"\b(?:is|are|was|were) said\b": "is reported, logged, shown",
    r"\bon whatever\b": "on any",
    r"\b(?:is|are) made of\b": "is built from, consists of",
}
"""What not to write, as a pattern in which a space also matches the end of a line."""

NOT_YET: tuple[str, ...] = ()
"""Files and folders whose prose is still to be revised."""

SELF = (".ci/prose.py", "CHANGELOG.rst", "tests/data/")
SUFFIXES = {".py", ".rst", ".cfg", ".toml", ".yaml", ".yml", ""}
_PATTERNS = [
    (re.compile(pattern.replace(" ", r"(?:\s+(?:#:?\s+)?)"), re.IGNORECASE), instead)
    for pattern, instead in INSTEAD.items()
]


def complaints(path: Path) -> list[str]:
    """Return a line for each phrase in a file that should be another."""
    text = path.read_text(encoding="utf-8")
    return [
        f"{path}:{text.count(chr(10), 0, found.start()) + 1}: {' '.join(found.group().split())!r}:"
        f" write {instead!r}"
        for pattern, instead in _PATTERNS
        for found in pattern.finditer(text)
    ]


def main() -> int:
    """Look at every file under version control; returns the exit status."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], capture_output=True, check=True, text=True
    ).stdout.split("\0")
    found = [
        line
        for name in names
        if name and not name.startswith((*SELF, *NOT_YET)) and Path(name).suffix in SUFFIXES
        for line in complaints(Path(name))
    ]
    print("\n".join(found) or "no phrase to replace")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
