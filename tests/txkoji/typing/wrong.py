"""One mistake in each line that says so."""

from __future__ import annotations

from twisted.internet.task import Clock

from txkoji import Connection, Interest, TaskTree, TaskWatcher, aio, read_outcome
from txkoji.aio import AioConnection
from txkoji.bus import AMQP
from txkoji.options import BuildOptions, QueryOptions
from txkoji.results import Repo, Tag


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
    await koji.listTagged("f44", latest="yes")  # wrong
    await koji.mavenBuild("git+https://x/y#z")  # wrong
    await koji.repo.request()  # wrong
    await koji.createSideTag("f44-build", debugInfo=True)  # wrong
    await koji.hasPerm("admin", True, True)  # wrong
    await koji.build("x", "f44", {"scratsh": True})  # wrong
    await koji.listBuilds("bash", queryOpts={"limt": 3})  # wrong
    await koji.listTasks({"state": 1})  # wrong
    unknown = {"limit": 3, "order": "-build_id"}
    await koji.listBuilds("bash", queryOpts=unknown)  # wrong
    misspelt: QueryOptions = {"limt": 3}  # wrong
    await koji.listBuilds("bash", queryOpts=misspelt)
    text: BuildOptions = {"scratch": "yes"}  # wrong
    await koji.build("x", "f44", text)
    await koji.chainBuild(7, "f44")  # wrong
    koji.MultiCall().getTag("f44", evnt=3)  # wrong
    koji.MultiCall().repo.request("f44-build", min_evnt=3)  # wrong


async def results(koji: Connection) -> None:
    """Members that are not there, and what may be None."""
    print((await koji.getTag("f44")).name)  # wrong
    print((await koji.getTag("f44", strict=True)).nmae)  # wrong
    print((await koji.getTag("f44", strict=True))["nmae"])  # wrong
    print((await koji.getBuild("x-1-1")).nvr)  # wrong
    seconds: float = await koji.getAverageBuildDuration("bash")  # wrong
    number: int = await koji.listBuilds("bash")  # wrong
    (await koji.listTaskOutput(7)).keys()  # wrong
    size: int = (await koji.listTaskOutput(7, stat=True))["build.log"].st_size  # wrong
    print((await koji.listTaskOutput(7, all_volumes=True))["build.log"].st_size)  # wrong
    (await koji.getBuildType(7, strict=True))["maven"].keys()  # wrong
    print(size)
    print((await koji.listCGs())["osbs"].user)  # wrong
    print(seconds, number, koji.getTag("f44").name)  # wrong
    print((await koji.getBuildTarget("f44"))["build_tag_name"])  # wrong
    print((await koji.getBuildTarget("f44", strict=True))["build_tag_nam"])  # wrong
    print((await koji.getTaskInfo([7]))[0].id)  # wrong
    print((await koji.listTaggedRPMS("f44"))[0].nvr)  # wrong
    repo: Repo = await koji.repo.get("f44-build")  # wrong
    print(repo)


async def rich_objects(koji: Connection) -> None:
    """Members that no build or task has, and methods called wrongly."""
    build = await koji.getBuild("x-1-1", strict=True)
    print(build.nvrr)  # wrong
    build.estimate_completion(3)  # wrong
    task = await koji.getTaskInfo(7, strict=True)
    print(task.is_scratsh)  # wrong
    print(task.started.year)  # wrong
    print((await build.tags())[0].nmae)  # wrong
    channel = await koji.getChannel("default", strict=True)
    print((await channel.hosts())[0].nmae)  # wrong
    await channel.tasks(stat=[0])  # wrong
    await channel.tasks(state=0)  # wrong
    print((await channel.tasks())[0].nmae)  # wrong
    await channel.hosts(enabeld=True)  # wrong
    print(await task.channel.tasks())  # wrong
    print((await build.task()).id)  # wrong
    await task.descendents(methd="buildArch")  # wrong
    print((await koji.from_web("https://koji.example.com/koji/taskinfo?taskID=7")).id)  # wrong


async def lists(koji: Connection) -> None:
    """Lists of any length: method, arguments, options, rows."""
    [row async for row in koji.pages("listBuild", "bash")]  # wrong
    [row async for row in koji.pages("listBuilds", packageId=7)]  # wrong
    [row.nvrr async for row in koji.pages("listBuilds", packageID=7)]  # wrong
    [row async for row in koji.pages("listTags", pagesize=7)]  # wrong
    [row async for row in koji.pages("listTags", queryOpts={"limit": 1})]  # wrong
    [change.tagname async for change in koji.tagged_since("f44", 7)]  # wrong
    [change async for change in koji.tagged_since("f44", "7")]  # wrong
    for build in koji.pages("listBuilds", packageID=7):  # wrong
        print(build)
    await koji.pages("listTags")  # wrong
    koji.follow(Interest(frozenset({"tagged"}), tags=("f44",)), intervall=5)  # wrong


async def submissions(koji: Connection, other: AioConnection) -> None:
    """Submitted tasks: method, arguments, options, result."""
    await koji.submit("biuld", "git+https://x/y#z", "f44")  # wrong
    await koji.submit("build", "git+https://x/y#z")  # wrong
    await koji.submit("build", "git+https://x/y#z", "f44", {"scratsh": True})  # wrong
    await koji.submit("createTag", "f44")  # wrong
    await koji.new_submission("createTag", "f44")  # wrong
    stored = await koji.new_submission("build", "git+https://x/y#z")  # wrong
    await koji.find_submitted(stored, "build", "x", "f44", {"scratsh": True})  # wrong
    await koji.find_submitted("build", "x", "f44")  # wrong
    task_id: str = await koji.submit("build", "git+https://x/y#z", "f44")  # wrong
    await other.submit("build", "git+https://x/y#z", "f44", {"scratsh": True})  # wrong
    [row async for row in other.pages("listTagz")]  # wrong
    print((await other.getTag("f44")).name)  # wrong
    print(task_id)


async def texts_for_lists(koji: Connection) -> None:
    """One text where several are asked for, which is a sequence of letters."""
    await koji.distRepo("f44", "abcd1234")  # wrong
    await koji.listTasks({"arch": "x86_64"})  # wrong
    await koji.repo.query("id = 4")  # wrong
    await koji.makeTask("build", "git+https://x/y#z")  # wrong
    AMQP("amqps://x", queue="q", routing_keys="koji.#")  # wrong


async def keywords(koji: Connection) -> None:
    """Misspelt keywords of methods that take any, as the hub declares them."""
    await koji.editTag2("f44", lockd=True)  # wrong
    await koji.queryHistory(tables=["tag_listing"], afterevent=3)  # wrong
    await koji.makeTask("build", [], owner=3)  # wrong
    await koji.submit("runroot", "f44-build", "x86_64", "true", package=["make"])  # wrong
    async with aio.connect("koji", dedline=3) as other:  # wrong
        print(other)


async def awaits(koji: Connection, other: AioConnection) -> None:
    """One too many, or one too few."""
    tag = await koji.getTag("f44", strict=True)
    await tag  # wrong
    same: Tag = koji.getTag("f44", strict=True)  # wrong
    also: Tag = other.getTag("f44", strict=True)  # wrong
    calls = koji.MultiCall()
    await calls  # wrong
    print(same, also, calls()[0])  # wrong


async def forgotten(koji: Connection, other: AioConnection) -> None:
    """Lists that nobody awaited."""
    for task in koji.listTasks():  # wrong
        print(task)
    print([build.nvr for build in koji.listBuilds("bash")])  # wrong
    print(sorted(koji.system.listMethods()))  # wrong
    for file in koji.files_of_task(7):  # wrong
        print(file)
    for tag in other.listTags():  # wrong
        print(tag)
    for result in koji.MultiCall()():  # wrong
        print(result)
    for each in TaskWatcher(koji, Clock()).watch(7).done:  # wrong
        print(each)


async def ids(koji: Connection) -> None:
    """Names where the hub takes only ids."""
    await koji.listRPMs(buildID="x-1-1")  # wrong
    await koji.listRPMs({"name": "x"})  # wrong
    await koji.getLastHostUpdate("builder1")  # wrong
    await koji.listBuilds("bash", volumeID="DEFAULT")  # wrong
    await koji.listHosts(userID="builder1")  # wrong


async def packages(koji: Connection) -> None:
    """Members of listed packages, which are rich."""
    for package in await koji.listPackages("f44"):
        print(package.nmae)  # wrong
        print(package.blockd)  # wrong


async def watching(koji: Connection, watcher: TaskWatcher, tree: TaskTree) -> None:
    """Watched tasks and their outcomes."""
    watcher.watch("7")  # wrong
    watcher.watch(7, queue_places=True)  # wrong
    watcher.watch(7).on_chnge(print)  # wrong
    print(tree.rot)  # wrong
    print(tree.root.stat)  # wrong
    await read_outcome(tree, koji)  # wrong
    print((await read_outcome(koji, tree)).reson)  # wrong
    print((await read_outcome(koji, tree)).build.nvr)  # wrong
    print((await read_outcome(koji, tree)).builds[0].nvrr)  # wrong
    await koji.download_task("7", ".")  # wrong
    print((await koji.read_log(7, "build.log")).txt)  # wrong
    print((await koji.files_of_task(7))[0].nme)  # wrong
