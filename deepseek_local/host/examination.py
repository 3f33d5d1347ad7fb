"""Judge the facts of a host: all checks, all findings at once, and nothing that touches the host."""

from collections.abc import Callable, Iterator

from deepseek_local.finding import Finding, isolated
from deepseek_local.host import device_checks, resource_checks, system_checks
from deepseek_local.host.facts import Facts

CHECKS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    system_checks.distribution,
    system_checks.python,
    system_checks.compiler,
    device_checks.driver,
    device_checks.fabric,
    device_checks.persistence,
    device_checks.rocm,
    device_checks.peers,
    system_checks.clock,
    system_checks.selinux,
    resource_checks.limits,
    resource_checks.settings,
    resource_checks.shared_memory,
    resource_checks.huge_pages,
    resource_checks.swap,
    resource_checks.firewall,
    resource_checks.volume,
)


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Return what all checks found."""
    return tuple(finding for check in CHECKS for finding in isolated(check, facts))
