"""Distinguishes failures of the build system from packages that do not build. Pure: a table.

No fault says whose it is, and one code has many causes. The table holds what Koji's hub and
builders raise if something of theirs is broken; a site that knows better passes its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from txkoji import exceptions
from txkoji.exceptions import UNCAUGHT, HubFault, ProtocolError, TransportError
from txkoji.retry import is_passing

_REQUEST = re.compile(
    # The rest of these is what the user named.
    r"\A(unknown build target|error running \w{1,20} command|policy violation|build already)\b"
    # What follows are names of files in two packages.
    r"|\A.{1,40}package built differently on"
    r"|\A\w{1,20} \S{1,256} (not in list|is blocked) for tag\b"
    # Unexpected exceptions in a builder: what the request names does not exist, is forbidden, or
    # can't be parsed.
    r"|domain not found: no domain with matching name"
    r"|\b4(?!07|08|25|29)\d\d client error|\b(http error|status code:) 4(?!07|08|25|29)\d\d\b"
    r"|\brequests\.exceptions\.(missingschema|invalid(schema|url))\b|\bunknown url type"
    r"|\bxml\.parsers\.expat\.expaterror|\betree\.(elementtree\.parse|xmlsyntax)error"
    r"|\bpykickstart\.errors\.|\bcheetah\.\w|\bconfigparser\.|\byaml\.(scanner|parser)\."
    r"|\bjsonschema\.exceptions\."
    r"|\b_?rpm\.error('>)?: error reading package header",
    re.IGNORECASE,
)
"""Texts of faults for which the user's request is to blame, whatever else they quote."""

INFRASTRUCTURE_FAULTS: tuple[int | str, ...] = (
    UNCAUGHT,
    exceptions.LockError.code,
    exceptions.AuthError.code,
    exceptions.AuthLockError.code,
    exceptions.AuthExpired.code,
    exceptions.SequenceError.code,
    exceptions.RetryError.code,
    exceptions.GSSAPIAuthError.code,
    exceptions.ServerOffline.code,
    exceptions.PluginError.code,
    exceptions.CallbackError.code,
    exceptions.HubConfigurationError.code,
    # Code 1012 is also that of a command in a build root, of Maven's errors, and of a repo that the
    # user named. This is before the package's requirements are installed.
    r"could not init mock buildroot",
    r"\bmock (was killed by signal|terminated for unknown reasons)",
    r"failed to get a buildroot id",
    # Mock's exit codes, except those that blame the package: it could not start, or set up or lock
    # the chroot, or was killed.
    r", mock exited with status (2|3|20|25|60|65|70|80|90|110|129|134|137|139|141|143)\b",
    # The builder's disk and memory, and its network as the kernel names it.
    r"\berrno:? (5|6|1[126]|19|2[3468]|3[02579]|6[12]|7[014]|99|10[0-57]|11[0-37]|12[12])\b",
    r"\be(io|nospc|dquot|rofs|stale|pipe|conn(refused|reset|aborted)|timedout|(host|net)unreach)\b",
    r"no space (left on device|available)",
    r"disk quota exceeded",
    # xsltproc and the like say this of a document that has no copy in the build root.
    r"\b(input/output|i/o) error(?! : failed to load)",
    r"read-only file ?system",
    r"stale (nfs )?file handle",
    r"transport endpoint is not connected",
    r"cannot allocate memory",
    r"out of memory|\boom[ -]?kill(ed|er)\b|(start|create) new (native )?thread",
    # What runs containers.
    r"\bnode was low on resource|\bpod (\S{1,256} )?(was |has been )?(evicted|preempted)\b",
    r"create pod sandbox",
    r"\bnodes are available: |\bexceeded quota: |imagepullbackoff|\betcdserver: ",
    r"currently unable to handle the request|running this job stopped responding",
    r"too many open files",
    r"structure needs cleaning",
    r"resource temporarily unavailable",
    # The builder's housekeeping.
    r"\b(un?)?mount(ing)? failed|while mounting \S",
    r"\b(error|unable to|failed to) (un?)?mount(ing)?:? /",
    r"\bmount ?point /mnt/\S{1,256} is not mounted",
    r"failed to (create|merge) repos?\b",
    r"rpmdb open failed|open packages (index|database)|\brpmdb(nextiterator\b|: damaged header)",
    # What users upload expires, and an image's own files are the kickstart's.
    r"(permission denied|no such file or directory): '?/mnt/(?!sysimage|\S{1,256}/cli-)",
    r"\berrno 2\] no such file or directory: '/usr/s?bin/",
    r"device or resource busy|failed to register machine",
    r"target is busy",
    r"\bdisk is full",
    r"\bloop devices?\b",
    r"\bdb_runrecovery\b|berkeley db library|database disk image is malformed",
    r"repo directory missing|\Aunknown origin for \S",
    r"\b(createrepo|mergerepos)(_c)? (exited|was killed)\b",
    r"locked by another process|\b((acquire|obtain) (\S{1,40} ){0,3}|not get )lock\b",
    r"can't get list of installed rpms",
    r"the build system failed to",
    r"no arch list for this host",
    r"\Abad config: ",
    r"upload checksum failed|uploaded file (is|has) wrong (length|size)|wrong chunk ?size",
    r"(checksum validation failed for|doesn't match (checksum|sigmd5))",
    # The builder's virtual machines.
    r"\Aunable to (create qcow2 image|clone vm)\b",
    r"\Aerror starting vm\b",
    r"\Avm \S{1,256} crashed\Z",
    r"\A(duplicate|unknown) mac address\b",
    r"(could not access|failed to initialize) kvm|libguestfs error|client socket is closed",
    # Not a wait for certain builds: they may never get into the repo.
    r"unsuccessfully waited [^\n]{1,100} for a new (\S{1,256} )?repo",
    # The network.
    r"could(n't| not) resolve (host|proxy)",
    r"(could not|couldn't|cannot|can't|failed to|unable to) (connect to|contact|reach) ",
    r"no such host",
    r"name or service not known",
    r"no address associated with hostname",
    r"(temporary failure in|failed) name resolution|name resolution (failed|error)",
    r"connection (was |has been )?(refused|reset|timed ?out|aborted|broken|closed by|lost)",
    r"lost connection to|use of closed network connection|sent goaway|\bproxy connect aborted",
    r"\bserver \S{1,256} not responding|\bserver misbehaving|\bservfail\b",
    r"\b(connect|read|write|request|operation|handshake)( operation)? timed ?out",
    r"\b(connect|read) ?timeout",
    r"(gateway|request) time-?out",
    r"failed to establish a new connection",
    r"remote end closed connection",
    r"server disconnected",
    r"max retries exceeded",
    r"maximum number of retries",
    r"incomplete ?read|retrieval incomplete|(response|connection) ended prematurely",
    r"invalidchunklength|\bearly eof\b|invalid index-pack output",
    r"(network|host) is (unreachable|down)",
    r"no route to host",
    r"eof (occurred in violation of protocol|detected)|unexpected eof while reading",
    r"\": (unexpected )?eof\b|\Aunexpected eof\Z",
    r"(connection|hung up|been closed) unexpectedly|hung up upon|unexpected disconnect",
    r"software caused connection abort",
    r"network dropped connection",
    r"no buffer space available|cannot assign requested address",
    r"broken pipe",
    r"\A\W*(timed out|urlopen error timed out)|: timed out\b",
    r"(i/o|handshake) timeout",
    r"timeout was reached",
    r"context deadline exceeded",
    r"client\.timeout exceeded",
    r"transferred a partial file|\btransfer closed with\b|premature end of (content|chunk)",
    r"server returned nothing|empty reply from server|badstatusline",
    r"\beai_again\b|java\.net\.unknownhostexception|remote host terminated the handshake",
    r"rpc error: code = unavailable\b",
    r"operation too slow|request canceled while waiting",
    r"couldn't read a file:// file",
    r"http/?2 (framing layer|stream)",
    r"certificate (has )?expired|certificate is not yet valid",
    r"decryption.failed.or.bad.record.mac",
    r"cannot (contact any|find) kdc|clock skew too great|\bticket expired\b|kerberos database",
    r"no (kerberos )?credentials (were supplied|available)|while getting initial credentials",
    r"\bcredentials? cache\b|unable to obtain a session",
    r"(ssl|tls) connect error|\bssl_error_syscall\b|\bgnutls(_handshake\b| (recv|send) error)",
    r"\btls\w{1,4} alert internal error\b",
    r"failure when receiving data|failed (sending|writing received) data",
    # The repo that the package is built with.
    r"all mirrors were (already )?tried|(failed to synchronize cache|valid baseurl) for repo",
    r"cannot retrieve repository metadata|inconsistent server data|repomd\.xml parser error",
    r"downloading successful, but checksum",
    # The hub's front end, or another service's.
    r"\b5\d\d server error",
    r"\b(http(/[\d.]{1,3})?|error|status( ?code)?|(http|response) code):? (408|425|429|5\d\d)\b",
    r"\b(408|425|429) client error|\breceived (408|425|429|5\d\d)( [a-z]{1,40}){0,3} from\b",
    r"too ?many ?requests",
    r"temporarily (unable to service|overloaded)|again later",
    r"server is offline|server disabled for maintenance|down for maintenance",
    r"\b502 proxy error|backend fetch failed|no healthy upstream|upstream connect error",
    r"database outage",
    r"database (system )?is (locked|shutting down|starting up)|too many clients already",
    r"remaining connection slots|too many (open )?connections|connection pool exhausted",
    r"(terminating connection|canceling statement) due to",
    r"could not serialize access",
    r"deadlock detected",
    r"internal server error",
    r"bad gateway",
    r"service (temporarily )?unavailable",
)
"""Fault codes, and regular expressions that are searched in a fault's text, whatever its case.

Each expression takes linear time, whatever the text: no two repetitions of it can share characters.
"""

# An argument that its database can't take makes a hub fail with an uncaught exception.
_BROKEN_HUB = (
    r"(?m:^)(?:<class ')?(?:MemoryError|OSError|IOError|PermissionError|FileNotFoundError"
    r"|(?:Not|Is)ADirectoryError|TimeoutError|socket\.\w{1,20}|BlockingIOError|ChildProcessError"
    r"|Connection\w{0,20}Error|ImportError|ModuleNotFoundError|NameError|SystemError"
    r"|psycopg2\.(?:errors\.|extensions\.)?(?:InternalError_?|QueryCanceled(?:Error)?"
    r"|InFailedSqlTransaction|(?:Data|Index)Corrupted|UndefinedTable|InsufficientPrivilege))"
    r"(?:'>)?:"
)
_HUB_FAULTS = (*(each for each in INFRASTRUCTURE_FAULTS if each != UNCAUGHT), _BROKEN_HUB)


def is_infrastructure(
    error: BaseException | None, faults: Iterable[int | str] | None = None
) -> bool:
    """Return whether a failure is the build system's rather than the package's.

    Args:
        error: the fault of a failed task, or whatever else ended it; None for none.
        faults: fault codes, and regular expressions to search in the text of the fault; by default
            :data:`INFRASTRUCTURE_FAULTS`, to extend with
            ``(*INFRASTRUCTURE_FAULTS, "my builder is broken")``.

    Returns:
        True for a fault that the table has, and if the hub could not be asked at all. Where the
        request is to blame for certain (an unknown target, a package that the tag does not list, a
        kickstart file that can't be parsed), no text of the default table and no uncaught exception
        (code 1) counts.

    Raises:
        re.error: a pattern is no regular expression.
    """
    if isinstance(error, (TransportError, ProtocolError)):
        return True
    if not isinstance(error, HubFault):
        return False
    text, table = error.text, INFRASTRUCTURE_FAULTS if faults is None else faults
    if _REQUEST.search(text):
        # A site's own pattern still counts.
        ours = {UNCAUGHT, *(each for each in INFRASTRUCTURE_FAULTS if isinstance(each, str))}
        table = [each for each in table if each not in ours]
    return any(
        re.search(fault, text, re.IGNORECASE) if isinstance(fault, str) else fault == error.code
        for fault in table
    )


def is_refusal(error: BaseException) -> bool:
    """Return whether a hub refused a call because of what was asked, so that the caller must act.

    Args:
        error: what a call ended with.

    Returns:
        True for an unknown name, a missing permission, a bad argument, a policy or a method that
        the hub does not have. False if the hub was not reached, did not accept the login, or is
        itself broken: its database, its disk or one of its plugins.
    """
    if not isinstance(error, HubFault) or is_passing(error):
        return False
    return not is_infrastructure(error, _HUB_FAULTS)
