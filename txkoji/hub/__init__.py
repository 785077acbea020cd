"""One hub, plain results: the wire, sessions, logging in, retries. Knows no tasks and no files."""
