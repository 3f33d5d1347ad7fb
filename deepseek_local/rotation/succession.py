"""
An authority gets a successor, with an overlap: made at half of its life, known to every verifier, and told to issue only then.

    prepare    at half of the life: make the successor, put it into the files that verifiers read, reload nginx
    activate   when people say that every verifier has it: from now on the successor issues

What the old authority has issued stays valid until it ends: verifiers keep the old authority until it has expired itself.
"""

from collections.abc import Sequence
from datetime import datetime

from deepseek_local.audit.record import Kind
from deepseek_local.errors import PKIError
from deepseek_local.pki import authority, trust
from deepseek_local.pki.authority import Authority
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.layout import Layout
from deepseek_local.rotation.nginx import Nginx
from deepseek_local.rotation.renewal import Record


def prepare(
    layout: Layout,
    purpose: Purpose,
    site: str,
    permitted: Sequence[str],
    now: datetime,
    *,
    nginx: Nginx | None,
    record: Record,
    at_once: bool = False,
) -> Authority | None:
    """Make the successor if it is time, or at once; None while it is not. Raises `PKIError`, `HSMError`, `AuditError`."""
    hierarchy = layout.hierarchy(purpose)
    successor, issuer = hierarchy.successor, hierarchy.issuer
    if successor is None:
        if not (at_once or now >= _half(issuer)):
            return None
        _record(record, "prepare_authority", f"successor of {issuer.name}")
        limits = permitted if purpose is Purpose.SERVER else ()
        token = authority.token_of(issuer.directory)
        successor = hierarchy.make_issuer(site, limits, now, token, issues=False)
    if not (successor.directory / authority.LIST).exists():
        successor.publish(now)
    publish(layout, now, nginx)
    return successor


def activate(layout: Layout, purpose: Purpose, now: datetime, *, nginx: Nginx | None, record: Record) -> Authority:
    """Let the successor issue. Raises `PKIError`, `AuditError`."""
    hierarchy = layout.hierarchy(purpose)
    successor = hierarchy.successor
    if successor is None:
        raise PKIError(
            f"{hierarchy.issuer.name} has no successor that waits; make one with `certs rotate --authority {purpose}`"
        )
    publish(layout, now, nginx)  # what nginx reads must have it, whatever happened since it was made
    _record(record, "activate_authority", successor.name)
    hierarchy.let_issue(successor)
    return successor


def publish(layout: Layout, now: datetime, nginx: Nginx | None) -> None:
    """Give verifiers all authorities and lists. Raises `PKIError`."""
    trust.publish_authorities(layout, now)
    trust.publish_lists(layout)
    if nginx is not None:
        nginx.test()
        nginx.reload()


def _half(issuer: Authority) -> datetime:
    begins, ends = issuer.certificate.not_valid_before_utc, issuer.certificate.not_valid_after_utc
    return begins + (ends - begins) / 2


def _record(record: Record, action: str, name: str) -> None:
    record(Kind.PKI_RENEW, action, {"authority": name})
