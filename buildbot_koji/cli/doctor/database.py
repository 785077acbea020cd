"""The check of the master's database."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from twisted.internet.threads import deferToThread

from buildbot_koji.cli.doctor.findings import Finding, error, ok, warning

__all__ = ["check_database"]

TEXT_BYTES = 65_535
"""What MySQL's TEXT takes, the smallest of the columns that we write to; we stay below it."""


async def check_database(url: str, directory: Path) -> list[Finding]:
    """Check that the database takes what we store.

    Args:
        url: Buildbot's ``db_url``.
        directory: the base directory of the master.
    """
    return await deferToThread(_look, url, directory)


def _look(url: str, directory: Path) -> list[Finding]:
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError as problem:
        return [error("database", str(problem), "db_url is like postgresql+psycopg2://host/name")]
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        path = directory / (parsed.database or "state.sqlite")
        if not path.exists():
            remedy = "buildbot create-master and buildbot upgrade-master make it"
            return [warning("database", f"{path} is not there yet", remedy)]
        return [ok("database", "SQLite, for one master")]
    if kind == "mysql" and parsed.query.get("charset") != "utf8mb4":
        remedy = "end db_url with ?charset=utf8mb4"
        return [warning("database", "MySQL without charset=utf8mb4 refuses some names", remedy)]
    engine = sqlalchemy.create_engine(parsed)
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
            if kind == "mysql":
                row = connection.execute(sqlalchemy.text("SELECT @@max_allowed_packet")).scalar()
                if int(row or 0) < 4 * TEXT_BYTES:
                    remedy = "max_allowed_packet=16M in the server's configuration"
                    return [error("database", f"max_allowed_packet is {row} bytes", remedy)]
    except sqlalchemy.exc.SQLAlchemyError as problem:
        # Its own text may hold the address, with the password.
        reason = str(getattr(problem, "orig", None) or type(problem).__name__)
        return [error("database", reason, "db_url, and the rights of its user")]
    finally:
        engine.dispose()
    return [ok("database", f"{kind} answers")]
