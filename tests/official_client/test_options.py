"""Each option of a command of Koji's own client is an argument of its step."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
from typing import Any

import pytest
from buildbot.plugins import steps

OF_TERMINALS = frozenset(["help", "wait", "nowait", "quiet", "noprogress", "verbose", "watch"])
"""Options for a terminal: a step waits, and shows its progress."""

COMMANDS: dict[str, tuple[str, str, dict[str, str | None]]] = {
    # step: module, command, what options are called, or None for what a step can't need
    "KojiBuild": ("commands", "build",
     {"wait_build": "wait_builds", "no_rebuild_srpm": "rebuild_srpm"}),
    "KojiBuildSRPM": ("commands", "build",
     {"wait_build": "wait_builds", "no_rebuild_srpm": "rebuild_srpm"}),
    "KojiChainBuild": ("commands", "chain_build", {}),
    "KojiImageBuild": ("commands", "image_build",
     {"config": None, "repo": "repos", "ova_option": "ova_options",
      "factory_parameter": "factory_parameters"}),
    "KojiImageBuild livemedia": ("commands", "spin_livemedia",
     {"install_tree_url": "install_tree", "repo": "repos"}),
    "KojiImageBuild livecd": ("commands", "spin_livecd", {"repo": "repos"}),
    "KojiImageBuild appliance": ("commands", "spin_appliance", {"repo": "repos"}),
    "KojiKiwiBuild": ("kiwi", "kiwi_build", {"repo": "repos", "arch": "arches"}),
    "KojiMavenBuild": ("commands", "maven_build",
     {"goal": "goals", "profile": "profiles", "property": "maven_properties", "env": "envs",
      "package": "packages", "jvm_option": "jvm_options", "maven_option": "maven_options",
      "ini": None, "section": None}),
    "KojiWinBuild": ("commands", "win_build", {}),
    "KojiRunroot": ("runroot", "runroot",
     {"package": "packages", "mount": "mounts", "channel_override": "channel", "task_id": None,
      "use_shell": "command", "old_chroot": "new_chroot"}),
    "KojiDistRepo": ("commands", "dist_repo",
     {"arch": "arches", "noinherit": "inherit", "no_skip_stat": "skip_stat"}),
    "KojiTask": ("commands", "make_task", {}),
    "KojiTag": ("commands", "tag_build", {}),
    "KojiUntag": ("commands", "untag_build", {"test": None}),
    "KojiMove": ("commands", "move_build", {}),
    "KojiPromote": ("commands", "promote_build", {}),
    "KojiCreateSideTag": ("sidetag_cli", "add_sidetag", {}),
    "KojiRemoveSideTag": ("sidetag_cli", "remove_sidetag", {}),
    "KojiWaitRepo": ("commands", "anon_handle_wait_repo",
     {"build": "builds", "no_request": "request"}),
    "KojiWaitRepo request": ("commands", "request_repo",
     {"last": "current", "src": "source", "separate_src": "separate_source"}),
    "KojiRegenRepo": ("commands", "regen_repo",
     {"src": "source", "separate_src": "separate_source"}),
    "KojiDownloadBuild": ("commands", "anon_handle_download_build", {"arch": "arches"}),
    "KojiDownloadTask": ("commands", "anon_handle_download_task",
     {"arch": "arches", "logs": "with_logs"}),
    "KojiDownloadTask logs": ("commands", "anon_handle_download_logs",
     {"recurse": "parentonly", "nvr": None, "continue": None, "dir": "directory"}),
    "KojiCall": ("commands", "call",
     {"python": None, "json": None, "json_input": None, "json_output": None, "bare_strings": None}),
    "KojiCancel": ("commands", "cancel", {}),
}  # fmt: skip


class _Options:
    """The options that the client's main program passes to a command."""

    quiet = False
    poll_interval = 6
    topurl = "http://localhost/files"


def options_of(module: str, command: str) -> set[str]:
    """Return the long options in a command's help."""
    package = "koji_cli" if module == "commands" else "koji_cli_plugins"
    loaded = importlib.import_module(f"{package}.{module}")
    handler: Any = getattr(loaded, command, None) or getattr(loaded, f"handle_{command}")
    text = io.StringIO()
    with contextlib.redirect_stdout(text), pytest.raises(SystemExit):
        handler(_Options(), None, ["--help"])
    lines = [line.strip() for line in text.getvalue().splitlines()]
    heads = [re.split(r"\s{2,}", line)[0] for line in lines if line.startswith("-")]
    return {name.replace("-", "_") for head in heads for name in re.findall(r"--([\w-]+)", head)}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_an_argument(name: str) -> None:
    """A step takes every option of its command."""
    module, command, renamed = COMMANDS[name]
    arguments = getattr(steps, name.partition(" ")[0]).arguments
    options = options_of(module, command)
    assert "help" in options
    options -= OF_TERMINALS
    wanted = {option: renamed.get(option, option) for option in options}
    assert {option: name for option, name in wanted.items() if name not in {None, *arguments}} == {}
    assert renamed.keys() <= options, "the table names options that the command does not have"
