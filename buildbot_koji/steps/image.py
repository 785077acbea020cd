"""Steps that build images, by the hub itself or by its plugins for Kiwi and osbuild."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, option, required, wrong_value
from buildbot_koji.hubs.survey import version_numbers
from buildbot_koji.steps.framework.priority import SCRATCH, SKIP_TAG, PrioritizedTaskStep
from buildbot_koji.steps.framework.uploads import UploadingStep
from txkoji import Call

KINDS = ("image", "livemedia", "livecd", "appliance")

SEVERAL_ARCHES = ("image", "livemedia")
"""The kinds of images that are built for several architectures at once."""

FORMATS = (
    *("docker", "liveimg-squashfs", "qcow", "qcow2", "raw", "raw-xz", "rhevm-ova", "tar-gz"),
    *("vagrant-hyperv", "vagrant-libvirt", "vagrant-virtualbox", "vagrant-vmware-fusion"),
    *("vdi", "vmdk", "vmx", "vpc", "vsphere-ova"),
)
"""The formats that the help of Koji's own client (1.36) lists."""

DISK_SIZE = 10
"""Gigabytes, as Koji's own client requests."""

_KINDS_WITH: dict[str, tuple[str, ...]] = {
    "install_tree": ("image", "livemedia"),
    "distro": ("image",),
    "format": ("image", "appliance"),
    "disk_size": ("image",),
    "ova_options": ("image",),
    "factory_parameters": ("image",),
    "noverifyssl": ("image",),
    "can_fail": ("image", "livemedia"),
    "volid": ("livemedia", "livecd"),
    "vmem": ("appliance",),
    "vcpu": ("appliance",),
    "lorax_dir": ("livemedia",),
    "lorax_url": ("livemedia",),
    "nomacboot": ("livemedia",),
    "ksrepo": ("livemedia",),
    "squashfs_only": ("livemedia",),
    "compress_arg": ("livemedia",),
}
"""The kinds of images that take an option, for options that not all kinds take."""


def _image_formats(value: Any) -> str | None:
    """Check formats of images: a list, or one string."""
    complaint = checks.listed_words(value)
    if complaint is not None:
        return complaint
    unknown = [each for each in checks.words(value) if each not in FORMATS]
    return f"must be of {', '.join(FORMATS)}" if unknown else None


class KojiImageBuild(PrioritizedTaskStep, UploadingStep):
    """Builds an image: a disk image from an install tree, a live medium, or an appliance.

    It does what Koji's client does with ``image-build``, ``spin-livemedia``, ``spin-livecd`` and
    ``spin-appliance``. Requires the permission of that name: ``image``, ``livemedia`` and so on.
    """

    name = "koji image-build"
    activity: ClassVar[str] = "building the image"

    kind = argument(
        checks.one_of(*KINDS),
        'what to build: ``"image"`` (a disk image), ``"livemedia"``, ``"livecd"`` or'
        ' ``"appliance"``',
        default="image",
    )
    image_name = required(checks.text, "the name of the image")
    version = required(checks.text, "the version of the image")
    release = option(checks.text, "the release of the image")
    target = required(checks.name, "the build target")
    arches = required(
        checks.listed_words,
        "the architectures, a list or one string; a live CD or appliance takes one",
    )
    kickstart = required(
        checks.text, "the kickstart file: a file to upload or, with ``ksurl``, its path there"
    )
    ksurl = option(checks.scm_url, "the SCM URL of the kickstart file")
    ksversion = option(checks.text, "the version of the kickstart syntax")
    install_tree = argument(
        checks.text, 'the URL of the install tree. Required with ``kind="image"``'
    )
    distro = option(
        checks.text,
        "the distribution that the image is based on, such as ``Fedora-44``. Required with"
        ' ``kind="image"``',
    )
    repos = argument(
        checks.texts, "URLs of repos; by default the repo of the target's build tag", option="repo"
    )
    format = argument(
        _image_formats,
        "the formats to convert the image to, a list or one string; an appliance takes one",
    )
    disk_size = argument(checks.positive, "the size of the disk in gigabytes, by default 10")
    ova_options = argument(checks.strings, "values for the OVA description, by their names")
    factory_parameters = argument(checks.strings, "parameters for Image Factory, by their names")
    noverifyssl = flag("don't verify the certificates of trees and repos", option=True)
    can_fail = argument(checks.listed_words, "architectures that may fail, a list or one string")
    volid = option(checks.text, "the volume id of the medium")
    vmem = option(checks.positive, "the memory of the appliance in megabytes")
    vcpu = option(checks.positive, "the number of processors of the appliance")
    lorax_dir = option(checks.text, "the directory of the templates in ``lorax_url``")
    lorax_url = option(checks.scm_url, "the SCM URL of the templates for lorax")
    nomacboot = flag("as ``--nomacboot`` of livemedia-creator", option=True)
    ksrepo = flag("keep the repos of the kickstart file", option=True)
    squashfs_only = flag("make a plain squashfs file system", option=True)
    compress_arg = option(checks.texts, "arguments of the compression")
    specfile = option(checks.scm_url, "the SCM URL of a spec file for RPMs that wrap the image")
    scratch = SCRATCH
    skip_tag = SKIP_TAG

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kickstart = ""

    def check_together(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what is wrong for the kind of the image."""
        kind = values["kind"]
        if checks.is_renderable(kind):
            return
        for name, kinds in _KINDS_WITH.items():
            if kind not in kinds and self.arguments[name].is_given(values[name]):
                yield f"{name} is not for a {kind}: only for {' or '.join(kinds)}"
        if kind == "image":
            for name in ("install_tree", "distro"):
                if values[name] is None:
                    yield f'{name} is missing: required with kind="image"'
        elif kind not in SEVERAL_ARCHES:
            for name in ("arches", "format"):
                value = values[name]
                if not checks.is_renderable(value) and len(checks.words(value)) > 1:
                    yield wrong_value(name, value, f"must be one: of a {kind} there is one")

    async def prepare(self) -> None:
        """Upload the kickstart file, unless the hub's builders fetch it."""
        self._kickstart = self.kickstart
        if self.ksurl is None:
            uploaded = await self.upload(self.kickstart)
            # For a disk image Koji's builders take the path relative to the parent directory.
            self._kickstart = f"work/{uploaded}" if self.kind == "image" else uploaded

    def hub_options(self) -> dict[str, Any]:
        """Return the options in the form that the hub takes."""
        options = super().hub_options()
        if self.can_fail is not None:
            options["optional_arches"] = checks.words(self.can_fail)
        if self.kind == "appliance" and self.format is not None:
            options["format"] = checks.words(self.format)[0]
        if self.kind == "livemedia" and self.install_tree is not None:
            options["install_tree_url"] = self.install_tree
        if self.kind == "image":
            options["kickstart"] = self._kickstart
            options["disk_size"] = self.disk_size if self.disk_size is not None else DISK_SIZE
            options["format"] = checks.words(self.format)
            if self.ova_options:
                options["ova_option"] = [f"{key}={each}" for key, each in self.ova_options.items()]
            if self.factory_parameters:
                options["factory_parameter"] = [
                    [key, each] for key, each in self.factory_parameters.items()
                ]
        return options

    def hub_call(self) -> Call:
        """Return the call that submits the image."""
        what = (self.image_name, self.version)
        arches = checks.words(self.arches)
        options, priority = self.hub_options(), self.hub_priority
        if self.kind == "image":
            place = (arches, self.target, self.install_tree)
            return Call("buildImageOz", (*what, *place, options, priority))
        arch = arches if self.kind in SEVERAL_ARCHES else arches[0]
        place = (arch, self.target, self._kickstart)
        return Call("buildImage", (*what, *place, self.kind, options, priority))


class KojiKiwiBuild(PrioritizedTaskStep):
    """Builds an image with Kiwi. Requires the hub's plugin kiwi and the permission ``image``."""

    name = "koji kiwi-build"
    activity: ClassVar[str] = "building the image"

    target = required(checks.name, "the build target")
    description_scm = required(checks.scm_url, "the SCM URL of the image's description")
    description_path = required(checks.text, "the path of the description in ``description_scm``")
    arches = argument(
        checks.listed_words,
        "the architectures, a list or one string; by default those of the target",
    )
    can_fail = argument(checks.listed_words, "architectures that may fail, a list or one string")
    scratch = SCRATCH
    version = option(checks.text, "the version of the image; by default that of the description")
    release = option(checks.text, "the release of the image")
    repos = option(checks.texts, "URLs of repos; by default the repo of the target's build tag")
    repo_releasever = option(checks.text, "the ``releasever`` of the repos")
    buildroot_repo = argument(
        checks.flag,
        "also use the repo of the target's build tag; by default unless ``repos`` are given."
        " Hubs before 1.35 always use it",
    )
    kiwi_profile = argument(checks.text, "the profile to use in the description", option="profile")
    type = option(checks.text, "the build type; by default that of the description")
    type_attr = option(
        checks.texts, "attributes of the build type; by default those of the description"
    )
    result_bundle_name_format = option(checks.text, "the format of the bundle's name")
    make_prep = flag("run ``make prep`` before the build", option=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._takes_buildroot_repo = True

    async def prepare(self) -> None:
        """Find out whether the hub has the option ``use_buildroot_repo``."""
        version = str(await self.connection.getKojiVersion())
        self._takes_buildroot_repo = version_numbers(version) >= (1, 35)

    def hub_call(self) -> Call:
        """Return the call that submits the image."""
        options = self.hub_options()
        if self.can_fail is not None:
            options["optional_arches"] = checks.words(self.can_fail)
        if self._takes_buildroot_repo:
            asked = self.buildroot_repo
            options["use_buildroot_repo"] = not self.repos if asked is None else asked
        if self.hub_priority is not None:
            options["priority"] = self.hub_priority
        place = (
            self.target,
            checks.words(self.arches),
            self.description_scm,
            self.description_path,
        )
        return Call("kiwiBuild", place, options)


def _os_repos(value: Any) -> str | None:
    """Check repos: URLs, or dictionaries with ``baseurl`` and ``package_sets``."""
    wanted = "must be a list of URLs, or of dictionaries with baseurl and package_sets"
    if not isinstance(value, (list, tuple)):
        return wanted
    for each in value:
        if isinstance(each, dict):
            if checks.text(each.get("baseurl")) or each.keys() - {"baseurl", "package_sets"}:
                return wanted
        elif checks.text(each):
            return wanted
    return None


class KojiOSBuild(PrioritizedTaskStep):
    """Builds an image with osbuild. Requires the hub's plugin and the permission ``image``."""

    name = "koji osbuild-image"
    activity: ClassVar[str] = "building the image"

    image_name = required(checks.text, "the name of the image")
    version = required(checks.text, "the version of the image")
    release = option(checks.text, "the release of the image")
    distro = required(checks.text, "the distribution, as osbuild names it")
    target = required(checks.name, "the build target")
    arches = required(checks.listed_words, "the architectures, a list or one string")
    image_types = argument(
        checks.listed_words, "the types of the images, a list or one string", default="guest-image"
    )
    repos = argument(
        _os_repos,
        "repos, by default that of the target's build tag: URLs, or dictionaries with"
        " ``baseurl`` and ``package_sets``",
        option="repo",
    )
    ostree_parent = argument(checks.text, "the parent of an OSTree commit")
    ostree_ref = argument(checks.text, "the ref of an OSTree commit")
    ostree_url = argument(checks.text, "the URL of an OSTree repo")
    customizations = option(checks.json_struct, "the customizations, in osbuild's format")
    upload_options = option(
        checks.json_struct, "the options of the upload to a cloud, in osbuild's format"
    )
    skip_tag = SKIP_TAG

    def hub_call(self) -> Call:
        """Return the call that submits the image."""
        options = self.hub_options()
        ostree = {"parent": self.ostree_parent, "ref": self.ostree_ref, "url": self.ostree_url}
        given = {name: value for name, value in ostree.items() if value is not None}
        if given:
            options["ostree"] = given
        what = (self.image_name, self.version, self.distro, checks.words(self.image_types))
        return Call(
            "osbuildImage",
            (*what, self.target, checks.words(self.arches), options, self.hub_priority),
        )
