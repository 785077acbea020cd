"""``queryOpts``: counting, ordering and paging of lists."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from txkoji.exceptions import ParameterError
from txkoji.testing.tables.lookups.structs import RPM, TASK
from txkoji.testing.tables.lookups.values import database_integer, hub_error, no_attribute

COLUMNS = {
    "getBuildTargets": "build_tag build_tag_name dest_tag dest_tag_name id name",
    "listArchives": """
        btype btype_id build_id buildroot_id checksum checksum_type compression_type extra filename
        id metadata_only size type_description type_extensions type_id type_name
        """,
    "listBTypes": "id name",
    "listBuildroots": """
        arch br_type cg_id cg_name cg_version container_arch container_type create_event_id
        create_event_time create_ts extra host_arch host_id host_name host_os id
        repo_create_event_id repo_create_event_time repo_id repo_state retire_event_id
        retire_event_time retire_ts state tag_id tag_name task_id
        """,
    "listBuilds": """
        build_id completion_time completion_ts creation_event_id creation_time creation_ts draft
        epoch extra name nvr owner_id owner_name package_id package_name promoter_id promoter_name
        promotion_time promotion_ts release source start_time start_ts state task_id version
        volume_id volume_name
        """,
    "listExternalRepos": "id name url",
    "listPackagesSimple": "package_id package_name",
    "listRPMs": f"{RPM} external_repo_name nvr",
    "listSideTags": "id name user_id user_name",
    "listTags": "arches id locked maven_include_all maven_support name",
    "listTasks": f"""
        {TASK} completion_time completion_ts create_time create_ts owner_name owner_type request
        result start_time start_ts
        """,
    "listUsers": "id krb_principals name status usertype",
    "queryRPMSigs": "rpm_id sighash sigkey",
    "search": "id name",
    "untaggedBuilds": "id name release version",
}
"""The columns of the lists that a hub's database orders, by method: it refuses any other."""


_TABLES = {"listBuildroots": "buildroot.", "listTasks": "task.", "listTags": "tag."}
"""How columns are named with their tables, which an order may do as well."""


def in_order(
    rows: list[dict[str, Any]], name: str, *, reverse: bool, none_greatest: bool = True
) -> list[dict[str, Any]]:
    """Sort rows by a column. NULLs come last in ascending order, as PostgreSQL has it."""

    def key(row: dict[str, Any]) -> Any:
        missing = row[name] is None
        return missing is none_greatest, 0 if missing else row[name]

    return sorted(rows, key=key, reverse=reverse)


def apply_query_options(
    rows: list[dict[str, Any]],
    options: dict[str, Any] | None,
    method: str = "",
    more: Iterable[str] = (),
) -> Any:
    """Apply ``queryOpts`` to rows.

    Args:
        rows: the rows.
        options: ``countOnly``; ``order`` ("a,-b", by keys of the rows); ``offset``; ``limit`` (0
            and None are none); ``asList`` (rows as lists of values, by sorted key). Others are
            ignored.
        method: a key of :data:`COLUMNS`, to refuse another order even if there are no rows.
        more: further columns, of this call.

    Returns:
        An int with ``countOnly``, else a list.

    Raises:
        UnknownFault: (1) an option has a value that the hub's database refuses, such as an
            ``order`` by an unknown key.
    """
    options = _options(options or {})
    if options.get("rowlock"):
        raise hub_error("FOR UPDATE cannot be applied to the nullable side of an outer join")
    order = None if options.get("countOnly") else options.get("order")
    result = _ordered(rows, order, method, more) if order else rows
    for name in ("offset", "limit"):
        if not isinstance(options.get(name) or 0, int | float):
            raise hub_error(f"{TypeError}: %i format: a real number is required")
    offset, limit = (int(options.get(name) or 0) for name in ("offset", "limit"))
    if offset < 0 or limit < 0:
        raise hub_error(f"{'OFFSET' if offset < 0 else 'LIMIT'} must not be negative")
    result = result[offset:][: limit or None]
    if options.get("countOnly"):
        return len(result)
    if options.get("asList"):
        return [[row[key] for key in sorted(row)] for row in result]
    return result


def _options(options: Any) -> dict[str, Any]:
    if not isinstance(options, dict):
        raise no_attribute(options, "get")
    return options


def _ordered(
    rows: list[dict[str, Any]], order: Any, method: str, more: Iterable[str]
) -> list[dict[str, Any]]:
    if not isinstance(order, str):
        raise no_attribute(order, "split")
    known = rows[0] if rows else [*COLUMNS.get(method, "").split(), *more]
    for key in reversed(order.split(",")):
        name = key.removeprefix("-").removeprefix(_TABLES.get(method, " "))
        if known and name not in known:
            raise hub_error(f"<class 'Exception'>: Invalid order: {name}")
        rows = in_order(rows, name, reverse=key.startswith("-"))
    return rows


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "IN": lambda value, wanted: value in wanted,
    "NOT IN": lambda value, wanted: value not in wanted,
    "IS": lambda value, wanted: value is wanted,
    "IS NOT": lambda value, wanted: value is not wanted,
}


def _clause(clause: Any) -> list[Any]:
    """Return field, operator and value of a condition; without an operator, the value decides."""
    if not isinstance(clause, list) or len(clause) not in (2, 3):
        raise ParameterError(f"Invalid clause: {clause}")
    if len(clause) == 3:
        return clause
    name, value = clause
    return [name, "IN" if isinstance(value, list) else "=", value]


def apply_to_list(rows: list[dict[str, Any]], options: dict[str, Any] | None) -> Any:
    """Apply ``queryOpts`` as a hub does to rows that it did not select in its database.

    It takes any slice, and ignores what is for a database: ``asList``, ``rowlock``.
    """
    options = _options({} if options is None else options)
    order = options.get("order") or ""
    if order:
        key = order.removeprefix("-")
        rows = sorted(rows, key=lambda row: row[key], reverse=order.startswith("-"))
    rows = rows[options.get("offset") or 0 :][: options.get("limit") or None]
    return len(rows) if options.get("countOnly") else rows


class View(NamedTuple):
    """What ``repo.query`` and its like select from.

    Attributes:
        own: the fields of the table itself: ``*``.
        joined: those that come from others, which ``**`` has as well.
        default: the fields of a query that names none.
    """

    own: str
    joined: str
    default: str

    def of(self, rows: Callable[[Any], list[dict[str, Any]]]) -> Callable[..., Any]:
        """Return a hub method that selects from the rows of the hub that it is called on."""
        return lambda call, clauses, fields, options=None: self.select(
            rows(call), clauses, fields, options
        )

    def select(self, rows: list[dict[str, Any]], clauses: Any, fields: Any, options: Any) -> Any:
        """Return parts of rows.

        Args:
            rows: the rows, with all their fields.
            clauses: conditions that all must hold: field, operator (may be left out), value.
            fields: the fields to return.
            options: as ``queryOpts``.

        Raises:
            ParameterError: a field or operator is unknown.
            UnknownFault: (1) the database can't compare a field with such a value.
        """
        if not isinstance(clauses or [], list):
            raise ParameterError(f"Invalid clause: {clauses}")
        known = f"{self.own} {self.joined}".split()
        conditions = [_clause(each) for each in clauses or []]
        names = {"*": self.own.split(), "**": known}.get(str(fields), fields)
        names = list(names or self.default.split())
        for name in (*(each[0] for each in conditions), *names):
            if name not in known:
                raise ParameterError(f"Invalid field for query {name}")
        tests = [_compared(*each) for each in conditions]
        found = [
            {name: row[name] for name in sorted(names)}
            for row in rows
            if all(_holds(row[name], sign, wanted) for name, sign, wanted in tests)
        ]
        for key in str((options or {}).get("order") or "").split(","):
            if key and key.removeprefix("-") not in names:
                raise ParameterError(f"Invalid order: {key.removeprefix('-')}")
        return apply_query_options(found, options)


_KINDS = {
    bool: "active by_host dist soft",
    dict: "opts custom_opts",
    float: "begin_ts completion_ts create_ts creation_ts end_ts msg_ts start_ts state_ts ts"
    " update_ts",
    str: "creation_time create_time host_name method msg owner_name state_time tag_name"
    " update_time",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}
"""The types of the fields that are no whole numbers."""


def _compared(name: str, sign: Any, wanted: Any) -> tuple[str, str, Any]:
    """Return field, operator and value of a condition; refuse what a database can't compare."""
    if str(sign).upper() not in _OPERATORS:
        raise ParameterError(f"Invalid operator: {sign}")
    sign = str(sign).upper()
    many = sign.endswith("IN")
    if many and (not wanted or not isinstance(wanted, list)):
        raise hub_error('syntax error at or near ")"')
    kind = _KIND_OF.get(name, int)
    values = []
    for value in wanted if many else [wanted]:
        # Text of digits is a number to a database.
        number = kind in (int, float)
        values.append(database_integer(value) if number else value)
        if value is not None and not isinstance(values[-1], int | float if number else kind):
            raise hub_error(f"operator does not exist: {name} {sign} {type(value).__name__}")
    return name, sign, values if many else values[0]


def _holds(value: Any, sign: str, wanted: Any) -> bool:
    # A comparison with NULL is never true.
    return (value is not None or sign.startswith("IS")) and _OPERATORS[sign](value, wanted)
