"""What the database of a new hub holds: permissions, channels, types of builds and archives."""

from __future__ import annotations

from txkoji.testing.tables.state import HubState

PERMISSIONS = {
    "admin": "Full administrator access. Perform all actions.",
    "appliance": "Create appliance builds - deprecated.",
    "dist-repo": "Create a dist-repo.",
    "host": "Add, remove, enable, disable hosts and channels.",
    "image": "Start image tasks.",
    "image-import": "Import image archives.",
    "livecd": "Start livecd tasks.",
    "maven-import": "Import maven archives.",
    "repo": "Manage repos: newRepo, repoExpire, repoDelete, repoProblem.",
    "sign": "Import RPM signatures and write signed RPMs.",
    "tag": "Manage packages in tags: add, block, remove, and clone tags.",
    "target": "Add, edit, and remove targets.",
    "win-admin": 'The default hub policy rule for "vm" requires this permission to trigger'
    " Windows builds.",
    "win-import": "Import win archives.",
    "draft-promoter": 'The permission required in the default "draft_promotion" hub policy rule'
    " to promote draft build.",
}

CHANNELS = ("default", "createrepo", "maven", "livecd", "appliance", "vm", "image", "livemedia")

BUILD_TYPES = ("rpm", "maven", "win", "image")

ARCHIVE_TYPES = (
    ("jar", "Jar file", "jar war rar ear sar jdocbook jdocbook-style", "zip"),
    ("zip", "Zip file", "zip", "zip"),
    ("pom", "Maven Project Object Management file", "pom", None),
    ("tar", "Tar file", "tar tar.gz tar.bz2 tar.xz tgz", "tar"),
    ("xml", "XML file", "xml", None),
    ("exe", "Windows executable", "exe", None),
    ("dll", "Windows dynamic link library", "dll", None),
    ("msi", "Windows Installer package", "msi", None),
    ("pdb", "Windows debug information", "pdb", None),
    ("txt", "Text file", "txt", None),
    ("iso", "CD/DVD Image", "iso", None),
    ("raw", "Raw disk image", "raw", None),
    ("qcow2", "QCOW2 image", "qcow2", None),
    ("vmdk", "vSphere image", "vmdk", None),
    ("raw-xz", "xz compressed raw disk image", "raw.xz", None),
    ("ks", "Kickstart", "ks", None),
    ("json", "JSON data", "json", None),
)
"""Name, description, extensions and compression of the archive types that tasks make."""


def seed(state: HubState) -> None:
    """Insert what a new hub's database holds."""
    with state.transaction():
        state.event()
        for name, description in PERMISSIONS.items():
            state.insert("permissions", {"name": name, "description": description})
        for channel in CHANNELS:
            state.insert("channels", {"name": channel})
        for build_type in BUILD_TYPES:
            state.insert("btype", {"name": build_type})
        for name, description, extensions, compression in ARCHIVE_TYPES:
            row = {"name": name, "description": description, "extensions": extensions}
            state.insert("archivetypes", {**row, "compression_type": compression})
        state.insert("volume", {"name": "DEFAULT"}, id=0)
