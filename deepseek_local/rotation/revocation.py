"""
A certificate is taken back, in the order of effect: deny-list, revocation list, what nginx reads, nginx.

The front door refuses it from the first step on, whatever happens to the others. Each step looks whether it was done, so that a run which
failed halfway, because an HSM was away or a disk full, is run again and goes on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.x509 import ReasonFlags

from deepseek_local.access import PRINCIPAL
from deepseek_local.audit.record import Kind
from deepseek_local.errors import AuditError, Error, PKIError
from deepseek_local.pki import ledger, names, trust
from deepseek_local.pki.authority import Authority
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.layout import Layout
from deepseek_local.pki.ledger import Issued
from deepseek_local.rotation import deny_list
from deepseek_local.rotation.nginx import Nginx
from deepseek_local.rotation.renewal import Record


@dataclass(frozen=True, slots=True)
class Found:
    """A certificate and who has issued it."""

    purpose: Purpose
    authority: Authority
    issued: Issued

    @property
    def serial(self) -> int:
        """Its serial number."""
        return int(self.issued.serial, 16)


def find(layout: Layout, text: str, site: str, now: datetime) -> list[Found]:
    """Return the certificate of a serial number, or all that are alive of `u:NAME` or of a server's name. Raises `PKIError`."""
    serial = _serial(text)
    name = str(names.principal(text, site).value) if PRINCIPAL.fullmatch(text) else text
    found = [
        each
        for each in _every(layout)
        if (int(each.issued.serial, 16) == serial) or (name in each.issued.names and each.issued.ends > now)
    ]
    if not found:
        raise PKIError(
            f"no authority here has issued a certificate {text[:80]!r} that is alive; look at `certs status`, and put the "
            "serial number of a certificate of another authority into the deny-list by hand"
        )
    return found


def revoke(
    layout: Layout,
    found: list[Found],
    reason: ReasonFlags,
    now: datetime,
    *,
    denied: Path,
    nginx: Nginx | None,
    record: Record,
) -> None:
    """Take certificates back. Raises `PKIError` that says which step failed, and that the steps before it are done."""
    for each in found:
        if each.purpose is Purpose.CLIENT:
            with _step("the deny-list"):
                deny_list.add(denied, each.serial, f"{', '.join(each.issued.names)}: {reason.value}", now)
    unrecorded = _recorded(found, reason, record)
    for each in found:
        with _step("the revocation list, after the deny-list"):
            _withdraw(each, reason, now)
    with _step("the list that nginx reads, after the authority's own"):
        trust.publish_lists(layout)
    if nginx is not None:
        with _step("the reload of nginx, which has the new list before it"):
            nginx.test()
            nginx.reload()
    if unrecorded is not None:
        raise AuditError(f"revoked, but not on record: {unrecorded}") from unrecorded


@contextmanager
def _step(what: str) -> Iterator[None]:
    try:
        yield
    except Error as error:
        raise PKIError(
            f"not finished, {what}: {error}; what was done before stays done, run the command again"
        ) from error


def _recorded(found: list[Found], reason: ReasonFlags, record: Record) -> AuditError | None:
    """Record it; a log that is down must not keep a certificate in use, and is told of at the end."""
    try:
        for each in found:
            attributes = {"serial": each.issued.serial, "names": list(each.issued.names), "reason": reason.value}
            record(Kind.PKI_REVOKE, "revoke", attributes)
    except AuditError as error:
        return error
    return None


def _withdraw(found: Found, reason: ReasonFlags, now: datetime) -> None:
    if ledger.read(found.authority.directory).is_withdrawn(found.serial):
        found.authority.publish(now)
    else:
        found.authority.revoke(found.serial, reason, now)


def _every(layout: Layout) -> Iterator[Found]:
    for purpose in Purpose:
        hierarchy = layout.hierarchy(purpose)
        for authority in hierarchy.issuers() if hierarchy.exists else ():
            for issued in ledger.read(authority.directory).issued:
                yield Found(purpose, authority, issued)


def _serial(text: str) -> int | None:
    try:
        return int(text.replace(":", ""), 16)
    except ValueError:
        return None
