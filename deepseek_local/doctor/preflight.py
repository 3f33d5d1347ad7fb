"""
Is this host ready for the plan? Every check that is quick enough for every start, all findings at once.

A check that fails itself is a finding, too, and hides nothing that the others found.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from deepseek_local.doctor import access, model, places, software
from deepseek_local.errors import PreflightError
from deepseek_local.finding import Finding, Severity, isolated
from deepseek_local.plan import Plan

Check = Callable[[Plan], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    software.engine,
    software.foreign_script,
    model.model,
    places.home,
    places.runtime,
    places.port,
    places.unix_sockets,
    places.audit,
    access.policy,
    access.tokens,
    access.identity_sources,
    access.site_keys,
    access.signing_key,
    access.socket_group,
)


def examine(plan: Plan, checks: Sequence[Check] = CHECKS) -> tuple[Finding, ...]:
    """Return what all checks found."""
    return tuple(finding for check in checks for finding in isolated(check, plan))


def require(findings: Iterable[Finding]) -> None:
    """Raise `PreflightError` with every finding that stops a start, if there is one."""
    stopping = [str(finding) for finding in findings if finding.severity is Severity.ERROR]
    if stopping:
        raise PreflightError("\n".join(stopping))
