"""Judge the distribution, Python, the compiler, the clock and SELinux."""

from collections.abc import Iterator

from deepseek_local.finding import Finding, error, warning
from deepseek_local.host.facts import Facts, Security, dotted

SUPPORTED = {"ubuntu": ("22.04", "24.04"), "debian": ("12",), "rhel": ("8", "9"), "rocky": ("8", "9")}
_KNOWN = "Ubuntu 22.04 and 24.04, Debian 12, RHEL and Rocky Linux 8 and 9 are tried"
_LEAST_PYTHON = (3, 11)


def distribution(facts: Facts) -> Iterator[Finding]:
    """Look at the operating system."""
    release = facts.release
    if release is None:
        yield error("os.unknown", "/etc/os-release names no distribution", _KNOWN)
        return
    versions = SUPPORTED.get(release.id, ())
    if release.version not in versions and release.version.partition(".")[0] not in versions:
        yield warning(
            "os.untried", f"this host runs {release.name[:80]}", f"{_KNOWN}; expect to solve problems yourself"
        )


def python(facts: Facts) -> Iterator[Finding]:
    """Look at the Python that runs this."""
    if facts.software.python < _LEAST_PYTHON:
        yield error("python.old", f"Python is {dotted(facts.software.python)}", "install Python 3.11 or newer")


def compiler(facts: Facts) -> Iterator[Finding]:
    """Look for what Triton compiles its launchers with, at the first request of a kernel."""
    needed = facts.software.cuda is not None or facts.software.rocm is not None or _gpus(facts) > 0
    if needed and facts.software.compiler is None:
        yield error("compiler.missing", "neither gcc nor cc is there, and Triton compiles with it", "install gcc")
    if needed and not facts.software.has_python_header:
        yield error(
            "compiler.headers",
            "Python.h is missing, and Triton compiles against it",
            "install python3-dev or python3-devel of this Python",
        )


def clock(facts: Facts) -> Iterator[Finding]:
    """Look at the time: certificates, quotas and the audit log go by it."""
    if facts.clock.is_synchronised:
        return
    if facts.clock.keeper is None and facts.clock.is_synchronised is None:
        yield error(
            "clock.unseen", "no service that keeps the time was seen", "enable chrony, systemd-timesyncd or ntpd"
        )
    elif facts.clock.keeper is None:
        yield error(
            "clock.unkept",
            "the kernel's clock is not synchronised, and no service keeps it",
            "enable chrony, systemd-timesyncd or ntpd",
        )
    else:
        yield error(
            "clock.wrong",
            f"{facts.clock.keeper} runs, but the clock is not synchronised",
            "let it reach its servers, as `chronyc sources` or `timedatectl timesync-status` shows",
        )


def selinux(facts: Facts) -> Iterator[Finding]:
    """Say what SELinux needs; it is never asked to be off."""
    if facts.security is Security.ENFORCING:
        yield warning(
            "selinux.enforcing",
            "SELinux is enforcing, so nginx (httpd_t) needs a rule to reach the front door's socket",
            "keep it on, and load the module of the page on preparing a host",
        )
    elif facts.security is Security.PERMISSIVE:
        yield warning(
            "selinux.permissive",
            "SELinux is permissive: it reports and stops nothing",
            "load the module of the page on preparing a host, then run: setenforce 1",
        )


def _gpus(facts: Facts) -> int:
    return facts.accelerators.nvidia + facts.accelerators.amd
