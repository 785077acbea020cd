"""Whose fault a fault is."""

from __future__ import annotations

import pytest

from txkoji.exceptions import ConnectionFailed, KojiException, NotXMLRPC, fault_from
from txkoji.watching.infrastructure import INFRASTRUCTURE_FAULTS, is_infrastructure

TRACEBACK = "Traceback (most recent call last):\n  File \"daemon.py\"\nKeyError: 'arch'"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1, TRACEBACK),
        (1012, "could not init mock buildroot, mock exited with status 30; see root.log"),
        (1014, "server is offline"),
        (1016, "plugin failed"),
        (1017, "callback failed"),
        (1002, "Invalid session or bad credentials"),
        (1000, "[Errno 28] No space left on device: '/var/lib/mock'"),
        (1005, "error building package (arch x86_64), mock was killed by signal 9"),
        (1000, "HTTPSConnectionPool: Connection timed out"),
        (1000, "<urlopen error [Errno -2] Name or service not known>"),
        (1000, "503 Server Error: Service Unavailable for url"),
        (1000, "500 Server Error: Internal Server Error for url: https://koji.test/kojifiles/x"),
        (1000, "HTTPSConnectionPool(host='koji.test', port=443): Read timed out. (read timeout=9)"),
        (1000, "('Connection aborted.', RemoteDisconnected('Remote end closed connection'))"),
        (1000, "Max retries exceeded with url: /kojihub (Caused by ConnectTimeoutError())"),
        (1000, "umount failed (exit code 32) for /var/lib/mock/demo"),
        (1000, "Repo directory missing: /mnt/koji/repos/demo-build/1"),
        (1000, "Can't get list of installed rpms"),
        (1000, "[Errno 116] Stale file handle: '/mnt/koji/work'"),
        (1000, "Unsuccessfully waited 120:00 for a new f44-build repo"),
        (1000, "failed to create repo: createrepo_c exited with status 1; see createrepo.log"),
        (1000, "failed to merge repos: mergerepos_c was killed by signal 9"),
        (1000, "Unable to mount /mnt/koji: mount exited with status 32"),
        (1000, "error unmounting /var/lib/mock/demo/root/proc"),
        (1012, "error: cannot open Packages database in /var/lib/rpm"),
        (1000, "[Errno 117] Structure needs cleaning: '/mnt/koji/work'"),
        (1000, "[Errno 11] Resource temporarily unavailable"),
        (1000, "[Errno 32] Broken pipe"),
        (1000, "[Errno 103] Software caused connection abort"),
        (1000, "Curl error (6): Couldn't resolve host name for https://cdn.test/repomd.xml"),
        (1000, "Curl error (28): Timeout was reached for https://cdn.test/repomd.xml"),
        (2001, "dial tcp: lookup registry.test: no such host"),
        (2001, "Get https://registry.test/v2/: net/http: TLS handshake timeout"),
        (1000, "<urlopen error timed out>"),
        (1000, "HTTP Error 503: Service Unavailable"),
        (1000, "429 Client Error: Too Many Requests for url: https://koji.test/kojifiles/x"),
        (1000, "could not serialize access due to concurrent update"),
        (1012, "mock terminated for unknown reasons"),
        (1012, "failed to get a buildroot id"),
        (1000, "Unable to unmount: /var/lib/mock/demo/root/mnt: umount: target is busy"),
        (1005, "The build system failed to set the packager tag"),
        (1005, "No arch list for this host: builder-1"),
        (1000, "bad config: missing corresponding mountpoint"),
        (1000, "upload checksum failed: 1 != 2"),
        (1000, "Uploaded file is wrong length: work/x/build.log, 5 != 6"),
        (1005, "Downloaded rpm hello-1-1.noarch.rpm doesn't match sigmd5"),
        (1005, "sha1 checksum validation failed for /x/y, 1 (computed) != 2 (provided)"),
        (1005, 'unable to create qcow2 image, "/usr/bin/qemu-img create" returned 1; output was: '),
        (1005, 'unable to clone VM: "virt-clone" returned 1; output was: '),
        (1010, "error starting VM koji-clone-7-win, error was: cannot access storage file"),
        (1005, "VM koji-clone-7-win crashed"),
        (1010, "duplicate MAC address: 52:54:00:00:00:01"),
        (1010, "unknown MAC address: 52:54:00:00:00:01"),
        *[
            (1005, f"error building package (arch s390x), mock exited with status {status}; see x")
            for status in (2, 3, 20, 25, 60, 65, 70, 80, 90, 110, 129, 134, 137, 139, 141, 143)
        ],
        *[
            (1000, f"[Errno {number}] in the words of another language: '/mnt/koji/work'")
            for number in (
                5,
                12,
                19,
                23,
                28,
                30,
                37,
                39,
                74,
                101,
                104,
                107,
                110,
                113,
                117,
                121,
                122,
            )
        ],
        *[
            (1000, text)
            for text in (
                "Unknown origin for assets-7.0-4.el7.x86_64: file:///var/tmp/koji/tasks/4489/repo/",
                "(104, 'ECONNRESET')",
                "SysCallError(110, 'ETIMEDOUT')",
                "<ProtocolError for koji.test/kojihub: 502 Proxy Error>",
                "Curl error (37): Couldn't read a file:// file for file:///var/tmp/koji/tasks/1/2",
                "No free loop devices",
                "can't start new thread",
                "HTTP Error 408: Request Timeout",
                "HTTP Error 425: Too Early",
                "TimeoutError: timed out",
                "error:0A000126:SSL routines::unexpected eof while reading",
                "OpenSSL SSL_read: SSL_ERROR_SYSCALL, errno 104",
                "curl: (16) Error in the HTTP2 framing layer",
                "GnuTLS recv error (-110): The TLS connection was non-properly terminated.",
                "Operation too slow. Less than 1000 bytes/sec transferred the last 30 seconds",
                'Get "https://registry.test/v2/": unexpected EOF',
                "upstream connect error or disconnect/reset before headers",
                "unexpected response code: 502",
                "Error 503 Backend fetch failed",
                "Remote I/O error: '/mnt/koji'",
                "[Errno 13] Permission denied: '/mnt/koji/work/tasks/1'",
                "[Errno 99] Cannot assign requested address",
                "No credentials were supplied, or the credentials were unavailable",
                "cannot acquire state change lock (held by monitor=x)",
                "Failed to connect to socket /run/libvirt/libvirt-sock: No such file or directory",
                "FATAL:  remaining connection slots are reserved for superuser connections",
                "SSL SYSCALL error: EOF detected",
                "database disk image is malformed",
                "too many connections",
                "createrepo_c was killed by signal 11",
                "Build root is locked by another process.",
                "Could not get lock /var/lib/dpkg/lock-frontend",
                "mount point /mnt/koji is not mounted",
                "received 503 from registry",
                "unexpected EOF",
                "lost connection to the server during query",
            )
        ],
        *[
            (1005, text)
            for text in (
                "Cannot find a valid baseurl for repo: build",
                "Cannot retrieve repository metadata (repomd.xml) for repository: build",
                "Failed to synchronize cache for repo 'build'",
                "Downloading successful, but checksum doesn't match. Calculated: 1 Expected: 2",
                "Cannot download, all mirrors were already tried without success",
                "Interrupted by header callback: Inconsistent server data, reported file x",
                "repomd.xml parser error: Parse error at line: 1",
                "error: rpmdbNextIterator: skipping h# 123 Header V4 RSA/SHA256 Signature: BAD",
                "Failed to register machine: Machine 'f00d' already exists",
                "kinit: Client 'b1@X' not found in Kerberos database",
                "kinit: Preauthentication failed while getting initial credentials",
                "Credentials cache file '/tmp/krb5cc_0' not found",
                "unable to obtain a session (gssapi auth failed: requests.get: HTTP 401)",
                "fatal: early EOF\nfatal: index-pack failed",
                "fatal: fetch-pack: invalid index-pack output",
                "nfs: server nas1 not responding, still trying",
                "mount.nfs: access denied by server while mounting nas1:/koji",
                "sqlite3.OperationalError: disk I/O error",
                "blk_update_request: I/O error, dev sda, sector 123",
                "[Errno 2] No such file or directory: '/mnt/koji/repos/f44-build/1/x/repomd.xml'",
                "[Errno 2] No such file or directory: '/usr/bin/mock'",
                "Image status is FAILED: Could not access KVM kernel module: No such file",
                "Image status is FAILED: failed to initialize kvm: Permission denied",
                "libguestfs error: could not create appliance through libvirt.",
                "failed to create pod sandbox: rpc error: code = Unknown",
                "0/12 nodes are available: 12 Insufficient memory.",
                'pods "x" is forbidden: exceeded quota: compute-resources',
                "the server is currently unable to handle the request",
                "lookup registry.test on 10.0.0.2:53: server misbehaving",
                "http2: server sent GOAWAY and closed the connection; LastStreamID=1",
                "write tcp 10.0.0.1:44: use of closed network connection",
                "etcdserver: leader changed",
                "Back-off pulling image: ImagePullBackOff",
                "workers running this job stopped responding",
                "Received HTTP code 503 from proxy after CONNECT",
                "Proxy CONNECT aborted",
                "('Connection broken: InvalidChunkLength(got length b\"\", 0 bytes read)')",
                "ChunkedEncodingError: Response ended prematurely",
                "<urlopen error retrieval incomplete: got only 1024 out of 4096 bytes>",
                "[SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error",
                "Unable to acquire lock: waited too long: /var/cache/dnf/metadata_lock.pid",
                "Failed to obtain rpm transaction lock. Another transaction is in progress.",
                "SERVFAIL resolving kojipkgs.test",
                "Killed by the OOM killer",
            )
        ],
        (1000, "error: RPC failed; curl 18 transfer closed with outstanding read data remaining"),
        (1000, "Premature end of Content-Length delimited message body (expected: 9; received: 0)"),
        (1000, "fatal: unable to access 'https://git.test/x/': Empty reply from server"),
        (1000, "getaddrinfo EAI_AGAIN registry.test"),
        (1000, "Could not transfer artifact x: java.net.UnknownHostException: repo.test"),
        (1000, "Could not transfer artifact x: Remote host terminated the handshake"),
        (2001, "rpc error: code = Unavailable desc = transport is closing"),
        (2001, "The pod was preempted"),
        (1012, "error: rpmdb: damaged header #123 retrieved -- skipping."),
        (1000, "umount: /var/lib/mock/demo/root/proc: target is busy."),
        (1000, "database or disk is full"),
        (1000, "Unsuccessfully waited 120:00 for a new repo"),
        (1000, "reached maximum number of retries, last call failed with: x"),
        (1000, "SSL connection has been closed unexpectedly"),
        (1000, "Curl error (18): Transferred a partial file for https://cdn.test/x"),
        (1000, "Curl error (52): Server returned nothing (no headers, no data) for https://x"),
        (1000, "Curl error (92): Stream error in the HTTP/2 framing layer for https://x"),
        (
            1000,
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired",
        ),
        (2001, "toomanyrequests: You have reached your pull rate limit."),
        (2001, 'Get "https://registry.test/v2/": context deadline exceeded'),
        (2001, "net/http: request canceled (Client.Timeout exceeded while awaiting headers)"),
        (1, f"{TRACEBACK}\nurllib.error.HTTPError: HTTP Error 503: Service Unavailable"),
        (1, "<class 'requests.exceptions.HTTPError'>: 407 Client Error: Proxy Authentication"),
        (1, "<class 'requests.exceptions.HTTPError'>: 429 Client Error: Too Many Requests"),
        (1000, "Curl error (5): Couldn't resolve proxy name for https://cdn.test/x"),
        (1000, "Curl error (55): Failed sending data to the peer for https://cdn.test/x"),
        (1000, "Curl error (35): TLS connect error: error:00000000 for https://cdn.test/x"),
        (1000, "Status code: 503 for https://cdn.test/repomd.xml"),
        (1000, "Cannot download Packages/h/hello-1-1.x86_64.rpm: All mirrors were tried"),
        (1000, "Curl error (23): Failed writing received data to disk/application for x"),
        (1000, "GSSError: Minor (2529639136): Ticket expired"),
        (2001, "x86_64: build error: OOMKilled"),
        (2001, "The node was low on resource: ephemeral-storage. Pod x86-64-build was evicted"),
        (1000, "error: RPC failed; HTTP 502 curl 22"),
        (1000, "HTTP/1.1 503 Maintenance"),
        (1000, "server is offline"),
        (1000, "Server disabled for maintenance"),
        (1000, "database is locked"),
        (1000, "FATAL:  the database system is shutting down"),
        (1000, "FATAL:  sorry, too many clients already"),
        (1000, "canceling statement due to statement timeout"),
        (1000, "losetup: cannot find an unused loop device"),
        (1000, "db5 error(-30973) from dbenv->open: BDB0087 DB_RUNRECOVERY: Fatal error"),
        (1000, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] decryption failed or bad record mac"),
        (1000, "Cannot contact any KDC for realm 'X'"),
        (1000, "certificate verify failed: certificate is not yet valid"),
    ],
)
def test_infrastructure(code: int, text: str) -> None:
    """A broken builder, hub, network or disk is not the package's fault."""
    assert is_infrastructure(fault_from(code, text))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1005, "error building package (arch x86_64), mock exited with status 1; see build.log"),
        (1005, 'Error running GIT command "git reset --hard 123", see checkout.log for details'),
        (1005, "package hello not in list for tag f44"),
        (1000, "unknown build target: nope"),
        (1000, "Build already exists (id=7, state=COMPLETE): {}"),
        (1000, "Task 12 is canceled"),
        # The package's own script, its mounts, and an answer that it is to blame for.
        (1012, "sh: -c: line 1: unexpected EOF while looking for matching `\"'"),
        (1012, "sh: mount point /srv/data is not mounted"),
        (2001, "received 404 from registry"),
        # A retry would wait two hours again: the builds may not be in a tag of the repo at all.
        (1000, "Unsuccessfully waited 120:00 for bash-5-1 to appear in the f44-build repo"),
        (1000, "Unsuccessfully waited 120:00 for a-1-1, b-1-1 to appear in the f44-build repo"),
        (1004, "policy violation (build_from_srpm)"),
        (1010, "no spec file found"),
        # Whether the URL or the network is wrong only the log says; a wrong URL is more frequent.
        (1005, 'Error running GIT command "git clone -n https://x", see checkout.log for details'),
        (1012, "exit exited with status 7"),
        (1012, "segfault was killed by signal 11"),
        (1012, "error building Maven package, mock exited with status 1; see root.log for more"),
        (1012, "files found in unexpected path in local Maven repo, directory: x, files: x.jar"),
        (1012, "Requested repo (7) is DELETED"),
        (1005, "error building package (arch x86_64), mock exited with status 30; see root.log"),
        (1015, "Could not create LiveCD: exited with status 1; see image.log for more information"),
        (1022, "Could not create LiveMedia ISO: exited with status 1; see image.log"),
        (1018, "Image status is FAILED: the kickstart has no root password"),
        (2001, "image build failed"),
        (1005, "Compose failed (id: 5e5f)"),
        (1000, "Unsigned packages found. See missing_signatures.log"),
        (1003, "build hello-1-1 already tagged (tag_id=1, build_id=3)"),
        (1000, "No such directory or mount: /srv/x"),
        (1000, "404 Client Error: Not Found for url: https://koji.test/x"),
        (1000, "Status code: 404 for https://x/repodata/repomd.xml: All mirrors were tried"),
        (1005, "the test timed out"),
        (
            1,
            f"{TRACEBACK}\nlibvirtError: Domain not found: no domain with matching name 'x'",
        ),
        (1, f"{TRACEBACK}\nrequests.exceptions.HTTPError: 404 Client Error: Not Found for url: x"),
        (1, f"{TRACEBACK}\nxml.parsers.expat.ExpatError: mismatched tag: line 2, column 5"),
        (1, f"{TRACEBACK}\npykickstart.errors.KickstartParseError: Unknown command: x"),
        (1, f"{TRACEBACK}\nrpm.error: error reading package header"),
        (1, "<class '_rpm.error'>: error reading package header"),
        (1, "<class 'requests.exceptions.HTTPError'>: 403 Client Error: Forbidden for url: x"),
        (1, f"{TRACEBACK}\nurllib.error.HTTPError: HTTP Error 404: Not Found"),
        (1, "<class 'requests.exceptions.MissingSchema'>: Invalid URL 'x': No schema supplied."),
        (1, "<class 'Cheetah.NameMapper.NotFound'>: cannot find 'artifacts'"),
        (1, "<class 'configparser.NoOptionError'>: No option 'name' in section: 'image-build'"),
        (1, f"{TRACEBACK}\nyaml.scanner.ScannerError: mapping values are not allowed here"),
        *[
            (1005, f"error building package (arch s390x), mock exited with status {status}; see x")
            for status in (1, 10, 11, 30, 31, 40)
        ],
        (1012, "mock exited with status 60"),
        (1005, "package joni is blocked for tag dist-f13-updates-candidate"),
        (1005, "Build for base-docker-v3.7.0-0.117.0.0 already exists, id 588961"),
        (1000, "[Errno 2] No such file or directory: 'hello.spec'"),
        (1000, "[Errno 13] Permission denied: 'configure'"),
        (1005, "Task did not complete after 60.00 minutes, VM koji-clone-7-win has been destroyed"),
        (1005, "host does not match tag arches: demo (s390x)"),
        (1000, "read-write mount point is not safe: /etc"),
        # The path may be a user's.
        (1005, "SRPM file missing: /mnt/koji/work/cli-build/x/hello-1-1.src.rpm"),
        (1005, "repos in the DELETED state may not be used by runroot"),
        (1012, "--install nosuch exited with status 30"),
        (1012, "(none) exited with status 127"),
        (
            1000,
            "Build already exists (id=7, state=COMPLETE): {'extra': {'a': 'connection refused'}}",
        ),
        # What users name may read like trouble.
        (1005, "package readtimeout not in list for tag f44"),
        (1005, "package toomanyrequests is blocked for tag f44"),
        (1000, "unknown build target: connection refused"),
        (
            1005,
            'Error running GIT command "git clone https://x/incompleteread", see checkout.log',
        ),
        (1004, "policy violation (build_rpm): the channel is for service unavailable"),
        (1, "<class 'jsonschema.exceptions.ValidationError'>: 7 is not of type 'string'"),
        (1, "<class 'xml.etree.ElementTree.ParseError'>: syntax error: line 1, column 0"),
        (1, "<class 'lxml.etree.XMLSyntaxError'>: Document is empty, line 1, column 1"),
        (1, "<class 'ValueError'>: unknown url type: 'x'"),
        (1, "<class 'requests.exceptions.HTTPError'>: 405 Client Error: Method Not Allowed"),
        *[
            (1000, text)
            for text in (
                "The following noarch package built differently on x: connection refused",
                'I/O error : failed to load external entity "http://docbook.test/x.dtd"',
                "[Errno 2] No such file or directory: '/mnt/koji/work/cli-build/x/h-1-1.src.rpm'",
                "[Errno 2] No such file or directory: '/mnt/sysimage/etc/hello.conf'",
                "nothing provides libfoo >= 2 needed by hello-1-1",
                "No matching package to install: 'foo-devel'",
                "git.example.test:/x is not in the list of allowed SCMs",
                "fatal: Remote branch f99 not found in upstream origin",
                "fatal: Authentication failed for 'https://git.example.test/x.git/'",
                'manifest unknown: manifest tagged by "9.9" is not found',
                "java.lang.OutOfMemoryError: Java heap space",
                "curl exited with status 7",
                "SyntaxError: unexpected EOF while parsing",
                "sh: -c: line 1: unexpected EOF while looking for matching quote",
                "Could not resolve dependencies for project org.x:y:jar:1",
                "rpmdiff output was:\nremoved /usr/share/x/504.html",
                "wrong ownership in 503 files",
                "Build 503 not found",
                "Repo 502 does not exist",
                "[Errno 13] Permission denied: './configure'",
            )
        ],
        (1, "<class 'requests.exceptions.HTTPError'>: 451 Client Error: Unavailable"),
    ],
)
def test_package(code: int, text: str) -> None:
    """What the package or the request is to blame for is no fault of the infrastructure."""
    assert not is_infrastructure(fault_from(code, text))


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (ConnectionFailed("nothing listens"), True),
        (NotXMLRPC("a web page"), True),
        (KojiException("anything else"), False),
        (None, False),
    ],
)
def test_without_a_fault(error: Exception | None, is_it: bool) -> None:
    """A hub that can't be asked is infrastructure; nothing is not."""
    assert is_infrastructure(error) is is_it


def test_own_table() -> None:
    """A site's own table takes the place of ours, or extends it."""
    fault = fault_from(1005, "the Flux Compensator is empty")
    assert not is_infrastructure(fault)
    assert is_infrastructure(fault, (*INFRASTRUCTURE_FAULTS, r"flux comp\w+"))
    assert is_infrastructure(fault, [1005])
    clone = fault_from(1005, 'Error running GIT command "git clone", see checkout.log for details')
    assert is_infrastructure(clone, (*INFRASTRUCTURE_FAULTS, "running git command"))
    assert not is_infrastructure(fault_from(1012, "could not init mock buildroot"), [1005])
