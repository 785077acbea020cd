"""The check of the master's database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy
from buildbot.db.enginestrategy import create_engine
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.threads import deferToThread

from buildbot_koji.cli.doctor.findings import Finding, error, ok, warning
from buildbot_koji.cli.doctor.network import LIMIT
from txkoji.profiles import open_regular

TEXT_BYTES = 65_535
"""The size of MySQL's TEXT, the smallest column that this package writes to."""

SQLITE = b"SQLite format 3\0"
"""The first bytes of a database of SQLite."""

DRIVERS = {"MySQLdb": "mysqlclient", "psycopg2": "psycopg2-binary"}
"""The packages of the drivers that are imported by another name."""


async def check_database(
    url: str, directory: Path, reactor: Any, limit: float = LIMIT
) -> list[Finding]:
    """Check that the database takes what we store."""
    try:
        # The drivers themselves wait for a server as long as it takes.
        return await deferToThread(_check, url, directory).addTimeout(limit, reactor)
    except DeferredTimeout:
        text = f"no answer within {limit:g} s"
        return [error("database", text, "is the server up, and db_url right? Its log may say more")]


def _check(url: str, directory: Path) -> list[Finding]:
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        # Their own words may quote a part of the address.
        words = "db_url is no address of a database"
        return [error("database", words, "it is like postgresql+psycopg2://host/name")]
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            words = "it is in memory: the master forgets everything when it ends"
            return [error("database", words, "db_url = sqlite:///state.sqlite")]
        path = directory / parsed.database
        if not path.parent.is_dir():
            remedy = "db_url must name a file in a directory that exists"
            return [error("database", f"there is no directory {path.parent}", remedy)]
        try:
            with open_regular(path) as file:
                start = file.read(len(SQLITE))
        except FileNotFoundError:
            remedy = "buildbot create-master and buildbot upgrade-master make it"
            return [warning("database", f"{path} does not exist yet", remedy)]
        except OSError as problem:
            remedy = "db_url must name a file of the master's user, who must run the doctor"
            return [error("database", f"can't read {path}: {problem.strerror}", remedy)]
        if start not in (b"", SQLITE):
            remedy = "let db_url name another file, or restore this one from a copy"
            return [error("database", f"{path} is no SQLite database", remedy)]
        return [ok("database", "SQLite, for one master")]
    return [*_of_address(kind, parsed), *_of_server(kind, url, directory)]


def _of_address(kind: str, url: sqlalchemy.URL) -> Iterator[Finding]:
    if kind == "mysql" and str(url.query.get("storage_engine")).lower() != "innodb":
        yield warning(
            "database",
            "Buildbot makes MyISAM tables unless told otherwise: they have no transactions",
            "end db_url with ?storage_engine=InnoDB before the tables are made",
        )


def _of_server(kind: str, url: str, directory: Path) -> Iterator[Finding]:
    engine = None
    try:
        # Buildbot's: it takes options from the address that drivers refuse.
        engine = create_engine(url, basedir=str(directory))
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
            found = list(SERVER_CHECKS.get(kind, _nothing)(connection))
    except sqlalchemy.exc.NoSuchModuleError:
        name = url.partition(":")[0]
        remedy = "correct db_url: it begins as postgresql+psycopg2:// or mysql+pymysql:// do"
        yield error("database", f"SQLAlchemy knows no database {name}", remedy)
    except sqlalchemy.exc.SQLAlchemyError as problem:
        # Its own text may hold the address, with the password.
        reason = str(getattr(problem, "orig", None) or type(problem).__name__)
        yield error("database", reason, "db_url, and the rights of its user")
    except ImportError as problem:
        name = str(problem.name)
        remedy = f"pip install {DRIVERS.get(name, name)}"
        yield error("database", f"the driver {name} is missing", remedy)
    except (TypeError, ValueError) as problem:
        yield error("database", f"db_url: {problem}", "see Buildbot's manual on db_url")
    else:
        yield from found
        if not found:
            yield ok("database", f"{kind} answers")
    finally:
        if engine is not None:
            engine.dispose()


def _nothing(_: sqlalchemy.Connection) -> Iterator[Finding]:
    return iter(())


def _mysql(connection: sqlalchemy.Connection) -> Iterator[Finding]:
    size = int(_value(connection, "SELECT @@max_allowed_packet") or 0)
    if size < 4 * TEXT_BYTES:
        yield error(
            "database",
            f"max_allowed_packet is {size} bytes: long texts from Koji are refused",
            "set max_allowed_packet=16M in the server's configuration",
        )
    others = connection.execute(
        sqlalchemy.text(
            "SELECT DISTINCT character_set_name FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name = 'build_properties'"
            " AND character_set_name NOT LIKE 'utf8%'"
        )
    ).scalars()
    if odd := ", ".join(map(str, others)):
        yield error(
            "database",
            f"the tables hold {odd}, not UTF-8: some names are refused",
            "ALTER TABLE ... CONVERT TO CHARACTER SET utf8mb4, table by table, on a copy first",
        )


def _postgresql(connection: sqlalchemy.Connection) -> Iterator[Finding]:
    encoding = _value(connection, "SHOW server_encoding")
    if encoding != "UTF8":
        yield error(
            "database",
            f"its encoding is {encoding}, not UTF8: some names are refused",
            "createdb --encoding=UTF8 --template=template0, and move the data there",
        )


def _value(connection: sqlalchemy.Connection, query: str) -> Any:
    return connection.execute(sqlalchemy.text(query)).scalar()


SERVER_CHECKS = {"mysql": _mysql, "postgresql": _postgresql}
