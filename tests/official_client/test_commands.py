"""The commands of Koji's own client, against the embedded hub."""

from __future__ import annotations

import ast
import json
import re

import pytest

from tests.official_client.conftest import SOURCE, OfficialClient, created_task
from txkoji.testing.formats import rpms

ARCHES = ("x86_64", "aarch64", "ppc64le")


def waiting_task(koji: OfficialClient, source: str, channel: str) -> int:
    """Submit a scratch build to a new channel, which no host serves; returns its task."""
    koji("add-channel", channel)
    arguments = [source, "demo", {"scratch": True}, None, channel]
    return int(koji("call", "--python", "build", *map(repr, arguments)))


def test_moshimoshi(koji: OfficialClient) -> None:
    """The client logs in with the certificate that the profile names."""
    output = koji("moshimoshi")
    assert "kojiadmin!" in output
    assert "(Koji 1.36.0)" in output
    assert "Authenticated via client certificate" in output


def test_call(koji: OfficialClient) -> None:
    """Any method can be called by name, with positional and named arguments."""
    tag = ast.literal_eval(koji("call", "getTag", "demo-build"))
    assert tag["arches"].split() == list(ARCHES)
    assert json.loads(koji("call", "--json-output", "getTag", "nope", "strict=False")) is None


def test_build(koji: OfficialClient) -> None:
    """A build is watched through its child tasks to the end."""
    output = koji("build", "--wait", "demo", SOURCE.format("hello", "whole"))
    task = created_task(output)
    assert f"taskinfo?taskID={task}" in output
    assert f"{task} build (demo, /rpms/hello.git:whole) completed successfully" in output
    assert "buildSRPMFromSCM (/rpms/hello.git:whole)" in output
    for arch in ARCHES:
        assert f"buildArch (hello-1.0-whole.src.rpm, {arch})" in output
    assert "tagBuild (noarch)" in output
    # Its own count misses a task that ends between two looks.
    assert koji("taskinfo", "--recurse", str(task)).count("State: closed") == 6


def test_build_scratch(koji: OfficialClient) -> None:
    """A scratch build ends well and leaves no build behind."""
    task = koji.build("world", "scratched", "--scratch")
    assert "No such build" in koji.run("buildinfo", "world-1.0-scratched").errors
    assert "State: closed" in koji("taskinfo", str(task))


def test_build_arch_override(koji: OfficialClient) -> None:
    """A scratch build can be limited to some architectures."""
    output = koji(
        "build",
        "--wait",
        "--scratch",
        "--arch-override=x86_64",
        "demo",
        SOURCE.format("foo", "one"),
    )
    assert "buildArch (foo-1.0-one.src.rpm, x86_64)" in output
    assert "aarch64)" not in output
    assert output.rstrip().endswith("completed successfully")


def test_build_skip_tag(koji: OfficialClient) -> None:
    """A build with --skip-tag exists but is in no tag."""
    koji.build("foo", "untagged", "--skip-tag")
    assert "State: COMPLETE" in koji("buildinfo", "foo-1.0-untagged")
    assert "foo-1.0-untagged" not in koji("list-tagged", "demo-candidate")


def test_build_draft(koji: OfficialClient) -> None:
    """A draft's release marks it as one, and promotion removes the mark."""
    task = koji.build("foo", "drafted", "--draft", "--skip-tag")
    [build] = json.loads(koji("call", "--json-output", "listBuilds", f"taskID={task}"))
    assert build["nvr"] == f"foo-1.0-drafted,draft_{build['build_id']}"
    assert "foo-1.0-drafted" in koji("promote-build", build["nvr"])
    assert "State: COMPLETE" in koji("buildinfo", "foo-1.0-drafted")


@pytest.mark.parametrize("options", [(), ("--scratch",)])
def test_build_uploaded_srpm(koji: OfficialClient, options: tuple[str, ...]) -> None:
    """A source RPM is uploaded and built."""
    release = "scratched" if options else "uploaded"
    file = koji.directory / f"hello-2.0-{release}.src.rpm"
    # More than one chunk of the client's upload (1 MiB).
    data = rpms.make_rpm("hello", "2.0", release, "noarch", source=True, padding=1_500_000)
    file.write_bytes(data)
    output = koji("build", "--wait", "--noprogress", *options, "demo", str(file))
    assert "Uploading srpm:" in output
    assert "rebuildSRPM (" in output
    assert f"buildArch (hello-2.0-{release}.src.rpm, x86_64)" in output
    assert output.rstrip().endswith("completed successfully")
    if not options:
        assert "State: COMPLETE" in koji("buildinfo", "hello-2.0-uploaded")


def test_build_that_fails_in_an_arch(koji: OfficialClient) -> None:
    """The client reports the failure and its logs, cancels nothing itself, and exits with 1."""
    outcome = koji.run("build", "--wait", "demo", SOURCE.format("failarch", "bad"))
    assert outcome.status == 1
    reason = "BuildError: error building package (arch x86_64), mock exited with status 1"
    assert f"FAILED: {reason}" in outcome.output
    assert "Relevant logs:" in outcome.output
    assert "/build.log" in outcome.output
    assert re.search(r"aarch64\):.* canceled", outcome.output)
    assert outcome.output.rstrip().endswith("build (demo, /rpms/failarch.git:bad) failed")
    assert "State: FAILED" in koji("buildinfo", "failarch-1.0-bad")


def test_build_that_fails_in_the_srpm(koji: OfficialClient) -> None:
    """A failing source RPM fails the task before it has a build."""
    outcome = koji.run("build", "--wait", "demo", SOURCE.format("hello", "failsrpm1"))
    assert outcome.status == 1
    assert "FAILED: BuildError: error building srpm, exit code 1; see root.log" in outcome.output
    assert "No such build" in koji.run("buildinfo", "hello-1.0-failsrpm1").errors


def test_chain_build(koji: OfficialClient) -> None:
    """The second level of a chain waits for a repo that holds the first."""
    first, second = (SOURCE.format(name, "chained") for name in ("hello", "world"))
    output = koji("chain-build", "--wait", "demo", first, ":", second)
    assert "waitrepo (demo-build, hello-1.0-chained)" in output
    assert output.rstrip().endswith("completed successfully")
    listed = koji("list-tagged", "--quiet", "demo-candidate")
    assert "hello-1.0-chained" in listed
    assert "world-1.0-chained" in listed


def test_list_tagged(koji: OfficialClient, built: int) -> None:
    """A built package is in the destination tag, and in tags that inherit from it."""
    own = koji("list-tagged", "--quiet", "demo-candidate", "hello")
    assert "hello-1.0-built" in own
    inherited = koji("list-tagged", "--quiet", "--inherit", "--latest", "demo-build", "hello")
    assert [line.split()[1] for line in inherited.splitlines()] == ["demo-candidate"]
    packages = koji("list-tagged", "--quiet", "--rpms", "demo-candidate", "hello")
    assert "hello-1.0-built.ppc64le" in packages
    assert "No such tag: nope" in koji.run("list-tagged", "nope").errors


def test_buildinfo(koji: OfficialClient, built: int) -> None:
    """A build is described with its task, its tags and its RPMs."""
    output = koji("buildinfo", "hello-1.0-built")
    assert "BUILD: hello-1.0-built [" in output
    assert "State: COMPLETE" in output
    assert "Built by: kojiadmin" in output
    source = re.escape(SOURCE.format("hello", ""))
    assert re.search(rf"^Source: {source}[0-9a-f]{{40}}$", output, re.MULTILINE)
    assert f"Task: {built} build (demo, /rpms/hello.git:built)" in output
    assert "Tags: demo-candidate" in output
    for arch in ("src", *ARCHES):
        assert f"/packages/hello/1.0/built/{arch}/hello-1.0-built.{arch}.rpm" in output


def test_taskinfo(koji: OfficialClient, built: int) -> None:
    """A task is described with its request, its result, its build and its children."""
    output = koji("taskinfo", "--recurse", "--verbose", str(built))
    assert f"Task: {built}" in output
    assert "Type: build" in output
    assert "Owner: kojiadmin" in output
    assert "State: closed" in output
    assert "Build: hello-1.0-built (" in output
    assert "Build Target: demo" in output
    for kind in ("buildSRPMFromSCM", "buildArch", "tagBuild"):
        assert f"Type: {kind}" in output
    assert "hello-1.0-built.x86_64.rpm" in output


def test_list_tasks(koji: OfficialClient) -> None:
    """Unfinished tasks are listed, ended ones are not."""
    task = waiting_task(koji, SOURCE.format("world", "listed"), "no-host-listed")
    assert f"{task} " in koji("list-tasks", "--mine", "--method=build")
    koji("cancel", str(task))
    assert f"{task} " not in koji("list-tasks", "--mine", "--method=build")


def test_watch_task(koji: OfficialClient) -> None:
    """A running task is watched to its end by another process than its submitter."""
    task = created_task(koji("build", "--nowait", "demo", SOURCE.format("world", "watched")))
    output = koji("watch-task", str(task))
    assert output.startswith("Watching tasks")
    assert output.rstrip().endswith(
        f"{task} build (demo, /rpms/world.git:watched) completed successfully"
    )


def test_watch_task_that_failed(koji: OfficialClient) -> None:
    """Watching a failed task exits with 1."""
    task = created_task(koji("build", "--nowait", "demo", SOURCE.format("hello", "failsrpm2")))
    outcome = koji.run("watch-task", str(task))
    assert outcome.status == 1
    assert outcome.output.rstrip().endswith("failed")


def test_watch_logs(koji: OfficialClient) -> None:
    """The log of a running task is followed completely."""
    task = created_task(
        koji(
            "build",
            "--nowait",
            "--scratch",
            "--arch-override=x86_64",
            "demo",
            SOURCE.format("hello", "logged"),
        )
    )
    text = koji("watch-logs", "--follow", str(task))
    steps = [line for line in text.splitlines() if line.startswith("step ")]
    assert steps == [f"step {number} of 20: compiling hello" for number in range(20)]


def test_cancel_task(koji: OfficialClient) -> None:
    """A task can be canceled, and watching it exits with 1."""
    task = waiting_task(koji, SOURCE.format("world", "canceled"), "no-host")
    koji("cancel", str(task))
    assert "State: canceled" in koji("taskinfo", str(task))
    outcome = koji.run("watch-task", str(task))
    assert outcome.status == 1
    assert f"{task} build (demo, /rpms/world.git:canceled) was canceled" in outcome.output


def test_resubmit(koji: OfficialClient) -> None:
    """A canceled task can be submitted again, under a new id."""
    task = waiting_task(koji, SOURCE.format("foo", "again"), "no-host-yet")
    koji("cancel", str(task))
    [host, *_] = koji("list-hosts", "--quiet", "--channel=default").split()
    koji("add-host-to-channel", host, "no-host-yet")
    output = koji("resubmit", "--nowait", str(task))
    match = re.search(rf"Resubmitted task {task} as new task (\d+)", output)
    assert match is not None, output
    again = int(match[1])
    assert koji("watch-task", str(again)).rstrip().endswith("completed successfully")


def test_download_task(koji: OfficialClient, built: int) -> None:
    """The RPMs of a task and of its children are downloaded."""
    output = koji("download-task", "--noprogress", str(built))
    assert "hello-1.0-built.x86_64.rpm" in output
    for arch in ARCHES:
        data = (koji.directory / f"hello-1.0-built.{arch}.rpm").read_bytes()
        assert rpms.headers(data)["ARCH"] == arch


def test_download_task_logs(koji: OfficialClient, built: int) -> None:
    """The logs of a task are downloaded on request."""
    koji("download-task", "--noprogress", "--logs", "--arch=x86_64", str(built))
    [log] = koji.directory.glob("build*x86_64*.log")
    assert "step 19 of 20: compiling hello" in log.read_text()


def test_download_logs(koji: OfficialClient, built: int) -> None:
    """The logs of a whole task tree are downloaded through the hub."""
    koji("download-logs", "--recurse", str(built))
    logs = [path.read_text() for path in koji.directory.rglob("build.log")]
    assert any("Building for target ppc64le" in log for log in logs)


def test_download_build(koji_with_rpm: OfficialClient, built: int) -> None:
    """The RPMs of a build are downloaded, and pass the client's checks of size and digests."""
    koji = koji_with_rpm
    koji("download-build", "--noprogress", "hello-1.0-built")
    listed = json.loads(koji("call", "--json-output", "listBuildRPMs", "hello-1.0-built"))
    assert {rpm["arch"] for rpm in listed} == {"src", *ARCHES}
    for rpm in listed:
        data = (koji.directory / f"{rpm['nvr']}.{rpm['arch']}.rpm").read_bytes()
        assert len(data) == rpm["size"]
        assert rpms.payload_hash(data) == rpm["payloadhash"]


def test_tag_and_untag(koji: OfficialClient) -> None:
    """A build is tagged by a task, and untagged immediately."""
    koji.build("foo", "moved")
    output = koji("tag-build", "--wait", "demo-released", "foo-1.0-moved")
    assert "tagBuild (noarch) completed successfully" in output
    assert "foo-1.0-moved" in koji("list-tagged", "demo-released")
    koji("untag-build", "demo-released", "foo-1.0-moved")
    assert "foo-1.0-moved" not in koji("list-tagged", "demo-released")
    outcome = koji.run("untag-build", "demo-released", "foo-1.0-moved")
    assert outcome.status == 1
    assert "Build foo-1.0-moved not in tag demo-released" in outcome.output + outcome.errors


def test_move_build(koji: OfficialClient) -> None:
    """A build is moved from one tag to another."""
    koji.build("foo", "carried")
    koji("move-build", "--wait", "demo-candidate", "demo-released", "foo-1.0-carried")
    assert "foo-1.0-carried" in koji("list-tagged", "demo-released")
    assert "foo-1.0-carried" not in koji("list-tagged", "demo-candidate")


def test_wait_repo_with_a_build(koji: OfficialClient) -> None:
    """A repo with a new build is requested, made, and waited for."""
    koji.build("world", "wanted")
    output = koji(
        "wait-repo",
        "--request",
        "--verbose",
        "--build=world-1.0-wanted",
        "--timeout=1",
        "demo-build",
    )
    assert "world-1.0-wanted" in output
    assert "in the repo" in output or "Got repo" in output


def test_regen_repo(koji: OfficialClient) -> None:
    """A repo is regenerated by force."""
    before = koji("wait-repo", "--request", "demo-build").splitlines()[0]
    output = koji("regen-repo", "--wait", "--make-task", "demo-build")
    assert "newRepo (demo-build)" in output
    assert "createrepo (" in output
    assert output.rstrip().endswith("completed successfully")
    assert koji("wait-repo", "--request", "demo-build").splitlines()[0] != before


def test_add_tag_target_and_package(koji: OfficialClient) -> None:
    """An administrator adds a tag, a target and a package, and builds for it."""
    koji("add-tag", "extra-candidate")
    koji("add-tag", "--parent=extra-candidate", "--arches=x86_64", "extra-build")
    koji("add-target", "extra", "extra-build", "extra-candidate")
    koji("add-pkg", "--owner=kojiadmin", "extra-candidate", "spam")
    output = koji("build", "--wait", "extra", SOURCE.format("spam", "1"))
    assert output.rstrip().endswith("completed successfully")
    assert "spam-1.0-1" in koji("list-tagged", "extra-candidate")


IMAGES = "git+https://git.example.test/images.git#r1"


def test_runroot(koji: OfficialClient) -> None:
    """A command's output is printed; a failing command fails the client."""
    output = koji("runroot", "demo-build", "x86_64", "rpm", "-qa")
    assert output.startswith("$ rpm -qa\n")
    assert koji.run("runroot", "--quiet", "demo-build", "x86_64", "false").status == 1


def test_kiwi_build(koji: OfficialClient) -> None:
    """A Kiwi image is built for each architecture, listed and downloaded."""
    arches = [f"--arch={arch}" for arch in ("x86_64", "aarch64")]
    options = ["--wait", "--version=44", *arches]
    outcome = koji.run("kiwi-build", *options, "demo", IMAGES, "images/hello.kiwi")
    assert outcome.status == 0, outcome
    assert "createKiwiImage (aarch64): " in outcome.output
    [build] = json.loads(koji("call", "--json-output", "listBuilds", "type=image"))
    assert f"images/{build['nvr']}.x86_64.raw.xz" in koji("buildinfo", build["nvr"])
    koji("download-build", "--type=image", build["nvr"])
    files = sorted(path.name for path in koji.directory.iterdir())
    assert files == [f"{build['nvr']}.{arch}.raw.xz" for arch in ("aarch64", "x86_64")]


def test_maven_build_and_wrapper_rpm(koji: OfficialClient) -> None:
    """A Maven project is built and tagged, then wrapped in RPMs."""
    source = "git+https://git.example.test/{}.git#r1"
    output = koji("maven-build", "--wait", "demo", source.format("hello"))
    assert "buildMaven (demo-build): " in output
    [line] = koji("list-tagged", "--quiet", "--type=maven", "demo-candidate").splitlines()
    nvr, _, group, artifact, _ = line.split()
    assert (group, artifact) == ("org.example", "hello")
    output = koji("wrapper-rpm", "--wait", "--scratch", "demo", nvr, source.format("specs"))
    assert output.rstrip().endswith(f"wrapperRPM (demo, {nvr}) completed successfully")


def test_win_build(koji: OfficialClient) -> None:
    """A Windows project is built in a virtual machine."""
    koji("add-pkg", "--owner=kojiadmin", "demo-candidate", "windows-world")
    source = "git+https://git.example.test/windows-world.git#r1"
    output = koji("win-build", "--wait", "demo", source, "windows-vm")
    assert "vmExec (windows-vm): " in output
    assert output.rstrip().endswith("completed successfully")


def test_dist_repo(koji: OfficialClient) -> None:
    """A dist repo holds signed RPMs; unsigned ones must be allowed."""
    koji.build("hello", "unsigned")
    output = koji("dist-repo", "--wait", "--allow-missing-signatures", "demo-build", "0a")
    assert "createdistrepo" in output
    outcome = koji.run("dist-repo", "--wait", "--arch=x86_64", "demo-build", "0a")
    assert outcome.status != 0
    assert "Unsigned packages found" in outcome.output + outcome.errors


def test_side_tag(koji: OfficialClient) -> None:
    """A side tag is made, listed and removed."""
    name = koji("add-sidetag", "demo-build").strip()
    assert name.startswith("demo-build-side-")
    assert name in koji("list-sidetags", "--mine").split()
    koji("remove-sidetag", name)
    assert name not in koji("list-sidetags")


def test_untag_all_but_the_latest(koji: OfficialClient) -> None:
    """All builds of a package except the newest are untagged."""
    koji.build("world", "older")
    koji.build("world", "newer")
    koji("untag-build", "--non-latest", "demo-candidate", "world")
    left = koji("list-tagged", "--quiet", "demo-candidate", "world").split()
    assert [word for word in left if word.startswith("world-")] == ["world-1.0-newer"]
