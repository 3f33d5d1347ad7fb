"""
One run of the rotation job: is the server's certificate due, and if so, is its successor in service?

    look      the lock; nginx accepts its configuration and serves what is in use; otherwise nothing is begun
    make      key, certificate, and every check that a client would make
    install   see `installation`, which takes back what does not work

A run that was killed anywhere leaves a certificate in use that nginx can be started and reloaded with. The next run sees on disk what is left to do:
versions newer than the one in use were never used and go away, one in use that was never proven is brought into service or taken back.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509

from deepseek_local.audit.record import Kind
from deepseek_local.errors import PKIError
from deepseek_local.files import lock
from deepseek_local.pki import build, certificates, chain, keys
from deepseek_local.pki.build import Purpose
from deepseek_local.pki.due import Life
from deepseek_local.pki.hierarchy import Hierarchy
from deepseek_local.pki.layout import CERTIFICATE, KEY, Layout
from deepseek_local.rotation import installation
from deepseek_local.rotation.installation import Step, Tell
from deepseek_local.rotation.nginx import Nginx
from deepseek_local.rotation.pulled import renew_after

Record = Callable[[Kind, str, Mapping[str, object]], None]
"""Puts an action with its attributes on record. Raises `AuditError`."""

_logger = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What a run has done."""

    NOT_DUE = "not due"
    RENEWED = "renewed"
    COMPLETED = "completed"
    """What an earlier run had begun."""
    RELOADED = "reloaded"
    """nginx served something else than what is in use."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a run works on."""

    layout: Layout
    names: Sequence[x509.GeneralName]
    nginx: Nginx | None
    record: Record
    tell: Tell


def run(job: Job, now: datetime, *, at_once: bool = False) -> Outcome:
    """Renew the server's certificate if it is due, or at once. Raises `PKIError`, `ProxyError`, `HSMError`, `AuditError`; the old one is in use then."""
    with held(job.layout):
        versions = job.layout.server
        current = versions.current
        if current is None:
            raise PKIError("there is no server certificate yet; make the first with `certs issue server`")
        if not current.is_dir():
            raise PKIError(
                f"{current}, which is to be in use, is not there; restore it, or link `current` to a version beside it"
            )
        versions.discard_newer()
        if not versions.is_proven(current):
            installation.prove(versions, current, job.nginx, job.tell)
            told(job, current)
            outcome = Outcome.COMPLETED
        else:
            outcome = _look(job, current)
        job.tell(Step.LOOKED)
        in_use = certificates.read(current / CERTIFICATE)
        if at_once or is_due(job, in_use, now):
            install(job, made(job, in_use, now))
            outcome = Outcome.RENEWED
        versions.tidy()
        job.tell(Step.TIDIED)
    return outcome


def first(job: Job, now: datetime) -> Path:
    """Make the first certificate, before nginx can start, and return its version. Raises `PKIError`, `HSMError`, `AuditError`."""
    with held(job.layout):
        versions = job.layout.server
        if versions.current is not None:
            raise PKIError("the server has a certificate; renew it with `certs rotate --now`")
        files = made(job, None, now)
        job.record(Kind.PKI_ISSUE, "issue", described(x509.load_pem_x509_certificates(files[CERTIFICATE])[0]))
        version = versions.stage(files)
        job.tell(Step.STAGED)
        versions.switch(version)
        job.tell(Step.SWITCHED)
    return version


@contextmanager
def held(layout: Layout) -> Iterator[None]:
    """Let one run at a time work on the server's certificate. Raises `PKIError`."""
    try:
        descriptor = lock(layout.rotation)
    except FileNotFoundError as error:
        raise PKIError(f"there is no {layout.directory}; begin with `certs init`") from error
    except OSError as error:
        raise PKIError(f"{layout.directory} cannot be locked: {error.strerror}; check its owner and mode") from error
    try:
        yield
    finally:
        os.close(descriptor)


def is_due(job: Job, in_use: x509.Certificate, now: datetime) -> bool:
    """Whether it is time, or the server has got another name."""
    life = Life(in_use.not_valid_before_utc, in_use.not_valid_after_utc, in_use.serial_number)
    missing = set(job.names) - set(certificates.alternative_names(in_use))
    pulled = renew_after(job.layout.renew_after)
    if pulled is not None and pulled <= life.begins + build.BACKDATED:
        pulled = None  # it was for a certificate before this one
    return bool(missing) or life.is_due(now, pulled)


def made(job: Job, in_use: x509.Certificate | None, now: datetime) -> dict[str, bytes]:
    """Make key and certificate; nothing but the ledger of the authority changes. Raises `PKIError`, `HSMError`."""
    hierarchy = job.layout.hierarchy(Purpose.SERVER)
    if in_use is not None:
        _insist_on_ours(in_use, hierarchy)
        _insist_on_progress(in_use, hierarchy.issuer.certificate, now)
    key, issuer = keys.for_leaf(), hierarchy.issuer
    leaf = issuer.issue(key.public_key(), job.names, purpose=Purpose.SERVER, now=now)
    job.tell(Step.SIGNED)
    path = [leaf, issuer.certificate]
    chain.check(path, [hierarchy.root.certificate], key=key, wanted=job.names, purpose=Purpose.SERVER, now=now)
    job.tell(Step.CHECKED)
    return {CERTIFICATE: certificates.pem(path), KEY: keys.pem(key)}


def install(job: Job, files: Mapping[str, bytes]) -> None:
    """Record a certificate and put it into service. Raises `PKIError`, `AuditError`."""
    leaf = x509.load_pem_x509_certificates(files[CERTIFICATE])[0]
    job.record(Kind.PKI_RENEW, "renew", described(leaf))
    job.tell(Step.RECORDED)
    versions = job.layout.server
    try:
        installation.install(versions, files, job.nginx, job.tell)
    except PKIError as error:
        job.record(Kind.PKI_RELOAD, "roll_back", {**described(leaf), "error": str(error)})
        raise
    if (current := versions.current) is not None:
        told(job, current)


def told(job: Job, current: Path) -> None:
    """Record what is served now. Raises `AuditError`."""
    if job.nginx is not None:
        job.record(Kind.PKI_RELOAD, "reload", described(certificates.read(current / CERTIFICATE)))
    job.tell(Step.TOLD)


def described(leaf: x509.Certificate) -> dict[str, object]:
    """Say of a certificate what a record needs."""
    shown = [str(name.value) for name in certificates.alternative_names(leaf)]
    return {
        "serial": f"{leaf.serial_number:x}",
        "names": shown,
        "ends": f"{leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    }


def _look(job: Job, current: Path) -> Outcome:
    if job.nginx is None:
        return Outcome.NOT_DUE
    job.nginx.test()
    wanted = installation.serial(current)
    if job.nginx.serves().serial_number == wanted:
        return Outcome.NOT_DUE
    _logger.warning("nginx serves another certificate than the one in use, and is reloaded")
    job.nginx.reload()
    job.nginx.insist_on(wanted)
    told(job, current)
    return Outcome.RELOADED


def _insist_on_ours(in_use: x509.Certificate, hierarchy: Hierarchy) -> None:
    if not (hierarchy.exists and any(each.has_issued(in_use.serial_number) for each in hierarchy.issuers())):
        raise PKIError(
            f"the certificate in use was issued by {in_use.issuer.rfc4514_string()!r}, which is not here; "
            "make a request for that authority with `certs request`, and `certs import` its answer"
        )


def _insist_on_progress(in_use: x509.Certificate, issuer: x509.Certificate, now: datetime) -> None:
    """Raise `PKIError` where a new certificate would not outlive the one in use: no run makes one after the other for nothing."""
    if now < in_use.not_valid_before_utc:
        raise PKIError(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, which is before the certificate in use was made; set it right"
        )
    last = issuer.not_valid_after_utc
    ends = min(now + build.LEAF_LIFE, last)
    if ends < in_use.not_valid_after_utc or ends == in_use.not_valid_after_utc == last:
        raise PKIError(
            f"a new certificate would end on {ends:%Y-%m-%d}, no later than the one in use; "
            "check the clock, or make a successor of its authority with `certs rotate --authority server`"
        )
