"""One mistake in each line that says so."""

from __future__ import annotations

from txkoji import Connection
from txkoji.options import QueryOptions


async def methods(koji: Connection) -> None:
    """Names that no hub has."""
    await koji.getBuidl("x-1-1")  # wrong
    await koji.repo.requst("f44")  # wrong
    await koji.system.listMethod()  # wrong
    koji.MultiCall().getTaq("f44")  # wrong
    koji.MultiCall().repo.gett("f44")  # wrong


async def arguments(koji: Connection) -> None:
    """Too few, too many, misspelt, of a wrong type."""
    await koji.getBuild()  # wrong
    await koji.getBuild(buildinfo="x-1-1")  # wrong
    await koji.getTag("f44", evnt=3)  # wrong
    await koji.getTag(["f44"])  # wrong
    await koji.getTaskInfo("7")  # wrong
    await koji.cancelTask("7")  # wrong
    await koji.untagBuild("f44")  # wrong
    await koji.hasPerm("admin", True, True)  # wrong
    await koji.build("x", "f44", {"scratsh": True})  # wrong
    await koji.listBuilds("bash", queryOpts={"limt": 3})  # wrong
    await koji.listTasks({"state": 1})  # wrong
    unknown = {"limit": 3, "order": "-build_id"}
    await koji.listBuilds("bash", queryOpts=unknown)  # wrong
    misspelt: QueryOptions = {"limt": 3}  # wrong
    await koji.listBuilds("bash", queryOpts=misspelt)
    await koji.chainBuild(7, "f44")  # wrong
    koji.MultiCall().getTag("f44", evnt=3)  # wrong


async def results(koji: Connection) -> None:
    """Members that are not there, and what may be None."""
    print((await koji.getTag("f44")).name)  # wrong
    print((await koji.getTag("f44", strict=True)).nmae)  # wrong
    print((await koji.getTag("f44", strict=True))["nmae"])  # wrong
    print((await koji.getBuild("x-1-1")).nvr)  # wrong
    seconds: float = await koji.getAverageBuildDuration("bash")  # wrong
    number: int = await koji.listBuilds("bash")  # wrong
    (await koji.listTaskOutput(7)).keys()  # wrong
    print((await koji.listCGs())["osbs"].user)  # wrong
    print(seconds, number, koji.getTag("f44").name)  # wrong
