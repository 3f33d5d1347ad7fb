"""
How a site's certificates stand: every one that counts, until when, and what to worry about.

A certificate in somebody's hands is their business, and so only shown. What takes everybody's access away is an alarm: the server's certificate,
an authority, a revocation list. An authority is due when a leaf of full life would outlive it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509

from deepseek_local.errors import PKIError
from deepseek_local.files import read_regular
from deepseek_local.pki import authority, certificates, ledger
from deepseek_local.pki.authority import Authority
from deepseek_local.pki.build import LEAF_LIFE, Purpose
from deepseek_local.pki.due import Alarm, Life
from deepseek_local.pki.layout import CERTIFICATE, Layout

LIST_WARN = timedelta(days=5)
"""A list lives seven days and is made daily."""
LIST_URGENT = timedelta(days=3)
_AUTHORITY_URGENT = timedelta(days=30)
_BYTES_LIMIT = 64 * 1024 * 1024


class Sort(StrEnum):
    """What a line of the report is about."""

    ROOT = "root"
    AUTHORITY = "authority"
    LIST = "list"
    SERVER = "server"
    LEAF = "leaf"


@dataclass(frozen=True, slots=True)
class Standing:
    """One certificate or list."""

    sort: Sort
    name: str
    serial: str
    """Hexadecimal; of a list, its number."""
    ends: datetime
    """Of a list, when the next one must be there."""
    state: str
    """`valid`, `revoked`, `in use`, `issues`, `prepared`, …"""
    alarm: Alarm


def of(layout: Layout, now: datetime) -> list[Standing]:
    """Look at everything. Raises `PKIError`."""
    found = list(_server(layout, now))
    for purpose in Purpose:
        hierarchy = layout.hierarchy(purpose)
        if not hierarchy.exists:
            continue
        root, issuing, successor = hierarchy.root, hierarchy.issuer.name, hierarchy.successor
        found.append(_authority(Sort.ROOT, root, "trusted", now))
        for each in hierarchy.issuers():
            waits = successor is not None and successor.name == each.name
            state = "issues" if each.name == issuing else "prepared" if waits else "succeeded"
            found.append(_authority(Sort.AUTHORITY, each, state, now, is_watched=state == "issues"))
        found += [_list(each, now) for each in (root, *hierarchy.issuers())]
        for each in hierarchy.issuers():
            found += _leaves(each, now)
    return found


def _server(layout: Layout, now: datetime) -> Iterator[Standing]:
    current = layout.server.current
    if current is None:
        return
    leaf = certificates.read(current / CERTIFICATE)
    life = Life(leaf.not_valid_before_utc, leaf.not_valid_after_utc, leaf.serial_number)
    state = "in use" if layout.server.is_proven(current) else "in use, not proven"
    shown = " ".join(str(name.value) for name in certificates.alternative_names(leaf))
    yield Standing(Sort.SERVER, shown, f"{leaf.serial_number:x}", leaf.not_valid_after_utc, state, life.alarm(now))


def _authority(sort: Sort, one: Authority, state: str, now: datetime, *, is_watched: bool = True) -> Standing:
    ends = one.certificate.not_valid_after_utc
    alarm = _alarm(ends - now, LEAF_LIFE, _AUTHORITY_URGENT) if is_watched else Alarm.NONE
    return Standing(sort, one.name, f"{one.certificate.serial_number:x}", ends, state, alarm)


def _list(issuer: Authority, now: datetime) -> Standing:
    signed = read_list(issuer.directory / authority.LIST)
    ends = signed.next_update_utc or now
    number = signed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    state = f"{len(signed)} revoked"
    return Standing(Sort.LIST, issuer.name, str(number), ends, state, _alarm(ends - now, LIST_WARN, LIST_URGENT))


def _leaves(issuer: Authority, now: datetime) -> Iterator[Standing]:
    held = ledger.read(issuer.directory)
    for each in held.issued:
        if each.ends > now:
            state = "revoked" if held.is_withdrawn(int(each.serial, 16)) else "valid"
            yield Standing(Sort.LEAF, " ".join(each.names), each.serial, each.ends, state, Alarm.NONE)


def _alarm(left: timedelta, warn: timedelta, urgent: timedelta) -> Alarm:
    steps = ((timedelta(), Alarm.EXPIRED), (urgent, Alarm.URGENT), (warn, Alarm.WARN))
    return next((alarm for limit, alarm in steps if left <= limit), Alarm.NONE)


def read_list(place: Path) -> x509.CertificateRevocationList:
    """Read a revocation list. Raises `PKIError`."""
    try:
        return x509.load_pem_x509_crl(read_regular(place, _BYTES_LIMIT))
    except OSError as error:
        raise PKIError(f"the list {place} cannot be read: {error.strerror}; run `certs crl`") from error
    except ValueError as error:
        raise PKIError(f"{place} holds no revocation list in PEM; run `certs crl`") from error
