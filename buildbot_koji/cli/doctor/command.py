"""``buildbot-koji doctor PROFILE`` and ``doctor --config master.cfg``."""

from __future__ import annotations

import json
import traceback
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

from buildbot.config.errors import ConfigErrors
from buildbot.config.master import FileLoader
from buildbot.plugins import steps
from buildbot.process.properties import Properties
from buildbot.secrets.manager import SecretManager
from twisted.internet.threads import deferToThread

from buildbot_koji.arguments.checks import did_you_mean
from buildbot_koji.arguments.www_plugins import mistakes_in_plugins
from buildbot_koji.cli.doctor.broker import check_broker
from buildbot_koji.cli.doctor.database import check_database
from buildbot_koji.cli.doctor.findings import (
    Finding,
    as_json,
    error,
    exit_status,
    lines,
    ok,
    warning,
)
from buildbot_koji.cli.doctor.hub import check_hub
from buildbot_koji.cli.doctor.network import check_port
from buildbot_koji.cli.doctor.wanted import HubNeeds, deaf_filters, wanted_of
from buildbot_koji.error_messages import cause_of
from buildbot_koji.hubs.koji_hub import RenderedHub
from txkoji import Connection


async def examine(
    reactor: Any,
    out: TextIO,
    *,
    profile: str | None = None,
    config: Path | None = None,
    as_json_text: bool = False,
) -> int:
    """Check a hub, or all that a configuration names; nothing is changed anywhere.

    Returns:
        0 if all is well, 1 if there are warnings, 2 if something does not work.
    """
    found: list[tuple[str, list[Finding]]] = []
    subjects = (
        _subjects_of(config, reactor)
        if config is not None
        else _hub_subject(HubNeeds(profile or "koji"), reactor, None)
    )
    async for subject, finding in subjects:
        is_new = not found or found[-1][0] != subject
        if is_new:
            found.append((subject, []))
        found[-1][1].append(finding)
        if not as_json_text:
            # At once: the next check may wait for a server that does not answer.
            print(*[subject] * is_new, lines(finding), sep="\n", file=out, flush=True)
    if as_json_text:
        print(json.dumps(as_json(found), indent=1), file=out)
    return exit_status(found)


async def _subjects_of(path: Path, reactor: Any) -> AsyncIterator[tuple[str, Finding]]:
    try:
        config = FileLoader(str(path.parent), path.name).loadConfig()
    except (Exception, SystemExit) as problem:  # noqa: BLE001 - of a value of any type
        remedy = f"correct {path.name} or what it names; buildbot checkconfig says the same"
        for each in _mistakes(problem, path):
            yield f"configuration {path}", error("checkconfig", each, remedy)
        return
    for each in mistakes_in_plugins(config.www, str(path)):
        yield f"configuration {path}", error("www", each, f"correct {path.name} there")
    if config.www.get("port") and "koji" not in config.www.get("plugins", {}):
        words = "without the Koji pages, which c['www']['plugins'] = {'koji': {}} adds"
        yield f"configuration {path}", ok("www", words)
    if port := config.www.get("port"):
        unusable = await deferToThread(check_port, port, reactor)
        if unusable is not None:
            yield f"configuration {path}", unusable
    all_wanted = wanted_of(config)
    if not all_wanted:
        remedy = "it has no step, change source or reporter of this package"
        yield f"configuration {path}", error("hubs", "it names no Koji hub", remedy)
        return
    hubs = ", ".join(str(each.profile) for each in all_wanted)
    yield f"configuration {path}", ok("hubs", hubs)
    for where, why in deaf_filters(config):
        words = f"{where} never sees a change: {why}"
        remedy = "correct its KojiChangeFilter, or what the change source reports"
        yield f"configuration {path}", warning("change filter", words, remedy)
    secrets = SecretManager()
    secrets.services = list(config.secretsProviders)
    for wanted in all_wanted:
        async for found in _hub_subject(wanted, reactor, secrets):
            yield found
    for finding in await check_database(str(config.db.db_url), path.parent, reactor):
        yield "database", finding


def _mistakes(problem: BaseException, path: Path) -> list[str]:
    """Return what is wrong with a configuration, with the line where it raised something."""
    raised: BaseException | None = problem
    while isinstance(raised, ConfigErrors):
        is_wrapped = "parsing config" in "".join(raised.errors)
        raised = raised.__context__ if is_wrapped else None
    if raised is None:
        return list(getattr(problem, "errors", ()))
    if isinstance(raised, SyntaxError) and raised.lineno is not None:
        where = f"{raised.filename}:{raised.lineno}"
        text = raised.msg
    else:
        frames = traceback.extract_tb(raised.__traceback__)
        lines_of_it = [each.lineno for each in frames if Path(each.filename).name == path.name]
        where = f"{path}:{lines_of_it[-1]}" if lines_of_it else str(path)
        text = str(raised)
        if isinstance(raised, AttributeError) and isinstance(raised.obj, type(steps)):
            text += did_you_mean(raised.name, raised.obj.names)
    return [f"{where}: {type(raised).__name__}: {text}"]


async def _hub_subject(
    wanted: HubNeeds, reactor: Any, secrets: Any
) -> AsyncIterator[tuple[str, Finding]]:
    subject = f"hub {wanted.profile}"
    try:
        hub = await _rendered(wanted.profile, reactor, secrets)
    except Exception as problem:  # noqa: BLE001 - a secret provider may raise anything
        yield subject, _no_secret(problem)
        return
    connect = (
        partial(hub.connect, reactor)
        if isinstance(hub, RenderedHub)
        else partial(Connection, hub, reactor=reactor)
    )
    async for finding in check_hub(connect, wanted):
        yield subject, finding
    for broker in (*wanted.brokers, *wanted.publishers):
        try:
            settings = await _rendered(broker, reactor, secrets)
        except Exception as problem:  # noqa: BLE001 - likewise
            yield f"broker of {subject}", _no_secret(problem)
            continue
        receives = broker in wanted.brokers
        async for finding in check_broker(settings, reactor, receives=receives):
            yield f"broker {settings.host}", finding


def _no_secret(problem: BaseException) -> Finding:
    cause = cause_of(problem)
    text = " ".join(map(str, getattr(cause, "args", ()))) or type(cause).__name__
    return error("secrets", text, "see secretsProviders of the configuration")


async def _rendered(value: Any, reactor: Any, secrets: Any) -> Any:
    """Return a hub or a broker with the values of its secrets."""
    properties = Properties()
    properties.master = SimpleNamespace(reactor=reactor, namedServices={"secrets": secrets})
    return await properties.render(value)
